"""The device as a whole: what becomes of each frame, request, command and register access."""
