"""Event counters in a small RAM."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from espnic.hdl.flow.distributed_ram import distributed_ram
from espnic.model.interface.registers import COUNTER_BYTES

COUNTER_BITS = 8 * COUNTER_BYTES


class Counters(wiring.Component):
    """Counts events by kind: one event a clock, any counter read in any clock.

    The counts lie in distributed RAM, which a reset does not clear. A reset clears instead one
    bit for each counter, which says whether its row has counted since then. A count wraps at
    2^64. There are no errors.

    Parameters
    ----------
    count : int
        Number of kinds.

    Members
    -------
    event : In(stream.Signature(range(count), always_ready=True))
        Kind of an event to count.
    index : In(range(count))
        Counter to read.
    value : Out(COUNTER_BITS)
        Its value in this clock, without the event of this clock.
    """

    def __init__(self, count: int):
        self.count = count
        super().__init__({
            "event": In(stream.Signature(range(count), always_ready=True)),
            "index": In(range(count)),
            "value": Out(COUNTER_BITS),
        })

    def elaborate(self, platform):
        m = Module()
        kind = self.event.payload
        m.submodules.ram = ram = distributed_ram(COUNTER_BITS, 1 << ceil_log2(self.count))
        write = ram.write_port()
        old = ram.read_port(domain="comb")
        shown = ram.read_port(domain="comb")
        counted = Signal(ram.depth)
        m.d.comb += [
            old.addr.eq(kind),
            write.addr.eq(kind),
            write.data.eq(Mux(counted.bit_select(kind, 1), old.data, 0) + 1),
            write.en.eq(self.event.valid),
            shown.addr.eq(self.index),
            self.value.eq(Mux(counted.bit_select(self.index, 1), shown.data, 0)),
        ]
        with m.If(self.event.valid):
            m.d.sync += counted.bit_select(kind, 1).eq(1)
        return m
