"""The receive path, from the wire to the host."""
