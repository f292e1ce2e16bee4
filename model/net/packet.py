"""The receive parser: what it finds in an Ethernet frame, and why it may find nothing.

The order of the checks is the device's: the first that fails gives the status.
Sources: IEEE 802.1Q, RFC 791, RFC 8200, RFC 4303, RFC 3948.
"""

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from espnic.model.interface.codes import (
    ESP_HEADER_BYTES,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    IPPROTO_ESP,
    IPPROTO_FRAGMENT,
    IPPROTO_UDP,
    IPV4_HEADER_BYTES,
    IPV6_EXTENSION_HEADERS,
    IPV6_HEADER_BYTES,
    UDP_HEADER_BYTES,
    UDP_PORT_ESP,
    Encapsulation,
    RxStatus,
)
from espnic.model.interface.headers import (
    IPV4_FRAGMENT_MASK,
    IPV4_VERSION,
    IPV4_WORDS,
    IPV6_VERSION,
)
from espnic.model.net import ethernet
from espnic.model.net.addresses import Address, lookup_key
from espnic.model.net.header_fields import (
    ESP_SEQUENCE,
    ESP_SPI,
    IPV4_DESTINATION,
    IPV4_FRAGMENT,
    IPV4_LENGTH,
    IPV4_PROTOCOL,
    IPV6_DESTINATION,
    IPV6_LENGTH,
    IPV6_NEXT_HEADER,
    NON_ESP_MARKER,
    UDP_DESTINATION_PORT,
    UDP_LENGTH,
)

_KEEPALIVE = b"\xff"


@dataclass(frozen=True)
class Parsed:
    """An ESP packet in a frame."""

    esp_offset: int
    """Bytes from the start of the frame to the ESP header."""
    esp_bytes: int
    """Bytes from the ESP header to the end that the IP or UDP length gives."""
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
    """The data that an IP or UDP header carries, as the header describes them."""

    protocol: int
    offset: int
    """Bytes from the start of the frame to the data."""
    bytes: int
    """Length of the data by the IP or UDP length."""
    destination: Address


def parse(
    frame: bytes, ipv6: bool = True, ports: Collection[int] = (UDP_PORT_ESP,),
) -> tuple[RxStatus, Parsed | None]:
    """Look for ESP in a frame that begins with its Ethernet header and has no FCS.

    The status is OK when there is an ESP packet to look up an SA for; only then
    is the second value not None. Without ``ipv6`` a frame with IPv6 outside is NOT_IP.
    ``ports`` are the UDP ports to which ESP is sent; 0 among them is none.
    """
    try:
        layer4 = _parse_ip(frame, ipv6)
        if layer4.protocol == IPPROTO_UDP:
            return RxStatus.OK, _parse_udp(frame, layer4, ports)
        return RxStatus.OK, _parse_esp(frame, layer4, Encapsulation.NONE)
    except _Rejected as rejected:
        return rejected.args[0], None


def _parse_ip(frame: bytes, ipv6: bool) -> _Layer4:
    offset = ethernet.header_bytes(frame)
    ethertype = ethernet.ethertype(_bytes(frame, 0, offset), offset)
    if ethertype == ETHERTYPE_IPV4:
        return _parse_ipv4(frame, offset)
    if ipv6 and ethertype == ETHERTYPE_IPV6:
        return _parse_ipv6(frame, offset)
    raise _Rejected(RxStatus.NOT_IP)


def _parse_ipv4(frame: bytes, offset: int) -> _Layer4:
    header = _bytes(frame, offset, IPV4_HEADER_BYTES)
    version, ihl = header[0] >> 4, header[0] & 0xF
    total_bytes = IPV4_LENGTH.read(header)
    protocol = IPV4_PROTOCOL.read(header)
    if version != IPV4_VERSION or ihl < IPV4_WORDS:
        raise _Rejected(RxStatus.BAD_HEADER)
    if ihl > IPV4_WORDS:
        raise _Rejected(RxStatus.IP_OPTIONS)
    if total_bytes < IPV4_HEADER_BYTES:
        raise _Rejected(RxStatus.BAD_HEADER)
    if IPV4_FRAGMENT.read(header) & IPV4_FRAGMENT_MASK:
        raise _Rejected(RxStatus.FRAGMENT)
    if protocol not in (IPPROTO_ESP, IPPROTO_UDP):
        raise _Rejected(RxStatus.NOT_ESP)
    return _Layer4(protocol, offset + IPV4_HEADER_BYTES, total_bytes - IPV4_HEADER_BYTES,
                   IPv4Address(IPV4_DESTINATION.read(header)))


def _parse_ipv6(frame: bytes, offset: int) -> _Layer4:
    header = _bytes(frame, offset, IPV6_HEADER_BYTES)
    next_header = IPV6_NEXT_HEADER.read(header)
    if header[0] >> 4 != IPV6_VERSION:
        raise _Rejected(RxStatus.BAD_HEADER)
    if next_header == IPPROTO_FRAGMENT:
        raise _Rejected(RxStatus.FRAGMENT)
    if next_header in IPV6_EXTENSION_HEADERS:
        raise _Rejected(RxStatus.EXT_HEADER)
    if next_header not in (IPPROTO_ESP, IPPROTO_UDP):
        raise _Rejected(RxStatus.NOT_ESP)
    return _Layer4(next_header, offset + IPV6_HEADER_BYTES, IPV6_LENGTH.read(header),
                   IPv6Address(IPV6_DESTINATION.read(header)))


def _parse_udp(frame: bytes, layer4: _Layer4, ports: Collection[int]) -> Parsed:
    header = _bytes(frame, layer4.offset, UDP_HEADER_BYTES)
    udp_bytes = UDP_LENGTH.read(header)
    port = UDP_DESTINATION_PORT.read(header)
    if port not in ports or port == 0:
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
    if start.startswith(NON_ESP_MARKER):
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
        sequence=ESP_SEQUENCE.read(header),
        destination=esp.destination,
        encapsulation=encapsulation,
        spi=ESP_SPI.read(header),
    )


def _bytes(data: bytes, offset: int, count: int) -> bytes:
    """``count`` bytes of a frame that a check needs. TRUNCATED when the frame lacks them."""
    if len(data) < offset + count:
        raise _Rejected(RxStatus.TRUNCATED)
    return data[offset:offset + count]
