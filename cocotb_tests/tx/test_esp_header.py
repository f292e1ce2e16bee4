"""Sequence number and IV written at every ESP offset, against replaced slices."""

import random

import cocotb
import pytest

from espnic.hdl.tx.esp_header import EspHeader, EspHeaderRequest
from espnic.model.esp import seqiv
from espnic.model.interface.codes import ESP_HEADER_BYTES, ESP_TEXT_OFFSET
from espnic.sim.agents.beats import pack, receive_packets, to_beats
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.quick import simulate_quick


class Case:
    """A frame, or its headers, and what is to be written into it."""

    def __init__(self, chance, offset, behind):
        self.offset = offset
        self.enable = chance.random() < 0.85
        self.sequence = chance.getrandbits(64)
        self.iv = seqiv.iv(self.sequence, chance.randbytes(8))
        self.frame = chance.randbytes(offset + ESP_TEXT_OFFSET + behind)
        if not self.enable:
            self.frame = self.frame[:chance.randrange(1, len(self.frame) + 1)]

    def request(self):
        return pack(EspHeaderRequest, {
            "enable": self.enable, "esp_offset": self.offset,
            "sequence": self.sequence & 0xFFFFFFFF, "iv": int.from_bytes(self.iv, "big")})

    def expected(self):
        if not self.enable:
            return self.frame
        low = self.sequence.to_bytes(8, "big")[4:]
        spi_end = self.offset + ESP_HEADER_BYTES - len(low)
        return self.frame[:spi_end] + low + self.iv + self.frame[self.offset + ESP_TEXT_OFFSET:]


def cases_at_every_offset(chance):
    """Headers alone and with bytes after them, at every offset that a descriptor can give."""
    cases = [Case(chance, offset, behind) for offset in range(34, 256, 4)
             for behind in (0, chance.randrange(1, 200))]
    cases += [Case(chance, offset, 9000) for offset in (34, 82)]
    chance.shuffle(cases)
    return cases


async def write(dut, width, cases, *, idle=0.0, stall=0.0):
    noise = random.Random(cocotb.RANDOM_SEED)
    ports = Ports(dut, width, idle=idle, stall=stall)
    source, requests, sink = ports.source("i"), ports.source("request"), ports.sink("o")
    for case in cases:
        source.send(*to_beats(width, case.frame, noise))
        requests.send(case.request())
    return await receive_packets(sink, width, len(cases))


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def sequence_and_iv_are_written_at_every_offset(dut, width):
    await start_clock_and_reset(dut)
    cases = cases_at_every_offset(random.Random(cocotb.RANDOM_SEED))
    written = await write(dut, width, cases, idle=0.3, stall=0.3)
    check_items(written, [case.expected() for case in cases], width=width)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_beat_goes_every_clock(dut, width):
    await start_clock_and_reset(dut)
    cases = cases_at_every_offset(random.Random(cocotb.RANDOM_SEED))
    start = Ports(dut, width).clock
    check_items(await write(dut, width, cases), [case.expected() for case in cases], width=width)
    beats = sum(len(to_beats(width, case.frame)) for case in cases)
    assert Ports(dut, width).clock - start <= beats + 3


@pytest.mark.quick
def test_sequence_and_iv_in_short():
    simulate_quick(
        EspHeader(128), "sequence_and_iv_are_written_at_every_offset",
        name="esp_header", module=__name__, width=128)


def test_sequence_and_iv_are_written():
    simulate_widths(EspHeader, name="esp_header", module=__name__, seed=1)
