"""``espnic verilog``: the Verilog of the engine with all that belongs to it."""
