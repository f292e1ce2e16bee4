"""A register in a stream."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class Stage(wiring.Component):
    """Keeps each entry for a clock, so that its path ends here and begins anew.

    Latency 1 clock, one entry each clock. ``o.valid`` and ``o.payload`` are registers; ``i.ready``
    follows ``o.ready``. There are no errors.

    Parameters
    ----------
    shape : ShapeLike
        Shape of an entry.

    Members
    -------
    i : In(stream.Signature(shape))
    o : Out(stream.Signature(shape))
    """

    def __init__(self, shape) -> None:
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
        })

    def elaborate(self, platform):
        m = Module()
        valid = Signal()
        entry = Signal.like(self.o.payload)
        m.d.comb += [
            self.o.valid.eq(valid),
            self.o.payload.eq(entry),
            self.i.ready.eq(~valid | self.o.ready),
        ]
        with m.If(self.i.ready):
            m.d.sync += [valid.eq(self.i.valid), entry.eq(self.i.payload)]
        return m
