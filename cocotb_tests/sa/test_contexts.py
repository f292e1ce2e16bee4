"""Context rows: who may read them, and what is left of them."""

import random

import cocotb
import pytest
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.hdl.layouts import SERIAL_BITS, hash_power_count
from espnic.hdl.sa.contexts import Record, SaContexts, row_write
from espnic.hdl.sa.parity_memory import parity_bits
from espnic.model.interface.codes import SaDirection, SaMemory
from espnic.model.interface.layouts import LOOKUP_KEY, Field, Layout
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.differences import check_items
from tests.support.memory_faults import flip, row_bits
from tests.support.quick import simulate_quick
from tests.support.sa_table import (
    CONTEXT,
    FOUND,
    LOOKED_UP,
    secret_row_layout,
    secrets_layout,
)

LANES = 1
RECORD = Layout("record", (
    Field("valid", 1, ""), Field("taken", 1, ""), Field("serial", SERIAL_BITS, ""),
    Field("key_size", 2, ""), Field("icv_size", 2, ""), Field("esn", 1, ""),
    Field("esn_overlap", 1, ""), Field("unguarded", 1, ""),
    Field("replay_window", 4, ""), Field("esn_high", 32, ""),
    *LOOKUP_KEY.fields,
))
ROW = Layout("row_write", (
    Field("secret", 1, ""), Field("record", RECORD.bits, ""), Field("salt", 32, ""),
    Field("seqiv_salt", 64, ""), Field("key", 256, ""),
    Field("powers", 128 * hash_power_count(LANES), ""),
))
SECRETS = secrets_layout(LANES)
SECRET_ROW = secret_row_layout(LANES)


async def write(dut, sa: int, record: dict[str, int], **row: int) -> None:
    dut.record_sa.value = sa
    dut.write__payload.value = ROW.pack({"record": RECORD.pack(record), **row})
    dut.write__valid.value = 1
    await RisingEdge(dut.clk)
    dut.write__valid.value = 0


async def read(dut, **looked_up: int) -> dict[str, int]:
    dut.i__payload.value = LOOKED_UP.pack(looked_up)
    dut.i__valid.value = 1
    await ClockCycles(dut.clk, SaContexts.latency + 1)
    assert int(dut.o__valid.value)
    return FOUND.unpack(int(dut.o__payload.value))


async def read_secrets(dut, sa: int) -> dict[str, int]:
    """The secret row of a handle, which the port still names when it reads no more."""
    dut.secrets__sa.value = sa
    dut.secrets__read.value = 1
    await RisingEdge(dut.clk)
    dut.secrets__read.value = 0
    await ClockCycles(dut.clk, 2)
    return SECRET_ROW.unpack(int(dut.secrets__row.value))


async def start(dut, record: dict[str, int]) -> dict[str, int]:
    """Write ``record`` with random secrets to row 5; return the secrets."""
    chance = random.Random(cocotb.RANDOM_SEED)
    await start_clock_and_reset(dut)
    dut.swept.value = 1
    secrets = {"salt": chance.getrandbits(32), "key": chance.getrandbits(256),
               "powers": chance.getrandbits(384)}
    await write(dut, 5, record, secret=1, **secrets)
    return secrets


@cocotb.test()
async def only_the_sa_that_was_looked_up_hits(dut):
    await start(dut, {"valid": 1, "serial": 2})
    assert (await read(dut, hit=1, sa=5, serial=2))["hit"]
    for other in ({"hit": 1, "sa": 5, "serial": 1}, {"hit": 0, "sa": 5, "serial": 2},
                  {"hit": 1, "sa": 4, "serial": 2}):
        found = await read(dut, **other)
        assert not found["hit"] and not found["sa"], other


@cocotb.test()
async def nothing_hits_before_the_sweep(dut):
    await start(dut, {"valid": 1, "serial": 2})
    dut.swept.value = 0
    assert not (await read(dut, hit=1, sa=5, serial=2))["hit"]


@cocotb.test()
async def an_sa_that_is_found_is_a_fault_while_its_cipher_has_failed(dut):
    await start(dut, {"valid": 1, "serial": 2})
    for stopped in (0, 1, 0):
        dut.stopped.value = stopped
        found = await read(dut, hit=1, sa=5, serial=2)
        assert (found["hit"], found["fault"]) == (1, stopped)
        # What is not found is no fault.
        for missed in ({"hit": 0}, {"hit": 1, "sa": 5, "serial": 1}, {"hit": 1, "sa": 4}):
            found = await read(dut, **missed)
            assert (found["hit"], found["fault"]) == (0, 0), missed


@cocotb.test()
async def a_write_without_secrets_keeps_them(dut):
    secrets = await start(dut, {"valid": 1, "serial": 2, "esn": 1, "spi": 7})
    await write(dut, 5, {"valid": 1, "serial": 2, "esn": 1, "spi": 7, "esn_high": 9}, key=3)
    found = await read(dut, hit=1, sa=5, serial=2)
    wanted = {"valid": 1, "serial": 2, "esn": 1, "spi": 7, "esn_high": 9}
    check_items([found["context"]], [CONTEXT.pack(wanted)], layout=CONTEXT)
    row = {"present": 1, "serial": 2, "secrets": SECRETS.pack(secrets)}
    assert await read_secrets(dut, 5) == row


@cocotb.test()
async def secrets_outlast_the_look_up_and_tell_whose_they_are(dut):
    """A packet that found an SA before it was deleted still gets its secrets."""
    secrets = await start(dut, {"valid": 1, "serial": 2})
    await write(dut, 5, {"valid": 0, "taken": 1, "serial": 2})
    assert not (await read(dut, hit=1, sa=5, serial=2))["hit"]
    row = {"present": 1, "serial": 2, "secrets": SECRETS.pack(secrets)}
    assert await read_secrets(dut, 5) == row
    await write(dut, 5, {"valid": 1, "serial": 3}, secret=1, **secrets)
    assert await read_secrets(dut, 5) == row | {"serial": 3}


@cocotb.test()
async def a_row_that_was_read_stays_until_the_next_read(dut):
    secrets = await start(dut, {"valid": 1, "serial": 2})
    row = {"present": 1, "serial": 2, "secrets": SECRETS.pack(secrets)}
    assert await read_secrets(dut, 5) == row
    await write(dut, 5, {}, secret=1)
    await ClockCycles(dut.clk, 3)
    assert SECRET_ROW.unpack(int(dut.secrets__row.value)) == row
    assert await read_secrets(dut, 0) == dict.fromkeys(row, 0)


@cocotb.test()
async def a_row_of_zeros_leaves_nothing(dut):
    await start(dut, {"valid": 1, "serial": 2})
    await write(dut, 5, {}, secret=1)
    assert await read(dut, hit=1, sa=5, serial=2) == {
        "hit": 0, "fault": 0, "sa": 0, "context": 0}
    assert await read_secrets(dut, 5) == {"present": 0, "serial": 0, "secrets": 0}


class Faults:
    """The faults that are told: memory and handle of each."""

    def __init__(self, dut):
        self._told = []
        cocotb.start_soon(self._watch(dut))

    async def _watch(self, dut):
        while True:
            await RisingEdge(dut.clk)
            for memory in (SaMemory.STATE, SaMemory.SECRET):
                if int(dut[f"faults__{memory}__valid"].value):
                    self._told.append((memory, int(dut[f"faults__{memory}__payload"].value)))

    def take(self):
        told, self._told = self._told, []
        return told


async def start_faulty(dut):
    """An SA in row 5 whose rows have ones and zeros everywhere, and what is told of it."""
    record = RECORD.unpack(random.Random(cocotb.RANDOM_SEED).getrandbits(RECORD.bits))
    record |= {"valid": 1, "serial": 2}
    await start(dut, record)
    for port in (dut.i__valid, dut.secrets__read, dut.secrets__sa):
        port.value = 0
    return record, Faults(dut)


@cocotb.test()
async def each_bit_of_a_state_that_turns_makes_a_fault_and_no_hit(dut):
    record, faults = await start_faulty(dut)
    for bit in range(row_bits(dut.state.ram)):
        assert (await read(dut, hit=1, sa=5, serial=2))["hit"]
        assert not faults.take()
        await flip(dut.state.ram, 5, bit)
        for asked in ({"hit": 1, "sa": 5, "serial": 2}, {"hit": 1, "sa": 5, "serial": 1}):
            found = await read(dut, **asked)
            assert found["fault"] and not found["hit"], bit
        dut.i__valid.value = 0
        await ClockCycles(dut.clk, 2)
        assert set(faults.take()) == {(SaMemory.STATE, 5)}
        await write(dut, 5, record)


@cocotb.test()
async def a_wrong_state_that_nothing_asks_for_is_not_told(dut):
    _, faults = await start_faulty(dut)
    await flip(dut.state.ram, 5, 0)
    for asked in ({"hit": 0, "sa": 5, "serial": 2}, {"hit": 1, "sa": 6}):
        assert not (await read(dut, **asked))["fault"]
    dut.i__valid.value = 0
    dut.i__payload.value = LOOKED_UP.pack({"hit": 1, "sa": 5, "serial": 2})
    await ClockCycles(dut.clk, 5)
    assert not faults.take()
    dut.swept.value = 0
    assert not (await read(dut, hit=1, sa=5, serial=2))["fault"]
    assert not faults.take()


@cocotb.test()
async def a_fault_of_the_look_up_stays_one(dut):
    await start_faulty(dut)
    assert await read(dut, fault=1) == {
        "hit": 0, "fault": 1, "sa": 0, "context": 0}


@cocotb.test()
async def each_bit_of_secrets_that_turns_is_told_once_for_each_read(dut):
    """Some of the bits, for a row has hundreds."""
    _, faults = await start_faulty(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    bits = row_bits(dut.secret.ram)
    chosen = {0, 1, 2, bits - 1, *range(bits - parity_bits(bits), bits),
              *chance.sample(range(bits), 150)}
    for bit in sorted(chosen):
        await flip(dut.secret.ram, 5, bit)
        await read_secrets(dut, 5)
        assert int(dut.secrets__wrong.value), bit
        await ClockCycles(dut.clk, 3)
        assert faults.take() == [(SaMemory.SECRET, 5)], bit
        await flip(dut.secret.ram, 5, bit)
        await read_secrets(dut, 5)
        assert not int(dut.secrets__wrong.value)
    await flip(dut.secret.ram, 0, 7)
    await read_secrets(dut, 0)
    await ClockCycles(dut.clk, 3)
    assert not faults.take(), "row 0 is of no SA"


@cocotb.test()
async def each_bit_of_a_record_that_turns_is_seen_and_what_was_read_stays(dut):
    record, faults = await start_faulty(dut)
    dut.record_sa.value = 5
    for bit in range(row_bits(dut.records.ram)):
        for wrong in (0, 1):
            dut.record_read.value = 1
            await RisingEdge(dut.clk)
            dut.record_read.value = 0
            await flip(dut.records.ram, 5, bit)
            await ClockCycles(dut.clk, 2)
            assert int(dut.record_wrong.value) == wrong, bit
            if not wrong:
                assert RECORD.unpack(int(dut.record.value)) == record
        assert not faults.take()


@pytest.mark.quick
def test_contexts_in_short():
    simulate_quick(
        SaContexts(LANES, 16, SaDirection.RX),
        "only_the_sa_that_was_looked_up_hits",
        "a_write_without_secrets_keeps_them",
        "each_bit_of_a_state_that_turns_makes_a_fault_and_no_hit",
        name="sa_contexts", module=__name__)


def test_receive_contexts():
    simulate(
        SaContexts(LANES, 16, SaDirection.RX), name="sa_contexts", module=__name__,
        simulator="icarus",
    )


def test_transmit_contexts_know_wrong_rows():
    simulate_quick(
        SaContexts(LANES, 16, SaDirection.TX),
        "each_bit_of_secrets_that_turns_is_told_once_for_each_read",
        name="sa_contexts", module=__name__)


def test_layouts_of_the_bench_are_those_of_the_block():
    assert RECORD.bits == Record.size
    assert ROW.bits == row_write(LANES).size
