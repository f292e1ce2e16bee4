"""Repeat the headers of a super-frame, once for each segment."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.flow.distributed_ram import distributed_ram
from espnic.hdl.layouts import beat

REPLAYED_BYTES = 256
"""Bytes of the longest frame that can be repeated."""


class HeaderReplay(wiring.Component):
    """Pass frames, and repeat the last one as often as asked.

    The first 256 bytes of each frame are kept in distributed RAM as it passes. One
    beat each clock, no gap between frames, new or repeated. Latency 1 clock; a frame
    that passes does not wait for its end.

    A frame of more than 256 bytes must not be repeated, and nothing before the first
    frame.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(beat(width)))
        Frames.
    again : In(stream.Signature(1))
        One for each frame that leaves, taken with its last beat: 0 for the next frame
        of ``i``, 1 for the frame that left last.
    o : Out(stream.Signature(beat(width)))
        Frames. Bytes above ``count`` are unspecified.
    """

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "i": In(stream.Signature(beat(width))),
            "again": In(stream.Signature(1)),
            "o": Out(stream.Signature(beat(width))),
        })

    def elaborate(self, platform):
        m = Module()
        depth = REPLAYED_BYTES // (self.width // 8)
        m.submodules.ram = ram = distributed_ram(beat(self.width), depth)
        write = ram.write_port()
        read = ram.read_port(domain="comb")

        index = Signal(range(depth))
        full = Signal()
        again = Signal()
        source = Signal(beat(self.width))
        move = Signal()
        step = Signal()
        m.d.comb += [
            again.eq(self.again.payload),
            read.addr.eq(index),
            source.eq(Mux(again, read.data, self.i.payload)),
            move.eq(~self.o.valid | self.o.ready),
            step.eq(self.again.valid & (again | self.i.valid) & move),
            self.i.ready.eq(self.again.valid & ~again & move),
            self.again.ready.eq(step & source.last),
            write.addr.eq(index),
            write.data.eq(self.i.payload),
            write.en.eq(step & ~again & ~full),
        ]
        with m.If(move):
            m.d.sync += [self.o.payload.eq(source), self.o.valid.eq(step)]
        with m.If(step):
            m.d.sync += [
                index.eq(Mux(source.last, 0, index + 1)),
                full.eq(~source.last & (full | (index == depth - 1))),
            ]
        return m
