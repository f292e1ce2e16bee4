"""The receive parser against the model's, over every kind of frame and every truncation."""

import random
from collections import Counter

import cocotb
import pytest
from cocotb.triggers import ClockCycles

from espnic.hdl.rx.parser import RxHeader, RxParser
from espnic.model.interface.codes import (
    ESP_HEADER_BYTES,
    ESP_PORTS,
    ESP_TEXT_OFFSET,
    ESP_TRAILER_MIN_BYTES,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    ETHERTYPE_VLAN,
    IPPROTO_ESP,
    IPPROTO_FRAGMENT,
    IPPROTO_TCP,
    IPPROTO_UDP,
    IPV4_HEADER_BYTES,
    IPV6_EXTENSION_HEADERS,
    UDP_HEADER_BYTES,
    UDP_PORT_ESP,
    IcvSize,
    RxStatus,
)
from espnic.model.interface.features import Features
from espnic.model.interface.registers import PORT_BITS, PORTS_DEFAULT
from espnic.model.net import packet
from espnic.sim.agents.beats import pack, to_beats, unpack
from espnic.sim.agents.side_by_side import Ports, bench_features, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.traffic.frames import OF_FRAMES
from tests.support.differences import check_items
from tests.support.quick import simulate_quick

ESP = bytes.fromhex("11223344 00000007 0102030405060708") + bytes(range(40))
LATENCY = 3


def ethernet(payload, ethertype, vlans=0):
    tags = (ETHERTYPE_VLAN.to_bytes(2, "big") + b"\x20\x01") * vlans
    return bytes(range(0xA0, 0xAC)) + tags + ethertype.to_bytes(2, "big") + payload


def ipv4(payload, protocol, *, first=0x45, length=None, fragment=0x4000):
    length = IPV4_HEADER_BYTES + len(payload) if length is None else length
    header = bytes([first, 0]) + length.to_bytes(2, "big") + b"\x12\x34"
    header += fragment.to_bytes(2, "big") + bytes([64, protocol]) + b"\xbe\xef"
    return header + bytes([192, 0, 2, 1, 198, 51, 100, 7]) + payload


def ipv6(payload, protocol, *, first=0x60, length=None):
    length = len(payload) if length is None else length
    header = bytes([first, 0, 0, 0]) + length.to_bytes(2, "big") + bytes([protocol, 64])
    return header + bytes(range(0x20, 0x30)) + bytes(range(0x40, 0x50)) + payload


def udp(payload, *, port=UDP_PORT_ESP, length=None):
    length = UDP_HEADER_BYTES + len(payload) if length is None else length
    return b"\x30\x39" + port.to_bytes(2, "big") + length.to_bytes(2, "big") + bytes(2) + payload


def over_ip(payload, protocol):
    """A payload over IPv4 and IPv6, each with and without a VLAN tag."""
    for vlans in (0, 1):
        yield ethernet(ipv4(payload, protocol), ETHERTYPE_IPV4, vlans)
        yield ethernet(ipv6(payload, protocol), ETHERTYPE_IPV6, vlans)


def good_frames():
    """ESP after every combination of headers."""
    return [*over_ip(ESP, IPPROTO_ESP), *over_ip(udp(ESP), IPPROTO_UDP)]


def rejected_frames():
    """Every reason not to look up an SA, in every place where it can stand."""
    frames = []
    for payload, protocol in (
        (ESP[:7], IPPROTO_ESP), (b"", IPPROTO_ESP), (ESP[:8], IPPROTO_ESP), (ESP, IPPROTO_TCP),
        (udp(b"\xff"), IPPROTO_UDP), (udp(b"\xfe"), IPPROTO_UDP), (udp(b""), IPPROTO_UDP),
        (udp(bytes(4) + ESP), IPPROTO_UDP), (udp(ESP[:8]), IPPROTO_UDP),
        (udp(ESP[:9]), IPPROTO_UDP), (udp(b"\xff" * 2), IPPROTO_UDP),
        (udp(ESP, port=4501), IPPROTO_UDP), (udp(ESP, length=7), IPPROTO_UDP),
        (udp(ESP, length=0), IPPROTO_UDP), (udp(ESP, length=65), IPPROTO_UDP),
        (udp(ESP, length=64), IPPROTO_UDP), (udp(ESP, length=30), IPPROTO_UDP),
        (udp(ESP, length=0xFFFF), IPPROTO_UDP), (udp(b"\xff" * 30, length=9), IPPROTO_UDP),
        (ESP, IPPROTO_FRAGMENT), *((ESP, header) for header in IPV6_EXTENSION_HEADERS),
    ):
        frames += over_ip(payload, protocol)
    for vlans in (0, 1):
        frames += [ethernet(ipv4(ESP, IPPROTO_ESP, **fields), ETHERTYPE_IPV4, vlans) for fields in (
            {"first": 0x55}, {"first": 0x44}, {"first": 0x46}, {"first": 0x4F}, {"first": 0x40},
            {"length": 19}, {"length": 0}, {"length": 20}, {"length": 27}, {"length": 28},
            {"length": 0xFFFF}, {"fragment": 0x2000}, {"fragment": 1}, {"fragment": 0x1FFF},
            {"fragment": 0x8000}, {"fragment": 0x3000})]
        frames += [ethernet(ipv6(ESP, IPPROTO_ESP, **fields), ETHERTYPE_IPV6, vlans) for fields in (
            {"first": 0x40}, {"first": 0x6F}, {"length": 0}, {"length": 7}, {"length": 8},
            {"length": 0xFFFF})]
        frames += [ethernet(ipv4(ESP, IPPROTO_ESP), ethertype, vlans)
                   for ethertype in (0x0806, 0x88A8, 0x8CE4)]
    frames += [frame for vlans in (2, 3) for frame in (
        ethernet(ipv4(ESP, IPPROTO_ESP), ETHERTYPE_IPV4, vlans),
        ethernet(ipv6(ESP, IPPROTO_ESP), ETHERTYPE_IPV6, vlans))]
    return frames


def mutated_frames(chance, count):
    """Frames with up to 3 bytes changed, cut somewhere, or padded after the IP packet."""
    pool = good_frames() + rejected_frames()
    for _ in range(count):
        frame = bytearray(chance.choice(pool))
        for _ in range(chance.randrange(4)):
            frame[chance.randrange(min(len(frame), 70))] = chance.choice(
                (0, 1, 4, 0x45, 0x60, 0x81, 0x08, 0xFF, chance.randrange(256)))
        frame += chance.randbytes(chance.choice((0, 0, 6, 300)))
        yield bytes(frame[:chance.choice((len(frame), chance.randrange(1, len(frame) + 1)))])


def parse(frame, esp_ports=PORTS_DEFAULT):
    """Result of the build's model for a frame."""
    return packet.parse(frame, bench_features().ipv6, esp_ports)


def expected(frame, esp_ports=PORTS_DEFAULT):
    """Result of the parser: status, fields, IV and whether the frame ends before the IV does."""
    status, parsed = parse(frame, esp_ports)
    if parsed is None:
        return {"parsed": {"status": status}, "iv": 0, "short": 0, "room": 0}
    iv = frame[parsed.esp_offset + ESP_HEADER_BYTES:parsed.esp_offset + ESP_TEXT_OFFSET]
    short = len(frame) < parsed.esp_offset + ESP_TEXT_OFFSET
    return {"parsed": parsed.fields(), "iv": 0 if short else int.from_bytes(iv, "big"),
            "short": short,
            "room": sum(1 << size for size in IcvSize if parsed.esp_bytes
                        >= ESP_TEXT_OFFSET + ESP_TRAILER_MIN_BYTES + size.bytes)}


def without_unspecified(word):
    """The IV of a frame that ends before it does is unspecified."""
    fields = unpack(RxHeader, word)
    return pack(RxHeader, fields | {"iv": 0} if fields["short"] else fields)


def set_esp_ports(dut, width, esp_ports=PORTS_DEFAULT):
    """Drive the UDP ports of ESP."""
    Ports(dut, width).handle("esp_ports").value = sum(
        port << PORT_BITS * place for place, port in enumerate(esp_ports))


async def check(dut, width, frames, *, idle=0.0, esp_ports=PORTS_DEFAULT):
    """Send the frames and compare their headers."""
    noise = random.Random(cocotb.RANDOM_SEED)
    ports = Ports(dut, width, idle=idle)
    set_esp_ports(dut, width, esp_ports)
    source, sink = ports.source("i"), ports.sink("o")
    for frame in frames:
        source.send(*to_beats(width, frame, noise))
    words = await sink.receive(len(frames))
    check_items(map(without_unspecified, words),
                [pack(RxHeader, expected(frame, esp_ports)) for frame in frames], width=width,
                layout=RxHeader)
    await ClockCycles(dut.clk, 2 * LATENCY)
    assert not sink.items, "more headers than frames"


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def every_status_comes_as_in_the_model(dut, width):
    await start_clock_and_reset(dut)
    frames = good_frames() + rejected_frames()
    random.Random(cocotb.RANDOM_SEED).shuffle(frames)
    found = Counter(parse(frame)[0] for frame in frames)
    of_ipv6 = set() if bench_features().ipv6 else {RxStatus.EXT_HEADER}
    assert set(found) == OF_FRAMES - of_ipv6 - {
        RxStatus.AUTH_FAILED, RxStatus.BAD_TRAILER, RxStatus.TRUNCATED, RxStatus.NO_SA,
        RxStatus.OVERSIZE, RxStatus.BAD_UDP_CHECKSUM}
    await check(dut, width, frames, idle=0.3)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_frame_may_end_at_every_byte(dut, width):
    await start_clock_and_reset(dut)
    whole = [*good_frames(), *over_ip(udp(b"\xff"), IPPROTO_UDP),
             *over_ip(udp(bytes(4) + ESP), IPPROTO_UDP), *over_ip(ESP, IPPROTO_TCP),
             # What is not IP is so as soon as its EtherType is there.
             *(ethernet(ESP, 0x0806, vlans) for vlans in (0, 1))]
    await check(dut, width, [frame[:end] for frame in whole for end in range(1, 91)])


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def esp_is_found_in_udp_to_each_of_its_ports_and_to_no_other(dut, width):
    """Every place may hold a port or none, and every bit of a port counts."""
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    for esp_ports in ((0, 0, 0, 0), (0, 0, 0, 4500), (1, 0x8000, 0xFFFF, 0), (500, 500, 500, 500),
                      *(tuple(chance.randrange(1 << PORT_BITS) for _ in range(ESP_PORTS))
                        for _ in range(8))):
        near = {port ^ 1 << bit for port in esp_ports for bit in range(PORT_BITS)}
        frames = [frame for port in [*esp_ports, 0, *near]
                  for frame in chance.sample(list(over_ip(udp(ESP, port=port), IPPROTO_UDP)), 2)]
        found = {parse(frame, esp_ports)[0] for frame in frames}
        assert found <= {RxStatus.OK, RxStatus.NOT_ESP, RxStatus.NOT_IP}
        assert (RxStatus.OK in found) == any(esp_ports)
        await check(dut, width, frames, esp_ports=esp_ports)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def mutated_and_random_frames_do_not_disturb_the_next(dut, width):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    frames = [*mutated_frames(chance, 600),
              *(chance.randbytes(chance.randrange(1, 200)) for _ in range(100))]
    chance.shuffle(frames)
    await check(dut, width, frames, idle=0.2)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def single_beat_frames_go_every_clock(dut, width):
    await start_clock_and_reset(dut)
    frames = [frame[:width // 8] for frame in good_frames() + rejected_frames()]
    start = Ports(dut, width).clock
    await check(dut, width, frames)
    assert Ports(dut, width).clock - start <= len(frames) + 3 * LATENCY + 3


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def the_header_comes_3_clocks_after_the_iv(dut, width):
    await start_clock_and_reset(dut)
    ports = Ports(dut, width)
    set_esp_ports(dut, width)
    valid = ports.handle("o__valid")
    source = ports.source("i")
    for frame in (frame for frame in good_frames() if parse(frame)[1]):
        frame += bytes(10 * width // 8)
        source.send(*to_beats(width, frame))
        iv_end = parse(frame)[1].esp_offset + ESP_TEXT_OFFSET
        clocks = 0
        while not int(valid.value):
            await ClockCycles(dut.clk, 1)
            clocks += 1
        # Valid is seen one clock after it rose; the first beat is driven in the first clock.
        assert clocks == -(-iv_end // (width // 8)) + LATENCY
        await source.drained()
        await ClockCycles(dut.clk, 2)


@pytest.mark.quick
def test_frames_are_parsed_in_short():
    simulate_quick(
        RxParser(128), "every_status_comes_as_in_the_model",
        "esp_is_found_in_udp_to_each_of_its_ports_and_to_no_other",
        name="rx_parser", module=__name__, width=128)


def test_parser_finds_what_the_model_finds():
    simulate_widths(RxParser, name="rx_parser", module=__name__, seed=1)


def test_without_ipv6_its_frames_are_not_ip():
    simulate_widths(lambda width: RxParser(width, ipv6=False), name="rx_parser_ipv4",
                    module=__name__, widths=[128], seed=3, features=Features(ipv6=False))


def test_parser_finds_what_the_model_finds_on_icarus():
    simulate_widths(RxParser, name="rx_parser", module=__name__, widths=[128],
                    simulator="icarus", seed=2)
