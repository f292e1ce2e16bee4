"""Detection of bursts of frames that are not authentic."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.layouts import Event
from espnic.model.interface import registers as table
from espnic.model.interface.codes import EventKind, SaDirection

(_THRESHOLD,) = table.BY_NAME["BURST_THRESHOLD"].fields
(_CLOCKS,) = table.BY_NAME["BURST_CLOCKS"].fields
THRESHOLD_BITS = _THRESHOLD.bits
CLOCK_BITS = _CLOCKS.bits


class BurstDetector(wiring.Component):
    """Emits an event when many verdicts within a short time are AUTH_FAILED.

    A failure while no window is open opens one of ``clocks`` clocks, its own included. The
    failure that brings the number within the window to ``threshold`` or above emits one event,
    1 clock later; a window emits only one. A burst that spans two windows may emit none, but
    2 ``threshold`` - 1 failures within ``clocks`` clocks never go without an event. There are no
    errors.

    Members
    -------
    failed : In(1)
        A verdict in this clock is AUTH_FAILED.
    threshold : In(THRESHOLD_BITS)
        Number of failures that make a burst; 0: none does.
    clocks : In(CLOCK_BITS)
        Length of a window in clocks; 0 is taken as 1.
    event : Out(stream.Signature(Event, always_ready=True))
        AUTH_BURST events, which name no SA.
    """

    failed: In(1)
    threshold: In(THRESHOLD_BITS)
    clocks: In(CLOCK_BITS)
    event: Out(stream.Signature(Event, always_ready=True))

    def elaborate(self, platform):
        m = Module()
        opened = Signal()
        told = Signal()
        number = Signal(THRESHOLD_BITS)
        """Number of the next failure if it falls in the window."""
        elapsed = Signal(CLOCK_BITS)
        within = Signal()
        reached = Signal()
        burst = Signal()
        m.d.comb += [
            within.eq(opened & (elapsed < self.clocks)),
            reached.eq(Mux(within, number >= self.threshold, self.threshold == 1)),
            self.event.payload.kind.eq(EventKind.AUTH_BURST),
            self.event.payload.direction.eq(SaDirection.RX),
            burst.eq(
                self.failed & ~(within & told) & (self.threshold != 0) & reached),
        ]
        m.d.sync += self.event.valid.eq(burst)
        with m.If(~elapsed.all()):
            m.d.sync += elapsed.eq(elapsed + 1)
        with m.If(self.failed):
            m.d.sync += [
                opened.eq(1),
                number.eq(Mux(within, number + ~number.all(), 2)),
                told.eq(within & told | burst),
            ]
            with m.If(~within):
                m.d.sync += elapsed.eq(1)
        return m
