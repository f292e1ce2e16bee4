"""Cut the payload of a super-frame into slices."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hdl.layouts import beat

HEADER_BITS = 8
MSS_BITS = 14
PAYLOAD_BITS = 17

FINE_BITS = 4
"""Bits of a byte position that are left to the second clock of the funnel shifter."""


def slicer_request() -> data.StructLayout:
    """How to cut a frame: bytes before its payload, of a slice, and of the payload."""
    return data.StructLayout({
        "header_bytes": HEADER_BITS, "mss": MSS_BITS, "bytes": PAYLOAD_BITS})


class Slicer(wiring.Component):
    """Turn a frame into the slices of its payload, each from byte 0 of a beat on.

    The payload is the ``bytes`` bytes behind the first ``header_bytes``. Every slice
    has ``mss`` of them, the last one what remains. The header and what follows the
    payload are dropped.

    Each clock gives a beat of a slice or takes one of the frame, mostly both: no gap
    between slices, whatever their size, and none between frames but for the beats of
    header and the beat in which the payload begins. Latency at most 3 clocks from the
    frame's beat in which a beat of a slice ends, if its request came a clock before.

    The frame must have ``header_bytes`` + ``bytes`` bytes at least, else it takes bytes
    of the next.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(beat(width)))
        Frames.
    request : In(stream.Signature(slicer_request()))
        One a frame, taken before the frame is or with it. ``mss`` and ``bytes`` are
        at least 1.
    o : Out(stream.Signature(beat(width)))
        Slices. Bytes above ``count`` are unspecified.
    """

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "i": In(stream.Signature(beat(width))),
            "request": In(stream.Signature(slicer_request())),
            "o": Out(stream.Signature(beat(width))),
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
            "count": byte_bits + 1, "first": 1, "last": 1, "valid": 1,
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
                middle.valid.eq(step & piece.gives),
                o.data.eq(middle.data >> Cat(Const(0, 3), middle.fine)),
                o.count.eq(middle.count),
                o.first.eq(middle.first),
                o.last.eq(middle.last),
                self.o.valid.eq(middle.valid),
            ]
        return m

    def _window(self, m, plan, held, move):
        """Hold the beat in which the next piece begins; the input gives the one behind it.

        Returns whether the piece leaves for the shifter in this clock.
        """
        i, piece = self.i, plan.payload
        held_valid = Signal()
        dropping = Signal()
        """A frame's payload is done and its last beat has not come."""

        step, ends, load = Signal(), Signal(), Signal()
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


def slice_piece(width: int) -> data.StructLayout:
    """A beat of a slice and where it lies in its frame, or a beat of header to pass over.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    gives
        It is of a slice; else the frame's beat is header alone, and ``uses_up`` is set.
    ends
        It is the last of its frame.
    offset
        First byte in the frame's beat.
    count
        Bytes.
    crosses
        It goes on in the frame's next beat.
    uses_up
        It has the last byte of the beat in which it begins.
    first, last
        Of its slice.
    """
    byte_bits = exact_log2(width // 8)
    return data.StructLayout({
        "gives": 1, "ends": 1, "offset": byte_bits,
        "count": byte_bits + 1, "crosses": 1, "uses_up": 1, "first": 1, "last": 1,
    })


class SlicePlan(wiring.Component):
    """Divide the payloads of frames into slices, and slices into beats.

    First comes a piece for each beat of header alone. One piece each clock, no gap
    between slices nor frames. Latency 2 clocks.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    request : In(stream.Signature(slicer_request()))
        One a frame; ``mss`` and ``bytes`` are at least 1.
    o : Out(stream.Signature(slice_piece(width)))
        What becomes of its beats, in order.
    """

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "request": In(stream.Signature(slicer_request())),
            "o": Out(stream.Signature(slice_piece(width))),
        })

    def elaborate(self, platform):
        m = Module()
        beat_bytes = self.width // 8
        request, o = self.request.payload, self.o.payload
        byte_bits = len(o.offset)

        active = Signal()
        mss = Signal(MSS_BITS)
        rest = Signal(MSS_BITS)
        """Of the slice."""
        behind = Signal(PAYLOAD_BITS)
        """Bytes of the payload behind the slice."""
        first = Signal()
        offset = Signal(byte_bits)
        skip = Signal(HEADER_BITS - byte_bits)
        """Beats of the frame in front of its payload."""

        move, step, done = Signal(), Signal(), Signal()
        gives, last, ends = Signal(), Signal(), Signal()
        count = Signal(byte_bits + 1)
        end = Signal(byte_bits + 1)
        m.d.comb += [
            move.eq(~self.o.valid | self.o.ready),
            gives.eq(skip == 0),
            step.eq(active & gives & move),
            last.eq(rest <= beat_bytes),
            count.eq(Mux(last, rest, beat_bytes)),
            end.eq(offset + count),
            ends.eq(last & gives & (behind == 0)),
            done.eq(~active | ends),
            self.request.ready.eq(~active | (move & ends)),
        ]
        with m.If(move):
            m.d.sync += [
                self.o.valid.eq(active),
                o.gives.eq(gives),
                o.ends.eq(ends),
                o.offset.eq(offset),
                o.count.eq(count),
                o.crosses.eq(gives & (end > beat_bytes)),
                o.uses_up.eq(~gives | (end >= beat_bytes)),
                o.first.eq(first),
                o.last.eq(last),
            ]

        # A frame's first slice is cut off its payload as the others are off what is behind them.
        uncut = Signal(PAYLOAD_BITS)
        slice_bytes = Signal(MSS_BITS)
        difference = Signal(PAYLOAD_BITS + 1)
        m.d.comb += [
            uncut.eq(Mux(done, request.bytes, behind)),
            slice_bytes.eq(Mux(done, request.mss, mss)),
            difference.eq(uncut - slice_bytes),
        ]
        with m.If(~active | (step & last)):
            m.d.sync += [
                rest.eq(Mux(difference[-1], uncut, slice_bytes)),
                behind.eq(Mux(difference[-1], 0, difference)),
            ]
        with m.Elif(step):
            m.d.sync += rest.eq(rest - beat_bytes)
        with m.If(step):
            m.d.sync += [first.eq(last), offset.eq(end)]
        with m.If(move & ~gives):
            m.d.sync += skip.eq(skip - 1)
        with m.If(self.request.ready):
            m.d.sync += [
                active.eq(self.request.valid),
                first.eq(1),
                mss.eq(request.mss),
                Cat(offset, skip).eq(request.header_bytes),
            ]
        return m
