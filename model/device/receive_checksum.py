"""What the device says of the checksums of a received frame."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from espnic.model.interface.codes import (
    ETHERNET_HEADER_BYTES,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    ETHERTYPE_VLAN,
    IPPROTO_UDP,
    IPV4_HEADER_BYTES,
    IPV6_HEADER_BYTES,
    VLAN_TAG_BYTES,
    RxChecksum,
)
from espnic.model.interface.headers import IPV4_FRAGMENT_MASK, UDP_LENGTH_AT
from espnic.model.net import checksum
from espnic.model.net.addresses import Address

_IPV4_START = 0x45
"""Version 4 and a header of 5 words: no options."""


@dataclass(frozen=True)
class _Layer4:
    protocol: int
    source: Address
    destination: Address
    data: bytes
    """TCP or UDP header and payload."""


def fields(frame: bytes, payload_end: int | None) -> dict[str, int]:
    """``checksum`` and ``checksum_status`` of RX_COMPLETION for a frame as it leaves for the host.

    ``payload_end`` is where the decrypted payload ends, trailer and ICV behind
    it, of a frame with status OK; None for every other frame.
    """
    summed = frame[ETHERNET_HEADER_BYTES:payload_end]
    status = RxChecksum.NONE if payload_end is not None else plain_status(frame)
    return {"checksum": checksum.total(summed), "checksum_status": int(status)}


def plain_status(frame: bytes) -> RxChecksum:
    """What the TCP or UDP checksum of a frame that was not decrypted is.

    Looked at is, after at most one VLAN tag (8100h), IPv4 without options or
    IPv6 without extension headers, no fragment, whole in the frame, with at
    least a TCP header, or with a UDP datagram as long as the packet and a
    checksum in it. Bytes behind the IP packet do not count.
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
    if layer4.protocol != IPPROTO_UDP:
        return True
    at = checksum.FIELD_AT[IPPROTO_UDP]
    return (_number(layer4.data, UDP_LENGTH_AT) == len(layer4.data)
            and _number(layer4.data, at) != 0)


def _layer4(frame: bytes) -> _Layer4 | None:
    """What a whole, unfragmented IP packet without options carries; None of any other frame."""
    offset = ETHERNET_HEADER_BYTES
    if _number(frame, offset - 2) == ETHERTYPE_VLAN:
        offset += VLAN_TAG_BYTES
    ethertype = _number(frame, offset - 2)
    packet = frame[offset:]
    if ethertype == ETHERTYPE_IPV4 and len(packet) >= IPV4_HEADER_BYTES:
        end = _number(packet, 2)
        if packet[0] != _IPV4_START or _number(packet, 6) & IPV4_FRAGMENT_MASK or end > len(packet):
            return None
        return _Layer4(packet[9], IPv4Address(packet[12:16]), IPv4Address(packet[16:20]),
                       packet[IPV4_HEADER_BYTES:end])
    if ethertype == ETHERTYPE_IPV6 and len(packet) >= IPV6_HEADER_BYTES:
        end = IPV6_HEADER_BYTES + _number(packet, 4)
        if packet[0] >> 4 != 6 or end > len(packet):
            return None
        return _Layer4(packet[6], IPv6Address(packet[8:24]), IPv6Address(packet[24:40]),
                       packet[IPV6_HEADER_BYTES:end])
    return None


def _number(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset:offset + 2], "big")
