"""The transmit path, from the host to the wire."""
