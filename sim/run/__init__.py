"""``espnic run``: a capture through the engine and the model, compared."""
