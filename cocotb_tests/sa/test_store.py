"""The SA table: every command against the model, with look-ups each clock on both sides."""

import os
import random
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import cocotb
import pytest
from cocotb.handle import Force, Release
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.hdl.gcm.hash_subkey import HashSubkey
from espnic.hdl.layouts import FoundSa, sa_secrets, struct
from espnic.hdl.sa.commands import FENCE_CLOCKS
from espnic.hdl.sa.contexts import SaContexts
from espnic.hdl.sa.lookup import SaLookup
from espnic.hdl.sa.lookup_control import OVERFLOW_ENTRIES, WAYS, hash_bits
from espnic.hdl.sa.store import SaStore, ram_bits_per_sa
from espnic.hdl.sa.usage import TOLD_DEPTH, SaUsage
from espnic.model.device.device import Device
from espnic.model.interface.codes import (
    SIDES,
    IcvSize,
    KeySize,
    SaDirection,
    SaOperation,
    SaResult,
    SaSelect,
)
from espnic.model.interface.features import WIDTHS, Features
from espnic.model.interface.layouts import LOOKUP_KEY, SA_COMMAND, SA_RESPONSE
from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.differences import check_item
from tests.support.lookup_places import COLLIDING
from tests.support.memory_faults import memories_hidden
from tests.support.quick import simulate_quick
from tests.support.sa_table import (
    COMMIT,
    CONTEXT,
    FOUND,
    ExpectedAnswers,
    memories_of,
    random_command,
    random_lookup_keys,
    secret_row_layout,
    secrets_layout,
)
from tests.support.secret_scan import Scanner, made_of, words_of

LANES = int(os.environ.get("LANES", "1"))
SAS = int(os.environ.get("SAS", "16"))
HANDLES = [0, 1, 2, 3, SAS - 2, SAS - 1, SAS, SAS + 1, 0xFFFF]
COMMAND_HANDLES = [*HANDLES, *4 * [1, 2, SAS - 1]]
"""Handles of random commands: those that exist are there more often, so that commands succeed."""
SECRET_ROW = secret_row_layout(LANES)
SOME_KEY = LOOKUP_KEY.pack({"spi": 1})
FEATURES = Features(sas=SAS, replay_window=64)

Answer = tuple[int, int, int] | None


async def start(dut) -> None:
    """Reset the table, between paths whose ciphers are good."""
    await start_clock_and_reset(dut)
    for side in SIDES:
        for name in ("ended", "passed"):
            getattr(dut, f"{side}_cipher__{name}").value = 1


class Commands:
    """The command port, and the model that gets the same commands.

    ``watchers`` see each command: while it runs, the tables may be as before or after it.
    """

    def __init__(self, dut) -> None:
        self.device = Device(FEATURES)
        self.watchers: list[LookupEachClock] = []
        self._count = 0
        self._source = StreamSource(dut, "command", seed=cocotb.RANDOM_SEED, idle=0.2)
        self._sink = StreamSink(dut, "response", seed=cocotb.RANDOM_SEED, stall=0.2)

    def watch(self, dut, keys: list[int]) -> None:
        """Look up ``keys``, and the handles on the transmit side, each clock from now on."""
        expected = ExpectedAnswers(self.device, LANES)
        self.watchers = [
            LookupEachClock(dut, "rx", SaStore.rx_latency, keys, expected.receive),
            LookupEachClock(dut, "tx", SaStore.tx_latency, HANDLES, expected.transmit),
        ]

    def unwatch(self) -> None:
        for watcher in self.watchers:
            watcher.stop()
        self.watchers = []

    async def run(self, **values: int) -> SaResult:
        """Do one command; its response must be the model's."""
        expected = self._model(values)
        for watcher in self.watchers:
            watcher.begin_change()
        self._source.send(SA_COMMAND.pack(values))
        response = SA_RESPONSE.unpack((await self._sink.receive(1))[0])
        for watcher in self.watchers:
            watcher.end_change()
        self._count += 1
        check_item(response, expected, number=self._count, port="response")
        return SaResult(response["result"])

    async def add(self, direction: SaDirection, handle: int, key: int, secret: int) -> SaResult:
        """Add an AES-256 SA with ESN."""
        return await self.run(
            operation=SaOperation.ADD, direction=direction, sa=handle, key_size=KeySize.AES256,
            icv_size=IcvSize.ICV16, esn=1, key=secret, **LOOKUP_KEY.unpack(key))

    async def refused(self, key: int, handle: int) -> SaResult:
        """Try to add a receive SA that the model, whose table never fills, would take."""
        self._source.send(SA_COMMAND.pack({
            "operation": SaOperation.ADD, "sa": handle, **LOOKUP_KEY.unpack(key)}))
        return SaResult(SA_RESPONSE.unpack((await self._sink.receive(1))[0])["result"])

    async def refuses(
        self, operation: SaOperation, direction: SaDirection, handle: int, **values: int,
    ) -> SaResult:
        """Do a command that the model, in which no frame is in flight, would not refuse."""
        self._source.send(SA_COMMAND.pack(
            {"operation": operation, "direction": direction, "sa": handle, **values}))
        return SaResult(SA_RESPONSE.unpack((await self._sink.receive(1))[0])["result"])

    async def do(self, operation: SaOperation, direction: SaDirection, handle: int) -> SaResult:
        return await self.run(operation=operation, direction=direction, sa=handle)

    async def remove(self, direction: SaDirection, handle: int) -> None:
        """Delete and free an SA."""
        for operation in (SaOperation.DELETE, SaOperation.FREE):
            assert await self.do(operation, direction, handle) == SaResult.OK

    def _model(self, values: dict[str, int]) -> dict[str, int]:
        result = self.device.command(values)
        if values["operation"] == SaOperation.READ and result == SaResult.OK:
            return self.device.read_sa(SaDirection(values["direction"]), values["sa"])
        return SA_RESPONSE.unpack(SA_RESPONSE.pack({"result": result}))


class Served:
    """A path that asks of one SA after the other, and counts."""

    def __init__(self, dut, side: str) -> None:
        self._dut = dut
        self._ports = {name: getattr(dut, f"{side}_usage__{name}") for name in (
            "query__payload", "query__valid", "answer__ready", "answer__valid", "answer__payload",
            "commit")}

    async def one(self, handle: int, packets: int, count: int) -> bool:
        """Serve one packet; whether its SA had expired."""
        ports, clk = self._ports, self._dut.clk
        ports["query__payload"].value = handle
        ports["query__valid"].value = 1
        ports["answer__ready"].value = 1
        ports["commit"].value = COMMIT.pack({"count": 1, "packets": packets, "bytes": count})
        await RisingEdge(clk)
        ports["query__valid"].value = 0
        await RisingEdge(clk)
        while not int(ports["answer__valid"].value):
            await RisingEdge(clk)
        expired = bool(int(ports["answer__payload"].value))
        await RisingEdge(clk)
        return expired


class LookupEachClock:
    """Asks one stream a random question each clock, and reads the secrets of what it finds.

    An answer must be what the model gives at some moment between question and answer: an
    SA wholly as it was, or wholly as it is. Its secrets are its own, unless the row says that
    they are not.
    """

    def __init__(
        self, dut, side: str, latency: int, questions: list[int],
        expected: Callable[[int], Answer],
    ) -> None:
        self.hits = self.misses = 0
        self._dut = dut
        self._side = side
        self._latency = latency
        self._questions = questions
        self._expected = expected
        self._chance = random.Random(f"{cocotb.RANDOM_SEED} {side}")
        self._states: list[dict[int, Answer]] = [self._state()]
        self._waiting: deque[tuple[int, set[Answer]]] = deque()
        self._unlocking: deque[tuple[int, set[Answer], dict[str, int] | None]] = deque(
            [(questions[0], set(), None)])
        self._task = cocotb.start_soon(self._run())

    def stop(self) -> None:
        self._task.cancel()
        getattr(self._dut, f"{self._side}_i__valid").value = 0

    def begin_change(self) -> None:
        state = self._state()
        self._states.append(state)
        for question, allowed, *_ in (*self._waiting, *self._unlocking):
            allowed.add(state[question])

    def end_change(self) -> None:
        del self._states[:-1]

    def _state(self) -> dict[int, Answer]:
        return {question: self._expected(question) for question in self._questions}

    async def _run(self) -> None:
        payload = self._port("i__payload")
        self._port("i__valid").value = 1
        while True:
            question = self._chance.choice(self._questions)
            payload.value = question
            self._waiting.append((question, {state[question] for state in self._states}))
            await RisingEdge(self._dut.clk)
            if int(self._port("o__valid").value):
                # A receive answer has the begin of its replay window above.
                answer = int(self._port("o__payload").value)
                self._check_secrets()
                self._check(FOUND.unpack(answer % (1 << FOUND.bits)))

    def _port(self, name: str):
        return getattr(self._dut, f"{self._side}_{name}")

    def _check(self, found: dict[str, int]) -> None:
        question, allowed = self._waiting.popleft()
        assert len(self._waiting) == self._latency, f"{self._side} latency"
        got = (found["sa"], without_serial(found["context"])) if found["hit"] else None
        assert got in {answer and answer[:2] for answer in allowed}, (
            f"{self._side} {question:#x}: {CONTEXT.unpack(found['context'])}")
        assert found["hit"] or found["sa"] == 0
        self.hits += found["hit"]
        self.misses += not found["hit"]
        self._port("secrets__read").value = 1
        self._port("secrets__sa").value = found["sa"]
        self._unlocking.append((question, allowed, found))

    def _check_secrets(self) -> None:
        """Check the row of the answer of two clocks before."""
        if len(self._unlocking) < 2:
            return
        question, allowed, found = self._unlocking.popleft()
        if found is None or not found["hit"]:
            return
        row = SECRET_ROW.unpack(int(self._port("secrets__row").value))
        got = (found["sa"], without_serial(found["context"]), row["secrets"])
        if row["present"] and row["serial"] == CONTEXT.unpack(found["context"])["serial"]:
            assert got in allowed, f"{self._side} {question:#x}: secrets of another SA"
        else:
            assert len(allowed) > 1, f"{self._side} {question:#x}: gone without a command"


def without_serial(context: int) -> int:
    """A packed context with its serial set to 0."""
    return CONTEXT.pack(CONTEXT.unpack(context) | {"serial": 0})


@cocotb.test()
async def any_command_under_a_look_up_each_clock(dut):
    chance = random.Random(cocotb.RANDOM_SEED)
    await start(dut)
    dut.table_key.value = chance.getrandbits(len(dut.table_key))
    commands = Commands(dut)
    keys = random_lookup_keys(chance, 8)
    commands.watch(dut, keys)
    results = set()
    random_ones = [random_command(chance, keys, COMMAND_HANDLES)
                   for _ in range(int(os.environ["COMMANDS"]))]
    flushes = [{"operation": SaOperation.FLUSH, "direction": direction}
               for direction in SaDirection]
    for values in (*random_ones, *flushes):
        result = await commands.run(**values)
        results.add((values["operation"], values["direction"], result))
        await ClockCycles(dut.clk, chance.randrange(20))
    good = {(operation, direction) for operation, direction, result in results
            if result == SaResult.OK}
    everything = {(operation, direction) for operation in SaOperation for direction in SaDirection}
    assert not everything - good, everything - good
    # No row is wrong, and no cipher.
    assert {result for *_, result in results} == (
        set(SaResult) - {SaResult.ENOSPC, SaResult.EIO})
    assert all(watcher.hits > 100 and watcher.misses > 100 for watcher in commands.watchers)


@cocotb.test()
async def a_slot_given_to_another_sa_never_mixes_their_keys(dut):
    chance = random.Random(cocotb.RANDOM_SEED)
    await start(dut)
    dut.table_key.value = chance.getrandbits(len(dut.table_key))
    commands = Commands(dut)
    keys = random_lookup_keys(chance, 2)
    commands.watch(dut, keys)
    for turn in range(16):
        for direction in SaDirection:
            added = await commands.add(direction, 1, keys[turn % 2], chance.getrandbits(256))
            assert added == SaResult.OK
        await ClockCycles(dut.clk, chance.randrange(10))
        for direction in SaDirection:
            await commands.remove(direction, 1)
    assert all(watcher.hits > 100 for watcher in commands.watchers)


@cocotb.test()
async def every_handle_but_0_holds_an_sa(dut):
    chance = random.Random(cocotb.RANDOM_SEED)
    await start(dut)
    dut.table_key.value = chance.getrandbits(len(dut.table_key))
    commands = Commands(dut)
    keys = random_lookup_keys(chance, SAS + 1)
    commands.watch(dut, keys)
    for direction in SaDirection:
        for handle in range(SAS + 1):
            added = await commands.add(direction, handle, keys[handle], chance.getrandbits(256))
            assert added == (SaResult.OK if 0 < handle < SAS else SaResult.EINVAL)
    assert not int(dut.rx_empty.value)
    await ClockCycles(dut.clk, 100)
    for direction in SaDirection:
        for handle in range(SAS + 1):
            read = await commands.do(SaOperation.READ, direction, handle)
            assert read == (SaResult.OK if 0 < handle < SAS else SaResult.EINVAL)
    for handle in range(1, SAS):
        assert not int(dut.rx_empty.value)
        assert await commands.do(SaOperation.DELETE, SaDirection.RX, handle) == SaResult.OK
    assert int(dut.rx_empty.value)
    for handle in range(1, SAS):
        again = await commands.add(SaDirection.RX, handle, keys[0], 1)
        assert again == SaResult.EEXIST
        assert await commands.do(SaOperation.FREE, SaDirection.RX, handle) == SaResult.OK
    for handle in range(1, SAS):
        assert await commands.add(SaDirection.RX, handle, keys[-handle], 1) == SaResult.OK


@cocotb.test()
async def a_deleted_sa_is_found_no_more_and_its_look_up_key_is_free_at_once(dut):
    chance = random.Random(cocotb.RANDOM_SEED)
    await start(dut)
    commands = Commands(dut)
    keys = random_lookup_keys(chance, 2)
    commands.watch(dut, keys)
    for direction in SaDirection:
        await commands.add(direction, 1, keys[0], chance.getrandbits(256))
        assert await commands.do(SaOperation.FREE, direction, 1) == SaResult.EBUSY
        assert await commands.do(SaOperation.DELETE, direction, 1) == SaResult.OK
        assert await commands.do(SaOperation.READ, direction, 1) == SaResult.OK
        assert await commands.add(direction, 1, keys[1], 1) == SaResult.EEXIST
        assert await commands.add(direction, 2, keys[0], chance.getrandbits(256)) == SaResult.OK
        await ClockCycles(dut.clk, 50)
        assert await commands.do(SaOperation.FREE, direction, 1) == SaResult.OK
        assert await commands.do(SaOperation.READ, direction, 1) == SaResult.ENOENT


@cocotb.test()
async def free_waits_for_the_frames_of_its_direction_that_were_in_flight(dut):
    await start(dut)
    commands = Commands(dut)
    for direction, side, other in (
        (SaDirection.RX, "rx", "tx"), (SaDirection.TX, "tx", "rx"),
    ):
        in_flight = getattr(dut, f"{side}_in_flight")
        judged = getattr(dut, f"{side}_judged")
        assert await commands.add(direction, 1, SOME_KEY, 7) == SaResult.OK
        assert await commands.do(SaOperation.DELETE, direction, 1) == SaResult.OK
        in_flight.value = 2
        getattr(dut, f"{other}_in_flight").value = 9
        too_late = cocotb.start_soon(commands.refuses(SaOperation.FREE, direction, 1))
        await ClockCycles(dut.clk, 100)
        judged.value = 1
        await RisingEdge(dut.clk)
        judged.value = 0
        await ClockCycles(dut.clk, FENCE_CLOCKS - 200)
        assert not too_late.done()
        assert await too_late == SaResult.EBUSY
        assert await commands.do(SaOperation.READ, direction, 1) == SaResult.OK
        freeing = cocotb.start_soon(commands.do(SaOperation.FREE, direction, 1))
        await ClockCycles(dut.clk, 100)
        # Frames that came later do not count.
        in_flight.value = 30
        judged.value = 1
        await ClockCycles(dut.clk, 1)
        judged.value = 0
        await ClockCycles(dut.clk, 100)
        assert not freeing.done()
        judged.value = 1
        await ClockCycles(dut.clk, 1)
        judged.value = 0
        await ClockCycles(dut.clk, 20)
        assert freeing.done()
        in_flight.value = getattr(dut, f"{other}_in_flight").value = 0


@cocotb.test()
async def free_sees_the_last_frame_in_whatever_clock_it_is_judged(dut):
    """Also in that in which FREE begins to wait."""
    await start(dut)
    commands, direction = Commands(dut), SaDirection.TX
    for clocks in 4 * list(range(1, 10)):
        assert await commands.add(direction, 1, SOME_KEY, 7) == SaResult.OK
        assert await commands.do(SaOperation.DELETE, direction, 1) == SaResult.OK
        dut.tx_in_flight.value = 1
        freeing = cocotb.start_soon(commands.do(SaOperation.FREE, direction, 1))
        await ClockCycles(dut.clk, clocks)
        dut.tx_judged.value = 1
        await ClockCycles(dut.clk, 1)
        dut.tx_judged.value = dut.tx_in_flight.value = 0
        await ClockCycles(dut.clk, 100)
        assert freeing.done(), clocks


@cocotb.test()
async def flush_misses_at_once_and_leaves_no_sa_and_no_key(dut):
    chance = random.Random(cocotb.RANDOM_SEED)
    await start(dut)
    dut.table_key.value = COLLIDING
    commands = Commands(dut)
    keys = random_lookup_keys(chance, WAYS + OVERFLOW_ENTRIES)
    commands.watch(dut, keys)
    for _ in range(2):
        for handle, key in enumerate(keys, 1):
            for direction in SaDirection:
                added = await commands.add(direction, handle, key, chance.getrandbits(256))
                assert added == SaResult.OK
        hits = [watcher.hits for watcher in commands.watchers]
        await ClockCycles(dut.clk, 50)
        assert all(watcher.hits > before
                   for watcher, before in zip(commands.watchers, hits, strict=True))
        flush = cocotb.start_soon(commands.run(operation=SaOperation.FLUSH, sa=0xFFFF))
        while not int(dut.command__valid.value):
            await RisingEdge(dut.clk)
        await ClockCycles(dut.clk, 5 + SaStore.rx_latency)
        hits = [watcher.hits for watcher in commands.watchers]
        assert not flush.done()
        assert await flush == SaResult.OK
        await ClockCycles(dut.clk, 50)
        assert hits == [watcher.hits for watcher in commands.watchers]
        assert int(dut.rx_empty.value)
    commands.unwatch()
    assert not any([await row(dut, handle) for handle in range(SAS)])


@cocotb.test()
async def after_a_flush_with_frames_in_flight_no_sa_is_added_before_another(dut):
    await start(dut)
    commands = Commands(dut)
    for side in SIDES:
        for direction in SaDirection:
            assert await commands.add(direction, 1, SOME_KEY, 7) == SaResult.OK
        getattr(dut, f"{side}_in_flight").value = 1
        assert await commands.refuses(SaOperation.FLUSH, SaDirection.RX, 0) == SaResult.EBUSY
        commands.device = Device(FEATURES)
        for direction in SaDirection:
            assert await row(dut, 1) == 0
            assert await commands.do(SaOperation.READ, direction, 1) == SaResult.ENOENT
            assert await commands.refuses(SaOperation.ADD, direction, 1, spi=1) == SaResult.EBUSY
        getattr(dut, f"{side}_in_flight").value = 0
        assert await commands.do(SaOperation.FLUSH, SaDirection.RX, 0) == SaResult.OK


@cocotb.test()
async def usage_and_limits_of_an_sa_are_its_own_and_read_back(dut):
    """Packets of both directions count while commands run."""
    chance = random.Random(cocotb.RANDOM_SEED)
    await start(dut)
    commands = Commands(dut)
    serve = {SaDirection.RX: Served(dut, "rx"), SaDirection.TX: Served(dut, "tx")}
    limits = {"soft_packets": 2, "soft_bytes": 1 << 40, "hard_packets": 3, "hard_bytes": 0}
    for direction in SaDirection:
        for handle in (1, 2):
            await commands.run(operation=SaOperation.ADD, direction=direction, sa=handle,
                               spi=handle, **limits)
    for _ in range(30):
        direction, handle = chance.choice(list(SaDirection)), chance.choice((1, 2))
        lifetime = commands.device.sas[direction].lifetime(handle)
        expired = await serve[direction].one(handle, 1, 100)
        assert expired == lifetime.expired
        lifetime.count(1, 100)
        assert await commands.do(SaOperation.READ, direction, handle) == SaResult.OK
        if chance.random() < 0.3:
            await commands.run(
                operation=SaOperation.MODIFY, direction=direction, sa=handle,
                select=SaSelect.HARD, hard_packets=lifetime.packets + chance.randrange(4))
        if chance.random() < 0.1:
            await commands.remove(direction, handle)
            await commands.run(operation=SaOperation.ADD, direction=direction, sa=handle,
                               spi=handle, **limits)


@cocotb.test()
async def an_add_of_what_is_no_sa_is_refused(dut):
    await start(dut)
    commands = Commands(dut)
    good = {"operation": SaOperation.ADD, "sa": 1, "spi": 1}
    wrong = [{"spi": 0}, {"ipv6": 1, "spi": 0}, {"key_size": 3}, {"icv_size": 3}]
    wrong += [{"destination": 1 << bit} for bit in range(32, 128)]
    right = [{"destination": 0xFFFFFFFF}, {"ipv6": 1, "destination": (1 << 128) - 1}]
    for direction in SaDirection:
        for change in wrong:
            values = good | change | {"direction": direction}
            assert await commands.run(**values) == SaResult.EINVAL, values
        for change in right:
            assert await commands.run(**good | change | {"direction": direction}) == SaResult.OK
            await commands.remove(direction, 1)


@cocotb.test()
async def without_a_place_an_add_is_refused_with_enospc_and_no_sa_is_lost(dut):
    chance = random.Random(cocotb.RANDOM_SEED)
    await start(dut)
    dut.table_key.value = COLLIDING
    commands = Commands(dut)
    fitting = WAYS + OVERFLOW_ENTRIES
    keys = random_lookup_keys(chance, fitting + 2)
    commands.watch(dut, keys)
    for handle, key in enumerate(keys[:fitting], 1):
        assert await commands.add(SaDirection.RX, handle, key, chance.getrandbits(256)) == 0
    for key in keys[fitting:]:
        assert await commands.refused(key, fitting + 1) == SaResult.ENOSPC
    victim = chance.randrange(1, fitting + 1)
    await commands.remove(SaDirection.RX, victim)
    again = await commands.add(SaDirection.RX, fitting + 1, keys[-1], chance.getrandbits(256))
    assert again == SaResult.OK
    assert await commands.refused(keys[-2], victim) == SaResult.ENOSPC
    await ClockCycles(dut.clk, 1000)
    for handle in range(1, fitting + 2):
        read = await commands.do(SaOperation.READ, SaDirection.RX, handle)
        assert read == (SaResult.ENOENT if handle == victim else SaResult.OK)


@cocotb.test()
async def free_and_reset_overwrite_keys_with_zeros(dut):
    """The rows of a transmit handle come out even when the answer is a miss."""
    chance = random.Random(cocotb.RANDOM_SEED)
    await start(dut)
    commands = Commands(dut)
    keys = random_lookup_keys(chance, SAS)
    for handle in range(1, SAS):
        await commands.add(SaDirection.TX, handle, keys[handle], chance.getrandbits(256))
    assert all([await row(dut, handle) for handle in range(1, SAS)])
    await commands.do(SaOperation.DELETE, SaDirection.TX, 3)
    assert await row(dut, 3)
    await commands.do(SaOperation.FREE, SaDirection.TX, 3)
    assert await row(dut, 3) == 0
    assert await row(dut, 4)
    await pulse_reset(dut)
    await ClockCycles(dut.clk, SAS + 1)
    assert not any([await row(dut, handle) for handle in range(SAS)])


@cocotb.test()
async def reset_forgets_every_sa_and_commands_wait_for_the_sweep(dut):
    chance = random.Random(cocotb.RANDOM_SEED)
    await start(dut)
    dut.table_key.value = chance.getrandbits(len(dut.table_key))
    keys = random_lookup_keys(chance, SAS)
    commands = Commands(dut)
    for moment in (None, *(chance.randrange(250) for _ in range(4))):
        for handle in range(1, SAS - 1):
            for direction in SaDirection:
                await commands.add(direction, handle, keys[handle], chance.getrandbits(256))
        if moment is not None:
            await break_off_add(dut, keys[0], moment)
        await pulse_reset(dut)
        commands.device = Device(FEATURES)
        commands.watch(dut, keys)
        for handle in range(1, SAS):
            for direction in SaDirection:
                read = await commands.do(SaOperation.READ, direction, handle)
                assert read == SaResult.ENOENT
        assert all(not watcher.hits for watcher in commands.watchers)
        for key in keys:
            added = await commands.add(SaDirection.RX, 1, key, chance.getrandbits(256))
            assert added == SaResult.OK
            await commands.remove(SaDirection.RX, 1)
        commands.unwatch()


async def break_off_add(dut, key: int, clocks: int) -> None:
    """Start an ADD and return in the midst of it."""
    dut.command__payload.value = SA_COMMAND.pack({
        "operation": SaOperation.ADD, "sa": SAS - 1, **LOOKUP_KEY.unpack(key)})
    dut.command__valid.value = 1
    await RisingEdge(dut.clk)
    dut.command__valid.value = 0
    await ClockCycles(dut.clk, clocks)


@cocotb.test()
async def commands_take_the_clocks_of_the_docstrings(dut):
    await start(dut)
    dut.response__ready.value = 1
    while not int(dut.command__ready.value):
        await RisingEdge(dut.clk)
    search = 170 + hash_bits(SAS)
    for size in KeySize:
        add = 5 + HashSubkey(LANES).latency(size)
        for direction, looked_up in ((SaDirection.RX, search), (SaDirection.TX, 0)):
            common = {"direction": direction, "sa": 1, "key_size": size, "esn": 1, "spi": 1}
            for operation, select, clocks in (
                (SaOperation.ADD, 0, add + looked_up), (SaOperation.ADD, 0, 4),
                (SaOperation.READ, 0, 8 if direction == SaDirection.RX else 10),
                (SaOperation.FREE, 0, 4),
                (SaOperation.MODIFY, SaSelect.NOTHING, 4),
                (SaOperation.MODIFY, SaSelect.ESN, 5 if direction == SaDirection.RX else 4),
                (SaOperation.MODIFY, SaSelect.SOFT, 9),
                (SaOperation.MODIFY, SaSelect.SOFT | SaSelect.ESN,
                 10 if direction == SaDirection.RX else 4),
                (SaOperation.DELETE, 0, 5 + looked_up), (SaOperation.DELETE, 0, 4),
                (SaOperation.FREE, 0, 6),
            ):
                values = common | {"operation": operation, "select": select}
                assert await clocks_of(dut, **values) == clocks
    assert await clocks_of(dut, operation=SaOperation.FLUSH) == 7 + 3 * SAS // 2


async def clocks_of(dut, **values: int) -> int:
    """Clocks from a command taken to its response."""
    dut.command__payload.value = SA_COMMAND.pack(values)
    dut.command__valid.value = 1
    await RisingEdge(dut.clk)
    assert int(dut.command__ready.value)
    dut.command__valid.value = 0
    clocks = 0
    while not int(dut.response__valid.value):
        await RisingEdge(dut.clk)
        clocks += 1
    await RisingEdge(dut.clk)
    return clocks


async def row(dut, handle: int) -> int:
    """Context and secrets that the datapath reads at a transmit handle, hit or not, as one."""
    dut.tx_i__payload.value = handle
    dut.tx_i__valid.value = 1
    dut.tx_secrets__sa.value = handle
    dut.tx_secrets__read.value = 1
    await ClockCycles(dut.clk, SaStore.tx_latency + 1)
    context = FOUND.unpack(int(dut.tx_o__payload.value))["context"]
    return int(dut.tx_secrets__row.value) << CONTEXT.bits | context


@cocotb.test()
async def without_powers_of_its_keys_the_self_test_fails_both_directions(dut):
    if not hasattr(dut, "commands"):
        return  # Verilator hides what is inside.
    offered = dut.commands.hash_subkey.o__valid
    offered.value = Force(0)
    await start(dut)
    commands = Commands(dut)
    while int(dut.self_testing.value):
        await ClockCycles(dut.clk, 100)
    for direction in SaDirection:
        add = {"key_size": KeySize.AES256, "icv_size": IcvSize.ICV16, **LOOKUP_KEY.unpack(SOME_KEY)}
        assert await commands.refuses(SaOperation.ADD, direction, 1, **add) == SaResult.EIO
    assert int(dut.rx_failed.value) and int(dut.tx_failed.value)
    offered.value = Release()
    dut.self_test.value = 1
    while not int(dut.self_tested.value):
        await RisingEdge(dut.clk)
    dut.self_test.value = 0
    for direction in SaDirection:
        assert await commands.add(direction, 1, SOME_KEY, 1) == SaResult.OK
    assert not int(dut.rx_failed.value) and not int(dut.tx_failed.value)


@cocotb.test(skip=memories_hidden())
async def no_key_stays_where_commands_are_executed(dut):
    await start(dut)
    commands, scanner = Commands(dut), Scanner(dut.commands, least=50)
    key = random.Random(cocotb.RANDOM_SEED).randbytes(KeySize.AES256.bytes)
    words = words_of(made_of(key, LANES))
    for direction in SaDirection:
        adding = cocotb.start_soon(
            commands.add(direction, 1, SOME_KEY, int.from_bytes(key, "little")))
        while not scanner.find(words):
            await ClockCycles(dut.clk, 50)
        assert await adding == SaResult.OK
        dut.command__payload.value = 0
        await ClockCycles(dut.clk, 2)
        assert scanner.find(words) == {}, direction.name


async def pulse_reset(dut) -> None:
    dut.rst.value = 1
    await ClockCycles(dut.clk, 1)
    dut.rst.value = 0


@pytest.mark.quick
def test_commands_in_short():
    simulate_quick(
        SaStore(FEATURES),
        "usage_and_limits_of_an_sa_are_its_own_and_read_back",
        "a_slot_given_to_another_sa_never_mixes_their_keys",
        name="sa_store", module=__name__)


def test_the_self_test_waits_for_powers_only_so_long():
    # Icarus lets a signal inside be forced.
    simulate_quick(
        SaStore(FEATURES), "without_powers_of_its_keys_the_self_test_fails_both_directions",
        name="sa_store", module=__name__)


def test_no_key_stays_behind_a_command():
    # Icarus shows what is inside.
    simulate_quick(
        SaStore(FEATURES), "no_key_stays_where_commands_are_executed",
        name="sa_store", module=__name__)


@pytest.mark.parametrize("width", [128, 512])
def test_commands_and_look_ups_of_a_small_table(width):
    bench(width, 16, commands=600)


def test_commands_and_look_ups_of_1024_sas():
    bench(128, 1024, commands=600, testcase="any_command_under_a_look_up_each_clock")


def bench(width: int, sas: int, *, commands: int, testcase: str | None = None) -> None:
    simulate(
        SaStore(replace(FEATURES, width=width, sas=sas)), name="sa_store", module=__name__,
        testcase=testcase,
        environment={"LANES": str(width // 128), "SAS": str(sas), "COMMANDS": str(commands)},
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_ram_bits_of_an_sa_are_those_of_the_memories(width):
    sas, lanes = 16, width // 128
    share = sum(bits * rows for bits, rows in memories_of(SaLookup(sas))) / sas
    for direction, table in ((SaDirection.RX, share), (SaDirection.TX, 0)):
        memories = memories_of(SaContexts(lanes, sas, direction))
        memories += [kept for kept in memories_of(SaUsage(sas, direction)) if kept[1] != TOLD_DEPTH]
        assert {rows for _, rows in memories} == {sas}
        assert sum(bits for bits, _ in memories) + table == ram_bits_per_sa(width, sas, direction)


def test_ram_bits_of_an_sa_are_those_of_the_docstring():
    def parity(*rows):
        return sum(-(-row // 32) for row in rows)

    for width, powers in ((128, 384), (256, 768), (512, 1664)):
        assert ram_bits_per_sa(width, 1024, SaDirection.RX) == (
            977 + powers + parity(77, 291 + powers, 209) + 1.5 * (175 + parity(175)))
        assert ram_bits_per_sa(width, 1024, SaDirection.TX) == (
            1004 + powers + parity(40, 355 + powers, 209))


def test_layouts_of_the_bench_are_those_of_the_block():
    assert struct(CONTEXT) == FoundSa["context"].shape
    assert FOUND.bits == FoundSa.size
    secrets = sa_secrets(LANES)
    assert secrets_layout(LANES).bits == secrets.size
    for name, field in struct(secrets_layout(LANES)):
        assert (field.offset, field.width) == (secrets[name].offset, secrets[name].width)
