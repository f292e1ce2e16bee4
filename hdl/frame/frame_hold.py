"""Hold a frame to send until its text can follow its headers without a gap."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.frame.text_restore import TextPlace


class FrameHold(wiring.Component):
    """Let a frame with text begin a fixed time after its text has.

    The text comes without a gap, one beat each clock, a known time after it went into the
    GCM core, and the ICV another known time after its last beat. So there is a first
    clock in which the frame may begin and never wait again. Waiting for the text itself
    would cost the clocks of the headers. The slices of a super-frame come out of their queue
    so too.

    One frame each clock. A frame without text (``enable`` 0) passes at once, one with
    text ``clocks`` after ``begun``.

    Parameters
    ----------
    clocks : int
        The fixed time, 2 or more.
    depth : int
        Most frames under way.

    Members
    -------
    begun : In(1)
        The text of the next frame with text has begun.
    i : In(stream.Signature(TextPlace))
        One per frame.
    o : Out(stream.Signature(TextPlace))
        The same; the frame may leave when it is valid.
    """

    def __init__(self, clocks: int, depth: int):
        if clocks < 2:
            raise ValueError(f"clocks: {clocks!r}, expected 2 or more")
        self.clocks = clocks
        self.depth = depth
        super().__init__({
            "begun": In(1),
            "i": In(stream.Signature(TextPlace)),
            "o": Out(stream.Signature(TextPlace)),
        })

    def elaborate(self, platform):
        m = Module()
        history = Signal(self.clocks - 1)
        due = Signal(range(self.depth + 1))
        any_due = Signal()
        go = Signal()
        comes = history[-1]
        goes = Signal()
        m.d.sync += history.eq(Cat(self.begun, history))
        # Prepared for each way it may go, because the ready of the neighbour comes late in a clock.
        with m.If(comes & ~goes):
            m.d.sync += [due.eq(due + 1), any_due.eq(1)]
        with m.Elif(goes & ~comes):
            m.d.sync += [due.eq(due - 1), any_due.eq(due != 1)]
        m.d.comb += [
            goes.eq(self.o.valid & self.o.ready & self.i.payload.enable),
            go.eq(~self.i.payload.enable | any_due),
            self.o.payload.eq(self.i.payload),
            self.o.valid.eq(self.i.valid & go),
            self.i.ready.eq(self.o.ready & go),
        ]
        return m
