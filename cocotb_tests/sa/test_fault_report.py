"""Wrong rows of the SA memories: which are told, and that all are counted."""

import random

import cocotb
import pytest
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.hdl.layouts import SA_MEMORIES
from espnic.hdl.sa.fault_report import FaultReport
from espnic.model.interface.codes import EventKind, SaDirection, SaMemory
from espnic.model.interface.layouts import EVENT
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.quick import simulate_quick

SOURCES = [(direction, memory) for direction, memories in SA_MEMORIES.items()
           for memory in memories]
IDLE = 2 + len(SOURCES)
"""Clocks after which all that waited has been told."""


class Watcher:
    """All that the block tells and counts."""

    def __init__(self, dut):
        self.events: list[tuple[SaDirection, SaMemory, int]] = []
        self.counted = 0
        cocotb.start_soon(self._watch(dut))

    async def _watch(self, dut):
        while True:
            await RisingEdge(dut.clk)
            self.counted += int(dut.count.value)
            if int(dut.event__valid.value):
                event = EVENT.unpack(int(dut.event__payload.value))
                assert event["kind"] == EventKind.MEMORY_FAULT
                self.events.append((SaDirection(event["direction"]),
                                    SaMemory(event["sequence"]), event["sa"]))


async def start(dut) -> Watcher:
    await start_clock_and_reset(dut)
    await clock(dut, {})
    return Watcher(dut)


async def clock(dut, faults: dict[int, int], again: int = 0) -> None:
    """A clock in which each source of ``faults`` tells of a handle."""
    for place in range(len(SOURCES)):
        getattr(dut, f"faults__{place}__valid").value = place in faults
        getattr(dut, f"faults__{place}__payload").value = faults.get(place, 0)
    dut.again.value = again
    await RisingEdge(dut.clk)


async def pause(dut) -> None:
    await clock(dut, {})
    await ClockCycles(dut.clk, IDLE)


@cocotb.test()
async def each_source_tells_its_memory_direction_and_handle(dut):
    watcher = await start(dut)
    for place, (direction, memory) in enumerate(SOURCES):
        await clock(dut, {place: 0xA000 + place})
        await pause(dut)
        assert watcher.events.pop() == (direction, memory, 0xA000 + place)
        assert not watcher.events
    assert watcher.counted == len(SOURCES)


@cocotb.test()
async def faults_of_all_sources_at_once_are_all_told(dut):
    watcher = await start(dut)
    await clock(dut, {place: 1 + place for place in range(len(SOURCES))})
    await pause(dut)
    assert watcher.events == [(*source, 1 + place) for place, source in enumerate(SOURCES)]
    assert watcher.counted == len(SOURCES)


@cocotb.test()
async def a_flood_of_one_sa_makes_one_event_and_counts_whole(dut):
    watcher = await start(dut)
    for _ in range(500):
        await clock(dut, {3: 7})
    await pause(dut)
    assert watcher.events == [(*SOURCES[3], 7)]
    assert watcher.counted == 500
    for sa in (8, 7):
        await clock(dut, {3: sa})
        await pause(dut)
    assert watcher.events == [(*SOURCES[3], sa) for sa in (7, 8, 7)]


@cocotb.test()
async def an_sa_is_told_again_when_rows_have_been_written(dut):
    watcher = await start(dut)
    for again in (0, 0, 1):
        await clock(dut, {}, again)
        await clock(dut, {2: 9})
        await pause(dut)
    assert watcher.events == [(*SOURCES[2], 9)] * 2


@cocotb.test()
async def random_faults_are_counted_and_each_sa_that_stays_wrong_is_told(dut):
    watcher = await start(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    given = 0
    seen = set()
    for _ in range(2000):
        faults = {place: chance.randrange(1, 4) for place in range(len(SOURCES))
                  if chance.random() < 0.1}
        given += len(faults)
        seen |= {(*SOURCES[place], sa) for place, sa in faults.items()}
        await clock(dut, faults)
    await pause(dut)
    assert watcher.counted == given
    assert set(watcher.events) == seen


@pytest.mark.quick
def test_fault_report_in_short():
    simulate_quick(
        FaultReport(SOURCES),
        "a_flood_of_one_sa_makes_one_event_and_counts_whole",
        "faults_of_all_sources_at_once_are_all_told",
        name="fault_report", module=__name__)


def test_fault_report():
    simulate(FaultReport(SOURCES), name="fault_report", module=__name__, seed=3)
