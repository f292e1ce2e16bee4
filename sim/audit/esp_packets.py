"""ESP in the packets of any capture, found without keys and in frames that were cut short too."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from espnic.model.interface.codes import (
    ESP_HEADER_BYTES,
    ESP_TEXT_OFFSET,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    IPPROTO_DSTOPTS,
    IPPROTO_ESP,
    IPPROTO_FRAGMENT,
    IPPROTO_HOPOPTS,
    IPPROTO_ROUTING,
    IPPROTO_UDP,
    IPV4_HEADER_BYTES,
    IPV6_HEADER_BYTES,
    UDP_HEADER_BYTES,
    UDP_PORT_ESP,
    VLAN_ETHERTYPES,
    VLAN_TAG_BYTES,
    Encapsulation,
)
from espnic.model.interface.headers import IPV4_VERSION, IPV6_VERSION
from espnic.model.net import ip
from espnic.model.net.addresses import Address
from espnic.model.net.header_fields import (
    ESP_SEQUENCE,
    ESP_SPI,
    IPV4_FRAGMENT,
    IPV4_FRAGMENT_OFFSET,
    IPV4_LENGTH,
    IPV4_MORE_FRAGMENTS,
    IPV4_PROTOCOL,
    IPV6_LENGTH,
    IPV6_NEXT_HEADER,
    NON_ESP_MARKER,
    UDP_DESTINATION_PORT,
    UDP_LENGTH,
    UDP_SOURCE_PORT,
    HeaderField,
)
from espnic.sim.capture.packets import Packet

ESP_PORTS = (UDP_PORT_ESP,)
"""UDP ports at which ESP is looked for unless others are given."""

_MAC_BYTES = 12
_EXTENSIONS = (IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS)
_EXTENSION_UNIT = 8
_FRAGMENT_PLACE = HeaderField(2)
_FRAGMENT_OFFSET = 0xFFF8
_IPV4_DESTINATION = slice(16, 20)
_IPV6_DESTINATION = slice(24, 40)


class SaKey(NamedTuple):
    """The look-up key of an SA."""

    destination: bytes
    """Address as in the packet: 4 or 16 bytes."""
    encapsulation: Encapsulation
    spi: int

    @property
    def address(self) -> Address:
        """Destination address."""
        if len(self.destination) == len(IPv4Address(0).packed):
            return IPv4Address(self.destination)
        return IPv6Address(self.destination)

    def __str__(self) -> str:
        over = ", UDP" if self.encapsulation == Encapsulation.UDP else ""
        return f"{self.address}, SPI 0x{self.spi:08x}{over}"


@dataclass(frozen=True)
class EspPacket:
    """An ESP packet, or as much of it as is there."""

    key: SaKey
    data: bytes
    """The packet from its ESP header on, without Ethernet padding."""
    whole: bool
    """Whether it is all there: neither a fragment nor cut short by the capture."""

    @property
    def low(self) -> int:
        """Low half of the sequence number."""
        return ESP_SEQUENCE.read(self.data)

    @property
    def iv(self) -> bytes | None:
        """The 8 bytes behind the ESP header; None when they are not there."""
        iv = self.data[ESP_HEADER_BYTES:ESP_TEXT_OFFSET]
        return iv if len(iv) == ESP_TEXT_OFFSET - ESP_HEADER_BYTES else None


class _Carried(NamedTuple):
    """The payload of an IP packet, behind any extension headers."""

    destination: bytes
    protocol: int
    data: bytes
    whole: bool
    """Whether it is all there: neither a fragment nor cut short by the capture."""


def find(packet: Packet, ports: Collection[int] = ESP_PORTS) -> EspPacket | None:
    """The ESP packet in a packet of a capture; None when there is none, or only a later fragment.

    Of a fragmented ESP packet the first fragment counts. ``packet.link`` is one of ``LINKS``.
    ``ports`` are the UDP ports of ESP, at either end.
    """
    data = LINKS[packet.link](packet.data)
    version = ip.version(data)
    if version == IPV4_VERSION:
        carried = _in_ipv4(data)
    else:
        carried = _in_ipv6(data) if version == IPV6_VERSION else None
    return carried and _esp_in(carried, ports)


def _ethernet(frame: bytes) -> bytes:
    """IP packet in an Ethernet frame, behind any VLAN tags; nothing if it has none."""
    at = _MAC_BYTES
    while (ethertype := HeaderField(at).read(frame)) in VLAN_ETHERTYPES:
        at += VLAN_TAG_BYTES
    return frame[at + 2:] if ethertype in (ETHERTYPE_IPV4, ETHERTYPE_IPV6) else b""


def _behind(header_bytes: int) -> Callable[[bytes], bytes]:
    return lambda data: data[header_bytes:]


LINKS: dict[int, Callable[[bytes], bytes]] = {
    1: _ethernet,
    # BSD loopback, Linux cooked, and its second version.
    0: _behind(4), 108: _behind(4), 113: _behind(16), 276: _behind(20),
    12: _behind(0), 14: _behind(0), 101: _behind(0), 228: _behind(0), 229: _behind(0),
}
"""Link types, each with the function that gives the IP packet in a packet."""


def _in_ipv4(data: bytes) -> _Carried | None:
    header_bytes = 4 * (data[0] & 0xF)
    if len(data) < header_bytes or header_bytes < IPV4_HEADER_BYTES:
        return None
    if IPV4_FRAGMENT.read(data) & IPV4_FRAGMENT_OFFSET:
        return None
    # A length of 0 is that of a super-frame which the capture saw before it was cut.
    end = IPV4_LENGTH.read(data) or len(data)
    whole = end <= len(data) and not IPV4_FRAGMENT.read(data) & IPV4_MORE_FRAGMENTS
    return _Carried(data[_IPV4_DESTINATION], IPV4_PROTOCOL.read(data), data[header_bytes:end],
                    whole)


def _in_ipv6(data: bytes) -> _Carried | None:
    if len(data) < IPV6_HEADER_BYTES:
        return None
    end = IPV6_HEADER_BYTES + IPV6_LENGTH.read(data) if IPV6_LENGTH.read(data) else len(data)
    rest, whole = data[IPV6_HEADER_BYTES:end], end <= len(data)
    protocol = IPV6_NEXT_HEADER.read(data)
    while protocol in (*_EXTENSIONS, IPPROTO_FRAGMENT) and len(rest) >= _EXTENSION_UNIT:
        header_bytes = _EXTENSION_UNIT
        if protocol == IPPROTO_FRAGMENT:
            if _FRAGMENT_PLACE.read(rest) & _FRAGMENT_OFFSET:
                return None
            whole = False
        else:
            header_bytes *= rest[1] + 1
        protocol, rest = rest[0], rest[header_bytes:]
    return _Carried(data[_IPV6_DESTINATION], protocol, rest, whole)


def _esp_in(carried: _Carried, ports: Collection[int]) -> EspPacket | None:
    """ESP in the payload of an IP packet, by protocol 50 or in UDP (RFC 3948)."""
    encapsulation, data = Encapsulation.NONE, carried.data
    if carried.protocol == IPPROTO_UDP:
        # Behind a NAT only the other end has the port of ESP.
        if not {UDP_SOURCE_PORT.read(data), UDP_DESTINATION_PORT.read(data)} & {*ports}:
            return None
        encapsulation = Encapsulation.UDP
        data = data[UDP_HEADER_BYTES:UDP_LENGTH.read(data) or None]
        if data.startswith(NON_ESP_MARKER):
            return None
    elif carried.protocol != IPPROTO_ESP:
        return None
    if len(data) < ESP_HEADER_BYTES:
        return None
    key = SaKey(carried.destination, encapsulation, ESP_SPI.read(data))
    return EspPacket(key, data, carried.whole)
