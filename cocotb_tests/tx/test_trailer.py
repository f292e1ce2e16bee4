"""The trailer generator against the model's trailer, over all lengths and next headers."""

import random

import cocotb
import pytest

from espnic.hdl.tx.trailer import TrailerGenerator, TrailerRequest
from espnic.model.esp import trailer
from espnic.sim.agents.beats import pack, receive_packets, to_beats
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.quick import simulate_quick


def payloads(chance, width):
    """Payloads of 0 to 3 beats with their next header, some of them without a trailer."""
    cases = [(chance.randbytes(length), chance.randrange(256), True)
             for length in range(3 * width // 8 + 1)]
    cases += [(chance.randbytes(chance.randrange(3 * width // 8)), 59, False) for _ in range(40)]
    chance.shuffle(cases)
    return cases


async def append(dut, width, cases, *, idle=0.0, stall=0.0):
    noise = random.Random(cocotb.RANDOM_SEED)
    ports = Ports(dut, width, idle=idle, stall=stall)
    source, requests, sink = ports.source("i"), ports.source("request"), ports.sink("o")
    for payload, next_header, generate in cases:
        source.send(*to_beats(width, payload, noise))
        requests.send(pack(TrailerRequest, {"generate": generate, "next_header": next_header}))
    return await receive_packets(sink, width, len(cases))


def expected(cases):
    return [payload + (trailer.build(len(payload), next_header) if generate else b"")
            for payload, next_header, generate in cases]


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def payloads_of_all_lengths_get_the_trailer_of_the_model(dut, width):
    await start_clock_and_reset(dut)
    cases = payloads(random.Random(cocotb.RANDOM_SEED), width)
    check_items(await append(dut, width, cases, idle=0.3, stall=0.3), expected(cases), width=width)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_beat_leaves_every_clock(dut, width):
    await start_clock_and_reset(dut)
    cases = payloads(random.Random(cocotb.RANDOM_SEED), width)
    start = Ports(dut, width).clock
    check_items(await append(dut, width, cases), expected(cases), width=width)
    beats = sum(len(to_beats(width, text)) for text in expected(cases))
    assert Ports(dut, width).clock - start <= beats + 3


@pytest.mark.quick
def test_trailers_in_short():
    simulate_quick(
        TrailerGenerator(128), "payloads_of_all_lengths_get_the_trailer_of_the_model",
        name="trailer", module=__name__, width=128)


def test_trailers_are_the_models():
    simulate_widths(TrailerGenerator, name="trailer", module=__name__, seed=1)


def test_trailers_are_the_models_on_icarus():
    simulate_widths(TrailerGenerator, name="trailer", module=__name__, widths=[128],
                    simulator="icarus", seed=2)
