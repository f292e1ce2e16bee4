"""The keyed hash, pipelined and serial, against the model."""

import os
import random

import cocotb
import pytest

from espnic.hdl.sa.toeplitz import SerialToeplitz, Toeplitz
from espnic.model.crypto.toeplitz import toeplitz
from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.differences import check_items
from tests.support.quick import simulate_quick

DATA_BITS = 50
HASH_BITS = 9
KEY_BITS = DATA_BITS + HASH_BITS - 1


@cocotb.test()
async def hashes_are_those_of_the_model(dut):
    count = int(os.environ["COUNT"])
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    key = chance.getrandbits(KEY_BITS)
    dut.key.value = key
    words = [chance.getrandbits(DATA_BITS) for _ in range(count - 2)] + [0, (1 << DATA_BITS) - 1]
    source = StreamSource(dut, "i", seed=cocotb.RANDOM_SEED, idle=0.2)
    sink = StreamSink(dut, "o", seed=cocotb.RANDOM_SEED, stall=0.3)
    source.send(*words)
    check_items(await sink.receive(count), [toeplitz(key, word, HASH_BITS) for word in words])


@pytest.mark.quick
def test_hashes_of_keys_in_short():
    simulate_quick(
        Toeplitz(DATA_BITS, HASH_BITS), "hashes_are_those_of_the_model",
        name="toeplitz", module=__name__, environment={"COUNT": "100"})


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
@pytest.mark.parametrize("block, count", [(Toeplitz, 500), (SerialToeplitz, 30)])
def test_hashes_are_those_of_the_model(block, count, simulator):
    simulate(
        block(DATA_BITS, HASH_BITS), name=block.__name__.lower(), module=__name__,
        simulator=simulator, environment={"COUNT": str(count)},
    )
