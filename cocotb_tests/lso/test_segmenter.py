"""The segmenter against the model's segments: their headers, lengths and sequence numbers."""

import os
import random

import cocotb
import pytest

from espnic.hdl.lso.header_probe import ProbeRecord
from espnic.hdl.lso.segmenter import Segmenter, SegmentPlan, segment
from espnic.model.device import segment as golden
from espnic.model.esp import trailer
from espnic.model.interface.codes import (
    ESP_TEXT_OFFSET,
    IPPROTO_UDP,
    IcvSize,
    TxOperation,
    TxStatus,
)
from espnic.model.net import checksum
from espnic.sim.agents.beats import pack, unpack
from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate
from espnic.sim.traffic.super_frames import PAYLOAD_BYTES_MAX, random_layout, random_super_frame
from tests.support.differences import check_items
from tests.support.quick import simulate_quick

CASES = 100
SEGMENTS_MAX = 8
LSO = os.environ.get("LSO", "1") == "1"
"""Whether the segmenter of this simulation takes super-frames."""


def word(frame, at, size=2):
    return int.from_bytes(frame[at:at + size].ljust(size, b"\0"), "big")


def without(frame, start, end, *fields):
    """The sum of ``frame[start:end]`` with the 16-bit words at some places of it as 0."""
    part = bytearray(frame[start:end])
    for at in fields:
        part[at:at + 2] = bytes(2)
    return checksum.total(part)


def probe_of(values, frame):
    """Fields that the probe reads in a super-frame."""
    seal = values["operation"] == TxOperation.ENCRYPT
    outer, l3, l4 = values["outer_offset"], values["l3_offset"], values["l4_offset"]
    outer_end = values["esp_offset"] - 8 * values["encapsulation"] if seal else l4
    own = (4,) if values["l4_protocol"] == IPPROTO_UDP else (4, 6, 12)
    return {
        "outer_id": word(frame, outer + 4),
        "inner_id": word(frame, l3 + 4),
        "tcp_seq": word(frame, l4 + 4, 4),
        "tcp_flags": word(frame, l4 + 12),
        "outer": without(frame, outer, outer_end, 2, 4, 10),
        "inner": without(frame, l3, l4, 2, 4, 10),
        "l4": without(frame, l4, values["header_bytes"], *own),
    }


class SuperFrame:
    """A request for segmentation, and what the model makes of it."""

    def __init__(self, chance, made=None):
        self.values, self.frame = made or random_super_frame(chance, SEGMENTS_MAX)
        self.seal = self.values["operation"] == TxOperation.ENCRYPT
        self.icv = chance.choice(list(IcvSize)).bytes if self.seal else 0
        self.sequence = chance.choice((1, 2**32 - 2, chance.randrange(1, 2**63)))
        self.segments = golden.cut(self.values, self.frame, self.icv)
        self.probe = probe_of(self.values, self.frame)
        header_bytes, mss = self.values["header_bytes"], self.values["mss"]
        self.slice_sums = [checksum.total(self.frame[at:at + mss])
                           for at in range(header_bytes, len(self.frame), mss)]
        values = self.values
        same = ("outer_ipv6", "ipv6", "encapsulation", "outer_id_fixed", "outer_offset",
                "esp_offset", "l3_offset", "l4_offset", "header_bytes", "mss")
        self.plan = {name: values[name] for name in same} | {
            "status": TxStatus.SEALED if self.seal else TxStatus.BYPASSED,
            "sa": chance.getrandbits(16), "keep": 1, "seal": self.seal, "lso": 1, "checksum": 1,
            "edited": 1, "udp": values["l4_protocol"] == IPPROTO_UDP,
            "tunnel": self.seal and values["l3_offset"] != values["outer_offset"],
            "text_offset": values["esp_offset"] + ESP_TEXT_OFFSET, "icv_bytes": self.icv,
            "bytes": len(self.frame), "payload_bytes": len(self.frame) - header_bytes,
            "sequence": self.sequence,
        }

    @property
    def header(self):
        """Header into which the patches of each segment are written."""
        return self.frame[:self.values["header_bytes"]]

    def expected(self):
        for index, clear in enumerate(self.segments):
            fields = {
                "header": clear[:len(self.header)],
                "first": index == 0, "last": index == len(self.segments) - 1, "keep": 1,
                "seal": self.seal, "lso": 1, "edited": 1, "sequence": self.sequence + index,
                "status": self.plan["status"], "sa": self.plan["sa"],
                "bytes_in": 0 if index else len(self.frame), "bytes_out": len(clear),
            }
            if self.seal:
                payload_bytes = len(clear) - self.values["esp_offset"] - ESP_TEXT_OFFSET
                text_bytes = payload_bytes + len(trailer.build(payload_bytes, 0))
                fields |= {
                    "payload_bytes": payload_bytes, "text_bytes": text_bytes,
                    "bytes_out": len(clear) + text_bytes - payload_bytes + self.icv}
            yield fields


class Single:
    """A request that is no super-frame: to be dropped, to pass, or to get its checksum."""

    def __init__(self, chance):
        self.udp = chance.random() < 0.5
        self.l4_sum = chance.choice((0xFFFF, chance.randrange(1, 65536)))
        self.at = 34 + 4 * chance.randrange(20)
        self.slice_sums = []
        keep = chance.random() < 0.8
        self.checksum = keep and chance.random() < 0.5
        self.plan = {
            "status": TxStatus.BYPASSED if keep else TxStatus.DROP_SPI, "keep": keep,
            "checksum": self.checksum, "udp": self.udp, "l4_offset": self.at,
            "bytes": chance.randrange(60, 9600), "esp_offset": chance.randrange(256),
        }
        self.probe = {"l4": self.l4_sum, "outer": chance.getrandbits(16)}

    header = bytes(400)
    """Header into which its patch is written."""

    def expected(self):
        at = self.at + (6 if self.udp else 16)
        value = self.l4_sum ^ 0xFFFF
        header = bytearray(self.header)
        if self.checksum:
            header[at:at + 2] = (value or (0xFFFF if self.udp else 0)).to_bytes(2, "big")
        yield {"first": 1, "last": 1, "status": self.plan["status"], "keep": self.plan["keep"],
               "header": bytes(header)}


def patched(header, patches):
    """A header with the patches of a segment, packed as its field has them."""
    layout = segment(LSO).members["patches"]
    result = bytearray(header)
    for number in range(layout.length):
        one = unpack(layout.elem_shape, patches >> number * layout.elem_shape.size)
        if one["enable"]:
            result[2 * one["word"]:2 * one["word"] + 2] = one["value"].to_bytes(2, "big")
    return bytes(result)


async def run(dut, cases, idle, stall):
    """Feed requests; give all frames as field values, with the header that the patches make."""
    await start_clock_and_reset(dut)
    plans, probes = (StreamSource(dut, name, seed=cocotb.RANDOM_SEED, idle=idle)
                     for name in ("plan", "probe"))
    sums = StreamSource(dut, "slice_sum", seed=cocotb.RANDOM_SEED, idle=idle) if LSO else None
    sink = StreamSink(dut, "o", seed=cocotb.RANDOM_SEED, stall=stall)
    for case in cases:
        plans.send(pack(SegmentPlan, case.plan))
        probes.send(pack(ProbeRecord, case.probe))
        if sums:
            sums.send(*case.slice_sums)
    frames = []
    for case in cases:
        for word in await sink.receive(max(1, len(case.slice_sums))):
            fields = unpack(segment(LSO), word)
            frames.append(fields | {"header": patched(case.header, fields["patches"])})
    return frames


def longest(chance):
    """A super-frame of as much payload as there may be: the length of L4 takes 17 bits."""
    fields = random_layout(chance)
    frame = chance.randbytes(fields["header_bytes"] + PAYLOAD_BYTES_MAX)
    assert len(frame) - fields["l4_offset"] > 0xFFFF
    return SuperFrame(chance, (fields | {"mss": chance.randrange(1400, 9000)}, frame))


def random_cases(chance):
    kinds = (SuperFrame, Single) if LSO else (Single,)
    cases = [chance.choice(kinds)(chance) for _ in range(CASES)]
    if LSO:
        cases += [longest(chance) for _ in range(4)]
    return cases


@cocotb.test()
@cocotb.parametrize(gaps=[(0.0, 0.0), (0.3, 0.3), (0.0, 0.6)])
async def segments_are_those_of_the_model(dut, gaps):
    cases = random_cases(random.Random(cocotb.RANDOM_SEED))
    frames = await run(dut, cases, *gaps)
    check_items(frames, [fields for case in cases for fields in case.expected()])


@pytest.mark.quick
def test_segments_in_short():
    simulate_quick(
        Segmenter(), "segments_are_those_of_the_model/gaps=1",
        name="segmenter", module=__name__)


def test_segments_on_verilator():
    simulate(Segmenter(), name="segmenter", module=__name__, seed=1)


def test_segments_on_icarus():
    simulate(Segmenter(), name="segmenter", module=__name__, simulator="icarus", seed=2)


def test_without_super_frames_every_request_is_one_frame():
    simulate(Segmenter(lso=False), name="segmenter_single", module=__name__, seed=3,
             environment={"LSO": "0"})
