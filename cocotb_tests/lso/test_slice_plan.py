"""Pieces of super-frames, against the bounds of their slices and beats."""

import random

import cocotb
import pytest

from espnic.hdl.lso.slice_plan import SlicePlan, SlicerRequest, slice_piece
from espnic.sim.agents.beats import pack
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.quick import simulate_quick


def random_requests(chance, width):
    """Slices of 1 byte to several beats, from one to many of a payload."""
    beat_bytes = width // 8
    requests = [(255, 2**14 - 1, 2**16), (0, 1, 1), (254, 9000, 8999)]
    for _ in range(300):
        mss = chance.choice((1, 2, beat_bytes - 1, beat_bytes, beat_bytes + 1,
                             chance.randrange(1, 3 * beat_bytes), 1448))
        slices = chance.randrange(1, 8)
        requests.append((chance.randrange(256), mss,
                         max(1, slices * mss - chance.choice((0, chance.randrange(mss))))))
    chance.shuffle(requests)
    return requests


def pieces(width, request):
    """Pieces that the beats of a frame become, in order."""
    header, mss, size = request
    beat_bytes = width // 8
    result = [{"gives": 0, "ends": 0, "crosses": 0, "uses_up": 1}] * (header // beat_bytes)
    for start in range(0, size, mss):
        slice_end = min(start + mss, size)
        for place in range(start, slice_end, beat_bytes):
            count = min(beat_bytes, slice_end - place)
            offset = (header + place) % beat_bytes
            result.append({
                "gives": 1, "ends": place + count == size, "offset": offset, "count": count,
                "crosses": offset + count > beat_bytes, "uses_up": offset + count >= beat_bytes,
                "first": place == start, "last": place + count == slice_end,
            })
    return result


async def check(dut, width, idle, stall):
    """Compare the pieces of random requests; return their number and the clocks."""
    await start_clock_and_reset(dut)
    ports = Ports(dut, width, idle=idle, stall=stall)
    source, sink = ports.source("request"), ports.sink("o")
    requests = random_requests(random.Random(cocotb.RANDOM_SEED), width)
    wanted = [piece for request in requests for piece in pieces(width, request)]
    start = ports.clock
    for header, mss, size in requests:
        source.send(pack(SlicerRequest, {"header_bytes": header, "mss": mss, "bytes": size}))
    words = await sink.receive(len(wanted))
    clocks = ports.clock - start
    check_items(words, wanted, width=width, layout=slice_piece(width))
    return len(wanted), clocks


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def payloads_are_divided_into_slices_and_beats(dut, width):
    await check(dut, width, idle=0.3, stall=0.3)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_piece_comes_every_clock(dut, width):
    count, clocks = await check(dut, width, idle=0, stall=0)
    assert clocks <= count + 4


@pytest.mark.quick
def test_slices_are_planned_in_short():
    simulate_quick(
        SlicePlan(128), "payloads_are_divided_into_slices_and_beats",
        name="slice_plan", module=__name__, width=128)


def test_plan():
    simulate_widths(SlicePlan, name="slice_plan", module=__name__, seed=1)


def test_plan_on_icarus():
    simulate_widths(SlicePlan, name="slice_plan", module=__name__, widths=[128],
                    simulator="icarus", seed=2)
