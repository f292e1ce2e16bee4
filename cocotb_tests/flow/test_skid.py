"""The skid: order, no clock between input and output, and a ready that is a register."""

import random

import cocotb
import pytest
from cocotb.triggers import ReadOnly, RisingEdge

from espnic.hdl.flow.skid import Skid
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.entries import ENTRIES, check_order_of_block
from tests.support.quick import simulate_quick

WIDTH = 77


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.3], stall=[0.0, 0.3])
async def entries_leave_in_order(dut, idle, stall):
    await start_clock_and_reset(dut)
    await check_order_of_block(dut, WIDTH, idle, stall)


@cocotb.test()
async def an_entry_passes_in_its_clock_and_one_waits(dut):
    """Driven by hand: what is ready and valid in each clock, from the output's ready alone."""
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    waiting: list[int] = []
    for entry in range(ENTRIES):
        comes, ready = chance.random() < 0.7, chance.random() < 0.7
        dut.i__valid.value, dut.i__payload.value, dut.o__ready.value = comes, entry, ready
        await ReadOnly()
        taken = not waiting
        assert int(dut.i__ready.value) == taken
        if comes and taken:
            waiting.append(entry)
        assert int(dut.o__valid.value) == bool(waiting)
        if waiting:
            assert int(dut.o__payload.value) == waiting[0]
            if ready:
                waiting.pop(0)
        await RisingEdge(dut.clk)


@pytest.mark.quick
def test_entries_leave_the_skid_in_short():
    simulate_quick(
        Skid(WIDTH),
        "entries_leave_in_order/idle=0.3/stall=0.3",
        "an_entry_passes_in_its_clock_and_one_waits",
        name="skid", module=__name__)


def test_skid():
    simulate(Skid(WIDTH), name="skid", module=__name__, seed=1)
