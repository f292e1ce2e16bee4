"""Simulator's side of ``sim.life.command``: the story on the RTL's registers and packet ports."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cocotb
from cocotb import start_soon
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from espnic.model.host.stack import Request
from espnic.model.interface.codes import SIDES, RxStatus
from espnic.model.interface.layouts import RX_COMPLETION, TX_DESCRIPTOR
from espnic.model.linux.hardware import Hardware
from espnic.sim.agents.axi_lite import AxiLiteRegisters
from espnic.sim.agents.axi_stream import AxisSink, AxisSource
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.life.ports import Action
from espnic.sim.life.story import Story
from espnic.sim.traffic.steps import Received

STALL = 0.1
"""Probability of a stall in each clock of each stream."""
JUDGE_POLLS = 100
"""Most reads of all counters until all requests are judged; a read takes over 1,000 clocks."""


@cocotb.test()
async def play_the_story(dut: Any) -> None:
    """Play the story and write its entries down. They are judged by whoever reads them."""
    job = json.loads(os.environ["ESPNIC_JOB"])
    await start_clock_and_reset(dut)
    bus = AxiLiteRegisters(AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst))
    ports = RtlPorts(dut, Hardware(bus))
    story = Story(bus, ports, job["seed"])
    try:
        await story.play()
    finally:
        Path(job["file"]).write_text(json.dumps({
            "turns": ports.turns, "entries": [asdict(entry) for entry in story.entries]}),
            encoding="utf-8")


class RtlPorts:
    """The engine's AXI4-Stream ports.

    Members
    -------
    turns
        For each action that was done among frames, the number that was judged before it.
    """

    def __init__(self, dut: Any, hardware: Hardware) -> None:
        seed = cocotb.RANDOM_SEED
        self._hardware = hardware
        self._sources = {side: AxisSource(dut, f"s_axis_{side}", seed=seed, idle=STALL)
                         for side in SIDES}
        self._sinks = {side: AxisSink(dut, f"m_axis_{side}", seed=seed, stall=STALL)
                       for side in SIDES}
        self._given = self._sent = self._received = 0
        self.turns: list[int] = []

    async def transmit(self, requests: Sequence[Request]) -> list[bytes]:
        self._give(requests)
        return await self._left()

    async def receive(self, frames: Sequence[bytes]) -> list[Received]:
        for frame in frames:
            self._sources["rx"].send(frame)
        return await self._came(len(frames))

    async def transmit_during(self, requests: Sequence[Request], action: Action) -> list[bytes]:
        self._give(requests)
        await self._sinks["tx"].reach(self._sent + len(requests) // 3)
        await action()
        left = await self._left()
        self.turns.append(len(left))
        return left

    async def receive_during(self, frames: Sequence[bytes], action: Action) -> list[Received]:
        waiting = start_soon(self.receive(frames))
        await self._sinks["rx"].reach(self._received + len(frames) // 3)
        await action()
        came = await waiting
        missed = (number for number, item in enumerate(came)
                  if item.completion["status"] == RxStatus.NO_SA)
        self.turns.append(next(missed, len(came)))
        return came

    def _give(self, requests: Sequence[Request]) -> None:
        self._given += len(requests)
        for request in requests:
            self._sources["tx"].send(request.frame, TX_DESCRIPTOR.pack(request.descriptor))

    async def _left(self) -> list[bytes]:
        """Wait until every request is judged; give the frames that have left since last time."""
        await self._sources["tx"].drained()
        for _ in range(JUDGE_POLLS):
            counters = await self._hardware.counters()
            if counters["tx_packets_in"] == self._given:
                break
        else:
            raise AssertionError(f"{counters['tx_packets_in']} of {self._given} requests judged")
        await self._sinks["tx"].reach(counters["tx_packets_out"])
        frames = [frame.data for frame in self._sinks["tx"].frames[self._sent:]]
        self._sent += len(frames)
        return frames

    async def _came(self, count: int) -> list[Received]:
        """Wait until ``count`` more frames have come to the host; give them."""
        start, self._received = self._received, self._received + count
        await self._sinks["rx"].reach(self._received)
        return [Received(RX_COMPLETION.unpack(frame.user), frame.data)
                for frame in self._sinks["rx"].frames[start:self._received]]
