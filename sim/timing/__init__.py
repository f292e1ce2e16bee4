"""A clock estimate: a mapped netlist, placed on a model of UltraScale+ with published delays."""
