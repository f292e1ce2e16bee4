"""Finds bursts of frames that are not authentic."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.layouts import Event
from espnic.model.interface.codes import EventKind, SaDirection

THRESHOLD_BITS = 16
CLOCK_BITS = 32


class BurstDetector(wiring.Component):
    """Tells an event when many verdicts within a short time were AUTH_FAILED.

    A failure while no window is open opens one of ``clocks`` clocks, its own included. The
    failure that brings the number within the window to ``threshold`` or above tells one event,
    1 clock later; the window tells no other. Failures that two windows share may go untold, but
    never 2 ``threshold`` - 1 of them within ``clocks`` clocks.

    Members
    -------
    failed : In(1)
        A verdict was AUTH_FAILED.
    threshold : In(THRESHOLD_BITS)
        Failures that make a burst; 0: none does.
    clocks : In(CLOCK_BITS)
        Length of a window; 0 is as 1.
    event : Out(stream.Signature(Event, always_ready=True))
        AUTH_BURST, of no single SA.
    """

    failed: In(1)
    threshold: In(THRESHOLD_BITS)
    clocks: In(CLOCK_BITS)
    event: Out(stream.Signature(Event, always_ready=True))

    def elaborate(self, platform):
        m = Module()
        opened, told = Signal(), Signal()
        failures, number = Signal(THRESHOLD_BITS), Signal(THRESHOLD_BITS)
        elapsed = Signal(CLOCK_BITS)
        within, burst = Signal(), Signal()
        m.d.comb += [
            within.eq(opened & (elapsed < self.clocks)),
            number.eq(Mux(within, failures + ~failures.all(), 1)),
            self.event.payload.kind.eq(EventKind.AUTH_BURST),
            self.event.payload.direction.eq(SaDirection.RX),
            burst.eq(
                self.failed & ~(within & told)
                & (self.threshold != 0) & (number >= self.threshold)),
        ]
        m.d.sync += self.event.valid.eq(burst)
        with m.If(~elapsed.all()):
            m.d.sync += elapsed.eq(elapsed + 1)
        with m.If(self.failed):
            m.d.sync += [
                opened.eq(1),
                failures.eq(number),
                told.eq(within & told | burst),
            ]
            with m.If(~within):
                m.d.sync += elapsed.eq(1)
        return m
