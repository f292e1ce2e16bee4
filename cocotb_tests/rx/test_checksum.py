"""The sums of received frames and of the packets in them, against RFC 1071 on their bytes."""

import random
from dataclasses import dataclass

import cocotb
import pytest
from cocotb.triggers import ClockCycles

from espnic.hdl.layouts import beat
from espnic.hdl.rx.checksum import TEXTS, FrameSums, RxChecksum, placed_beat
from espnic.hdl.rx.text_sum import TextSums
from espnic.model.interface.codes import ETHERNET_HEADER_BYTES, FRAME_BYTES_MAX
from espnic.sim.agents.beats import pack, to_beats, unpack
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.opened_texts import WithTextEnd, payload_of, payloads_and_texts
from tests.support.quick import simulate_quick
from tests.support.rfc1071 import ones_sum

TEXT_OFFSETS = range(50, 84, 4)
"""Offsets of texts after Ethernet, IPv4 or IPv6, UDP and ESP headers, VLAN tag or not."""


@dataclass
class Case:
    """A frame as it came, and the text that was in it and its payload, None when not opened."""

    frame: bytes
    text_offset: int
    text: bytes | None = None
    payload: bytes = b""

    @property
    def text_end(self):
        return self.text_offset + len(self.text or b"")

    @property
    def frame_sums(self):
        """The sums of the frame as it came; that behind its text only if there is a text."""
        return {"whole": ones_sum(self.frame[ETHERNET_HEADER_BYTES:])} | ({} if self.text is None
                else {"behind_text": ones_sum(bytes(self.text_end % 2)
                                              + self.frame[self.text_end:])})

    @property
    def packet_sums(self):
        """The sums of the packet that was opened."""
        head = self.frame[ETHERNET_HEADER_BYTES:self.text_offset]
        return {"payload": ones_sum(head + self.payload), "whole": ones_sum(head + self.text)}


def opened(chance, payload, text):
    """A frame with something as long as the text in its place, then ICV and more."""
    offset = chance.choice(TEXT_OFFSETS)
    head = payload_of(chance, offset)
    behind = chance.randbytes(chance.choice((8, 12, 16, 17, 40)))
    return Case(head + chance.randbytes(len(text)) + behind, offset, text, payload)


def passed(chance, length):
    """A frame that is not opened; what is said of its text is noise."""
    return Case(payload_of(chance, length), chance.randrange(512))


def mixed_cases(chance, width):
    """Opened packets with texts of all ends, and frames of all lengths up to 3 beats."""
    cases = [opened(chance, *case)
             for case in zip(*payloads_and_texts(chance, width), strict=True)]
    cases += [passed(chance, length) for length in range(1, 3 * width // 8 + 1)]
    cases += [passed(chance, length) for length in (1500, FRAME_BYTES_MAX - 1, FRAME_BYTES_MAX)]
    chance.shuffle(cases)
    return cases


def placed_beats(chance, width, case):
    """The beats of a frame; after the first, the fields beside them are noise."""
    words = []
    for word in to_beats(width, case.frame, chance):
        fields = unpack(beat(width), word)
        given = (case.text is not None, case.text_offset, case.text_end) if fields["first"] else (
            chance.getrandbits(1), chance.getrandbits(9), chance.getrandbits(16))
        words.append(pack(placed_beat(width), {
            "beat": fields, "open": given[0], "text_offset": given[1], "text_end": given[2]}))
    return words


async def check(dut, width, cases, batch_max, *, idle=0.0):
    """Send batches of frames, and the texts of each batch while the next one goes in."""
    chance = random.Random(cocotb.RANDOM_SEED)
    frame_sums, packet_sums = (Ports(dut, width).sink(name) for name in ("frame", "packet"))
    frames, texts = (Ports(dut, width, idle=idle).source(name) for name in ("i", "text"))
    left = list(cases)
    while left:
        size = chance.randint(1, batch_max)
        batch, left = left[:size], left[size:]
        for case in batch:
            frames.send(*placed_beats(chance, width, case))
        await frames.drained()
        await texts.drained()
        for case in batch:
            if case.text is not None:
                texts.send(*to_beats(width, case.text, chance))
    check_items(await frame_sums.receive(len(cases)), [case.frame_sums for case in cases],
                port="frame", width=width, layout=FrameSums)
    packets = [case.packet_sums for case in cases if case.text is not None]
    check_items(await packet_sums.receive(len(packets)), packets,
                port="packet", width=width, layout=TextSums)
    await ClockCycles(dut.clk, RxChecksum.frame_latency + RxChecksum.packet_latency)
    assert not frame_sums.items, "more sums than frames"
    assert not packet_sums.items, "more sums than texts"


@cocotb.test()
@cocotb.parametrize(width=bench_widths(), idle=[0.0, 0.3])
async def frames_and_their_packets_are_summed(dut, width, idle):
    await start_clock_and_reset(dut)
    cases = mixed_cases(random.Random(cocotb.RANDOM_SEED), width)
    await check(dut, width, cases, TEXTS // 2, idle=idle)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def texts_follow_their_frames_at_once(dut, width):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    cases = [opened(chance, payload, payload + bytes([0, 4]))
             for payload in (payload_of(chance, chance.randrange(1, 20)) for _ in range(200))]
    await check(dut, width, cases, 1)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_frame_beat_goes_every_clock(dut, width):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    cases = [passed(chance, chance.randrange(1, 3 * width // 8)) for _ in range(200)]
    words = [word for case in cases for word in placed_beats(chance, width, case)]
    sums, source = Ports(dut, width).sink("frame"), Ports(dut, width).source("i")
    start = Ports(dut, width).clock
    source.send(*words)
    check_items(await sums.receive(len(cases)), [case.frame_sums for case in cases],
                port="frame", width=width, layout=FrameSums)
    assert Ports(dut, width).clock - start <= len(words) + RxChecksum.frame_latency + 2


@pytest.mark.quick
def test_frames_are_summed_in_short():
    simulate_quick(
        WithTextEnd(RxChecksum(128), "text"), "texts_follow_their_frames_at_once",
        name="rx_checksum", module=__name__, width=128)


def test_frames_are_summed():
    simulate_widths(lambda width: WithTextEnd(RxChecksum(width), "text"), name="rx_checksum",
                    module=__name__, seed=1)
