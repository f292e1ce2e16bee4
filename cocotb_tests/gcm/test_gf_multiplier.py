"""The GF(2^128) multiplier against the definition of SP 800-38D."""

import os
import random

import cocotb
import pytest

from espnic.hdl.gcm.form import CipherForm
from espnic.hdl.gcm.gf_multiplier import GfMultiplier
from espnic.model.crypto.gcm import gf_multiply
from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate
from espnic.sim.clocks import CLOCK_NS
from tests.support.differences import check_items
from tests.support.quick import simulate_quick

BLOCK_BITS = 128
ONE = 0x80
"""The element 1: the coefficient of x^0 is the most significant bit of the first byte."""


def element(value):
    return value.to_bytes(BLOCK_BITS // 8, "little")


def packed(x, h):
    """Payload of the input: all lanes of x, then all of h."""
    return sum(value << BLOCK_BITS * index for index, value in enumerate([*x, *h]))


def expected(x, h):
    total = 0
    for factor, power in zip(x, h, strict=True):
        total ^= int.from_bytes(gf_multiply(element(factor), element(power)), "little")
    return total


def lanes_of(dut):
    return len(dut.i__payload) // (2 * BLOCK_BITS)


@cocotb.test()
async def sums_of_random_products(dut):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    lanes = lanes_of(dut)
    source = StreamSource(dut, "i", seed=cocotb.RANDOM_SEED, idle=0.2)
    sink = StreamSink(dut, "o")
    jobs = [
        [[chance.getrandbits(BLOCK_BITS) for _ in range(lanes)] for _ in "xh"] for _ in range(100)
    ]
    source.send(*(packed(x, h) for x, h in jobs))
    check_items(await sink.receive(len(jobs)), [expected(x, h) for x, h in jobs])


@cocotb.test()
async def every_bit_of_each_operand(dut):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    lanes = lanes_of(dut)
    source = StreamSource(dut, "i")
    sink = StreamSink(dut, "o")
    jobs = []
    for bit in range(BLOCK_BITS):
        single, other = [0] * lanes, [chance.getrandbits(BLOCK_BITS) for _ in range(lanes)]
        single[bit % lanes] = 1 << bit
        jobs += [(single, other), (other, single)]
    source.send(*(packed(x, h) for x, h in jobs))
    check_items(await sink.receive(len(jobs)), [expected(x, h) for x, h in jobs])


@cocotb.test()
async def latency_is_that_of_its_form(dut):
    await start_clock_and_reset(dut)
    lanes, form = lanes_of(dut), CipherForm(int(os.environ["FOLD"]))
    source = StreamSource(dut, "i")
    sink = StreamSink(dut, "o")
    source.send(packed([ONE] * lanes, [ONE] + [0] * (lanes - 1)))
    await source.drained()
    taken = cocotb.simtime.get_sim_time("ns")
    check_items(await sink.receive(1), [ONE])
    assert cocotb.simtime.get_sim_time("ns") - taken == form.multiplier_latency * CLOCK_NS


@cocotb.test()
async def a_sum_each_turn(dut):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    lanes, fold, count = lanes_of(dut), int(os.environ["FOLD"]), 20
    source = StreamSource(dut, "i")
    source.send(*(chance.getrandbits(2 * BLOCK_BITS * lanes) for _ in range(count)))
    start = cocotb.simtime.get_sim_time("ns")
    await source.drained()
    clocks = (cocotb.simtime.get_sim_time("ns") - start) // CLOCK_NS
    assert clocks == (count - 1) * fold + 1


def run(simulation, lanes, fold, *tests, **options):
    """Simulate a multiplier."""
    simulation(
        GfMultiplier(lanes, fold), *tests, name=f"gf_multiplier_l{lanes}_f{fold}",
        module=__name__, environment={"FOLD": str(fold)}, **options)


@pytest.mark.quick
def test_products_in_short():
    run(simulate_quick, 1, 2, "sums_of_random_products", simulator="verilator")


@pytest.mark.parametrize("lanes, fold, simulator", [
    (1, 1, "icarus"), (1, 1, "verilator"), (2, 1, "verilator"), (4, 1, "verilator"),
    (1, 2, "verilator"), (1, 4, "verilator"), (2, 2, "verilator"), (5, 4, "verilator"),
])
def test_gf_multiplier(lanes, fold, simulator):
    run(simulate, lanes, fold, simulator=simulator, seed=lanes)
