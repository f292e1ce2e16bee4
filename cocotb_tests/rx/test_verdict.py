"""The verdict over received frames against the device's rules, in their order."""

import random

import cocotb
import pytest
from cocotb import start_soon
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.hdl.flow.frame_ingress import ReceivedEnd
from espnic.hdl.rx.checksum import FrameSums
from espnic.hdl.rx.dispatch import RxRecord
from espnic.hdl.rx.icv_split import ReceivedIcv
from espnic.hdl.rx.text_end import OpenedText
from espnic.hdl.rx.text_sum import TextSums
from espnic.hdl.rx.verdict import RxVerdict, VerdictOrder
from espnic.hdl.sa.replay_windows import WindowAnswer
from espnic.hdl.sa.usage import UsageAnswer
from espnic.model.interface.codes import (
    ESP_TEXT_OFFSET,
    ESP_TRAILER_MIN_BYTES,
    FRAME_BYTES_MAX,
    IcvSize,
    RxChecksum,
    RxStatus,
)
from espnic.model.net import checksum
from espnic.sim.agents.beats import pack
from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.differences import check_items
from tests.support.quick import simulate_quick
from tests.support.sa_table import COMMIT

LATENCY = 4
REJECTED = [status for status in RxStatus if status not in (
    RxStatus.OK, RxStatus.OVERSIZE, RxStatus.AUTH_FAILED, RxStatus.BAD_UDP_CHECKSUM,
    RxStatus.BAD_FRAME)]


class Case:
    """Facts known about a frame at its end, and the verdict that must come of them."""

    def __init__(self, chance):
        self.status = chance.choice(REJECTED) if chance.random() < 0.2 else RxStatus.OK
        self.handle = chance.getrandbits(16)
        self.esp_offset = chance.randrange(34, 80, 4)
        self.text_bytes = chance.choice((2, 3, 4, 257, 258, chance.randrange(2, 9000)))
        self.icv = chance.choice(list(IcvSize))
        self.esp_end = (self.esp_offset + ESP_TEXT_OFFSET + self.text_bytes + self.icv.bytes)
        self.frame_bytes = self.esp_end + chance.choice((0, 0, 0, 1, 6, -1))
        self.oversize = chance.random() < 0.1
        if self.oversize:
            self.frame_bytes = FRAME_BYTES_MAX
        self.bad = chance.random() < 0.1
        self.pad_length = chance.choice((
            0, 255, min(255, self.text_bytes - 2), min(255, max(0, self.text_bytes - 3)),
            chance.randrange(256)))
        self.next_header = chance.randrange(256)
        self.beats = -(-self.text_bytes // 16)
        self.tag = chance.randbytes(16)
        self.rotation = chance.randrange(16)
        self.received = bytearray(self.tag)
        self.frame_sums = {name: chance.choice((0, 0xFFFF, chance.getrandbits(16)))
                           for name in FrameSums.members}
        self.packet_sums = {name: chance.choice((0, 0xFFFF, chance.getrandbits(16)))
                            for name in TextSums.members}
        self.l4 = chance.choice(list(RxChecksum))
        self.in_udp = chance.random() < 0.5
        self.windowed = self.opened and chance.random() < 0.5
        self.late, self.seen = chance.choice(((0, 0), (0, 0), (0, 1), (1, 0), (1, 1)))
        self.sequence = chance.getrandbits(64)
        self.expired = chance.random() < 0.2
        self.gone = chance.random() < 0.1
        self.fault = chance.random() < 0.1
        self.lifetime_fault, self.window_fault = (chance.random() < 0.1 for _ in range(2))
        self.flipped = chance.choice((None, None, None, chance.randrange(128)))
        if self.flipped is not None:
            self.received[self.flipped // 8] ^= 1 << self.flipped % 8

    @property
    def opened(self):
        return self.status == RxStatus.OK

    @property
    def asked_sa(self):
        """The SA whose lifetime is asked; an SA that is gone or wrong is no SA, and a bad frame or
        one that is too long has none."""
        return 0 if self.bad or self.oversize or self.gone or self.fault else self.handle

    def record(self):
        return pack(RxRecord, {
            "status": self.status, "sa": self.handle, "esp_offset": self.esp_offset,
            "esp_end": self.esp_end, "text_bytes": self.text_bytes, "icv_size": self.icv,
            "windowed": self.windowed, "sequence": self.sequence, "in_udp": self.in_udp})

    def end(self):
        return pack(ReceivedEnd, {
            "bytes": self.frame_bytes, "oversize": self.oversize, "bad": self.bad})

    def received_icv(self):
        rotated = bytearray(16)
        for index, octet in enumerate(self.received):
            rotated[(self.rotation + index) % 16] = octet
        return pack(ReceivedIcv, {
            "rotated": int.from_bytes(rotated, "little"), "rotation": self.rotation})

    def text(self):
        return pack(OpenedText, {
            "beats": self.beats, "pad_length": self.pad_length, "next_header": self.next_header})

    def lifetime(self):
        return pack(UsageAnswer, {"expired": self.expired, "fault": self.lifetime_fault})

    def window(self):
        return pack(WindowAnswer, {
            "late": self.late, "seen": self.seen, "fault": self.window_fault})

    @property
    def bad_udp(self):
        """Whether the checksum of the UDP header in front of ESP is wrong."""
        return self.in_udp and self.l4 == RxChecksum.BAD

    @property
    def wrong(self):
        """Whether a row of the lifetime or the window is wrong."""
        return self.lifetime_fault or self.windowed and self.window_fault

    @property
    def authentic(self):
        """Whether the ICV is right, of a whole and good frame with a right UDP checksum, of an SA
        that is there, has no wrong row and has not expired."""
        return (not self.bad and not self.oversize and not self.fault and not self.wrong
                and not self.bad_udp and not self.gone and not self.expired
                and self.frame_bytes >= self.esp_end
                and self.received[:self.icv.bytes] == self.tag[:self.icv.bytes])

    def expected_status(self):
        if self.oversize:
            return RxStatus.OVERSIZE
        if self.bad:
            return RxStatus.BAD_FRAME
        if not self.opened:
            return self.status
        if self.frame_bytes < self.esp_end:
            return RxStatus.TRUNCATED
        if self.fault:
            return RxStatus.FAULT
        if self.gone:
            return RxStatus.SA_GONE
        if self.wrong:
            return RxStatus.FAULT
        if self.bad_udp:
            return RxStatus.BAD_UDP_CHECKSUM
        if self.windowed and self.late:
            return RxStatus.LATE
        if self.windowed and self.seen:
            return RxStatus.REPLAYED
        if self.expired:
            return RxStatus.EXPIRED
        if self.received[:self.icv.bytes] != self.tag[:self.icv.bytes]:
            return RxStatus.AUTH_FAILED
        if self.pad_length + ESP_TRAILER_MIN_BYTES >= self.text_bytes:
            return RxStatus.BAD_TRAILER
        return RxStatus.OK

    def served(self):
        """Use that counts for the SA's lifetime: that of a frame with the right ICV, mostly."""
        if self.expected_status() not in (RxStatus.OK, RxStatus.BAD_TRAILER):
            return None
        return {"count": 1, "packets": 1, "bytes": self.text_bytes, "sequence": self.sequence}

    def expected(self):
        """All of the verdict that counts."""
        status = self.expected_status()
        good = status == RxStatus.OK
        mute = self.oversize or self.bad
        no_sa = (mute or status == RxStatus.FAULT
                 or self.opened and status == RxStatus.SA_GONE)
        completion = {"status": status, "sa": 0 if no_sa else self.handle,
                      "esp_offset": 0, "next_header": 0, "trailer_bytes": 0,
                      "checksum": 0 if self.oversize else self.frame_sums["whole"],
                      "frame_checksum": 0 if self.oversize else self.frame_sums["whole"],
                      "checksum_status": RxChecksum.NONE if mute else self.l4,
                      "outer_checksum": RxChecksum.NONE if mute or not self.in_udp
                      else self.l4}
        if good:
            completion |= {
                "esp_offset": self.esp_offset, "next_header": self.next_header,
                "trailer_bytes": self.pad_length + ESP_TRAILER_MIN_BYTES + self.icv.bytes,
                "checksum": self.packet_sums["payload"],
                "frame_checksum": checksum.add(
                    self.packet_sums["whole"], self.frame_sums["behind_text"]),
                "checksum_status": RxChecksum.NONE}
        return {
            "completion": completion, "bytes": self.frame_bytes,
            "text": self.opened,
            **({"text_beats": self.beats} if self.opened else {}),
            "restore": good, "drop": self.oversize,
            **({"text_offset": self.esp_offset + ESP_TEXT_OFFSET} if good else {}),
        }


def check_verdicts(words, cases):
    check_items(words, [case.expected() for case in cases], port="o", layout=VerdictOrder)


class Bench:
    """The agents of the block's ports."""

    def __init__(self, dut, *, idle=0.0, stall=0.0):
        self.inputs = {name: StreamSource(dut, name, seed=cocotb.RANDOM_SEED, idle=idle)
                       for name in ("record", "end", "gone", "fault", "icv", "tag", "text",
                                    "window", "frame_sum", "packet_sum", "l4", "usage__answer")}
        self.queries = StreamSink(dut, "usage__query", seed=cocotb.RANDOM_SEED, stall=stall)
        self.commits = []
        """Commit of each frame that was opened, None for one that does not count."""
        self.authentic = []
        """Value of ``received`` with the answer for each windowed frame."""
        self._dut = dut
        start_soon(self._listen())
        self.verdicts = StreamSink(dut, "o", seed=cocotb.RANDOM_SEED, stall=stall)

    def send(self, case):
        self.inputs["record"].send(case.record())
        self.inputs["end"].send(case.end())
        self.inputs["frame_sum"].send(pack(FrameSums, case.frame_sums))
        self.inputs["l4"].send(case.l4)
        if case.opened:
            self.inputs["gone"].send(case.gone)
            self.inputs["fault"].send(case.fault)
            self.inputs["icv"].send(case.received_icv())
            self.inputs["tag"].send(int.from_bytes(case.tag, "little"))
            self.inputs["text"].send(case.text())
            self.inputs["packet_sum"].send(pack(TextSums, case.packet_sums))
            self.inputs["usage__answer"].send(case.lifetime())
        if case.windowed:
            self.inputs["window"].send(case.window())

    async def _listen(self):
        while True:
            await RisingEdge(self._dut.clk)
            if int(self._dut.window__valid.value) and int(self._dut.window__ready.value):
                self.authentic.append(int(self._dut.received.value))
            if all(int(getattr(self._dut, f"usage__answer__{name}").value)
                   for name in ("valid", "ready")):
                commit = COMMIT.unpack(int(self._dut.usage__commit.value))
                self.commits.append(commit if commit["count"] else None)


def random_cases(count):
    chance = random.Random(cocotb.RANDOM_SEED)
    return [Case(chance) for _ in range(count)]


@cocotb.test()
async def verdicts_follow_the_rules(dut):
    await start_clock_and_reset(dut)
    cases = random_cases(2000)
    assert {case.expected_status() for case in cases} == set(RxStatus)
    bench = Bench(dut, idle=0.2, stall=0.2)
    for case in cases:
        bench.send(case)
    check_verdicts(await bench.verdicts.receive(len(cases)), cases)
    assert any(case.bad and case.windowed and not case.oversize for case in cases)
    opened = [case for case in cases if case.opened]
    check_items(bench.queries.items, [case.asked_sa for case in opened], port="query")
    check_items(bench.commits, [case.served() for case in opened], port="commit")
    check_items(bench.authentic, [case.authentic for case in cases if case.windowed],
                port="received")


@cocotb.test()
async def any_flipped_bit_of_the_icv_is_found(dut):
    await start_clock_and_reset(dut)
    bench = Bench(dut)
    cases = random_cases(3 * 128 * 2)
    for number, case in enumerate(cases):
        case.icv = list(IcvSize)[number % 3]
        case.status, case.oversize, case.bad, case.pad_length = RxStatus.OK, False, False, 0
        case.windowed = case.expired = case.in_udp = case.gone = case.fault = False
        case.lifetime_fault = False
        case.text_bytes, case.frame_bytes = 16, case.esp_end
        case.received = bytearray(case.tag)
        bit = number // 6
        case.received[bit // 8] ^= 1 << bit % 8
        bench.send(case)
    for number, case in enumerate(cases):
        in_icv = number // 6 < 8 * case.icv.bytes
        assert case.expected_status() == (RxStatus.AUTH_FAILED if in_icv else RxStatus.OK)
    check_verdicts(await bench.verdicts.receive(len(cases)), cases)


@cocotb.test()
async def a_frame_goes_every_clock(dut):
    await start_clock_and_reset(dut)
    cases = random_cases(200)
    bench = Bench(dut)
    for case in cases:
        bench.send(case)
    opened = sum(case.opened for case in cases)
    assert 0 < opened < len(cases)
    await ClockCycles(dut.clk, len(cases) + LATENCY + 1)
    assert len(bench.verdicts.items) == len(cases)


@cocotb.test()
async def the_verdict_comes_2_clocks_after_the_tag(dut):
    await start_clock_and_reset(dut)
    bench = Bench(dut)
    case = next(case for case in random_cases(100) if case.windowed)
    for name, word in (("record", case.record()), ("end", case.end()),
                       ("gone", case.gone), ("fault", case.fault), ("icv", case.received_icv()),
                       ("text", case.text()),
                       ("frame_sum", pack(FrameSums, case.frame_sums)),
                       ("packet_sum", pack(TextSums, case.packet_sums)),
                       ("window", case.window()), ("l4", case.l4),
                       ("usage__answer", case.lifetime())):
        bench.inputs[name].send(word)
    await ClockCycles(dut.clk, 10)
    assert not int(dut.o__valid.value)
    bench.inputs["tag"].send(int.from_bytes(case.tag, "little"))
    while not int(dut.tag__valid.value):
        await RisingEdge(dut.clk)
    await RisingEdge(dut.clk)
    assert not int(dut.o__valid.value)
    await RisingEdge(dut.clk)
    assert int(dut.o__valid.value)


@pytest.mark.quick
def test_verdicts_in_short():
    simulate_quick(
        RxVerdict(), "any_flipped_bit_of_the_icv_is_found",
        name="rx_verdict", module=__name__)


def test_verdicts_follow_the_rules():
    simulate(RxVerdict(), name="rx_verdict", module=__name__, seed=1)
