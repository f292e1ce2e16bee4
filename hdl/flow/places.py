"""Masks of the places in a row of bits."""

from amaranth.hdl import C, Cat, Module, Signal, Value


def places_from(m: Module, name: str, place: Value) -> Value:
    """Ones at ``place`` and all above it, in a row with as many bits as ``place`` can name.

    It is built from halves, signals of ``m`` whose names begin with ``name``: a comparison for
    each bit would be a carry chain each, which takes synthesis minutes and gives it deeper paths.
    """
    places: Value = C(1, 1)
    for high in place:
        half, whole = places, Signal(2 * len(places), name=f"{name}_{2 * len(places)}")
        low = ~high.replicate(len(half))
        m.d.comb += whole.eq(Cat(half & low, half | low))
        places = whole
    return places


def places_above(m: Module, name: str, place: Value) -> Value:
    """Ones at all places above ``place``; ``name`` is as in ``places_from``."""
    return Cat(C(0, 1), places_from(m, name, place)[:-1])
