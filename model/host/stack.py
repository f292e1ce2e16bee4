"""The sending half of the software beside the device, as the Linux stack does it.

It puts outer IP, UDP and ESP headers and the trailer to a clear packet, and either seals it
itself or leaves that to the device. For every packet the two ways give the same bytes but for one
field: over IPv6 the UDP header in front of ESP has a checksum only when software seals, because it
covers the ciphertext. From the device it is 0, which says that there is none. RFC 3948, 2.1, wants
that, and RFC 6935, 5, allows it for tunnels over IPv6. The receiving half is
``model.host.receiver``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from espnic.model.esp import esp, trailer
from espnic.model.interface.codes import (
    ESP_HEADER_BYTES,
    ESP_IV_BYTES,
    ESP_TEXT_OFFSET,
    IPPROTO_ESP,
    IPPROTO_UDP,
    UDP_HEADER_BYTES,
    Encapsulation,
    TxOperation,
)
from espnic.model.interface.headers import IPV6_VERSION
from espnic.model.net import checksum, gso, ip, packet
from espnic.model.net.ethernet import ETHERTYPE_BYTES, ETHERTYPES
from espnic.model.net.header_fields import (
    IPV4_DONT_FRAGMENT,
    IPV4_FRAGMENT,
    IPV4_START,
    IPV6_FLOW,
    UDP_CHECKSUM,
    UDP_DESTINATION_PORT,
    UDP_LENGTH,
    UDP_SOURCE_PORT,
)
from espnic.model.net.ip import ECN_CE, ECN_ECT0, ECN_MASK, TUNNEL_PROTOCOLS, IpPacket
from espnic.model.sa.sa import SecurityAssociation

HOP_LIMIT = 64
"""TTL of an outer header: Linux's default."""
LINK = bytes.fromhex("020000000002020000000001")
"""Destination and source MAC of frames for which the user gives none."""
_IP_ID_BITS = 16


@dataclass(frozen=True)
class Outgoing:
    """A clear packet to send on an SA."""

    sa: SecurityAssociation
    sequence: int
    """The whole sequence number, 64 bits with ESN."""
    clear: bytes
    """The IP packet; bytes beyond its length are dropped."""
    link: bytes = LINK
    """The bytes before the EtherType: both MAC addresses and, if any, a VLAN tag."""
    ip_id: int = 0
    """Identification of an outer IPv4 header without DF; with DF it is 0."""
    checksum: bool = False
    """The TCP or UDP checksum field holds the sum of the pseudo-header and is to be finished."""
    mss: int = 0
    """Payload bytes of each segment in which a super-packet (TCP or UDP) is to leave; 0: it is no
    super-packet. The checksum field is as with ``checksum``. Segment k has ``sequence`` + k and
    ``ip_id`` + k."""


@dataclass(frozen=True)
class Request:
    """A frame for the device, with its descriptor (the fields of TX_DESCRIPTOR)."""

    descriptor: dict[str, int]
    frame: bytes


@dataclass(frozen=True)
class _Framing:
    """A clear packet on its way into ESP."""

    headers: bytes
    """Outer IP header and UDP header, still with the lengths and checksums of an empty packet."""
    ip_bytes: int
    """Length of the IP header, with which ``headers`` begin."""
    payload: bytes
    """The bytes to encrypt before the trailer."""
    next_header: int
    trailer: bytes


def sequence_numbers(sa: SecurityAssociation) -> Iterator[int]:
    """The SA's sequence numbers in turn, up to the last before the counter would wrap.

    Source: RFC 4303, 3.3.3.
    """
    return iter(range(sa.initial_seq, 1 << sa.sequence_bits))


def software_frames(outgoing: Outgoing, udp6_checksum: bool = True) -> list[bytes]:
    """The wire frames of a packet or super-packet, made in software: segments, checksums, ESP.

    Without ``udp6_checksum`` they are those of the device: over IPv6 the UDP header in front of
    ESP has no checksum. Raises ``ValueError`` when the SA cannot carry the packet, or for what
    cannot be segmented.
    """
    return [
        software_frame(replace(
            outgoing, clear=clear, sequence=outgoing.sequence + index,
            ip_id=(outgoing.ip_id + index) % (1 << _IP_ID_BITS), checksum=False, mss=0),
            udp6_checksum)
        for index, clear in enumerate(clear_packets(outgoing.clear, outgoing.checksum,
                                                    outgoing.mss))
    ]


def clear_packets(clear: bytes, finish_checksum: bool, mss: int) -> list[bytes]:
    """The finished clear packets of a packet or super-packet, as ``Outgoing`` describes them."""
    if mss:
        return gso.segments(clear, mss)
    return [gso.with_checksum(clear) if finish_checksum else clear]


def software_frame(outgoing: Outgoing, udp6_checksum: bool = True) -> bytes:
    """The wire frame of a finished packet, sealed in software.

    ``udp6_checksum`` is as in ``software_frames``. Raises ``ValueError`` when the SA cannot carry
    the packet.
    """
    framing = _frame(outgoing)
    text = framing.payload + framing.trailer
    sealed = esp.seal(outgoing.sa, outgoing.sequence, text)
    return _link(outgoing) + _finish(framing, sealed.packet, udp6_checksum)


def device_request(outgoing: Outgoing, handle: int, with_trailer: bool = True) -> Request:
    """The request by which the device makes the same frame, or frames.

    ``with_trailer`` False leaves trailer and ICV to the device; those of a super-packet are
    always left to it. The lengths in the headers count them in any case.
    The bytes of IV and ICV are 0, and so is the checksum of a UDP header in front of ESP. Raises
    ``ValueError`` when the SA cannot carry the packet or needs the trailer.
    """
    with_trailer = with_trailer and not outgoing.mss
    sa = outgoing.sa
    if sa.tfcpad and not with_trailer:
        raise ValueError(f"SA {sa.name}: tfcpad {sa.tfcpad}, expected a trailer from software")
    framing = _frame(outgoing)
    start = esp.header(sa, outgoing.sequence) + bytes(ESP_IV_BYTES)
    esp_packet = start + framing.payload + framing.trailer + bytes(sa.icv.bytes)
    frame = _link(outgoing) + _finish(framing, esp_packet, udp6_checksum=False)
    if not with_trailer:
        frame = frame[:-len(framing.trailer) - sa.icv.bytes]
    esp_offset = len(_link(outgoing)) + len(framing.headers)
    return Request(
        _descriptor(outgoing, handle, esp_offset)
        | _offload_fields(outgoing, esp_offset)
        | {"trailer": int(with_trailer), "next_header": framing.next_header},
        frame,
    )


def plain_request(link: bytes, clear: bytes, finish_checksum: bool, mss: int) -> Request:
    """The request for a packet or super-packet that is not for IPsec.

    ``link`` has the bytes before the EtherType. ``finish_checksum`` and ``mss`` are ``checksum``
    and ``mss`` of ``Outgoing``. Raises ``ValueError`` for what cannot be segmented or summed.
    """
    frame = plain_frame(link, clear)
    offset = len(link) + ETHERTYPE_BYTES
    fields = {"operation": int(TxOperation.BYPASS)}
    if finish_checksum or mss:
        packet = ip.split(clear)
        fields |= _layer4_fields(packet, offset + len(packet.header), mss) | {
            "outer_offset": offset, "l3_offset": offset,
            "outer_ipv6": int(packet.version == IPV6_VERSION),
            "ipv6": int(packet.version == IPV6_VERSION)}
    return Request(fields, frame)


def plain_frame(link: bytes, clear: bytes) -> bytes:
    """The frame of a packet that is not for IPsec; ``link`` has the bytes before the EtherType."""
    return link + ETHERTYPES[ip.version(clear)].to_bytes(ETHERTYPE_BYTES, "big") + clear


def _offload_fields(outgoing: Outgoing, esp_offset: int) -> dict[str, int]:
    """The fields of TX_DESCRIPTOR that ask for the checksum or segmentation of an ESP frame."""
    if not outgoing.checksum and not outgoing.mss:
        return {}
    sa, clear = outgoing.sa, ip.split(outgoing.clear)
    outer_offset, text_offset = len(_link(outgoing)), esp_offset + ESP_TEXT_OFFSET
    tunnel = sa.mode == "tunnel"
    return {
        "outer_offset": outer_offset,
        "l3_offset": text_offset if tunnel else outer_offset,
        "outer_ipv6": int(sa.outer_family == IPV6_VERSION),
        "ipv6": int(clear.version == IPV6_VERSION),
        "encapsulation": int(sa.encapsulation),
        "outer_id_fixed": int(tunnel and _outer_flags(clear) != 0),
    } | _layer4_fields(clear, text_offset + (len(clear.header) if tunnel else 0), outgoing.mss)


def _layer4_fields(packet: IpPacket, offset: int, mss: int) -> dict[str, int]:
    """The fields of TX_DESCRIPTOR that say what is summed, and where the segments' payload is.

    ``offset`` is that of the TCP or UDP header in the frame.
    """
    layer4 = gso.layer4(packet)
    fields = {"l4_offset": offset, "l4_protocol": layer4.protocol}
    if not mss:
        return fields | {"checksum": 1, "l4_bytes": len(packet.payload)}
    return fields | {"lso": 1, "mss": mss, "header_bytes": offset + len(layer4.header)}


def replay_request(frame: bytes, sa: SecurityAssociation, handle: int, sequence: int,
                   random: Random) -> Request:
    """The request that the device must have been given to send ``frame``, a wire frame of ``sa``.

    The plaintext with its trailer takes the place of the ciphertext, and random
    bytes take those of IV and ICV; bytes after the ESP packet are dropped. Raises
    ``ValueError`` when the frame has no ESP packet of this SA that is authentic.
    """
    status, parsed = packet.parse(frame, ports=(sa.encap_destination_port,))
    if parsed is None:
        raise ValueError(f"frame is {status.name}, expected ESP")
    offset = parsed.esp_offset
    end = offset + parsed.esp_bytes
    opened = esp.open_authentic(sa, sequence >> 32, frame[offset:end])
    if parsed.spi != sa.spi or opened is None:
        raise ValueError(f"frame is not of SA {sa.name} at sequence number {sequence}")
    outgoing = Outgoing(sa, sequence, b"")
    iv_at = offset + ESP_HEADER_BYTES
    return Request(
        _descriptor(outgoing, handle, offset) | {"trailer": 1},
        frame[:iv_at] + random.randbytes(ESP_IV_BYTES)
        + opened.text + random.randbytes(sa.icv.bytes),
    )


def _descriptor(outgoing: Outgoing, handle: int, esp_offset: int) -> dict[str, int]:
    return {
        "operation": int(TxOperation.ENCRYPT),
        "sa": handle,
        "sequence": outgoing.sequence,
        "esp_offset": esp_offset,
    }


def _link(outgoing: Outgoing) -> bytes:
    """The Ethernet header of an ESP frame."""
    return outgoing.link + ETHERTYPES[outgoing.sa.outer_family].to_bytes(ETHERTYPE_BYTES, "big")


def _frame(outgoing: Outgoing) -> _Framing:
    """Put headers to a clear packet, still without their lengths, and make its trailer.

    Raises ``ValueError`` when the SA cannot carry the packet.
    """
    sa = outgoing.sa
    clear = ip.split(outgoing.clear)
    udp = _udp_header(sa)
    protocol = IPPROTO_UDP if udp else IPPROTO_ESP
    if not sa.carries(clear.version):
        raise ValueError(
            f"SA {sa.name}: packet is IPv{clear.version}, expected IPv{sa.inner_family} inside")
    if sa.mode == "tunnel":
        header = _outer_header(outgoing, clear, protocol)
        payload, next_header = clear.whole(), TUNNEL_PROTOCOLS[clear.version]
        tfc_bytes = max(0, sa.tfcpad - len(payload))
    else:
        if clear.fragment is not None:
            raise ValueError(f"SA {sa.name}: fragment, expected a whole packet in transport mode")
        if clear.destination != sa.destination:
            raise ValueError(
                f"SA {sa.name}: packet to {clear.destination}, expected {sa.destination}")
        header = clear.with_payload(protocol, b"")
        payload, next_header, tfc_bytes = clear.payload, clear.protocol, 0
    made = trailer.build(len(payload), next_header, tfc_bytes)
    return _Framing(header + udp, len(header), payload, next_header, made)


def _udp_header(sa: SecurityAssociation) -> bytes:
    """The UDP header before ESP, length and checksum 0; nothing without encapsulation."""
    if sa.encapsulation != Encapsulation.UDP:
        return b""
    header = UDP_SOURCE_PORT.replace(bytes(UDP_HEADER_BYTES), sa.encap_source_port)
    return UDP_DESTINATION_PORT.replace(header, sa.encap_destination_port)


def _outer_header(outgoing: Outgoing, clear: IpPacket, protocol: int) -> bytes:
    """The tunnel header: DSCP, ECN, DF and flow label from the packet inside (RFC 4301, 5.1.2).

    Congestion experienced inside becomes ECT(0) outside (RFC 3168, 9.2.2).
    """
    sa = outgoing.sa
    traffic_class = clear.traffic_class
    if traffic_class & ECN_MASK == ECN_CE:
        traffic_class = traffic_class & ~ECN_MASK | ECN_ECT0
    addresses = sa.source.packed + sa.destination.packed
    if sa.outer_family == IPV6_VERSION:
        flow_label = IPV6_FLOW.read(clear.header) & 0xFFFFF if clear.version == IPV6_VERSION else 0
        word = 6 << 28 | traffic_class << 20 | flow_label
        return word.to_bytes(4, "big") + bytes([0, 0, protocol, HOP_LIMIT]) + addresses
    flags = _outer_flags(clear)
    identification = 0 if flags else outgoing.ip_id
    return (
        bytes([IPV4_START, traffic_class, 0, 0]) + identification.to_bytes(2, "big")
        + flags.to_bytes(2, "big") + bytes([HOP_LIMIT, protocol, 0, 0]) + addresses
    )


def _outer_flags(clear: IpPacket) -> int:
    """The flags of an IPv4 tunnel header: DF, unless the inner packet is IPv4 without DF."""
    if clear.version == IPV6_VERSION:
        return IPV4_DONT_FRAGMENT
    return IPV4_DONT_FRAGMENT & IPV4_FRAGMENT.read(clear.header)


def _finish(framing: _Framing, esp_packet: bytes, udp6_checksum: bool) -> bytes:
    """Prepend its headers to an ESP packet, with their lengths and checksums right.

    The UDP header has a checksum only over IPv6, and only with ``udp6_checksum``.
    """
    header, udp = framing.headers[:framing.ip_bytes], framing.headers[framing.ip_bytes:]
    header = ip.fix_lengths(header, len(udp) + len(esp_packet))
    if udp:
        udp = UDP_LENGTH.replace(udp, UDP_HEADER_BYTES + len(esp_packet))
        if udp6_checksum and ip.version(header) == IPV6_VERSION:
            udp = udp[:UDP_CHECKSUM.offset] + _udp_checksum(ip.split(header + udp + esp_packet))
    return header + udp + esp_packet


def _udp_checksum(datagram: IpPacket) -> bytes:
    """The checksum of a UDP datagram whose checksum field is 0 (RFC 8200, 8.1)."""
    pseudo = checksum.pseudo_header(
        datagram.source, datagram.destination, IPPROTO_UDP, len(datagram.payload))
    return checksum.field(IPPROTO_UDP, checksum.of(pseudo + datagram.payload))
