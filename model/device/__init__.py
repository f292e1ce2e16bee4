"""The whole device: the outcome of each frame, request, command and register access."""
