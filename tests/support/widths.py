"""Widths of a beat at which benches run."""

import pytest

from espnic.model.interface.features import WIDTHS

NARROW_AND_WIDE = (min(WIDTHS), max(WIDTHS))
"""Bits of a beat: the narrowest and the widest, where the one between adds no new case."""

ENGINE_WIDTHS = [width if width in NARROW_AND_WIDE else pytest.param(
    width, marks=pytest.mark.night) for width in WIDTHS]
"""Bits of a beat of the whole engine: the one between has a build of its own, for the night."""
