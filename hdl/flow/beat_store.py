"""Packet memory: beats go in as they come and leave, packet by packet, on command."""

from amaranth.hdl import Module, Mux, Signal, Value, ValueLike
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.memory import ReadPort, WritePort
from amaranth.lib.wiring import In, Out

from espnic.hdl.flow.registered_queue import RegisteredQueue
from espnic.hdl.flow.room import room_for

READ_AHEAD = 5
"""Number of beats between block RAM and output, for the clocks of the RAM, of the queue and of the
count of what has left, and slack."""


class BeatStore(wiring.Component):
    """Keeps the beats of packets in block RAM until it is known what becomes of them.

    A command takes the oldest ``beats`` beats: with ``keep`` they leave at ``o``,
    without it they are forgotten, in one clock. A command may come only when
    all its beats have been written. A beat leaves 2 clocks after its command at
    the earliest; then one each clock, with no gap from packet to packet. There are no
    errors: when the store is full ``i`` waits.

    Parameters
    ----------
    shape : ShapeLike
        Shape of a beat.
    depth : int
        Number of beats of memory.
    margin : int
        Number of them that are never filled.

    Members
    -------
    i : In(stream.Signature(shape))
        Beats to keep; not ready when full.
    command : In(stream.Signature({beats, keep}))
        What becomes of the oldest beats; ``beats`` is 1 to ``depth``.
    o : Out(stream.Signature(shape))
        Beats of the packets that are kept.
    """

    def __init__(self, shape, depth: int, margin: int = 0):
        self.depth = depth
        self.margin = margin
        super().__init__({
            "i": In(stream.Signature(shape)),
            "command": In(stream.Signature(data.StructLayout({
                "beats": range(depth + 1), "keep": 1}))),
            "o": Out(stream.Signature(shape)),
        })

    def elaborate(self, platform):
        m = Module()
        shape = self.i.payload.shape()
        m.submodules.ram = ram = memory.Memory(shape=shape, depth=self.depth, init=[])
        m.submodules.ahead = ahead = RegisteredQueue(shape, READ_AHEAD)
        write, read = ram.write_port(), ram.read_port()
        # Neighbours' valid and ready come late in a clock. So what follows from them is prepared
        # for each case, and the room that a command makes counts one clock later.
        taken = Signal(range(self.depth + 1))
        fetch = Signal()
        self._fill(m, write, taken)
        left = Signal()
        m.d.sync += left.eq(ahead.o.valid & ahead.o.ready)
        room = room_for(m, READ_AHEAD, fetch, left)
        self._obey(m, read, taken, fetch, room)

        fetched = Signal()
        m.d.sync += fetched.eq(fetch)
        m.d.comb += [
            ahead.i.payload.eq(read.data),
            ahead.i.valid.eq(fetched),
        ]
        wiring.connect(m, ahead.o, wiring.flipped(self.o))
        return m

    def _fill(self, m: Module, write: WritePort, taken: Value) -> None:
        """Store beats while there is room; ``taken`` were taken out in the clock before."""
        limit = self.depth - self.margin
        level = Signal(range(self.depth + 1))
        staying = Signal(range(self.depth + 1))
        writable = Signal(init=1)
        tail = Signal(range(self.depth))
        m.d.comb += [
            self.i.ready.eq(writable),
            staying.eq(level - taken),
            write.addr.eq(tail),
            write.data.eq(self.i.payload),
            write.en.eq(self.i.valid & writable),
        ]
        m.d.sync += [level.eq(staying), writable.eq(staying < limit)]
        with m.If(write.en):
            m.d.sync += [
                level.eq(staying + 1),
                writable.eq(staying < limit - 1),
                tail.eq(self._behind(tail, 1)),
            ]

    def _obey(self, m: Module, read: ReadPort, taken: Signal, fetch: Signal, room: Value) -> None:
        """Fetch the beats of a command one by one, or forget them all at once."""
        beats, keep = self.command.payload.beats, self.command.payload.keep
        head = Signal(range(self.depth))
        remaining = Signal(range(self.depth + 1))
        reading = Signal()
        forget = Signal()
        m.d.comb += [
            self.command.ready.eq(~reading & (~keep | room)),
            fetch.eq(room & (reading | (self.command.valid & keep))),
            forget.eq(~reading & self.command.valid & ~keep),
            read.addr.eq(head),
            read.en.eq(fetch),
        ]
        m.d.sync += taken.eq(Mux(forget, beats, fetch))
        with m.If(fetch):
            m.d.sync += head.eq(self._behind(head, 1))
        with m.Elif(forget):
            m.d.sync += head.eq(self._behind(head, beats))
        with m.If(fetch & reading):
            m.d.sync += [remaining.eq(remaining - 1), reading.eq(remaining != 1)]
        with m.Elif(fetch):
            m.d.sync += [remaining.eq(beats - 1), reading.eq(beats != 1)]

    def _behind(self, place: Value, beats: ValueLike) -> Value:
        """The place so many ``beats``, at most all, behind another, round the ring.

        Both sums are made at once, because the number of beats comes late in a clock.
        """
        beyond = (place - self.depth) + beats
        return Mux(beyond >= 0, beyond, place + beats)
