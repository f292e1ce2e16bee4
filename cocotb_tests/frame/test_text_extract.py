"""Text moved to block boundaries, against slices of the frame."""

import random

import cocotb
import pytest

from espnic.hdl.frame.text_extract import TextExtract, TextSpan
from espnic.sim.agents.beats import pack, receive_packets, to_beats
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.quick import simulate_quick
from tests.support.text_places import FIRST_OFFSET, lengths_and_offsets


def frames_with_text(chance, width):
    """Frames, their spans and texts; every eighth has none."""
    frames = []
    for length, offset in lengths_and_offsets(chance, width):
        text = chance.randbytes(length)
        behind = chance.randbytes(chance.choice((0, 0, 1, 16, chance.randrange(2 * width // 8))))
        enable = chance.random() > 1 / 8
        frames.append((chance.randbytes(offset) + text + behind, (enable, offset, length)))
    return frames


def truncated_frames(chance, width):
    """Frames that end anywhere after the start of a text, each followed by a good one."""
    frames = []
    for end in range(FIRST_OFFSET, FIRST_OFFSET + 2 * width // 8):
        frames.append((chance.randbytes(end), (True, FIRST_OFFSET, 3 * width // 8)))
        frames.append((chance.randbytes(end + 8), (True, FIRST_OFFSET, end - FIRST_OFFSET)))
    return frames


async def extract(dut, width, frames, *, idle=0.0, stall=0.0):
    noise = random.Random(cocotb.RANDOM_SEED)
    ports = Ports(dut, width, idle=idle, stall=stall)
    source, spans, sink = ports.source("i"), ports.source("span"), ports.sink("o")
    for frame, (enable, offset, length) in frames:
        source.send(*to_beats(width, frame, noise))
        spans.send(pack(TextSpan, {"enable": enable, "offset": offset, "bytes": length}))
    texts = await receive_packets(sink, width, sum(enable for _, (enable, _, _) in frames))
    await source.drained()
    assert not sink.items, "more texts than frames with text"
    return texts


def expected(frames):
    return [frame[offset:offset + length] for frame, (enable, offset, length) in frames if enable]


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def texts_of_all_lengths_leave_from_every_offset(dut, width):
    await start_clock_and_reset(dut)
    frames = frames_with_text(random.Random(cocotb.RANDOM_SEED), width)
    texts = await extract(dut, width, frames, idle=0.3, stall=0.3)
    check_items(texts, expected(frames), width=width)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_frame_beat_goes_in_every_clock(dut, width):
    await start_clock_and_reset(dut)
    frames = frames_with_text(random.Random(cocotb.RANDOM_SEED), width)
    start = Ports(dut, width).clock
    check_items(await extract(dut, width, frames), expected(frames), width=width)
    beats = sum(len(to_beats(width, frame)) for frame, _ in frames)
    assert Ports(dut, width).clock - start <= beats + 4


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_truncated_frame_gives_what_there_is_and_spares_the_next(dut, width):
    await start_clock_and_reset(dut)
    frames = truncated_frames(random.Random(cocotb.RANDOM_SEED), width)
    texts = await extract(dut, width, frames, idle=0.2, stall=0.2)
    wanted = expected(frames)
    check_items([text[:len(begin)] for text, begin in zip(texts, wanted, strict=True)], wanted,
                width=width)
    for text, begin, (_, (_, _, length)) in zip(texts, wanted, frames, strict=True):
        assert len(text) <= length
        assert len(text) < len(begin) + 2 * width // 8


@pytest.mark.quick
def test_text_is_extracted_in_short():
    simulate_quick(
        TextExtract(128), "texts_of_all_lengths_leave_from_every_offset",
        name="text_extract", module=__name__, width=128)


def test_text_is_extracted():
    simulate_widths(TextExtract, name="text_extract", module=__name__, seed=1)


def test_text_is_extracted_on_icarus():
    simulate_widths(TextExtract, name="text_extract", module=__name__, widths=[128],
                    simulator="icarus", seed=2)
