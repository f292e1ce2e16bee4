"""The receiving half of the software beside the device, as the Linux stack does it.

It takes off what the device left of ESP, and does in software whatever the device did not. For
every packet the two ways give the same bytes.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from espnic.model.esp import esn, esp, trailer
from espnic.model.interface.codes import (
    ESP_HEADER_BYTES,
    ESP_TEXT_OFFSET,
    IPPROTO_AH,
    IPPROTO_ESP,
    IPPROTO_NONE,
    IPPROTO_UDP,
    UDP_HEADER_BYTES,
    UDP_PORT_ESP,
    Encapsulation,
    RxStatus,
)
from espnic.model.interface.headers import IPV4_VERSION
from espnic.model.net import ip
from espnic.model.net.ethernet import strip_link
from espnic.model.net.header_fields import (
    ESP_SEQUENCE,
    ESP_SPI,
    IPV4_TOS,
    IPV6_FLOW,
    NON_ESP_MARKER,
    UDP_DESTINATION_PORT,
    UDP_LENGTH,
)
from espnic.model.net.ip import ECN_CE, ECN_MASK, TUNNEL_PROTOCOLS, IpPacket
from espnic.model.sa.sa import SecurityAssociation, esp_ports


@dataclass
class _Inbound:
    """A receive SA, and the highest sequence number that was authentic on it."""

    sa: SecurityAssociation
    top: int
    """The whole number, 64 bits with ESN; before the first packet, the number before its own."""


@dataclass(frozen=True)
class EspPacket:
    """An ESP packet found in an IP packet."""

    carrier: IpPacket
    """The IP packet."""
    encapsulation: Encapsulation
    data: bytes
    """The ESP packet, from its header to its ICV."""


_GIVEN_UP = frozenset({
    RxStatus.AUTH_FAILED, RxStatus.BAD_TRAILER, RxStatus.SYNTAX, RxStatus.TRUNCATED,
    RxStatus.BAD_HEADER, RxStatus.KEEPALIVE, RxStatus.OVERSIZE, RxStatus.LATE, RxStatus.REPLAYED,
    RxStatus.BAD_UDP_CHECKSUM, RxStatus.BAD_FRAME,
})
"""Frames with these statuses carry nothing for the host's IP layer."""


class Receiver:
    """The host that receives from the device.

    ``sas`` are all SAs that the host knows, whether the device has them or not.
    """

    def __init__(self, sas: Iterable[SecurityAssociation]) -> None:
        self._inbound = {
            (sa.destination, sa.encapsulation, sa.spi): _Inbound(sa, sa.initial_seq - 1)
            for sa in sas
        }
        self._ports = esp_ports(inbound.sa for inbound in self._inbound.values())
        self._reassembler = ip.Reassembler()

    def deliver(self, frame: bytes, completion: Mapping[str, int]) -> bytes | None:
        """The clear IP packet that a frame from the device ends as; None when there is none.

        ``completion`` has the fields of RX_COMPLETION. In tunnel mode the result
        is the inner packet; in transport mode it is the packet without ESP, its
        protocol, length and checksum put right. A packet that is not IPsec is
        handed up as it is; AH is not, because no SA for it is known. A fragment
        gives the whole packet when it is the last that was missing. A packet of an SA whose
        replay window the device keeps is taken only if the device has opened it: only the device
        knows what has been received.
        """
        status = RxStatus(completion["status"])
        if status in _GIVEN_UP:
            return None
        whole = whole_packet(self._reassembler, frame)
        if whole is None:
            return None
        found = find_esp(whole, self._ports or (UDP_PORT_ESP,))
        if found is None:
            return None if whole.protocol == IPPROTO_AH else whole.whole()
        inbound = self._inbound.get(
            (whole.destination, found.encapsulation, ESP_SPI.read(found.data)))
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
        """Cut ESP header, IV, trailer and ICV of what the device has decrypted and checked."""
        inbound.top = max(inbound.top, _sequence(inbound, found))
        payload = found.data[ESP_TEXT_OFFSET:-completion["trailer_bytes"]]
        return decapsulate(inbound.sa, found.carrier, completion["next_header"], payload)

    def _open_in_software(self, inbound: _Inbound, found: EspPacket) -> bytes | None:
        sequence = _sequence(inbound, found)
        opened = esp.open_authentic(inbound.sa, sequence >> 32, found.data)
        if opened is None:
            return None
        trailer_bytes = trailer.length(opened.text)
        if trailer_bytes is None:
            return None
        inbound.top = max(inbound.top, sequence)
        payload = opened.text[:-trailer_bytes]
        return decapsulate(inbound.sa, found.carrier, opened.text[-1], payload)


def whole_packet(reassembler: ip.Reassembler, frame: bytes) -> IpPacket | None:
    """The IP packet that a frame has or completes; None when it is not IP or pieces are missing."""
    try:
        return reassembler.add(ip.split(strip_link(frame)[1]))
    except ValueError:
        return None


def _sequence(inbound: _Inbound, found: EspPacket) -> int:
    """The packet's whole sequence number, its high half from the replay window."""
    low = ESP_SEQUENCE.read(found.data)
    if not inbound.sa.esn:
        return low
    return esn.window_high(low, inbound.top, inbound.sa.replay_window) << 32 | low


def find_esp(whole: IpPacket, ports: Collection[int] = (UDP_PORT_ESP,)) -> EspPacket | None:
    """ESP in an IP packet, by protocol 50 or in UDP to a port of ESP (RFC 3948); else None."""
    data = whole.payload
    if whole.protocol == IPPROTO_ESP and len(data) >= ESP_HEADER_BYTES:
        return EspPacket(whole, Encapsulation.NONE, data)
    if whole.protocol != IPPROTO_UDP or UDP_DESTINATION_PORT.read(data) not in ports:
        return None
    data = data[UDP_HEADER_BYTES:UDP_LENGTH.read(data)]
    if len(data) <= ESP_HEADER_BYTES or data.startswith(NON_ESP_MARKER):
        return None
    return EspPacket(whole, Encapsulation.UDP, data)


def refusal(sa: SecurityAssociation, clear: IpPacket) -> str | None:
    """The reason why a Linux peer drops the ESP packet of a clear packet; None if it takes it."""
    if sa.mode != "transport":
        return None
    if not clear.payload:
        return "no payload: Linux takes the trailer of its ESP packet for a bad one"
    if clear.protocol == IPPROTO_NONE:
        return f"protocol {IPPROTO_NONE}: in ESP that is a dummy packet (RFC 4303, 2.6)"
    return None


def decapsulate(
    sa: SecurityAssociation, carrier: IpPacket, next_header: int, payload: bytes,
) -> bytes | None:
    """The clear packet of an opened ESP packet, which ``carrier`` carried.

    None for a dummy packet (RFC 4303, 2.6), and for a packet that the SA's mode does not allow.
    """
    if next_header == IPPROTO_NONE:
        return None
    if sa.mode == "transport":
        return carrier.with_payload(next_header, payload)
    try:
        inner = ip.split(payload)
    except ValueError:
        return None
    if next_header != TUNNEL_PROTOCOLS[inner.version]:
        return None
    if carrier.traffic_class & ECN_MASK == ECN_CE:
        return _mark_congestion(inner)
    return inner.whole()


def _mark_congestion(inner: IpPacket) -> bytes:
    """Mark congestion experienced inside if the packet is ECN capable (RFC 3168, 9.1.1)."""
    if not inner.traffic_class & ECN_MASK:
        return inner.whole()
    header = inner.header
    if inner.version == IPV4_VERSION:
        header = IPV4_TOS.replace(header, IPV4_TOS.read(header) | ECN_CE)
    else:
        header = IPV6_FLOW.replace(header, IPV6_FLOW.read(header) | ECN_CE << 20)
    return ip.fix_lengths(header, len(inner.payload)) + inner.payload

