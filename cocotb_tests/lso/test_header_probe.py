"""Fields and sums of frames, against slices of their bytes."""

import random

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from espnic.hdl.lso.header_probe import HeaderProbe, ProbeOffsets, ProbeRecord
from espnic.model.interface.features import Features
from espnic.sim.agents.beats import pack, to_beats, unpack
from espnic.sim.agents.side_by_side import Ports, bench_features, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.quick import simulate_quick
from tests.support.rfc1071 import ones_sum

OFFSETS = ProbeOffsets
TCP_OMITTED = (4, 6, 12)
UDP_OMITTED = (4,)
IPV4_OMITTED = (2, 4, 10)


def headers(chance):
    """Offsets of Ethernet, maybe a VLAN tag, IP, maybe UDP, ESP, IP and L4 headers."""
    outer_l3 = chance.choice((14, 18))
    outer_end = outer_l3 + chance.choice((20, 40))
    inner_l3 = outer_end + chance.choice((16, 24))
    return {"outer_l3": outer_l3, "outer_end": outer_end, "inner_l3": inner_l3,
            "l4": inner_l3 + chance.choice((20, 40, 60)),
            "lso": chance.random() < 0.7, "udp": chance.random() < 0.3}


def spread(chance):
    """Offsets anywhere, in order."""
    places = sorted(2 * place for place in chance.choices(range(128), k=4))
    names = ("outer_l3", "outer_end", "inner_l3", "l4")
    return {**dict(zip(names, places, strict=True)),
            "lso": chance.random() < 0.5, "udp": chance.random() < 0.5}


def frame_of(chance, offsets, length):
    """A frame of that many bytes of L4, and whether its end is given."""
    frame = chance.choice((chance.randbytes, bytes, lambda count: b"\xff" * count))(
        offsets["l4"] + length)
    if chance.random() < 0.5:
        return frame, {**offsets, "l4_end": 0}
    behind = chance.choice((0, 0, 1, chance.randrange(100)))
    return frame + chance.randbytes(behind), {**offsets, "l4_end": len(frame)}


def random_cases(chance, width):
    size = width // 8
    cases = [frame_of(chance, make(chance), chance.choice((
        0, 1, 14, 20, 21, chance.randrange(1, 3 * size), chance.randrange(1, 1500))) or 1)
        for _ in range(150) for make in (headers, spread)]
    cases += [frame_of(chance, headers(chance), length) for length in (65_535, 65_536)]
    chance.shuffle(cases)
    return cases


def short_cases(chance, width):
    """Frames of one beat."""
    cases = []
    for _ in range(200):
        places = sorted(2 * place for place in chance.choices(range(width // 32), k=4))
        names = ("outer_l3", "outer_end", "inner_l3", "l4")
        offsets = {**dict(zip(names, places, strict=True)),
                   "lso": chance.random() < 0.5, "udp": chance.random() < 0.5}
        end = chance.randrange(places[-1] + 1, width // 8 + 1)
        cases.append((chance.randbytes(end), {**offsets, "l4_end": chance.choice((0, end))}))
    return cases


def without(frame, start, end, omitted):
    """Bytes from ``start`` to ``end``, 0 where words are omitted; an even number of them."""
    octets = bytearray(frame[start:end])
    for word in omitted:
        octets[word:word + 2] = bytes(len(octets[word:word + 2]))
    return bytes(octets) + bytes(len(octets) % 2)


def expected(frame, offsets):
    """The record; no entry for a field that the frame does not have."""
    l4, inner_l3, outer_l3 = offsets["l4"], offsets["inner_l3"], offsets["outer_l3"]
    cut = offsets["lso"] and bench_features().lso
    l4_omitted = (UDP_OMITTED if offsets["udp"] else TCP_OMITTED) if cut else ()
    record = {
        "outer": ones_sum(without(frame, outer_l3, offsets["outer_end"], IPV4_OMITTED)),
        "inner": ones_sum(without(frame, inner_l3, l4, IPV4_OMITTED)),
        "l4": ones_sum(without(frame, l4, offsets["l4_end"] or len(frame), l4_omitted)),
    }
    for name, start, size in (("outer_id", outer_l3 + 4, 2), ("inner_id", inner_l3 + 4, 2),
                              ("tcp_seq", l4 + 4, 4), ("tcp_flags", l4 + 12, 2)):
        if start + size <= len(frame):
            record[name] = int.from_bytes(frame[start:start + size], "big")
    return record


async def probe(dut, width, cases, idle):
    """The records of frames, one each, as field values."""
    chance = random.Random(cocotb.RANDOM_SEED)
    ports = Ports(dut, width)
    sink = ports.sink("o")
    edge = RisingEdge(dut.clk)
    valid, payload, offsets = (
        ports.handle(name) for name in ("i__valid", "i__payload", "offsets"))
    for frame, fields in cases:
        for word in to_beats(width, frame, chance):
            while chance.random() < idle:
                valid.value = 0
                payload.value = chance.getrandbits(len(payload))
                offsets.value = chance.getrandbits(OFFSETS.size)
                await edge
            valid.value = 1
            payload.value = word
            offsets.value = pack(OFFSETS, fields)
            await edge
    valid.value = 0
    records = await sink.receive(len(cases), limit=100)
    assert not sink.items, "more records than frames"
    return [unpack(ProbeRecord, record) for record in records]


def check(width, cases, records):
    wanted = [expected(*case) for case in cases]
    if not bench_features().lso:
        wanted = [{"l4": record["l4"]} for record in wanted]
    check_items(records, wanted, width=width)


@cocotb.test()
@cocotb.parametrize(width=bench_widths(), idle=(0, 0.3))
async def frames_have_their_fields_and_sums(dut, width, idle):
    await start_clock_and_reset(dut)
    cases = random_cases(random.Random(cocotb.RANDOM_SEED), width)
    check(width, cases, await probe(dut, width, cases, idle))


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def frames_of_one_beat_have_theirs_every_clock(dut, width):
    await start_clock_and_reset(dut)
    cases = short_cases(random.Random(cocotb.RANDOM_SEED), width)
    check(width, cases, await probe(dut, width, cases, 0))


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def offsets_without_sense_spare_the_next_frame(dut, width):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    cases = []
    for good in random_cases(chance, width)[:150]:
        nonsense = unpack(OFFSETS, chance.getrandbits(OFFSETS.size))
        cases += [(chance.randbytes(chance.randrange(1, 300)), nonsense), good]
    records = await probe(dut, width, cases, 0)
    check(width, cases[1::2], records[1::2])


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_record_comes_after_its_latency(dut, width):
    await start_clock_and_reset(dut)
    ports = Ports(dut, width)
    valid, record_valid = ports.handle("i__valid"), ports.handle("o__valid")
    ports.handle("i__payload").value = to_beats(width, bytes(width // 8))[0]
    valid.value = 1
    seen = []
    for _ in range(HeaderProbe.latency + 3):
        await RisingEdge(dut.clk)
        valid.value = 0
        seen.append(int(record_valid.value))
    # The first edge takes the beat; values are those right before an edge.
    assert [clock for clock, value in enumerate(seen) if value] == [HeaderProbe.latency]


@pytest.mark.quick
def test_headers_are_probed_in_short():
    simulate_quick(
        HeaderProbe(128),
        "frames_of_one_beat_have_theirs_every_clock",
        "offsets_without_sense_spare_the_next_frame",
        name="header_probe", module=__name__, width=128)


def test_probe():
    simulate_widths(HeaderProbe, name="header_probe", module=__name__, seed=1)


def test_probe_on_icarus():
    simulate_widths(HeaderProbe, name="header_probe", module=__name__, widths=[128],
                    simulator="icarus", seed=2)


def test_without_segmentation_the_payload_is_summed_alone():
    simulate_widths(lambda width: HeaderProbe(width, lso=False), name="header_probe_single",
                    module=__name__, widths=[128], seed=1, features=Features(lso=False))
