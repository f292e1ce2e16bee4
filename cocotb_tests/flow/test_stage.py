"""The stage: order, one clock between input and output, and an output that is a register."""

import random

import cocotb
import pytest
from cocotb.triggers import ReadOnly, RisingEdge

from espnic.hdl.flow.stage import Stage
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
async def an_entry_takes_a_clock_and_leaves_room_as_it_goes(dut):
    """Driven by hand: what is ready and valid in each clock."""
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    kept: int | None = None
    for entry in range(ENTRIES):
        comes, ready = chance.random() < 0.7, chance.random() < 0.7
        dut.i__valid.value, dut.i__payload.value, dut.o__ready.value = comes, entry, ready
        await ReadOnly()
        assert int(dut.o__valid.value) == (kept is not None)
        assert kept is None or int(dut.o__payload.value) == kept
        assert int(dut.i__ready.value) == (kept is None or ready)
        if kept is None or ready:
            kept = entry if comes else None
        await RisingEdge(dut.clk)


@pytest.mark.quick
def test_entries_leave_the_stage_in_short():
    simulate_quick(
        Stage(WIDTH),
        "entries_leave_in_order/idle=0.3/stall=0.3",
        "an_entry_takes_a_clock_and_leaves_room_as_it_goes",
        name="stage", module=__name__)


def test_stage():
    simulate(Stage(WIDTH), name="stage", module=__name__, seed=1)
