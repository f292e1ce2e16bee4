"""What software does where no device does it: segmentation and checksums of clear packets.

A super-packet is one IP packet whose TCP or UDP payload is to leave in
segments. Nothing of ESP is on it yet: Linux calls this generic segmentation
offload (GSO), and it gives the packets that the sender would have made itself.
"""

from dataclasses import dataclass

from espnic.model.interface.codes import IPPROTO_TCP, IPPROTO_UDP, UDP_HEADER_BYTES
from espnic.model.net import checksum, ip
from espnic.model.net.ip import IpPacket

_IPV4_ID = slice(4, 6)
_UDP_LENGTH = slice(4, 6)
_TCP_SEQUENCE = slice(4, 8)
_TCP_DATA_OFFSET_AT = 12
_TCP_FLAGS_AT = 13
_TCP_FIN_PSH = 0x09
_TCP_CWR = 0x80


@dataclass(frozen=True)
class Layer4:
    """The TCP or UDP header of a packet, and where its payload begins."""

    protocol: int
    header: bytes
    payload: bytes


def layer4(packet: IpPacket) -> Layer4:
    """Split TCP or UDP behind its header, with TCP's options.

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
        header_bytes = 4 * (packet.payload[_TCP_DATA_OFFSET_AT] >> 4)
        if not minimum <= header_bytes <= len(packet.payload):
            raise ValueError(f"TCP header of {header_bytes} bytes, expected {minimum} to "
                             f"{len(packet.payload)}")
    return Layer4(packet.protocol, packet.payload[:header_bytes], packet.payload[header_bytes:])


def with_checksum(clear: bytes) -> bytes:
    """A clear IP packet with its TCP or UDP checksum, whatever its checksum field holds.

    Raises ``ValueError`` for what is not whole TCP or UDP. IPv6 must have no
    routing header, for the pseudo-header has the destination of the IP header.
    """
    packet = ip.split(clear)
    layer4(packet)
    return packet.header + _summed(packet, packet.payload)


def segments(clear: bytes, mss: int) -> list[bytes]:
    """The packets that a super-packet stands for, ``mss`` payload bytes in each but the last.

    They have IP lengths, IPv4 IDs counting up, TCP sequence numbers and flags,
    UDP lengths, and all checksums of their own. Raises ``ValueError`` for what
    cannot be segmented.
    """
    packet = ip.split(clear)
    whole = layer4(packet)
    if not whole.payload or mss < 1:
        raise ValueError(f"payload of {len(whole.payload)} bytes and MSS {mss}, expected 1 or more")
    starts = range(0, len(whole.payload), mss)
    return [_segment(packet, whole, start, start // mss, whole.payload[start:start + mss])
            for start in starts]


def _segment(packet: IpPacket, whole: Layer4, start: int, index: int, payload: bytes) -> bytes:
    header = bytearray(whole.header)
    if whole.protocol == IPPROTO_UDP:
        header[_UDP_LENGTH] = (UDP_HEADER_BYTES + len(payload)).to_bytes(2, "big")
    else:
        sequence = int.from_bytes(header[_TCP_SEQUENCE], "big") + start
        header[_TCP_SEQUENCE] = (sequence & 0xFFFFFFFF).to_bytes(4, "big")
        if start + len(payload) < len(whole.payload):
            header[_TCP_FLAGS_AT] &= ~_TCP_FIN_PSH
        if start > 0:
            header[_TCP_FLAGS_AT] &= ~_TCP_CWR
    data = _summed(packet, bytes(header) + payload)
    return ip.fix_lengths(_count_up(packet, index), len(data)) + data


def _count_up(packet: IpPacket, index: int) -> bytes:
    """The IP header of segment ``index``, whose IPv4 ID is that much higher (RFC 791, 2.3)."""
    if packet.version == 6:
        return packet.header
    header = bytearray(packet.header)
    identification = int.from_bytes(header[_IPV4_ID], "big") + index
    header[_IPV4_ID] = (identification & 0xFFFF).to_bytes(2, "big")
    return bytes(header)


def _summed(packet: IpPacket, data: bytes) -> bytes:
    """TCP or UDP data of a packet between two hosts, with its checksum."""
    at = checksum.FIELD_AT[packet.protocol]
    cleared = data[:at] + bytes(2) + data[at + 2:]
    pseudo = checksum.pseudo_header(
        packet.source, packet.destination, packet.protocol, len(data))
    value = checksum.of(pseudo + cleared)
    return cleared[:at] + checksum.field(packet.protocol, value) + cleared[at + 2:]


def unfinished(clear: bytes) -> bytes:
    """A clear packet as the stack hands it down with its checksum left to the device: the
    checksum field holds the sum of the pseudo-header."""
    packet = ip.split(clear)
    layer4(packet)
    at = checksum.FIELD_AT[packet.protocol]
    pseudo = checksum.total(checksum.pseudo_header(
        packet.source, packet.destination, packet.protocol, len(packet.payload)))
    data = packet.payload
    return packet.header + data[:at] + pseudo.to_bytes(2, "big") + data[at + 2:]
