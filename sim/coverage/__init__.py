"""Coverage: which cases of the behaviour and which lines of the RTL a regression has met."""
