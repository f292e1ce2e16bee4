"""What the receive parser finds in an Ethernet frame, and why it may find nothing.

The order of the checks is the device's: the first that fails gives the status.
Sources: IEEE 802.1Q, RFC 791, RFC 8200, RFC 4303, RFC 3948.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from espnic.model.interface.codes import (
    ESP_HEADER_BYTES,
    ETHERNET_HEADER_BYTES,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    ETHERTYPE_VLAN,
    IPPROTO_ESP,
    IPPROTO_FRAGMENT,
    IPPROTO_UDP,
    IPV4_HEADER_BYTES,
    IPV6_EXTENSION_HEADERS,
    IPV6_HEADER_BYTES,
    UDP_HEADER_BYTES,
    UDP_PORT_ESP,
    VLAN_TAG_BYTES,
    Encapsulation,
    RxStatus,
)
from espnic.model.net.addresses import Address, lookup_key

_ETHERTYPE_BYTES = 2
_IPV4_IHL_WORDS = IPV4_HEADER_BYTES // 4
_IPV4_MORE_FRAGMENTS = 0x2000
_IPV4_OFFSET_MASK = 0x1FFF
_KEEPALIVE = b"\xff"
_NON_ESP_MARKER = bytes(4)


@dataclass(frozen=True)
class Parsed:
    """An ESP packet in a frame."""

    esp_offset: int
    """Bytes from the start of the frame to the ESP header."""
    esp_bytes: int
    """Bytes from there to the end that the IP or UDP length gives."""
    sequence: int
    """Low half of the sequence number."""
    destination: Address
    encapsulation: Encapsulation
    spi: int

    def fields(self) -> dict[str, int]:
        """The fields of RX_PARSED."""
        return {
            "status": int(RxStatus.OK),
            "esp_offset": self.esp_offset,
            "esp_bytes": self.esp_bytes,
            "sequence": self.sequence,
            **lookup_key(self.destination, self.encapsulation, self.spi),
        }


class _Rejected(Exception):
    """A check failed; ``args[0]`` is the RxStatus."""


@dataclass(frozen=True)
class _Layer4:
    """What an IP header says of the packet it carries."""

    protocol: int
    offset: int
    bytes: int
    destination: Address


def parse(frame: bytes, ipv6: bool = True) -> tuple[RxStatus, Parsed | None]:
    """Look for ESP in a frame that begins with its Ethernet header and has no FCS.

    The status is OK when there is an ESP packet to look up an SA for; only then
    the second value is not None. Without ``ipv6`` a frame with IPv6 outside is NOT_IP.
    """
    try:
        layer4 = _parse_ip(frame, ipv6)
        if layer4.protocol == IPPROTO_UDP:
            return RxStatus.OK, _parse_udp(frame, layer4)
        return RxStatus.OK, _parse_esp(frame, layer4, Encapsulation.NONE)
    except _Rejected as rejected:
        return rejected.args[0], None


def _parse_ip(frame: bytes, ipv6: bool) -> _Layer4:
    offset = ETHERNET_HEADER_BYTES
    ethertype = _number(frame, offset - _ETHERTYPE_BYTES, 2)
    if ethertype == ETHERTYPE_VLAN:
        offset += VLAN_TAG_BYTES
        ethertype = _number(frame, offset - _ETHERTYPE_BYTES, 2)
    if ethertype == ETHERTYPE_IPV4:
        return _parse_ipv4(frame, offset)
    if ipv6 and ethertype == ETHERTYPE_IPV6:
        return _parse_ipv6(frame, offset)
    raise _Rejected(RxStatus.NOT_IP)


def _parse_ipv4(frame: bytes, offset: int) -> _Layer4:
    header = _bytes(frame, offset, IPV4_HEADER_BYTES)
    version, ihl = header[0] >> 4, header[0] & 0xF
    total_bytes = _number(header, 2, 2)
    fragment = _number(header, 6, 2)
    protocol = header[9]
    if version != 4 or ihl < _IPV4_IHL_WORDS:
        raise _Rejected(RxStatus.BAD_HEADER)
    if ihl > _IPV4_IHL_WORDS:
        raise _Rejected(RxStatus.IP_OPTIONS)
    if total_bytes < IPV4_HEADER_BYTES:
        raise _Rejected(RxStatus.BAD_HEADER)
    if fragment & (_IPV4_MORE_FRAGMENTS | _IPV4_OFFSET_MASK):
        raise _Rejected(RxStatus.FRAGMENT)
    if protocol not in (IPPROTO_ESP, IPPROTO_UDP):
        raise _Rejected(RxStatus.NOT_ESP)
    return _Layer4(protocol, offset + IPV4_HEADER_BYTES, total_bytes - IPV4_HEADER_BYTES,
                   IPv4Address(header[16:20]))


def _parse_ipv6(frame: bytes, offset: int) -> _Layer4:
    header = _bytes(frame, offset, IPV6_HEADER_BYTES)
    next_header = header[6]
    if header[0] >> 4 != 6:
        raise _Rejected(RxStatus.BAD_HEADER)
    if next_header == IPPROTO_FRAGMENT:
        raise _Rejected(RxStatus.FRAGMENT)
    if next_header in IPV6_EXTENSION_HEADERS:
        raise _Rejected(RxStatus.EXT_HEADER)
    if next_header not in (IPPROTO_ESP, IPPROTO_UDP):
        raise _Rejected(RxStatus.NOT_ESP)
    return _Layer4(next_header, offset + IPV6_HEADER_BYTES, _number(header, 4, 2),
                   IPv6Address(header[24:40]))


def _parse_udp(frame: bytes, layer4: _Layer4) -> Parsed:
    header = _bytes(frame, layer4.offset, UDP_HEADER_BYTES)
    udp_bytes = _number(header, 4, 2)
    if _number(header, 2, 2) != UDP_PORT_ESP:
        raise _Rejected(RxStatus.NOT_ESP)
    if not UDP_HEADER_BYTES <= udp_bytes <= layer4.bytes:
        raise _Rejected(RxStatus.BAD_HEADER)
    payload_offset = layer4.offset + UDP_HEADER_BYTES
    payload_bytes = udp_bytes - UDP_HEADER_BYTES
    if payload_bytes == 1 and _bytes(frame, payload_offset, 1) == _KEEPALIVE:
        raise _Rejected(RxStatus.KEEPALIVE)
    if payload_bytes <= ESP_HEADER_BYTES:
        raise _Rejected(RxStatus.NON_ESP_MARKER)
    start = _bytes(frame, payload_offset, ESP_HEADER_BYTES)
    if start.startswith(_NON_ESP_MARKER):
        raise _Rejected(RxStatus.NON_ESP_MARKER)
    esp = _Layer4(IPPROTO_ESP, payload_offset, payload_bytes, layer4.destination)
    return _parse_esp(frame, esp, Encapsulation.UDP)


def _parse_esp(frame: bytes, esp: _Layer4, encapsulation: Encapsulation) -> Parsed:
    if esp.bytes < ESP_HEADER_BYTES:
        raise _Rejected(RxStatus.SYNTAX)
    header = _bytes(frame, esp.offset, ESP_HEADER_BYTES)
    return Parsed(
        esp_offset=esp.offset,
        esp_bytes=esp.bytes,
        sequence=_number(header, 4, 4),
        destination=esp.destination,
        encapsulation=encapsulation,
        spi=_number(header, 0, 4),
    )


def _bytes(data: bytes, offset: int, count: int) -> bytes:
    """``count`` bytes that a check needs: TRUNCATED when the frame does not have them."""
    if len(data) < offset + count:
        raise _Rejected(RxStatus.TRUNCATED)
    return data[offset:offset + count]


def _number(data: bytes, offset: int, count: int) -> int:
    return int.from_bytes(_bytes(data, offset, count), "big")
