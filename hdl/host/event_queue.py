"""The queue of events that software takes after an interrupt."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.flow.queue import Queue
from espnic.hdl.layouts import Event
from espnic.model.interface.codes import EVENT_QUEUE_DEPTH

INPUT_DEPTH = 4
"""Number of events that can wait at an input for their turn."""


class EventQueue(wiring.Component):
    """Collects the events of several sources in order, for software to take off.

    Each source may tell an event in every clock. One event a clock goes on into the queue, that
    of the lowest input first; it shows at ``o`` 2 clocks after it came at the earliest. An event
    is dropped and counted if the queue is full, or if ``INPUT_DEPTH`` others wait at its input.

    Parameters
    ----------
    inputs : int
        Number of sources.

    Members
    -------
    i : In(stream.Signature(Event, always_ready=True)).array(inputs)
        Events as they come.
    o : Out(stream.Signature(Event))
        The oldest event.
    count : Out(range(EVENT_QUEUE_DEPTH + 1))
        Number of events that can be taken off.
    lost : Out(range(inputs + 2))
        Number of events dropped in this clock.
    """

    def __init__(self, inputs: int):
        self.inputs = inputs
        super().__init__({
            "i": In(stream.Signature(Event, always_ready=True)).array(inputs),
            "o": Out(stream.Signature(Event)),
            "count": Out(range(EVENT_QUEUE_DEPTH + 1)),
            "lost": Out(range(inputs + 2)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = Queue(Event, EVENT_QUEUE_DEPTH)
        waiting = [Queue(Event, INPUT_DEPTH) for _ in self.i]
        refused = Signal(self.inputs + 1)
        for place, (source, one) in enumerate(zip(self.i, waiting, strict=True)):
            m.submodules[f"input_{place}"] = one
            m.d.comb += [
                one.i.payload.eq(source.payload),
                one.i.valid.eq(source.valid),
                refused[place].eq(source.valid & ~one.i.ready),
            ]

        turn = Signal(range(self.inputs))
        for place in reversed(range(self.inputs)):
            with m.If(waiting[place].o.valid):
                m.d.comb += turn.eq(place)
        with m.Switch(turn):
            for place, one in enumerate(waiting):
                with m.Case(place):
                    m.d.comb += [
                        queue.i.payload.eq(one.o.payload),
                        queue.i.valid.eq(one.o.valid),
                        one.o.ready.eq(1),
                    ]
        m.d.comb += [
            refused[self.inputs].eq(queue.i.valid & ~queue.i.ready),
            self.lost.eq(sum(refused)),
        ]
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        come, gone = queue.i.valid & queue.i.ready, queue.o.valid & queue.o.ready
        with m.If(come & ~gone):
            m.d.sync += self.count.eq(self.count + 1)
        with m.Elif(gone & ~come):
            m.d.sync += self.count.eq(self.count - 1)
        return m
