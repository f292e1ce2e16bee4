"""The gate between frames, and the count of the frames after it."""

import random

import cocotb
import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.hdl.flow.frame_gate import FrameGate
from espnic.hdl.flow.frame_ingress import axi_beat
from espnic.hdl.flow.frames_inside import FramesInside
from espnic.hdl.flow.queue import Queue
from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.differences import check_items
from tests.support.quick import simulate_quick

BEAT = axi_beat(8, 0)
LAST = 1 << BEAT["tlast"].offset
DEPTH = 300
"""Frames that wait after the gate: more than 8 bits can count."""


class GatedQueue(wiring.Component):
    """A queue after a gate, whose frames are counted; each is judged as it begins."""

    def __init__(self):
        super().__init__({
            "i": In(stream.Signature(BEAT)),
            "o": Out(stream.Signature(BEAT)),
            "stop": In(1),
            "stopped": Out(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.gate = gate = FrameGate(BEAT)
        m.submodules.queue = queue = Queue(BEAT, DEPTH)
        m.submodules.inside = inside = FramesInside()
        wiring.connect(m, wiring.flipped(self.i), gate.i)
        wiring.connect(m, gate.o, queue.i)
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        m.d.comb += [
            gate.stop.eq(self.stop),
            self.stopped.eq(gate.stopped),
            inside.began.eq(gate.began),
            inside.judged.eq(gate.began),
            inside.leaves.eq(gate.began),
            inside.left.eq(self.o.valid & self.o.ready & self.o.payload.tlast),
            self.idle.eq(inside.idle),
        ]
        return m


def frame(chance: random.Random) -> list[int]:
    beats = chance.choice([1, 1, 2, 5])
    return [chance.getrandbits(8) | (LAST if place == beats - 1 else 0)
            for place in range(beats)]


async def wait_for(dut, port) -> None:
    for _ in range(500):
        await RisingEdge(dut.clk)
        if int(port.value):
            return
    raise AssertionError(f"{port._name} stays 0")


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.4], stall=[0.0, 0.4])
async def it_stops_between_frames_and_goes_on_without_loss(dut, idle, stall):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    source = StreamSource(dut, "i", seed=cocotb.RANDOM_SEED, idle=idle)
    sink = StreamSink(dut, "o", seed=cocotb.RANDOM_SEED, stall=stall)
    beats = [beat for _ in range(400) for beat in frame(chance)]
    source.send(*beats)
    came = 0
    for _ in range(20):
        dut.stop.value = 1
        await wait_for(dut, dut.stopped)
        await ClockCycles(dut.clk, 2)
        await wait_for(dut, dut.idle)
        came = len(sink.items)
        assert not came or sink.items[-1] & LAST, "stopped and idle within a frame"
        await ClockCycles(dut.clk, chance.randrange(1, 20))
        assert len(sink.items) == came and int(dut.idle.value)
        dut.stop.value = 0
        await ClockCycles(dut.clk, chance.randrange(1, 20))
    assert 0 < came < len(beats)
    check_items(await sink.receive(len(beats)), beats, layout=BEAT)
    await ClockCycles(dut.clk, 2)
    assert int(dut.idle.value)


@cocotb.test()
async def it_is_not_idle_while_a_frame_waits_inside(dut):
    await start_clock_and_reset(dut)
    source = StreamSource(dut, "i")
    source.send(1, 2 | LAST)
    await source.drained()
    dut.stop.value = 1
    await ClockCycles(dut.clk, 10)
    assert int(dut.stopped.value) and not int(dut.idle.value)
    sink = StreamSink(dut, "o")
    check_items(await sink.receive(2), [1, 2 | LAST], layout=BEAT)
    await ClockCycles(dut.clk, 2)
    assert int(dut.idle.value)


@cocotb.test()
async def it_is_not_idle_however_many_frames_wait_inside(dut):
    await start_clock_and_reset(dut)
    source = StreamSource(dut, "i")
    source.send(*([LAST] * DEPTH))
    await ClockCycles(dut.clk, 4)
    for _ in range(DEPTH + 10):
        await RisingEdge(dut.clk)
        assert not int(dut.idle.value), "idle with frames inside"
    sink = StreamSink(dut, "o")
    check_items(await sink.receive(DEPTH), [LAST] * DEPTH, layout=BEAT)
    await ClockCycles(dut.clk, 2)
    assert int(dut.idle.value)


@cocotb.test()
async def a_beat_offered_stays_when_the_stop_comes(dut):
    """The queue is full when the stop comes: valid may not fall."""
    await start_clock_and_reset(dut)
    source = StreamSource(dut, "i")
    beats = [number % 256 | LAST for number in range(DEPTH + 2)]
    source.send(*beats)
    await ClockCycles(dut.clk, DEPTH + 10)
    dut.stop.value = 1
    await ClockCycles(dut.clk, 5)
    assert not int(dut.stopped.value)
    sink = StreamSink(dut, "o")
    await wait_for(dut, dut.stopped)
    await ClockCycles(dut.clk, DEPTH + 10)
    assert len(sink.items) == DEPTH + 1
    dut.stop.value = 0
    check_items(await sink.receive(DEPTH + 2), beats, layout=BEAT)


@pytest.mark.quick
def test_frames_are_gated_in_short():
    simulate_quick(
        GatedQueue(),
        "it_is_not_idle_while_a_frame_waits_inside",
        "a_beat_offered_stays_when_the_stop_comes",
        name="gated_queue", module=__name__)


def test_frame_gate():
    simulate(GatedQueue(), name="gated_queue", module=__name__, seed=4)
