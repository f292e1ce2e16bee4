"""The sums of a text with and without its trailer, for all ends of both, against RFC 1071."""

import random

import cocotb
import pytest
from cocotb.triggers import ClockCycles

from espnic.hdl.rx.text_sum import TextSum, TextSums
from espnic.sim.agents.beats import to_beats, unpack
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.opened_texts import (
    WithTextEnd,
    payloads_and_texts,
    text_of,
    too_short_texts,
)
from tests.support.quick import simulate_quick
from tests.support.rfc1071 import ones_sum

STARTS = (0, 0, 1, 0xFFFE, 0xFFFF)


async def sums_of(dut, width, texts, starts, *, idle=0.0):
    """The block's sums of each text, and the clocks that they took beyond their beats."""
    noise = random.Random(cocotb.RANDOM_SEED)
    sink = Ports(dut, width).sink("o")
    beats = [word for text in texts for word in to_beats(width, text, noise)]
    Ports(dut, width).source("start").send(*starts)
    source = Ports(dut, width, idle=idle).source("i")
    begin = Ports(dut, width).clock
    source.send(*beats)
    sums = await sink.receive(len(texts))
    clocks = Ports(dut, width).clock - begin
    await ClockCycles(dut.clk, TextSum.latency + 1)
    assert not sink.items, "more sums than texts"
    return sums, clocks - len(beats)


def check_sums(sums, payloads, texts, starts, width):
    """Compare with RFC 1071; a payload of None ends before its text begins."""
    found = [unpack(TextSums, word) for word in sums]
    check_items([fields["whole"] for fields in found], map(ones_sum, texts, starts),
                port="whole", width=width)
    check_items(
        [fields["payload"] for fields, payload in zip(found, payloads, strict=True)
         if payload is not None],
        [ones_sum(payload, start) for payload, start in zip(payloads, starts, strict=True)
         if payload is not None],
        port="payload", width=width)


def starts_for(chance, texts):
    return [chance.choice((*STARTS, chance.getrandbits(16))) for _ in texts]


@cocotb.test()
@cocotb.parametrize(width=bench_widths(), idle=[0.0, 0.3])
async def payload_and_text_are_summed_whatever_trailer(dut, width, idle):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    payloads, texts = payloads_and_texts(chance, width)
    starts = starts_for(chance, texts)
    sums, late = await sums_of(dut, width, texts, starts, idle=idle)
    check_sums(sums, payloads, texts, starts, width)
    assert idle or late <= TextSum.latency + 2


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_text_goes_every_clock(dut, width):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    payloads = [chance.randbytes(chance.randrange(1, 12)) for _ in range(200)]
    texts = [text_of(chance, payload, chance.randrange(3)) for payload in payloads]
    starts = starts_for(chance, texts)
    sums, late = await sums_of(dut, width, texts, starts)
    check_sums(sums, payloads, texts, starts, width)
    assert late <= TextSum.latency + 2


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_long_text_is_summed(dut, width):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    payloads = [b"\xff" * 9501, chance.randbytes(9500), chance.randbytes(9215), bytes(9301)]
    texts = [text_of(chance, payload, pad)
             for payload, pad in zip(payloads, (3, 2, 255, 254), strict=True)]
    sums, _ = await sums_of(dut, width, texts, [0] * len(texts))
    check_sums(sums, payloads, texts, [0] * len(texts), width)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_pad_length_beyond_the_text_spares_the_next(dut, width):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    bad = too_short_texts(chance, width)
    payloads = [chance.randbytes(chance.randrange(1, 100)) for _ in bad]
    good = [text_of(chance, payload, chance.randrange(40)) for payload in payloads]
    texts = [text for pair in zip(bad, good, strict=True) for text in pair]
    sums, _ = await sums_of(dut, width, texts, [0] * len(texts))
    ends = [end for payload in payloads for end in (None, payload)]
    check_sums(sums, ends, texts, [0] * len(texts), width)


@pytest.mark.quick
def test_payloads_are_summed_in_short():
    simulate_quick(
        WithTextEnd(TextSum(128), "i"),
        "a_text_goes_every_clock",
        "a_pad_length_beyond_the_text_spares_the_next",
        name="text_sum", module=__name__, width=128)


def test_payloads_are_summed():
    simulate_widths(lambda width: WithTextEnd(TextSum(width), "i"), name="text_sum",
                    module=__name__, seed=1)


def test_payloads_are_summed_in_icarus():
    simulate_widths(lambda width: WithTextEnd(TextSum(width), "i"), name="text_sum_icarus",
                    module=__name__, widths=(128,), simulator="icarus", seed=2)
