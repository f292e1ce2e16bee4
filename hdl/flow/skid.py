"""A place to wait that cuts the path of ``ready`` and costs no clock."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class Skid(wiring.Component):
    """Passes entries as they come, and keeps one while the output waits.

    An entry that finds the output ready passes in the same clock, one each clock.
    ``i.ready`` is a register, so no path leads from ``o.ready`` to it; ``o.valid``
    and ``o.payload`` follow the input. There are no errors.

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
        kept = Signal.like(self.i.payload)
        full = Signal()
        m.d.comb += [
            self.i.ready.eq(~full),
            self.o.valid.eq(full | self.i.valid),
            self.o.payload.eq(Mux(full, kept, self.i.payload)),
        ]
        m.d.sync += full.eq(self.o.valid & ~self.o.ready)
        with m.If(~full):
            m.d.sync += kept.eq(self.i.payload)
        return m
