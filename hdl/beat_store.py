"""Packet memory: beats go in as they come and leave, packet by packet, on command."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.queue import Queue

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

        level = Signal(range(self.depth + 1))
        head = Signal(range(self.depth))
        tail = Signal(range(self.depth))
        taken = Signal(range(self.depth + 1))
        remaining = Signal(range(self.depth + 1))
        in_flight = Signal(range(READ_AHEAD + 1))
        fetch = Signal()
        fetched = Signal()

        m.d.comb += [
            self.i.ready.eq(level < self.depth - self.margin),
            write.addr.eq(tail),
            write.data.eq(self.i.payload),
            write.en.eq(self.i.valid & self.i.ready),
        ]
        with m.If(write.en):
            m.d.sync += tail.eq(self.wrapped(tail + 1))
        m.d.sync += level.eq(level + write.en - taken)

        room = Signal()
        m.d.comb += room.eq(in_flight != READ_AHEAD)
        command = self.command
        with m.If(remaining != 0):
            m.d.comb += [fetch.eq(room), taken.eq(room)]
        with m.Else():
            m.d.comb += command.ready.eq(~command.payload.keep | room)
            with m.If(command.valid):
                m.d.comb += fetch.eq(command.payload.keep & room)
                m.d.comb += taken.eq(Mux(command.payload.keep, room, command.payload.beats))
        with m.If(fetch):
            m.d.sync += remaining.eq(Mux(remaining == 0, command.payload.beats, remaining) - 1)
        m.d.sync += head.eq(self.wrapped(head + taken))

        m.d.comb += [
            read.addr.eq(head),
            read.en.eq(fetch),
            ahead.i.payload.eq(read.data),
            ahead.i.valid.eq(fetched),
        ]
        m.d.sync += [
            fetched.eq(fetch),
            in_flight.eq(in_flight + fetch - (ahead.o.valid & ahead.o.ready)),
        ]
        wiring.connect(m, ahead.o, wiring.flipped(self.o))
        return m

    def wrapped(self, address):
        """An address of less than twice the depth, modulo the depth."""
        return Mux(address >= self.depth, address - self.depth, address)
