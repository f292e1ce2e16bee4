"""Proofs of the blocks of ``hdl/host``: the bus, and what it may show."""
