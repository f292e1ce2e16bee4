"""The work on a frame that another offload device was given and that this one leaves to the stack.

The devices of the captures take more than this one, such as the super-frames of VXLAN. Its driver
takes the features for that off (``ndo_features_check``, docs/driver.md): the stack finishes the
checksum, or cuts the super-frame, and the device seals what comes of it.
"""

from dataclasses import dataclass

from espnic.model.host import stack
from espnic.model.host.stack import Outgoing, Request
from espnic.model.interface.codes import TxOperation
from espnic.model.linux import features, software_gso
from espnic.model.linux.netdev import Feature
from espnic.model.linux.tx_skb import NO_GSO, GsoType, TxSkb
from espnic.model.net import ip
from espnic.model.net.ethernet import strip_link
from espnic.model.net.ip import IpPacket
from espnic.model.sa.sa import SecurityAssociation
from espnic.sim.capture.checked_json import Row

NEEDS_CHECKSUM = 1
"""Flag of a virtio-net header: the checksum field holds the sum of the pseudo-header."""
_TUNNEL_CHECKSUM = 8
"""Flag: the UDP header of a tunnel gets a checksum too."""
FLAGS_MAX = 0xFF
_GSO_TYPES = {0: NO_GSO, 1: GsoType.TCPV4, 4: GsoType.TCPV6, 5: GsoType.UDP_L4}
"""Kinds of super-frames, by the low bits of a virtio-net header's ``gso_type``."""
_GSO_KIND, _GSO_TUNNEL, _GSO_ECN = 0x1F, 0x60, 0x80
_OFFSET_MAX = 0xFFFF


@dataclass(frozen=True)
class _Handed:
    """A frame that was handed down, in its parts."""

    row: Row
    sa: SecurityAssociation
    frame: bytes
    link: bytes
    carrier: IpPacket
    """The packet with ESP in it."""

    @property
    def text_at(self) -> int:
        """Offset of what ESP protects."""
        return self.row.descriptor_field("payload_at", "l3_offset")

    @property
    def header_bytes(self) -> int:
        """Bytes of the clear packet that stand in front of ESP: in transport mode its IP header."""
        return 0 if self.sa.mode == "tunnel" else len(self.carrier.header)


def requests(
    row: Row, sa: SecurityAssociation, handle: int, frame: bytes,
) -> tuple[Request, ...]:
    """The requests for a frame of which the driver leaves work to the stack; none if it does not.

    ``row`` describes the frame, which has a whole IP packet; ``handle`` is that of the SA. Raises
    ``CaptureError`` for a row that does not fit its frame.
    """
    meta = row.object("vnet_hdr")
    if not meta.number("flags", 0, FLAGS_MAX) & NEEDS_CHECKSUM:
        return ()
    link, data = strip_link(frame)
    handed = _Handed(row, sa, frame, link, ip.split(data))
    try:
        skb = _clear(handed)
        if Feature.HW_ESP_TX_CSUM in features.for_packet(skb, set(Feature)):
            return ()
        finished = software_gso.finished(skb)
        if skb.gso_size:
            return _segments(handed, handle, finished)
    except ValueError as problem:
        raise row.error("vnet_hdr", f"what the frame has, {problem}") from None
    return (_single(handed, handle, finished[0]),)


def _clear(handed: _Handed) -> TxSkb:
    """The clear packet, and what of it is still to be done."""
    row, at, before = handed.row, handed.text_at, handed.header_bytes
    meta = row.object("vnet_hdr")
    text = handed.frame[at:at + row.number("payload_bytes", 0, len(handed.frame))]
    data = text
    if before:
        data = handed.carrier.with_payload(
            row.descriptor_field("next_header", "next_header"), text)
    inner = None
    if row.has("tunnel"):
        inner = row.object("tunnel").number("inner_ip", at, _OFFSET_MAX) - at + before
    return TxSkb(
        data, csum_start=meta.number("csum_start", at, _OFFSET_MAX) - at + before,
        csum_offset=meta.number("csum_offset", 0, _OFFSET_MAX),
        gso_size=meta.descriptor_field("gso_size", "mss") if row.flag("gso") else 0,
        gso_segs=row.number("segs", 0, len(handed.frame)), gso_type=_gso_type(meta),
        inner_network=inner)


def _gso_type(meta: Row) -> GsoType:
    given = meta.number("gso_type", 0, FLAGS_MAX)
    kind = _GSO_TYPES.get(given & _GSO_KIND)
    if kind is None:
        raise meta.error("gso_type", "TCPV4, TCPV6 or UDP_L4 in its low bits")
    if given & _GSO_ECN:
        kind |= GsoType.TCP_ECN
    if given & _GSO_TUNNEL:
        with_checksum = meta.number("flags", 0, FLAGS_MAX) & _TUNNEL_CHECKSUM
        kind |= GsoType.UDP_TUNNEL_CSUM if with_checksum else GsoType.UDP_TUNNEL
    return kind


def _single(handed: _Handed, handle: int, finished: bytes) -> Request:
    """The request for a packet in whose frame the stack has finished a checksum."""
    at, text = handed.text_at, finished[handed.header_bytes:]
    row, frame = handed.row, handed.frame
    return Request(
        plain_descriptor(row, handle) | {"trailer": 1},
        frame[:at] + text + frame[at + len(text):])


def _segments(
    handed: _Handed, handle: int, finished: list[bytes],
) -> tuple[Request, ...]:
    """The requests for the segments of a super-frame."""
    first = handed.row.descriptor_field("first_seq", "sequence")
    return tuple(
        stack.device_request(
            Outgoing(handed.sa, first + index, packet, handed.link, ip_id=index), handle)
        for index, packet in enumerate(finished))


def plain_descriptor(row: Row, handle: int) -> dict[str, int]:
    """The fields of TX_DESCRIPTOR for a frame that is to be sealed, whatever else of it is."""
    return {
        "operation": int(TxOperation.ENCRYPT),
        "sa": handle,
        "sequence": row.descriptor_field("first_seq", "sequence"),
        "esp_offset": row.descriptor_field("esp_at", "esp_offset"),
        "next_header": row.descriptor_field("next_header", "next_header"),
    }
