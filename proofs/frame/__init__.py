"""Proofs of the blocks of ``hdl/frame``: the rules of their streams."""
