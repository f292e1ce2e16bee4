"""A gate that stops a stream between two frames."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class FrameGate(wiring.Component):
    """Passes beats without delay; while ``stop`` is 1 no frame begins.

    A frame that has begun passes to its end, and so does one whose first beat has been offered.
    Latency 0 clocks, a beat each clock; ``stopped`` is one clock later. There are no errors.

    Parameters
    ----------
    beat : data.StructLayout
        Shape of a beat, with ``tlast``.

    Members
    -------
    i : In(stream.Signature(beat))
    o : Out(stream.Signature(beat))
    stop : In(1)
        Stop at the end of a frame.
    stopped : Out(1)
        No beat passes, and no frame has passed only in part.
    began : Out(1)
        The first beat of a frame passes in this clock.
    """

    def __init__(self, beat) -> None:
        super().__init__({
            "i": In(stream.Signature(beat)),
            "o": Out(stream.Signature(beat)),
            "stop": In(1),
            "stopped": Out(1),
            "began": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        passes = Signal()
        within = Signal()
        within_next = Signal()
        m.d.comb += [
            self.o.payload.eq(self.i.payload),
            self.o.valid.eq(self.i.valid & ~self.stopped),
            self.i.ready.eq(self.o.ready & ~self.stopped),
            passes.eq(self.o.valid & self.o.ready),
            self.began.eq(passes & ~within),
            within_next.eq(within),
        ]
        with m.If(passes):
            m.d.comb += within_next.eq(~self.i.payload.tlast)
        m.d.sync += [
            within.eq(within_next),
            self.stopped.eq(self.stop & ~within_next & ~(self.o.valid & ~self.o.ready)),
        ]
        return m
