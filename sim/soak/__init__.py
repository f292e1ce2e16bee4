"""Endless random traffic on the RTL, judged by the golden model and by oracles beside it."""
