"""Proofs of the blocks of ``hdl/lso``: the rules of their streams."""
