"""Bits that turn in the memories of the SA table: what commands do then, and what helps."""

import random
from dataclasses import replace

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.hdl.sa.store import SaStore
from espnic.model.interface.codes import (
    SIDES,
    EventKind,
    ReplayWindow,
    SaDirection,
    SaMemory,
    SaOperation,
    SaResult,
    SaSelect,
)
from espnic.model.interface.features import Features
from espnic.model.interface.layouts import EVENT, LOOKUP_KEY, SA_COMMAND, SA_RESPONSE
from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset
from tests.support.memory_faults import flip, row_bits
from tests.support.quick import simulate_quick
from tests.support.sa_table import FOUND, random_lookup_keys, secret_row_layout, secrets_layout

SAS = 16
FEATURES = Features(sas=SAS, replay_window=0)
VICTIM = 5
OTHER = 6
SECRET_ROW = secret_row_layout(1)
SECRETS = secrets_layout(1)


class Store:
    """The SA table with the SAs ``VICTIM`` and ``OTHER`` of each direction."""

    @classmethod
    async def start(cls, dut):
        self = cls()
        self.dut = dut
        chance = random.Random(cocotb.RANDOM_SEED)
        await start_clock_and_reset(dut)
        dut.rx_i__valid.value = dut.tx_i__valid.value = 0
        dut.rx_secrets__read.value = dut.tx_secrets__read.value = 0
        for side in SIDES:
            for name in ("ended", "passed"):
                getattr(dut, f"{side}_cipher__{name}").value = 1
        self.keys = random_lookup_keys(chance, SAS)
        self.secret = chance.getrandbits(128)
        self._source = StreamSource(dut, "command")
        self._sink = StreamSink(dut, "response")
        self.events: list[tuple[int, int, int]] = []
        self.counted = 0
        cocotb.start_soon(self._watch())
        await self.add_all()
        return self

    async def _watch(self):
        dut = self.dut
        while True:
            await RisingEdge(dut.clk)
            self.counted += int(dut.memory_faults.value)
            if int(dut.fault_event__valid.value):
                event = EVENT.unpack(int(dut.fault_event__payload.value))
                assert event["kind"] == EventKind.MEMORY_FAULT
                self.events.append((event["direction"], event["sequence"], event["sa"]))

    async def told(self):
        """The events and the number of faults since the last call."""
        await ClockCycles(self.dut.clk, 5)
        told = self.events, self.counted
        self.events, self.counted = [], 0
        return told

    async def add_all(self):
        for direction in SaDirection:
            for handle in (VICTIM, OTHER):
                assert await self.do(SaOperation.ADD, direction, handle) == SaResult.OK

    async def do(self, operation, direction, handle, **values):
        given = {"operation": operation, "direction": direction, "sa": handle, "key": self.secret,
                 **LOOKUP_KEY.unpack(self.keys[handle]), **values}
        self._source.send(SA_COMMAND.pack(given))
        return SaResult(SA_RESPONSE.unpack((await self._sink.receive(1))[0])["result"])

    def memory(self, direction, name):
        return getattr(getattr(self.dut, direction.name.lower()), name).ram

    async def found(self, direction, handle):
        """Answer to a look-up of an SA."""
        side = direction.name.lower()
        ask = self.keys[handle] if direction == SaDirection.RX else handle
        latency = SaStore.rx_latency if direction == SaDirection.RX else SaStore.tx_latency
        self.dut[f"{side}_i__payload"].value = ask
        self.dut[f"{side}_i__valid"].value = 1
        await RisingEdge(self.dut.clk)
        self.dut[f"{side}_i__valid"].value = 0
        await ClockCycles(self.dut.clk, latency)
        assert int(self.dut[f"{side}_o__valid"].value)
        # On receive the start of a window stands above it.
        answer = int(self.dut[f"{side}_o__payload"].value) & (1 << FOUND.bits) - 1
        return FOUND.unpack(answer)

    async def key(self, direction, handle):
        """The key of an SA, None when its row is wrong."""
        side = direction.name.lower()
        self.dut[f"{side}_secrets__sa"].value = handle
        self.dut[f"{side}_secrets__read"].value = 1
        await RisingEdge(self.dut.clk)
        self.dut[f"{side}_secrets__read"].value = 0
        await ClockCycles(self.dut.clk, 2)
        row = SECRET_ROW.unpack(int(self.dut[f"{side}_secrets__row"].value))
        wrong = int(self.dut[f"{side}_secrets__wrong"].value)
        return None if wrong else SECRETS.unpack(row["secrets"])["key"]

    async def serves(self, direction, handle):
        """Whether an SA is found and its key is right."""
        found = await self.found(direction, handle)
        return bool(found["hit"]) and await self.key(direction, handle) == self.secret

    async def untouched(self):
        """All SAs but those of ``VICTIM`` are served, and nothing is told of them."""
        before = await self.told()
        for direction in SaDirection:
            assert await self.serves(direction, OTHER)
        assert await self.told() == ([], 0)
        return before


ON_AN_SA = (
    (SaOperation.ADD, {}), (SaOperation.READ, {}), (SaOperation.DELETE, {}),
    (SaOperation.FREE, {}), (SaOperation.MODIFY, {"select": SaSelect.SOFT}),
)


@cocotb.test()
@cocotb.parametrize(direction=list(SaDirection))
async def every_command_on_a_wrong_record_is_eio_and_changes_nothing(dut, direction):
    store = await Store.start(dut)
    memory = store.memory(direction, "records")
    before = None
    for bit in range(row_bits(memory)):
        operation, values = ON_AN_SA[bit % len(ON_AN_SA)]
        await flip(memory, VICTIM, bit)
        assert await store.do(operation, direction, VICTIM, **values) == SaResult.EIO, bit
        assert await store.told() == ([(direction, SaMemory.RECORD, VICTIM)]
                                      if before is None else [], 1)
        before = bit
        await flip(memory, VICTIM, bit)
    assert await store.serves(direction, VICTIM), "the datapath reads no record"
    for operation, values in ON_AN_SA[1:]:
        await flip(memory, VICTIM, 1)
        assert await store.do(operation, direction, VICTIM, **values) == SaResult.EIO
        await flip(memory, VICTIM, 1)
    assert await store.do(SaOperation.READ, direction, VICTIM) == SaResult.OK
    await store.untouched()


@cocotb.test()
@cocotb.parametrize(direction=list(SaDirection))
async def a_flush_makes_all_rows_right(dut, direction):
    store = await Store.start(dut)
    for name in ("state", "secret", "records"):
        for row in range(SAS):
            await flip(store.memory(direction, name), row, row)
    assert await store.do(SaOperation.READ, direction, VICTIM) == SaResult.EIO
    assert not await store.serves(direction, VICTIM)
    assert await store.do(SaOperation.FLUSH, direction, 0) == SaResult.OK
    await store.told()
    for handle in (VICTIM, OTHER):
        assert not (await store.found(direction, handle))["fault"]
        assert await store.do(SaOperation.READ, direction, handle) == SaResult.ENOENT
    await store.add_all()
    for handle in (VICTIM, OTHER):
        assert await store.serves(direction, handle)
    assert await store.told() == ([], 0)


@cocotb.test()
@cocotb.parametrize(direction=list(SaDirection))
async def delete_and_free_take_an_sa_with_wrong_state_or_secrets_away(dut, direction):
    store = await Store.start(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    # What is written anew is told again.
    for name, memory in 2 * (("state", SaMemory.STATE), ("secret", SaMemory.SECRET)):
        rows = store.memory(direction, name)
        await flip(rows, VICTIM, chance.randrange(row_bits(rows)))
        assert not await store.serves(direction, VICTIM)
        events, count = await store.told()
        assert events == [(direction, memory, VICTIM)] and count
        for operation in (SaOperation.DELETE, SaOperation.FREE, SaOperation.ADD):
            assert await store.do(operation, direction, VICTIM) == SaResult.OK
        assert await store.serves(direction, VICTIM)
        assert await store.untouched() == ([], 0)


@cocotb.test()
async def an_entry_in_a_wrong_row_is_a_fault_and_eio_until_a_flush(dut):
    store = await Store.start(dut)
    await ClockCycles(dut.clk, 20)
    rows = [(way, row) for way in range(3) for row in range(SAS // 2)
            if int(dut.lookup[f"way{way}"].ram[row].value) & 1]
    entries = {int(dut.lookup[f"way{way}"].ram[row].value) >> 3 & SAS - 1: (way, row)
               for way, row in rows}
    assert entries.keys() == {VICTIM, OTHER}
    way, row = entries[VICTIM]
    memory = dut.lookup[f"way{way}"].ram
    for bit in range(row_bits(memory)):
        await flip(memory, row, bit)
        found = await store.found(SaDirection.RX, VICTIM)
        assert found["fault"] and not found["hit"], bit
        await flip(memory, row, bit)
    assert await store.serves(SaDirection.RX, VICTIM)
    await flip(memory, row, 0)
    await store.told()
    assert await store.do(SaOperation.DELETE, SaDirection.RX, VICTIM) == SaResult.EIO
    assert await store.do(SaOperation.READ, SaDirection.RX, VICTIM) == SaResult.OK
    events, count = await store.told()
    assert events in ([(SaDirection.RX, SaMemory.LOOKUP, VICTIM)], []) and count == 1
    for direction in SaDirection:
        assert await store.serves(direction, OTHER)
    # A new SA whose key has the wrong row among its own: nobody knows whether the key is there.
    assert await store.do(SaOperation.ADD, SaDirection.RX, 1,
                          **LOOKUP_KEY.unpack(store.keys[VICTIM])) == SaResult.EIO
    assert await store.do(SaOperation.FLUSH, SaDirection.RX, 0) == SaResult.OK
    assert int(dut.rx_empty.value)
    await store.add_all()
    assert await store.serves(SaDirection.RX, VICTIM)


@cocotb.test()
async def row_0_and_handles_of_no_sa_tell_nothing(dut):
    store = await Store.start(dut)
    for direction in SaDirection:
        for name in ("state", "secret", "records"):
            await flip(store.memory(direction, name), 0, 0)
    assert not (await store.found(SaDirection.TX, 0))["fault"]
    for direction in SaDirection:
        await store.key(direction, 0)
    assert await store.told() == ([], 0)
    assert await store.do(SaOperation.READ, SaDirection.TX, 0) == SaResult.EINVAL
    assert await store.untouched() == ([], 0)


@cocotb.test()
async def a_wrong_edge_of_a_window_is_a_fault_of_the_look_up(dut):
    store, direction = await Store.start(dut), SaDirection.RX
    edges = dut.windows.edges.ram
    await flip(edges, OTHER, 0)
    assert await store.serves(direction, OTHER), "an SA without a window has no edge"
    for operation in (SaOperation.DELETE, SaOperation.FREE):
        assert await store.do(operation, direction, VICTIM) == SaResult.OK
    assert await store.do(
        SaOperation.ADD, direction, VICTIM, replay_window=ReplayWindow.W64) == SaResult.OK
    for bit in range(row_bits(edges)):
        assert await store.serves(direction, VICTIM)
        assert not (await store.told())[1]
        await flip(edges, VICTIM, bit)
        assert (await store.found(direction, VICTIM))["fault"], bit
        assert (await store.told())[1] == 1
        await flip(edges, VICTIM, bit)


def test_a_wrong_edge_of_a_window():
    simulate_quick(
        SaStore(replace(FEATURES, replay_window=64)),
        "a_wrong_edge_of_a_window_is_a_fault_of_the_look_up",
        name="sa_store", module=__name__)


def test_wrong_rows_and_commands():
    simulate_quick(
        SaStore(FEATURES),
        "every_command_on_a_wrong_record_is_eio_and_changes_nothing",
        "a_flush_makes_all_rows_right",
        "delete_and_free_take_an_sa_with_wrong_state_or_secrets_away",
        "an_entry_in_a_wrong_row_is_a_fault_and_eio_until_a_flush",
        "row_0_and_handles_of_no_sa_tell_nothing",
        name="sa_store", module=__name__)
