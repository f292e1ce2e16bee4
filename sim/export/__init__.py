"""``espnic verilog``: the Verilog of the engine and the files that belong to it."""
