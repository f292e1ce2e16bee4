"""Security associations, the device's tables of them, and their lifetimes."""
