"""Formal proofs of the blocks: the tools, the command and its table."""
