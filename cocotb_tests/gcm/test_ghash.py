"""GHASH against the model, packet after packet, with any number of blocks in a slot."""

import os
import random

import cocotb
import pytest
from cocotb.triggers import ClockCycles

from espnic.hdl.gcm.form import PLAIN, CipherForm
from espnic.hdl.gcm.gf_multiplier import FIELD_BITS
from espnic.hdl.gcm.ghash import Ghash, ghash_slot
from espnic.hdl.layouts import GHASH_STAGES, ghash_lanes, has_spare_lane, hash_power_count
from espnic.model.crypto import gcm
from espnic.model.interface.codes import AES_BLOCK_BYTES, KeySize
from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate
from espnic.sim.clocks import CLOCK_NS
from tests.support.differences import check_items
from tests.support.gcm_packets import number, packed, powers_of
from tests.support.memory_faults import memories_hidden
from tests.support.quick import simulate_quick
from tests.support.secret_scan import filled


def latency():
    """Clocks of the hash under test."""
    return CipherForm(int(os.environ["FOLD"])).ghash_latency


class Hashing:
    """One packet: its hash subkey and its blocks, slot by slot."""

    def __init__(self, chance, lanes, slots):
        self.lanes = lanes
        self.slots = []
        for slot in range(slots):
            blocks = chance.randint(1, ghash_lanes(lanes) if slot == slots - 1 else lanes)
            self.slots.append([chance.randbytes(AES_BLOCK_BYTES) for _ in range(blocks)])
        self._key = chance.randbytes(KeySize.AES128.bytes)
        self.ahead = b""
        exponent = sum(map(len, self.slots[:GHASH_STAGES]))
        if (has_spare_lane(lanes) and len(self.slots[0]) <= lanes
                and exponent < hash_power_count(lanes) and chance.randrange(2)):
            self.ahead = chance.randbytes(AES_BLOCK_BYTES)

    def result(self):
        blocks = [self.ahead] * bool(self.ahead)
        blocks += [block for slot in self.slots for block in slot]
        return number(gcm.ghash_values(gcm.hash_subkey(self._key), blocks)[-1])

    def stimulus(self, wrong=lambda exponent, tail: (exponent, tail)):
        """Packed slots; ``wrong`` may spoil exponent and tail."""
        layout = ghash_slot(self.lanes)
        powers = powers_of(self._key, hash_power_count(self.lanes))
        for index, slot in enumerate(self.slots):
            ahead = self.slots[index:index + GHASH_STAGES]
            exponent, tail = wrong(
                sum(map(len, ahead)), index + GHASH_STAGES >= len(self.slots)
            )
            blocks = number(b"".join(slot))
            extra = {}
            if has_spare_lane(self.lanes):
                extra = {"ahead": int(index == 0 and bool(self.ahead))}
                if extra["ahead"]:
                    blocks |= number(self.ahead) << 8 * AES_BLOCK_BYTES * self.lanes
            yield packed(layout, {
                "blocks": blocks, "exponent": exponent, "tail": tail,
                "first": index == 0, "last": index == len(self.slots) - 1, **extra,
                "powers": powers,
            })


async def hashes(dut, idle):
    await start_clock_and_reset(dut)
    lanes = int(os.environ["LANES"])
    chance = random.Random(cocotb.RANDOM_SEED)
    source = StreamSource(dut, "i", seed=cocotb.RANDOM_SEED, idle=idle)
    sink = StreamSink(dut, "o")
    lengths = [*range(1, 12), *(chance.randint(1, 12) for _ in range(100)), 60]
    packets = [Hashing(chance, lanes, length) for length in lengths]
    for packet in packets:
        source.send(*packet.stimulus())
    check_items(await sink.receive(len(packets)), [packet.result() for packet in packets])


@cocotb.test()
async def packets_back_to_back(dut):
    await hashes(dut, idle=0)


@cocotb.test()
async def gaps_between_slots(dut):
    await hashes(dut, idle=0.3)


@cocotb.test()
async def long_gaps_between_slots(dut):
    await hashes(dut, idle=0.8)


@cocotb.test()
async def one_slot_packets_every_clock(dut):
    """The number of packets under way equals that of the multiplier's stages."""
    await start_clock_and_reset(dut)
    lanes = int(os.environ["LANES"])
    chance = random.Random(cocotb.RANDOM_SEED)
    source = StreamSource(dut, "i")
    sink = StreamSink(dut, "o")
    packets = [Hashing(chance, lanes, 1) for _ in range(30)]
    for packet in packets:
        source.send(*packet.stimulus())
    await source.drained()
    taken = cocotb.simtime.get_sim_time("ns")
    check_items(await sink.receive(len(packets)), [packet.result() for packet in packets])
    assert cocotb.simtime.get_sim_time("ns") - taken == latency() * CLOCK_NS


@cocotb.test()
async def wrong_exponents_spoil_no_other_packet(dut):
    await start_clock_and_reset(dut)
    lanes = int(os.environ["LANES"])
    chance = random.Random(cocotb.RANDOM_SEED)
    source = StreamSource(dut, "i", seed=cocotb.RANDOM_SEED, idle=0.2)
    sink = StreamSink(dut, "o")
    largest = hash_power_count(lanes)
    for _ in range(100):
        bad, good = (Hashing(chance, lanes, chance.randint(1, 10)) for _ in range(2))
        source.send(*bad.stimulus(
            lambda exponent, tail: (chance.randint(0, largest), chance.randrange(2))
        ))
        source.send(*good.stimulus())
        assert (await sink.receive(2))[1] == good.result()
    await ClockCycles(dut.clk, latency() + 2)
    assert not sink.items


@cocotb.test(skip=memories_hidden())
async def nothing_of_a_packet_stays_when_its_result_has_been_given(dut):
    await start_clock_and_reset(dut)
    lanes = int(os.environ["LANES"])
    chance = random.Random(cocotb.RANDOM_SEED)
    source, sink = StreamSource(dut, "i"), StreamSink(dut, "o")
    for length in (1, 2, 5, 9):
        packet = Hashing(chance, lanes, length)
        source.send(*packet.stimulus())
        check_items(await sink.receive(1), [packet.result()])
        assert filled(dut, FIELD_BITS)
        dut.i__payload.value = 0
        await ClockCycles(dut.clk, latency() + 2)
        assert filled(dut, FIELD_BITS) == set(), length


def run(simulation, lanes, form, *tests, **options):
    """Simulate a hash."""
    simulation(
        Ghash(lanes, form), *tests, name=f"ghash_l{lanes}_f{form.fold}", module=__name__,
        environment={"LANES": str(lanes), "FOLD": str(form.fold)}, **options)


@pytest.mark.quick
def test_hashes_in_short():
    run(simulate_quick, 1, PLAIN, "gaps_between_slots", simulator="verilator")


@pytest.mark.parametrize("lanes, fold", [(1, 1), (4, 1), (1, 2), (4, 2), (1, 4)])
def test_nothing_of_a_packet_stays(lanes, fold):
    run(simulate, lanes, CipherForm(fold), simulator="icarus",
        testcase="nothing_of_a_packet_stays_when_its_result_has_been_given")


@pytest.mark.parametrize("lanes, fold", [(1, 1), (2, 1), (4, 1), (1, 2), (4, 2), (1, 4)])
def test_ghash(lanes, fold):
    run(simulate, lanes, CipherForm(fold), seed=lanes)
