"""The sum of chosen bytes, against the definition of RFC 1071 in whole numbers."""

import random

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from espnic.hdl.flow.ones_sum import OnesSum, chosen_bytes
from espnic.sim.agents.beats import pack
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.quick import simulate_quick
from tests.support.rfc1071 import ones_sum


def random_packets(chance, width):
    """Packets as beats of (bytes, bytes that count): all kept, few, none, all FFh, all 0."""
    size = width // 8
    packets = []
    for _ in range(120):
        fill = chance.choice((chance.randbytes, lambda count: b"\xff" * count, bytes))
        kept = chance.choice((0.0, 0.05, 0.5, 1.0))
        beats = []
        for _ in range(chance.choice((1, 1, 2, 3, chance.randrange(1, 30)))):
            beats.append((fill(size), [chance.random() < kept for _ in range(size)]))
        packets.append(beats)
    return packets


def expected(packet):
    return ones_sum(bytes(octet if keep else 0 for octets, keeps in packet
                          for octet, keep in zip(octets, keeps, strict=True)))


def to_words(width, packet):
    return [pack(chosen_bytes(width), {
        "data": int.from_bytes(octets, "little"),
        "keep": sum(keep << place for place, keep in enumerate(keeps)),
        "last": number == len(packet) - 1,
    }) for number, (octets, keeps) in enumerate(packet)]


async def check(dut, width, packets, idle):
    ports = Ports(dut, width, idle=idle)
    source, sink = ports.source("i"), ports.sink("o")
    for packet in packets:
        source.send(*to_words(width, packet))
    sums = await sink.receive(len(packets))
    check_items(sums, map(expected, packets), width=width)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def packets_with_gaps_have_their_sums(dut, width):
    await start_clock_and_reset(dut)
    await check(dut, width, random_packets(random.Random(cocotb.RANDOM_SEED), width), idle=0.3)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def packets_back_to_back_have_their_sums(dut, width):
    await start_clock_and_reset(dut)
    await check(dut, width, random_packets(random.Random(cocotb.RANDOM_SEED), width), idle=0)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def the_largest_sum_keeps_its_carries(dut, width):
    await start_clock_and_reset(dut)
    beat_of_ones = (b"\xff" * (width // 8), [True] * (width // 8))
    packets = [[beat_of_ones] * (2**17 * 8 // width), [beat_of_ones]]
    packets[0][0] = (b"\xff\xfe" + beat_of_ones[0][2:], beat_of_ones[1])
    await check(dut, width, packets, idle=0)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_sum_comes_after_its_latency(dut, width):
    await start_clock_and_reset(dut)
    valid, sum_valid = (Ports(dut, width).handle(name) for name in ("i__valid", "o__valid"))
    Ports(dut, width).handle("i__payload").value = to_words(
        width, [(bytes(width // 8), [True] * (width // 8))])[0]
    valid.value = 1
    seen = []
    for _ in range(OnesSum.latency + 3):
        await RisingEdge(dut.clk)
        valid.value = 0
        seen.append(int(sum_valid.value))
    # The first edge takes the beat; values are those right before an edge.
    assert [clock for clock, value in enumerate(seen) if value] == [OnesSum.latency]


@pytest.mark.quick
def test_sums_in_short():
    simulate_quick(
        OnesSum(128), "packets_back_to_back_have_their_sums",
        name="ones_sum", module=__name__, width=128)


def test_sums():
    simulate_widths(OnesSum, name="ones_sum", module=__name__, seed=1)


def test_sums_on_icarus():
    simulate_widths(OnesSum, name="ones_sum", module=__name__, widths=[128],
                    simulator="icarus", seed=2)
