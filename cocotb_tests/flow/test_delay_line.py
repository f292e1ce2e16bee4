"""The delay line gives back each value after the stated number of clocks."""

import os
import random

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from espnic.hdl.flow.delay_line import DelayLine
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.differences import check_items
from tests.support.quick import simulate_quick

BITS = 40


@cocotb.test()
async def values_come_out_after_the_delay(dut):
    await start_clock_and_reset(dut)
    clocks = int(os.environ["CLOCKS"])
    chance = random.Random(cocotb.RANDOM_SEED)
    sent, seen = [], []
    for _ in range(100):
        sent.append(chance.getrandbits(BITS))
        dut.i__payload.value = sent[-1]
        await RisingEdge(dut.clk)
        seen.append(dut.o__payload.value)
    check_items([int(value) for value in seen[clocks:]], sent[:-clocks])


@pytest.mark.quick
def test_values_are_delayed_in_short():
    simulate_quick(
        DelayLine(BITS, 3), "values_come_out_after_the_delay",
        name="delay_line_3", module=__name__, environment={"CLOCKS": "3"})


@pytest.mark.parametrize("clocks", [2, 3, 4, 14, 15, 16, 17])
def test_delay_line(clocks):
    simulate(
        DelayLine(BITS, clocks), name=f"delay_line_{clocks}", module=__name__,
        simulator="icarus", environment={"CLOCKS": str(clocks)},
    )


def test_too_short_a_delay_is_refused():
    with pytest.raises(ValueError, match="delay of 1 clocks, expected 2 or more"):
        DelayLine(BITS, 1)
