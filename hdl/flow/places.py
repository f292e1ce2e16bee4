"""Masks of the places in a row of bits."""

from amaranth.hdl import C, Cat, Module, Signal, Value

_DIGIT_BITS = 3


def places_from(m: Module, name: str, place: Value) -> Value:
    """Ones at ``place`` and all above it, in a row with as many bits as ``place`` can name.

    It is built from the digits of ``place``, in signals of ``m`` whose names begin with ``name``: a
    comparison for each bit would be a carry chain each, which takes synthesis minutes and gives it
    deeper paths. A digit takes a LUT of three inputs, and so does each bit of a row of two digits.
    """
    digit, higher = place[:_DIGIT_BITS], place[_DIGIT_BITS:]
    low = Signal(1 << len(digit), name=f"{name}_low{len(place)}")
    m.d.comb += low.eq(Cat(digit <= index for index in range(len(low))))
    if not len(higher):
        return low
    groups = places_from(m, name, higher)
    row = Signal(len(low) * len(groups), name=f"{name}_row{len(place)}")
    m.d.comb += row.eq(Cat(
        before.replicate(len(low)) | (here.replicate(len(low)) & low)
        for before, here in zip(Cat(C(0, 1), groups[:-1]), groups, strict=True)))
    return row


def places_above(m: Module, name: str, place: Value) -> Value:
    """Ones at all places above ``place``; ``name`` is as in ``places_from``."""
    return Cat(C(0, 1), places_from(m, name, place)[:-1])
