"""The look-up table: placement, look-ups under changes, and what a look-up costs."""

import os
import random

import cocotb
import pytest
from cocotb.triggers import ClockCycles, RisingEdge
from cocotb.utils import get_sim_time

from espnic.hdl.layouts import struct
from espnic.hdl.sa.lookup import SaLookup
from espnic.hdl.sa.lookup_control import (
    MOVES_MAX,
    OVERFLOW_ENTRIES,
    SERIAL_BITS,
    WAYS,
    LookupOperation,
    entry,
    hash_bits,
    index_bits,
    table_bits,
)
from espnic.hdl.sa.parity_memory import parity_bits
from espnic.model.interface.layouts import HANDLE_BITS, LOOKUP_KEY, Field, Layout
from espnic.model.interface.registers import TABLE_KEY_DEFAULT
from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate
from espnic.sim.clocks import CLOCK_NS
from tests.support.lookup_places import (
    COLLIDING,
    Places,
    colliding_keys,
    random_keys,
    random_table_key,
    run_of_spis,
)
from tests.support.memory_faults import flip, row_bits
from tests.support.quick import simulate_quick
from tests.support.sa_table import LOOKED_UP, memories_of

KEY = Field("key", LOOKUP_KEY.bits, "look-up key")
SA = Field("sa", HANDLE_BITS, "handle")
SERIAL = Field("serial", SERIAL_BITS, "serial of the SA")
REQUEST = Layout("lookup_request", (Field("operation", 2, "LookupOperation"), KEY, SA, SERIAL))
REPLY = Layout("lookup_reply", (
    Field("found", 1, ""), Field("full", 1, ""), Field("fault", 1, "")))

MISS = 0
COLLIDING_MAX = WAYS + OVERFLOW_ENTRIES
WALK_CLOCKS = 4
MOVES_SEEN_MIN = 5
LOOKUP_MASK = (1 << LOOKUP_KEY.bits) - 1


FAULTS = (
    "each_bit_of_an_entry_that_turns_makes_a_fault_and_no_hit",
    "a_key_that_stands_in_a_right_row_is_found_beside_a_wrong_one",
    "a_key_that_has_no_wrong_row_misses_as_ever_and_nothing_is_told_without_a_look_up",
    "a_wrong_row_of_a_request_is_told_when_look_ups_leave_a_clock_for_it",
    "a_clear_makes_every_row_right",
    "a_walk_makes_no_wrong_entry_a_right_one",
)
"""Tests that turn bits of memories, which only Icarus shows."""


class Table:
    """Drives the request port of the block, and the algorithm beside it."""

    def __init__(self, dut, table_key: int, *, seed: int | None = None) -> None:
        """``seed``: of random gaps and stalls, else there are none."""
        self.sas = int(os.environ["SAS"])
        self.places = Places(self.sas, table_key)
        self.answers: dict[int, int] = {}
        """Packed answer for each key in the table."""
        self.walking: list[int] = []
        """The keys that the last insertion moved."""
        dut.table_key.value = table_key
        noise = 0.0 if seed is None else 0.2
        self._source = StreamSource(dut, "request", seed=seed or 0, idle=noise)
        self._sink = StreamSink(dut, "reply", seed=seed or 0, stall=noise)

    async def request(self, operation: LookupOperation, **values: int) -> dict[str, int]:
        self._source.send(REQUEST.pack({"operation": operation, **values}))
        return REPLY.unpack((await self._sink.receive(1))[0])

    async def find(self, key: int) -> dict[str, int]:
        """Find a key; the reply must be what the algorithm says."""
        reply = await self.request(LookupOperation.FIND, key=key)
        assert reply == {"found": key in self.answers, "full": self.places.full(key),
                         "fault": 0}, hex(key)
        return reply

    async def add(self, key: int, lookups: "Lookups | None" = None) -> bool:
        """Find a key and insert it if it is new and has a place."""
        if any((await self.find(key)).values()):
            return False
        sa, serial = len(self.answers) % (self.sas - 1) + 1, key % (1 << SERIAL_BITS)
        self.walking = self.places.insert(key)
        answer = LOOKED_UP.pack({"hit": 1, "sa": sa, "serial": serial})
        if lookups:
            lookups.change(key, answer)
        await self.request(LookupOperation.INSERT, key=key, sa=sa, serial=serial)
        self.answers[key] = answer
        if lookups:
            lookups.settle()
        return True

    async def remove(self, key: int, lookups: "Lookups | None" = None) -> None:
        assert (await self.find(key))["found"]
        if lookups:
            lookups.change(key, MISS)
        await self.request(LookupOperation.REMOVE, key=key)
        self.places.remove(key)
        del self.answers[key]
        if lookups:
            lookups.settle()

    async def clear(self, lookups: "Lookups") -> None:
        for key in self.answers:
            lookups.change(key, MISS)
        await self.request(LookupOperation.CLEAR)
        self.places.clear()
        self.answers.clear()
        lookups.settle()


class Lookups:
    """Looks up a key every clock; each must be answered after ``latency`` clocks, and right.

    Allowed are the values that the key had in the table between the clock of the
    question and that of the answer: one for all keys but the one that comes or goes.
    Of ``table`` half of the questions are about keys that move. ``keys`` are others to ask.
    """

    def __init__(self, dut, table: Table, chance: random.Random, keys: list[int]) -> None:
        self.hits = self.misses = self.moving = 0
        self._dut = dut
        self._table = table
        self._keys = keys
        self._chance = chance
        self._pending: dict[int, int] = {}
        self._waiting: list[tuple[int, set[int]]] = []
        cocotb.start_soon(self._run())

    def change(self, key: int, value: int) -> None:
        """Allow the key its old and its new value from now on, until ``settle``."""
        self._pending[key] = value
        for asked, allowed in self._waiting:
            if asked == key:
                allowed.add(value)

    def settle(self) -> None:
        self._pending.clear()

    def _question(self) -> int:
        walking = self._table.walking
        if walking and self._chance.random() < 0.5:
            self.moving += 1
            return self._chance.choice(walking)
        return self._chance.choice(self._keys)

    async def _run(self) -> None:
        edge = RisingEdge(self._dut.clk)
        answered = self._dut.o__valid
        self._dut.i__valid.value = 1
        while True:
            key = self._question()
            self._dut.i__payload.value = key
            now = self._table.answers.get(key, MISS)
            self._waiting.append((key, {now, self._pending.get(key, now)}))
            await edge
            assert int(answered.value) == (len(self._waiting) > SaLookup.latency), "latency"
            if int(answered.value):
                answer = int(self._dut.o__payload.value)
                key, allowed = self._waiting.pop(0)
                assert answer in allowed, f"key {key:#x}: {LOOKED_UP.unpack(answer)}"
                self.hits += answer != MISS
                self.misses += answer == MISS


@cocotb.test()
async def entries_move_until_every_handle_is_used_and_a_look_up_never_misses_one(dut):
    chance = random.Random(cocotb.RANDOM_SEED)
    await start_clock_and_reset(dut)
    table = Table(dut, random_table_key(chance))
    keys = random_keys(chance, 2 * table.sas, ipv6=os.environ["IPV6"] == "1")
    lookups = Lookups(dut, table, chance, keys)
    fresh = list(keys)
    moves = 0
    while len(table.answers) < table.sas - 1 or moves < MOVES_SEEN_MIN:
        full = len(table.answers) == table.sas - 1
        if full or table.answers and chance.random() < 0.1:
            fresh.append(chance.choice(list(table.answers)))
            await table.remove(fresh[-1], lookups)
            continue
        assert await table.add(fresh.pop(0), lookups), f"{len(table.answers)} entries"
        moves += len(table.walking)
    assert table.places.complete()
    assert lookups.moving > 50 * moves
    assert lookups.hits > 1000 and lookups.misses > 1000


@cocotb.test()
async def a_table_filled_beyond_its_handles_refuses_keys_and_loses_none(dut):
    chance = random.Random(cocotb.RANDOM_SEED)
    await start_clock_and_reset(dut)
    table = Table(dut, random_table_key(chance), seed=cocotb.RANDOM_SEED)
    keys = random_keys(chance, 2 * table.sas)
    lookups = Lookups(dut, table, chance, keys)
    for turn in range(3 * table.sas):
        if table.answers and chance.random() < 0.15:
            await table.remove(chance.choice(list(table.answers)), lookups)
        else:
            await table.add(chance.choice(keys), lookups)
        await ClockCycles(dut.clk, chance.randrange(30))
        if turn == 2 * table.sas:
            for key in keys:
                await table.add(key, lookups)
            places = WAYS * table.sas // 2 + OVERFLOW_ENTRIES
            assert 0.9 * places < len(table.answers) < len(keys)
    assert table.places.complete()


@cocotb.test()
async def keys_that_collide_under_the_default_table_key_fit_under_a_secret_one(dut):
    chance = random.Random(cocotb.RANDOM_SEED)
    await start_clock_and_reset(dut)
    table = Table(dut, random_table_key(chance))
    keys = colliding_keys(chance, table.sas, TABLE_KEY_DEFAULT, table.sas - 1)
    lookups = Lookups(dut, table, chance, keys)
    for key in keys:
        assert await table.add(key, lookups)
    assert lookups.hits > 1000


@cocotb.test()
async def keys_that_collide_are_refused_and_push_none_out(dut):
    chance = random.Random(cocotb.RANDOM_SEED)
    await start_clock_and_reset(dut)
    table = Table(dut, TABLE_KEY_DEFAULT)
    others = run_of_spis(chance, table.sas // 4)
    colliding = colliding_keys(chance, table.sas, TABLE_KEY_DEFAULT, COLLIDING_MAX + 4)
    lookups = Lookups(dut, table, chance, [*others, *colliding])
    for key in [*others, *colliding]:
        await table.add(key, lookups)
    assert set(others) <= set(table.answers)
    taken = [key for key in colliding if key in table.answers]
    assert 0 < len(taken) <= COLLIDING_MAX
    await table.remove(taken[0], lookups)
    again = [key for key in colliding if key not in table.answers and not table.places.full(key)]
    if again:
        assert await table.add(chance.choice(again), lookups)
    assert table.places.complete() and lookups.moving > 1000


@cocotb.test()
async def a_clear_leaves_no_key_in_any_place_and_room_for_all(dut):
    """The ways and the overflow are full, and the last key is on the move."""
    chance = random.Random(cocotb.RANDOM_SEED)
    await start_clock_and_reset(dut)
    table = Table(dut, COLLIDING)
    keys = random_keys(chance, COLLIDING_MAX)
    lookups = Lookups(dut, table, chance, keys)
    for _ in range(2):
        for key in keys:
            assert await table.add(key, lookups)
        await table.clear(lookups)
        hits = lookups.hits
        await ClockCycles(dut.clk, 100)
        assert lookups.hits - hits <= SaLookup.latency
        for key in keys:
            await table.find(key)
    assert lookups.hits > 1000


@cocotb.test()
async def requests_and_walks_take_the_clocks_of_the_docstring(dut):
    chance = random.Random(cocotb.RANDOM_SEED)
    await start_clock_and_reset(dut)
    table = Table(dut, COLLIDING)
    await ClockCycles(dut.clk, table.sas)
    hashed = hash_bits(table.sas)
    for key in random_keys(chance, COLLIDING_MAX):
        walk = (WALK_CLOCKS + (169 + hashed) * len(table.walking)) if table.answers else 0
        assert await clocks_of(dut, table.find(key)) == 167 + hashed + walk
        insert = table.request(LookupOperation.INSERT, key=key, sa=1)
        assert await clocks_of(dut, insert) == 3
        table.walking = table.places.insert(key)
        table.answers[key] = LOOKED_UP.pack({"hit": 1, "sa": 1})
    assert len(table.walking) == MOVES_MAX
    await table.find(key)
    assert await clocks_of(dut, table.request(LookupOperation.REMOVE, key=key)) == 3
    clear = table.request(LookupOperation.CLEAR)
    assert await clocks_of(dut, clear) == table.sas // 2 + 2


async def clocks_of(dut, request) -> int:
    """Clocks from a request offered to its reply taken."""
    start = get_sim_time("ns")
    await request
    return round(get_sim_time("ns") - start) // CLOCK_NS


@cocotb.test()
async def every_bit_of_a_key_counts_in_every_place_and_on_the_move(dut):
    chance = random.Random(cocotb.RANDOM_SEED)
    await start_clock_and_reset(dut)
    table = Table(dut, COLLIDING)
    keys = random_keys(chance, COLLIDING_MAX)
    for key in keys:
        await table.add(key)
    asked = [key ^ flip for key in keys
             for flip in [0, *(1 << bit for bit in range(LOOKUP_KEY.bits))]]
    source, sink = StreamSource(dut, "i"), StreamSink(dut, "o")
    # The last one moves all the while: the table is asked again when all stands still.
    for _ in range(2):
        source.send(*asked)
        for key, answer in zip(asked, await sink.receive(len(asked)), strict=True):
            assert answer == table.answers.get(key, MISS), hex(key)
        await table.find(chance.getrandbits(LOOKUP_KEY.bits))
    for bit in range(LOOKUP_KEY.bits):
        await table.find(chance.choice(keys) ^ 1 << bit)


@cocotb.test()
async def reset_in_the_midst_of_moves_empties_every_place_and_the_sweep_misses(dut):
    chance = random.Random(cocotb.RANDOM_SEED)
    await start_clock_and_reset(dut)
    table = Table(dut, COLLIDING)
    keys = random_keys(chance, COLLIDING_MAX)
    for key in keys:
        await table.add(key)
    await ClockCycles(dut.clk, chance.randrange(1000))
    dut.rst.value = 1
    await ClockCycles(dut.clk, 1)
    dut.rst.value = 0
    table.places, table.answers = Places(table.sas, COLLIDING), {}
    lookups = Lookups(dut, table, chance, keys)
    await ClockCycles(dut.clk, 4 * table.sas)
    assert lookups.misses and not lookups.hits
    for key in keys:
        assert await table.request(LookupOperation.FIND, key=key) == {
            "found": 0, "full": 0, "fault": 0}


class Faulty:
    """A table of a few keys, which is asked one key after the other, and the faults it tells."""

    def __init__(self, dut, table_key: int) -> None:
        self.dut = dut
        self.table = Table(dut, table_key)
        self.ways = [dut.way0.ram, dut.way1.ram, dut.way2.ram]
        self._told: list[int] = []
        cocotb.start_soon(self._watch())

    @classmethod
    async def start(cls, dut, count: int, table_key: int = TABLE_KEY_DEFAULT) -> "Faulty":
        """Add ``count`` keys, with handles from 1 up, when all rows have been swept."""
        chance = random.Random(cocotb.RANDOM_SEED)
        await start_clock_and_reset(dut)
        dut.i__valid.value = 0
        await ClockCycles(dut.clk, 2 * int(os.environ["SAS"]))
        self = cls(dut, table_key)
        self.keys = random_keys(chance, count + 1)
        self.new = self.keys.pop()
        for key in self.keys:
            assert await self.table.add(key)
        await ClockCycles(dut.clk, 2 * WALK_CLOCKS)
        return self

    async def _watch(self) -> None:
        while True:
            await RisingEdge(self.dut.clk)
            if int(self.dut.fault__valid.value):
                self._told.append(int(self.dut.fault__payload.value))

    async def told(self) -> list[int]:
        """The handles of the faults since the last call."""
        await ClockCycles(self.dut.clk, 3)
        told, self._told = self._told, []
        return told

    async def ask(self, key: int) -> dict[str, int]:
        """Look a key up."""
        self.dut.i__payload.value = key
        self.dut.i__valid.value = 1
        await RisingEdge(self.dut.clk)
        self.dut.i__valid.value = 0
        await ClockCycles(self.dut.clk, SaLookup.latency)
        assert int(self.dut.o__valid.value)
        return LOOKED_UP.unpack(int(self.dut.o__payload.value))

    async def find(self, key: int) -> dict[str, int]:
        return await self.table.request(LookupOperation.FIND, key=key)

    def place(self, key: int) -> tuple[int, int]:
        """Way and row in which a key stands."""
        rows = self.table.places.indexes(key)
        for way, row in enumerate(rows):
            word = int(self.ways[way][row].value) >> 1 + SERIAL_BITS
            if word >> (self.table.sas - 1).bit_length() & LOOKUP_MASK == key:
                return way, row
        raise LookupError("the key stands in no way")


@cocotb.test()
async def each_bit_of_an_entry_that_turns_makes_a_fault_and_no_hit(dut):
    faulty = await Faulty.start(dut, 1)
    key, = faulty.keys
    way, row = faulty.place(key)
    memory = faulty.ways[way]
    sa_bits = range(1 + SERIAL_BITS, 1 + SERIAL_BITS + (faulty.table.sas - 1).bit_length())
    for bit in range(row_bits(memory)):
        await flip(memory, row, bit)
        answer = await faulty.ask(key)
        assert answer == {"hit": 0, "fault": 1, "sa": 0, "serial": 0}, bit
        handle = 1 ^ (1 << bit - sa_bits.start if bit in sa_bits else 0)
        assert await faulty.told() == [handle], bit
        assert (await faulty.find(key)) == {"found": 0, "full": 0, "fault": 1}
        assert await faulty.told() == [handle], bit
        await flip(memory, row, bit)
        assert (await faulty.ask(key))["hit"]
    assert not await faulty.told()


@cocotb.test()
async def a_key_that_stands_in_a_right_row_is_found_beside_a_wrong_one(dut):
    faulty = await Faulty.start(dut, 1)
    key, = faulty.keys
    way, _ = faulty.place(key)
    rows = faulty.table.places.indexes(key)
    other = (way + 1) % WAYS
    bit = random.Random(cocotb.RANDOM_SEED).randrange(row_bits(faulty.ways[other]))
    await flip(faulty.ways[other], rows[other], bit)
    assert await faulty.ask(key) == {"hit": 1, "fault": 0, "sa": 1, "serial": key % 4}
    assert len(await faulty.told()) == 1
    assert await faulty.find(key) == {"found": 1, "full": 0, "fault": 0}
    assert len(await faulty.told()) == 1
    await faulty.table.request(LookupOperation.REMOVE, key=key)
    assert (await faulty.ask(key))["fault"], "nobody knows whether the wrong row is of this key"
    assert await faulty.told()


@cocotb.test()
async def a_key_that_has_no_wrong_row_misses_as_ever_and_nothing_is_told_without_a_look_up(dut):
    faulty = await Faulty.start(dut, 1)
    key, = faulty.keys
    way, row = faulty.place(key)
    chance = random.Random(cocotb.RANDOM_SEED)
    other = next(one for one in random_keys(chance, 100)
                 if faulty.table.places.indexes(one)[way] != row)
    await flip(faulty.ways[way], row, 9)
    assert await faulty.ask(other) == {"hit": 0, "fault": 0, "sa": 0, "serial": 0}
    dut.i__payload.value = key
    await ClockCycles(dut.clk, 10)
    assert not await faulty.told()


@cocotb.test()
async def a_wrong_row_of_a_request_is_told_when_look_ups_leave_a_clock_for_it(dut):
    faulty = await Faulty.start(dut, 2)
    for key in faulty.keys:
        way, row = faulty.place(key)
        await flip(faulty.ways[way], row, row_bits(faulty.ways[way]) - 20)
    asked, found = faulty.keys
    dut.i__payload.value = asked
    dut.i__valid.value = 1
    assert (await faulty.find(found))["fault"]
    await ClockCycles(dut.clk, 10)
    assert set(await faulty.told()) == {1}, "that of the look-ups, in every clock"
    dut.i__valid.value = 0
    await ClockCycles(dut.clk, 10)
    told = await faulty.told()
    assert told.count(2) == 1 and told[-1] == 2


@cocotb.test()
async def a_clear_makes_every_row_right(dut):
    faulty = await Faulty.start(dut, 4)
    for memory in faulty.ways:
        for row in range(faulty.table.sas // 2):
            await flip(memory, row, row)
    await faulty.table.request(LookupOperation.CLEAR)
    await faulty.told()
    for key in faulty.keys:
        assert await faulty.ask(key) == {"hit": 0, "fault": 0, "sa": 0, "serial": 0}
        assert await faulty.find(key) == {"found": 0, "full": 0, "fault": 0}
    assert not await faulty.told()


@cocotb.test()
async def a_walk_makes_no_wrong_entry_a_right_one(dut):
    """All keys have the same rows: the next one evicts, and evicts from wrong rows."""
    faulty = await Faulty.start(dut, WAYS, COLLIDING)
    for way, memory in enumerate(faulty.ways):
        # A bit of the key: copied with a new parity, the entry would be found under another key.
        await flip(memory, 0, row_bits(memory) - 20 - way)
    await faulty.table.request(LookupOperation.FIND, key=faulty.new)
    assert len(await faulty.told()) == 1
    await faulty.table.request(LookupOperation.INSERT, key=faulty.new, sa=9, serial=0)
    await ClockCycles(dut.clk, 2 * WALK_CLOCKS)
    assert len(await faulty.told()) == 1, "the entry that was lost"
    assert await faulty.ask(faulty.new) == {"hit": 1, "fault": 0, "sa": 9, "serial": 0}
    assert len(await faulty.told()) == 1, "two rows are wrong yet, and the first is told"
    for memory in faulty.ways:
        await flip(memory, 0, 0)
        await flip(memory, 0, 1)
    for key in faulty.keys:
        for bit in range(LOOKUP_KEY.bits):
            assert not (await faulty.ask(key ^ 1 << bit))["hit"]


@pytest.mark.quick
def test_keys_are_found_in_short():
    simulate_quick(
        SaLookup(16), "keys_that_collide_under_the_default_table_key_fit_under_a_secret_one",
        "a_key_that_stands_in_a_right_row_is_found_beside_a_wrong_one",
        "a_walk_makes_no_wrong_entry_a_right_one",
        name="sa_lookup", module=__name__, environment={"SAS": "16", "IPV6": "1"})


def test_wrong_rows_of_the_look_up_table():
    simulate_quick(
        SaLookup(16), *FAULTS, name="sa_lookup", module=__name__,
        environment={"SAS": "16", "IPV6": "1"})


def test_look_up_table_of_16():
    bench(16)


def test_look_up_table_of_16_on_icarus():
    bench(16, simulator="icarus",
          testcase="entries_move_until_every_handle_is_used_and_a_look_up_never_misses_one")


def test_a_table_without_ipv6_moves_entries_and_never_misses_one():
    bench(64, ipv6=False,
          testcase="entries_move_until_every_handle_is_used_and_a_look_up_never_misses_one")


def test_look_up_table_of_64():
    bench(64)


def test_a_table_of_1024_moves_entries_and_never_misses_one():
    bench(1024,
          testcase="entries_move_until_every_handle_is_used_and_a_look_up_never_misses_one")


def bench(
    sas: int, *, ipv6: bool = True, simulator: str = "verilator", testcase: str | None = None,
) -> None:
    environment = {"SAS": str(sas), "IPV6": str(int(ipv6))}
    if testcase is None:
        environment["COCOTB_TEST_FILTER"] = rf"^(?!.*({'|'.join(FAULTS)}))"
    simulate(SaLookup(sas, ipv6), name="sa_lookup", module=__name__, simulator=simulator,
             testcase=testcase, environment=environment)


def test_without_ipv6_an_entry_has_no_bits_for_it():
    widths = {width for width, _ in memories_of(SaLookup(16, ipv6=False))}
    row_bits = entry(16).size - (128 - 32) - 1
    assert widths == {row_bits + parity_bits(row_bits)}


@pytest.mark.parametrize("sas", [16, 256])
def test_table_bits_are_those_of_the_ways(sas):
    memories = memories_of(SaLookup(sas))
    row_bits = entry(sas).size
    assert memories == WAYS * [(row_bits + parity_bits(row_bits), sas // 2)]
    assert sum(width * rows for width, rows in memories) == table_bits(sas)


def test_layouts_of_the_bench_are_those_of_the_block():
    from espnic.hdl.sa import lookup, lookup_control

    assert struct(REPLY) == lookup_control.LookupReply
    assert REQUEST.bits == lookup_control.LookupRequest.size
    assert LOOKED_UP.bits == lookup.LookedUp.size


@pytest.mark.parametrize("sas", [0, 8, 1000, 131072, "1024"])
def test_a_size_that_is_no_power_of_two_in_range_is_refused(sas):
    with pytest.raises(ValueError, match="expected a power of two from 16 to 65536"):
        index_bits(sas)
