"""The recorder of the rig and what is read from its file: right frames, and broken rules found."""

import random
from pathlib import Path

import cocotb
import pytest
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge

from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import build, run
from espnic.sim.build.netlist import Netlist
from espnic.sim.rig.design import SOURCE
from espnic.sim.rig.runs import BrokenRule, frames_in

WIDTH, USER = 128, 9
FILE = Path("beats")
WIRES = {"tdata": WIDTH, "tkeep": WIDTH // 8, "tuser": USER, "tlast": 1, "tvalid": 1}
CONTROLS = {"clk": 1, "rst": 1, "start": 1, "flush": 1, "clock": 32, "stall": 8, "seed": 32}
PROBABILITIES = 256


def netlist():
    """The recorder under a top that gives it its file."""
    inputs = CONTROLS | WIRES
    ports = [f"input [{bits - 1}:0] {name}" for name, bits in inputs.items()]
    pins = [f".{name}({name})" for name in (*inputs, "tready", "frames")]
    text = (
        f"module recorder ({', '.join([*ports, 'output tready', 'output [31:0] frames'])});\n"
        f"  espnic_recorder #(.WIDTH({WIDTH}), .USER({USER}), .FILE(\"{FILE}\")) inner "
        f"({', '.join(pins)});\nendmodule\n")
    outputs = {"frames": 32, "tready": 1}
    return Netlist("recorder", SOURCE.read_text() + text, inputs, outputs)


async def begin(dut, stall):
    await start_clock_and_reset(dut)
    dut.stall.value = stall
    dut.seed.value = cocotb.RANDOM_SEED & 0xFFFFFFFF
    dut.start.value = 1
    await RisingEdge(dut.clk)
    dut.start.value = 0
    await RisingEdge(dut.clk)


def drive(dut, **values):
    for name, value in values.items():
        getattr(dut, name).value = value


async def taken(dut):
    """Wait for the edge with tready."""
    while True:
        await ReadOnly()
        ready = int(dut.tready.value)
        await RisingEdge(dut.clk)
        if ready:
            return


async def written(dut):
    dut.tvalid.value = 0
    dut.flush.value = 1
    await ClockCycles(dut.clk, 2)
    return list(frames_in(FILE))


@cocotb.test()
async def frames_are_read_as_they_came(dut):
    chance = random.Random(cocotb.RANDOM_SEED)
    await begin(dut, PROBABILITIES // 2)
    expected = []
    for length in [*range(1, 50), 200]:
        data, user = chance.randbytes(length), chance.getrandbits(USER)
        expected.append((user, data))
        for start in range(0, length, WIDTH // 8):
            if chance.random() < 0.3:
                dut.tvalid.value = 0
                await RisingEdge(dut.clk)
            piece = data[start:start + WIDTH // 8]
            drive(
                dut, tvalid=1, tdata=int.from_bytes(piece, "little"),
                tkeep=(1 << len(piece)) - 1, tlast=start + len(piece) == length,
                tuser=user)
            await taken(dut)
    assert [frame[2:] for frame in await written(dut)] == expected
    assert int(dut.frames.value) == len(expected)


@cocotb.test()
@cocotb.parametrize(fault=[
    {"tvalid": 0}, {"tdata": 2}, {"tkeep": 1}, {"tlast": 1}, {"tuser": 3}])
async def beat_that_does_not_wait_is_found(dut, fault):
    await begin(dut, PROBABILITIES - 1)
    drive(dut, tvalid=1, tdata=1, tkeep=2**16 - 1, tlast=0, tuser=1)
    await ClockCycles(dut.clk, 2)
    assert not int(dut.tready.value)
    drive(dut, **fault)
    await ClockCycles(dut.clk, 2)
    with pytest.raises(BrokenRule, match="withdrawn or changed before tready"):
        await written(dut)


@cocotb.test()
@cocotb.parametrize(beat=[
    {"tkeep": 0b1011, "tlast": 1}, {"tkeep": 0, "tlast": 1}, {"tkeep": 2**15 - 1, "tlast": 0}])
async def wrong_tkeep_is_found(dut, beat):
    await begin(dut, 0)
    await RisingEdge(dut.clk)
    drive(dut, tvalid=1, **beat)
    await taken(dut)
    with pytest.raises(BrokenRule, match="tkeep"):
        await written(dut)


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
@pytest.mark.parametrize("seed", [1, 2])
def test_recorder_keeps_frames_and_finds_broken_rules(simulator, seed):
    print(f"seed {seed}")
    done = run(build(netlist(), simulator), module=__name__, seed=seed)
    assert not done.failures, f"seed {done.seed}: {done.failures}, log {done.log}"
