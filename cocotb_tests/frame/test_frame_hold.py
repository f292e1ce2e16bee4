"""Frames with text leave a fixed time after their texts have begun, the others at once."""

import random

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from espnic.hdl.frame.frame_hold import FrameHold
from espnic.hdl.frame.text_restore import TextPlace
from espnic.sim.agents.beats import pack, unpack
from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.differences import check_items
from tests.support.quick import simulate_quick

CLOCKS = 5
DEPTH = 12
LIMIT_CLOCKS = 20_000


class Bench:
    """Begins texts, as many as are under way at most, and notes when frames leave."""

    def __init__(self, dut, idle=0.0, stall=0.0):
        self.dut = dut
        self.source = StreamSource(dut, "i", seed=cocotb.RANDOM_SEED, idle=idle)
        self.sink = StreamSink(dut, "o", seed=cocotb.RANDOM_SEED, stall=stall)
        self.clock = 0
        self.begun = []
        self.left = []

    async def tick(self, begin=0):
        """A clock, with the text of the next frame beginning or not."""
        assert self.clock < LIMIT_CLOCKS, f"{len(self.left)} frames have left, and no more do"
        dut = self.dut
        dut.begun.value = begin
        await RisingEdge(dut.clk)
        self.clock += 1
        if begin:
            self.begun.append(self.clock)
        if int(dut.o__valid.value) and int(dut.o__ready.value):
            self.left.append((self.clock, unpack(TextPlace, int(dut.o__payload.value))))


def frames(chance, count):
    return [{"enable": chance.randrange(2), "offset": chance.randrange(512)}
            for _ in range(count)]


@cocotb.test()
async def frames_leave_in_order_and_none_before_its_time(dut):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    bench = Bench(dut, idle=0.2, stall=0.3)
    sent = frames(chance, 300)
    bench.source.send(*(pack(TextPlace, place) for place in sent))
    texts = sum(place["enable"] for place in sent)
    while len(bench.left) < len(sent):
        under_way = len(bench.begun) - sum(place["enable"] for _, place in bench.left)
        begin = len(bench.begun) < texts and under_way < DEPTH and chance.random() < 0.4
        await bench.tick(int(begin))
    check_items([place for _, place in bench.left], sent)
    held = [clock for clock, place in bench.left if place["enable"]]
    after = [left - begun for begun, left in zip(bench.begun, held, strict=True)]
    assert min(after) >= CLOCKS, f"frame {after.index(min(after))} leaves after {min(after)} clocks"


@cocotb.test()
async def a_frame_leaves_in_the_first_clock_it_may(dut):
    await start_clock_and_reset(dut)
    bench = Bench(dut)
    for enable in (0, 1, 1, 0):
        bench.source.send(pack(TextPlace, {"enable": enable, "offset": 50}))
    while not bench.left:
        await bench.tick()
    for begin in (1, 1, *[0] * (CLOCKS + 3)):
        await bench.tick(begin)
    first, second = bench.begun
    assert [clock for clock, _ in bench.left[1:]] == [
        first + CLOCKS, second + CLOCKS, second + CLOCKS + 1]


@pytest.mark.quick
def test_frames_are_held_in_short():
    simulate_quick(
        FrameHold(CLOCKS, DEPTH),
        "frames_leave_in_order_and_none_before_its_time",
        "a_frame_leaves_in_the_first_clock_it_may",
        name="frame_hold", module=__name__)


def test_frames_are_held():
    simulate(FrameHold(CLOCKS, DEPTH), name="frame_hold", module=__name__, seed=1)


def test_no_time_is_refused():
    with pytest.raises(ValueError, match="clocks: 1, expected 2 or more"):
        FrameHold(1, DEPTH)
