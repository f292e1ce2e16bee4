"""The ESP offload engine as Amaranth RTL, one block a file."""
