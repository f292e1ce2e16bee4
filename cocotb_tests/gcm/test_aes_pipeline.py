"""The AES pipeline against the model and NIST's AESAVS vectors, key sizes mixed slot by slot."""

import os
import random

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from espnic.hdl.gcm.aes_pipeline import AesPipeline
from espnic.hdl.gcm.form import PLAIN, CipherForm
from espnic.model.crypto import aes
from espnic.model.interface.codes import AES_BLOCK_BYTES, KeySize
from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate
from espnic.sim.capture import vectors
from espnic.sim.clocks import CLOCK_NS
from tests.support.differences import check_items
from tests.support.gcm_packets import key_size, number, padded_key, random_key
from tests.support.quick import simulate_quick


def packed(lanes, key, blocks, chance):
    """One slot; noise above a short key."""
    layout = AesPipeline(lanes).i.payload.shape()
    return layout.const({
        "blocks": [number(block) for block in blocks],
        "key": padded_key(key, chance),
        "key_size": key_size(key),
    }).as_bits()


def joined(blocks):
    return number(b"".join(blocks))


def random_slots(lanes, count, chance):
    """(key, blocks) with a new key and key size in every slot."""
    for _ in range(count):
        yield random_key(chance), [chance.randbytes(AES_BLOCK_BYTES) for _ in range(lanes)]


async def encrypts(dut, idle):
    await start_clock_and_reset(dut)
    lanes = int(os.environ["LANES"])
    chance = random.Random(cocotb.RANDOM_SEED)
    source = StreamSource(dut, "i", seed=cocotb.RANDOM_SEED, idle=idle)
    sink = StreamSink(dut, "o")
    slots = list(random_slots(lanes, 200, chance))
    source.send(*(packed(lanes, key, blocks, chance) for key, blocks in slots))
    check_items(
        await sink.receive(len(slots)),
        [joined(aes.encrypt_block(key, block) for block in blocks) for key, blocks in slots])


@cocotb.test()
async def new_key_and_size_every_clock(dut):
    await encrypts(dut, idle=0)


@cocotb.test()
async def gaps_between_slots(dut):
    await encrypts(dut, idle=0.4)


@cocotb.test()
async def nist_aesavs_vectors(dut):
    await start_clock_and_reset(dut)
    lanes = int(os.environ["LANES"])
    chance = random.Random(cocotb.RANDOM_SEED)
    cases = vectors.aes_ecb()
    chance.shuffle(cases)
    source = StreamSource(dut, "i")
    sink = StreamSink(dut, "o")
    source.send(*(packed(lanes, key, [text] * lanes, chance) for key, text, _ in cases))
    check_items(await sink.receive(len(cases)),
                [joined([ciphertext] * lanes) for *_, ciphertext in cases])


@cocotb.test()
async def latency_is_the_same_for_every_key_size(dut):
    await start_clock_and_reset(dut)
    lanes = int(os.environ["LANES"])
    chance = random.Random(cocotb.RANDOM_SEED)
    source = StreamSource(dut, "i")
    sink = StreamSink(dut, "o")
    for size in KeySize:
        key, blocks = chance.randbytes(size.bytes), [bytes(AES_BLOCK_BYTES)] * lanes
        source.send(packed(lanes, key, blocks, chance))
        await source.drained()
        taken = cocotb.simtime.get_sim_time("ns")
        check_items(await sink.receive(1), [joined(aes.encrypt_block(key, b) for b in blocks)])
        form = CipherForm(int(os.environ["FOLD"]))
        assert cocotb.simtime.get_sim_time("ns") - taken == form.aes_latency * CLOCK_NS


@cocotb.test()
async def a_slot_each_turn_never_waits(dut):
    """Blocks that come a turn apart, or some turns, find the pipeline ready."""
    await start_clock_and_reset(dut)
    lanes, fold = int(os.environ["LANES"]), int(os.environ["FOLD"])
    chance = random.Random(cocotb.RANDOM_SEED)
    source, sink = StreamSource(dut, "i"), StreamSink(dut, "o")
    slots = list(random_slots(lanes, 60, chance))
    for key, blocks in slots:
        sent = cocotb.simtime.get_sim_time("ns")
        source.send(packed(lanes, key, blocks, chance))
        await source.drained()
        assert cocotb.simtime.get_sim_time("ns") - sent == CLOCK_NS
        for _ in range(fold * chance.choice([1, 1, 1, 2, 3]) - 1):
            await RisingEdge(dut.clk)
    check_items(
        await sink.receive(len(slots)),
        [joined(aes.encrypt_block(key, block) for block in blocks) for key, blocks in slots])


def run(simulation, lanes, form, *tests, **options):
    """Simulate a pipeline."""
    simulation(
        AesPipeline(lanes, form), *tests, module=__name__,
        name=f"aes_pipeline_l{lanes}_f{form.fold}" + "_ram" * form.block_ram,
        environment={"LANES": str(lanes), "FOLD": str(form.fold)}, **options)


@pytest.mark.quick
def test_blocks_are_encrypted_in_short():
    run(simulate_quick, 1, CipherForm(2), "gaps_between_slots")


@pytest.mark.parametrize("lanes, form", [
    (1, PLAIN), (2, PLAIN), (4, PLAIN), (1, CipherForm(2)), (2, CipherForm(2)), (1, CipherForm(4)),
    (1, CipherForm(block_ram=True)), (1, CipherForm(2, block_ram=True)),
    (2, CipherForm(4, block_ram=True)),
])
def test_aes_pipeline(lanes, form):
    run(simulate, lanes, form, seed=lanes)
