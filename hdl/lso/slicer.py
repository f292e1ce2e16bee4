"""Cut the payload of a super-frame into slices."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.layouts import beat
from espnic.hdl.lso.slice_plan import SlicePlan, SlicerRequest

FINE_BITS = 4
"""Bits of a byte position that the second clock of the funnel shifter resolves."""


def slice_beat(width: int) -> data.StructLayout:
    """A beat of a slice; ``ends``: it is the last of its frame."""
    return data.StructLayout({**beat(width).members, "ends": 1})


class Slicer(wiring.Component):
    """Turn a frame into the slices of its payload, each from byte 0 of a beat on.

    The payload is the ``bytes`` bytes after the first ``header_bytes``. Every slice
    has ``mss`` of them, the last one the rest. The header, and what follows the
    payload, are dropped.

    Each clock gives a beat of a slice or takes one of the frame, mostly both: no gap
    between slices, whatever their size, and none between frames but for the beats of
    header and the beat in which the payload begins. Latency at most 3 clocks from the
    frame's beat in which a beat of a slice ends, if its request came a clock before.

    The frame must have at least ``header_bytes`` + ``bytes`` bytes; else bytes of the next
    frame are taken.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(beat(width)))
        Frames.
    request : In(stream.Signature(SlicerRequest))
        One per frame, taken before the frame is or with it. ``mss`` and ``bytes`` are
        at least 1.
    o : Out(stream.Signature(slice_beat(width)))
        Slices. Bytes above ``count`` are unspecified.
    """

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "i": In(stream.Signature(beat(width))),
            "request": In(stream.Signature(SlicerRequest)),
            "o": Out(stream.Signature(slice_beat(width))),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.plan = plan = SlicePlan(self.width)
        wiring.connect(m, wiring.flipped(self.request), plan.request)
        piece = plan.o.payload
        move = Signal()
        m.d.comb += move.eq(~self.o.valid | self.o.ready)
        held = Signal(beat(self.width))
        step = self._window(m, plan.o, held, move)

        # Byte positions are resolved by large steps in one clock and by small ones in the next.
        byte_bits = len(piece.offset)
        coarse = piece.offset[FINE_BITS:] if byte_bits > FINE_BITS else Const(0, 1)
        middle = Signal(data.StructLayout({
            "data": self.width + 8 * (2 ** FINE_BITS - 1), "fine": FINE_BITS,
            "count": byte_bits + 1, "first": 1, "last": 1, "ends": 1, "valid": 1,
        }))
        o = self.o.payload
        with m.If(move):
            m.d.sync += [
                middle.data.eq(Cat(held.data, self.i.payload.data)
                               >> Cat(Const(0, 3 + FINE_BITS), coarse)),
                middle.fine.eq(piece.offset),
                middle.count.eq(piece.count),
                middle.first.eq(piece.first),
                middle.last.eq(piece.last),
                middle.ends.eq(piece.ends),
                middle.valid.eq(step & piece.gives),
                o.data.eq(middle.data >> Cat(Const(0, 3), middle.fine)),
                o.count.eq(middle.count),
                o.first.eq(middle.first),
                o.last.eq(middle.last),
                o.ends.eq(middle.ends),
                self.o.valid.eq(middle.valid),
            ]
        return m

    def _window(self, m, plan, held, move):
        """Hold the beat in which the next piece begins; the input gives the beat after it.

        Returns whether the piece goes to the shifter in this clock.
        """
        i, piece = self.i, plan.payload
        held_valid = Signal()
        dropping = Signal()
        """The payload of a frame is done, and the frame's last beat has not come."""

        step = Signal()
        ends = Signal()
        load = Signal()
        m.d.comb += [
            step.eq(plan.valid & held_valid & (~piece.crosses | i.valid) & move),
            ends.eq(step & piece.ends),
            plan.ready.eq(step),
            load.eq(Mux(
                held_valid, step & Mux(piece.ends, held.last, piece.uses_up), ~dropping)),
            i.ready.eq(load | dropping | ends),
        ]
        with m.If(load):
            m.d.sync += held_valid.eq(i.valid)
            with m.If(i.valid):
                m.d.sync += held.eq(i.payload)
        with m.Elif(ends):
            m.d.sync += held_valid.eq(0)
        with m.If(dropping | (ends & ~held.last)):
            m.d.sync += dropping.eq(~(i.valid & i.payload.last))
        return step
