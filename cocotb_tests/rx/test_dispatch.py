"""The receive dispatcher against the rules for what is opened and with what parameters."""

import random

import cocotb
import pytest

from espnic.hdl.layouts import LENGTH_BITS, SERIAL_BITS, ReceivedSa
from espnic.hdl.rx.dispatch import RxDispatch, RxJob
from espnic.hdl.rx.parser import RxHeader
from espnic.model.esp import esn, esp
from espnic.model.esp.replay import Window
from espnic.model.interface.codes import ESP_TEXT_OFFSET, ESP_TRAILER_MIN_BYTES, IcvSize, RxStatus
from espnic.model.sa.sa import DEVICE_WINDOWS
from espnic.sim.agents.beats import pack
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.gcm_packets import joins
from tests.support.quick import simulate_quick
from tests.support.sa_contexts import context, random_sa

REJECTED = [status for status in RxStatus if status not in (RxStatus.OK, RxStatus.OVERSIZE)]


class Case:
    """Results of parser and SA table for a frame, and the job that must come of them."""

    def __init__(self, chance):
        self.sa = random_sa(chance)
        self.handle = chance.randrange(1, 1 << 16)
        self.hit = chance.random() < 0.8
        self.fault = chance.random() < 0.1
        self.serial = chance.getrandbits(SERIAL_BITS)
        self.status = chance.choice(REJECTED) if chance.random() < 0.2 else RxStatus.OK
        self.esp_offset = chance.randrange(34, 80, 4)
        self.least = ESP_TEXT_OFFSET + ESP_TRAILER_MIN_BYTES + self.sa.icv.bytes
        self.esp_bytes = chance.choice((
            8, self.least - 1, self.least, self.least + 1, chance.randrange(8, 1 << 16), 65535))
        self.sequence = chance.choice((
            0, 2**31 - 1, 2**31, 2**32 - 1, chance.getrandbits(32)))
        top = chance.choice((0, self.sa.replay_window, chance.getrandbits(32), (7 << 32) + 5,
                             chance.getrandbits(64)))
        self.window = Window(self.sa.replay_window, self.sa.esn, top)
        self.sequence = chance.choice((
            self.sequence, (self.window.bottom + chance.randrange(-2, 2)) % 2**32))
        self.iv = chance.randbytes(8)
        self.short = chance.random() < 0.2
        self.in_udp = self.status == RxStatus.OK and chance.random() < 0.5

    def header(self):
        parsed = {"status": self.status}
        if self.status == RxStatus.OK:
            parsed |= {"esp_offset": self.esp_offset, "esp_bytes": self.esp_bytes,
                       "encapsulation": self.in_udp,
                       "sequence": self.sequence, "spi": self.sa.spi}
        room = sum(1 << size for size in IcvSize
                   if self.esp_bytes >= self.least - self.sa.icv.bytes + size.bytes)
        return pack(RxHeader, {
            "parsed": parsed, "iv": int.from_bytes(self.iv, "big"), "short": self.short,
            "room": room})

    def found_sa(self, chance):
        if self.status != RxStatus.OK:
            return chance.getrandbits(ReceivedSa.size)
        if self.fault:
            return pack(ReceivedSa, {"hit": chance.randrange(2), "fault": 1, "sa": self.handle})
        if not self.hit:
            return 0
        return pack(ReceivedSa, {
            "hit": 1, "sa": self.handle, "context": context(self.sa, self.serial),
            "bottom": self.window.bottom % 2**64})

    def expected_status(self):
        if self.status != RxStatus.OK:
            return self.status
        if self.fault:
            return RxStatus.FAULT
        if not self.hit:
            return RxStatus.NO_SA
        if self.esp_bytes < self.least:
            return RxStatus.SYNTAX
        return RxStatus.TRUNCATED if self.short else RxStatus.OK

    def expected_job(self):
        """All of the job that counts."""
        status = self.expected_status()
        if status == RxStatus.OK:
            return self.opening_job()
        found = self.status == RxStatus.OK and self.hit and not self.fault
        return {"record": {"status": status, "sa": self.handle if found else 0,
                           "in_udp": self.in_udp},
                "open": 0, "span": {"enable": 0}, "packet": {"reads": 0}}

    def opening_job(self):
        sa, offset = self.sa, self.esp_offset
        high = self.window.high(self.sequence)
        if sa.esn and not sa.device_window:
            high = esn.device_high(self.sequence, sa.esn_high, sa.esn_overlap)
        aad = esp.aad(sa, high << 32 | self.sequence)
        text_bytes = self.esp_bytes - ESP_TEXT_OFFSET - sa.icv.bytes
        job = {
            "open": 1,
            "span": {"enable": 1, "offset": offset + ESP_TEXT_OFFSET,
                     "bytes": text_bytes + sa.icv.bytes},
            "text_bytes": text_bytes,
            "text_end": (offset + ESP_TEXT_OFFSET + text_bytes) % (1 << LENGTH_BITS),
            "packet": {
                "reads": 1, "sa": self.handle, "serial": self.serial,
                "carried": {
                    "gcm": {
                        "key_size": sa.key_size,
                        "aad": int.from_bytes(aad, "little"),
                        "aad_bytes": len(aad),
                        "text_bytes": text_bytes,
                        "joins": joins(text_bytes),
                    },
                    "iv": int.from_bytes(self.iv, "big"),
                },
            },
            "record": {
                "status": RxStatus.OK,
                "sa": self.handle,
                "esp_offset": offset,
                "esp_end": offset + self.esp_bytes,
                "text_bytes": text_bytes,
                "icv_size": sa.icv,
                "sequence": high << 32 | self.sequence,
                "windowed": sa.device_window,
                "in_udp": self.in_udp,
            },
        }
        if sa.device_window:
            job["query"] = {
                "sa": self.handle,
                "window": DEVICE_WINDOWS[sa.replay_window],
                "esn": sa.esn,
                "sequence": self.sequence,
                "high": high,
            }
        return job


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def jobs_follow_the_rules(dut, width):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    ports = Ports(dut, width, idle=0.3, stall=0.3)
    headers, sas, jobs = ports.source("header"), ports.source("sa"), ports.sink("o")
    cases = [Case(chance) for _ in range(500)]
    assert {case.expected_status() for case in cases} == set(RxStatus) - {RxStatus.OVERSIZE}
    headers.send(*(case.header() for case in cases))
    sas.send(*(case.found_sa(chance) for case in cases))
    check_items(await jobs.receive(len(cases)), [case.expected_job() for case in cases],
                width=width, layout=RxJob)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_frame_goes_every_clock(dut, width):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    ports = Ports(dut, width)
    headers, sas, jobs = ports.source("header"), ports.source("sa"), ports.sink("o")
    cases = [Case(chance) for _ in range(100)]
    start = ports.clock
    headers.send(*(case.header() for case in cases))
    sas.send(*(case.found_sa(chance) for case in cases))
    await jobs.receive(len(cases))
    assert ports.clock - start <= len(cases) + 3


@pytest.mark.quick
def test_jobs_in_short():
    simulate_quick(
        RxDispatch(), "jobs_follow_the_rules",
        name="rx_dispatch", module=__name__, width=128)


def test_jobs_follow_the_rules():
    simulate_widths(
        lambda _: RxDispatch(), name="rx_dispatch", module=__name__, widths=[128], seed=1)
