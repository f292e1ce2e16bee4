"""The host's software beside the device: a stack that can do ESP itself, and SA files."""
