"""IP packets as host software handles them: split, rebuild, reassemble.

The device needs none of this; it is for the software beside it, which also
takes what the device passes by: options, extension headers, fragments.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from espnic.model.interface.codes import (
    IPPROTO_DSTOPTS,
    IPPROTO_FRAGMENT,
    IPPROTO_HOPOPTS,
    IPPROTO_ROUTING,
    IPV4_HEADER_BYTES,
    IPV6_HEADER_BYTES,
)
from espnic.model.net import checksum
from espnic.model.net.addresses import Address

MORE_FRAGMENTS = 0x2000
DONT_FRAGMENT = 0x4000
_OFFSET_MASK = 0x1FFF
_OFFSET_UNIT = 8
_FRAGMENT_HEADER_BYTES = 8
_EXTENSION_UNIT = 8
_WALKED_EXTENSIONS = (IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS)
_IPV4_PROTOCOL_AT = 9
_IPV6_NEXT_HEADER_AT = 6


@dataclass(frozen=True)
class Fragment:
    """Where a fragment belongs in its datagram."""

    identification: int
    offset: int
    """In bytes."""
    more: bool


@dataclass(frozen=True)
class IpPacket:
    """An IPv4 or IPv6 packet, split behind its headers."""

    header: bytes
    """The IP header with its options, or with the extension headers before the payload."""
    protocol: int
    """Of the payload."""
    protocol_at: int
    """Offset in ``header`` of the byte that gives the protocol."""
    payload: bytes
    fragment: Fragment | None

    @property
    def version(self) -> int:
        return self.header[0] >> 4

    @property
    def source(self) -> Address:
        if self.version == 4:
            return IPv4Address(self.header[12:16])
        return IPv6Address(self.header[8:24])

    @property
    def destination(self) -> Address:
        if self.version == 4:
            return IPv4Address(self.header[16:20])
        return IPv6Address(self.header[24:40])

    @property
    def traffic_class(self) -> int:
        """IPv4 TOS or IPv6 traffic class: DSCP and ECN."""
        if self.version == 4:
            return self.header[1]
        return int.from_bytes(self.header[:2], "big") >> 4 & 0xFF

    def whole(self) -> bytes:
        """The packet as it came, without what stood behind its length."""
        return self.header + self.payload

    def with_payload(self, protocol: int, payload: bytes) -> bytes:
        """The packet with another payload: protocol, length and IPv4 checksum put right.

        Raises ``ValueError`` when it grows above 65,535 bytes.
        """
        return fix_lengths(
            self.header[:self.protocol_at] + bytes([protocol])
            + self.header[self.protocol_at + 1:],
            len(payload)) + payload


def fix_lengths(header: bytes, payload_bytes: int) -> bytes:
    """An IP header with the length of its payload, and the IPv4 checksum over it.

    Raises ``ValueError`` for a packet of more than 65,535 bytes.
    """
    fixed = bytearray(header)
    ipv4 = header[0] >> 4 == 4
    length = payload_bytes + len(header) - (0 if ipv4 else IPV6_HEADER_BYTES)
    if length >= 1 << 16:
        raise ValueError(f"IP packet of {length} bytes, expected 65535 or less")
    if ipv4:
        fixed[2:4] = length.to_bytes(2, "big")
        fixed[10:12] = bytes(2)
        fixed[10:12] = checksum.of(fixed).to_bytes(2, "big")
    else:
        fixed[4:6] = length.to_bytes(2, "big")
    return bytes(fixed)


def split(packet: bytes) -> IpPacket:
    """Split a packet behind its IP headers; bytes behind its length are dropped.

    Raises ``ValueError`` for what is no whole IP packet.
    """
    version = packet[0] >> 4 if packet else 0
    if version == 4:
        return _split_ipv4(packet)
    if version == 6:
        return _split_ipv6(packet)
    raise ValueError(f"IP version {version}, expected 4 or 6")


def _split_ipv4(packet: bytes) -> IpPacket:
    header_bytes = 4 * (packet[0] & 0xF)
    if header_bytes < IPV4_HEADER_BYTES:
        raise ValueError(f"IPv4 header of {header_bytes} bytes, expected 20 or more")
    _need(packet, header_bytes)
    header = packet[:header_bytes]
    total = int.from_bytes(header[2:4], "big")
    if not header_bytes <= total <= len(packet):
        raise ValueError(
            f"IPv4 total length {total}, expected {header_bytes} to {len(packet)} bytes")
    flags = int.from_bytes(header[6:8], "big")
    offset = _OFFSET_UNIT * (flags & _OFFSET_MASK)
    more = bool(flags & MORE_FRAGMENTS)
    fragment = None
    if more or offset:
        fragment = Fragment(int.from_bytes(header[4:6], "big"), offset, more)
    return IpPacket(header, header[_IPV4_PROTOCOL_AT], _IPV4_PROTOCOL_AT,
                    packet[header_bytes:total], fragment)


def _split_ipv6(packet: bytes) -> IpPacket:
    _need(packet, IPV6_HEADER_BYTES)
    end = IPV6_HEADER_BYTES + int.from_bytes(packet[4:6], "big")
    _need(packet, end)
    offset, protocol_at = IPV6_HEADER_BYTES, _IPV6_NEXT_HEADER_AT
    while packet[protocol_at] in _WALKED_EXTENSIONS:
        _need(packet[:end], offset + _EXTENSION_UNIT)
        protocol_at = offset
        offset += _EXTENSION_UNIT * (packet[offset + 1] + 1)
    fragment = None
    if packet[protocol_at] == IPPROTO_FRAGMENT:
        _need(packet[:end], offset + _FRAGMENT_HEADER_BYTES)
        place = int.from_bytes(packet[offset + 2:offset + 4], "big")
        fragment = Fragment(
            identification=int.from_bytes(packet[offset + 4:offset + 8], "big"),
            offset=place & ~0x7,
            more=bool(place & 1),
        )
        protocol_at = offset
        offset += _FRAGMENT_HEADER_BYTES
    _need(packet[:end], offset)
    return IpPacket(packet[:offset], packet[protocol_at], protocol_at, packet[offset:end], fragment)


def _need(packet: bytes, count: int) -> None:
    if len(packet) < count:
        raise ValueError(f"IP packet of {len(packet)} bytes, expected {count} or more")


class Reassembler:
    """Puts fragments together (RFC 791, 3.2; RFC 8200, 4.5). Nothing is ever timed out."""

    def __init__(self) -> None:
        self._datagrams: dict[tuple[Address, Address, int, int], dict[int, IpPacket]] = {}

    def add(self, packet: IpPacket) -> IpPacket | None:
        """Take a fragment; the datagram once it is complete, without its fragment fields."""
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
    """The first fragment with headers of a packet that is none."""
    if first.version == 4:
        flags = int.from_bytes(first.header[6:8], "big") & DONT_FRAGMENT
        header = first.header[:6] + flags.to_bytes(2, "big") + first.header[8:]
        return IpPacket(header, first.protocol, first.protocol_at, first.payload, None)
    header = first.header[:-_FRAGMENT_HEADER_BYTES]
    # The header before the fragment header named it as the next one.
    protocol_at, offset = _IPV6_NEXT_HEADER_AT, IPV6_HEADER_BYTES
    while offset < len(header):
        protocol_at = offset
        offset += _EXTENSION_UNIT * (header[offset + 1] + 1)
    return IpPacket(header, first.protocol, protocol_at, first.payload, None)
