"""AXI4-Stream agents that move whole frames, a beat a clock, and check the protocol.

The first byte of a frame lies in bits 7:0 of its first beat. ``tuser`` holds on a
frame's first beat, but for the bits of ``LAST_BITS``; ``tkeep`` may only have zeros at the top,
and only on the last beat (AMBA AXI4-Stream, IHI 0051A, 2.2 to 2.4; the continuous, aligned
stream).
"""

import random
from collections import deque
from dataclasses import dataclass
from typing import Any

from cocotb import start_soon
from cocotb.simtime import get_sim_time
from cocotb.triggers import Event, RisingEdge

from espnic.sim.agents.stream import LIMIT_CLOCKS, Pin, optional, progress
from espnic.sim.clocks import CLOCK_NS

LAST_BITS = {"s_axis_rx": 1}
"""Bits of ``tuser`` that count on a frame's last beat, by port."""


@dataclass(frozen=True)
class Frame:
    """A frame that went over a port."""

    data: bytes
    user: int
    """``tuser`` of the first beat, to a port of ``LAST_BITS`` with these bits of the last beat; 0
    where the port has none."""
    first_clock: int
    """Clock in which the first beat went over."""
    last_clock: int
    """Clock in which the last beat went over. Both clocks are counted from time 0."""


class AxisSource:
    """Sends frames into an AXI4-Stream port.

    Parameters
    ----------
    dut, prefix
        Top of the simulation, and the port's name: ``s_axis_rx`` for ``s_axis_rx_tdata``.
    seed
        Seed of the gaps.
    idle
        Probability of a clock without tvalid, drawn again after each such clock.

    Members
    -------
    sent
        Frames that the port has taken, oldest first.
    """

    def __init__(self, dut: Any, prefix: str, *, seed: int = 1, idle: float = 0.0) -> None:
        self.prefix = prefix
        self.sent: list[Frame] = []
        self._clk = dut.clk
        self._data, keep, last, valid, self._ready = _port(dut, prefix)
        self._keep, self._last, self._valid = Pin(keep), Pin(last), Pin(valid)
        self._user = optional(dut, f"{prefix}_tuser")
        self._bytes = len(keep)
        self._random = random.Random(f"{seed} {prefix}")
        self._noise = random.Random(f"{seed} {prefix}_tuser")
        self._last_bits = LAST_BITS.get(prefix, 0)
        self._idle = idle
        self._queue: deque[tuple[bytes, int]] = deque()
        self._filled = Event()
        self._moved = Event()
        self._valid.set(0)
        start_soon(self._drive())

    def send(self, data: bytes, user: int = 0) -> None:
        """Queue a frame of one byte or more."""
        if not data:
            raise ValueError(f"{self.prefix}: AXI4-Stream has no empty frame")
        self._queue.append((data, user))
        self._filled.set()

    async def drained(self, limit: int = LIMIT_CLOCKS) -> None:
        """Wait until all frames have been taken.

        Raises ``AssertionError`` when no frame is taken for ``limit`` clocks.
        """
        while self._queue:
            self._moved.clear()
            await progress(
                self._moved, limit, f"{self.prefix}: {len(self._queue)} frames left, none taken"
            )

    async def _drive(self) -> None:
        while True:
            if not self._queue:
                self._valid.set(0)
                self._filled.clear()
                await self._filled.wait()
            data, user = self._queue[0]
            self.sent.append(await self._send_frame(data, user))
            self._queue.popleft()
            self._moved.set()

    async def _send_frame(self, data: bytes, user: int) -> Frame:
        edge = RisingEdge(self._clk)
        size = self._bytes
        clocks = []
        for start in range(0, len(data), size):
            while self._idle and self._random.random() < self._idle:
                self._valid.set(0)
                await edge
            piece = data[start : start + size]
            last = start + size >= len(data)
            self._data.value = int.from_bytes(piece, "little")
            self._keep.set((1 << len(piece)) - 1)
            self._last.set(last)
            if self._user is not None and (start <= size or last):
                self._user.value = self._beat_user(user, start == 0, last, len(self._user))
            self._valid.set(1)
            await edge
            while not int(self._ready.value):
                await edge
            if start == 0 or last:
                clocks.append(_clock())
        return Frame(data, user, clocks[0], clocks[-1])

    def _beat_user(self, user: int, first: bool, last: bool, bits: int) -> int:
        """``tuser`` of a beat, with noise in the bits that mean nothing there."""
        counts = (~self._last_bits if first else 0) | (self._last_bits if last else 0)
        return (user & counts | self._noise.getrandbits(bits) & ~counts) & (1 << bits) - 1


class AxisSink:
    """Takes frames from an AXI4-Stream port and checks the port's rules.

    Parameters
    ----------
    dut, prefix
        Top of the simulation, and the port's name: ``m_axis_rx`` for ``m_axis_rx_tdata``.
    seed
        Seed of the stalls.
    stall
        Probability that a clock has no tready.

    Members
    -------
    frames
        Frames taken, oldest first.
    """

    def __init__(self, dut: Any, prefix: str, *, seed: int = 1, stall: float = 0.0) -> None:
        self.prefix = prefix
        self.frames: list[Frame] = []
        self._clk = dut.clk
        self._data, self._keep, self._last, self._valid, ready = _port(dut, prefix)
        self._ready = Pin(ready)
        self._user = optional(dut, f"{prefix}_tuser")
        self._full = (1 << len(self._keep)) - 1
        self._random = random.Random(f"{seed} {prefix}")
        self._stall = stall
        self._moved = Event()
        self._ready.set(0)
        start_soon(self._take())

    async def reach(self, count: int, limit: int = LIMIT_CLOCKS) -> None:
        """Wait until ``count`` frames in all have come.

        Raises ``AssertionError`` when none comes for ``limit`` clocks.
        """
        while len(self.frames) < count:
            self._moved.clear()
            await progress(
                self._moved, limit,
                f"{self.prefix}: {len(self.frames)} of {count} frames came, no more",
            )

    async def _take(self) -> None:
        edge, begins = RisingEdge(self._clk), RisingEdge(self._valid)
        beats: list[bytes] = []
        user = first = 0
        waiting: tuple[int, ...] | None = None
        while True:
            ready = not self._stall or self._random.random() >= self._stall
            self._ready.set(ready)
            await edge
            if not int(self._valid.value):
                assert waiting is None, f"{self.prefix}: tvalid fell before tready"
                if not self._stall:
                    await begins
                continue
            beat = self._sample(first=not beats)
            assert waiting in (None, beat), f"{self.prefix}: a beat changed before tready"
            waiting = None if ready else beat
            if not ready:
                continue
            data, keep, last, beat_user = beat
            if not beats:
                user, first = beat_user, _clock()
            beats.append(data.to_bytes(len(self._keep), "little")[: self._count(keep, last)])
            if last:
                self.frames.append(Frame(b"".join(beats), user, first, _clock()))
                beats = []
                self._moved.set()

    def _sample(self, first: bool) -> tuple[int, int, int, int]:
        return (
            int(self._data.value),
            int(self._keep.value),
            int(self._last.value),
            int(self._user.value) if first and self._user is not None else 0,
        )

    def _count(self, keep: int, last: int) -> int:
        """Bytes that a beat holds."""
        assert last or keep == self._full, f"{self.prefix}: tkeep {keep:#x} before the last beat"
        assert keep and keep & (keep + 1) == 0, f"{self.prefix}: tkeep {keep:#x} has a hole"
        return keep.bit_length()


def _port(dut: Any, prefix: str) -> tuple[Any, ...]:
    names = ("tdata", "tkeep", "tlast", "tvalid", "tready")
    return tuple(getattr(dut, f"{prefix}_{name}") for name in names)


def _clock() -> int:
    return int(get_sim_time("ns")) // CLOCK_NS
