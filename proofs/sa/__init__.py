"""Proofs of the blocks of ``hdl/sa``: contexts, numbers and keys."""
