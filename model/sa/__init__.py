"""Security associations, their lifetimes, and the device's tables of them."""
