"""The number of the last segment of super-frames, against the rule for it."""

import random

import cocotb
import pytest

from espnic.hdl.tx.segment_count import Cutting, SegmentCount
from espnic.model.device import segment
from espnic.model.interface.codes import FRAME_BYTES_MAX, SUPER_FRAME_BYTES_MAX
from espnic.sim.agents.beats import pack
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.quick import simulate_quick

HEADER_BYTES = 54
FULL = (SUPER_FRAME_BYTES_MAX - HEADER_BYTES, FRAME_BYTES_MAX - HEADER_BYTES)


def cuttings(chance):
    """Bytes of payload and of a segment: all near a whole number of segments, and any."""
    cases = [(payload, mss) for payload in (1, 2, FULL[0] - 1, FULL[0])
             for mss in (1, 2, 3, payload, FULL[1] - 1, FULL[1]) if mss <= FULL[1]]
    for _ in range(2000):
        mss = chance.choice((1, 536, 1448, chance.randrange(1, FULL[1] + 1)))
        whole = mss * chance.randrange(1, FULL[0] // mss + 1) + chance.choice((-1, 0, 1))
        cases += [(min(max(whole, 1), FULL[0]), mss), (chance.randrange(1, FULL[0] + 1), mss)]
    chance.shuffle(cases)
    return cases


async def check(dut, width, idle):
    await start_clock_and_reset(dut)
    cases = cuttings(random.Random(cocotb.RANDOM_SEED))
    ports = Ports(dut, width, idle=idle)
    source, sink = ports.source("i"), ports.sink("o")
    start = ports.clock
    source.send(*(pack(Cutting, {"payload_bytes": payload, "mss": mss}) for payload, mss in cases))
    wanted = [
        segment.count({"header_bytes": HEADER_BYTES, "mss": mss}, HEADER_BYTES + payload) - 1
        for payload, mss in cases]
    check_items(await sink.receive(len(cases)), wanted, width=width)
    return ports.clock - start - len(cases)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def segments_are_counted_with_one_super_frame_each_clock(dut, width):
    assert await check(dut, width, idle=0) <= SegmentCount.latency + 2


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def segments_are_counted_with_gaps(dut, width):
    await check(dut, width, idle=0.4)


@pytest.mark.quick
def test_segments_are_counted_in_short():
    simulate_quick(
        SegmentCount(), "segments_are_counted_with_one_super_frame_each_clock",
        name="segment_count", module=__name__, width=128)


def test_segments_are_counted():
    simulate_widths(
        lambda _: SegmentCount(), name="segment_count", module=__name__, widths=[128], seed=1)
