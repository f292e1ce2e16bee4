"""Packet memory: beats go in as they come and leave, packet by packet, on command."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.flow.queue import Queue

READ_AHEAD = 4
"""Beats between block RAM and output: the RAM's clock, the queue's, and one of slack."""


class BeatStore(wiring.Component):
    """Keep the beats of packets in block RAM until it is known what becomes of them.

    A command takes the oldest ``beats`` beats: with ``keep`` they leave at ``o``,
    without they are forgotten, in one clock. The user gives a command only when
    all its beats have been written. A beat leaves 2 clocks after its command at
    the earliest; then one each clock, with no gap from packet to packet.

    Parameters
    ----------
    shape : ShapeLike
        Shape of a beat.
    depth : int
        Beats of memory.
    margin : int
        Beats of it that are never filled.

    Members
    -------
    i : In(stream.Signature(shape))
        Beats to keep; not ready when full.
    command : In(stream.Signature({beats, keep}))
        ``beats`` at least 1, at most ``depth``.
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
        write = ram.write_port()
        read = ram.read_port()
        m.submodules.ahead = ahead = Queue(shape, READ_AHEAD)

        # Neighbours' valid and ready come late in a clock: what follows from them is made ready
        # for each case before, and the room that a command makes counts one clock later.
        limit = self.depth - self.margin
        level = Signal(range(self.depth + 1))
        staying = Signal(range(self.depth + 1))
        writable = Signal(init=1)
        tail = Signal(range(self.depth))
        taken = Signal(range(self.depth + 1))
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
                tail.eq(self.wrapped(tail + 1)),
            ]

        command = self.command
        head = Signal(range(self.depth))
        remaining = Signal(range(self.depth + 1))
        reading = Signal()
        in_flight = Signal(range(READ_AHEAD + 1))
        room = Signal(init=1)
        fetch, forget, leaves, fetched = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            command.ready.eq(~reading & (~command.payload.keep | room)),
            fetch.eq(room & (reading | (command.valid & command.payload.keep))),
            forget.eq(~reading & command.valid & ~command.payload.keep),
            leaves.eq(ahead.o.valid & ahead.o.ready),
        ]
        m.d.sync += [taken.eq(Mux(forget, command.payload.beats, fetch)), fetched.eq(fetch)]
        with m.If(fetch):
            m.d.sync += head.eq(self.wrapped(head + 1))
        with m.Elif(forget):
            m.d.sync += head.eq(self.wrapped(head + command.payload.beats))
        with m.If(fetch & reading):
            m.d.sync += [remaining.eq(remaining - 1), reading.eq(remaining != 1)]
        with m.Elif(fetch):
            m.d.sync += [
                remaining.eq(command.payload.beats - 1), reading.eq(command.payload.beats != 1)]
        with m.If(fetch & ~leaves):
            m.d.sync += [in_flight.eq(in_flight + 1), room.eq(in_flight != READ_AHEAD - 1)]
        with m.Elif(leaves & ~fetch):
            m.d.sync += [in_flight.eq(in_flight - 1), room.eq(1)]

        m.d.comb += [
            read.addr.eq(head),
            read.en.eq(fetch),
            ahead.i.payload.eq(read.data),
            ahead.i.valid.eq(fetched),
        ]
        wiring.connect(m, ahead.o, wiring.flipped(self.o))
        return m

    def wrapped(self, address):
        """An address of less than twice the depth, modulo the depth."""
        return Mux(address >= self.depth, address - self.depth, address)
