"""Masks of the places in a row of bits."""

from amaranth.hdl import C, Cat, Value


def places_from(place: Value) -> Value:
    """Ones at ``place`` and all above it, in a row with as many bits as ``place`` can name.

    It is built half by half: a comparison for each bit would be a carry chain each, which takes
    synthesis minutes and gives it deeper paths.
    """
    if not len(place):
        return C(1, 1)
    high, half = place[-1], places_from(place[:-1])
    return Cat(half & ~high.replicate(len(half)), half | ~high.replicate(len(half)))


def places_above(place: Value) -> Value:
    """Ones at all places above ``place``."""
    return Cat(C(0, 1), places_from(place)[:-1])
