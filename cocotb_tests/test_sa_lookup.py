"""The look-up table: placement, look-ups under changes, and what a look-up costs."""

import os
import random

import cocotb
import pytest
from cocotb.triggers import ClockCycles, RisingEdge

from hdl.layouts import struct
from hdl.lookup_control import (
    CAM_ENTRIES,
    HASH_KEY_BITS,
    SERIAL_BITS,
    WAYS,
    LookupOperation,
    index_bits,
)
from hdl.sa_lookup import SaLookup
from model.layouts import HANDLE_BITS, LOOKUP_KEY, Field, Layout
from model.toeplitz import toeplitz
from sim.build import simulate
from sim.streams import StreamSink, StreamSource, start_clock_and_reset

KEY = Field("key", LOOKUP_KEY.bits, "look-up key")
SA = Field("sa", HANDLE_BITS, "handle")
SERIAL = Field("serial", SERIAL_BITS, "serial of the SA")
REQUEST = Layout("lookup_request", (Field("operation", 2, "LookupOperation"), KEY, SA, SERIAL))
REPLY = Layout("lookup_reply", (Field("found", 1, ""), Field("full", 1, "")))
LOOKED_UP = Layout("looked_up", (Field("hit", 1, ""), SA, SERIAL))

MISS = 0
COLLIDING = 0
"""The hash key under which every key has row 0 of every way."""


class Places:
    """Where entries go: the first free way, then the overflow, then nowhere."""

    def __init__(self, sas: int, hash_key: int) -> None:
        self.rows: list[dict[int, int]] = [{} for _ in range(WAYS)]
        self.overflow: set[int] = set()
        self._bits = index_bits(sas)
        self._hash_key = hash_key

    def indexes(self, key: int) -> list[int]:
        """Row of the key in each way: a, b, a + b, a + xb modulo x^n + x + 1."""
        size = 1 << self._bits
        hashed = toeplitz(self._hash_key, key, 2 * self._bits)
        a, b = hashed % size, hashed // size
        shifted = b << 1
        if shifted >= size:
            shifted ^= size | 0b11
        return [a, b, a ^ b, a ^ shifted]

    def contains(self, key: int) -> bool:
        return key in self.overflow or any(key in rows.values() for rows in self.rows)

    def full(self, key: int) -> bool:
        """Whether no place is left for the key."""
        taken = all(index in rows for rows, index in zip(self.rows, self.indexes(key), strict=True))
        return taken and len(self.overflow) == CAM_ENTRIES

    def insert(self, key: int) -> None:
        for rows, index in zip(self.rows, self.indexes(key), strict=True):
            if index not in rows:
                rows[index] = key
                return
        self.overflow.add(key)

    def remove(self, key: int) -> None:
        self.overflow.discard(key)
        for rows, index in zip(self.rows, self.indexes(key), strict=True):
            if rows.get(index) == key:
                del rows[index]


class Table:
    """Drives the request port of the block."""

    def __init__(self, dut, hash_key: int) -> None:
        dut.hash_key.value = hash_key
        self._source = StreamSource(dut, "request", seed=cocotb.RANDOM_SEED, idle=0.2)
        self._sink = StreamSink(dut, "reply", seed=cocotb.RANDOM_SEED, stall=0.2)

    async def request(self, operation: LookupOperation, **values: int) -> dict[str, int]:
        self._source.send(REQUEST.pack({"operation": operation, **values}))
        return REPLY.unpack((await self._sink.receive(1))[0])

    async def insert(self, key: int, sa: int, serial: int) -> None:
        await self.request(LookupOperation.FIND, key=key)
        await self.request(LookupOperation.INSERT, key=key, sa=sa, serial=serial)

    async def remove(self, key: int) -> None:
        await self.request(LookupOperation.FIND, key=key)
        await self.request(LookupOperation.REMOVE, key=key)


class Lookups:
    """Looks up a random known key every clock; each answer must be one of those allowed.

    Allowed are the values that the key had in the table between the clock of the
    question and that of the answer. ``values`` maps a key to its packed answer.
    """

    def __init__(self, dut, keys: list[int], chance: random.Random) -> None:
        self.answers = 0
        self.hits = 0
        self._dut = dut
        self._keys = keys
        self._chance = chance
        self._settled = dict.fromkeys(keys, MISS)
        self._pending: dict[int, int] = {}
        self._waiting: list[tuple[int, set[int]]] = []
        cocotb.start_soon(self._run())

    def change(self, key: int, value: int) -> None:
        """From now on, until ``settle``, the key may have its old or its new value."""
        self._pending[key] = value
        for asked, allowed in self._waiting:
            if asked == key:
                allowed.add(value)

    def settle(self) -> None:
        self._settled.update(self._pending)
        self._pending.clear()

    async def _run(self) -> None:
        while True:
            key = self._chance.choice(self._keys)
            self._dut.i__payload.value = key
            self._dut.i__valid.value = 1
            allowed = {self._settled[key], self._pending.get(key, self._settled[key])}
            self._waiting.append((key, allowed))
            await RisingEdge(self._dut.clk)
            if not int(self._dut.o__valid.value):
                continue
            answer = int(self._dut.o__payload.value)
            key, allowed = self._waiting.pop(0)
            assert len(self._waiting) == SaLookup.latency, "latency"
            assert answer in allowed, f"key {key:#x}: {LOOKED_UP.unpack(answer)}"
            self.answers += 1
            self.hits += answer != MISS


@cocotb.test()
async def entries_go_to_the_first_free_place_until_none_is_left(dut):
    sas = int(os.environ["SAS"])
    chance = random.Random(cocotb.RANDOM_SEED)
    hash_key = chance.getrandbits(HASH_KEY_BITS)
    await start_clock_and_reset(dut)
    table = Table(dut, hash_key)
    places = Places(sas, hash_key)
    inserted: list[int] = []
    full = 0
    for turn in range(90):
        if inserted and chance.random() < 0.25:
            key = inserted.pop(chance.randrange(len(inserted)))
            await table.remove(key)
            places.remove(key)
            continue
        known = inserted and chance.random() < 0.2
        key = chance.choice(inserted) if known else chance.getrandbits(LOOKUP_KEY.bits)
        reply = await table.request(LookupOperation.FIND, key=key)
        assert reply["found"] == places.contains(key)
        assert reply["full"] == places.full(key), f"turn {turn}, {len(inserted)} entries"
        full += reply["full"]
        if not any(reply.values()):
            await table.request(
                LookupOperation.INSERT, key=key, sa=turn % sas, serial=turn % (1 << SERIAL_BITS))
            places.insert(key)
            inserted.append(key)
    assert places.overflow and full, "the table was never full"


@cocotb.test()
async def every_clock_a_look_up_while_entries_come_and_go(dut):
    chance = random.Random(cocotb.RANDOM_SEED)
    keys = [chance.getrandbits(LOOKUP_KEY.bits) for _ in range(16)]
    keys += [keys[0] ^ 1 << chance.randrange(LOOKUP_KEY.bits) for _ in range(8)]
    await start_clock_and_reset(dut)
    table = Table(dut, chance.getrandbits(HASH_KEY_BITS))
    lookups = Lookups(dut, keys, chance)
    inserted: set[int] = set()
    for turn in range(40):
        key = chance.choice(keys)
        entry = {"sa": 1 + turn % 15, "serial": chance.randrange(1 << SERIAL_BITS)}
        if key in inserted:
            lookups.change(key, MISS)
            await table.remove(key)
        else:
            lookups.change(key, LOOKED_UP.pack({"hit": 1, **entry}))
            await table.insert(key, **entry)
        inserted ^= {key}
        lookups.settle()
        await ClockCycles(dut.clk, chance.randrange(30))
    assert lookups.hits > 1000 and lookups.answers > 2 * lookups.hits > 0


@cocotb.test()
async def every_bit_of_a_key_counts_in_every_place(dut):
    chance = random.Random(cocotb.RANDOM_SEED)
    await start_clock_and_reset(dut)
    table = Table(dut, COLLIDING)
    keys = [chance.getrandbits(LOOKUP_KEY.bits) for _ in range(WAYS + CAM_ENTRIES)]
    for sa, key in enumerate(keys, 1):
        await table.insert(key, sa, 0)
    assert (await table.request(LookupOperation.FIND, key=0))["full"]
    asked = [key ^ flip for key in keys
             for flip in [0, *(1 << bit for bit in range(LOOKUP_KEY.bits))]]
    source, sink = StreamSource(dut, "i"), StreamSink(dut, "o")
    source.send(*asked)
    for key, answer in zip(asked, await sink.receive(len(asked)), strict=True):
        sa = keys.index(key) + 1 if key in keys else 0
        assert LOOKED_UP.unpack(answer) == {"hit": int(sa != 0), "sa": sa, "serial": 0}, hex(key)
    for bit in range(LOOKUP_KEY.bits):
        key = chance.choice(keys) ^ 1 << bit
        assert not (await table.request(LookupOperation.FIND, key=key))["found"], f"bit {bit}"


@cocotb.test()
async def reset_empties_every_place_and_the_sweep_misses(dut):
    chance = random.Random(cocotb.RANDOM_SEED)
    await start_clock_and_reset(dut)
    table = Table(dut, COLLIDING)
    keys = [chance.getrandbits(LOOKUP_KEY.bits) for _ in range(WAYS + CAM_ENTRIES)]
    for sa, key in enumerate(keys, 1):
        await table.insert(key, sa, 0)
    dut.rst.value = 1
    await ClockCycles(dut.clk, 1)
    dut.rst.value = 0
    lookups = Lookups(dut, keys, chance)
    await ClockCycles(dut.clk, 4 * int(os.environ["SAS"]))
    assert lookups.answers and not lookups.hits
    for key in keys:
        assert await table.request(LookupOperation.FIND, key=key) == {"found": 0, "full": 0}


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_look_up_table_of_16(simulator):
    simulate(
        SaLookup(16), name="sa_lookup", module=__name__, simulator=simulator,
        environment={"SAS": "16"},
    )


def test_look_ups_in_a_table_of_1024_while_entries_come_and_go():
    simulate(
        SaLookup(1024), name="sa_lookup", module=__name__,
        testcase="every_clock_a_look_up_while_entries_come_and_go", environment={"SAS": "1024"},
    )


def test_layouts_of_the_bench_are_those_of_the_block():
    from hdl import lookup_control, sa_lookup

    assert struct(REPLY) == lookup_control.LookupReply
    assert REQUEST.bits == lookup_control.LookupRequest.size
    assert LOOKED_UP.bits == sa_lookup.LookedUp.size


@pytest.mark.parametrize("sas", [0, 8, 1000, 131072, "1024"])
def test_a_size_that_is_no_power_of_two_in_range_is_refused(sas):
    with pytest.raises(ValueError, match="expected a power of two from 16 to 65536"):
        index_bits(sas)
