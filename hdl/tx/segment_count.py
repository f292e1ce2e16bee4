"""Count the segments of super-frames."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.layouts import MSS_BITS, SUPER_LENGTH_BITS

DIGIT_BITS = 2
"""Bits of the quotient that are found at once."""

CLOCK_DIGITS = 2
"""Digits that are found in each clock but the first, which finds one."""

STEPS = -(-(SUPER_LENGTH_BITS - DIGIT_BITS) // (CLOCK_DIGITS * DIGIT_BITS))
"""Clocks for all other digits."""

_QUOTIENT_BITS = DIGIT_BITS * (1 + CLOCK_DIGITS * STEPS)

Cutting = data.StructLayout({"payload_bytes": SUPER_LENGTH_BITS, "mss": MSS_BITS})
"""Bytes of a super-frame after its headers, at least 1, and those of a segment."""

_Division = data.StructLayout({
    "valid": 1, "digits": _QUOTIENT_BITS, "rest": MSS_BITS, "mss": MSS_BITS,
    "triple": MSS_BITS + DIGIT_BITS})
"""A division on its way: digits of the dividend leave ``digits`` at the top, as those of the
quotient come in at the bottom. ``rest`` is what is left of those that have left; ``triple`` is
three times ``mss``."""


class SegmentCount(wiring.Component):
    """Divide the payload of each super-frame by its MSS, by long division in base 4.

    One super-frame each clock, latency ``latency`` clocks. The count of a super-frame without
    payload or with an MSS of 0, which is refused, means nothing. There are no errors.

    Members
    -------
    i : In(stream.Signature(Cutting, always_ready=True))
        Super-frames.
    o : Out(stream.Signature(17, always_ready=True))
        Number of the last segment of each, from 0.
    """

    latency = STEPS + 1

    def __init__(self) -> None:
        super().__init__({
            "i": In(stream.Signature(Cutting, always_ready=True)),
            "o": Out(stream.Signature(SUPER_LENGTH_BITS, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        mss = self.i.payload.mss
        first = Signal(_Division)
        m.d.comb += [
            first.valid.eq(self.i.valid),
            first.digits.eq(self.i.payload.payload_bytes - 1),
            first.mss.eq(mss),
            first.triple.eq(mss + (mss << 1)),
        ]
        division = _clock(m, first, 1, "begun")
        for number in range(STEPS):
            division = _clock(m, division, CLOCK_DIGITS, f"division_{number}")
        m.d.comb += [self.o.valid.eq(division.valid), self.o.payload.eq(division.digits)]
        return m


def _clock(m: Module, before: data.View, digits: int, name: str) -> data.View:
    """The division a clock after ``before``, with so many more digits of the quotient."""
    after = Signal(_Division, name=name)
    m.d.sync += after.eq(before)
    value, rest = before.digits, before.rest
    for _ in range(digits):
        digit, rest = _digit(Cat(value[-DIGIT_BITS:], rest), before)
        value = Cat(digit, value[:-DIGIT_BITS])
    m.d.sync += [after.digits.eq(value), after.rest.eq(rest)]
    return after


def _digit(dividend: Value, division: data.View) -> tuple[Value, Value]:
    """How often the MSS goes into ``dividend``, up to three times, and what is left."""
    size = MSS_BITS + DIGIT_BITS
    lefts = [(dividend - times)[:size + 1] for times in (
        division.mss, division.mss << 1, division.triple)]
    once, twice, thrice = (~left[-1] for left in lefts)
    rest = Mux(twice, Mux(thrice, lefts[2], lefts[1]), Mux(once, lefts[0], dividend))
    return Cat(thrice | once & ~twice, twice), rest[:MSS_BITS]
