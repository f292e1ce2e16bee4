"""Clocks: that of simulations, and those that rates are for."""

CLOCK_NS = 4
"""Period of the clock in simulations, and in traces, in ns."""
CLOCKS_MHZ = {128: 312.5, 256: 312.5, 512: 250.0}
"""Clock in MHz that rates are for unless another is asked for, by bits of a beat."""
