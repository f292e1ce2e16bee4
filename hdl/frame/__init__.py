"""Frames taken apart and put together: headers on one side, ESP text on the other."""
