"""Tells software of wrong rows in the memories of the SA tables."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.layouts import HANDLE_BITS, Event, MemoryFaults
from espnic.model.interface.codes import EventKind, SaDirection, SaMemory

FaultPort = stream.Signature(HANDLE_BITS, always_ready=True)
"""A memory that was read for an SA and gave a wrong row: the handle of the SA."""


class FaultReport(wiring.Component):
    """Makes events of wrong rows, and counts them.

    Each source is a memory of one direction. It may tell a fault in every clock: a row that was
    read was wrong, and something depended on it. All of them count. A fault makes an event unless
    the last event of its source was of the same SA, so that a flood of frames of one SA does not
    fill the queue of events; ``again`` forgets the last events. A fault that comes while an event
    of its source waits makes none; it does when it comes again. When several sources wait, the
    lowest goes first, one a clock.

    Latency 1 clock to ``count``, 2 to ``event`` at the earliest. There are no errors.

    Parameters
    ----------
    sources : Sequence[tuple[SaDirection, SaMemory]]
        Direction and memory of each source.

    Members
    -------
    faults : In(FaultPort).array(len(sources))
        Faults of each source.
    again : In(1)
        Tell of each SA again: rows have been written.
    event : Out(stream.Signature(Event, always_ready=True))
        MEMORY_FAULT events.
    count : Out(MemoryFaults)
        Faults to count in this clock.
    """

    def __init__(self, sources: Sequence[tuple[SaDirection, SaMemory]]):
        self.sources = tuple(sources)
        super().__init__({
            "faults": In(FaultPort).array(len(self.sources)),
            "again": In(1),
            "event": Out(stream.Signature(Event, always_ready=True)),
            "count": Out(MemoryFaults),
        })

    def port(self, direction: SaDirection, memory: SaMemory) -> wiring.PureInterface:
        """The input of a memory."""
        return self.faults[self.sources.index((direction, memory))]

    def elaborate(self, platform):
        m = Module()
        came = Signal(len(self.sources))
        pending = Signal(len(self.sources))
        taken = Signal(len(self.sources))
        event = Signal(Event)
        m.d.comb += [
            self.count.eq(sum(came)),
            # The lowest that waits.
            taken.eq(pending & (~pending + 1)),
            self.event.valid.eq(pending.any()),
            self.event.payload.eq(event),
        ]
        m.d.sync += came.eq(Cat(fault.valid for fault in self.faults))
        for place, (direction, memory) in enumerate(self.sources):
            sa = Signal(HANDLE_BITS, name=f"sa{place}")
            last = Signal(HANDLE_BITS, name=f"last{place}")
            told = Signal(name=f"told{place}")
            m.d.sync += [
                sa.eq(self.faults[place].payload),
                pending[place].eq(pending[place] & ~taken[place]),
                told.eq(told & ~self.again),
            ]
            with m.If(came[place] & ~pending[place] & ~(told & (sa == last))):
                m.d.sync += [pending[place].eq(1), told.eq(1), last.eq(sa)]
            with m.If(taken[place]):
                m.d.comb += [
                    event.kind.eq(EventKind.MEMORY_FAULT),
                    event.direction.eq(direction),
                    event.sa.eq(last),
                    event.sequence.eq(memory),
                ]
        return m
