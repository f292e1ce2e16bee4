"""cocotb side of tests/sim/test_build.py."""

import os
from pathlib import Path

import cocotb
from cocotb.triggers import ClockCycles

from espnic.sim.agents.stream import start_clock_and_reset


@cocotb.test()
async def adds_all_stages(dut):
    await start_clock_and_reset(dut)
    dut.i.value = 40
    await ClockCycles(dut.clk, int(os.environ["STAGES"]) + 1)
    total = 40 + int(os.environ["SUM"])
    assert int(dut.o.value) == total


@cocotb.test()
async def write_seed(dut):
    Path("seed").write_text(str(cocotb.RANDOM_SEED))
    await start_clock_and_reset(dut)
