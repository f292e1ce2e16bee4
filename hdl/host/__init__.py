"""What software meets: AXI4-Lite registers, counters and events."""
