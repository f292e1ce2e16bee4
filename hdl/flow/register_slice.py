"""Two registers in a stream, which cut all its paths."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class RegisterSlice(wiring.Component):
    """Keeps each entry for a clock, and one more while the output waits.

    Latency 1 clock, one entry each clock. ``o.valid``, ``o.payload`` and ``i.ready`` are registers:
    where a neighbour's ready comes late in a clock, little hangs on it. There are no errors.

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
        full = Signal()
        kept = Signal.like(self.i.payload)
        m.d.comb += [
            self.o.valid.eq(valid),
            self.o.payload.eq(entry),
            self.i.ready.eq(~full),
        ]
        with m.If(~valid | self.o.ready):
            m.d.sync += [
                valid.eq(full | self.i.valid),
                entry.eq(Mux(full, kept, self.i.payload)),
                full.eq(0),
            ]
        with m.Else():
            m.d.sync += full.eq(full | self.i.valid)
        with m.If(~full):
            m.d.sync += kept.eq(self.i.payload)
        return m
