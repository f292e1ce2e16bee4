"""Frames that pass and frames repeated, against the list of them."""

import random

import cocotb
import pytest

from espnic.hdl.layouts import beat
from espnic.hdl.lso.header_replay import REPLAYED_BYTES, HeaderReplay
from espnic.sim.agents.beats import receive_packets, to_beats, valid_part
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.quick import simulate_quick


def random_frames(chance, width):
    """Frames with the number of times that each leaves; the long ones once."""
    size = width // 8
    lengths = [1, 42, size, size + 1, 2 * size, 2 * size - 1, REPLAYED_BYTES - 1, REPLAYED_BYTES]
    cases = [(chance.randbytes(chance.choice(lengths)), chance.choice((1, 1, 2, 3, 9)))
             for _ in range(120)]
    cases += [(chance.randbytes(length), 3) for length in lengths]
    cases += [(chance.randbytes(length), 1) for length in (257, REPLAYED_BYTES + size, 3000)]
    chance.shuffle(cases)
    return cases


async def replay(dut, width, cases, *, idle=0.0, stall=0.0):
    """Frames that leave, and the clocks that they took."""
    noise = random.Random(cocotb.RANDOM_SEED)
    ports = Ports(dut, width, idle=idle, stall=stall)
    source, again = ports.source("i"), ports.source("again")
    sink = ports.sink("o", relevant=lambda word: valid_part(width, word))
    start = ports.clock
    for frame, times in cases:
        source.send(*to_beats(width, frame, noise))
        again.send(0, *[1] * (times - 1))
    frames = await receive_packets(sink, width, sum(times for _, times in cases))
    clocks = ports.clock - start
    await source.drained()
    await again.drained()
    return frames, clocks


def expected(cases):
    return [frame for frame, times in cases for _ in range(times)]


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def frames_leave_as_often_as_asked(dut, width):
    await start_clock_and_reset(dut)
    cases = random_frames(random.Random(cocotb.RANDOM_SEED), width)
    frames, _ = await replay(dut, width, cases, idle=0.3, stall=0.3)
    check_items(frames, expected(cases), width=width)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_beat_leaves_every_clock(dut, width):
    await start_clock_and_reset(dut)
    cases = random_frames(random.Random(cocotb.RANDOM_SEED), width)
    frames, clocks = await replay(dut, width, cases)
    check_items(frames, expected(cases), width=width)
    assert clocks <= sum(len(to_beats(width, frame)) for frame in frames) + 3


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_frame_leaves_before_its_end_has_come(dut, width):
    await start_clock_and_reset(dut)
    ports = Ports(dut, width)
    source, again, sink = ports.source("i"), ports.source("again"), ports.sink("o")
    beats = to_beats(width, random.Random(cocotb.RANDOM_SEED).randbytes(200))
    again.send(0)
    source.send(*beats[:-1])
    came = await sink.receive(len(beats) - 1, limit=100)
    check_items(came, beats[:-1], width=width, layout=beat(width))


@pytest.mark.quick
def test_headers_are_replayed_in_short():
    simulate_quick(
        HeaderReplay(128), "frames_leave_as_often_as_asked",
        name="header_replay", module=__name__, width=128)


def test_replay():
    simulate_widths(HeaderReplay, name="header_replay", module=__name__, seed=1)


def test_replay_on_icarus():
    simulate_widths(HeaderReplay, name="header_replay", module=__name__, widths=[128],
                    simulator="icarus", seed=2)
