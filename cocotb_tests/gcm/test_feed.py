"""AAD before each text, or beside it."""

import random
from functools import partial

import cocotb
import pytest
from cocotb.triggers import ClockCycles

from espnic.hdl.gcm.feed import GcmFeed, gcm_packet
from espnic.hdl.layouts import beat, gcm_beat, gcm_parameters, has_spare_lane
from espnic.sim.agents.beats import pack, to_beats, unpack, valid_part
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.gcm_packets import joins
from tests.support.quick import simulate_quick


def what_counts(width, word):
    """A beat without the bytes above ``count``; parameters only on the first."""
    fields = unpack(gcm_beat(width), word)
    if not fields["first"]:
        fields["parameters"] = {}
    if not (fields["first"] and fields.get("joined")):
        fields.pop("joined_aad", None)
    fields["data"] &= (1 << 8 * fields["count"]) - 1
    return pack(gcm_beat(width), fields)


def packets(chance, width):
    """AAD, text and the packet's parameters as an integer; texts of 0 to 3 beats."""
    bits = gcm_parameters(width // 128).size
    cases = []
    beat_bytes = width // 8
    lengths = [0, 1, *(chance.randrange(3 * beat_bytes) for _ in range(150))]
    lengths += [beat_bytes * beats + more for beats in (0, 1, 2) for more in (1, 15, 16, 17)]
    for length in lengths:
        aad = chance.randbytes(chance.choice((8, 12)))
        parameters = unpack(gcm_parameters(width // 128), chance.getrandbits(bits))
        parameters |= {"aad_bytes": len(aad), "text_bytes": length}
        cases.append((aad, chance.randbytes(length), parameters))
    return cases


def expected(width, cases):
    words = []
    for aad, text, parameters in cases:
        before = {"first": 1, "parameters": parameters}
        if has_spare_lane(width // 128) and joins(len(text)):
            before |= {"joined": 1, "joined_aad": int.from_bytes(aad, "little")}
        else:
            words.append(pack(gcm_beat(width), before | {
                "data": int.from_bytes(aad, "little"), "count": len(aad), "aad": 1}))
            before = {"first": 0}
        for word in to_beats(width, text):
            fields = unpack(beat(width), valid_part(width, word))
            words.append(pack(gcm_beat(width), fields | before))
            before = {"first": 0}
    return words


async def feed(dut, width, cases, *, idle=0.0, stall=0.0):
    noise = random.Random(cocotb.RANDOM_SEED)
    ports = Ports(dut, width, idle=idle, stall=stall)
    texts, parameters = ports.source("i"), ports.source("packet")
    sink = ports.sink("o", relevant=partial(what_counts, width))
    for aad, text, values in cases:
        parameters.send(pack(gcm_packet(width // 128), {
            "aad": int.from_bytes(aad, "little"), "parameters": values,
            "joins": joins(len(text))}))
        texts.send(*to_beats(width, text, noise))
    return await sink.receive(len(expected(width, cases)))


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def aad_goes_before_each_text(dut, width):
    await start_clock_and_reset(dut)
    cases = packets(random.Random(cocotb.RANDOM_SEED), width)
    words = await feed(dut, width, cases, idle=0.3, stall=0.3)
    check_items(words, expected(width, cases), width=width, layout=gcm_beat(width))


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_beat_goes_every_clock(dut, width):
    await start_clock_and_reset(dut)
    cases = packets(random.Random(cocotb.RANDOM_SEED), width)
    start = Ports(dut, width).clock
    words = expected(width, cases)
    check_items(await feed(dut, width, cases), words, width=width, layout=gcm_beat(width))
    assert Ports(dut, width).clock - start <= len(words) + 3


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def aad_does_not_wait_for_the_text(dut, width):
    await start_clock_and_reset(dut)
    ports = Ports(dut, width)
    sink = ports.sink("o")
    ports.source("packet").send(pack(gcm_packet(width // 128), {"parameters": {"aad_bytes": 8}}))
    await ClockCycles(dut.clk, 3)
    assert len(sink.items) == 1


@pytest.mark.quick
def test_aad_goes_before_texts_in_short():
    simulate_quick(
        GcmFeed(128), "aad_goes_before_each_text",
        name="gcm_feed", module=__name__, width=128)


def test_aad_goes_before_each_text():
    simulate_widths(GcmFeed, name="gcm_feed", module=__name__, seed=1)
