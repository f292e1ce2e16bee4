"""A queue whose output is a register."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.flow.queue import Queue
from espnic.hdl.flow.register_slice import RegisterSlice

_SLICE_ENTRIES = 2


class RegisteredQueue(wiring.Component):
    """First in, first out; the next two entries to leave are in registers.

    It takes the read of the memory, and the choice of the entry, off the path that begins at the
    output, and the count of what waits off the path that ends there. An entry leaves 1 clock after
    it came at the earliest, also from block RAM; one in and one out each clock. ``o.valid`` and
    ``o.payload`` are registers, and so is ``i.ready``. There are no errors.

    Parameters
    ----------
    shape : ShapeLike
        Shape of an entry.
    depth : int
        Number of entries held, 3 or more, in block RAM 5 or more.
    block_ram : bool
        Keep those that wait for the registers in block RAM, for queues of hundreds of them.

    Members
    -------
    i : In(stream.Signature(shape))
    o : Out(stream.Signature(shape))
    """

    def __init__(self, shape, depth: int, block_ram: bool = False) -> None:
        self.depth = depth
        self.block_ram = block_ram
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
        })

    def elaborate(self, platform):
        m = Module()
        shape = self.i.payload.shape()
        m.submodules.waiting = waiting = Queue(
            shape, self.depth - _SLICE_ENTRIES, block_ram=self.block_ram,
            through=not self.block_ram)
        m.submodules.next = following = RegisterSlice(shape)
        wiring.connect(m, wiring.flipped(self.i), waiting.i)
        wiring.connect(m, waiting.o, following.i)
        wiring.connect(m, following.o, wiring.flipped(self.o))
        if self.block_ram:
            self._pass_by(m, waiting, following)
        return m

    def _pass_by(self, m: Module, waiting: Queue, following: RegisterSlice) -> None:
        """Let an entry that finds nothing waiting go to the registers at once."""
        inside = Signal(range(self.depth))
        empty = Signal(init=1)
        passes = Signal()
        enters = Signal()
        leaves = Signal()
        m.d.comb += [
            passes.eq(empty & following.i.ready),
            enters.eq(self.i.valid & waiting.i.ready & ~passes),
            leaves.eq(waiting.o.valid & waiting.o.ready),
            waiting.i.valid.eq(self.i.valid & ~passes),
        ]
        with m.If(empty):
            m.d.comb += [
                following.i.valid.eq(self.i.valid & waiting.i.ready),
                following.i.payload.eq(self.i.payload),
            ]
        with m.If(enters & ~leaves):
            m.d.sync += [inside.eq(inside + 1), empty.eq(0)]
        with m.Elif(leaves & ~enters):
            m.d.sync += [inside.eq(inside - 1), empty.eq(inside == 1)]
