"""Text put back into its frame, against a replaced slice."""

import random

import cocotb
import pytest

from espnic.hdl.frame.text_restore import TextPlace, TextRestore
from espnic.model.interface.codes import FRAME_BYTES_MAX
from espnic.sim.agents.beats import pack, receive_packets, to_beats
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.quick import simulate_quick
from tests.support.text_places import lengths_and_offsets


def frames_and_texts(chance, width):
    """Frames, the offset of their text and the text; None for a frame that is to pass."""
    frames = []
    for length, offset in lengths_and_offsets(chance, width):
        behind = chance.choice((0, 0, 1, 12, chance.randrange(2 * width // 8)))
        frame = chance.randbytes(offset + length + behind)
        frames.append((frame, offset, chance.randbytes(length)))
        if chance.random() < 1 / 4:
            frames.append((chance.randbytes(chance.randrange(1, 100)), offset, None))
    # The block does not count the beats of frames as long as these to their end.
    frames += [(chance.randbytes(FRAME_BYTES_MAX), offset, chance.randbytes(length))
               for offset, length in ((50, 40), (50, 9500), (98, 9500))]
    return frames


async def restore(dut, width, frames, *, idle=0.0, stall=0.0):
    noise = random.Random(cocotb.RANDOM_SEED)
    ports = Ports(dut, width, idle=idle, stall=stall)
    source, places, texts = ports.source("i"), ports.source("place"), ports.source("text")
    sink = ports.sink("o")
    for frame, offset, text in frames:
        source.send(*to_beats(width, frame, noise))
        places.send(pack(TextPlace, {"enable": text is not None, "offset": offset}))
        if text is not None:
            texts.send(*to_beats(width, text, noise))
    restored = await receive_packets(sink, width, len(frames))
    await texts.drained()
    return restored


def expected(frames):
    return [frame if text is None else frame[:offset] + text + frame[offset + len(text):]
            for frame, offset, text in frames]


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def text_of_any_length_replaces_what_is_at_its_offset(dut, width):
    await start_clock_and_reset(dut)
    frames = frames_and_texts(random.Random(cocotb.RANDOM_SEED), width)
    restored = await restore(dut, width, frames, idle=0.3, stall=0.3)
    check_items(restored, expected(frames), width=width)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_beat_goes_every_clock(dut, width):
    await start_clock_and_reset(dut)
    frames = frames_and_texts(random.Random(cocotb.RANDOM_SEED), width)
    start = Ports(dut, width).clock
    check_items(await restore(dut, width, frames), expected(frames), width=width)
    beats = sum(len(to_beats(width, frame)) for frame, _, _ in frames)
    assert Ports(dut, width).clock - start <= beats + 3


@pytest.mark.quick
def test_text_is_restored_in_short():
    simulate_quick(
        TextRestore(128), "text_of_any_length_replaces_what_is_at_its_offset",
        name="text_restore", module=__name__, width=128)


def test_text_is_restored():
    simulate_widths(TextRestore, name="text_restore", module=__name__, seed=1)
