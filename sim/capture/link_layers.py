"""Headers before an IP packet in a capture, and the Ethernet header that takes their place.

Source: the list of link types on tcpdump.org.
"""

from collections.abc import Callable
from dataclasses import dataclass

from espnic.model.host.stack import LINK
from espnic.model.net import ip
from espnic.model.net.ethernet import ETHERTYPE_BYTES, ETHERTYPES
from espnic.model.net.header_fields import HeaderField

LINK_ETHERNET = 1
LINK_RAW = 101
BEFORE_IP = {12: 0, 14: 0, LINK_RAW: 0, 228: 0, 229: 0, 0: 4, 108: 4}
"""Bytes before the IP packet, by link type: of raw IP, and of IPv4 or IPv6 alone, none; of loopback
and tunnels of BSD four, which say the family."""

_MAC_BYTES = 6
_ETHERTYPE_MIN = 0x600
"""A smaller number says that an 802.3 frame, with its length, was there."""
_WITHOUT_ETHERTYPE = {770, 803, 824}
"""Types of hardware whose packets have no EtherType: Frame Relay, 802.11, netlink."""


@dataclass(frozen=True)
class Cooked:
    """Header of the Linux cooked captures, as of the interface ``any``."""

    header_bytes: int
    hardware: HeaderField
    """Type of the hardware (ARPHRD)."""
    address_bytes: HeaderField
    """Length of the address of the sender."""
    address_at: int
    protocol: HeaderField
    """EtherType, which may be that of a VLAN tag."""

    def frame(self, data: bytes) -> bytes:
        """The Ethernet frame of a packet; the header has no destination, so the model's stands.

        Raises ``ValueError``, which says what was expected, for a packet that has none.
        """
        if len(data) < self.header_bytes:
            raise ValueError(f"{len(data)} bytes, expected a header of {self.header_bytes}")
        if self.hardware.read(data) in _WITHOUT_ETHERTYPE:
            raise ValueError(f"hardware type {self.hardware.read(data)}, expected one whose "
                             "packets have an EtherType")
        source, rest = LINK[_MAC_BYTES:], data[self.header_bytes:]
        if self.address_bytes.read(data) == _MAC_BYTES:
            source = data[self.address_at:self.address_at + _MAC_BYTES]
        ethertype = self.protocol.read(data)
        if ethertype < _ETHERTYPE_MIN:
            ethertype = len(rest)
        return LINK[:_MAC_BYTES] + source + ethertype.to_bytes(ETHERTYPE_BYTES, "big") + rest


COOKED = {
    113: Cooked(16, HeaderField(2), HeaderField(4), 6, HeaderField(14)),
    276: Cooked(20, HeaderField(8), HeaderField(11, 1), 12, HeaderField(0)),
}
"""Linux cooked captures, of version 1 and 2, by link type."""

TO_ETHERNET: dict[int, Callable[[bytes], bytes]] = {
    LINK_ETHERNET: bytes, **{link: cooked.frame for link, cooked in COOKED.items()}}
"""Functions that give the Ethernet frame of a packet, by link type."""


def frame_of_ip(packet: bytes) -> bytes:
    """The Ethernet frame of an IP packet, with the model's addresses. Raises ``ValueError``."""
    ethertype = ETHERTYPES.get(ip.version(packet))
    if ethertype is None:
        raise ValueError(f"IP version {ip.version(packet)}, expected 4 or 6")
    return LINK + ethertype.to_bytes(ETHERTYPE_BYTES, "big") + packet
