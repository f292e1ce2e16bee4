"""The agreement of device and software: codes, layouts, registers, capabilities, features."""
