"""A queue between two blocks."""

from amaranth.hdl import Module, Shape, Value
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out


class Queue(wiring.Component):
    """First in, first out, in distributed RAM or, when ``block_ram``, in block RAM.

    An entry leaves in the clock after it came at the earliest, from block RAM two clocks
    after; one in and one out each clock. ``i.ready`` does not depend on ``o.ready``, so
    a queue also cuts the ready path.

    Parameters
    ----------
    shape : ShapeLike
        Shape of an entry.
    depth : int
        Entries held.
    block_ram : bool
        For queues of hundreds of entries.

    Members
    -------
    i : In(stream.Signature(shape))
    o : Out(stream.Signature(shape))
    """

    def __init__(self, shape, depth: int, block_ram: bool = False):
        self.depth = depth
        self.block_ram = block_ram
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
        })

    def elaborate(self, platform):
        m = Module()
        kind = fifo.SyncFIFOBuffered if self.block_ram else fifo.SyncFIFO
        m.submodules.fifo = queue = kind(
            width=Shape.cast(self.i.payload.shape()).width, depth=self.depth)
        m.d.comb += [
            queue.w_data.eq(self.i.payload),
            queue.w_en.eq(self.i.valid),
            self.i.ready.eq(queue.w_rdy),
            Value.cast(self.o.payload).eq(queue.r_data),
            self.o.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.o.ready),
        ]
        return m
