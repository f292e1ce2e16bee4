"""The sums of segments from two sources, against the order in which the segments come."""

import random
from dataclasses import dataclass
from itertools import count

import cocotb
import pytest
from cocotb import start_soon
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.hdl.lso.ingress_sums import SUMMED_SEGMENTS, SumCover
from espnic.hdl.lso.segment_sums import FRAMES, SUMS, SegmentSums, SliceSum
from espnic.sim.agents.beats import pack
from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.differences import check_items
from tests.support.quick import simulate_quick

LATENCY = 3
"""Clocks from a request to the sum of its first segment."""

SLICE_LATENCY = 1
"""Clocks from the sum of a slice to that of its segment."""


@dataclass
class Request:
    """A request with the sums of its segments, of which the first were made at ingress."""

    sums: list[int]
    covered: int
    kept: bool

    @property
    def cover(self):
        return pack(SumCover, {
            "segments": self.covered, "whole": 0 < self.covered == len(self.sums)})

    def slices(self, chance):
        """The sums of its slices; those that are to be dropped are others here, to be seen."""
        last = len(self.sums) - 1
        return [pack(SliceSum, {
            "sum": chance.getrandbits(16) if index < self.covered else one, "ends": index == last})
            for index, one in enumerate(self.sums)] if self.kept else []


def super_frame(chance, kept=True, segments=None, covered=None):
    segments = chance.choice((1, 1, 2, 3, chance.randrange(1, 100))
                             ) if segments is None else segments
    most = min(segments, SUMMED_SEGMENTS)
    covered = chance.choice((most, most, 0, chance.randrange(most + 1))
                            ) if covered is None else covered
    return Request([chance.getrandbits(16) for _ in range(segments)], covered, kept)


def mixed(chance, requests):
    """Super-frames, some of them refused, and other frames, which have no sums."""
    makers = (super_frame, super_frame, lambda one: super_frame(one, kept=False),
              lambda _: Request([], 0, False))
    return [chance.choice(makers)(chance) for _ in range(requests)]


def expected(requests):
    return [one for request in requests if request.kept for one in request.sums]


class Ingress:
    """Gives sums while there is room, and after those of a request its cover."""

    def __init__(self, dut, requests, chance, idle, covers):
        self._dut, self._chance, self._idle = dut, chance, idle
        self._covers = covers
        self.stopped = False
        start_soon(self._run(requests))

    async def _run(self, requests):
        edge, dut = RisingEdge(self._dut.clk), self._dut
        # Ingress learns a clock later that there is no room, and two sums are under way then.
        rooms = [1, 1]
        for request in requests:
            for one in request.sums[:request.covered]:
                while not rooms[0] or self._chance.random() < self._idle:
                    self.stopped |= not rooms[0]
                    dut.sum__valid.value = 0
                    await edge
                    rooms = [*rooms[1:], int(dut.room.value)]
                dut.sum__valid.value = 1
                dut.sum__payload.value = one
                await edge
                rooms = [*rooms[1:], int(dut.room.value)]
            dut.sum__valid.value = 0
            self._covers.send(request.cover)


async def play(dut, requests, *, idle=0.0, stall=0.0, late=0):
    """The sums that leave; no request and no sum is taken for ``late`` clocks."""
    await start_clock_and_reset(dut)
    seed = cocotb.RANDOM_SEED
    chance = random.Random(seed)
    covers = StreamSource(dut, "cover", seed=seed)
    ingress = Ingress(dut, requests, chance, idle, covers)
    if late:
        await ClockCycles(dut.clk, late)
    kept, slices = (StreamSource(dut, port, seed=seed, idle=idle) for port in ("kept", "slice_sum"))
    out = StreamSink(dut, "o", seed=seed, stall=stall)
    kept.send(*(request.kept for request in requests))
    slices.send(*(one for request in requests for one in request.slices(chance)))
    wanted = expected(requests)
    check_items(await out.receive(len(wanted)), wanted)
    for source in (covers, kept, slices):
        await source.drained()
    await ClockCycles(dut.clk, 2 * LATENCY)
    assert not out.items, "more sums than segments"
    return ingress


@cocotb.test()
@cocotb.parametrize(gaps=[(0.0, 0.0), (0.3, 0.3), (0.0, 0.7), (0.7, 0.0)])
async def each_segment_has_its_sum(dut, gaps):
    idle, stall = gaps
    await play(dut, mixed(random.Random(cocotb.RANDOM_SEED), 200), idle=idle, stall=stall)


@cocotb.test()
async def sums_wait_for_their_requests_until_there_is_no_room(dut):
    """The ring is filled twice, so that its places serve again."""
    chance = random.Random(cocotb.RANDOM_SEED)
    requests = [super_frame(chance, kept=chance.random() < 0.8, segments=SUMMED_SEGMENTS,
                            covered=SUMMED_SEGMENTS) for _ in range(2 * SUMS // SUMMED_SEGMENTS)]
    ingress = await play(dut, requests, late=SUMS + 100)
    assert ingress.stopped


@cocotb.test()
async def a_refused_super_frame_gives_its_sums_back(dut):
    chance = random.Random(cocotb.RANDOM_SEED)
    requests = [super_frame(chance, kept=False, segments=SUMMED_SEGMENTS) for _ in range(
        3 * SUMS // SUMMED_SEGMENTS)]
    ingress = await play(dut, [*requests, super_frame(chance)])
    assert not ingress.stopped


@cocotb.test()
async def sums_do_not_wait_for_slices(dut):
    """Super-frames have theirs before the slicing, as many as the segment path has orders for."""
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    requests = [super_frame(chance, segments=2, covered=2) for _ in range(FRAMES)]
    covers, kept, slices = (StreamSource(dut, port) for port in ("cover", "kept", "slice_sum"))
    out = StreamSink(dut, "o")
    Ingress(dut, requests, chance, 0, covers)
    kept.send(*(1 for _ in requests))
    check_items(await out.receive(2 * FRAMES), expected(requests))
    slices.send(*(one for request in requests for one in request.slices(chance)))
    await slices.drained()
    assert not out.items


@cocotb.test()
@cocotb.parametrize(segments=(1, 2, 5))
async def a_sum_leaves_every_clock(dut, segments):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    requests = [super_frame(chance, segments=segments, covered=segments) for _ in range(60)]
    covers, slices = (StreamSource(dut, port) for port in ("cover", "slice_sum"))
    out = StreamSink(dut, "o")
    Ingress(dut, requests, chance, 0, covers)
    await ClockCycles(dut.clk, 60 * segments + 10)
    slices.send(*(one for request in requests for one in request.slices(chance)))
    kept = StreamSource(dut, "kept")
    kept.send(*(1 for _ in requests))
    clocks = await clocks_until(dut, len(expected(requests)))
    assert clocks <= len(expected(requests)) + LATENCY + 1
    check_items(await out.receive(len(expected(requests))), expected(requests))


async def clocks_until(dut, sums):
    """Clocks until so many sums have left."""
    for clock in count(1):
        await RisingEdge(dut.clk)
        sums -= int(dut.o__valid.value) and int(dut.o__ready.value)
        if not sums:
            return clock


@cocotb.test()
@cocotb.parametrize(covered=(1, 0))
async def a_sum_comes_after_its_latency(dut, covered):
    await start_clock_and_reset(dut)
    dut.o__ready.value = 1
    request = Request([0x1234], covered, True)
    if covered:
        dut.sum__valid.value = 1
        dut.sum__payload.value = 0x1234
        await RisingEdge(dut.clk)
        dut.sum__valid.value = 0
    dut.cover__payload.value, dut.kept__payload.value = request.cover, 1
    dut.cover__valid.value = dut.kept__valid.value = 1
    await RisingEdge(dut.clk)
    dut.cover__valid.value = dut.kept__valid.value = 0
    if not covered:
        await ClockCycles(dut.clk, 10)
        dut.slice_sum__payload.value = pack(SliceSum, {"sum": 0x1234, "ends": 1})
        dut.slice_sum__valid.value = 1
        await RisingEdge(dut.clk)
        dut.slice_sum__valid.value = 0
    seen = []
    for _ in range(LATENCY + 3):
        await RisingEdge(dut.clk)
        seen.append(int(dut.o__valid.value))
    latency = LATENCY if covered else SLICE_LATENCY
    assert [clock for clock, value in enumerate(seen, 1) if value] == [latency]


@pytest.mark.quick
def test_segments_have_their_sums_in_short():
    simulate_quick(SegmentSums(), "each_segment_has_its_sum/gaps=1",
                   name="segment_sums", module=__name__)


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_segment_sums(simulator):
    simulate(SegmentSums(), name="segment_sums", module=__name__, simulator=simulator, seed=1)
