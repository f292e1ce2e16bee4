"""Bits that turn in the memories of the SA tables: no frame meets a wrong key, all is told.

A frame that is sealed or opened at all is so as by the model, under the right SA. A frame of an SA
whose row is wrong is dropped, or goes up as it came.
"""

from dataclasses import replace
from random import Random

import cocotb
from cocotb.triggers import ClockCycles

from espnic.model.device.device import Device
from espnic.model.interface.codes import (
    EventKind,
    RxStatus,
    SaDirection,
    SaMemory,
    SaOperation,
    SaResult,
    SaSelect,
)
from espnic.model.interface.layouts import RX_COMPLETION
from espnic.model.interface.registers import BY_NAME
from espnic.model.sa.sa import command_values
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import run
from espnic.sim.traffic.steps import RxFrame
from tests.support.engine_steps import BOTH, Traffic, add_commands
from tests.support.live_engine import Live
from tests.support.memory_faults import flip, row_bits, word_of
from tests.support.open_engine import FEATURES, build_open
from tests.support.sas import make_sa

VICTIM = 2
COUNTERS = ("tx_packets_in", "tx_packets_out", "rx_ok", "rx_fault", "tx_sealed", "tx_drop_fault",
            "memory_faults")
ROUNDS = 4
"""Bits that are turned of each memory, drawn from the seed."""
READ_ON_THE_WAY = {
    SaDirection.RX: (SaMemory.STATE, SaMemory.SECRET, SaMemory.LOOKUP, SaMemory.USAGE,
                     SaMemory.REPLAY),
    SaDirection.TX: (SaMemory.STATE, SaMemory.SECRET, SaMemory.USAGE, SaMemory.SENT),
}
"""Memories that every frame of an SA reads, if it has what they hold."""

CHANGED_ON_THE_WAY = {
    SaMemory.USAGE: ("{side}_usage.served_rows", "{side}_usage.limits_rows"),
    SaMemory.REPLAY: ("windows.edges", "windows.rows"),
    SaMemory.SENT: ("sent.edges", "sent.bits"),
}
"""Memories that frames change, in ``sas``."""


def some_sas():
    """One SA without a replay window, one with."""
    return [make_sa(key_bytes=32, seed=71, esn=True, spi=0x7000),
            replace(make_sa(seed=73, replay_window=64, spi=0x7001), device_window=True)]


class Bench:
    """The engine with its SAs, and the model with the same, in which no bit turns."""

    @classmethod
    async def start(cls, dut):
        await start_clock_and_reset(dut)
        self = cls()
        self.dut = dut
        self.random = Random(cocotb.RANDOM_SEED)
        self.live = Live(dut, cocotb.RANDOM_SEED)
        self.live.take()
        self.sas = some_sas()
        self.traffic = Traffic(self.sas, self.random)
        self.requests = 0
        self.counted = await self.counters()
        await self.add()
        return self

    async def add(self):
        """Add all SAs, to the model too."""
        self.model = Device(FEATURES)
        for command in add_commands(self.sas, *BOTH):
            assert await self.live.driver.command(command.values) == SaResult.OK
            assert self.model.command(command.values) == SaResult.OK

    async def flush(self):
        flush = {"operation": SaOperation.FLUSH}
        assert await self.live.driver.command(flush) == SaResult.OK

    def memory(self, direction, memory, handle):
        """The memory, and the row of it that belongs to an SA."""
        if memory == SaMemory.LOOKUP:
            return self.entry(handle)
        name = {SaMemory.STATE: "state", SaMemory.SECRET: "secret", SaMemory.RECORD: "records"}
        contexts = getattr(self.dut.sas, direction.name.lower())
        return getattr(contexts, name[memory]).ram, handle

    def counted_rows(self, direction, memory, handle):
        """The rows of an SA in each memory that its frames change."""
        for path in CHANGED_ON_THE_WAY[memory]:
            part, name = path.format(side=direction.name.lower()).split(".")
            rows = getattr(getattr(self.dut.sas, part), name).ram
            each = len(rows) // FEATURES.sas
            yield rows, range(handle * each, (handle + 1) * each)

    def known(self, direction, handle):
        """All that is known of the frames that an SA has served."""
        last = SaMemory.REPLAY if direction == SaDirection.RX else SaMemory.SENT
        return [word_of(rows, row) for memory in (SaMemory.USAGE, last)
                for rows, places in self.counted_rows(direction, memory, handle)
                for row in places]

    def entry(self, handle):
        """The way and row in which an SA's look-up entry stands: valid, serial, handle, key."""
        for way in range(3):
            memory = self.dut.sas.lookup[f"way{way}"].ram
            for row in range(FEATURES.sas // 2):
                word = int(memory[row].value)
                if word & 1 and word >> 3 & FEATURES.sas - 1 == handle:
                    return memory, row
        raise LookupError(f"no entry of {handle}")

    async def turn(self, direction, memory, handle):
        """Turn a random bit of an SA's row; of its bitmap, of each row."""
        if memory in CHANGED_ON_THE_WAY:
            rows, places = self.random.choice([*self.counted_rows(direction, memory, handle)])
        else:
            rows, row = self.memory(direction, memory, handle)
            places = [row]
        bit = self.random.randrange(row_bits(rows))
        for row in places:
            self.dut._log.info("%s %s row %d bit %d", direction.name, memory.name, row, bit)
            await flip(rows, row, bit)

    async def pass_frames(self, rounds):
        """Send frames of all SAs both ways and wait; return the handles whose frames failed.

        Every other frame must be the model's.
        """
        received, sent = self.send(rounds)
        return await self.judge(received, sent)

    def send(self, rounds):
        """Send frames of all SAs both ways; return what the model makes of them, with handles."""
        self.before = {side: len(sink.frames) for side, sink in self.live.sinks.items()}
        received, sent = [], []
        for _ in range(rounds):
            for index in range(len(self.sas)):
                frame = self.traffic.wire_frame(index, self.random.randrange(1, 300))
                request = self.traffic.request(index, self.random.randrange(1, 300), False)
                self.live.send(RxFrame(frame))
                self.live.send(request)
                received.append((index + 1, frame, self.model.receive(frame)))
                [wire] = self.model.transmit(request.descriptor, request.data).frames
                sent.append((index + 1, wire))
                self.requests += 1
        return received, sent

    async def judge(self, received, sent):
        """Compare what left with the model; return the handles of failed frames by direction."""
        before = self.before
        await self.live.sinks["rx"].reach(before["rx"] + len(received))
        while (counters := await self.counters())["tx_packets_in"] != self.requests:
            await ClockCycles(self.dut.clk, 50)
        await self.live.sinks["tx"].reach(counters["tx_packets_out"])
        failed = {SaDirection.RX: self.failed_received(received, before["rx"]),
                  SaDirection.TX: self.failed_sent(sent, before["tx"])}
        await self.check_counters(received, sent, failed)
        return {direction: set(handles) for direction, handles in failed.items()}

    def failed_received(self, received, begin):
        failed = []
        for got, (handle, frame, right) in zip(
                self.live.sinks["rx"].frames[begin:], received, strict=True):
            completion = RX_COMPLETION.unpack(got.user)
            if completion["status"] == RxStatus.FAULT:
                assert (got.data, completion["sa"]) == (frame, 0)
                failed.append(handle)
            else:
                assert right.status == RxStatus.OK
                assert (got.data, completion) == (right.frame, right.completion), handle
        return failed

    def failed_sent(self, sent, begin):
        left = [got.data for got in self.live.sinks["tx"].frames[begin:]]
        failed = []
        for handle, wire in sent:
            if left and left[0] == wire:
                del left[0]
            else:
                failed.append(handle)
        assert not left, "a frame that is not sealed under its SA"
        return failed

    async def counters(self):
        """Low words of the counters that matter here: to read all takes a thousand clocks."""
        return {name: await self.live.driver.read(BY_NAME[f"{name.upper()}_LOW"])
                for name in COUNTERS}

    async def check_counters(self, received, sent, failed):
        counters = await self.counters()
        grown = {name: counters[name] - self.counted[name] for name in counters}
        self.counted = counters
        rx, tx = len(failed[SaDirection.RX]), len(failed[SaDirection.TX])
        assert (grown["rx_fault"], grown["rx_ok"]) == (rx, len(received) - rx)
        assert (grown["tx_drop_fault"], grown["tx_sealed"]) == (tx, len(sent) - tx)
        assert grown["memory_faults"] >= rx + tx
        assert (grown["memory_faults"] > 0) == (rx + tx > 0)

    async def events(self):
        """All that is in the queue of events: memory, direction and handle."""
        told = []
        while event := await self.live.driver.next_event():
            assert event["kind"] == EventKind.MEMORY_FAULT
            told.append((SaDirection(event["direction"]), SaMemory(event["sequence"]), event["sa"]))
        return told


@cocotb.test()
@cocotb.parametrize(direction=list(SaDirection))
async def a_wrong_row_ends_its_sa_alone_until_a_flush(dut, direction):
    bench = await Bench.start(dut)
    assert await bench.pass_frames(2) == {side: set() for side in SaDirection}
    other = SaDirection(1 - direction)
    for memory in READ_ON_THE_WAY[direction]:
        for _ in range(ROUNDS):
            await bench.turn(direction, memory, VICTIM)
            known = bench.known(direction, VICTIM)
            assert await bench.pass_frames(2) == {direction: {VICTIM}, other: set()}
            # A request has its number and is counted when its secrets are read.
            late = (direction, memory) == (SaDirection.TX, SaMemory.SECRET)
            assert late or bench.known(direction, VICTIM) == known
            [(told_direction, told_memory, told_sa)] = await bench.events()
            assert (told_direction, told_memory) == (direction, memory)
            # The handle in an entry may be what is wrong.
            assert told_sa == VICTIM or memory == SaMemory.LOOKUP
            await bench.flush()
            await bench.add()
            assert await bench.pass_frames(1) == {side: set() for side in SaDirection}
            assert not await bench.events()


@cocotb.test()
@cocotb.parametrize(direction=list(SaDirection))
async def delete_free_and_add_mend_all_but_the_look_up(dut, direction):
    bench = await Bench.start(dut)
    for memory in READ_ON_THE_WAY[direction]:
        if memory == SaMemory.LOOKUP:
            continue
        await bench.turn(direction, memory, VICTIM)
        assert (await bench.pass_frames(1))[direction] == {VICTIM}
        for operation in (SaOperation.DELETE, SaOperation.FREE, SaOperation.ADD):
            values = command_values(operation, direction, VICTIM, bench.sas[VICTIM - 1])
            assert await bench.live.driver.command(values) == SaResult.OK
            assert bench.model.command(values) == SaResult.OK
        assert await bench.pass_frames(1) == {side: set() for side in SaDirection}
        assert await bench.events() == [(direction, memory, VICTIM)]


@cocotb.test()
@cocotb.parametrize(direction=list(SaDirection))
async def an_sa_with_a_wrong_record_serves_and_its_commands_are_eio(dut, direction):
    bench = await Bench.start(dut)
    await bench.turn(direction, SaMemory.RECORD, VICTIM)
    assert await bench.pass_frames(1) == {side: set() for side in SaDirection}
    assert not await bench.events()
    values = command_values(SaOperation.DELETE, direction, VICTIM)
    assert await bench.live.driver.command(values) == SaResult.EIO
    assert await bench.events() == [(direction, SaMemory.RECORD, VICTIM)]
    bench.counted = await bench.counters()
    assert await bench.pass_frames(1) == {side: set() for side in SaDirection}
    await bench.flush()
    await bench.add()
    assert await bench.live.driver.command(values) == SaResult.OK


@cocotb.test()
@cocotb.parametrize(direction=list(SaDirection))
async def what_is_wrong_of_an_sa_in_use_is_eio_and_stays_so(dut, direction):
    """For commands that ask for it: READ all but bitmaps, MODIFY the lifetime."""
    bench = await Bench.start(dut)
    read = command_values(SaOperation.READ, direction, VICTIM)
    modify = command_values(SaOperation.MODIFY, direction, VICTIM) | {
        "select": int(SaSelect.SOFT), "soft_packets": 1000}
    for memory in CHANGED_ON_THE_WAY:
        if memory not in READ_ON_THE_WAY[direction]:
            continue
        rows, [row] = next(bench.counted_rows(direction, memory, VICTIM))
        assert await bench.live.driver.command(read) == SaResult.OK
        await flip(rows, row, bench.random.randrange(row_bits(rows)))
        known = bench.known(direction, VICTIM)
        assert await bench.live.driver.command(read) == SaResult.EIO
        assert await bench.events() == [(direction, memory, VICTIM)]
        if memory == SaMemory.USAGE:
            assert await bench.live.driver.command(modify) == SaResult.EIO
            assert bench.known(direction, VICTIM) == known
        bench.counted = await bench.live.driver.counters()
        assert (await bench.pass_frames(1))[direction] == {VICTIM}
        await bench.events()
        await bench.flush()
        await bench.add()
        assert await bench.live.driver.command(modify) == SaResult.OK
        assert await bench.pass_frames(1) == {side: set() for side in SaDirection}


@cocotb.test()
async def bits_that_turn_in_the_midst_of_traffic_let_nothing_wrong_out(dut):
    bench = await Bench.start(dut)
    for _ in range(3):
        received, sent = bench.send(12)
        for direction in SaDirection:
            for memory in READ_ON_THE_WAY[direction]:
                await ClockCycles(dut.clk, bench.random.randrange(200))
                await bench.turn(direction, memory, bench.random.randrange(1, len(bench.sas) + 1))
        failed = await bench.judge(received, sent)
        assert any(failed.values())
        told = await bench.events()
        for direction, handles in failed.items():
            by_handle = {sa for side, memory, sa in told
                         if side == direction and memory != SaMemory.LOOKUP}
            by_key = {memory for side, memory, _ in told if side == direction}
            assert handles <= by_handle or SaMemory.LOOKUP in by_key
        await bench.flush()
        await bench.add()
        assert await bench.pass_frames(1) == {side: set() for side in SaDirection}
        assert not await bench.events()


def test_no_frame_meets_a_wrong_key():
    done = run(build_open(FEATURES), module=__name__, seed=1)
    assert not done.failures, f"seed {done.seed}: {done.failures}, log {done.log}"
