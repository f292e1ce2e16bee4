"""Segmentation and transmit checksums: what is refused, what changes, what is counted."""

from dataclasses import replace
from random import Random

import pytest

from espnic.model.host import stack
from espnic.model.interface.codes import (
    FRAME_BYTES_MAX,
    OPERATION_BITS,
    SUPER_FRAME_BYTES_MAX,
    Encapsulation,
    RxChecksum,
    RxStatus,
    TxOperation,
    TxStatus,
)
from espnic.model.interface.layouts import TX_DESCRIPTOR
from espnic.model.net import checksum, gso, ip
from tests.support import offload_cases as cases
from tests.support.sas import device_with, make_sa

MSS, SEGMENTS = 100, 4
PAYLOAD_BYTES = MSS * (SEGMENTS - 1) + 37


def tcp_packet(sa, payload_bytes=PAYLOAD_BYTES, flags=0xFF, ip_id=0xFFFE, seed=1):
    """A clear TCP packet without options for the SA, its checksum unfinished."""
    return packet_of(sa, cases.TCP, payload_bytes, flags, ip_id, seed)


def packet_of(sa, protocol, payload_bytes, flags=0, ip_id=0, seed=1):
    payload = Random(seed).randbytes(payload_bytes)
    if protocol == cases.UDP:
        layer4 = b"\x9c\x41\x9c\x42" + (8 + payload_bytes).to_bytes(2, "big") + bytes(2)
    else:
        layer4 = (b"\x9c\x41\x9c\x42" + b"\xff\xff\xff\xc0" + bytes(4)
                  + bytes([0x50, flags, 0x01, 0, 0, 0, 0, 0]))
    if sa.mode == "transport":
        source, destination = sa.source, sa.destination
    else:
        source, destination = (cases.address(Random(seed), sa.inner_family) for _ in range(2))
    addresses = source.packed + destination.packed
    if sa.inner_family == 6:
        header = b"\x60" + bytes(5) + bytes([protocol, 64]) + addresses
    else:
        header = (b"\x45" + bytes(3) + ip_id.to_bytes(2, "big") + b"\x40\0"
                  + bytes([64, protocol, 0, 0]) + addresses)
    data = layer4 + payload
    return gso.unfinished(ip.fix_lengths(header, len(data)) + data)


def lso_request(sa, clear=None, mss=MSS, sequence=7):
    clear = tcp_packet(sa) if clear is None else clear
    return stack.device_request(stack.Outgoing(sa, sequence, clear, mss=mss), 1)


def send(device, request, **change):
    return device.transmit(request.descriptor | change, request.frame)


# What is refused

SA = make_sa()
UNGUARDED = make_sa(unguarded=True)
TUNNEL = lso_request(SA)
SINGLE = stack.device_request(stack.Outgoing(SA, 7, tcp_packet(SA), checksum=True), 1)
UDP = lso_request(SA, packet_of(SA, cases.UDP, PAYLOAD_BYTES))
L3, L4, PAYLOAD_AT = 50, 70, 90
"""Offsets in the frames above: Ethernet 14, IPv4 20, ESP and IV 16, IPv4 20, TCP 20."""

REFUSED = [
    # Codes that are not assigned, 0 among them, and bits that have no meaning yet.
    *((TxStatus.DROP_OPERATION, request, {"operation": code}) for request in (TUNNEL, SINGLE)
      for code in range(1 << OPERATION_BITS) if code not in tuple(TxOperation)),
    *((TxStatus.DROP_RESERVED, SINGLE, {field.name: 1 << field.bits - 1})
      for field in TX_DESCRIPTOR.fields if field.reserved),
    (TxStatus.DROP_LSO_MSS, TUNNEL, {"mss": 0}),
    (TxStatus.DROP_LSO_MSS, TUNNEL, {"mss": FRAME_BYTES_MAX - PAYLOAD_AT + 1}),
    (TxStatus.DROP_LSO_MSS, TUNNEL, {"mss": (1 << 14) - 1}),
    (TxStatus.DROP_LSO_PROTOCOL, TUNNEL, {"l4_protocol": 1}),
    (TxStatus.DROP_LSO_PROTOCOL, TUNNEL, {"l4_protocol": 0}),
    (TxStatus.DROP_LSO_PROTOCOL, TUNNEL, {"l4_protocol": 132}),
    # Offsets into each other, or without room for a header.
    (TxStatus.DROP_OFFSETS, TUNNEL, {"outer_offset": 10}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"outer_offset": 18}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"outer_offset": 15}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"outer_offset": 16}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"outer_offset": 0}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"esp_offset": 30}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"esp_offset": 35}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"esp_offset": 38}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"esp_offset": 254}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"encapsulation": 1}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"outer_ipv6": 1}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"ipv6": 1}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"l3_offset": L3 - 4}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"l3_offset": L3 + 4}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"l3_offset": L3 + 1}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"l3_offset": 0}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"l3_offset": 254}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"l3_offset": 14, "l4_offset": L3 - 4,
                                     "header_bytes": L3 + 16}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"l3_offset": 14, "ipv6": 1}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"l4_offset": L4 - 4}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"l4_offset": L4 + 4}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"l4_offset": L4 + 2, "header_bytes": PAYLOAD_AT + 2}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"l4_offset": 254}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"header_bytes": 0}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"header_bytes": L4}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"header_bytes": PAYLOAD_AT - 4}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"header_bytes": PAYLOAD_AT + 2}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"header_bytes": L4 + 64}),
    (TxStatus.DROP_OFFSETS, UDP, {"header_bytes": L4 + 12}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"operation": TxOperation.BYPASS}),
    (TxStatus.DROP_OFFSETS, TUNNEL, {"operation": TxOperation.BYPASS, "l3_offset": 14,
                                     "l4_offset": 30, "header_bytes": 50}),
    (TxStatus.DROP_OFFSETS, SINGLE, {"l4_offset": L3 - 4}),
    (TxStatus.DROP_OFFSETS, SINGLE, {"l4_offset": L4 + 2}),
    (TxStatus.DROP_OFFSETS, SINGLE, {"l4_bytes": 19}),
    (TxStatus.DROP_OFFSETS, SINGLE, {"l4_bytes": 0}),
    (TxStatus.DROP_OFFSETS, SINGLE, {"l4_protocol": 17, "l4_bytes": 7}),
    (TxStatus.DROP_OFFSETS, SINGLE, {"l4_bytes": len(SINGLE.frame) - L4 + 1}),
    (TxStatus.DROP_OFFSETS, SINGLE, {"operation": TxOperation.BYPASS, "l4_offset": 30}),
    (TxStatus.DROP_NO_SA, TUNNEL, {"sa": 2}),
    (TxStatus.DROP_SEQUENCE, TUNNEL, {"sequence": 0}),
    (TxStatus.DROP_SEQUENCE, TUNNEL, {"sequence": 1 << 32}),
    (TxStatus.DROP_LSO_SEQUENCE, TUNNEL, {"sequence": (1 << 32) - SEGMENTS + 1}),
    (TxStatus.DROP_LSO_SEQUENCE, TUNNEL, {"sequence": (1 << 32) - 1}),
    (TxStatus.DROP_TRAILER, TUNNEL, {"trailer": 1}),
    (TxStatus.DROP_TRAILER, SINGLE, {"l4_bytes": SINGLE.descriptor["l4_bytes"] + 1}),
    (TxStatus.DROP_TRAILER, SINGLE, {"l4_bytes": len(SINGLE.frame) - L4}),
]


@pytest.mark.parametrize("status, request_, change", REFUSED,
                         ids=[f"{status.name}-{change}" for status, _, change in REFUSED])
def test_nothing_of_a_refused_request_leaves_and_the_next_is_right(status, request_, change):
    device = device_with(SA)
    result = send(device, request_, **change)
    assert (result.status, result.frames) == (status, ())
    assert device.counters[f"tx_{status.name.lower()}"] == 1
    assert device.counters["tx_packets_out"] == device.counters["tx_bytes_out"] == 0
    assert device.counters["tx_packets_in"] == 1
    assert device.counters["tx_bytes_in"] == len(request_.frame)
    assert send(device, request_) == send(device_with(SA), request_)
    assert device.counters["tx_packets_out"] > 0


def test_frames_of_the_wrong_length_are_refused():
    device = device_with(UNGUARDED)
    for cut, status in (
            (PAYLOAD_AT, TxStatus.DROP_LSO_PAYLOAD), (PAYLOAD_AT - 1, TxStatus.DROP_LSO_HEADER),
            (L4, TxStatus.DROP_LSO_HEADER), (40, TxStatus.DROP_LSO_HEADER),
            (1, TxStatus.DROP_LSO_HEADER), (PAYLOAD_AT + 1, TxStatus.SEALED)):
        assert device.transmit(TUNNEL.descriptor, TUNNEL.frame[:cut]).status == status
    for behind, status in ((0, TxStatus.SEALED), (1, TxStatus.DROP_LSO_OVERSIZE),
                           (4000, TxStatus.DROP_LSO_OVERSIZE)):
        frame = TUNNEL.frame + bytes(SUPER_FRAME_BYTES_MAX - len(TUNNEL.frame) + behind)
        before = device.counters["tx_bytes_in"]
        assert device.transmit(TUNNEL.descriptor | {"mss": 9000}, frame).status == status
        assert device.counters["tx_bytes_in"] - before == SUPER_FRAME_BYTES_MAX
    long = SINGLE.frame + bytes(FRAME_BYTES_MAX)
    assert device.transmit(SINGLE.descriptor, long).status == TxStatus.DROP_OVERSIZE


def test_every_status_of_segmentation_checksum_and_trailer_is_tested_above():
    lengths = {TxStatus.DROP_LSO_HEADER, TxStatus.DROP_LSO_PAYLOAD, TxStatus.DROP_LSO_OVERSIZE}
    # tests/model/test_features.py, test_lifetime.py, test_sent.py and test_wrong_rows.py
    elsewhere = {TxStatus.DROP_UNSUPPORTED, TxStatus.DROP_EXPIRED,
                 TxStatus.DROP_LATE, TxStatus.DROP_REPEATED,
                 TxStatus.DROP_SA_GONE, TxStatus.DROP_FAULT}
    later = {status for status in TxStatus if status > TxStatus.DROP_OVERSIZE} - elsewhere
    assert later == lengths | {status for status, _, _ in REFUSED if status in later}


def test_limits_are_still_taken():
    device = device_with(UNGUARDED)
    assert send(device, TUNNEL, mss=FRAME_BYTES_MAX - PAYLOAD_AT).status == TxStatus.SEALED
    assert len(send(device, TUNNEL, mss=1).frames) == PAYLOAD_BYTES
    last = send(device, TUNNEL, sequence=(1 << 32) - SEGMENTS)
    assert last.frames[-1][38:42] == b"\xff\xff\xff\xff"


def test_the_first_check_that_fails_gives_the_status():
    device = device_with(SA)
    wrong_spi = TUNNEL.frame[:34] + b"\xff" + TUNNEL.frame[35:]
    fields = {"trailer": 1, "l4_protocol": 1, "header_bytes": 0, "mss": 0, "sa": 0, "sequence": 0}
    for fixed, status in (
            ({}, TxStatus.DROP_TRAILER), ({"trailer": 0}, TxStatus.DROP_LSO_PROTOCOL),
            ({"l4_protocol": 6}, TxStatus.DROP_OFFSETS),
            ({"header_bytes": PAYLOAD_AT}, TxStatus.DROP_LSO_MSS),
            ({"mss": 1}, TxStatus.DROP_NO_SA), ({"sa": 1}, TxStatus.DROP_SEQUENCE),
            ({"sequence": (1 << 32) - 1}, TxStatus.DROP_SPI)):
        fields |= fixed
        assert device.transmit(TUNNEL.descriptor | fields, wrong_spi).status == status
    result = device.transmit(TUNNEL.descriptor | fields, TUNNEL.frame)
    assert result.status == TxStatus.DROP_LSO_SEQUENCE


def test_with_esn_only_the_end_of_64_bits_stops_a_burst():
    sa = make_sa(esn=True)
    request, device = lso_request(sa), device_with(sa)
    for first in ((1 << 32) - 2, (1 << 64) - SEGMENTS):
        assert send(device, request, sequence=first).status == TxStatus.SEALED
    for first in ((1 << 64) - SEGMENTS + 1, (1 << 64) - 1):
        assert send(device, request, sequence=first).status == TxStatus.DROP_LSO_SEQUENCE


def test_a_trailer_in_the_frame_is_checked_against_the_text():
    """Pad length of the trailer of a 20-byte text: up to 18 there is room for it."""
    device = device_with(UNGUARDED)
    fields = {"operation": TxOperation.ENCRYPT, "sa": 1, "sequence": 1, "trailer": 1,
              "esp_offset": 34}
    for pad_length in range(256):
        text = bytes(18) + bytes([pad_length, 4])
        frame = bytes(34) + SA.spi.to_bytes(4, "big") + bytes(12) + text + bytes(16)
        expected = TxStatus.SEALED if pad_length <= 18 else TxStatus.DROP_TRAILER
        assert device.transmit(fields, frame).status == expected


# What changes

def segment_fields(frames, at, count):
    return [frame[at:at + count].hex() for frame in frames]


def clear_segments(result):
    """The frames before they were sealed."""
    return [bytes.fromhex(fields["frame"]) for point, fields in result.trace
            if point == "tx.segment"]


def test_each_field_of_the_segments_is_as_documented():
    result = send(device_with(SA), TUNNEL)
    clear = clear_segments(result)
    assert [len(frame) - PAYLOAD_AT for frame in clear] == [100, 100, 100, 37]
    assert b"".join(frame[PAYLOAD_AT:] for frame in clear) == TUNNEL.frame[PAYLOAD_AT:]
    # Outer: length of ESP header, IV, inner packet, trailer and ICV; ID fixed with DF.
    assert segment_fields(clear, 16, 2) == ["00c4", "00c4", "00c4", "0084"]
    assert segment_fields(clear, 18, 2) == ["0000"] * 4
    # Inner: ID wraps, length to the end of the payload.
    assert segment_fields(clear, L3 + 2, 2) == ["008c", "008c", "008c", "004d"]
    assert segment_fields(clear, L3 + 4, 2) == ["fffe", "ffff", "0000", "0001"]
    # The TCP sequence number wraps; FIN and PSH in the last, CWR in the first, all others in all.
    assert segment_fields(clear, L4 + 4, 4) == ["ffffffc0", "00000024", "00000088", "000000ec"]
    assert segment_fields(clear, L4 + 13, 1) == ["f6", "76", "76", "7f"]
    for frame in clear:
        assert checksum.of(frame[14:34]) == checksum.of(frame[L3:L4]) == 0
        pseudo = checksum.pseudo_header(*ends(frame[L3:]), 6, len(frame) - L4)
        assert checksum.of(pseudo + frame[L4:]) == 0
    assert segment_fields(result.frames, 38, 4) == [f"{number:08x}" for number in range(7, 11)]


def ends(packet):
    split = ip.split(packet)
    return split.source, split.destination


def test_a_super_frame_of_one_segment_keeps_all_flags():
    request = lso_request(SA, tcp_packet(SA, 30))
    [frame] = clear_segments(send(device_with(SA), request))
    assert frame[L4 + 13] == 0xFF


def test_datagrams_have_lengths_and_checksums_of_their_own():
    clear = clear_segments(send(device_with(SA), UDP))
    assert segment_fields(clear, L4 + 4, 2) == ["006c", "006c", "006c", "002d"]
    assert segment_fields(clear, L3 + 4, 2) == ["0000", "0001", "0002", "0003"]
    for frame in clear:
        pseudo = checksum.pseudo_header(*ends(frame[L3:]), 17, len(frame) - L4)
        assert checksum.of(pseudo + frame[L4:]) == 0


def test_the_outer_id_counts_up_where_the_descriptor_does_not_fix_it():
    frames = send(device_with(SA), TUNNEL, outer_id_fixed=0).frames
    assert segment_fields(frames, 18, 2) == ["0000", "0001", "0002", "0003"]
    assert all(checksum.of(frame[14:34]) == 0 for frame in frames)
    transport = make_sa(mode="transport")
    frames = send(device_with(transport), lso_request(transport)).frames
    assert segment_fields(frames, 18, 2) == ["fffe", "ffff", "0000", "0001"]


def test_udp_encapsulation_has_the_length_of_each_segment_and_keeps_its_checksum():
    sa = make_sa(encapsulation=Encapsulation.UDP)
    request = lso_request(sa)
    frames = send(device_with(sa), request).frames
    assert segment_fields(frames, 38, 2) == ["00b8", "00b8", "00b8", "0078"]
    assert segment_fields(frames, 40, 2) == ["0000"] * 4
    marked = request.frame[:40] + b"\xab\xcd" + request.frame[42:]
    frames = device_with(sa).transmit(request.descriptor, marked).frames
    assert segment_fields(frames, 40, 2) == ["abcd"] * 4


def test_segments_in_udp_over_ipv6_leave_without_a_udp_checksum_and_are_opened():
    sa = make_sa(6, encapsulation=Encapsulation.UDP)
    outgoing = stack.Outgoing(sa, 1, tcp_packet(sa), mss=50)
    request = stack.device_request(outgoing, 1)
    device = device_with(sa)
    frames = device.transmit(request.descriptor, request.frame).frames
    assert [*frames] == stack.software_frames(outgoing, udp6_checksum=False)
    assert segment_fields(frames, 60, 2) == ["0000"] * len(frames)
    for frame in frames:
        result = device.receive(frame)
        assert (result.status, result.completion["outer_checksum"]) == (
            RxStatus.OK, RxChecksum.NONE)


def test_iv_and_checksums_as_they_came_do_not_matter():
    rng = Random(4)
    wires = set()
    for _ in range(4):
        frame = bytearray(TUNNEL.frame)
        frame[38:50], frame[24:26], frame[60:62] = (rng.randbytes(n) for n in (12, 2, 2))
        frame[16:18], frame[52:54] = rng.randbytes(2), rng.randbytes(2)
        wires.add(device_with(SA).transmit(TUNNEL.descriptor, bytes(frame)).frames)
    assert len(wires) == 1


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("protocol, sent", [(cases.UDP, b"\xff\xff"), (cases.TCP, b"\0\0")])
def test_a_checksum_of_zero_is_sent_as_ffff_by_udp_and_as_zero_by_tcp(family, protocol, sent):
    sa = make_sa(family)
    clear = packet_of(sa, protocol, 40)
    packet = ip.split(clear)
    data = checksum.complete(packet.payload, protocol)
    at = checksum.FIELD_AT[protocol]
    # With its own checksum in the last word, whose place had any value, the sum becomes zero.
    last = checksum.add(int.from_bytes(data[at:at + 2], "big"),
                        int.from_bytes(data[-2:], "big"))
    clear = clear[:-2] + last.to_bytes(2, "big")
    for mss, count in ((0, 1), (40, 1)):
        outgoing = stack.Outgoing(sa, 1, clear, checksum=True, mss=mss)
        request = stack.device_request(outgoing, 1)
        result = send(device_with(sa), request)
        segments = clear_segments(result)
        assert len(segments) == count
        place = request.descriptor["l4_offset"] + at
        assert segments[0][place:place + 2] == sent
        assert [*result.frames] == stack.software_frames(outgoing)


def test_a_udp_checksum_of_zero_stays_when_none_is_asked_for():
    sa = make_sa()
    clear = bytearray(packet_of(sa, cases.UDP, 40))
    clear[26:28] = bytes(2)
    plain = stack.plain_request(stack.LINK, bytes(clear), False, 0)
    assert device_with().transmit(plain.descriptor, plain.frame).frame == plain.frame
    outgoing = stack.Outgoing(sa, 1, bytes(clear))
    request = stack.device_request(outgoing, 1)
    assert [*send(device_with(sa), request).frames] == stack.software_frames(outgoing)


@pytest.mark.parametrize("protocol", [1, 47, 58, 132, 253])
def test_p7_a_checksum_request_for_another_protocol_changes_nothing(protocol):
    change = {"l4_protocol": protocol, "l4_offset": 3, "l4_bytes": 0}
    device = device_with(UNGUARDED)
    without = send(device, SINGLE, checksum=0)
    assert send(device, SINGLE, **change).frames == without.frames
    bypassed = send(device, SINGLE, operation=TxOperation.BYPASS, **change)
    assert bypassed.frame == SINGLE.frame


def test_a_checksum_request_changes_the_checksum_only():
    frame = SINGLE.frame + b"\x55" * 9
    result = device_with(SA).transmit(SINGLE.descriptor | {"operation": TxOperation.BYPASS}, frame)
    changed = [at for at, (old, new) in enumerate(zip(frame, result.frame, strict=True))
               if old != new]
    assert set(changed) <= {L4 + 16, L4 + 17} and changed


def test_fields_of_a_request_that_is_not_made_are_not_looked_at():
    rng = Random(8)
    plain = stack.device_request(stack.Outgoing(SA, 7, tcp_packet(SA)), 1)
    asked = {"lso", "checksum", *plain.descriptor}
    noise = {field.name: rng.getrandbits(field.bits) for field in TX_DESCRIPTOR.fields
             if field.name not in asked and not field.reserved}
    assert send(device_with(SA), plain, **noise).frames == send(device_with(SA), plain).frames
    result = send(device_with(SA), TUNNEL, checksum=1, l4_bytes=3)
    assert result.frames == send(device_with(SA), TUNNEL).frames


# What is counted and traced

def test_a_request_counts_once_and_each_of_its_frames_once():
    device = device_with(SA)
    frames = send(device, TUNNEL).frames
    counters = device.counters
    assert counters["tx_sealed"] == counters["tx_packets_out"] == len(frames) == SEGMENTS
    assert counters["tx_packets_in"] == 1
    assert counters["tx_bytes_in"] == len(TUNNEL.frame)
    assert counters["tx_bytes_out"] == sum(map(len, frames))


def test_trace_has_the_points_of_each_segment_in_turn():
    result = send(device_with(SA), TUNNEL)
    points = ["tx.segment", "tx.verdict", "tx.trailer", "tx.seqiv", "tx.seal", "tx.icv", "tx.out"]
    assert [point for point, _ in result.trace] == ["tx.in"] + SEGMENTS * points
    refused = send(device_with(SA), TUNNEL, mss=0)
    assert [point for point, _ in refused.trace] == ["tx.in", "tx.verdict"]


# What software refuses

def test_software_says_what_it_cannot_segment_or_sum():
    sa = make_sa()
    good = tcp_packet(sa)
    icmp = packet_of(sa, cases.TCP, 40)
    icmp = ip.split(icmp).with_payload(1, bytes(40))
    fragment = ip.fix_lengths(good[:6] + b"\x20\0" + good[8:20], len(good) - 20) + good[20:]
    short_offset = good[:32] + b"\x40" + good[33:]
    long_offset = tcp_packet(sa, 3)
    long_offset = long_offset[:32] + b"\xf0" + long_offset[33:]
    cut = ip.split(good).with_payload(6, good[20:39])
    for clear, mss, message in (
            (good, -1, "MSS -1, expected 1 or more"),
            (tcp_packet(sa, 0), 5, "payload of 0 bytes"),
            (icmp, 5, "packet is protocol 1, expected TCP or UDP"),
            (fragment, 5, "packet is a fragment, expected TCP or UDP"),
            (short_offset, 5, "TCP header of 16 bytes, expected 20 to 357"),
            (long_offset, 5, "TCP header of 60 bytes, expected 20 to 23"),
            (cut, 5, "19 bytes in the packet, expected 20 or more")):
        with pytest.raises(ValueError, match=message):
            stack.software_frames(stack.Outgoing(sa, 1, clear, mss=mss))
    with pytest.raises(ValueError, match="expected TCP or UDP"):
        stack.software_frames(stack.Outgoing(sa, 1, icmp, checksum=True))


def test_software_does_not_give_the_device_what_it_cannot_do():
    padded = replace(SA, tfcpad=100)
    with pytest.raises(ValueError, match="expected a trailer from software"):
        stack.device_request(stack.Outgoing(padded, 1, tcp_packet(padded), mss=50), 1)
    whole = tcp_packet(SA, 65535 - 40)
    with pytest.raises(ValueError, match="expected 65535 or less"):
        stack.device_request(stack.Outgoing(SA, 1, whole, mss=1000), 1)
