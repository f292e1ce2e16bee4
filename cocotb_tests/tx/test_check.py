"""The checks of requests to send against the model of the device: every status, and the plan."""

import random
from collections import deque
from copy import deepcopy
from dataclasses import replace

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from espnic.hdl.layouts import SERIAL_BITS, FoundSa
from espnic.hdl.sa.sent_numbers import SentAnswer, SentCommit, SentQuery
from espnic.hdl.sa.usage import UsageAnswer
from espnic.hdl.tx.check import BEATS_BITS, TxCheck, TxFrameRecord, TxRequest
from espnic.model.device import segment
from espnic.model.device.device import Device
from espnic.model.esp.sent import SentNumbers
from espnic.model.interface.codes import (
    ESP_TEXT_OFFSET,
    FRAME_BYTES_MAX,
    IPPROTO_TCP,
    IPPROTO_UDP,
    OPERATION_BITS,
    SUPER_FRAME_BYTES_MAX,
    IcvSize,
    SaDirection,
    SaOperation,
    SaResult,
    TxOperation,
    TxStatus,
)
from espnic.model.interface.features import Features
from espnic.model.interface.layouts import TX_DESCRIPTOR
from espnic.model.sa.lifetime import Limits
from espnic.model.sa.sa import command_values
from espnic.sim.agents.beats import pack, unpack
from espnic.sim.agents.side_by_side import Ports, bench_features, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.traffic.super_frames import random_super_frame
from tests.support.differences import check_items
from tests.support.quick import simulate_quick
from tests.support.sa_contexts import context, random_sa
from tests.support.sa_table import COMMIT

HANDLES = 16
CASES = 2400
SEGMENTS_MAX = 6


class Case:
    """A frame with its descriptor and SA, and what the model does with them."""

    def __init__(self, chance, near_end=True):
        self.sa = random_sa(chance)
        self.serial = chance.getrandbits(SERIAL_BITS)
        self.hit = chance.random() < 0.95
        self.descriptor = TX_DESCRIPTOR.zeros
        make = chance.choice((self.single, self.super_frame))
        fields, self.frame = make(chance)
        self.descriptor |= fields
        self.descriptor["sa"] = chance.randrange(1, HANDLES)
        self.descriptor["sequence"] = self.random_sequence(chance, near_end)
        self.beats = chance.randrange(1 << BEATS_BITS)
        self.descriptor["next_header"] = chance.randrange(256)
        self.reserved = chance.random() < 0.02
        if chance.random() < 0.02:
            self.descriptor["operation"] = chance.randrange(1 << OPERATION_BITS)
        if chance.random() < 0.95:
            self.write_spi()
        self.fault = chance.choice(("table", "lifetime", "numbers") + (None,) * 57)
        """Where a row is wrong."""
        self.noise = chance.getrandbits(FoundSa.size - 2) << 2
        device = Device(replace(bench_features(), sas=HANDLES))
        self.asks = self.descriptor["operation"] == TxOperation.ENCRYPT
        self.expired = chance.random() < 0.1
        self.count = self.count_numbers()
        self.sent = self.random_sent(chance)
        self.before = deepcopy(self.sent)
        self.served = None
        if self.hit and not self.fault:
            self.serve(device)
        self.status = device.transmit(
            self.descriptor | {"reserved0": self.reserved}, self.frame).status
        known = self.hit or self.fault == "table"
        if self.fault and known and self.status == TxStatus.DROP_NO_SA:
            self.status = TxStatus.DROP_FAULT
        if self.status == TxStatus.SEALED:
            after = device.sas[SaDirection.TX].lifetime(self.descriptor["sa"])
            self.served = {
                "count": 1, "packets": after.packets, "bytes": after.bytes,
                "sequence": device.events.pop()["sequence"]}
        used = self.status in (TxStatus.DROP_LATE, TxStatus.DROP_REPEATED)
        self.numbered = {"count": self.status == TxStatus.SEALED, "refused": used}
        if used or self.status == TxStatus.SEALED:
            self.numbered["more"] = self.count - 1

    def count_numbers(self):
        """Sequence numbers that the request asks for, if it is right otherwise."""
        if not self.cut or not self.descriptor["mss"]:
            return 1
        return max(1, segment.count(self.descriptor, min(len(self.frame), self.limit)))

    def random_sent(self, chance):
        """Numbers that the SA has sealed, in every second case some near the request's."""
        first, last = self.descriptor["sequence"], (1 << self.sa.sequence_bits) - 2
        near = (first, first - 1, first + self.count, first + chance.randrange(2000))
        sent = SentNumbers(Features().sent_window, 0)
        if chance.random() < 0.5:
            sent = SentNumbers(sent.window, max(0, min(last, chance.choice(near) - sent.window)))
            number = min(last, chance.choice(near))
            if number > sent.top:
                sent.seal(number)
        return sent

    def serve(self, device):
        """Add the SA so that the first packet tells an event, expired or not."""
        limits = Limits(soft_packets=1, hard_packets=int(self.expired))
        handle, table = self.descriptor["sa"], device.sas[SaDirection.TX]
        sa = replace(self.sa, limits=limits, device_window=False)
        added = command_values(SaOperation.ADD, SaDirection.TX, handle, sa)
        assert device.command(added) == SaResult.OK
        device.sent[handle] = self.sent
        if self.expired:
            table.lifetime(handle).count(1, 0)

    def random_sequence(self, chance, near_end):
        values = [1, 5, chance.randrange(1, 1 << 32), 2**32, 2**64 - 1 - (1 << 20)]
        if near_end:
            end = chance.choice((2**32, 2**64))
            values += [0, end - 1, end - chance.randrange(1, 2 * SEGMENTS_MAX)] * 2
        return chance.choice(values)

    def single(self, chance):
        """A frame that is not to be cut, with or without trailer and checksum to put in."""
        if chance.random() < 0.02:
            return {"operation": chance.choice(tuple(TxOperation))}, bytes(FRAME_BYTES_MAX + 1)
        if chance.random() < 0.05:
            return self.all_padding(chance)
        offset = chance.choice((
            *range(34, 82, 4), 254, chance.choice((30, 33, 35, 36, chance.randrange(256)))))
        trailer = chance.random() < 0.5
        behind = ESP_TEXT_OFFSET + chance.choice((
            0, 1, 3, 4, 8, 4 * chance.randrange(300), chance.randrange(200),
            chance.randrange(-ESP_TEXT_OFFSET, 0)))
        frame = bytearray(chance.randbytes(offset + behind))
        if trailer:
            frame += self.random_trailer(chance)
        operation = TxOperation.ENCRYPT if chance.random() < 0.9 else TxOperation.BYPASS
        fields = {"operation": operation, "trailer": trailer, "esp_offset": offset}
        if chance.random() < 0.5:
            fields |= self.random_checksum(chance, offset, len(frame))
        return fields, bytes(frame)

    def all_padding(self, chance):
        """A frame whose text is all trailer, which is right, or a byte of padding too long."""
        offset, pad = chance.randrange(34, 82, 4), chance.randrange(2, 254, 4)
        trailer = bytes(pad) + bytes((pad + chance.randrange(2), 4)) + bytes(self.sa.icv.bytes)
        return ({"operation": TxOperation.ENCRYPT, "trailer": 1, "esp_offset": offset},
                chance.randbytes(offset + ESP_TEXT_OFFSET) + trailer)

    def random_trailer(self, chance):
        """Pad, pad length and next header, and room for the ICV: mostly right."""
        pad = chance.choice((0, 0, 4, 252, chance.randrange(256)))
        return (bytes(pad) + bytes((chance.choice((pad, chance.randrange(256))), 4))
                + bytes(2 * chance.randrange(2)) + bytes(self.sa.icv.bytes))

    def random_checksum(self, chance, esp_offset, frame_bytes):
        at = esp_offset + ESP_TEXT_OFFSET + chance.choice((0, 20, 40, -4, -20, 1))
        room = frame_bytes - at - chance.choice((0, 0, 18, 22, 30, self.sa.icv.bytes + 2, -1))
        return {
            "checksum": 1, "l4_offset": at % 256,
            "l4_protocol": chance.choice((IPPROTO_TCP, IPPROTO_UDP, chance.randrange(256))),
            "l4_bytes": chance.choice((max(0, room), max(0, room), 8, 7, 20, 19)),
        }

    def super_frame(self, chance):
        """A frame to be cut, with a mistake in every second."""
        if chance.random() < 0.03:
            return ({"lso": 1, "operation": chance.choice(tuple(TxOperation))},
                    bytes(SUPER_FRAME_BYTES_MAX + 1))
        fields, frame = random_super_frame(chance, SEGMENTS_MAX)
        header_bytes = fields["header_bytes"]
        if chance.random() < 0.5:
            return fields, frame
        mistake = chance.choice((
            {"l4_protocol": chance.randrange(256)}, {"trailer": 1},
            {"mss": chance.choice((0, FRAME_BYTES_MAX - header_bytes + 1, 2**14 - 1))},
            *({name: (fields[name] + chance.choice((-4, 4, 1, -8, 40))) % 256} for name in (
                "outer_offset", "esp_offset", "l3_offset", "l4_offset", "header_bytes")),
            *({name: 1 - fields[name]} for name in ("outer_ipv6", "ipv6", "encapsulation")),
        ))
        short = chance.choice((len(frame), len(frame), header_bytes, header_bytes - 1))
        return fields | mistake, frame[:short]

    def write_spi(self):
        at = self.descriptor["esp_offset"]
        frame = bytearray(self.frame)
        if len(frame) >= at + 4:
            frame[at:at + 4] = self.sa.spi.to_bytes(4, "big")
        self.frame = bytes(frame)

    @property
    def limit(self):
        return SUPER_FRAME_BYTES_MAX if self.cut else FRAME_BYTES_MAX

    def input(self):
        at = self.descriptor["esp_offset"]
        pads = [self.frame[-size.bytes - 2] if len(self.frame) > 18 else 0 for size in IcvSize]
        return pack(TxFrameRecord, {
            "descriptor": self.descriptor | {"reserved": self.reserved},
            "end": {"bytes": min(len(self.frame), self.limit),
                    "oversize": len(self.frame) > self.limit},
            "beats": self.beats,
            "spi": int.from_bytes(self.frame[at:at + 4], "big"),
            "pads": int.from_bytes(bytes(pads), "little"),
        })

    @property
    def cut(self):
        """Whether it is to be cut, as far as its descriptor says."""
        return self.descriptor["lso"] and bench_features().lso

    def found_sa(self):
        if self.fault == "table":
            return self.noise | pack(FoundSa, {"hit": self.hit, "fault": 1})
        if not self.hit:
            return self.noise
        return pack(FoundSa, {
            "hit": 1, "sa": self.descriptor["sa"], "context": context(self.sa, self.serial)})

    def expected(self):
        """All of the request that counts."""
        request = {"beats": self.beats, "plan": self.expected_plan()}
        if self.status == TxStatus.SEALED:
            request |= {"context": context(self.sa, self.serial),
                        "next_header": self.descriptor["next_header"]}
        return request

    def expected_plan(self):
        """All of the plan that counts."""
        fields, status = self.descriptor, self.status
        keep, seal = status <= TxStatus.BYPASSED, status == TxStatus.SEALED
        lso = keep and fields["lso"]
        summed = fields["checksum"] and fields["l4_protocol"] in (IPPROTO_TCP, IPPROTO_UDP)
        wanted = {
            "status": status, "sa": fields["sa"], "keep": keep, "seal": seal, "lso": lso,
            "checksum": keep and (fields["lso"] or summed),
            "edited": keep and (fields["lso"] or fields["checksum"]),
            "bytes": min(len(self.frame), self.limit),
        }
        if seal:
            wanted |= {
                "trailer": fields["trailer"], "sequence": fields["sequence"],
                "esp_offset": fields["esp_offset"], "icv_bytes": self.sa.icv.bytes,
                "text_offset": fields["esp_offset"] + ESP_TEXT_OFFSET}
        if wanted["checksum"]:
            wanted |= {"udp": fields["l4_protocol"] == IPPROTO_UDP,
                       "l4_offset": fields["l4_offset"]}
        if lso:
            same = ("mss", "outer_ipv6", "ipv6", "encapsulation", "outer_id_fixed",
                    "outer_offset", "l3_offset", "header_bytes")
            wanted |= {name: fields[name] for name in same} | {
                "payload_bytes": len(self.frame) - fields["header_bytes"],
                "tunnel": seal and fields["l3_offset"] != fields["outer_offset"]}
        return wanted


class Lifetimes:
    """Answers for the lifetimes of the SAs, with random pauses, and takes what is committed."""

    def __init__(self, dut, width, cases, pause):
        self.commits = []
        self._ports = {name: getattr(dut, f"w{width}__usage__{name}") for name in (
            "answer__valid", "answer__payload", "answer__ready", "commit")}
        self._cases = deque(case for case in cases if case.asks)
        self._pause = pause
        cocotb.start_soon(self._run(RisingEdge(dut.clk), random.Random(cocotb.RANDOM_SEED)))

    async def _run(self, edge, chance):
        ports = self._ports
        offers = False
        while True:
            offers = bool(self._cases) and (offers or chance.random() >= self._pause)
            ports["answer__valid"].value = offers
            ports["answer__payload"].value = pack(UsageAnswer, {
                "expired": self._cases[0].expired,
                "fault": self._cases[0].fault == "lifetime"}) if offers else 0
            await edge
            if offers and int(ports["answer__ready"].value):
                commit = COMMIT.unpack(int(ports["commit"].value))
                self.commits.append(commit if commit["count"] else None)
                self._cases.popleft()
                offers = False


class Numbers:
    """Answers for the numbers that the SAs have sealed, as ``SentNumbers`` does, with pauses."""

    def __init__(self, dut, width, cases, pause):
        self.commits = []
        self._ports = {name: getattr(dut, f"w{width}__sent__{name}") for name in (
            "query__valid", "query__payload", "query__ready", "answer__valid", "answer__payload",
            "answer__ready", "commit", "counted")}
        self._cases = [case for case in cases if case.asks]
        self._pause = pause
        cocotb.start_soon(self._run(RisingEdge(dut.clk), random.Random(cocotb.RANDOM_SEED)))

    async def _run(self, edge, chance):
        ports, asked = self._ports, deque()
        waiting = iter(self._cases)
        clock = since = 0
        counted = offers = False
        while True:
            case, begun = asked[0] if asked else (None, 0)
            offers = case is not None and clock > max(begun, since) and self._known(
                case, counted) and (offers or chance.random() >= self._pause)
            ports["answer__valid"].value = offers
            ports["answer__payload"].value = self._answer(case) if offers else 0
            ready = len(asked) < 2 and chance.random() >= self._pause
            ports["query__ready"].value = ready
            await edge
            clock += 1
            counted = bool(int(ports["counted"].value))
            if offers and int(ports["answer__ready"].value):
                self.commits.append(unpack(SentCommit, int(ports["commit"].value)))
                asked.popleft()
                since, counted, offers = clock, False, False
            if ready and int(ports["query__valid"].value):
                asked.append((next(waiting), clock))
                self._check_query(asked[-1][0], int(ports["query__payload"].value))

    def _known(self, case, counted):
        """Whether the answer follows from the first number, or the others are known."""
        first, sent = case.descriptor["sequence"], case.before
        return not case.cut or counted or not sent.bottom <= first <= sent.top

    def _answer(self, case):
        status = case.before.check(case.descriptor["sequence"], case.count)
        return pack(SentAnswer, {"late": status == TxStatus.DROP_LATE,
                                 "repeated": status == TxStatus.DROP_REPEATED,
                                 "fault": case.fault == "numbers"})

    @staticmethod
    def _check_query(case, payload):
        query = unpack(SentQuery, payload)
        # A burst that has not been counted yet may turn out to be of one segment.
        assert query["burst"] in ({0, 1} if case.cut and case.count == 1 else {case.count > 1})
        assert (query["sa"], query["sequence"]) == (
            case.descriptor["sa"], case.descriptor["sequence"])


async def check_all(dut, width, cases, *, idle=0.0, stall=0.0):
    lifetimes = Lifetimes(dut, width, cases, pause=stall)
    numbers = Numbers(dut, width, cases, pause=stall)
    ports = Ports(dut, width, idle=idle, stall=stall)
    frames, sas, requests = ports.source("frame"), ports.source("sa"), ports.sink("o")
    frames.send(*(case.input() for case in cases))
    ports.source("last_segment").send(*(case.count - 1 for case in cases if case.cut))
    sas.send(*(case.found_sa() for case in cases))
    words = await requests.receive(len(cases))
    check_items(lifetimes.commits, [case.served for case in cases if case.asks], port="commit",
                width=width)
    check_items(numbers.commits, [case.numbered for case in cases if case.asks],
                port="sent.commit", width=width)
    return words


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def statuses_and_plans_are_those_of_the_model(dut, width):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    cases = [Case(chance) for _ in range(CASES)]
    missing = set(TxStatus) - {case.status for case in cases}
    never = ({TxStatus.DROP_UNSUPPORTED} if bench_features().lso else
             {status for status in TxStatus if status.name.startswith("DROP_LSO")})
    missing.remove(TxStatus.DROP_SA_GONE)
    assert missing == never, "the statuses that the bench has no request with"
    words = await check_all(dut, width, cases, idle=0.3, stall=0.3)
    check_items(words, [case.expected() for case in cases], port="o", width=width,
                layout=TxRequest)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_request_goes_every_clock_and_one_to_be_encrypted_as_fast_as_its_answers(dut, width):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    cases = [Case(chance) for _ in range(300)]
    start = Ports(dut, width).clock
    await check_all(dut, width, cases)
    encrypted = sum(case.asks for case in cases)
    bursts = sum(case.cut and case.asks for case in cases)
    assert 0 < encrypted < len(cases)
    assert bool(bursts) == bench_features().lso
    clocks = len(cases) + encrypted + 5
    assert Ports(dut, width).clock - start <= clocks


@pytest.mark.quick
def test_requests_are_checked_in_short():
    simulate_quick(
        TxCheck(),
        "a_request_goes_every_clock_and_one_to_be_encrypted_as_fast_as_its_answers",
        name="tx_check", module=__name__, width=128)


def test_requests_are_checked():
    simulate_widths(lambda _: TxCheck(), name="tx_check", module=__name__, widths=[128], seed=1)


def test_without_segmentation_a_request_for_it_is_refused():
    simulate_widths(lambda _: TxCheck(lso=False), name="tx_check_single",
                    module=__name__, widths=[128], seed=1, features=Features(lso=False))
