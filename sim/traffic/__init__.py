"""Frames and commands for the engine, and the outcome that the golden model gives for them."""
