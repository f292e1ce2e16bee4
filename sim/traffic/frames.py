"""Hand-made frames: one of each kind that the receive rules distinguish.

They are written byte by byte here, independent of the model's own framing, so that a mistake
there does not hide itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from espnic.model.esp import esp
from espnic.model.interface.codes import (
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    FRAME_BYTES_MAX,
    IPPROTO_ESP,
    IPPROTO_UDP,
    UDP_PORT_ESP,
    Encapsulation,
    RxStatus,
)
from espnic.model.interface.headers import IPV4_VERSION, IPV6_VERSION
from espnic.model.sa.sa import SecurityAssociation

MACS = bytes.fromhex("020000000b01" "020000000a01")
VLAN_TAG = bytes.fromhex("81000123")
SERVICE_TAG = bytes.fromhex("88a80123")


def ipv4(
    sa: SecurityAssociation, payload: bytes, protocol: int = IPPROTO_ESP, **change: int,
) -> bytes:
    """An IPv4 packet to the SA's destination; ``change`` overrides version, ihl, total_bytes,
    fragment (the 16 bits of flags and offset) or destination_port."""
    ihl = change.get("ihl", 5)
    header = bytes([change.get("version", 4) << 4 | ihl, 0])
    header += change.get("total_bytes", 4 * max(ihl, 5) + len(payload)).to_bytes(2, "big")
    header += bytes(2) + change.get("fragment", 0x4000).to_bytes(2, "big")
    header += bytes([64, protocol, 0, 0]) + sa.source.packed + sa.destination.packed
    return header + bytes(4 * max(ihl - 5, 0)) + payload


def ipv6(
    sa: SecurityAssociation, payload: bytes, next_header: int = IPPROTO_ESP, **change: int,
) -> bytes:
    """An IPv6 packet to the SA's destination; ``change`` overrides version or payload_bytes."""
    header = (change.get("version", 6) << 28).to_bytes(4, "big")
    header += change.get("payload_bytes", len(payload)).to_bytes(2, "big")
    return header + bytes([next_header, 64]) + sa.source.packed + sa.destination.packed + payload


def ip(
    sa: SecurityAssociation, payload: bytes, protocol: int = IPPROTO_ESP, **change: int,
) -> bytes:
    """An IP packet of the SA's outer family."""
    return (ipv4 if sa.outer_family == IPV4_VERSION else ipv6)(sa, payload, protocol, **change)


def udp(
    payload: bytes, port: int = UDP_PORT_ESP, udp_bytes: int | None = None, checksum: int = 0,
) -> bytes:
    """A UDP datagram to ``port``, mostly without a checksum."""
    length = 8 + len(payload) if udp_bytes is None else udp_bytes
    header = (0x1194, port, length, checksum)
    return b"".join(field.to_bytes(2, "big") for field in header) + payload


def ethernet(packet: bytes, tags: bytes = b"", ethertype: int | None = None) -> bytes:
    """An Ethernet frame with these VLAN tags; the EtherType is that of the packet's version."""
    if ethertype is None:
        ethertype = ETHERTYPE_IPV6 if packet[0] >> 4 == IPV6_VERSION else ETHERTYPE_IPV4
    return MACS + tags + ethertype.to_bytes(2, "big") + packet


def carried(sa: SecurityAssociation, esp_packet: bytes, tags: bytes = b"") -> bytes:
    """An ESP packet of the SA in its frame, in UDP if the SA is encapsulated."""
    if sa.encapsulation == Encapsulation.UDP:
        return ethernet(ip(sa, udp(esp_packet), IPPROTO_UDP), tags)
    return ethernet(ip(sa, esp_packet), tags)


def sealed(sa: SecurityAssociation, text: bytes, sequence: int = 1, tags: bytes = b"") -> bytes:
    """A good frame of the SA with ``text``, which is payload and trailer as they stand."""
    return carried(sa, esp.seal(sa, sequence, text).packet, tags)


OF_FRAMES = frozenset(RxStatus) - {
    RxStatus.LATE, RxStatus.REPLAYED, RxStatus.EXPIRED, RxStatus.SA_GONE, RxStatus.FAULT,
    RxStatus.BAD_FRAME}
"""Statuses that depend on the frame alone, not on the frames before it, on the MAC's word or on the
device's health."""


@dataclass(frozen=True)
class Kind:
    """A frame, the name of its kind, and the status that it must get."""

    name: str
    status: RxStatus
    frame: bytes


def kinds(sa: SecurityAssociation) -> list[Kind]:
    """Frames of every status in ``OF_FRAMES`` for a device that has ``sa``, a receive SA without
    encapsulation or with it, and no other. All carry what would be an authentic ESP packet of
    the SA. Only with encapsulation there is BAD_UDP_CHECKSUM."""
    return [Kind(*entry) for entry in _kinds(sa)]


def _kinds(sa: SecurityAssociation) -> Iterator[tuple[str, RxStatus, bytes]]:
    text = bytes(range(60)) + bytes.fromhex("01020204")
    good = esp.seal(sa, 1, text).packet
    whole = sealed(sa, text)
    in_udp = sa.encapsulation == Encapsulation.UDP
    carrier, protocol = (udp, IPPROTO_UDP) if in_udp else (bytes, IPPROTO_ESP)

    yield "good", RxStatus.OK, whole
    yield "good, with Ethernet padding behind it", RxStatus.OK, whole + bytes(18)
    yield "good, with a VLAN tag", RxStatus.OK, sealed(sa, text, tags=VLAN_TAG)
    yield "good, next header 59", RxStatus.OK, sealed(sa, bytes(6) + bytes([0, 59]))
    yield "good, one byte of payload", RxStatus.OK, sealed(sa, bytes.fromhex("aa010104"))

    yield "flipped bit in the ICV", RxStatus.AUTH_FAILED, whole[:-1] + bytes([whole[-1] ^ 1])
    yield "other sequence number", RxStatus.AUTH_FAILED, carried(
        sa, good[:7] + bytes([good[7] ^ 2]) + good[8:])

    yield "no payload", RxStatus.BAD_TRAILER, sealed(sa, bytes.fromhex("01020204"))
    yield "pad length beyond the text", RxStatus.BAD_TRAILER, sealed(sa, bytes(14) + b"\xff\x04")

    yield "one byte short of a trailer", RxStatus.SYNTAX, carried(sa, good[:17 + sa.icv.bytes])
    yield "ESP header only", RxStatus.SYNTAX, carried(sa, good[:8] + b"\0" * in_udp)
    if not in_udp:
        yield "7 bytes of ESP", RxStatus.SYNTAX, carried(sa, good[:7]) + bytes(40)
        yield "7 bytes of ESP of another SPI", RxStatus.SYNTAX, carried(
            sa, bytes([good[0] ^ 1]) + good[1:7]) + bytes(40)
        yield "no byte of ESP", RxStatus.SYNTAX, carried(sa, b"") + bytes(40)

    yield "empty", RxStatus.TRUNCATED, b""
    yield "one byte short", RxStatus.TRUNCATED, whole[:-1]
    yield "ends in the ESP header", RxStatus.TRUNCATED, whole[:-len(good) + 5]
    yield "ends in the IP header", RxStatus.TRUNCATED, whole[:30]
    yield "ends in the EtherType", RxStatus.TRUNCATED, whole[:13]

    yield "ARP", RxStatus.NOT_IP, ethernet(bytes(46), ethertype=0x0806)
    yield "two VLAN tags", RxStatus.NOT_IP, sealed(sa, text, tags=VLAN_TAG * 2)
    yield "service tag and VLAN tag", RxStatus.NOT_IP, sealed(sa, text, tags=SERVICE_TAG + VLAN_TAG)

    ethertype = ETHERTYPE_IPV4 if sa.outer_family == IPV4_VERSION else ETHERTYPE_IPV6
    for version in (0, 5, 10 - sa.outer_family):
        yield f"IP version {version}", RxStatus.BAD_HEADER, ethernet(
            ip(sa, carrier(good), protocol, version=version), ethertype=ethertype)
    if sa.outer_family == IPV4_VERSION:
        yield from _ipv4_kinds(sa, carrier(good), protocol)
    else:
        yield from _ipv6_kinds(sa, carrier(good), protocol)

    if in_udp:
        yield from _checksum_kinds(sa, good)

    yield "TCP", RxStatus.NOT_ESP, ethernet(ip(sa, good, 6))
    yield "AH-like protocol 108", RxStatus.NOT_ESP, ethernet(ip(sa, good, 108))
    yield "UDP to port 4501", RxStatus.NOT_ESP, ethernet(ip(sa, udp(good, 4501), IPPROTO_UDP))
    yield "UDP length of 7", RxStatus.BAD_HEADER, ethernet(
        ip(sa, udp(good, udp_bytes=7), IPPROTO_UDP))
    yield "UDP length beyond IP's", RxStatus.BAD_HEADER, ethernet(
        ip(sa, udp(good, udp_bytes=len(good) + 9), IPPROTO_UDP))
    yield "NAT keepalive", RxStatus.KEEPALIVE, ethernet(ip(sa, udp(b"\xff"), IPPROTO_UDP))
    yield "NAT keepalive in a padded frame", RxStatus.KEEPALIVE, ethernet(
        ip(sa, udp(b"\xff"), IPPROTO_UDP)) + bytes(17)
    yield "one byte that is no keepalive", RxStatus.NON_ESP_MARKER, ethernet(
        ip(sa, udp(b"\xfe"), IPPROTO_UDP))
    yield "IKE", RxStatus.NON_ESP_MARKER, ethernet(ip(sa, udp(bytes(4) + good), IPPROTO_UDP))
    yield "empty UDP to port 4500", RxStatus.NON_ESP_MARKER, ethernet(ip(sa, udp(b""), IPPROTO_UDP))
    yield "8 bytes in UDP", RxStatus.NON_ESP_MARKER, ethernet(ip(sa, udp(good[:8]), IPPROTO_UDP))

    yield "other SPI", RxStatus.NO_SA, carried(sa, bytes([good[0] ^ 1]) + good[1:])
    yield "other destination", RxStatus.NO_SA, _to_other_destination(whole)
    other = ethernet(ip(sa, good)) if in_udp else ethernet(ip(sa, udp(good), IPPROTO_UDP))
    yield "other encapsulation", RxStatus.NO_SA, other

    yield "one byte too long", RxStatus.OVERSIZE, whole + bytes(FRAME_BYTES_MAX + 1 - len(whole))
    yield "longest", RxStatus.OK, whole + bytes(FRAME_BYTES_MAX - len(whole))


def _ipv4_kinds(
    sa: SecurityAssociation, payload: bytes, protocol: int,
) -> Iterator[tuple[str, RxStatus, bytes]]:
    def frame(**change: int) -> bytes:
        return ethernet(ipv4(sa, payload, protocol, **change), ethertype=ETHERTYPE_IPV4)

    yield "header of 16 bytes", RxStatus.BAD_HEADER, frame(ihl=4)
    yield "total length of 19", RxStatus.BAD_HEADER, frame(total_bytes=19)
    yield "options", RxStatus.IP_OPTIONS, frame(ihl=6)
    yield "options and a total length of 19", RxStatus.IP_OPTIONS, frame(ihl=6, total_bytes=19)
    yield "options up to 60 bytes", RxStatus.IP_OPTIONS, frame(ihl=15)
    yield "first fragment", RxStatus.FRAGMENT, frame(fragment=0x2000)
    yield "last fragment", RxStatus.FRAGMENT, frame(fragment=0x0001)
    yield "highest fragment offset", RxStatus.FRAGMENT, frame(fragment=0x1FFF)
    yield "all flags but more fragments", RxStatus.OK, frame(fragment=0xC000)


def _ipv6_kinds(
    sa: SecurityAssociation, payload: bytes, protocol: int,
) -> Iterator[tuple[str, RxStatus, bytes]]:
    extension = bytes([protocol, 0]) + bytes(6)
    for name, number in (("hop-by-hop options", 0), ("routing header", 43), ("AH", 51),
                         ("destination options", 60)):
        yield name, RxStatus.EXT_HEADER, ethernet(ipv6(sa, extension + payload, number))
    yield "fragment header", RxStatus.FRAGMENT, ethernet(ipv6(sa, extension + payload, 44))
    yield "no next header", RxStatus.NOT_ESP, ethernet(ipv6(sa, payload, 59))


def _checksum_kinds(
    sa: SecurityAssociation, good: bytes,
) -> Iterator[tuple[str, RxStatus, bytes]]:
    """Frames with a UDP checksum in front of the ESP packet ``good``."""
    right = udp_checksum(sa, udp(good))
    for name, status, value in (
            ("right", RxStatus.OK, right),
            ("off by one", RxStatus.BAD_UDP_CHECKSUM, right ^ 1),
            ("off by its highest bit", RxStatus.BAD_UDP_CHECKSUM, right ^ 0x8000)):
        datagram = udp(good, checksum=value)
        yield f"UDP checksum {name}", status, ethernet(ip(sa, datagram, IPPROTO_UDP))
    wrong = udp(good, checksum=right ^ 1)
    yield "UDP checksum wrong, Ethernet padding", RxStatus.BAD_UDP_CHECKSUM, ethernet(
        ip(sa, wrong, IPPROTO_UDP)) + bytes(7)
    yield "UDP checksum wrong, ICV too", RxStatus.BAD_UDP_CHECKSUM, ethernet(
        ip(sa, wrong[:-1] + bytes([wrong[-1] ^ 2]), IPPROTO_UDP), VLAN_TAG)
    yield "UDP checksum wrong, no room for a trailer", RxStatus.SYNTAX, ethernet(
        ip(sa, udp(good[:17 + sa.icv.bytes], checksum=1), IPPROTO_UDP))
    yield "UDP checksum wrong, one byte short", RxStatus.TRUNCATED, ethernet(
        ip(sa, wrong, IPPROTO_UDP))[:-1]
    yield "UDP checksum wrong, other SPI", RxStatus.NO_SA, ethernet(
        ip(sa, wrong[:8] + bytes([wrong[8] ^ 1]) + wrong[9:], IPPROTO_UDP))
    # What follows the datagram in its IP packet is in no sum.
    for name, status, value in (("right", RxStatus.OK, right),
                                ("wrong", RxStatus.BAD_UDP_CHECKSUM, right ^ 1)):
        yield f"UDP checksum {name}, bytes behind UDP", status, ethernet(
            ip(sa, udp(good, checksum=value) + b"\xa5\x5a\x01", IPPROTO_UDP))


def udp_checksum(sa: SecurityAssociation, datagram: bytes) -> int:
    """The checksum of a UDP datagram of the SA whose checksum field is 0; never 0 (RFC 768)."""
    pseudo = (sa.source.packed + sa.destination.packed + len(datagram).to_bytes(4, "big")
              + IPPROTO_UDP.to_bytes(4, "big"))
    data = pseudo + datagram + bytes(len(datagram) % 2)
    total = sum(int.from_bytes(data[at:at + 2], "big") for at in range(0, len(data), 2))
    return 0xFFFF - total % 0xFFFF


def _to_other_destination(frame: bytes) -> bytes:
    """The frame with the lowest bit of its IP destination flipped."""
    last = 14 + (19 if frame[14] >> 4 == IPV4_VERSION else 39)
    return frame[:last] + bytes([frame[last] ^ 1]) + frame[last + 1:]
