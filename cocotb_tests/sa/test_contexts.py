"""Context rows: who may read them, and what is left of them."""

import random

import cocotb
import pytest
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.hdl.layouts import SERIAL_BITS, hash_power_count
from espnic.hdl.sa.contexts import Record, SaContexts, row_write
from espnic.model.interface.codes import SaDirection
from espnic.model.interface.layouts import LOOKUP_KEY, Field, Layout
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.differences import check_items
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
    """The secret row of a handle; the port then stays as it is."""
    dut.secrets__sa.value = sa
    dut.secrets__read.value = 1
    await RisingEdge(dut.clk)
    dut.secrets__read.value = 0
    dut.secrets__sa.value = 0
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
    assert await read(dut, hit=1, sa=5, serial=2) == {"hit": 0, "sa": 0, "context": 0}
    assert await read_secrets(dut, 5) == {"present": 0, "serial": 0, "secrets": 0}


@pytest.mark.quick
def test_contexts_in_short():
    simulate_quick(
        SaContexts(LANES, 16, SaDirection.RX),
        "only_the_sa_that_was_looked_up_hits",
        "a_write_without_secrets_keeps_them",
        name="sa_contexts", module=__name__)


def test_receive_contexts():
    simulate(
        SaContexts(LANES, 16, SaDirection.RX), name="sa_contexts", module=__name__,
        simulator="icarus",
    )


def test_layouts_of_the_bench_are_those_of_the_block():
    assert RECORD.bits == Record.size
    assert ROW.bits == row_write(LANES).size
