"""``espnic synth``: area and longest paths by open synthesis."""
