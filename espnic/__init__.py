"""Inline IPsec ESP offload engine for network cards: RTL, golden model and cosimulation.

``hdl``, ``model`` and ``sim`` are links to the folders at the top of the project, so that an
installed espnic takes no other name than its own.
"""
