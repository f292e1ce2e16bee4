"""The GCM core with streams that stall: nothing is lost, whatever waits."""

import random
from dataclasses import replace

import cocotb
import pytest

from espnic.hdl.gcm.stallable_core import GcmStream
from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate
from espnic.sim.clocks import CLOCK_NS
from tests.support.differences import check_items
from tests.support.gcm_packets import GcmPort, number, random_packet
from tests.support.quick import simulate_quick

WIDTH = 128
DEPTH = 64
SHALLOW = 4


def esp_packets(chance, count):
    """Packets as ESP gives them: AAD of 8 or 12 bytes, text of 4 at least."""
    for _ in range(count):
        packet = random_packet(chance)
        aad = chance.randbytes(chance.choice((8, 12)))
        text = packet.text + bytes(4)
        yield replace(packet, aad=aad, text=text, told_aad_bytes=len(aad),
                      told_text_bytes=len(text))


async def seal_and_open(dut, idle, stall_text, stall_tag, count=40):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    port = GcmPort(WIDTH, chance)
    source = StreamSource(dut, "i", seed=cocotb.RANDOM_SEED, idle=idle)
    text = StreamSink(dut, "o", seed=cocotb.RANDOM_SEED, stall=stall_text)
    tag = StreamSink(dut, "tag", seed=cocotb.RANDOM_SEED, stall=stall_tag)
    for packet in esp_packets(chance, count):
        stimulus = port.stimulus(packet)
        source.send(*stimulus)
        expected = port.expected_text(packet, stimulus)
        check_items(await text.receive(len(expected)), expected, port="text", width=WIDTH,
                    layout=port.output)
        check_items(await tag.receive(1), [number(packet.result()[1])], port="tag", width=WIDTH)


@cocotb.test()
async def nothing_is_lost_with_random_stalls(dut):
    await seal_and_open(dut, 0.2, 0.4, 0.4)


@cocotb.test()
async def nothing_is_lost_when_texts_wait_long(dut):
    await seal_and_open(dut, 0.0, 0.95, 0.0, 12)


@cocotb.test()
async def nothing_is_lost_when_tags_wait_long(dut):
    await seal_and_open(dut, 0.0, 0.0, 0.98, 12)


@cocotb.test()
async def deep_enough_it_keeps_the_core_s_rate(dut):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    port = GcmPort(WIDTH, chance)
    packets = list(esp_packets(chance, 40))
    stimulus = [port.stimulus(packet) for packet in packets]
    source = StreamSource(dut, "i")
    tag = StreamSink(dut, "tag")
    StreamSink(dut, "o")
    start = cocotb.simtime.get_sim_time("ns")
    for beats in stimulus:
        source.send(*beats)
    await tag.receive(len(packets))
    clocks = (cocotb.simtime.get_sim_time("ns") - start) // CLOCK_NS
    assert clocks <= sum(map(port.slots, packets)) + DEPTH


@pytest.mark.quick
def test_nothing_is_lost_in_short():
    simulate_quick(
        GcmStream(WIDTH, SHALLOW), "nothing_is_lost_when_texts_wait_long",
        name="gcm_stream_shallow", module=__name__)


def test_gcm_stream_loses_nothing_and_keeps_the_rate():
    simulate(GcmStream(WIDTH, DEPTH), name="gcm_stream", module=__name__)


def test_gcm_stream_shallower_than_the_core_is_slow_but_right():
    simulate(GcmStream(WIDTH, SHALLOW), name="gcm_stream_shallow", module=__name__,
             testcase="nothing_is_lost_with_random_stalls")
