"""Headers and text joined at every offset, against concatenation."""

import random

import cocotb
import pytest

from espnic.hdl.frame.frame_build import FrameBuild
from espnic.hdl.frame.text_restore import TextPlace
from espnic.sim.agents.beats import pack, receive_packets, to_beats
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.quick import simulate_quick
from tests.support.text_places import lengths_and_offsets


def parts(chance, width):
    """Headers and texts, None for a frame that has none and is in the headers whole."""
    frames = []
    for length, offset in lengths_and_offsets(chance, width):
        frames.append((chance.randbytes(offset), chance.randbytes(max(length, 1))))
        if chance.random() < 1 / 4:
            frames.append((chance.randbytes(chance.randrange(1, 150)), None))
    return frames


async def build(dut, width, frames, *, idle=0.0, stall=0.0):
    chance = random.Random(cocotb.RANDOM_SEED)
    ports = Ports(dut, width, idle=idle, stall=stall)
    headers, places, texts = ports.source("headers"), ports.source("place"), ports.source("text")
    sink = ports.sink("o")
    for header, text in frames:
        headers.send(*to_beats(width, header, chance))
        offset = chance.randrange(50, 270, 4) if text is None else len(header)
        places.send(pack(TextPlace, {"enable": text is not None, "offset": offset}))
        if text is not None:
            texts.send(*to_beats(width, text, chance))
    return await receive_packets(sink, width, len(frames))


def expected(frames):
    return [header + (text or b"") for header, text in frames]


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def text_of_any_length_follows_headers_of_any_length(dut, width):
    await start_clock_and_reset(dut)
    frames = parts(random.Random(cocotb.RANDOM_SEED), width)
    built = await build(dut, width, frames, idle=0.3, stall=0.3)
    check_items(built, expected(frames), width=width)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_beat_leaves_every_clock(dut, width):
    await start_clock_and_reset(dut)
    frames = parts(random.Random(cocotb.RANDOM_SEED), width)
    start = Ports(dut, width).clock
    check_items(await build(dut, width, frames), expected(frames), width=width)
    beats = sum(len(to_beats(width, frame)) for frame in expected(frames))
    assert Ports(dut, width).clock - start <= beats + 3


@pytest.mark.quick
def test_frames_are_built_in_short():
    simulate_quick(
        FrameBuild(128), "text_of_any_length_follows_headers_of_any_length",
        name="frame_build", module=__name__, width=128)


def test_frames_are_built():
    simulate_widths(FrameBuild, name="frame_build", module=__name__, seed=1)
