"""Frames and commands for the engine, and what the model makes of them."""
