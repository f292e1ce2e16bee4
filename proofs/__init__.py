"""Formal proofs of the blocks: properties in Amaranth, in a file for each block."""
