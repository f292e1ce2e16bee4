"""Golden model of the ESP offload engine: pure Python, no simulator and no HDL."""
