"""The ICV after a sealed text, of each size and at every place in a beat."""

import random
from itertools import product

import cocotb
import pytest

from espnic.hdl.tx.icv_append import IcvAppend
from espnic.model.interface.codes import ESP_ALIGNMENT_BYTES, IcvSize
from espnic.sim.agents.beats import receive_packets, to_beats
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.quick import simulate_quick


def sealed_texts(chance, width):
    """Texts of 4 bytes to 3 beats, each with a tag and every size of ICV."""
    lengths = range(ESP_ALIGNMENT_BYTES, 3 * width // 8 + 1, ESP_ALIGNMENT_BYTES)
    cases = [(chance.randbytes(length), chance.randbytes(16), size)
             for length, size in product(lengths, IcvSize)]
    chance.shuffle(cases)
    return cases


async def append(dut, width, cases, *, idle=0.0, stall=0.0):
    noise = random.Random(cocotb.RANDOM_SEED)
    ports = Ports(dut, width, idle=idle, stall=stall)
    source, tags, sizes = ports.source("i"), ports.source("tag"), ports.source("size")
    sink = ports.sink("o")
    for text, tag, size in cases:
        source.send(*to_beats(width, text, noise))
        tags.send(int.from_bytes(tag, "little"))
        sizes.send(size)
    return await receive_packets(sink, width, len(cases))


def expected(cases):
    return [text + tag[:size.bytes] for text, tag, size in cases]


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def icv_of_each_size_follows_at_every_place(dut, width):
    await start_clock_and_reset(dut)
    cases = sealed_texts(random.Random(cocotb.RANDOM_SEED), width)
    check_items(await append(dut, width, cases, idle=0.3, stall=0.3), expected(cases), width=width)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_beat_leaves_every_clock(dut, width):
    await start_clock_and_reset(dut)
    cases = sealed_texts(random.Random(cocotb.RANDOM_SEED), width)
    start = Ports(dut, width).clock
    check_items(await append(dut, width, cases), expected(cases), width=width)
    beats = sum(len(to_beats(width, packet)) for packet in expected(cases))
    assert Ports(dut, width).clock - start <= beats + 3


@pytest.mark.quick
def test_icv_is_appended_in_short():
    simulate_quick(
        IcvAppend(128), "icv_of_each_size_follows_at_every_place",
        name="icv_append", module=__name__, width=128)


def test_icv_is_appended():
    simulate_widths(IcvAppend, name="icv_append", module=__name__, seed=1)
