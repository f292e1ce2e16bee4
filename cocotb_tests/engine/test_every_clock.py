"""SA commands at every clock of a frame: it meets one SA wholly, or is passed or dropped."""

from collections import Counter
from dataclasses import replace
from random import Random

import cocotb
from cocotb import start_soon
from cocotb.simtime import get_sim_time
from cocotb.triggers import ClockCycles

from espnic.model.interface.codes import RxStatus, SaDirection, SaOperation, SaResult, SaSelect
from espnic.model.interface.layouts import RX_COMPLETION
from espnic.model.sa.sa import command_values
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import run
from espnic.sim.clocks import CLOCK_NS
from espnic.sim.rig.engine import Options, build_engine
from espnic.sim.traffic import frames
from espnic.sim.traffic.steps import RxFrame
from espnic.sim.traffic.super_frames import SuperTraffic, to_be_sealed
from tests.support.live_engine import Live, request, wire_frame
from tests.support.sas import device_with, make_sa

CLOCKS = range(-30, 110)
"""Clocks, from when a frame begins to come, in which a command is given: all of its way through
the engine, and some before and after."""
SEGMENTS = 4
SEARCH_CLOCKS = 230
"""Clocks from a DELETE of a receive SA to the FREE after it, because the look-up entry is searched
for."""
PAYLOAD_BYTES = 200
QUIET_CLOCKS = 300
"""Clocks in which a frame has left, or never will."""
UNOPENED = (RxStatus.NO_SA, RxStatus.SA_GONE)
SEQUENCE = (5 << 32) + 9


class Rounds:
    """One engine, and a round for each clock: SAs, a command in the midst of a frame each way."""

    def __init__(self, dut):
        self._dut = dut
        self.live = Live(dut, 1)
        self.live.take()
        # Unguarded, for each round sends the same number.
        kind = {"esn": True, "esn_high": SEQUENCE >> 32, "unguarded": True}
        self.old = make_sa(seed=21, **kind)
        self.new = replace(make_sa(key_bytes=32, seed=22, **kind), spi=self.old.spi)
        self._text = bytes(range(PAYLOAD_BYTES - 2)) + b"\0\x04"

    async def command(self, operation, direction, sa, **changes):
        """Give a command for handle 1."""
        values = command_values(operation, direction, 1, sa)
        assert await self.live.driver.command(values | changes) == SaResult.OK, operation

    async def flush(self):
        """Free all SAs; it takes some clocks for each place of the tables."""
        flush = {"operation": SaOperation.FLUSH}
        assert await self.live.driver.command(flush) == SaResult.OK

    async def add(self, sa):
        for direction in SaDirection:
            await self.command(SaOperation.ADD, direction, sa)

    async def free(self, direction, sa):
        for operation in (SaOperation.DELETE, SaOperation.FREE):
            await self.command(operation, direction, sa)

    async def free_both(self, sas):
        """Free the SA of each direction."""
        for direction, sa in zip(SaDirection, sas, strict=True):
            await self.free(direction, sa)

    async def disturbed(self, clock, disturb, frame=None):
        """Send a frame each way and run ``disturb`` at this clock; return what has left.

        That is the received frame with its completion, and the frames on the wire.
        """
        before = {side: len(sink.frames) for side, sink in self.live.sinks.items()}
        task = None
        if clock < 0:
            task = start_soon(disturb())
            await ClockCycles(self._dut.clk, -clock)
        self.live.send(RxFrame(frame or self.received()))
        self.live.send(self.sent())
        if clock >= 0:
            await ClockCycles(self._dut.clk, clock + 1)
            task = start_soon(disturb())
        await task
        await ClockCycles(self._dut.clk, QUIET_CLOCKS)
        left = {side: sink.frames[before[side]:] for side, sink in self.live.sinks.items()}
        [received] = left["rx"]
        return (received.data, RX_COMPLETION.unpack(received.user)), [
            got.data for got in left["tx"]]

    def received(self, sa=None):
        """The frame from the wire."""
        return frames.sealed(sa or self.old, self._text, SEQUENCE)

    def sent(self):
        """The request to seal; its SPI is that of both SAs."""
        return request(self.old, SEQUENCE, self._text)

    def opened(self, sa, frame=None):
        """The frame and completion that the host must get when a frame meets this SA."""
        result = device_with(sa).receive(frame or self.received(sa))
        return result.frame, result.completion

    def check_untouched(self, received):
        """The frame is as it came, and found no SA or lost it; return which."""
        frame, completion = received
        assert frame == self.received()
        assert completion["status"] in UNOPENED and completion["sa"] == 0, completion
        return RxStatus(completion["status"])

    async def next_is_right(self, sas):
        """A frame each way meets the SA of its direction."""
        async def nothing():
            pass

        frame = self.received(sas[SaDirection.RX])
        received, sent = await self.disturbed(0, nothing, frame)
        assert received == self.opened(sas[SaDirection.RX], frame)
        assert sent == [wire_frame(sas[SaDirection.TX], self.sent())]


async def rounds(dut):
    await start_clock_and_reset(dut)
    return Rounds(dut)


def outcome_of(all_rounds, received, sent):
    """Fates of a frame each way under the old SA: wholly sealed and opened, or not at all."""
    if sent:
        assert sent == [wire_frame(all_rounds.old, all_rounds.sent())]
    fate = "sealed" if sent else "dropped"
    if received == all_rounds.opened(all_rounds.old):
        return RxStatus.OK, fate
    return all_rounds.check_untouched(received), fate


@cocotb.test()
async def flush_at_every_clock(dut):
    all_rounds = await rounds(dut)
    old, new = all_rounds.old, all_rounds.new
    seen = Counter()
    for clock in CLOCKS:
        await all_rounds.add(old)
        seen.update(outcome_of(all_rounds, *await all_rounds.disturbed(clock, all_rounds.flush)))
        await all_rounds.add(new)
        await all_rounds.next_is_right((new, new))
        await all_rounds.free_both((new, new))
    assert seen.keys() == {RxStatus.OK, RxStatus.NO_SA, RxStatus.SA_GONE, "sealed", "dropped"}
    counters = await all_rounds.live.driver.counters()
    assert counters["rx_sa_gone"] == seen[RxStatus.SA_GONE]
    assert counters["tx_drop_sa_gone"] + counters["tx_drop_no_sa"] == seen["dropped"]
    assert counters["tx_drop_sa_gone"] and counters["tx_drop_no_sa"]


@cocotb.test()
@cocotb.parametrize(direction=list(SaDirection))
async def another_sa_takes_the_handle_at_every_clock(dut, direction):
    all_rounds = await rounds(dut)
    old, new = all_rounds.old, all_rounds.new
    sas = (new, old) if direction == SaDirection.RX else (old, new)
    seen = Counter()

    async def replace_sa():
        await all_rounds.free(direction, old)
        await all_rounds.command(SaOperation.ADD, direction, new)

    early = SEARCH_CLOCKS if direction == SaDirection.RX else 0
    for clock in (clock - early for clock in CLOCKS):
        await all_rounds.add(old)
        seen.update(outcome_of(all_rounds, *await all_rounds.disturbed(clock, replace_sa)))
        await all_rounds.next_is_right(sas)
        await all_rounds.free_both(sas)
    assert seen.keys() == {
        RxStatus.OK, "sealed", RxStatus.NO_SA if direction == SaDirection.RX else "dropped"}


@cocotb.test()
async def modify_at_every_clock(dut):
    """A MODIFY gives the high half of the number: the frame meets it wholly or not at all."""
    all_rounds = await rounds(dut)
    right, seen = all_rounds.old, Counter()
    wrong = replace(right, esn_high=right.esn_high - 1)

    async def correct():
        await all_rounds.command(
            SaOperation.MODIFY, SaDirection.RX, right, select=int(SaSelect.ESN))

    await all_rounds.add(wrong)
    start = get_sim_time("ns")
    await correct()
    takes = round(get_sim_time("ns") - start) // CLOCK_NS
    await all_rounds.flush()
    # Most of that time its parameters are written.
    for clock in (clock - takes for clock in CLOCKS):
        await all_rounds.add(wrong)
        received, sent = await all_rounds.disturbed(clock, correct)
        assert sent == [wire_frame(right, all_rounds.sent())]
        assert received in (
            all_rounds.opened(right), all_rounds.opened(wrong, all_rounds.received()))
        seen[received[1]["status"]] += 1
        await all_rounds.next_is_right((right, right))
        await all_rounds.free_both((right, right))
    assert seen.keys() == {RxStatus.OK, RxStatus.AUTH_FAILED}


@cocotb.test()
async def flush_parts_a_burst_between_two_segments_at_most(dut):
    """Each segment leaves sealed as by the model, or it and all after it are dropped."""
    all_rounds = await rounds(dut)
    live, sa = all_rounds.live, all_rounds.old
    burst = SuperTraffic([sa], Random(cocotb.RANDOM_SEED)).exact(SEGMENTS, 40, to_be_sealed)
    whole = list(device_with(sa).transmit(burst.descriptor, burst.data).frames)
    assert len(whole) == SEGMENTS
    seen, gone = Counter(), 0
    for clock in CLOCKS:
        await all_rounds.command(SaOperation.ADD, SaDirection.TX, sa)
        sink, before = live.sinks["tx"], len(live.sinks["tx"].frames)
        live.send(burst)
        await ClockCycles(dut.clk, clock - CLOCKS.start)
        await all_rounds.flush()
        await ClockCycles(dut.clk, QUIET_CLOCKS)
        left = [got.data for got in sink.frames[before:]]
        assert left == whole[:len(left)]
        seen[len(left)] += 1
        gone += SEGMENTS - len(left) if left else 0
    assert seen.keys() == set(range(SEGMENTS + 1)), seen
    counters = await live.driver.counters()
    assert counters["tx_packets_out"] == sum(left * times for left, times in seen.items())
    assert counters["tx_drop_sa_gone"] >= gone


def test_commands_at_every_clock_of_a_frame():
    options = Options(width=128, seed=1)
    done = run(build_engine(options).built, module=__name__, seed=options.seed)
    assert not done.failures, f"seed {done.seed}: {done.failures}, log {done.log}"
