"""The one's complement sum of bytes of a packet, which Internet checksums need."""

from collections.abc import Iterable

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

WORD_BITS = 16
"""Width of a number that is summed, and of the sum."""

_TOTAL_BITS = 32
"""Width of a sum with all its carries."""

_PARTIAL_SUMS = 4
"""Number of sums of a beat's words between the first clock and the second."""


def chosen_bytes(width: int) -> data.StructLayout:
    """A beat of ``width`` bits; ``keep`` bit n is 1 when byte n counts."""
    return data.StructLayout({"data": width, "keep": width // 8, "last": 1})


class OnesSum(wiring.Component):
    """Sums the chosen bytes of each packet as big-endian 16-bit numbers (RFC 1071).

    Byte 0 of a beat, and every other byte from there, is the high half of a number;
    a byte that is not chosen counts as 0. Carries are added back in, so the sum
    is 0 only if all chosen bytes are 0; otherwise FFFFh stands for zero.

    Latency 3 clocks (`latency`) from a packet's last beat to its sum, one beat each
    clock. There are no errors; a packet may have at most 65,536 numbers that are not 0.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(chosen_bytes(width), always_ready=True))
        Packets; ``data`` has its first byte in bits 7:0.
    o : Out(stream.Signature(16, always_ready=True))
        One sum for each packet, not complemented.
    """

    latency = 3

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "i": In(stream.Signature(chosen_bytes(width), always_ready=True)),
            "o": Out(stream.Signature(WORD_BITS, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        i = self.i.payload
        # Swapping the halves of all numbers swaps the halves of the sum (RFC 1071, 2 (B)), so
        # the numbers are taken as they lie.
        chosen = Signal(data.ArrayLayout(WORD_BITS, self.width // WORD_BITS))
        m.d.comb += chosen.eq(i.data & Cat(bit.replicate(8) for bit in i.keep))
        partial = [Signal(total.shape(), name=f"partial{index}")
                   for index, total in enumerate(_tree(chosen, _PARTIAL_SUMS))]
        m.d.sync += [one.eq(total) for one, total in zip(
            partial, _tree(chosen, _PARTIAL_SUMS), strict=True)]

        valid = Signal()
        last = Signal()
        done = Signal()
        begins = Signal(init=1)
        total = Signal(_TOTAL_BITS)
        m.d.sync += [
            valid.eq(self.i.valid),
            last.eq(i.last),
            done.eq(valid & last),
        ]
        with m.If(valid):
            m.d.sync += [
                total.eq(_tree(partial, 1)[0] + Mux(begins, 0, total)),
                begins.eq(last),
            ]

        swapped = Signal(WORD_BITS)
        m.d.comb += swapped.eq(folded(total))
        m.d.sync += [
            self.o.valid.eq(done),
            self.o.payload.eq(Cat(swapped[8:], swapped[:8])),
        ]
        return m


def _tree(numbers: Iterable[Value], count: int) -> list[Value]:
    """The sums of ``count`` equal shares of numbers, by a tree of adders."""
    numbers = list(numbers)
    while len(numbers) > count:
        numbers = [a + b for a, b in zip(numbers[::2], numbers[1::2], strict=True)]
    return numbers


def folded(total: Value) -> Value:
    """A sum of 16-bit numbers with its carries added back in (RFC 1071): 0 only if the sum is."""
    return _carried(_carried(total))[:WORD_BITS]


def ones_add(a: Value, b: Value) -> Value:
    """The ones' complement sum of two sums (RFC 1071): 0 only if both are."""
    return _carried(a + b)[:WORD_BITS]


def _carried(total: Value) -> Value:
    """A sum with what is above its lowest 16 bits added to them; a carry may remain."""
    return total[:WORD_BITS] + total[WORD_BITS:]
