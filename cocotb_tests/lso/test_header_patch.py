"""Words overwritten in frames, against the same done to their bytes."""

import random

import cocotb
import pytest

from espnic.hdl.lso.header_patch import HeaderPatch, header_patches
from espnic.sim.agents.beats import receive_packets, to_beats, valid_part
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.quick import simulate_quick

PATCHES = 12
WORDS = 256


def random_patches(chance, length):
    """Up to 12 of (word, value), in and after a frame of ``length`` bytes."""
    near = list(range(min(WORDS, length // 2 + 3)))
    words = chance.sample(near, min(len(near), chance.choice((0, 1, 5, PATCHES))))
    return [(word, chance.getrandbits(16)) for word in words]


def random_cases(chance, width):
    size = width // 8
    lengths = [1, 2, 54, size - 1, size, size + 1, 200, 512, 513, 2000]
    cases = [(chance.randbytes(length), random_patches(chance, length))
             for length in (*lengths, *chance.choices(lengths, k=100))]
    # Each word once.
    cases += [(chance.randbytes(600), [(word + step, chance.getrandbits(16))
                                       for step in range(min(PATCHES, WORDS - word))])
              for word in range(0, WORDS, PATCHES)]
    chance.shuffle(cases)
    return cases


def patched(frame, patches):
    padded = bytearray(frame.ljust(2 * WORDS + 2))
    for word, value in patches:
        padded[2 * word:2 * word + 2] = value.to_bytes(2, "big")
    return bytes(padded[:len(frame)])


def to_patch(chance, patches):
    """The packed patches, each in a random place; the places without are noise."""
    layout = header_patches(PATCHES)
    fields = layout.elem_shape
    places = chance.sample(range(PATCHES), len(patches))
    entries = [chance.getrandbits(layout.size) & ~(1 << fields["enable"].offset)
               & ((1 << fields.size) - 1) for _ in range(PATCHES)]
    for place, (word, value) in zip(places, patches, strict=True):
        entries[place] = (1 << fields["enable"].offset | word << fields["word"].offset
                          | value << fields["value"].offset)
    return sum(entry << place * fields.size for place, entry in enumerate(entries))


async def patch(dut, width, cases, *, idle=0.0, stall=0.0):
    """Frames that leave, and the clocks that they took."""
    noise = random.Random(cocotb.RANDOM_SEED)
    ports = Ports(dut, width, idle=idle, stall=stall)
    source, patches = ports.source("i"), ports.source("patch")
    sink = ports.sink("o", relevant=lambda word: valid_part(width, word))
    start = ports.clock
    for frame, words in cases:
        source.send(*to_beats(width, frame, noise))
        patches.send(to_patch(noise, words))
    frames = await receive_packets(sink, width, len(cases))
    clocks = ports.clock - start
    await patches.drained()
    return frames, clocks


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def words_are_overwritten_wherever_they_lie(dut, width):
    await start_clock_and_reset(dut)
    cases = random_cases(random.Random(cocotb.RANDOM_SEED), width)
    frames, _ = await patch(dut, width, cases, idle=0.3, stall=0.3)
    check_items(frames, [patched(*case) for case in cases], width=width)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_beat_passes_every_clock(dut, width):
    await start_clock_and_reset(dut)
    cases = random_cases(random.Random(cocotb.RANDOM_SEED), width)
    frames, clocks = await patch(dut, width, cases)
    check_items(frames, [patched(*case) for case in cases], width=width)
    assert clocks <= sum(len(to_beats(width, frame)) for frame in frames) + 4


@pytest.mark.quick
def test_words_are_patched_in_short():
    simulate_quick(
        HeaderPatch(128), "words_are_overwritten_wherever_they_lie",
        name="header_patch", module=__name__, width=128)


def test_patches():
    simulate_widths(HeaderPatch, name="header_patch", module=__name__, seed=1)


def test_patches_on_icarus():
    simulate_widths(HeaderPatch, name="header_patch", module=__name__, widths=[128],
                    simulator="icarus", seed=2)
