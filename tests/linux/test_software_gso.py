"""Tunnels in the packet, and SCTP: software cuts and sums what the device cannot.

Expected packets are built by Scapy.
"""

from dataclasses import replace

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import GRE, Ether
from scapy.layers.sctp import SCTP, SCTPChunkData
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

from espnic.model.linux.netdev import Feature
from espnic.model.linux.software_gso import crc32c
from espnic.model.linux.tx_skb import NO_GSO, GsoType, TxSkb, tx_skb
from espnic.model.linux.xfrm_output import Way
from espnic.model.net import checksum, gso, ip
from espnic.model.sa.sa import ANY_FAMILY
from tests.support.clear_packets import clear_packet
from tests.support.linux_host import pair, refused
from tests.support.sas import ADDRESSES, make_sa

MSS = 100
PAYLOAD = bytes(range(256)) + bytes(range(94))
SOURCE, DESTINATION = map(str, ADDRESSES[4])


def inside(index=0, payload=PAYLOAD, last=True, family=4):
    """A TCP packet, or segment ``index`` of a super-packet."""
    tcp = TCP(sport=1, dport=2, seq=7 + MSS * index, flags="PA" if last else "A") / Raw(payload)
    if family == 6:
        return IPv6(src="fd01::1", dst="fd01::2") / tcp
    return IP(src="10.1.0.1", dst="10.1.0.2", id=50 + index) / tcp


def outer(index, **more):
    return IP(src=SOURCE, dst=DESTINATION, id=900 + index, ttl=64, **more)


def in_gre(index, inner):
    return outer(index) / GRE() / inner


def in_gre_with_checksum(index, inner):
    return outer(index) / GRE(chksum_present=1) / inner


def in_ipip(index, inner):
    return outer(index) / inner


def in_vxlan(index, inner):
    tunnel = UDP(sport=5555, dport=4789, chksum=0) / VXLAN(vni=42)
    return outer(index) / tunnel / Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / inner


def in_vxlan_with_checksum(index, inner):
    packet = in_vxlan(index, inner)
    del packet[UDP].chksum
    return packet


TUNNELS = {
    "GRE": (in_gre, GsoType.GRE, 4),
    "GRE with a checksum": (in_gre_with_checksum, GsoType.GRE_CSUM, 4),
    "IPIP": (in_ipip, GsoType.IPXIP4, 4),
    "6in4": (in_ipip, GsoType.IPXIP6, 6),
    "VXLAN": (in_vxlan, GsoType.UDP_TUNNEL, 4),
    "VXLAN with a checksum": (
        in_vxlan_with_checksum, GsoType.UDP_TUNNEL_CSUM, 6),
}


def tunnelled(name, checksum_only=False):
    """A packet in a tunnel, and the packets that it stands for."""
    wrap, kind, family = TUNNELS[name]
    payload = PAYLOAD[:MSS] if checksum_only else PAYLOAD
    whole = bytes(wrap(0, inside(payload=payload, family=family)))
    header = {4: 20, 6: 40}[family]
    at = len(whole) - len(payload) - 20 - header
    if checksum_only:
        left = whole[:at] + gso.unfinished(whole[at:])
        return TxSkb(left, csum_start=at + header, inner_network=at), [whole]
    tcp = GsoType.TCPV6 if family == 6 else GsoType.TCPV4
    skb = TxSkb(whole, csum_start=at + header, gso_size=MSS, gso_segs=4, gso_type=kind | tcp,
                inner_network=at)
    parts = [PAYLOAD[start:start + MSS] for start in range(0, len(PAYLOAD), MSS)]
    return skb, [bytes(wrap(index, inside(index, part, index == 3, family)))
                 for index, part in enumerate(parts)]


def sctp(index, *chunks):
    data = [SCTPChunkData(tsn=5 + tsn, data=bytes([tsn]) * (40 + 4 * tsn), stream_seq=1)
            for tsn in chunks]
    packet = outer(index, proto=132) / SCTP(sport=9, dport=10, tag=77)
    for chunk in data:
        packet = packet / chunk
    return bytes(packet)


def sctp_super_frame():
    sizes = [len(sctp(0, *chunks)) - 32 for chunks in ((0, 1), (2,), (3, 4))]
    skb = TxSkb(sctp(0, 0, 1, 2, 3, 4), csum_start=20, gso_size=0xFFFF, gso_segs=3,
                gso_type=GsoType.SCTP, fragments=tuple(sizes))
    return skb, [sctp(0, 0, 1), sctp(1, 2), sctp(2, 3, 4)]


def sctp_checksum():
    whole = sctp(0, 0, 1)
    return TxSkb(whole[:28] + bytes(4) + whole[32:], csum_start=20), [whole]


def icmpv6_checksum():
    whole = bytes(IPv6(src=str(ADDRESSES[6][0]), dst=str(ADDRESSES[6][1]))
                  / ICMPv6EchoRequest(data=b"odd"))
    pseudo = checksum.pseudo_header(
        ip.split(whole).source, ip.split(whole).destination, 58, len(whole) - 40)
    partial = checksum.total(pseudo).to_bytes(2, "big")
    return TxSkb(whole[:42] + partial + whole[44:], csum_start=40, csum_offset=2), [whole]


CASES = {
    **{name: lambda name=name: tunnelled(name) for name in TUNNELS},
    **{f"{name}, a checksum only": lambda name=name: tunnelled(name, True) for name in TUNNELS},
    "SCTP": sctp_super_frame,
    "SCTP, a checksum only": sctp_checksum,
    "ICMPv6, a checksum only": icmpv6_checksum,
}


@pytest.mark.parametrize("mode", ["tunnel", "transport"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_software_cuts_and_sums_what_the_device_cannot_and_the_device_seals_it(case, mode):
    skb, expected = case()
    family = skb.data[0] >> 4
    sender, tx, receiver, _rx = pair(make_sa(family, inner_family=family, mode=mode))
    sent = sender.host.output.send_skb(tx, skb, sender.device)
    assert sent.way == Way.SEGMENTS and len(sent.requests) == len(expected) == tx.oseq
    wires = [frame for request in sent.requests for frame in sender.transmit(request).frames]
    assert [receiver.receive(wire) for wire in wires] == expected
    assert sender.engine.counters["tx_sealed"] == len(expected)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_software_alone_sends_the_same(case):
    skb, expected = case()
    sender, tx, receiver, _rx = pair(make_sa(inner_family=ANY_FAMILY))
    tx.offload = None
    sent = sender.host.output.send_skb(tx, skb, sender.device)
    wires = [frame for request in sent.requests for frame in sender.transmit(request).frames]
    assert [receiver.receive(wire) for wire in wires] == expected


def test_a_tunnelled_packet_with_nothing_left_to_do_is_the_devices_work():
    _skb, (packet, *_) = tunnelled("VXLAN")
    sender, tx, receiver, _rx = pair(make_sa())
    sent = sender.host.output.send_skb(tx, TxSkb(packet), sender.device)
    assert sent.way == Way.DEVICE
    assert receiver.receive(sender.transmit(sent.requests[0]).frame) == packet


def test_segments_that_keep_one_identification_are_cut_in_software():
    clear = bytes(inside())
    skb = tx_skb(gso.unfinished(clear), mss=MSS)
    fixed = replace(skb, gso_type=skb.gso_type | GsoType.TCP_FIXEDID)
    sender, tx, receiver, _rx = pair(make_sa())
    sent = sender.host.output.send_skb(tx, fixed, sender.device)
    assert sent.way == Way.SEGMENTS
    opened = [receiver.receive(sender.transmit(request).frame) for request in sent.requests]
    assert [IP(packet).id for packet in opened] == [50] * 4
    assert all(IP(bytes(packet)).chksum == _right_checksum(packet) for packet in opened)


def _right_checksum(packet):
    again = IP(packet)
    del again.chksum
    return IP(bytes(again)).chksum


@pytest.mark.parametrize("extra", [NO_GSO, GsoType.DODGY, GsoType.TCP_ECN, GsoType.ESP])
def test_tcp_and_udp_super_frames_are_the_devices_work_wherever_they_come_from(extra):
    for clear in (bytes(inside()), bytes(inside(family=6)), clear_packet(4, bytes(8) + PAYLOAD)):
        sender, tx, _receiver, _rx = pair(make_sa(inner_family=ANY_FAMILY))
        skb = tx_skb(gso.unfinished(clear), mss=MSS)
        skb = replace(skb, gso_type=skb.gso_type | extra)
        assert sender.host.output.send_skb(tx, skb, sender.device).way == Way.DEVICE


@pytest.mark.parametrize("change", [
    {"inner_network": None}, {"gso_type": GsoType.TCPV4}, {"gso_type": GsoType.SCTP},
], ids=str)
def test_a_super_frame_that_is_not_what_its_type_says_is_counted_and_takes_no_number(change):
    skb, _expected = tunnelled("GRE")
    sender, tx, _receiver, _rx = pair(make_sa())
    refusal = refused(
        lambda: sender.host.output.send_skb(tx, replace(skb, **change), sender.device))
    assert refusal.name == "EINVAL"
    assert sender.host.mib == {"XfrmOutError": 1} and tx.oseq == 0


def test_a_checksum_field_elsewhere_is_software_s_work():
    whole = bytes(outer(0) / UDP(sport=1, dport=2) / Raw(b"odd"))
    sender, tx, _receiver, _rx = pair(make_sa())
    for offset, way in ((None, Way.DEVICE), (6, Way.DEVICE), (4, Way.SEGMENTS)):
        skb = TxSkb(gso.unfinished(whole), csum_start=20, csum_offset=offset)
        assert sender.host.output.send_skb(tx, skb, sender.device).way == way


def test_crc32c_is_that_of_the_rfc():
    assert crc32c(bytes(32)) == 0x8A9136AA and crc32c(b"123456789") == 0xE3069283


# Super-frames that the stack counts as no packet

def test_p38_a_super_frame_that_counts_as_no_packet_is_cut_before_it_takes_its_numbers():
    sender, tx, receiver, _rx = pair(make_sa())
    skb = replace(tx_skb(gso.unfinished(bytes(inside())), mss=MSS), gso_segs=0,
                  gso_type=GsoType.TCPV4 | GsoType.DODGY)
    assert not sender.driver.offload_ok(tx, skb)
    for count in (4, 8):
        sent = sender.host.output.send_skb(tx, skb, sender.device)
        assert sent.way == Way.SOFTWARE and tx.oseq == count
        wires = [frame for request in sent.requests for frame in sender.transmit(request).frames]
        assert all(receiver.receive(wire) for wire in wires)


def test_p38_without_the_refusal_the_kernel_gives_the_numbers_again(monkeypatch):
    sender, tx, _receiver, _rx = pair(make_sa())
    monkeypatch.setattr(sender.driver, "offload_ok", lambda _x, _skb: True)
    skb = replace(tx_skb(gso.unfinished(bytes(inside())), mss=MSS), gso_segs=0)
    sent = [sender.host.output.send_skb(tx, skb, sender.device) for _ in range(2)]
    assert [each.sequence for each in sent] == [1, 1]


# Features that a user switches

@pytest.mark.parametrize("features, ways", [
    (set(Feature), ("DEVICE", "DEVICE", "DEVICE")),
    ({Feature.HW_ESP, Feature.HW_ESP_TX_CSUM}, ("DEVICE", "DEVICE", "SEGMENTS")),
    ({Feature.HW_ESP}, ("DEVICE", "SEGMENTS", "SEGMENTS")),
    (set(), ("SOFTWARE", "SOFTWARE", "SOFTWARE")),
])
def test_a_feature_that_is_off_is_obeyed_with_the_next_packet(features, ways):
    sender, tx, receiver, _rx = pair(make_sa())
    sender.device.features = features
    left = gso.unfinished(bytes(inside()))
    for skb, way in zip((TxSkb(left), tx_skb(left, checksum=True), tx_skb(left, mss=MSS)), ways,
                        strict=True):
        sent = sender.host.output.send_skb(tx, skb, sender.device)
        assert sent.way.name == way
        wires = [frame for request in sent.requests for frame in sender.transmit(request).frames]
        assert all(receiver.receive(wire) for wire in wires)
    assert receiver.engine.counters["rx_ok"] == 6
