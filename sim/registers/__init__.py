"""Documents made of the register map: Markdown, SystemRDL, C header."""
