"""A queue between two blocks."""

from typing import NamedTuple

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.flow.distributed_ram import distributed_ram


class Queue(wiring.Component):
    """First in, first out, in distributed RAM or, with ``block_ram``, in block RAM.

    An entry leaves 1 clock after it came at the earliest, from block RAM 2 clocks; one in and
    one out each clock. ``i.ready`` and ``o.valid`` are registers, so a queue also cuts the
    paths of both. There are no errors. In block RAM it holds 3 entries at least.

    With ``through`` an entry that finds the queue empty and the output ready leaves in the clock
    in which it came, and only ``i.ready`` is a register.

    Parameters
    ----------
    shape : ShapeLike
        Shape of an entry.
    depth : int
        Number of entries held.
    block_ram : bool
        Keep the entries in block RAM, for queues of hundreds of them.
    through : bool
        Only in distributed RAM: pass an entry without a clock when the queue is empty.

    Members
    -------
    i : In(stream.Signature(shape))
    o : Out(stream.Signature(shape))
    """

    def __init__(self, shape, depth: int, block_ram: bool = False, through: bool = False):
        self.depth = depth
        self.block_ram = block_ram
        self.through = through
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
        })

    def elaborate(self, platform):
        m = Module()
        if self.block_ram:
            self._in_block_ram(m)
        else:
            self._in_distributed_ram(m)
        return m

    def _in_block_ram(self, m: Module) -> None:
        """The next entry to leave stands at the output of the RAM, and has no row any more."""
        rows = self.depth - 1
        m.submodules.ram = ram = memory.Memory(
            shape=self.i.payload.shape(), depth=rows, init=[])
        write_port, read_port = ram.write_port(), ram.read_port()
        enters = Signal()
        leaves = Signal()
        ring = self._ring(m, rows, enters, leaves)
        m.d.comb += [
            enters.eq(self.i.valid & ring.writable),
            leaves.eq(ring.readable & (~self.o.valid | self.o.ready)),
            self.i.ready.eq(ring.writable),
            write_port.addr.eq(ring.tail),
            write_port.data.eq(self.i.payload),
            write_port.en.eq(enters),
            read_port.addr.eq(ring.head),
            read_port.en.eq(leaves),
            self.o.payload.eq(read_port.data),
        ]
        with m.If(leaves):
            m.d.sync += self.o.valid.eq(1)
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)

    def _in_distributed_ram(self, m: Module) -> None:
        # Verilog has no addresses without bits, so the RAM has 2 rows at least.
        m.submodules.ram = ram = distributed_ram(self.i.payload.shape(), max(self.depth, 2))
        write_port = ram.write_port()
        read_port = ram.read_port(domain="comb")
        enters = Signal()
        leaves = Signal()
        ring = self._ring(m, self.depth, enters, leaves)
        comes = self.i.valid & ring.writable
        passes = self.through & ~ring.readable & self.o.ready
        m.d.comb += [
            enters.eq(comes & ~passes),
            leaves.eq(self.o.ready & ring.readable),
            self.i.ready.eq(ring.writable),
            self.o.valid.eq(ring.readable | (self.through & self.i.valid)),
            write_port.addr.eq(ring.tail),
            write_port.data.eq(self.i.payload),
            # One that passes is written too, to a row that stays free.
            write_port.en.eq(comes),
            read_port.addr.eq(ring.head),
            Value.cast(self.o.payload).eq(Mux(
                self.through & ~ring.readable, Value.cast(self.i.payload),
                Value.cast(read_port.data))),
        ]

    @staticmethod
    def _ring(m: Module, rows: int, enters: Value, leaves: Value) -> "_Ring":
        """Count the entries in ``rows`` rows, and tell which is next to be read and written.

        What follows from the level is prepared for each way it may go, because valid and ready of
        the neighbours come late in a clock.
        """
        level = Signal(range(rows + 1))
        readable = Signal()
        writable = Signal(init=1)
        head = Signal(range(max(rows, 2)))
        tail = Signal(range(max(rows, 2)))
        with m.If(enters & ~leaves):
            m.d.sync += [
                level.eq(level + 1), readable.eq(1), writable.eq(level != rows - 1)]
        with m.Elif(leaves & ~enters):
            m.d.sync += [level.eq(level - 1), readable.eq(level != 1), writable.eq(1)]
        with m.If(enters):
            m.d.sync += tail.eq(Mux(tail == rows - 1, 0, tail + 1))
        with m.If(leaves):
            m.d.sync += head.eq(Mux(head == rows - 1, 0, head + 1))
        return _Ring(readable, writable, head, tail)


class _Ring(NamedTuple):
    """The rows of a queue: whether one is full or free, and where the next of each is."""

    readable: Signal
    writable: Signal
    head: Signal
    tail: Signal
