"""A queue between two blocks."""

from amaranth.hdl import Module, Mux, Shape, Signal, Value
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.flow.distributed_ram import distributed_ram


class Queue(wiring.Component):
    """First in, first out, in distributed RAM or, with ``block_ram``, in block RAM.

    An entry leaves 1 clock after it came at the earliest, from block RAM 2 clocks; one in and
    one out each clock. ``i.ready`` and ``o.valid`` are registers, so a queue also cuts the
    paths of both. There are no errors.

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
        m.submodules.fifo = queue = fifo.SyncFIFOBuffered(
            width=Shape.cast(self.i.payload.shape()).width, depth=self.depth)
        m.d.comb += [
            queue.w_data.eq(self.i.payload),
            queue.w_en.eq(self.i.valid),
            self.i.ready.eq(queue.w_rdy),
            Value.cast(self.o.payload).eq(queue.r_data),
            self.o.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.o.ready),
        ]

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
        write = Signal()
        read = Signal()
        passes = self.through & ~readable & self.o.ready
        m.d.comb += [
            write.eq(self.i.valid & writable & ~passes),
            read.eq(self.o.ready & readable),
            self.i.ready.eq(writable),
            self.o.valid.eq(readable | (self.through & self.i.valid)),
            write_port.addr.eq(tail),
            write_port.data.eq(self.i.payload),
            write_port.en.eq(write),
            read_port.addr.eq(head),
            Value.cast(self.o.payload).eq(Mux(
                self.through & ~readable, Value.cast(self.i.payload),
                Value.cast(read_port.data))),
        ]
        # What follows from the level is prepared for each way it may go, because valid and ready
        # of the neighbours come late in a clock.
        with m.If(write & ~read):
            m.d.sync += [
                level.eq(level + 1), readable.eq(1), writable.eq(level != self.depth - 1)]
        with m.Elif(read & ~write):
            m.d.sync += [level.eq(level - 1), readable.eq(level != 1), writable.eq(1)]
        with m.If(write):
            m.d.sync += tail.eq(self._next(tail))
        with m.If(read):
            m.d.sync += head.eq(self._next(head))

    def _next(self, place: Value) -> Value:
        """The place after one, which is the first after the last."""
        return Mux(place == self.depth - 1, 0, place + 1)
