"""The hash subkey unit against the model: powers, latency, and nothing left behind."""

import os
import random

import cocotb
import pytest

from espnic.hdl.gcm.hash_subkey import CipherKey, HashSubkey
from espnic.hdl.layouts import hash_power_count
from espnic.model.interface.codes import KeySize
from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate
from espnic.sim.clocks import CLOCK_NS
from tests.support.differences import check_items
from tests.support.gcm_packets import key_size, padded_key, powers_of, random_key
from tests.support.memory_faults import memories_hidden
from tests.support.quick import simulate_quick
from tests.support.secret_scan import Scanner, made_of, words_of


def packed_key(key, chance):
    return CipherKey.const({"key": padded_key(key, chance), "key_size": key_size(key)}).as_bits()


@cocotb.test()
async def powers_of_random_keys_of_every_size(dut):
    await start_clock_and_reset(dut)
    lanes = int(os.environ["LANES"])
    chance = random.Random(cocotb.RANDOM_SEED)
    source = StreamSource(dut, "i", seed=cocotb.RANDOM_SEED, idle=0.3)
    sink = StreamSink(dut, "o", seed=cocotb.RANDOM_SEED, stall=0.3)
    keys = [random_key(chance) for _ in range(40)]
    source.send(*(packed_key(key, chance) for key in keys))
    expected = [powers_of(key, hash_power_count(lanes)) for key in keys]
    check_items(await sink.receive(len(keys)), expected)


@cocotb.test()
async def latency_is_as_stated(dut):
    await start_clock_and_reset(dut)
    lanes = int(os.environ["LANES"])
    chance = random.Random(cocotb.RANDOM_SEED)
    source = StreamSource(dut, "i")
    sink = StreamSink(dut, "o")
    for size in KeySize:
        key = chance.randbytes(size.bytes)
        source.send(packed_key(key, chance))
        await source.drained()
        taken = cocotb.simtime.get_sim_time("ns")
        check_items(await sink.receive(1), [powers_of(key, hash_power_count(lanes))])
        clocks = (cocotb.simtime.get_sim_time("ns") - taken) / CLOCK_NS
        assert clocks == HashSubkey(lanes).latency(size)


@cocotb.test()
async def nothing_of_the_key_stays_on_the_output(dut):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    source = StreamSource(dut, "i")
    sink = StreamSink(dut, "o")
    source.send(packed_key(random_key(chance), chance))
    assert (await sink.receive(1))[0]
    await cocotb.triggers.ClockCycles(dut.clk, 2)
    assert int(dut.o__payload.value) == 0


@cocotb.test(skip=memories_hidden())
async def nothing_of_the_key_stays_in_any_register(dut):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    scanner = Scanner(dut, least=50)
    source, sink = StreamSource(dut, "i"), StreamSink(dut, "o")
    for size in KeySize:
        key = chance.randbytes(size.bytes)
        words = words_of(made_of(key, int(os.environ["LANES"])))
        source.send(packed_key(key, chance))
        await source.drained()
        assert "key" in scanner.find(words)
        await sink.receive(1)
        dut.i__payload.value = 0
        await cocotb.triggers.ClockCycles(dut.clk, 2)
        assert scanner.find(words) == {}, size


@pytest.mark.quick
def test_hash_subkeys_in_short():
    simulate_quick(
        HashSubkey(1), "powers_of_random_keys_of_every_size",
        name="hash_subkey_l1", module=__name__, environment={"LANES": "1"})


@pytest.mark.parametrize("lanes, simulator", [
    (1, "icarus"), (1, "verilator"), (2, "verilator"), (4, "verilator"),
])
def test_hash_subkey(lanes, simulator):
    simulate(
        HashSubkey(lanes), name=f"hash_subkey_l{lanes}", module=__name__, simulator=simulator,
        seed=lanes, environment={"LANES": str(lanes)},
    )
