"""What is said of TCP and UDP checksums against the model, over every kind of frame and mistake."""

import random
from collections import Counter
from ipaddress import IPv4Address, IPv6Address

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from hdl.l4_check import L4Check
from model import checksum, receive_checksum
from model.codes import (
    ETHERNET_HEADER_BYTES,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    FRAME_BYTES_MAX,
    IPPROTO_TCP,
    IPPROTO_UDP,
    IPV4_HEADER_BYTES,
    IPV6_HEADER_BYTES,
    RxChecksum,
)
from sim.beats import to_beats
from sim.frames import MACS, SERVICE_TAG, VLAN_TAG
from sim.streams import start_clock_and_reset
from sim.widths import Ports, bench_widths, simulate_widths

NONE, GOOD, BAD = RxChecksum.NONE, RxChecksum.GOOD, RxChecksum.BAD
PROTOCOLS = (IPPROTO_TCP, IPPROTO_UDP)
FAMILIES = (4, 6)
TAGS = (b"", VLAN_TAG)
PADDING = (b"", b"\xff", b"\xaa\xbb\xcc", bytes(range(1, 41)))
HEADER_BYTES = {IPPROTO_TCP: 20, IPPROTO_UDP: 8}


def layer4(chance, protocol, payload_bytes, *, udp_length=None):
    """A TCP or UDP header and payload of random bytes, with anything as its checksum."""
    header = bytearray(chance.randbytes(HEADER_BYTES[protocol]))
    if protocol == IPPROTO_UDP:
        length = len(header) + payload_bytes if udp_length is None else udp_length
        header[4:6] = length.to_bytes(2, "big")
    return bytes(header) + chance.randbytes(payload_bytes)


def summed(data, protocol, source, destination):
    """With the checksum that makes all of it zero; FFFFh in UDP for 0, for that says none."""
    at = checksum.FIELD_AT[protocol]
    if len(data) < at + 2:
        return data
    pseudo = checksum.pseudo_header(source, destination, protocol, len(data))
    value = checksum.of(pseudo + data[:at] + bytes(2) + data[at + 2:])
    return data[:at] + checksum.field(protocol, value) + data[at + 2:]


def ip_packet(chance, family, protocol, data, *, next_header=None, length=None,
              first=None, fragment=0x4000):
    """An IP packet whose L4 checksum is right; what is given of its header may be wrong."""
    next_header = protocol if next_header is None else next_header
    if family == 4:
        source, destination = (IPv4Address(chance.randbytes(4)) for _ in range(2))
        length = IPV4_HEADER_BYTES + len(data) if length is None else length
        header = bytes([0x45 if first is None else first, 0]) + length.to_bytes(2, "big")
        header += chance.randbytes(2) + fragment.to_bytes(2, "big")
        header += bytes([chance.randrange(256), next_header]) + chance.randbytes(2)
    else:
        source, destination = (IPv6Address(chance.randbytes(16)) for _ in range(2))
        length = len(data) if length is None else length
        header = bytes([0x6B if first is None else first]) + chance.randbytes(3)
        header += length.to_bytes(2, "big") + bytes([next_header, chance.randrange(256)])
    return header + source.packed + destination.packed + summed(
        data, protocol, source, destination)


def frame(family, packet, tags=b"", padding=b""):
    ethertype = ETHERTYPE_IPV4 if family == 4 else ETHERTYPE_IPV6
    return MACS + tags + ethertype.to_bytes(2, "big") + packet + padding


def headers():
    """Every combination of headers that is looked at."""
    return [(family, protocol, tags)
            for family in FAMILIES for protocol in PROTOCOLS for tags in TAGS]


def good_frame(chance, payload_bytes, *, kind=None, padding=None):
    """A frame with a right checksum, or of UDP once in 65,536 with none."""
    family, protocol, tags = kind or chance.choice(headers())
    data = layer4(chance, protocol, payload_bytes)
    return frame(family, ip_packet(chance, family, protocol, data), tags,
                 chance.choice(PADDING) if padding is None else padding)


def one_bit_wrong(chance, given):
    """Any bit behind the MAC addresses may be the wrong one, so it is the model that knows."""
    at = chance.randrange(len(MACS), len(given))
    return given[:at] + bytes([given[at] ^ 1 << chance.randrange(8)]) + given[at + 1:]


def l4_bit_wrong(chance, kind, payload_bytes):
    """A frame with a wrong bit in addresses, L4 header or payload, but not in the UDP length or,
    where that would take it away, the checksum."""
    family, protocol, tags = kind
    given = bytearray(good_frame(chance, payload_bytes, kind=kind, padding=b""))
    l3 = ETHERNET_HEADER_BYTES + len(tags)
    l4 = l3 + (IPV4_HEADER_BYTES if family == 4 else IPV6_HEADER_BYTES)
    places = [at for at in range(l3 + (12 if family == 4 else 8), len(given))
              if protocol == IPPROTO_TCP or not l4 + 4 <= at < l4 + 8]
    given[chance.choice(places)] ^= 1 << chance.randrange(8)
    return bytes(given)


def frames_not_looked_at(chance):
    """Every reason to say nothing of a checksum, in every place where it can stand."""
    found = []

    def add(family, protocol, tags, data, **change):
        found.append(frame(family, ip_packet(chance, family, protocol, data, **change), tags))

    for family, protocol, tags in headers():
        whole = layer4(chance, protocol, 30)
        length = len(whole) + (IPV4_HEADER_BYTES if family == 4 else 0)
        for change in (
            {"next_header": 1}, {"next_header": 50}, {"next_header": 44}, {"next_header": 7},
            {"next_header": 0}, {"length": length + 1}, {"length": 0xFFFF}, {"length": 0},
            {"length": length + 0x100}, {"first": 0x55}, {"first": 0x40 if family == 6 else 0x60},
        ):
            add(family, protocol, tags, whole, **change)
        if family == 4:
            for change in ({"first": 0x46}, {"first": 0x4F}, {"first": 0x44}, {"fragment": 0x2000},
                           {"fragment": 1}, {"fragment": 0x1FFF}, {"fragment": 0x6000},
                           {"length": 5}, {"length": 19}, {"length": 20}):
                add(family, protocol, tags, whole, **change)
        for count in range(HEADER_BYTES[protocol]):
            add(family, protocol, tags, layer4(chance, protocol, 0)[:count])
        if protocol == IPPROTO_UDP:
            for udp_length in (0, 7, 8, 37, 39, 38 + 0x100, 0xFFFF):
                add(family, protocol, tags, layer4(chance, protocol, 30, udp_length=udp_length))
            for count in range(8):
                data = layer4(chance, protocol, 0, udp_length=count)
                add(family, protocol, tags, data,
                    length=count + (IPV4_HEADER_BYTES if family == 4 else 0))
            good = good_frame(chance, 30, kind=(family, protocol, tags), padding=b"")
            at = ETHERNET_HEADER_BYTES + len(tags) + (
                IPV4_HEADER_BYTES if family == 4 else IPV6_HEADER_BYTES) + 6
            found.append(good[:at] + bytes(2) + good[at + 2:])
        for wrong in (SERVICE_TAG, 2 * VLAN_TAG, 3 * VLAN_TAG, SERVICE_TAG + VLAN_TAG):
            found.append(frame(family, ip_packet(chance, family, protocol, whole), wrong))
        packet = ip_packet(chance, family, protocol, whole)
        found.append(frame(10 - family, packet, tags))
        found.append(MACS + tags + b"\x08\x06" + packet)
        whole_frame = frame(family, packet, tags)
        found += [whole_frame[:count] for count in range(1, len(whole_frame))]
    return found


def mixed_frames(chance, width):
    """Those not looked at, good and bad frames of every length up to 3 beats, and long ones."""
    found = frames_not_looked_at(chance)
    assert set(expected(found)) == {NONE}
    for kind in headers():
        for payload_bytes in range(3 * width // 8):
            found.append(good_frame(chance, payload_bytes, kind=kind))
            found.append(one_bit_wrong(chance, good_frame(chance, payload_bytes)))
        for payload_bytes in range(1, width // 8, 3):
            found.append(l4_bit_wrong(chance, kind, payload_bytes))
    for count in (1500, FRAME_BYTES_MAX - 1, FRAME_BYTES_MAX):
        good = good_frame(chance, count - 78, kind=headers()[-1], padding=b"")
        found += [good.ljust(count, b"\1"), one_bit_wrong(chance, good)]
    chance.shuffle(found)
    return found


def expected(frames):
    return [receive_checksum.plain_status(one) for one in frames]


async def check(dut, width, frames, *, idle=0.0):
    chance = random.Random(cocotb.RANDOM_SEED)
    sink, source = (Ports(dut, width).sink("o"), Ports(dut, width, idle=idle).source("i"))
    for one in frames:
        source.send(*to_beats(width, one, chance))
    found = await sink.receive(len(frames))
    for number, (got, status) in enumerate(zip(found, expected(frames), strict=True)):
        assert got == status, (
            f"frame {number}: {RxChecksum(got).name}, expected {status.name}:"
            f" {frames[number].hex()}")
    await ClockCycles(dut.clk, L4Check.latency + 1)
    assert not sink.items, "more answers than frames"


@cocotb.test()
@cocotb.parametrize(width=bench_widths(), idle=[0.0, 0.3])
async def checksums_are_judged_as_in_the_model(dut, width, idle):
    await start_clock_and_reset(dut)
    frames = mixed_frames(random.Random(cocotb.RANDOM_SEED), width)
    count = Counter(expected(frames))
    assert min(count[status] for status in RxChecksum) > 100, count
    await check(dut, width, frames, idle=idle)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def any_wrong_bit_of_what_is_summed_is_found(dut, width):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    frames = [l4_bit_wrong(chance, kind, chance.randrange(2 * width // 8))
              for kind in headers() for _ in range(40)]
    assert set(expected(frames)) == {BAD}
    await check(dut, width, frames)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def sums_that_are_zero_are_told_from_those_that_are_not(dut, width):
    """A payload of zeros or of ones, and a checksum field of FFFFh or 0."""
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    frames = []
    for family, protocol, tags in headers():
        at = checksum.FIELD_AT[protocol]
        for filler in (b"\0", b"\xff"):
            good = ip_packet(chance, family, protocol, layer4(chance, protocol, 2)[:-2]
                             + 2 * filler)
            l4 = IPV4_HEADER_BYTES if family == 4 else IPV6_HEADER_BYTES
            # The last word takes what the field had, so that the field is a zero.
            value = int.from_bytes(good[l4 + at:l4 + at + 2], "big")
            last = checksum.add(value, int.from_bytes(2 * filler, "big"))
            for field in (b"\0\0", b"\xff\xff"):
                for off in (0, 1):
                    end = (last + off & 0xFFFF).to_bytes(2, "big")
                    packet = good[:l4 + at] + field + good[l4 + at + 2:-2] + end
                    frames.append(frame(family, packet, tags))
    assert set(expected(frames)) == set(RxChecksum)
    await check(dut, width, frames)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def an_answer_comes_in_the_stated_clocks_and_a_beat_goes_every_clock(dut, width):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    frames = [good_frame(chance, chance.randrange(width // 8), kind=headers()[0], padding=b"")
              for _ in range(200)]
    words = [word for one in frames for word in to_beats(width, one, chance)]
    sink, source = Ports(dut, width).sink("o"), Ports(dut, width).source("i")
    source.send(*words)
    while not int(Ports(dut, width).handle("i__valid").value):
        await RisingEdge(dut.clk)
    start = Ports(dut, width).clock
    assert await sink.receive(len(frames)) == expected(frames)
    assert Ports(dut, width).clock - start == len(words) - 1 + L4Check.latency


def test_checksums_are_judged_as_in_the_model():
    simulate_widths(L4Check, name="l4_check", module=__name__, seed=1)
