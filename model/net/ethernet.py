"""The Ethernet header in front of an IP packet, with at most one VLAN tag (IEEE 802.3, 802.1Q)."""

from espnic.model.interface.codes import (
    ETHERNET_HEADER_BYTES,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    ETHERTYPE_VLAN,
    VLAN_TAG_BYTES,
)
from espnic.model.net.header_fields import HeaderField

ETHERTYPE_BYTES = 2
ETHERTYPES = {4: ETHERTYPE_IPV4, 6: ETHERTYPE_IPV6}
"""EtherType by IP version."""


def header_bytes(frame: bytes) -> int:
    """Length of the header up to and with the last EtherType: 14 bytes, 18 with a VLAN tag (8100h).

    A frame may be shorter than its header.
    """
    tagged = ethertype(frame, ETHERNET_HEADER_BYTES) == ETHERTYPE_VLAN
    return ETHERNET_HEADER_BYTES + (VLAN_TAG_BYTES if tagged else 0)


def ethertype(frame: bytes, header_bytes: int) -> int:
    """The EtherType that ends the header; of a frame that is cut short a number below 256."""
    return HeaderField(header_bytes - ETHERTYPE_BYTES).read(frame)


def strip_link(frame: bytes) -> tuple[bytes, bytes]:
    """MAC addresses and VLAN tag of an Ethernet frame, and the bytes after its EtherType.

    Raises ``ValueError`` when these are not IP.
    """
    offset = header_bytes(frame)
    if ethertype(frame, offset) not in ETHERTYPES.values():
        found = frame[offset - ETHERTYPE_BYTES:offset].hex()
        raise ValueError(f"EtherType {found or 'missing'}, expected IPv4 or IPv6")
    return frame[:offset - ETHERTYPE_BYTES], frame[offset:]
