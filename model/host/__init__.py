"""The software side without a device: the stack that does ESP itself, and SA files."""
