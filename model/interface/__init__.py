"""What device and software agree on: codes, field layouts, registers, capabilities, features."""
