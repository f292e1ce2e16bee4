"""Judgements of TCP and UDP checksums against the model, for every kind of frame and mistake."""

import random
from collections import Counter

import cocotb
import pytest
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.hdl.rx.l4_check import L4Check
from espnic.model.device import receive_checksum
from espnic.model.interface.codes import (
    FRAME_BYTES_MAX,
    IPV4_HEADER_BYTES,
    IPV6_HEADER_BYTES,
    RxChecksum,
)
from espnic.model.net import checksum
from espnic.sim.agents.beats import to_beats
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.traffic.plain_frames import (
    TAGS,
    frame,
    frames_not_looked_at,
    good_frame,
    headers,
    ip_packet,
    l4_bit_wrong,
    layer4,
    one_bit_wrong,
    short_udp_frame,
)
from tests.support.differences import check_items
from tests.support.quick import simulate_quick

NONE, GOOD, BAD = RxChecksum.NONE, RxChecksum.GOOD, RxChecksum.BAD


def mixed_frames(chance, width):
    """Frames not looked at, good and bad frames of every length up to 3 beats, and long ones."""
    found = frames_not_looked_at(chance)
    assert set(expected(found)) == {NONE}
    for kind in headers():
        for payload_bytes in range(3 * width // 8):
            found.append(good_frame(chance, payload_bytes, kind=kind))
            found.append(one_bit_wrong(chance, good_frame(chance, payload_bytes)))
        for payload_bytes in range(1, width // 8, 3):
            found.append(l4_bit_wrong(chance, kind, payload_bytes))
    found += short_udp_frames(chance, width)
    for count in (1500, FRAME_BYTES_MAX - 1, FRAME_BYTES_MAX):
        good = good_frame(chance, count - 78, kind=headers()[-1], padding=b"")
        found += [good.ljust(count, b"\1"), one_bit_wrong(chance, good)]
    chance.shuffle(found)
    return found


def short_udp_frames(chance, width):
    """UDP that ends before its IP packet does, right and wrong; its end in every place of a beat,
    and in the last beat of the frame or before it."""
    found = []
    for payload_bytes in range(2 * width // 8):
        for behind in (1, chance.randrange(2, width // 4), width // 8):
            good = short_udp_frame(chance, payload_bytes, behind, tags=chance.choice(TAGS),
                                   cut=chance.choice((0, 0, 1, behind)))
            found += [good, one_bit_wrong(chance, good)]
    return found


def expected(frames):
    return [receive_checksum.status_as_it_came(one) for one in frames]


async def check(dut, width, frames, *, idle=0.0):
    chance = random.Random(cocotb.RANDOM_SEED)
    sink, source = (Ports(dut, width).sink("o"), Ports(dut, width, idle=idle).source("i"))
    for one in frames:
        source.send(*to_beats(width, one, chance))
    check_items(await sink.receive(len(frames)), expected(frames), width=width)
    await ClockCycles(dut.clk, L4Check.latency + 1)
    assert not sink.items, "more answers than frames"


@cocotb.test()
@cocotb.parametrize(width=bench_widths(), idle=[0.0, 0.3])
async def checksums_are_judged_as_in_the_model(dut, width, idle):
    await start_clock_and_reset(dut)
    frames = mixed_frames(random.Random(cocotb.RANDOM_SEED), width)
    count = Counter(expected(frames))
    assert min(count[status] for status in RxChecksum) > 100, count
    await check(dut, width, frames, idle=idle)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def any_wrong_bit_of_what_is_summed_is_found(dut, width):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    frames = [l4_bit_wrong(chance, kind, chance.randrange(2 * width // 8))
              for kind in headers() for _ in range(40)]
    assert set(expected(frames)) == {BAD}
    await check(dut, width, frames)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def udp_that_is_shorter_than_its_packet_is_judged_to_its_own_end(dut, width):
    await start_clock_and_reset(dut)
    frames = short_udp_frames(random.Random(cocotb.RANDOM_SEED), width)
    assert expected(frames[::2]).count(GOOD) == len(frames) // 2
    await check(dut, width, frames)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def sums_that_are_zero_are_told_from_those_that_are_not(dut, width):
    """A payload of zeros or of ones, and a checksum field of FFFFh or 0."""
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    frames = []
    for family, protocol, tags in headers():
        at = checksum.FIELD_AT[protocol]
        for filler in (b"\0", b"\xff"):
            good = ip_packet(chance, family, protocol, layer4(chance, protocol, 2)[:-2]
                             + 2 * filler)
            l4 = IPV4_HEADER_BYTES if family == 4 else IPV6_HEADER_BYTES
            # The last word takes what the field had, so that the field is a zero.
            value = int.from_bytes(good[l4 + at:l4 + at + 2], "big")
            last = checksum.add(value, int.from_bytes(2 * filler, "big"))
            for field in (b"\0\0", b"\xff\xff"):
                for off in (0, 1):
                    end = (last + off & 0xFFFF).to_bytes(2, "big")
                    packet = good[:l4 + at] + field + good[l4 + at + 2:-2] + end
                    frames.append(frame(family, packet, tags))
    assert set(expected(frames)) == set(RxChecksum)
    await check(dut, width, frames)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def an_answer_comes_in_the_stated_clocks_and_a_beat_goes_every_clock(dut, width):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    frames = [good_frame(chance, chance.randrange(width // 8), kind=headers()[0], padding=b"")
              for _ in range(200)]
    words = [word for one in frames for word in to_beats(width, one, chance)]
    sink, source = Ports(dut, width).sink("o"), Ports(dut, width).source("i")
    source.send(*words)
    while not int(Ports(dut, width).handle("i__valid").value):
        await RisingEdge(dut.clk)
    start = Ports(dut, width).clock
    check_items(await sink.receive(len(frames)), expected(frames), width=width)
    assert Ports(dut, width).clock - start == len(words) - 1 + L4Check.latency


@pytest.mark.quick
def test_checksums_are_judged_in_short():
    simulate_quick(
        L4Check(128), "sums_that_are_zero_are_told_from_those_that_are_not",
        name="l4_check", module=__name__, width=128)


def test_checksums_are_judged_as_in_the_model():
    simulate_widths(L4Check, name="l4_check", module=__name__, seed=1)
