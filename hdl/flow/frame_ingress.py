"""Entry from AXI4-Stream to beats, with a bound on the length of a frame."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from espnic.hdl.layouts import LENGTH_BITS, SUPER_LENGTH_BITS, beat
from espnic.model.interface.codes import FRAME_BYTES_MAX, SUPER_FRAME_BYTES_MAX


def axi_beat(width: int, user_bits: int) -> data.StructLayout:
    """Payload of an AXI4-Stream transfer.

    ``tuser``, if any, is valid on a frame's first beat, but for a bit that a block reads on the
    last.
    """
    user = {"tuser": user_bits} if user_bits else {}
    return data.StructLayout({"tdata": width, "tkeep": width // 8, "tlast": 1, **user})


def frame_end(length_bits: int = LENGTH_BITS) -> data.StructLayout:
    """Facts about a frame, known when its last beat has come."""
    return data.StructLayout({"bytes": length_bits, "oversize": 1})


ReceivedEnd = data.StructLayout({**frame_end().members, "bad": 1})
"""Facts about a received frame. ``bad``: the MAC says so; it means nothing with ``oversize``."""


class FrameIngress(wiring.Component):
    """Numbers the bytes of each frame and cuts the frames that are too long.

    A frame of more than ``FRAME_BYTES_MAX`` bytes, or a super-frame of more than
    ``SUPER_FRAME_BYTES_MAX``, ends at that length, marked oversize; the rest of it is
    swallowed. So no frame, however long, can fill the memories after this block and stop the
    frames that follow.

    Combinational, one beat each clock. ``tkeep`` is all ones except on a frame's last beat,
    where its ones are contiguous from bit 0 (AMBA AXI4-Stream, IHI 0051, 2.4: packed stream).
    A beat has at least its lowest byte (``NullEnd`` sees to that).

    Parameters
    ----------
    width : int
        Bits of a beat.
    user_bits : int
        Bits of ``tuser``, which passes unchanged beside the beat.
    super_bit : int | None
        Bit of ``tuser`` that is 1 on the first beat of a super-frame; ``None`` if there are no
        super-frames.
    bad_bit : int | None
        Bit of ``tuser`` that is 1 on the last beat of a bad frame; ``None`` if nobody says which
        frames are bad, as of super-frames.

    Members
    -------
    i : In(stream.Signature(axi_beat(width, user_bits)))
    o : Out(stream.Signature({beat, user}))
    end : Out(stream.Signature({bytes, oversize} or ReceivedEnd, always_ready=True))
        Valid with the transfer of a frame's last beat.
    """

    def __init__(self, width: int, user_bits: int, super_bit: int | None = None,
                 bad_bit: int | None = None):
        self.width = width
        self.user_bits = user_bits
        self.super_bit = super_bit
        self.bad_bit = bad_bit
        length_bits = LENGTH_BITS if super_bit is None else SUPER_LENGTH_BITS
        user = {"user": user_bits} if user_bits else {}
        super().__init__({
            "i": In(stream.Signature(axi_beat(width, user_bits))),
            "o": Out(stream.Signature(data.StructLayout({
                "beat": beat(width), **user}))),
            "end": Out(stream.Signature(
                frame_end(length_bits) if bad_bit is None else ReceivedEnd,
                always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        beat_bytes = self.width // 8
        last_index = FRAME_BYTES_MAX // beat_bytes - 1
        if self.super_bit is not None:
            is_super = Signal()
            was_super = Signal()
            m.d.comb += is_super.eq(
                Mux(self.o.payload.beat.first, self.i.payload.tuser[self.super_bit], was_super))
            with m.If(self.i.valid & self.i.ready):
                m.d.sync += was_super.eq(is_super)
            last_index = Mux(is_super, SUPER_FRAME_BYTES_MAX // beat_bytes - 1, last_index)
        index = Signal(len(self.end.payload.bytes) - exact_log2(beat_bytes))
        first = Signal(init=1)
        swallow = Signal()

        count = Signal(range(beat_bytes + 1))
        at_limit = Signal()
        o = self.o.payload
        m.d.comb += [
            count.eq(_packed_bytes(self.i.payload.tkeep)),
            at_limit.eq((index == last_index) & ~self.i.payload.tlast),
            o.beat.data.eq(self.i.payload.tdata),
            o.beat.count.eq(count),
            o.beat.first.eq(first),
            o.beat.last.eq(self.i.payload.tlast | at_limit),
            self.o.valid.eq(self.i.valid & ~swallow),
            self.i.ready.eq(self.o.ready | swallow),
            self.end.valid.eq(self.o.valid & self.o.ready & o.beat.last),
            self.end.payload.bytes.eq(index * beat_bytes + o.beat.count),
            self.end.payload.oversize.eq(at_limit),
        ]
        if self.bad_bit is not None:
            m.d.comb += self.end.payload.bad.eq(self.i.payload.tuser[self.bad_bit])
        if self.user_bits:
            m.d.comb += o.user.eq(self.i.payload.tuser)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                swallow.eq(~self.i.payload.tlast & (swallow | at_limit)),
                first.eq(o.beat.last | swallow),
                index.eq(Mux(o.beat.last | swallow, 0, index + 1)),
            ]
        return m


def _packed_bytes(keep: Value) -> Value:
    """Number of the bytes that ``keep`` has, of which none is missing below another.

    Ones are not added up: one bit alone has a zero above it, and its place gives the number.
    """
    tops = keep & ~Cat(keep[1:], Const(0, 1))
    return Cat(
        Cat(top for place, top in enumerate(tops) if place + 1 >> bit & 1).any()
        for bit in range(bits_for(len(keep))))
