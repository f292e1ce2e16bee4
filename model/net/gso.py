"""Segmentation and checksums of clear packets in software, for where no device does them.

A super-packet is one IP packet whose TCP or UDP payload is to leave in
segments. It has nothing of ESP yet. Linux calls this generic segmentation
offload (GSO); its result is the packets that the sender would have made itself.
"""

from dataclasses import dataclass

from espnic.model.interface.codes import IPPROTO_TCP, IPPROTO_UDP, UDP_HEADER_BYTES
from espnic.model.interface.headers import IPV6_VERSION, TCP_CWR, TCP_FIN, TCP_PSH
from espnic.model.net import checksum, ip
from espnic.model.net.header_fields import (
    IPV4_ID,
    TCP_DATA_OFFSET,
    TCP_FLAGS,
    TCP_SEQUENCE,
    UDP_LENGTH,
)
from espnic.model.net.ip import IpPacket


@dataclass(frozen=True)
class Layer4:
    """The TCP or UDP header of a packet, and its payload."""

    protocol: int
    """IP protocol: TCP or UDP."""
    header: bytes
    """The header with TCP's options."""
    payload: bytes


def layer4(packet: IpPacket) -> Layer4:
    """Split the TCP or UDP data of a packet after its header and TCP's options.

    Raises ``ValueError`` for a fragment, another protocol or a header that is cut short.
    """
    minimum = checksum.HEADER_BYTES_MIN.get(packet.protocol)
    if packet.fragment is not None or minimum is None:
        what = "a fragment" if packet.fragment else f"protocol {packet.protocol}"
        raise ValueError(f"packet is {what}, expected TCP or UDP")
    if len(packet.payload) < minimum:
        raise ValueError(f"{len(packet.payload)} bytes in the packet, expected {minimum} or more")
    header_bytes = UDP_HEADER_BYTES
    if packet.protocol == IPPROTO_TCP:
        header_bytes = 4 * (TCP_DATA_OFFSET.read(packet.payload) >> 4)
        if not minimum <= header_bytes <= len(packet.payload):
            raise ValueError(f"TCP header of {header_bytes} bytes, expected {minimum} to "
                             f"{len(packet.payload)}")
    return Layer4(packet.protocol, packet.payload[:header_bytes], packet.payload[header_bytes:])


def with_checksum(clear: bytes) -> bytes:
    """A clear IP packet with its TCP or UDP checksum put in.

    What the checksum field held does not matter. Raises ``ValueError`` for what is not whole TCP
    or UDP. IPv6 must have no routing header: the pseudo-header takes its destination from the IP
    header.
    """
    packet = ip.split(clear)
    layer4(packet)
    return packet.header + _summed(packet, packet.payload)


def segments(clear: bytes, mss: int) -> list[bytes]:
    """The packets that a super-packet stands for: ``mss`` payload bytes in each, fewer in the last.

    Each has its own IP length, IPv4 ID (counting up), TCP sequence number and flags,
    UDP length and checksums. Raises ``ValueError`` for what cannot be segmented.
    """
    packet = ip.split(clear)
    whole = layer4(packet)
    if not whole.payload or mss < 1:
        raise ValueError(f"payload of {len(whole.payload)} bytes and MSS {mss}, expected 1 or more")
    starts = range(0, len(whole.payload), mss)
    return [_segment(packet, whole, start, start // mss, whole.payload[start:start + mss])
            for start in starts]


def _segment(packet: IpPacket, whole: Layer4, start: int, index: int, payload: bytes) -> bytes:
    if whole.protocol == IPPROTO_UDP:
        header = UDP_LENGTH.replace(whole.header, UDP_HEADER_BYTES + len(payload))
    else:
        sequence = (TCP_SEQUENCE.read(whole.header) + start) & 0xFFFFFFFF
        flags = TCP_FLAGS.read(whole.header)
        if start + len(payload) < len(whole.payload):
            flags &= ~(TCP_FIN | TCP_PSH)
        if start > 0:
            flags &= ~TCP_CWR
        header = TCP_FLAGS.replace(TCP_SEQUENCE.replace(whole.header, sequence), flags)
    data = _summed(packet, header + payload)
    return ip.fix_lengths(_count_up(packet, index), len(data)) + data


def _count_up(packet: IpPacket, index: int) -> bytes:
    """The IP header of segment ``index``: its IPv4 ID is higher by ``index`` (RFC 791, 2.3)."""
    if packet.version == IPV6_VERSION:
        return packet.header
    return IPV4_ID.replace(packet.header, IPV4_ID.read(packet.header) + index & 0xFFFF)


def _summed(packet: IpPacket, data: bytes) -> bytes:
    """TCP or UDP data, ``packet``'s or a segment of it, with its checksum."""
    return checksum.complete(_with_pseudo_sum(packet, data), packet.protocol)


def unfinished(clear: bytes) -> bytes:
    """A clear packet whose checksum is left to the device, as the stack hands it down.

    The checksum field holds the sum of the pseudo-header (Linux's CHECKSUM_PARTIAL). Raises
    ``ValueError`` for what is not whole TCP or UDP.
    """
    packet = ip.split(clear)
    layer4(packet)
    return packet.header + _with_pseudo_sum(packet, packet.payload)


def _with_pseudo_sum(packet: IpPacket, data: bytes) -> bytes:
    """TCP or UDP data with the sum of its pseudo-header in the checksum field."""
    pseudo = checksum.total(checksum.pseudo_header(
        packet.source, packet.destination, packet.protocol, len(data)))
    return checksum.FIELDS[packet.protocol].replace(data, pseudo)
