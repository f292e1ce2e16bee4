"""The burst detector against its model, clock by clock."""

import random

import cocotb
import pytest
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.hdl.host.burst_detector import BurstDetector
from espnic.model.device import events
from espnic.model.interface.codes import EventKind, SaDirection
from espnic.model.interface.layouts import EVENT
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.quick import simulate_quick

BURST = EVENT.pack({"kind": EventKind.AUTH_BURST, "direction": SaDirection.RX})


async def play(dut, model: events.BurstDetector, failures: list[int]) -> int:
    """Give failures clock by clock; every event is that of the model. Returns their number."""
    dut.threshold.value, dut.clocks.value = model.threshold, model.clocks
    told, burst = 0, False
    for failed in [*failures, 0]:
        dut.failed.value = failed
        await RisingEdge(dut.clk)
        assert int(dut.event__valid.value) == burst
        assert not burst or int(dut.event__payload.value) == BURST
        burst = bool(failed) and model.fail(model_clock(dut))
        told += burst
    return told


def model_clock(dut) -> int:
    """Clocks since the simulation began."""
    return round(cocotb.utils.get_sim_time("ns")) // 4


def some(chance: random.Random, share: float, clocks: int) -> list[int]:
    return [int(chance.random() < share) for _ in range(clocks)]


@cocotb.test()
@cocotb.parametrize(share=[0.05, 0.4, 1.0])
async def events_are_those_of_the_model(dut, share):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    model = events.BurstDetector()
    told = 0
    for _ in range(25):
        model.threshold = chance.choice([0, 1, 2, 3, 8])
        model.clocks = chance.choice([0, 1, 2, 7, 30, 100])
        told += await play(dut, model, some(chance, share, 60))
    assert told


@cocotb.test()
async def without_a_threshold_nothing_is_told(dut):
    await start_clock_and_reset(dut)
    model = events.BurstDetector()
    model.clocks = 50
    assert await play(dut, model, [1] * 100) == 0


@cocotb.test()
async def a_window_tells_one_event_and_the_next_window_another(dut):
    await start_clock_and_reset(dut)
    model = events.BurstDetector()
    model.threshold, model.clocks = 4, 20
    assert await play(dut, model, [1] * 20) == 1
    assert await play(dut, model, [1] * 20) == 1
    await ClockCycles(dut.clk, 100)
    assert await play(dut, model, [1, 1, 1] + [0] * 20 + [1, 1, 1]) == 0


@pytest.mark.quick
def test_bursts_in_short():
    simulate_quick(
        BurstDetector(),
        "a_window_tells_one_event_and_the_next_window_another",
        "events_are_those_of_the_model/share=0.4",
        name="burst_detector", module=__name__)


def test_burst_detector():
    simulate(BurstDetector(), name="burst_detector", module=__name__, seed=3)
