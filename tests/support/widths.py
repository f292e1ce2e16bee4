"""Widths of a beat at which the benches of segmentation run."""

from espnic.model.interface.features import WIDTHS

NARROW_AND_WIDE = (min(WIDTHS), max(WIDTHS))
"""Bits of a beat: the narrowest and the widest, where the one between adds no new case."""
