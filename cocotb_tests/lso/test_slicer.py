"""Slices of payloads, against slices of the frame's bytes."""

import random

import cocotb
import pytest

from espnic.hdl.lso.slice_plan import SlicerRequest
from espnic.hdl.lso.slicer import Slicer
from espnic.sim.agents.beats import pack, receive_packets, to_beats
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.quick import simulate_quick


def random_case(chance, width, header=None, mss=None, size=None):
    """A frame and its request: header, slice and payload bytes."""
    beat_bytes = width // 8
    if header is None:
        header = chance.choice((42, 54, 66, 118, chance.randrange(256)))
    if mss is None:
        mss = chance.choice((1, 2, 3, beat_bytes - 1, beat_bytes, beat_bytes + 1,
                             chance.randrange(1, 3 * beat_bytes), 536, 1448))
    if size is None:
        slices = chance.choice((1, 2, chance.randrange(1, 12)))
        size = max(1, chance.choice((slices * mss, slices * mss - chance.randrange(mss))))
    behind = chance.choice((0, 0, 1, chance.randrange(3 * beat_bytes)))
    return chance.randbytes(header + size + behind), (header, mss, size)


def random_cases(chance, width):
    beat_bytes = width // 8
    cases = [random_case(chance, width) for _ in range(200)]
    # Every place of a slice's start against every end of a short payload.
    cases += [random_case(chance, width, header=header, mss=beat_bytes, size=size)
              for header in range(40, 40 + beat_bytes, max(1, beat_bytes // 16))
              for size in (1, beat_bytes - header % beat_bytes, beat_bytes, 2 * beat_bytes)]
    cases += [random_case(chance, width, header=0), random_case(chance, width, header=255)]
    cases += [random_case(chance, width, header=54, mss=1, size=3 * beat_bytes)]
    chance.shuffle(cases)
    return cases


def expected(frame, request):
    header, mss, size = request
    payload = frame[header:header + size]
    return [payload[start:start + mss] for start in range(0, size, mss)]


async def cut(dut, width, cases, *, idle=0.0, stall=0.0):
    """Slices that leave, and the clocks from the first request on."""
    noise = random.Random(cocotb.RANDOM_SEED)
    ports = Ports(dut, width, idle=idle, stall=stall)
    source, requests, sink = ports.source("i"), ports.source("request"), ports.sink("o")
    start = ports.clock
    for frame, (header, mss, size) in cases:
        source.send(*to_beats(width, frame, noise))
        requests.send(pack(SlicerRequest, {"header_bytes": header, "mss": mss, "bytes": size}))
    slices = await receive_packets(
        sink, width, sum(len(expected(*case)) for case in cases))
    clocks = ports.clock - start
    await source.drained()
    assert not sink.items, "more slices than cut"
    return slices, clocks


def all_expected(cases):
    return [piece for case in cases for piece in expected(*case)]


def given_without_input(width, request):
    """Output beats of a payload for which no new input beat is needed."""
    header, mss, size = request
    beat_bytes = width // 8
    position, spare = header % beat_bytes, 0
    while size:
        count = min(mss, size)
        for start in range(0, count, beat_bytes):
            position += min(beat_bytes, count - start)
            spare += position < beat_bytes
            position %= beat_bytes
        size -= count
    return spare


@cocotb.test()
@cocotb.parametrize(width=bench_widths(), gaps=((0.3, 0.3), (0.7, 0.0), (0.0, 0.7)))
async def slices_of_all_sizes_leave_from_every_place(dut, width, gaps):
    await start_clock_and_reset(dut)
    cases = random_cases(random.Random(cocotb.RANDOM_SEED), width)
    idle, stall = gaps
    slices, _ = await cut(dut, width, cases, idle=idle, stall=stall)
    check_items(slices, all_expected(cases), width=width)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def slices_of_one_byte_leave_one_a_clock(dut, width):
    await start_clock_and_reset(dut)
    case = random_case(random.Random(cocotb.RANDOM_SEED), width, header=54, mss=1, size=2000)
    slices, clocks = await cut(dut, width, [case])
    check_items(slices, expected(*case), width=width)
    assert clocks <= 2000 + 54 * 8 // width + LATENCY


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def slices_of_whole_beats_leave_one_beat_a_clock(dut, width):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    case = random_case(chance, width, header=54, mss=64 * 20, size=64 * 20 * 10)
    slices, clocks = await cut(dut, width, [case])
    check_items(slices, expected(*case), width=width)
    assert clocks <= 64 * 20 * 10 * 8 // width + 54 * 8 // width + LATENCY


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def every_clock_takes_a_beat_or_gives_one(dut, width):
    await start_clock_and_reset(dut)
    cases = random_cases(random.Random(cocotb.RANDOM_SEED), width)
    slices, clocks = await cut(dut, width, cases)
    check_items(slices, all_expected(cases), width=width)
    taken = sum(len(to_beats(width, frame)) for frame, _ in cases)
    spare = sum(given_without_input(width, request) for _, request in cases)
    assert clocks <= taken + spare + LATENCY


LATENCY = 8
"""Clocks that a run may take over its beats, its first and last included."""


@pytest.mark.quick
def test_payloads_are_sliced_in_short():
    simulate_quick(
        Slicer(128), "every_clock_takes_a_beat_or_gives_one",
        name="slicer", module=__name__, width=128)


def test_slices():
    simulate_widths(Slicer, name="slicer", module=__name__, seed=1)


def test_slices_on_icarus():
    simulate_widths(Slicer, name="slicer", module=__name__, widths=[128],
                    simulator="icarus", seed=2)
