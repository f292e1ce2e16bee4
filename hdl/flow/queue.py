"""A queue between two blocks."""

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
        level = Signal(range(rows + 1))
        readable = Signal()
        writable = Signal(init=1)
        head = Signal(range(rows))
        tail = Signal(range(rows))
        comes = Signal()
        fetches = Signal()
        m.d.comb += [
            comes.eq(self.i.valid & writable),
            fetches.eq(readable & (~self.o.valid | self.o.ready)),
            self.i.ready.eq(writable),
            write_port.addr.eq(tail),
            write_port.data.eq(self.i.payload),
            write_port.en.eq(comes),
            read_port.addr.eq(head),
            read_port.en.eq(fetches),
            self.o.payload.eq(read_port.data),
        ]
        # What follows from the level is prepared for each way it may go, because the neighbour's
        # ready comes late in a clock.
        with m.If(fetches & ~comes):
            m.d.sync += [level.eq(level - 1), readable.eq(level != 1), writable.eq(1)]
        with m.Elif(comes & ~fetches):
            m.d.sync += [level.eq(level + 1), readable.eq(1), writable.eq(level != rows - 1)]
        with m.If(comes):
            m.d.sync += tail.eq(self._next(tail, rows))
        with m.If(fetches):
            m.d.sync += [head.eq(self._next(head, rows)), self.o.valid.eq(1)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)

    def _in_distributed_ram(self, m: Module) -> None:
        # Verilog has no addresses without bits, so the RAM has 2 rows at least.
        rows = max(self.depth, 2)
        m.submodules.ram = ram = distributed_ram(self.i.payload.shape(), rows)
        write_port = ram.write_port()
        read_port = ram.read_port(domain="comb")
        level = Signal(range(self.depth + 1))
        readable = Signal()
        writable = Signal(init=1)
        head = Signal(range(rows))
        tail = Signal(range(rows))
        comes = Signal()
        leaves = Signal()
        passes = self.through & ~readable & self.o.ready
        m.d.comb += [
            comes.eq(self.i.valid & writable),
            leaves.eq(self.o.ready & readable),
            self.i.ready.eq(writable),
            self.o.valid.eq(readable | (self.through & self.i.valid)),
            write_port.addr.eq(tail),
            write_port.data.eq(self.i.payload),
            # One that passes is written too, to a row that stays free.
            write_port.en.eq(comes),
            read_port.addr.eq(head),
            Value.cast(self.o.payload).eq(Mux(
                self.through & ~readable, Value.cast(self.i.payload),
                Value.cast(read_port.data))),
        ]
        # What follows from the level is prepared for each way it may go, because the neighbour's
        # ready comes late in a clock.
        with m.If(leaves & ~comes):
            m.d.sync += [level.eq(level - 1), readable.eq(level != 1), writable.eq(1)]
        with m.Elif(comes & ~passes & ~leaves):
            m.d.sync += [
                level.eq(level + 1), readable.eq(1), writable.eq(level != self.depth - 1)]
        with m.If(comes & ~passes):
            m.d.sync += tail.eq(self._next(tail, self.depth))
        with m.If(leaves):
            m.d.sync += head.eq(self._next(head, self.depth))

    @staticmethod
    def _next(place: Value, rows: int) -> Value:
        """The place after one, which is the first after the last."""
        return Mux(place == rows - 1, 0, place + 1)
