"""Internet checksums: the arithmetic, and what the device and the stack make of received ones."""

from dataclasses import replace
from functools import cache
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espnic.model.device import receive_checksum
from espnic.model.esp import trailer
from espnic.model.host import host_checksum, safile, stack
from espnic.model.host.receiver import Receiver
from espnic.model.interface.codes import Encapsulation, RxChecksum, RxStatus
from espnic.model.net import checksum, gso, ip
from espnic.sim.capture.pcap import read_capture
from espnic.sim.traffic import frames
from tests.support import offload_cases as cases
from tests.support.paths import CAPTURE_NAMES, CAPTURES
from tests.support.sas import all_kinds_of_sa, device_with, make_sa, sa_id

GOOD, BAD, NONE = RxChecksum.GOOD, RxChecksum.BAD, RxChecksum.NONE

load = cache(safile.load)


def by_end_around_carry(data):
    """The sum word by word, as hardware adds it."""
    total = 0
    for at in range(0, len(data), 2):
        total += int.from_bytes(data[at:at + 2].ljust(2, b"\0"), "big")
        total = (total & 0xFFFF) + (total >> 16)
    return total


# The arithmetic

def test_sum_of_the_example_of_rfc_1071():
    data = bytes.fromhex("0001f203f4f5f6f7")
    assert checksum.total(data) == 0xDDF2
    assert checksum.of(data) == 0x220D


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=100))
def test_sum_is_that_of_end_around_carry_and_zero_only_for_zeros(data):
    assert checksum.total(data) == by_end_around_carry(data)
    assert (checksum.total(data) == 0) == (not any(data))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60))
def test_p32_a_block_leaves_the_sum_at_any_offset(before, block, behind):
    """Bytes after an odd block would move to other halves, so none stand there: a trim."""
    behind = behind if len(block) % 2 == 0 else b""
    whole = checksum.total(before + block + behind)
    left = checksum.subtract_block(whole, checksum.total(block), len(before))
    expected = checksum.total(before + bytes(len(block)) + behind)
    assert left % 0xFFFF == expected % 0xFFFF


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_subtraction_undoes_addition(a, b):
    assert checksum.subtract(checksum.add(a, b), b) % 0xFFFF == a % 0xFFFF


# The sum that comes with a received frame

@pytest.mark.parametrize("sa", all_kinds_of_sa(), ids=sa_id)
def test_sum_of_an_opened_frame_ends_where_its_payload_does(sa):
    device = device_with(sa)
    chance = Random(3)
    for payload_bytes in range(1, 70):
        for padding in (0, 7):
            payload = chance.randbytes(payload_bytes)
            text = payload + trailer.build(payload_bytes, 4)
            wire = frames.sealed(sa, text) + chance.randbytes(padding)
            result = device.receive(wire)
            assert result.status == RxStatus.OK
            at = result.completion["esp_offset"] + 16
            seen = wire[14:at] + payload
            assert result.completion["checksum"] == by_end_around_carry(seen)
            assert result.completion["frame_checksum"] == by_end_around_carry(
                wire[14:at] + text + wire[at + len(text):])
            assert result.completion["checksum_status"] == NONE


def test_sum_of_an_opened_frame_is_right_for_every_pad_length():
    sa = make_sa()
    device = device_with(sa)
    chance = Random(4)
    for pad_length in range(256):
        payload = chance.randbytes(1 + -(pad_length + 3) % 4)
        text = payload + chance.randbytes(pad_length) + bytes([pad_length, 4])
        # With any padding and an odd number of bytes of text too.
        for odd in (b"", b"\x5a"):
            tail = chance.randbytes(pad_length % 20)
            wire = frames.sealed(sa, odd + text) + tail
            result = device.receive(wire)
            assert result.status == RxStatus.OK
            assert result.completion["checksum"] == by_end_around_carry(wire[14:50] + odd + payload)
            assert result.completion["frame_checksum"] == by_end_around_carry(
                wire[14:50] + odd + text + wire[50 + len(odd + text):])


def test_sum_of_every_other_frame_goes_to_its_end():
    sas = [make_sa(4), make_sa(6), make_sa(4, encapsulation=Encapsulation.UDP)]
    device = device_with(*sas)
    seen = set()
    for kind in [kind for sa in sas for kind in frames.kinds(sa)]:
        result = device.receive(kind.frame)
        if result.status == RxStatus.OVERSIZE:
            assert result.completion["checksum"] == result.completion["frame_checksum"] == 0
            assert result.completion["checksum_status"] == NONE
        elif result.status != RxStatus.OK:
            total = by_end_around_carry(kind.frame[14:])
            assert result.completion["checksum"] == total, kind.name
            assert result.completion["frame_checksum"] == total, kind.name
        seen.add(result.status)
    assert seen == frames.OF_FRAMES
    for short in (b"", bytes(13), b"\xff" * 14):
        completion = device.receive(short).completion
        assert completion["checksum"] == completion["frame_checksum"] == 0


# What the device says of plain frames

def plain(protocol=cases.TCP, family=4, payload_bytes=21, seed=1):
    """A plain packet without options, its checksum right."""
    chance = Random(seed)
    ends = [cases.address(chance, family) for _ in range(2)]
    layer4 = chance.randbytes(payload_bytes)
    if protocol == cases.UDP:
        layer4 = b"\0\x35\0\x36" + (8 + len(layer4)).to_bytes(2, "big") + bytes(2) + layer4
    else:
        layer4 = bytes(12) + b"\x50\x10\0\0" + bytes(4) + layer4
    if family == 4:
        header = b"\x45" + bytes(7) + bytes([64, protocol, 0, 0])
    else:
        header = b"\x60" + bytes(5) + bytes([protocol, 64])
    header += ends[0].packed + ends[1].packed
    return gso.with_checksum(ip.fix_lengths(header, len(layer4)) + layer4)


def changed(packet, at, value):
    return packet[:at] + value + packet[at + len(value):]


def status_of(packet, tags=b"", behind=b""):
    frame = frames.ethernet(packet, tags) + behind
    result = device_with().receive(frame)
    assert result.frame == frame
    return result.completion["checksum_status"]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("protocol", [cases.TCP, cases.UDP])
def test_checksum_of_a_plain_frame_is_good_until_a_byte_changes(family, protocol):
    for payload_bytes in (0, 1, 2, 21, 1400):
        packet = plain(protocol, family, payload_bytes)
        header = 20 if family == 4 else 40
        for tags in (b"", frames.VLAN_TAG):
            for behind in (b"", b"\xaa\xbb\xcc"):
                assert status_of(packet, tags, behind) == GOOD
        for at in (header, header + 7 if protocol == cases.UDP else header + 17, len(packet) - 1):
            broken = changed(packet, at, bytes([packet[at] ^ 0x10]))
            assert status_of(broken) == BAD
        address_at = 15 if family == 4 else 30
        assert status_of(changed(packet, address_at, bytes([packet[address_at] ^ 1]))) == BAD


def test_plain_frames_without_a_checksum_to_check_say_so():
    tcp, udp, tcp6, udp6 = (plain(protocol, family)
                            for family in (4, 6) for protocol in (cases.TCP, cases.UDP))
    options = ip.fix_lengths(b"\x46" + tcp[1:20] + b"\1\1\1\0", len(tcp) - 20) + tcp[20:]
    short_tcp = ip.fix_lengths(tcp[:20], 19) + tcp[20:39]
    none = {
        "UDP checksum 0": changed(udp, 26, bytes(2)),
        "UDP checksum 0 in IPv6": changed(udp6, 46, bytes(2)),
        "UDP shorter than its header": changed(udp, 24, b"\0\x07"),
        "UDP longer than IP": changed(udp, 24, b"\xff\xff"),
        "more fragments": changed(tcp, 6, b"\x20\0"),
        "fragment offset": changed(tcp, 6, b"\0\1"),
        "options": options,
        "extension header": ip.fix_lengths(tcp6[:6] + b"\x3c" + tcp6[7:40], len(tcp6) - 32)
        + b"\x06" + bytes(7) + tcp6[40:],
        "ICMP": changed(tcp, 9, b"\1"),
        "cut TCP header": short_tcp,
        "IP length beyond the frame": changed(tcp, 2, b"\x01\0"),
        "IPv6 length beyond the frame": changed(tcp6, 4, b"\x01\0"),
        "IP length below the header": changed(tcp, 2, b"\0\x05"),
    }
    assert {name: status_of(packet) for name, packet in none.items()} == dict.fromkeys(none, NONE)
    assert status_of(changed(tcp, 6, b"\x40\0")) == GOOD
    assert status_of(tcp, frames.SERVICE_TAG) == NONE
    assert status_of(tcp, 2 * frames.VLAN_TAG) == NONE
    for cut in (0, 1, 13, 14, 19, 33, 34, 53, len(tcp) + 13):
        assert receive_checksum.status_as_it_came(frames.ethernet(tcp)[:cut]) == NONE


@pytest.mark.parametrize("family", [4, 6])
def test_udp_that_is_shorter_than_its_packet_is_summed_to_its_own_end(family):
    """udp_rcv cuts what follows, and sums what is left (pskb_trim_rcsum, udp4_csum_init)."""
    for payload_bytes in (0, 1, 2, 21):
        udp = plain(cases.UDP, family, payload_bytes)
        header = 20 if family == 4 else 40
        for behind in (b"\xa5", b"\xa5\x5a", bytes(7)):
            packet = ip.fix_lengths(udp[:header], len(udp) - header + len(behind)) + udp[
                header:] + behind
            assert status_of(packet) == GOOD
            assert status_of(packet, frames.VLAN_TAG, b"\x01") == GOOD
            assert status_of(packet[:-len(behind)]) == GOOD, "what is cut off does not count"
            assert status_of(packet[:-len(behind) - 1]) == NONE
            assert status_of(changed(packet, header, bytes([packet[header] ^ 1]))) == BAD
            frame = frames.ethernet(packet)
            completion = device_with().receive(frame).completion
            assert host_checksum.verify(frame, completion, None) == GOOD


# How the stack uses the sum

@pytest.mark.parametrize("family", [4, 6])
def test_p32_the_stack_trims_padding_at_any_offset_out_of_the_sum(family):
    for payload_bytes in range(30):
        packet = plain(cases.TCP, family, payload_bytes, seed=payload_bytes)
        for tags in (b"", frames.VLAN_TAG):
            for behind in range(5):
                frame = frames.ethernet(packet, tags) + Random(behind).randbytes(behind)
                result = device_with().receive(frame)
                completion = result.completion
                assert host_checksum.verify(frame, completion, None) == GOOD
                assert result.completion["checksum_status"] == GOOD
                broken = completion | {"checksum": completion["checksum"] ^ 0x0100}
                assert host_checksum.verify(frame, broken, None) == BAD


@pytest.mark.parametrize("name", CAPTURE_NAMES)
def test_the_stack_finds_every_checksum_that_the_kernel_sent_good(name):
    sas = load(CAPTURES / f"{name}.json").sas
    device, receiver = device_with(*sas), Receiver(sas)
    for frame in read_capture(CAPTURES / f"{name}.pcap").packets:
        result = device.receive(frame)
        if result.status != RxStatus.OK:
            continue
        sa = sas[result.completion["sa"] - 1]
        found = host_checksum.verify(result.frame, result.completion, sa)
        packet = ip.split(receiver.deliver(result.frame, result.completion))
        behind_nat = sa.mode == "transport" and sa.encapsulation == Encapsulation.UDP
        summed = (packet.protocol in checksum.FIELD_AT and packet.fragment is None
                  and not behind_nat)
        assert found == (GOOD if summed else NONE)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_stack_finds_one_wrong_byte_inside_esp_by_the_sum_alone(seed):
    chance = Random(seed)
    verdicts = {GOOD: 0, BAD: 0}
    while verdicts[BAD] < 300:
        outgoing = cases.random_single(chance)
        sa = replace(outgoing.sa, encapsulation=Encapsulation.NONE,
                     tfcpad=chance.choice((0, 0, 300)))
        good = gso.with_checksum(outgoing.clear)
        packet = ip.split(good)
        at = len(good) - 1 - chance.randrange(len(packet.payload))
        bad = changed(good, at, bytes([good[at] ^ 1 << chance.randrange(8)]))
        for clear, expected in ((good, GOOD), (bad, BAD)):
            wire = stack.software_frame(replace(
                outgoing, sa=sa, clear=clear, sequence=1 + outgoing.sequence % 2**31,
                checksum=False))
            result = device_with(sa).receive(wire)
            if result.status != RxStatus.OK:
                continue
            found = host_checksum.verify(
                result.frame, result.completion, sa)
            if packet.protocol == cases.UDP and at - len(packet.header) in (4, 5):
                continue
            if packet.protocol == cases.UDP and not any(clear[len(packet.header) + 6:][:2]):
                continue
            assert found == expected, f"byte {at} of {clear.hex()}, {sa}"
            verdicts[found] += 1
    assert verdicts[GOOD] > 250
