"""IP packets as host software handles them: split, rebuild, reassemble.

The device needs none of this. The software beside it does: it also takes
what the device passes by, such as options, extension headers and fragments.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from espnic.model.interface.codes import (
    IPPROTO_DSTOPTS,
    IPPROTO_FRAGMENT,
    IPPROTO_HOPOPTS,
    IPPROTO_IPIP,
    IPPROTO_IPV6,
    IPPROTO_ROUTING,
    IPV4_HEADER_BYTES,
    IPV6_HEADER_BYTES,
)
from espnic.model.interface.headers import IPV4_VERSION, IPV6_VERSION
from espnic.model.net import checksum
from espnic.model.net.addresses import Address
from espnic.model.net.header_fields import (
    IPV4_CHECKSUM,
    IPV4_DESTINATION,
    IPV4_DONT_FRAGMENT,
    IPV4_FRAGMENT,
    IPV4_FRAGMENT_OFFSET,
    IPV4_ID,
    IPV4_LENGTH,
    IPV4_MORE_FRAGMENTS,
    IPV4_PROTOCOL,
    IPV4_SOURCE,
    IPV4_TOS,
    IPV6_DESTINATION,
    IPV6_FLOW,
    IPV6_LENGTH,
    IPV6_NEXT_HEADER,
    IPV6_SOURCE,
    HeaderField,
)

TUNNEL_PROTOCOLS = {IPV4_VERSION: IPPROTO_IPIP, IPV6_VERSION: IPPROTO_IPV6}
"""IP protocol of an IP packet within another packet, by its version."""
ECN_MASK = 0b11
"""Bits of the traffic class that are ECN (RFC 3168, 5)."""
ECN_ECT0 = 0b10
"""ECN capable transport."""
ECN_CE = 0b11
"""Congestion experienced."""

_OFFSET_UNIT = 8
_FRAGMENT_HEADER_BYTES = 8
_FRAGMENT_PLACE = HeaderField(2)
"""IPv6 fragment header: offset in bits 15:3, more fragments in bit 0 (RFC 8200, 4.5)."""
_FRAGMENT_ID = HeaderField(4, 4)
_EXTENSION_UNIT = 8
_WALKED_EXTENSIONS = (IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS)


@dataclass(frozen=True)
class Fragment:
    """Place of a fragment in its datagram."""

    identification: int
    offset: int
    """Bytes of the datagram before it."""
    more: bool
    """Whether more fragments follow it."""


@dataclass(frozen=True)
class IpPacket:
    """An IPv4 or IPv6 packet, split after its IP headers."""

    header: bytes
    """The IP header with its options, or with the extension headers before the payload."""
    protocol: int
    """IP protocol of the payload."""
    protocol_at: int
    """Offset in ``header`` of the byte that gives the protocol."""
    payload: bytes
    fragment: Fragment | None
    """Its place in a datagram; None for a packet that is no fragment."""

    @property
    def version(self) -> int:
        """IP version, 4 or 6."""
        return version(self.header)

    @property
    def source(self) -> Address:
        """Source address."""
        if self.version == IPV4_VERSION:
            return IPv4Address(IPV4_SOURCE.read(self.header))
        return IPv6Address(IPV6_SOURCE.read(self.header))

    @property
    def destination(self) -> Address:
        """Destination address of the IP header."""
        if self.version == IPV4_VERSION:
            return IPv4Address(IPV4_DESTINATION.read(self.header))
        return IPv6Address(IPV6_DESTINATION.read(self.header))

    @property
    def traffic_class(self) -> int:
        """IPv4 TOS or IPv6 traffic class: DSCP and ECN."""
        if self.version == IPV4_VERSION:
            return IPV4_TOS.read(self.header)
        return IPV6_FLOW.read(self.header) >> 20 & 0xFF

    def whole(self) -> bytes:
        """The packet as it came, without the bytes beyond its length."""
        return self.header + self.payload

    def with_payload(self, protocol: int, payload: bytes) -> bytes:
        """The packet with another payload: protocol, length and IPv4 checksum put right.

        Raises ``ValueError`` when it grows above 65,535 bytes.
        """
        header = HeaderField(self.protocol_at, 1).replace(self.header, protocol)
        return fix_lengths(header, len(payload)) + payload


def version(packet: bytes) -> int:
    """The version that an IP header says it has; 0 for no byte at all."""
    return packet[0] >> 4 if packet else 0


def fix_lengths(header: bytes, payload_bytes: int) -> bytes:
    """An IP header with the length of its payload put in, and the IPv4 checksum over it.

    Raises ``ValueError`` for a packet of more than 65,535 bytes.
    """
    ipv4 = version(header) == IPV4_VERSION
    length = payload_bytes + len(header) - (0 if ipv4 else IPV6_HEADER_BYTES)
    if length >= 1 << 16:
        raise ValueError(f"IP packet of {length} bytes, expected 65535 or less")
    if ipv4:
        return with_ipv4_checksum(IPV4_LENGTH.replace(header, length))
    return IPV6_LENGTH.replace(header, length)


def with_ipv4_checksum(header: bytes) -> bytes:
    """An IPv4 header, options included, with its checksum put in (RFC 791, 3.1)."""
    return IPV4_CHECKSUM.replace(header, checksum.of(IPV4_CHECKSUM.replace(header, 0)))


def split(packet: bytes) -> IpPacket:
    """Split a packet after its IP headers; bytes beyond its length are dropped.

    IPv6 is split after its hop-by-hop, routing, destination options and fragment headers. Raises
    ``ValueError`` for what is no whole IP packet.
    """
    if version(packet) == IPV4_VERSION:
        return _split_ipv4(packet)
    if version(packet) == IPV6_VERSION:
        return _split_ipv6(packet)
    raise ValueError(f"IP version {version(packet)}, expected 4 or 6")


def _split_ipv4(packet: bytes) -> IpPacket:
    header_bytes = 4 * (packet[0] & 0xF)
    if header_bytes < IPV4_HEADER_BYTES:
        raise ValueError(f"IPv4 header of {header_bytes} bytes, expected 20 or more")
    _need(packet, header_bytes)
    header = packet[:header_bytes]
    total = IPV4_LENGTH.read(header)
    if not header_bytes <= total <= len(packet):
        raise ValueError(
            f"IPv4 total length {total}, expected {header_bytes} to {len(packet)} bytes")
    place = IPV4_FRAGMENT.read(header)
    offset = _OFFSET_UNIT * (place & IPV4_FRAGMENT_OFFSET)
    more = bool(place & IPV4_MORE_FRAGMENTS)
    fragment = Fragment(IPV4_ID.read(header), offset, more) if more or offset else None
    return IpPacket(header, IPV4_PROTOCOL.read(header), IPV4_PROTOCOL.offset,
                    packet[header_bytes:total], fragment)


def _split_ipv6(packet: bytes) -> IpPacket:
    _need(packet, IPV6_HEADER_BYTES)
    end = IPV6_HEADER_BYTES + IPV6_LENGTH.read(packet)
    _need(packet, end)
    offset, protocol_at = IPV6_HEADER_BYTES, IPV6_NEXT_HEADER.offset
    while packet[protocol_at] in _WALKED_EXTENSIONS:
        _need(packet[:end], offset + _EXTENSION_UNIT)
        protocol_at = offset
        offset += _EXTENSION_UNIT * (packet[offset + 1] + 1)
    fragment = None
    if packet[protocol_at] == IPPROTO_FRAGMENT:
        _need(packet[:end], offset + _FRAGMENT_HEADER_BYTES)
        header = packet[offset:]
        place = _FRAGMENT_PLACE.read(header)
        fragment = Fragment(_FRAGMENT_ID.read(header), place & ~0x7, bool(place & 1))
        protocol_at = offset
        offset += _FRAGMENT_HEADER_BYTES
    _need(packet[:end], offset)
    return IpPacket(packet[:offset], packet[protocol_at], protocol_at, packet[offset:end], fragment)


def _need(packet: bytes, count: int) -> None:
    if len(packet) < count:
        raise ValueError(f"IP packet of {len(packet)} bytes, expected {count} or more")


class Reassembler:
    """Put fragments together (RFC 791, 3.2; RFC 8200, 4.5). No fragment is ever timed out."""

    def __init__(self) -> None:
        self._datagrams: dict[tuple[Address, Address, int, int], dict[int, IpPacket]] = {}

    def add(self, packet: IpPacket) -> IpPacket | None:
        """Take a packet, and give the datagram once it is complete, without its fragment fields.

        A packet that is no fragment comes back at once; None while pieces are missing.
        """
        fragment = packet.fragment
        if fragment is None:
            return packet
        key = packet.source, packet.destination, fragment.identification, packet.version
        pieces = self._datagrams.setdefault(key, {})
        pieces[fragment.offset] = packet
        payload = b""
        while (piece := pieces.get(len(payload))) is not None and piece.fragment is not None:
            payload += piece.payload
            if not piece.fragment.more:
                del self._datagrams[key]
                return split(_without_fragment(pieces[0]).with_payload(pieces[0].protocol, payload))
            if not piece.payload:
                break
        return None


def _without_fragment(first: IpPacket) -> IpPacket:
    """The first fragment with the headers of a packet that is no fragment."""
    if first.version == IPV4_VERSION:
        flags = IPV4_FRAGMENT.read(first.header) & IPV4_DONT_FRAGMENT
        header = IPV4_FRAGMENT.replace(first.header, flags)
        return IpPacket(header, first.protocol, first.protocol_at, first.payload, None)
    header = first.header[:-_FRAGMENT_HEADER_BYTES]
    # The header before the fragment header named it as the next one.
    protocol_at, offset = IPV6_NEXT_HEADER.offset, IPV6_HEADER_BYTES
    while offset < len(header):
        protocol_at = offset
        offset += _EXTENSION_UNIT * (header[offset + 1] + 1)
    return IpPacket(header, first.protocol, protocol_at, first.payload, None)
