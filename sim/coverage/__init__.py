"""Coverage: which cases of the engine a regression has met."""
