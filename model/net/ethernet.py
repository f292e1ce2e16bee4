"""The Ethernet header in front of an IP packet, and its VLAN tags (IEEE 802.3, 802.1Q)."""

from espnic.model.interface.codes import (
    ETHERNET_HEADER_BYTES,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    ETHERTYPE_VLAN,
    VLAN_ETHERTYPES,
    VLAN_TAG_BYTES,
)
from espnic.model.net.header_fields import HeaderField

ETHERTYPE_BYTES = 2
ETHERTYPES = {4: ETHERTYPE_IPV4, 6: ETHERTYPE_IPV6}
"""EtherType by IP version."""


def header_bytes(frame: bytes) -> int:
    """Length of the header as the device reads it, with at most one VLAN tag (8100h): 14 or 18
    bytes, up to and with the last EtherType.

    A frame may be shorter than its header.
    """
    tagged = ethertype(frame, ETHERNET_HEADER_BYTES) == ETHERTYPE_VLAN
    return ETHERNET_HEADER_BYTES + (VLAN_TAG_BYTES if tagged else 0)


def ethertype(frame: bytes, header_bytes: int) -> int:
    """The EtherType that ends the header; of a frame that is cut short a number below 256."""
    return HeaderField(header_bytes - ETHERTYPE_BYTES).read(frame)


def strip_link(frame: bytes) -> tuple[bytes, bytes]:
    """MAC addresses and VLAN tags of an Ethernet frame, and the bytes after its EtherType.

    A stack takes off any number of tags. Raises ``ValueError`` when no IP packet follows.
    """
    offset = ETHERNET_HEADER_BYTES
    while ethertype(frame, offset) in VLAN_ETHERTYPES:
        offset += VLAN_TAG_BYTES
    if ethertype(frame, offset) not in ETHERTYPES.values():
        found = frame[offset - ETHERTYPE_BYTES:offset].hex()
        raise ValueError(f"EtherType {found or 'missing'}, expected IPv4 or IPv6")
    return frame[:offset - ETHERTYPE_BYTES], frame[offset:]
