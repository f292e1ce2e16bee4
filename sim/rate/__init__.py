"""``espnic bench``: rates and latency of the engine."""
