"""Agents for the stream ports of a block: one packed integer a transfer.

They keep and check the rules of a stream: a transfer happens on a clock edge with valid and
ready; once valid is up, valid and the payload stay until ready.
"""

import os
import random
from collections import deque
from collections.abc import Callable
from typing import Any

from cocotb import start_soon
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, Event, RisingEdge, SimTimeoutError, with_timeout

from espnic.sim.clocks import CLOCK_NS

RESET_CLOCKS = 4
LIMIT_CLOCKS = 20_000
"""Number of clocks without any transfer after which a wait fails."""


async def start_clock_and_reset(dut: Any) -> None:
    """Hold all inputs at 0, start ``clk`` and hold ``rst`` for ``RESET_CLOCKS`` clocks.

    Returns right after a rising edge; the agents may be made before or after.
    """
    for name in os.environ["ESPNIC_INPUTS"].split(","):
        getattr(dut, name).value = 0
    # A clock made in Python costs more time than the simulation of a small block.
    Clock(dut.clk, CLOCK_NS, "ns", impl="gpi").start(start_high=False)
    dut.rst.value = 1
    await ClockCycles(dut.clk, RESET_CLOCKS)
    dut.rst.value = 0
    await RisingEdge(dut.clk)


class Pin:
    """A port of one bit or a few that is written only when its value changes.

    A write costs as much as the simulation of a clock of a small block.
    """

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._value: int | None = None

    def set(self, value: int) -> None:
        """Drive the port."""
        if value != self._value:
            self._value = value
            self._handle.value = value


class StreamSource:
    """Drives a stream port.

    Parameters
    ----------
    dut
        Top of the simulation.
    prefix
        Name of the port: ``i`` for ``i__payload``, ``i__valid`` and ``i__ready``.
    seed
        Seed of the gaps.
    idle
        Probability of a clock without valid, drawn again after each such clock.
        The payload is noise meanwhile.
    """

    def __init__(self, dut: Any, prefix: str, *, seed: int = 1, idle: float = 0.0) -> None:
        self.prefix = prefix
        self._clk = dut.clk
        self._payload = getattr(dut, f"{prefix}__payload")
        self._valid = Pin(getattr(dut, f"{prefix}__valid"))
        self._ready = optional(dut, f"{prefix}__ready")
        self._random = random.Random(f"{seed} {prefix}")
        self._idle = idle
        self._queue: deque[int] = deque()
        self._moved = Event()
        self._filled = Event()
        self._valid.set(0)
        start_soon(self._drive())

    def send(self, *payloads: int) -> None:
        """Queue packed payloads."""
        self._queue.extend(payloads)
        self._filled.set()

    async def drained(self, limit: int = LIMIT_CLOCKS) -> None:
        """Wait until every queued payload has been taken.

        Raises ``AssertionError`` when none is taken for ``limit`` clocks.
        """
        while self._queue:
            self._moved.clear()
            await progress(
                self._moved, limit,
                f"{self.prefix}: {len(self._queue)} payloads left, none taken",
            )

    async def _drive(self) -> None:
        edge = RisingEdge(self._clk)
        width = len(self._payload)
        while True:
            if not self._queue:
                self._valid.set(0)
                self._filled.clear()
                await self._filled.wait()
            while self._idle and self._random.random() < self._idle:
                self._valid.set(0)
                self._payload.value = self._random.getrandbits(width)
                await edge
            self._payload.value = self._queue[0]
            self._valid.set(1)
            await edge
            while self._ready is not None and not int(self._ready.value):
                await edge
            self._queue.popleft()
            self._moved.set()


class StreamSink:
    """Takes from a stream port, and checks that valid and payload hold.

    Parameters
    ----------
    dut
        Top of the simulation.
    prefix
        Name of the port: ``o`` for ``o__payload``, ``o__valid`` and ``o__ready``.
    seed
        Seed of the stalls.
    stall
        Probability that a clock has no ready. No effect on a port without ready.
    relevant
        Function that keeps the part of a payload that counts. The rest is ignored: it may
        change while the payload waits.

    Members
    -------
    items
        Packed payloads that were taken and not yet received, oldest first; of each the part
        that counts.
    """

    def __init__(
        self, dut: Any, prefix: str, *, seed: int = 1, stall: float = 0.0,
        relevant: Callable[[int], int] | None = None,
    ) -> None:
        self.prefix = prefix
        self.items: deque[int] = deque()
        self._clk = dut.clk
        self._payload = getattr(dut, f"{prefix}__payload")
        self._valid = getattr(dut, f"{prefix}__valid")
        self._ready = optional(dut, f"{prefix}__ready")
        self._random = random.Random(f"{seed} {prefix}")
        self._stall = stall if self._ready is not None else 0.0
        self._relevant = relevant
        self._moved = Event()
        if self._ready is not None:
            self._ready.value = 0
        start_soon(self._take())

    async def receive(self, count: int, limit: int = LIMIT_CLOCKS) -> list[int]:
        """Wait for ``count`` payloads and remove them.

        Raises ``AssertionError`` when none comes for ``limit`` clocks.
        """
        while len(self.items) < count:
            self._moved.clear()
            await progress(
                self._moved, limit, f"{self.prefix}: {len(self.items)} of {count} came, no more"
            )
        return [self.items.popleft() for _ in range(count)]

    async def _take(self) -> None:
        edge, begins = RisingEdge(self._clk), RisingEdge(self._valid)
        waiting: int | None = None
        while True:
            ready = not self._stall or self._random.random() >= self._stall
            if self._ready is not None:
                self._ready.set(ready)
            await edge
            if not int(self._valid.value):
                assert waiting is None, f"{self.prefix}: valid fell before ready"
                if not self._stall:
                    await begins
                continue
            payload = int(self._payload.value)
            if self._relevant:
                payload = self._relevant(payload)
            assert waiting in (None, payload), (
                f"{self.prefix}: payload changed before ready, {waiting:#x} to {payload:#x}"
            )
            waiting = None if ready else payload
            if ready:
                self.items.append(payload)
                self._moved.set()


def optional(dut: Any, name: str) -> Any:
    """The port with this name, or ``None`` where the top has none."""
    return getattr(dut, name) if hasattr(dut, name) else None


async def progress(moved: Event, limit: int, message: str) -> None:
    """Wait for an event; raise ``AssertionError`` with the message after ``limit`` clocks."""
    try:
        await with_timeout(moved.wait(), limit * CLOCK_NS, "ns")
    except SimTimeoutError:
        raise AssertionError(f"{message} for {limit} clocks") from None
