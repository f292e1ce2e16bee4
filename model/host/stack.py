"""The software beside the device, as the Linux stack does it: framing, and what the host gets.

To send, it puts outer IP, UDP and ESP headers and the trailer to a clear
packet, and either seals it itself or leaves that to the device. To receive, it
takes off what the device left and does in software whatever the device did
not. For every packet the two ways give the same bytes.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random

from espnic.model.esp import esn, esp, trailer
from espnic.model.interface.codes import (
    ESP_HEADER_BYTES,
    ESP_TEXT_OFFSET,
    ESP_TRAILER_MIN_BYTES,
    ETHERNET_HEADER_BYTES,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    ETHERTYPE_VLAN,
    IPPROTO_AH,
    IPPROTO_ESP,
    IPPROTO_IPIP,
    IPPROTO_IPV6,
    IPPROTO_NONE,
    IPPROTO_UDP,
    UDP_HEADER_BYTES,
    UDP_PORT_ESP,
    VLAN_TAG_BYTES,
    Encapsulation,
    RxStatus,
    TxOperation,
)
from espnic.model.net import checksum, gso, ip, packet
from espnic.model.net.ip import IpPacket
from espnic.model.sa.sa import SecurityAssociation

HOP_LIMIT = 64
"""TTL of an outer header: Linux's default."""
LINK = bytes.fromhex("020000000002020000000001")
"""Destination and source MAC of frames for which the user gives none."""
_ETHERTYPES = {4: ETHERTYPE_IPV4, 6: ETHERTYPE_IPV6}
_TUNNEL_PROTOCOLS = {4: IPPROTO_IPIP, 6: IPPROTO_IPV6}
_ETHERTYPE_BYTES = 2
_IP_ID_BITS = 16
_ECN_MASK = 0b11
_ECN_ECT0 = 0b10
_ECN_CE = 0b11
_NON_ESP_MARKER = bytes(4)


# To send

@dataclass(frozen=True)
class Outgoing:
    """A clear packet to send on an SA."""

    sa: SecurityAssociation
    sequence: int
    """The whole sequence number, 64 bits with ESN."""
    clear: bytes
    """Raw IP; bytes behind its length are dropped."""
    link: bytes = LINK
    """What stands before the EtherType: both MAC addresses and, if any, a VLAN tag."""
    ip_id: int = 0
    """Identification of an outer IPv4 header without DF; with DF it is 0."""
    checksum: bool = False
    """Its TCP or UDP checksum field holds the sum of the pseudo-header, and is to be finished."""
    mss: int = 0
    """Of a super-packet (TCP or UDP): payload bytes of each segment that it is to leave in. The
    checksum field is as with ``checksum``. Segment k has ``sequence`` + k and ``ip_id`` + k."""


@dataclass(frozen=True)
class Request:
    """A frame for the device, with its descriptor (the fields of TX_DESCRIPTOR)."""

    descriptor: dict[str, int]
    frame: bytes


@dataclass(frozen=True)
class _Framing:
    """A clear packet on its way into ESP."""

    headers: bytes
    """Outer IP header and UDP header, of a packet with nothing in it yet."""
    ip_bytes: int
    """How many of ``headers`` are the IP header's."""
    payload: bytes
    next_header: int
    trailer: bytes


def sequence_numbers(sa: SecurityAssociation) -> Iterator[int]:
    """The SA's sequence numbers in turn, to where the counter would wrap (RFC 4303, 3.3.3)."""
    return iter(range(sa.initial_seq, 1 << (64 if sa.esn else 32)))


def software_frames(outgoing: Outgoing) -> list[bytes]:
    """The wire frames, all made in software: segmentation, checksums, ESP.

    Raises ``ValueError`` when the SA cannot carry the packet, or for what cannot be segmented.
    """
    return [
        software_frame(replace(
            outgoing, clear=clear, sequence=outgoing.sequence + index,
            ip_id=(outgoing.ip_id + index) % (1 << _IP_ID_BITS), checksum=False, mss=0))
        for index, clear in enumerate(clear_packets(outgoing.clear, outgoing.checksum,
                                                    outgoing.mss))
    ]


def clear_packets(clear: bytes, finish_checksum: bool, mss: int) -> list[bytes]:
    """The finished clear packets of a packet or super-packet, as ``Outgoing`` describes them."""
    if mss:
        return gso.segments(clear, mss)
    return [gso.with_checksum(clear) if finish_checksum else clear]


def software_frame(outgoing: Outgoing) -> bytes:
    """The wire frame of a finished packet, sealed in software.

    Raises ``ValueError`` when the SA cannot carry the packet.
    """
    framing = _frame(outgoing)
    text = framing.payload + framing.trailer
    sealed = esp.seal(outgoing.sa, outgoing.sequence, text)
    return _link(outgoing) + _finish(framing, sealed.packet)


def device_can_send(sa: SecurityAssociation) -> bool:
    """Whether the device can seal what this SA sends.

    Over IPv6 a UDP header needs a checksum, which covers the ciphertext
    (RFC 8200, 8.1): only who seals can give it, and that is software.
    """
    return not (sa.encapsulation == Encapsulation.UDP and sa.outer_family == 6)


def device_request(outgoing: Outgoing, handle: int, with_trailer: bool = True) -> Request:
    """The same frame, or frames, for the device to make.

    ``with_trailer`` False leaves trailer and ICV to the device, as they always
    are of a super-packet; the lengths in the headers count them in any case.
    IV and ICV room are left 0. Raises ``ValueError`` when the SA cannot carry
    the packet or the device cannot send it.
    """
    with_trailer = with_trailer and not outgoing.mss
    sa = outgoing.sa
    if not device_can_send(sa):
        raise ValueError(f"SA {sa.name}: UDP over IPv6, expected to be sealed in software")
    if sa.tfcpad and not with_trailer:
        raise ValueError(f"SA {sa.name}: tfcpad {sa.tfcpad}, expected a trailer from software")
    framing = _frame(outgoing)
    start = esp.header(sa, outgoing.sequence) + bytes(ESP_TEXT_OFFSET - ESP_HEADER_BYTES)
    esp_packet = start + framing.payload + framing.trailer + bytes(sa.icv.bytes)
    frame = _link(outgoing) + _finish(framing, esp_packet)
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
    """A packet or super-packet that is not for IPsec, for the device to finish.

    ``link`` is what stands before the EtherType. Raises ``ValueError`` for what
    cannot be segmented or summed.
    """
    frame = plain_frame(link, clear)
    offset = len(frame) - len(clear)
    fields = {"operation": int(TxOperation.BYPASS)}
    if finish_checksum or mss:
        packet = ip.split(clear)
        fields |= _layer4_fields(packet, offset + len(packet.header), mss) | {
            "outer_offset": offset, "l3_offset": offset,
            "outer_ipv6": int(packet.version == 6), "ipv6": int(packet.version == 6)}
    return Request(fields, frame)


def plain_frame(link: bytes, clear: bytes) -> bytes:
    """The frame of a packet that is not for IPsec."""
    return link + _ETHERTYPES[clear[0] >> 4].to_bytes(2, "big") + clear


def _offload_fields(outgoing: Outgoing, esp_offset: int) -> dict[str, int]:
    """The fields of TX_DESCRIPTOR that ask for checksum or segmentation of an ESP frame."""
    if not outgoing.checksum and not outgoing.mss:
        return {}
    sa, clear = outgoing.sa, ip.split(outgoing.clear)
    outer_offset, text_offset = len(_link(outgoing)), esp_offset + ESP_TEXT_OFFSET
    tunnel = sa.mode == "tunnel"
    return {
        "outer_offset": outer_offset,
        "l3_offset": text_offset if tunnel else outer_offset,
        "outer_ipv6": int(sa.outer_family == 6),
        "ipv6": int(clear.version == 6),
        "encapsulation": int(sa.encapsulation),
        "outer_id_fixed": int(tunnel and _outer_flags(clear) != 0),
    } | _layer4_fields(clear, text_offset + (len(clear.header) if tunnel else 0), outgoing.mss)


def _layer4_fields(packet: IpPacket, offset: int, mss: int) -> dict[str, int]:
    """The fields of TX_DESCRIPTOR that say what is summed, and where the segments' payload is."""
    layer4 = gso.layer4(packet)
    fields = {"l4_offset": offset, "l4_protocol": layer4.protocol}
    if not mss:
        return fields | {"checksum": 1, "l4_bytes": len(packet.payload)}
    return fields | {"lso": 1, "mss": mss, "header_bytes": offset + len(layer4.header)}


def replay_request(frame: bytes, sa: SecurityAssociation, handle: int, sequence: int,
                   random: Random) -> Request:
    """What the device must have been given to send ``frame``, a wire frame of ``sa``.

    The plaintext with its trailer takes the place of the ciphertext, and random
    bytes those of IV and ICV; bytes behind the ESP packet are dropped. Raises
    ``ValueError`` when the frame has no ESP packet of this SA that is authentic.
    """
    status, parsed = packet.parse(frame)
    if parsed is None:
        raise ValueError(f"frame is {status.name}, expected ESP")
    offset = parsed.esp_offset
    end = offset + parsed.esp_bytes
    opened = open_authentic(sa, sequence >> 32, frame[offset:end])
    if parsed.spi != sa.spi or opened is None:
        raise ValueError(f"frame is not of SA {sa.name} at sequence number {sequence}")
    outgoing = Outgoing(sa, sequence, b"")
    iv_at = offset + ESP_HEADER_BYTES
    return Request(
        _descriptor(outgoing, handle, offset) | {"trailer": 1},
        frame[:iv_at] + random.randbytes(ESP_TEXT_OFFSET - ESP_HEADER_BYTES)
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
    return outgoing.link + _ETHERTYPES[outgoing.sa.outer_family].to_bytes(2, "big")


def _frame(outgoing: Outgoing) -> _Framing:
    """Put headers to a clear packet, still without their lengths, and make its trailer."""
    sa = outgoing.sa
    clear = ip.split(outgoing.clear)
    udp = b""
    if sa.encapsulation == Encapsulation.UDP:
        udp = sa.encap_source_port.to_bytes(2, "big")
        udp += sa.encap_destination_port.to_bytes(2, "big") + bytes(4)
    protocol = IPPROTO_UDP if udp else IPPROTO_ESP
    if clear.version != sa.inner_family:
        raise ValueError(
            f"SA {sa.name}: packet is IPv{clear.version}, expected IPv{sa.inner_family} inside")
    if sa.mode == "tunnel":
        header = _outer_header(outgoing, clear, protocol)
        payload, next_header = clear.whole(), _TUNNEL_PROTOCOLS[clear.version]
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


def _outer_header(outgoing: Outgoing, clear: IpPacket, protocol: int) -> bytes:
    """The tunnel header: DSCP, ECN, DF and flow label from the packet inside (RFC 4301, 5.1.2).

    Congestion experienced inside becomes ECT(0) outside (RFC 3168, 9.2.2).
    """
    sa = outgoing.sa
    traffic_class = clear.traffic_class
    if traffic_class & _ECN_MASK == _ECN_CE:
        traffic_class = traffic_class & ~_ECN_MASK | _ECN_ECT0
    addresses = sa.source.packed + sa.destination.packed
    if sa.outer_family == 6:
        flow_label = int.from_bytes(clear.header[1:4], "big") & 0xFFFFF
        word = 6 << 28 | traffic_class << 20 | (flow_label if clear.version == 6 else 0)
        return word.to_bytes(4, "big") + bytes([0, 0, protocol, HOP_LIMIT]) + addresses
    flags = _outer_flags(clear)
    identification = 0 if flags else outgoing.ip_id
    return (
        bytes([0x45, traffic_class, 0, 0]) + identification.to_bytes(2, "big")
        + flags.to_bytes(2, "big") + bytes([HOP_LIMIT, protocol, 0, 0]) + addresses
    )


def _outer_flags(clear: IpPacket) -> int:
    """The flags of an IPv4 tunnel header: DF, unless the packet inside is IPv4 without."""
    if clear.version == 6:
        return ip.DONT_FRAGMENT
    return ip.DONT_FRAGMENT & int.from_bytes(clear.header[6:8], "big")


def _finish(framing: _Framing, esp_packet: bytes) -> bytes:
    """Put an ESP packet behind its headers, with their lengths and checksums right."""
    header, udp = framing.headers[:framing.ip_bytes], framing.headers[framing.ip_bytes:]
    header = ip.fix_lengths(header, len(udp) + len(esp_packet))
    if udp:
        udp = udp[:4] + (UDP_HEADER_BYTES + len(esp_packet)).to_bytes(2, "big") + bytes(2)
        if header[0] >> 4 == 6:
            udp = udp[:6] + _udp_checksum(ip.split(header + udp + esp_packet))
    return header + udp + esp_packet


def _udp_checksum(datagram: IpPacket) -> bytes:
    """The checksum of a UDP datagram whose checksum field is 0 (RFC 8200, 8.1)."""
    pseudo = checksum.pseudo_header(
        datagram.source, datagram.destination, IPPROTO_UDP, len(datagram.payload))
    return checksum.field(IPPROTO_UDP, checksum.of(pseudo + datagram.payload))


# To receive

@dataclass
class _Inbound:
    """A receive SA, and the highest sequence number that was authentic on it."""

    sa: SecurityAssociation
    top: int


@dataclass(frozen=True)
class EspPacket:
    """An ESP packet, and the IP packet that it came in without it."""

    carrier: IpPacket
    encapsulation: Encapsulation
    data: bytes


_GIVEN_UP = frozenset({
    RxStatus.AUTH_FAILED, RxStatus.BAD_TRAILER, RxStatus.SYNTAX, RxStatus.TRUNCATED,
    RxStatus.NOT_IP, RxStatus.BAD_HEADER, RxStatus.KEEPALIVE, RxStatus.OVERSIZE, RxStatus.LATE,
    RxStatus.REPLAYED,
})
"""Frames with these statuses carry nothing for the host's IP layer."""


class Receiver:
    """The receiving host behind the device.

    ``sas`` are all SAs that the host knows, whether the device has them or not.
    """

    def __init__(self, sas: Iterable[SecurityAssociation]) -> None:
        self._inbound = {
            (sa.destination, sa.encapsulation, sa.spi): _Inbound(sa, sa.initial_seq - 1)
            for sa in sas
        }
        self._reassembler = ip.Reassembler()

    def deliver(self, frame: bytes, completion: Mapping[str, int]) -> bytes | None:
        """The clear IP packet that a frame from the device ends as, None when there is none.

        ``completion`` has the fields of RX_COMPLETION. In tunnel mode the result
        is the packet inside; in transport mode the packet without ESP, its
        protocol, length and checksum put right. A packet that is not IPsec is
        handed up as it is, but AH, of which no SA is known, is not. A fragment
        gives the whole packet when it is the last that was missing. A packet of an SA whose
        replay window the device keeps is taken from the device only: it alone knows what came.
        """
        status = RxStatus(completion["status"])
        if status in _GIVEN_UP:
            return None
        try:
            whole = self._reassembler.add(ip.split(strip_link(frame)[1]))
        except ValueError:
            return None
        if whole is None:
            return None
        found = find_esp(whole)
        if found is None:
            return None if whole.protocol == IPPROTO_AH else whole.whole()
        inbound = self._inbound.get(
            (whole.destination, found.encapsulation, int.from_bytes(found.data[:4], "big")))
        if inbound is None:
            return None
        if status == RxStatus.OK:
            return self._take_opened(inbound, found, completion)
        if inbound.sa.device_window:
            return None
        return self._open_in_software(inbound, found)

    def _take_opened(
        self, inbound: _Inbound, found: EspPacket, completion: Mapping[str, int],
    ) -> bytes | None:
        """What the device has decrypted and checked: cut ESP header, IV, trailer and ICV."""
        inbound.top = max(inbound.top, _sequence(inbound, found))
        payload = found.data[ESP_TEXT_OFFSET:-completion["trailer_bytes"]]
        return decapsulate(inbound.sa, found.carrier, completion["next_header"], payload)

    def _open_in_software(self, inbound: _Inbound, found: EspPacket) -> bytes | None:
        sequence = _sequence(inbound, found)
        opened = open_authentic(inbound.sa, sequence >> 32, found.data)
        if opened is None:
            return None
        trailer_bytes = trailer.length(opened.text)
        if trailer_bytes is None:
            return None
        inbound.top = max(inbound.top, sequence)
        payload = opened.text[:-trailer_bytes]
        return decapsulate(inbound.sa, found.carrier, opened.text[-1], payload)


def strip_link(frame: bytes) -> tuple[bytes, bytes]:
    """MAC addresses and VLAN tag of an Ethernet frame, and what stands behind its EtherType.

    Raises ``ValueError`` when that is not IP.
    """
    offset = ETHERNET_HEADER_BYTES
    if frame[12:14] == ETHERTYPE_VLAN.to_bytes(2, "big"):
        offset += VLAN_TAG_BYTES
    ethertype = frame[offset - _ETHERTYPE_BYTES:offset]
    if int.from_bytes(ethertype, "big") not in _ETHERTYPES.values():
        raise ValueError(f"EtherType {ethertype.hex() or 'missing'}, expected IPv4 or IPv6")
    return frame[:offset - _ETHERTYPE_BYTES], frame[offset:]


def _sequence(inbound: _Inbound, found: EspPacket) -> int:
    """The packet's whole sequence number, its high half from the replay window."""
    low = int.from_bytes(found.data[4:8], "big")
    if not inbound.sa.esn:
        return low
    return esn.window_high(low, inbound.top, inbound.sa.replay_window) << 32 | low


def open_authentic(sa: SecurityAssociation, high: int, data: bytes) -> esp.Opened | None:
    """Open an ESP packet; None when it is too short or not authentic."""
    if len(data) < ESP_TEXT_OFFSET + ESP_TRAILER_MIN_BYTES + sa.icv.bytes:
        return None
    opened = esp.open(sa, high, data)
    return opened if opened.authentic else None


def find_esp(whole: IpPacket) -> EspPacket | None:
    """ESP in an IP packet, by protocol 50 or in UDP on port 4500 (RFC 3948)."""
    data = whole.payload
    if whole.protocol == IPPROTO_ESP and len(data) >= ESP_HEADER_BYTES:
        return EspPacket(whole, Encapsulation.NONE, data)
    if whole.protocol != IPPROTO_UDP or data[2:4] != UDP_PORT_ESP.to_bytes(2, "big"):
        return None
    data = data[UDP_HEADER_BYTES:int.from_bytes(data[4:6], "big")]
    if len(data) <= ESP_HEADER_BYTES or data.startswith(_NON_ESP_MARKER):
        return None
    return EspPacket(whole, Encapsulation.UDP, data)


def decapsulate(
    sa: SecurityAssociation, carrier: IpPacket, next_header: int, payload: bytes,
) -> bytes | None:
    """The clear packet; None for a dummy packet or one that the SA's mode does not allow."""
    if next_header == IPPROTO_NONE:
        return None
    if sa.mode == "transport":
        return carrier.with_payload(next_header, payload)
    try:
        inner = ip.split(payload)
    except ValueError:
        return None
    if next_header != _TUNNEL_PROTOCOLS[inner.version]:
        return None
    if carrier.traffic_class & _ECN_MASK == _ECN_CE:
        return _mark_congestion(inner)
    return inner.whole()


def _mark_congestion(inner: IpPacket) -> bytes:
    """Congestion experienced outside goes on inside, if that is ECN capable (RFC 3168, 9.1.1)."""
    if not inner.traffic_class & _ECN_MASK:
        return inner.whole()
    header = bytearray(inner.header)
    if inner.version == 4:
        header[1] |= _ECN_CE
    else:
        header[1] |= _ECN_CE << 4
    return ip.fix_lengths(bytes(header), len(inner.payload)) + inner.payload

