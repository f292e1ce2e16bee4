"""The register slice: order, one clock between input and output, and registers at both."""

import random

import cocotb
import pytest
from cocotb.triggers import ReadOnly, RisingEdge

from espnic.hdl.flow.register_slice import RegisterSlice
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.entries import ENTRIES, check_order_of_block
from tests.support.quick import simulate_quick

WIDTH = 77
PLACES = 2


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.3], stall=[0.0, 0.3])
async def entries_leave_in_order(dut, idle, stall):
    await start_clock_and_reset(dut)
    await check_order_of_block(dut, WIDTH, idle, stall)


@cocotb.test()
async def an_entry_takes_a_clock_and_one_more_waits(dut):
    """Driven by hand: what is ready and valid in each clock."""
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    inside: list[int] = []
    for entry in range(ENTRIES):
        comes, ready = chance.random() < 0.7, chance.random() < 0.7
        dut.i__valid.value, dut.i__payload.value, dut.o__ready.value = comes, entry, ready
        await ReadOnly()
        assert int(dut.o__valid.value) == bool(inside)
        assert not inside or int(dut.o__payload.value) == inside[0]
        taken = len(inside) < PLACES
        assert int(dut.i__ready.value) == taken
        if inside and ready:
            inside.pop(0)
        if comes and taken:
            inside.append(entry)
        await RisingEdge(dut.clk)


@pytest.mark.quick
def test_entries_leave_the_slice_in_short():
    simulate_quick(
        RegisterSlice(WIDTH),
        "entries_leave_in_order/idle=0.3/stall=0.3",
        "an_entry_takes_a_clock_and_one_more_waits",
        name="register_slice", module=__name__)


def test_register_slice():
    simulate(RegisterSlice(WIDTH), name="register_slice", module=__name__, seed=1)
