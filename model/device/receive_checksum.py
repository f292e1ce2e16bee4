"""The checksum fields of a receive completion: what the device says of a frame's checksums."""

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

from espnic.model.interface.codes import (
    ETHERNET_HEADER_BYTES,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    IPPROTO_UDP,
    IPV4_HEADER_BYTES,
    IPV6_HEADER_BYTES,
    UDP_HEADER_BYTES,
    Encapsulation,
    RxChecksum,
)
from espnic.model.interface.headers import IPV4_FRAGMENT_MASK, IPV6_VERSION
from espnic.model.net import checksum, ethernet, ip
from espnic.model.net.addresses import Address
from espnic.model.net.header_fields import (
    IPV4_DESTINATION,
    IPV4_FRAGMENT,
    IPV4_LENGTH,
    IPV4_PROTOCOL,
    IPV4_SOURCE,
    IPV4_START,
    IPV6_DESTINATION,
    IPV6_LENGTH,
    IPV6_NEXT_HEADER,
    IPV6_SOURCE,
    UDP_CHECKSUM,
    UDP_LENGTH,
)
from espnic.model.net.packet import Parsed


@dataclass(frozen=True)
class _Layer4:
    """The TCP or UDP part of a packet, or what another protocol has there."""

    protocol: int
    """IP protocol."""
    source: Address
    destination: Address
    data: bytes
    """Header and payload, as far as the frame has them, and what follows them."""
    bytes: int
    """Length of header and payload by the IP header."""


def fields(frame: bytes, payload_end: int | None) -> dict[str, int]:
    """The sums and ``checksum_status`` of RX_COMPLETION for a frame as it leaves for the host.

    ``payload_end`` is the offset at which the decrypted payload of a frame with status OK ends:
    that of its trailer, which the ICV follows. None for every other frame.
    """
    status = RxChecksum.NONE if payload_end is not None else status_as_it_came(frame)
    return {
        "checksum": checksum.total(frame[ETHERNET_HEADER_BYTES:payload_end]),
        "frame_checksum": checksum.total(frame[ETHERNET_HEADER_BYTES:]),
        "checksum_status": int(status),
    }


def outer_status(frame: bytes, parsed: Parsed | None) -> RxChecksum:
    """The state of the UDP checksum in front of ESP, in a frame as it came.

    NONE when the parser has not found ESP in UDP, and when that has no checksum (RFC 3948, 2.1;
    RFC 6935, 5).
    """
    if parsed is None or parsed.encapsulation != Encapsulation.UDP:
        return RxChecksum.NONE
    return status_as_it_came(frame)


def status_as_it_came(frame: bytes) -> RxChecksum:
    """The state of the TCP or UDP checksum of a frame in which nothing was decrypted.

    A checksum is checked only if, after at most one VLAN tag (8100h), the frame has IPv4
    without options or IPv6 without extension headers; the packet is no fragment; and it has at
    least a TCP header, or a UDP datagram that fits in the packet and has a checksum. TCP ends
    where the packet does, UDP where its own length says (RFC 768), and that end lies in the
    frame. Else the state is NONE. Bytes behind the end do not count.
    """
    layer4 = _layer4(frame)
    if layer4 is None or not _has_checksum(layer4):
        return RxChecksum.NONE
    pseudo = checksum.pseudo_header(
        layer4.source, layer4.destination, layer4.protocol, len(layer4.data))
    return RxChecksum.GOOD if checksum.of(pseudo + layer4.data) == 0 else RxChecksum.BAD


def _has_checksum(layer4: _Layer4) -> bool:
    minimum = checksum.HEADER_BYTES_MIN.get(layer4.protocol)
    if minimum is None or len(layer4.data) < minimum:
        return False
    return layer4.protocol != IPPROTO_UDP or UDP_CHECKSUM.read(layer4.data) != 0


def _layer4(frame: bytes) -> _Layer4 | None:
    """TCP or UDP, whole, of an unfragmented IP packet without options, or what that has instead.

    None for any other frame.
    """
    offset = ethernet.header_bytes(frame)
    ethertype, packet = ethernet.ethertype(frame, offset), frame[offset:]
    layer4 = None
    if ethertype == ETHERTYPE_IPV4 and len(packet) >= IPV4_HEADER_BYTES:
        layer4 = _ipv4_layer4(packet)
    elif ethertype == ETHERTYPE_IPV6 and len(packet) >= IPV6_HEADER_BYTES:
        layer4 = _ipv6_layer4(packet)
    return layer4 and _whole(layer4)


def _whole(layer4: _Layer4) -> _Layer4 | None:
    """The layer up to its end; None when the frame or the packet ends before."""
    count = layer4.bytes
    if layer4.protocol == IPPROTO_UDP:
        count = UDP_LENGTH.read(layer4.data)
        if not UDP_HEADER_BYTES <= count <= layer4.bytes:
            return None
    if not 0 <= count <= len(layer4.data):
        return None
    return replace(layer4, data=layer4.data[:count])


def _ipv4_layer4(packet: bytes) -> _Layer4 | None:
    if packet[0] != IPV4_START or IPV4_FRAGMENT.read(packet) & IPV4_FRAGMENT_MASK:
        return None
    return _Layer4(
        IPV4_PROTOCOL.read(packet), IPv4Address(IPV4_SOURCE.read(packet)),
        IPv4Address(IPV4_DESTINATION.read(packet)), packet[IPV4_HEADER_BYTES:],
        IPV4_LENGTH.read(packet) - IPV4_HEADER_BYTES)


def _ipv6_layer4(packet: bytes) -> _Layer4 | None:
    if ip.version(packet) != IPV6_VERSION:
        return None
    return _Layer4(
        IPV6_NEXT_HEADER.read(packet), IPv6Address(IPV6_SOURCE.read(packet)),
        IPv6Address(IPV6_DESTINATION.read(packet)), packet[IPV6_HEADER_BYTES:],
        IPV6_LENGTH.read(packet))
