"""The header splitter against slices of the frame."""

import random

import cocotb
import pytest
from cocotb.triggers import ClockCycles

from espnic.hdl.frame.header_split import HeaderSplit
from espnic.hdl.frame.text_restore import TextPlace
from espnic.model.interface.codes import FRAME_BYTES_MAX
from espnic.sim.agents.beats import pack, receive_packets, to_beats
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.quick import simulate_quick


def random_frames(chance, width, count):
    """Frames and where their text starts, None for a frame without text."""
    frames = []
    for _ in range(count):
        frame = chance.randbytes(chance.randrange(1, 3 * width // 8 + 100))
        offsets = range(50, min(len(frame), 100) + 1, 4)
        with_text = offsets and chance.random() < 0.8
        frames.append((frame, chance.choice(offsets) if with_text else None))
    return frames


def every_boundary(chance, width):
    """Text at every offset, from 0 bytes of it to a beat and more."""
    return [(chance.randbytes(offset + text), offset)
            for offset in range(50, 100, 4) for text in (0, 1, 4, width // 8, width // 8 + 3)]


def long_frames(chance):
    """The block does not count the beats of frames as long as these to their end."""
    return [(chance.randbytes(FRAME_BYTES_MAX), offset) for offset in (50, None, 98)]


async def split(dut, width, frames, *, idle=0.0, stall=0.0):
    """Both outputs for a list of frames."""
    noise = random.Random(cocotb.RANDOM_SEED)
    ports = Ports(dut, width, idle=idle, stall=stall)
    source, places = ports.source("i"), ports.source("place")
    headers, texts = ports.sink("headers"), ports.sink("text")
    for frame, offset in frames:
        source.send(*to_beats(width, frame, noise))
        places.send(pack(TextPlace, {"enable": offset is not None, "offset": offset or 0}))
    with_text = sum(offset is not None for _, offset in frames)
    return (await receive_packets(headers, width, len(frames)),
            await receive_packets(texts, width, with_text))


async def check(dut, width, frames, **gaps):
    headers, texts = await split(dut, width, frames, **gaps)
    check_items(headers, [frame[:offset] for frame, offset in frames], port="headers", width=width)
    check_items(texts, [frame for frame, offset in frames if offset is not None],
                port="text", width=width)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def headers_and_text_part_at_every_offset(dut, width):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    frames = [*every_boundary(chance, width), *long_frames(chance),
              *random_frames(chance, width, 150)]
    await check(dut, width, frames, idle=0.3, stall=0.3)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_beat_goes_every_clock(dut, width):
    await start_clock_and_reset(dut)
    frames = random_frames(random.Random(cocotb.RANDOM_SEED), width, 100)
    start = Ports(dut, width).clock
    await check(dut, width, frames)
    beats = sum(len(to_beats(width, frame)) for frame, _ in frames)
    assert Ports(dut, width).clock - start <= beats + 3


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def no_output_waits_for_ready(dut, width):
    await start_clock_and_reset(dut)
    ports = Ports(dut, width)
    ports.source("i").send(*to_beats(width, bytes(64)))
    ports.source("place").send(pack(TextPlace, {"enable": 1, "offset": 50}))
    await ClockCycles(dut.clk, 4)
    assert int(ports.handle("headers__valid").value)
    assert int(ports.handle("text__valid").value)


@pytest.mark.quick
def test_headers_and_text_part_in_short():
    simulate_quick(
        HeaderSplit(128), "headers_and_text_part_at_every_offset",
        name="header_split", module=__name__, width=128)


def test_headers_and_text_part():
    simulate_widths(HeaderSplit, name="header_split", module=__name__, seed=1)
