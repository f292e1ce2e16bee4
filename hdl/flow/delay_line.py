"""A fixed delay in memory."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2


class DelayLine(wiring.Component):
    """Gives each value a fixed number of clocks later.

    A ring in memory, because a chain of registers would move every bit in every clock. A reset
    does not clear the memory, so ``o`` is noise for the first ``clocks`` clocks after it.

    Latency ``clocks``, a value each clock. No errors.

    Parameters
    ----------
    shape : ShapeLike
        Shape of a value.
    clocks : int
        Delay in clocks, 2 or more.

    Members
    -------
    i, o : stream of shape
        A value every clock; there is no valid.
    """

    def __init__(self, shape, clocks: int):
        if clocks < 2:
            raise ValueError(f"delay of {clocks} clocks, expected 2 or more")
        self.clocks = clocks
        port = stream.Signature(shape, always_valid=True, always_ready=True)
        super().__init__({"i": In(port), "o": Out(port)})

    def elaborate(self, platform):
        m = Module()
        address_bits = ceil_log2(self.clocks)
        m.submodules.ring = ring = Memory(
            shape=self.i.payload.shape(), depth=1 << address_bits, init=[]
        )
        write, read = ring.write_port(), ring.read_port()
        now = Signal(address_bits)
        m.d.sync += now.eq(now + 1)
        m.d.comb += [
            write.addr.eq(now),
            write.data.eq(self.i.payload),
            write.en.eq(1),
            # The read port's own register is the last clock of the delay.
            read.addr.eq(now - (self.clocks - 1)),
            read.en.eq(1),
            self.o.payload.eq(read.data),
        ]
        return m
