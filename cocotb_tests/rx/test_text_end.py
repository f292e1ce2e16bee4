"""Pad length and next header read from the end of texts of all lengths."""

import random

import cocotb
import pytest
from cocotb.triggers import ClockCycles

from espnic.hdl.rx.text_end import OpenedText, TextEnd
from espnic.sim.agents.beats import to_beats
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.quick import simulate_quick


async def check(dut, width, *, idle=0.0):
    chance = random.Random(cocotb.RANDOM_SEED)
    ports = Ports(dut, width, idle=idle)
    source, ends = ports.source("i"), ports.sink("o")
    texts = [chance.randbytes(length) for length in range(2, 3 * width // 8 + 2)]
    chance.shuffle(texts)
    beats = [to_beats(width, text, chance) for text in texts]
    start = ports.clock
    for words in beats:
        source.send(*words)
    found = await ends.receive(len(texts))
    clocks = ports.clock - start
    check_items(found, [
        {"beats": len(words), "pad_length": text[-2], "next_header": text[-1]}
        for text, words in zip(texts, beats, strict=True)], width=width, layout=OpenedText)
    await ClockCycles(dut.clk, 3)
    assert not ends.items, "more ends than texts"
    return clocks - sum(map(len, beats))


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def trailers_of_texts_of_all_lengths_are_read(dut, width):
    await start_clock_and_reset(dut)
    await check(dut, width, idle=0.3)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_beat_goes_every_clock(dut, width):
    await start_clock_and_reset(dut)
    assert await check(dut, width) <= 3


@pytest.mark.quick
def test_trailers_are_read_in_short():
    simulate_quick(
        TextEnd(128), "trailers_of_texts_of_all_lengths_are_read",
        name="text_end", module=__name__, width=128)


def test_trailers_are_read():
    simulate_widths(TextEnd, name="text_end", module=__name__, seed=1)
