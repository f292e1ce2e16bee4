"""The segment path: super-frames cut, headers written, frames in between untouched."""

import random

import cocotb
import pytest
from cocotb import start_soon
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.hdl.layouts import beat
from espnic.hdl.lso.segment_path import SLICES, SegmentCut, SegmentOrder, SegmentPath
from espnic.hdl.lso.segment_sums import SliceSum
from espnic.hdl.lso.segmenter import PATCHES
from espnic.model.net import checksum
from espnic.sim.agents.beats import pack, receive_packets, to_beats, to_packets
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.quick import simulate_quick
from tests.support.widths import NARROW_AND_WIDE

PATCH_BITS = SegmentOrder["patches"].width // PATCHES


class Frame:
    """A frame that passes, or is cut into slices of ``mss`` bytes after its header."""

    def __init__(self, chance, kind, count=None):
        self.edited = chance.randrange(2)
        self.mss = None
        if kind == "whole":
            self.data = chance.randbytes(chance.choice((60, chance.randrange(2, 1500))))
            self.slices = []
            return
        self.header = chance.randbytes(4 * chance.randrange(8, 60) + 2)
        self.mss = {"tiny": chance.randrange(1, 20), "middle": chance.randrange(100, 1500),
                    "long": chance.randrange(8900, 9500)}[kind]
        count = chance.randrange(1, 40 if kind == "tiny" else 7) if count is None else count
        payload = chance.randbytes((count - 1) * self.mss + chance.randrange(1, self.mss + 1))
        self.slices = [payload[at:at + self.mss] for at in range(0, len(payload), self.mss)]
        self.data = self.header + payload

    def cut(self):
        if self.mss is None:
            return pack(SegmentCut, {"enable": 0})
        return pack(SegmentCut, {"enable": 1, "slicer": {
            "header_bytes": len(self.header), "mss": self.mss,
            "bytes": len(self.data) - len(self.header)}})

    def leaving(self, chance):
        """Each frame that is to leave, with its order: a word of the header is overwritten."""
        bodies = [self.header + one for one in self.slices] or [self.data]
        for index, frame in enumerate(bodies):
            word = chance.randrange(min(len(frame), 100) // 2)
            value = chance.getrandbits(16)
            changed = bytearray(frame)
            changed[2 * word:2 * word + 2] = value.to_bytes(2, "big")
            patch = pack(SegmentOrder["patches"].shape.elem_shape,
                         {"enable": 1, "word": word, "value": value})
            yield bytes(changed), pack(SegmentOrder, {
                "again": index > 0, "edited": self.edited,
                "payload": {"enable": self.mss is not None,
                            "offset": len(self.header) if self.mss else 0},
                "patches": patch << PATCH_BITS * chance.randrange(PATCHES)})


async def check(dut, width, frames, *, idle=0.0, stall=0.0, late=0):
    """Run the frames through; for ``late`` clocks no sum is taken and no order given."""
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    ports = Ports(dut, width, idle=idle, stall=stall)
    beats, cuts, orders = (ports.source(name) for name in ("i", "cut", "order"))
    leaving = [one for frame in frames for one in frame.leaving(chance)]
    marks = [frame.edited for frame in frames for _ in frame.slices or [0]]
    for frame in frames:
        beats.send(*to_beats(width, frame.data, chance))
        cuts.send(frame.cut())
    if late:
        await ClockCycles(dut.clk, late)
    out, sums, edited = (ports.sink(name) for name in ("o", "slice_sum", "edited"))
    orders.send(*(order for _, order in leaving))
    left = await receive_packets(out, width, len(leaving))
    check_items(left, [data for data, _ in leaving], port="o", width=width)
    expected = [
        pack(SliceSum, {"sum": checksum.total(one), "ends": number == len(frame.slices)})
        for frame in frames for number, one in enumerate(frame.slices, 1)]
    check_items(await sums.receive(len(expected)), expected, port="slice_sum", width=width)
    marked = [data for (data, _), mark in zip(leaving, marks, strict=True) if mark]
    check_items(to_packets(width, edited.items), marked, port="edited", width=width)


@cocotb.test()
@cocotb.parametrize(width=bench_widths(), gaps=[(0.0, 0.0), (0.2, 0.2), (0.0, 0.6)])
async def segments_and_whole_frames_leave_in_order(dut, width, gaps):
    chance = random.Random(cocotb.RANDOM_SEED)
    kinds = ["long", "tiny", "whole", "middle", "whole", "tiny", "long", "middle", "long", "whole"]
    frames = [Frame(chance, kind) for kind in kinds]
    idle, stall = gaps
    await check(dut, width, frames, idle=idle, stall=stall)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def segments_leave_without_gaps(dut, width):
    """All orders are there before the payloads have been cut, as if they were summed at ingress."""
    chance = random.Random(cocotb.RANDOM_SEED)
    kinds = [chance.choice(("long", "middle", "middle", "whole")) for _ in range(25)]
    gaps = Gaps(dut, width)
    await check(dut, width, [Frame(chance, kind) for kind in kinds])
    assert gaps.frames > len(kinds) and not gaps.clocks


class Gaps:
    """Counts the clocks in which a frame that has begun to leave does not go on."""

    def __init__(self, dut, width):
        self.frames = self.clocks = 0
        self._clk, self._last = dut.clk, beat(width)["last"].offset
        ports = Ports(dut, width)
        self._valid, self._payload = ports.handle("o__valid"), ports.handle("o__payload")
        start_soon(self._count())

    async def _count(self):
        within = False
        while True:
            await RisingEdge(self._clk)
            valid = self._valid.value.is_resolvable and int(self._valid.value)
            self.clocks += within and not valid
            if valid:
                within = not int(self._payload.value) >> self._last & 1
                self.frames += not within


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def no_sum_is_lost_of_more_slices_than_may_wait(dut, width):
    chance = random.Random(cocotb.RANDOM_SEED)
    frames = [Frame(chance, "tiny", count) for count in (2 * SLICES, SLICES + 1)]
    await check(dut, width, frames, late=10 * SLICES)


@pytest.mark.quick
def test_frames_are_cut_in_short():
    simulate_quick(
        SegmentPath(128), "segments_and_whole_frames_leave_in_order/width=128/gaps=1",
        "segments_leave_without_gaps", name="segment_path", module=__name__, width=128)


def test_segment_path():
    simulate_widths(
        SegmentPath, name="segment_path", module=__name__, widths=NARROW_AND_WIDE, seed=1)
