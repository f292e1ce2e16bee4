"""Sums of segments made at ingress, against RFC 1071 over slices of the frame's bytes."""

import random
from dataclasses import dataclass

import cocotb
import pytest
from cocotb import start_soon
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.hdl.lso.ingress_sums import SUMMED_SEGMENTS, IngressSums, SegmentPlaces, SumCover
from espnic.sim.agents.beats import pack, to_beats, unpack
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.quick import simulate_quick
from tests.support.rfc1071 import ones_sum

UNDER_WAY = 2
"""Sums that may come after there is no more room."""


@dataclass
class Frame:
    """A frame with what its descriptor says of it."""

    data: bytes
    places: dict[str, int]

    def sums(self, width):
        """The sums of its segments, if they are summed at all."""
        header, mss = self.places["header_bytes"], self.places["mss"]
        if not self.places["lso"] or mss < width // 8:
            return []
        return [ones_sum(self.data[at:at + mss]) for at in range(header, len(self.data), mss)]


def super_frame(chance, width, segments=None, mss=None, header=None):
    """A super-frame, its last segment of any length."""
    size = width // 8
    header = chance.choice((42, 54, 94, 130, chance.randrange(256))) if header is None else header
    mss = chance.choice((size, size + 1, size + 2, chance.randrange(size, 3 * size), 536, 1448)
                        ) if mss is None else mss
    segments = chance.choice((1, 2, chance.randrange(1, 9))) if segments is None else segments
    payload = (segments - 1) * mss + chance.choice(
        (1, mss, chance.randrange(1, mss + 1), chance.randrange(1, min(mss, size) + 1)))
    fill = chance.choice((chance.randbytes, chance.randbytes, bytes, lambda count: b"\xff" * count))
    return Frame(fill(header + payload), {"lso": 1, "header_bytes": header, "mss": mss})


def hostile(chance, width):
    """A frame whose fields make no sense."""
    size = width // 8
    length = chance.choice((1, size, size + 1, chance.randrange(1, 6 * size)))
    return Frame(chance.randbytes(length), {
        "lso": chance.random() < 0.8,
        "header_bytes": chance.choice((0, 1, size, 255, min(255, length), chance.randrange(256))),
        "mss": chance.choice((0, 1, size - 1, size, 2 ** 14 - 1, chance.randrange(2 ** 14)))})


def short(chance, width):
    """A frame of one or two beats, mostly with as many sums."""
    size = width // 8
    header = chance.randrange(size)
    return Frame(chance.randbytes(chance.choice((
        header + 1, size, size + header + 1, 2 * size, chance.randrange(header + 1, 2 * size)))),
        {"lso": 1, "header_bytes": header, "mss": chance.choice((size, size + 1))})


def mixed(chance, width, count=150):
    makers = (super_frame, super_frame, hostile, short)
    frames = [chance.choice(makers)(chance, width) for _ in range(count)]
    frames += [super_frame(chance, width, segments, width // 8 + chance.randrange(2))
               for segments in (SUMMED_SEGMENTS - 1, SUMMED_SEGMENTS, SUMMED_SEGMENTS + 1, 200)]
    chance.shuffle(frames)
    return frames


class Watch:
    """Records the sums and covers that come, and how many sums come without room."""

    def __init__(self, dut, ports, frames):
        self.sums, self.covers, self.late = [], [], []
        self._clk = dut.clk
        self._ports = {name: ports.handle(name) for name in (
            "sum__valid", "sum__payload", "cover__valid", "cover__payload", "room")}
        self._frames = frames
        start_soon(self._record())

    async def _record(self):
        closed = 0
        fresh = []
        while True:
            await RisingEdge(self._clk)
            value = {name: int(port.value) for name, port in self._ports.items()}
            closed = 0 if value["room"] else closed + 1
            if value["sum__valid"]:
                fresh.append(value["sum__payload"])
                if closed > UNDER_WAY:
                    self.late.append(value["sum__payload"])
            if value["cover__valid"]:
                self.covers.append(unpack(SumCover, value["cover__payload"]))
                self.sums.append(fresh)
                fresh = []


async def play(dut, width, frames, *, idle=0.0, cramped=0.0):
    """Drive the frames; ``cramped`` is the part of the clocks in which there is no room."""
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    ports = Ports(dut, width)
    valid, payload, places, room = (
        ports.handle(name) for name in ("i__valid", "i__payload", "places", "room"))
    watch = Watch(dut, ports, frames)
    room.value = 1
    stretch = 0
    for frame in frames:
        for word in to_beats(width, frame.data, chance):
            while True:
                if cramped and not stretch:
                    stretch = chance.randrange(1, 30)
                    room.value = chance.random() >= cramped
                stretch -= stretch > 0
                waits = chance.random() < idle
                valid.value = not waits
                payload.value = chance.getrandbits(len(payload)) if waits else word
                places.value = (chance.getrandbits(SegmentPlaces.size) if waits
                                else pack(SegmentPlaces, frame.places))
                await RisingEdge(dut.clk)
                if not waits:
                    break
    valid.value = 0
    await ClockCycles(dut.clk, IngressSums(width).latency + 2)
    assert len(watch.covers) == len(frames)
    assert not watch.late, "sums without room"
    return watch


def check(width, frames, watch, most=SUMMED_SEGMENTS):
    """Check that each cover tells how many sums came, and that they are those of the frame."""
    wanted = [frame.sums(width) for frame in frames]
    check_items([(cover["segments"], cover["whole"]) for cover in watch.covers],
                [(min(len(sums), most), 0 < len(sums) <= most) for sums in wanted], width=width)
    check_items(watch.sums, [sums[:most] for sums in wanted], width=width)


@cocotb.test()
@cocotb.parametrize(width=bench_widths(), idle=(0, 0.3))
async def the_first_segments_of_frames_of_all_kinds_are_summed(dut, width, idle):
    frames = mixed(random.Random(cocotb.RANDOM_SEED), width)
    check(width, frames, await play(dut, width, frames, idle=idle))


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def frames_of_a_beat_or_two_have_sums_every_clock(dut, width):
    chance = random.Random(cocotb.RANDOM_SEED)
    frames = [short(chance, width) for _ in range(400)]
    check(width, frames, await play(dut, width, frames))


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def every_border_of_a_segment_is_met(dut, width):
    """Segments begin at each byte of a beat, and frames end at each byte behind."""
    chance = random.Random(cocotb.RANDOM_SEED)
    size = width // 8
    frames = [Frame(chance.randbytes(header + mss + rest), {
        "lso": 1, "header_bytes": header, "mss": mss})
        for header in range(size) for mss in (size, size + 1)
        for rest in (0, 1, size - (header + mss) % size, size)]
    check(width, frames, await play(dut, width, frames))


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def without_room_the_rest_of_a_frame_has_no_sums(dut, width):
    frames = mixed(random.Random(cocotb.RANDOM_SEED), width)
    watch = await play(dut, width, frames, cramped=0.4)
    cut_short = 0
    for frame, cover, sums in zip(frames, watch.covers, watch.sums, strict=True):
        wanted = frame.sums(width)
        assert cover["segments"] == len(sums) and sums == wanted[:len(sums)]
        assert cover["whole"] == (0 < len(sums) == len(wanted))
        cut_short += len(sums) < min(len(wanted), SUMMED_SEGMENTS)
    assert 10 < cut_short < len(frames) - 10


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def the_longest_segment_keeps_its_carries(dut, width):
    chance = random.Random(cocotb.RANDOM_SEED)
    mss = 2 ** 14 - 1
    frames = [Frame(b"\xff" * (header + mss + mss), {
        "lso": 1, "header_bytes": header, "mss": mss}) for header in (54, 55)]
    frames.append(super_frame(chance, width))
    check(width, frames, await play(dut, width, frames))


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_cover_comes_after_its_latency(dut, width):
    """The frame before it has two segments that end in its last beat: that takes a clock more."""
    await start_clock_and_reset(dut)
    size, ports = width // 8, Ports(dut, width)
    valid, payload, places, cover = (
        ports.handle(name) for name in ("i__valid", "i__payload", "places", "cover__valid"))
    valid.value = 1
    places.value = pack(SegmentPlaces, {"lso": 1, "header_bytes": 2, "mss": size})
    seen = []
    for word in (*to_beats(width, bytes(size + 4)), to_beats(width, bytes(size))[0]):
        payload.value = word
        await RisingEdge(dut.clk)
    valid.value = 0
    for _ in range(IngressSums(width).latency + 3):
        await RisingEdge(dut.clk)
        seen.append(int(cover.value))
    latency = IngressSums(width).latency
    assert [clock for clock, value in enumerate(seen, 1) if value] == [latency - 1, latency]


@pytest.mark.quick
def test_segments_are_summed_in_short():
    simulate_quick(
        IngressSums(128), "the_first_segments_of_frames_of_all_kinds_are_summed/width=128/idle=0.3",
        "frames_of_a_beat_or_two_have_sums_every_clock",
        name="ingress_sums", module=__name__, width=128)


def test_ingress_sums():
    simulate_widths(IngressSums, name="ingress_sums", module=__name__, seed=1)


def test_ingress_sums_on_icarus():
    simulate_widths(IngressSums, name="ingress_sums", module=__name__, widths=[128],
                    simulator="icarus", seed=2)
