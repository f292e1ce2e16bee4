"""A memory with parity: what it keeps, and that each bit that turns is found."""

import random

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from espnic.hdl.sa.parity_memory import GROUP_BITS, ParityMemory, parity_bits
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.memory_faults import flip, row_bits
from tests.support.quick import simulate_quick
from tests.support.sa_table import memories_of

BITS = 2 * GROUP_BITS + 5
DEPTH = 8
READS = 2


class Memory:
    """Reads and writes of the block."""

    def __init__(self, dut):
        self.dut = dut
        self.rows = dut.ram

    @classmethod
    async def start(cls, dut):
        await start_clock_and_reset(dut)
        dut.write__en.value = 0
        for port in range(READS):
            getattr(dut, f"reads__{port}__en").value = 1
        return cls(dut)

    async def write(self, row, value):
        self.dut.write__addr.value = row
        self.dut.write__data.value = value
        self.dut.write__en.value = 1
        await RisingEdge(self.dut.clk)
        self.dut.write__en.value = 0

    async def read(self, row, port=0):
        """The row and whether it is wrong."""
        self.dut[f"reads__{port}__addr"].value = row
        for _ in range(2):
            await RisingEdge(self.dut.clk)
        return tuple(int(self.dut[f"reads__{port}__{name}"].value) for name in ("data", "wrong"))


@cocotb.test()
async def rows_are_right_as_written_and_as_they_are_at_first(dut):
    memory = await Memory.start(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    kept = [0] * DEPTH
    for _ in range(200):
        row = chance.randrange(DEPTH)
        port = chance.randrange(READS)
        assert await memory.read(row, port) == (kept[row], 0)
        kept[row] = chance.getrandbits(BITS)
        await memory.write(row, kept[row])


@cocotb.test()
async def each_bit_that_turns_is_found_until_the_row_is_written(dut):
    memory = await Memory.start(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    assert row_bits(memory.rows) == BITS + parity_bits(BITS)
    for bit in range(row_bits(memory.rows)):
        value = chance.getrandbits(BITS)
        await memory.write(3, value)
        await flip(memory.rows, 3, bit)
        for port in range(READS):
            assert (await memory.read(3, port))[1], bit
            assert not (await memory.read(2, port))[1]
        await memory.write(3, value)
        assert await memory.read(3) == (value, 0)


@cocotb.test()
async def a_row_that_is_not_read_again_stays_at_the_output_with_its_mark(dut):
    memory = await Memory.start(dut)
    await memory.write(1, 5)
    await flip(memory.rows, 1, 0)
    assert await memory.read(1) == (4, 1)
    dut.reads__0__en.value = 0
    await memory.write(1, 7)
    assert await memory.read(2) == (4, 1)


@cocotb.test()
async def a_read_in_the_clock_of_a_write_gives_the_old_row(dut):
    memory = await Memory.start(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    for bit in range(row_bits(memory.rows)):
        await flip(memory.rows, 3, bit)
        for port in range(READS):
            dut[f"reads__{port}__addr"].value = 3
        value = chance.getrandbits(BITS)
        await memory.write(3, value)
        await RisingEdge(dut.clk)
        for port in range(READS):
            assert int(dut[f"reads__{port}__wrong"].value), "the old row"
        assert await memory.read(3) == (value, 0)


@pytest.mark.quick
def test_parity_memory_in_short():
    simulate_quick(
        ParityMemory(BITS, DEPTH, READS), "each_bit_that_turns_is_found_until_the_row_is_written",
        name="parity_memory", module=__name__)


def test_parity_memory():
    simulate(ParityMemory(BITS, DEPTH, READS), name="parity_memory", module=__name__,
             simulator="icarus", seed=2)


def test_a_row_has_a_parity_bit_for_each_group():
    assert [parity_bits(bits) for bits in (1, 32, 33, 64)] == [1, 1, 2, 2]
    assert memories_of(ParityMemory(BITS, DEPTH)) == [(BITS + 3, DEPTH)]
