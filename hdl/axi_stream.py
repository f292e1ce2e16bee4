"""From AXI4-Stream to beats, with a bound on the length of a frame."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.layouts import LENGTH_BITS, beat
from model.codes import FRAME_BYTES_MAX


def axi_beat(width: int, user_bits: int) -> data.StructLayout:
    """The payload of an AXI4-Stream transfer; ``tuser`` counts on a packet's first."""
    return data.StructLayout({
        "tdata": width, "tkeep": width // 8, "tlast": 1, "tuser": user_bits})


class FrameIngress(wiring.Component):
    """Number the bytes of each frame and cut the frames that are too long.

    A frame of more than ``FRAME_BYTES_MAX`` bytes ends at that length, marked
    oversize; the rest of it is swallowed. So no frame, whatever its length, can
    fill the memories behind and block those that follow.

    Combinational, one beat each clock. ``tkeep`` is all ones but on a frame's
    last beat, where its ones are contiguous from bit 0 (AMBA AXI4-Stream, IHI
    0051, 2.4: packed stream). A last beat without any byte, which the standard
    allows, counts as one byte: behind a packet that is padding, and beats and
    length of the frame stay in step.

    Parameters
    ----------
    width : int
        Bits of a beat.
    user_bits : int
        Bits of ``tuser``, passed through beside the beat.

    Members
    -------
    i : In(stream.Signature(axi_beat(width, user_bits)))
    o : Out(stream.Signature({beat, user}))
    end : Out(stream.Signature({bytes, oversize}, always_ready=True))
        Valid with the transfer of a frame's last beat.
    """

    def __init__(self, width: int, user_bits: int):
        self.width = width
        self.user_bits = user_bits
        super().__init__({
            "i": In(stream.Signature(axi_beat(width, user_bits))),
            "o": Out(stream.Signature(data.StructLayout({
                "beat": beat(width), "user": user_bits}))),
            "end": Out(stream.Signature(frame_end(), always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        beat_bytes = self.width // 8
        beats_max = FRAME_BYTES_MAX // beat_bytes
        index = Signal(range(beats_max))
        swallow = Signal()

        count = Signal(range(beat_bytes + 1))
        at_limit = Signal()
        o = self.o.payload
        m.d.comb += [
            # The lowest byte always counts: see the class.
            count.eq(sum(self.i.payload.tkeep[1:]) + 1),
            at_limit.eq((index == beats_max - 1) & ~self.i.payload.tlast),
            o.beat.data.eq(self.i.payload.tdata),
            o.beat.count.eq(Mux(self.i.payload.tlast, count, beat_bytes)),
            o.beat.first.eq(index == 0),
            o.beat.last.eq(self.i.payload.tlast | at_limit),
            o.user.eq(self.i.payload.tuser),
            self.o.valid.eq(self.i.valid & ~swallow),
            self.i.ready.eq(self.o.ready | swallow),
            self.end.valid.eq(self.o.valid & self.o.ready & o.beat.last),
            self.end.payload.bytes.eq(index * beat_bytes + o.beat.count),
            self.end.payload.oversize.eq(at_limit),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += swallow.eq(~self.i.payload.tlast & (swallow | at_limit))
            m.d.sync += index.eq(Mux(o.beat.last | swallow, 0, index + 1))
        return m


def frame_end() -> data.StructLayout:
    """What is known when a frame's last beat has come."""
    return data.StructLayout({"bytes": LENGTH_BITS, "oversize": 1})
