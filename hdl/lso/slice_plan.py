"""Places of the beats of slices in their super-frames."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from espnic.model.interface.codes import SUPER_FRAME_BYTES_MAX
from espnic.model.interface.layouts import MSS_BITS, OFFSET_BITS

PAYLOAD_BITS = bits_for(SUPER_FRAME_BYTES_MAX)


SlicerRequest = data.StructLayout({
    "header_bytes": OFFSET_BITS, "mss": MSS_BITS, "bytes": PAYLOAD_BITS})
"""Bytes of a frame before its payload, of a slice, and of the whole payload."""


_Slice = data.StructLayout({"rest": MSS_BITS, "last": 1, "behind": PAYLOAD_BITS, "final": 1})
"""Bytes of a slice, which may all be in one beat, and of the payload behind it, if it is not the
final one."""


def slice_piece(width: int) -> data.StructLayout:
    """A beat of a slice and its place in its frame, or a beat of header to skip.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    gives
        It belongs to a slice; else the frame's beat is header alone, and ``uses_up`` is set.
    ends
        It is the last of its frame.
    offset
        Place of its first byte in the frame's beat.
    count
        Number of its bytes.
    crosses
        It continues in the frame's next beat.
    uses_up
        It has the last byte of the beat in which it begins.
    first, last
        It is the first or last of its slice.
    """
    byte_bits = exact_log2(width // 8)
    return data.StructLayout({
        "gives": 1, "ends": 1, "offset": byte_bits,
        "count": byte_bits + 1, "crosses": 1, "uses_up": 1, "first": 1, "last": 1,
    })


class SlicePlan(wiring.Component):
    """Divide the payloads of frames into slices, and slices into beats.

    The pieces for beats of header alone come first. One piece each clock, no gap
    between slices nor frames. Latency 2 clocks.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    request : In(stream.Signature(SlicerRequest))
        One per frame; ``mss`` and ``bytes`` are at least 1.
    o : Out(stream.Signature(slice_piece(width)))
        The pieces of each frame, in order.
    """

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "request": In(stream.Signature(SlicerRequest)),
            "o": Out(stream.Signature(slice_piece(width))),
        })

    def elaborate(self, platform):
        m = Module()
        beat_bytes = self.width // 8
        request, o = self.request.payload, self.o.payload
        byte_bits = len(o.offset)

        active = Signal()
        rest = Signal(MSS_BITS)
        """Bytes of the slice that are left."""
        last = Signal()
        """They are in one beat."""
        behind = Signal(PAYLOAD_BITS)
        """Bytes of the payload after the slice."""
        final = Signal()
        """There are none."""
        first = Signal()
        offset = Signal(byte_bits)
        skip = Signal(OFFSET_BITS - byte_bits)
        """Beats of the frame in front of its payload."""

        move = Signal()
        step = Signal()
        gives = Signal()
        ends = Signal()
        count = Signal(byte_bits + 1)
        end = Signal(byte_bits + 1)
        m.d.comb += [
            move.eq(~self.o.valid | self.o.ready),
            gives.eq(skip == 0),
            step.eq(active & gives & move),
            count.eq(Mux(last, rest, beat_bytes)),
            end.eq(offset + count),
            ends.eq(last & gives & final),
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

        following = self._cut(m, ~active | ends, behind)
        with m.If(~active | (step & last)):
            m.d.sync += [
                rest.eq(following.rest),
                last.eq(following.last),
                behind.eq(following.behind),
                final.eq(following.final),
            ]
        with m.Elif(step):
            m.d.sync += [rest.eq(rest - beat_bytes), last.eq(rest <= 2 * beat_bytes)]
        with m.If(step):
            m.d.sync += [first.eq(last), offset.eq(end)]
        with m.If(move & ~gives):
            m.d.sync += skip.eq(skip - 1)
        with m.If(self.request.ready):
            m.d.sync += [
                active.eq(self.request.valid),
                first.eq(1),
                Cat(offset, skip).eq(request.header_bytes),
            ]
        return m

    def _cut(self, m, done, behind):
        """The next slice: its bytes, and those of the payload ``behind`` it.

        When the frame is ``done`` the next slice is the first of the next frame. A first slice
        comes from the whole payload, each later one from the rest, ``behind``.
        """
        request = self.request.payload
        mss = Signal(MSS_BITS)
        uncut = Signal(PAYLOAD_BITS)
        slice_bytes = Signal(MSS_BITS)
        difference = Signal(PAYLOAD_BITS + 1)
        following = Signal(_Slice)
        # Whether the beat is the last is found for both, for which it is comes late in a clock.
        ends_uncut = uncut <= self.width // 8
        ends_slice = slice_bytes <= self.width // 8
        m.d.comb += [
            uncut.eq(Mux(done, request.bytes, behind)),
            slice_bytes.eq(Mux(done, request.mss, mss)),
            difference.eq(uncut - slice_bytes),
            following.rest.eq(Mux(difference[-1], uncut, slice_bytes)),
            following.last.eq(Mux(difference[-1], ends_uncut, ends_slice)),
            following.behind.eq(Mux(difference[-1], 0, difference)),
            following.final.eq(uncut <= slice_bytes),
        ]
        with m.If(self.request.ready):
            m.d.sync += mss.eq(request.mss)
        return following
