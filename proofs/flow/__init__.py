"""Proofs of the blocks of ``hdl/flow``: order and rules of streams."""
