"""The end of a frame whose last beat has no byte."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class NullEnd(wiring.Component):
    """Takes the last beat off a frame if it has no byte, and ends the frame with the beat before.

    AXI4-Stream allows such a beat (AMBA IHI 0051, 2.5: null bytes may stand at the end of a
    packet). Its data are whatever lay on the bus, so nothing of them may leave. A frame that has
    no byte at all passes as one byte of 0, so that every frame that comes is a frame that is
    judged.

    ``tkeep`` of a beat that is not a frame's last is not looked at: the beat is full.

    A bit of ``tuser`` that counts on a frame's last beat comes with the beat without bytes, and
    leaves with the beat that is last in its place.

    A beat is kept until it is known whether the frame goes on: latency 1 clock, one beat each
    clock. There are no errors.

    Parameters
    ----------
    beat : data.StructLayout
        Shape of a beat: ``tdata``, ``tkeep`` and ``tlast``, and what else belongs to the first
        beat. ``tkeep`` of a last beat is packed: without its lowest bit it is 0.
    last_bit : int | None
        Bit of ``tuser`` that counts on a frame's last beat; ``None`` if none does.

    Members
    -------
    i : In(stream.Signature(beat))
    o : Out(stream.Signature(beat))
    """

    def __init__(self, beat, last_bit: int | None = None) -> None:
        self.last_bit = last_bit
        super().__init__({
            "i": In(stream.Signature(beat)),
            "o": Out(stream.Signature(beat)),
        })

    def elaborate(self, platform):
        m = Module()
        held = Signal.like(self.o.payload)
        holds = Signal()
        empties = Signal()
        drops = Signal()
        i, o = self.i.payload, self.o.payload
        null = i.tlast & ~i.tkeep[0]
        within = holds & ~held.tlast
        m.d.comb += [
            o.eq(held),
            o.tlast.eq(held.tlast | null),
            self.o.valid.eq(holds & (held.tlast | self.i.valid)),
            empties.eq(~holds | self.o.valid & self.o.ready),
            self.i.ready.eq(empties),
            drops.eq(within & null),
        ]
        if self.last_bit is not None:
            bit = self.last_bit
            m.d.comb += o.tuser[bit].eq(Mux(drops, i.tuser[bit], held.tuser[bit]))
        with m.If(empties):
            m.d.sync += [
                holds.eq(self.i.valid & ~drops),
                held.eq(i),
                held.tkeep.eq(i.tkeep | null | (~i.tlast).replicate(len(i.tkeep))),
                held.tdata.eq(Cat(Mux(null, Const(0, 8), i.tdata[:8]), i.tdata[8:])),
            ]
        return m
