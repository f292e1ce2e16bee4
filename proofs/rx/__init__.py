"""Proofs of the blocks of ``hdl/rx``: no plaintext without a good tag."""
