"""Interface to software: AXI4-Lite registers, counters and events."""
