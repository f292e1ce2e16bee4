"""Check of TCP and UDP checksums with the device's sum, without reading the payload again.

This is Linux's CHECKSUM_COMPLETE. The sum of the whole frame comes with it. When the stack takes
bytes off, it takes them out of the sum; what is left is compared with the pseudo-header.
"""

from collections.abc import Mapping

from espnic.model.interface.codes import (
    ESP_TEXT_OFFSET,
    ETHERNET_HEADER_BYTES,
    IPPROTO_UDP,
    Encapsulation,
    RxChecksum,
    RxStatus,
)
from espnic.model.net import checksum, ip
from espnic.model.net.ethernet import strip_link
from espnic.model.net.header_fields import UDP_CHECKSUM, UDP_LENGTH
from espnic.model.net.ip import IpPacket
from espnic.model.sa.sa import SecurityAssociation


def verify(
    frame: bytes, completion: Mapping[str, int], sa: SecurityAssociation | None,
) -> RxChecksum:
    """The state of a frame's TCP or UDP checksum: the inner packet's if the frame was decrypted.

    ``completion`` has the fields of RX_COMPLETION; ``sa`` is
    the SA of a frame with status OK. NONE when there is no checksum to check,
    and in transport mode behind NAT, which breaks the checksum (RFC 3948, 3.1.2).
    """
    try:
        data = strip_link(frame)[1]
        carrier = ip.split(data)
        at = len(frame) - len(data)
        if RxStatus(completion["status"]) != RxStatus.OK:
            left = _trimmed(completion["checksum"], data[len(carrier.whole()):],
                            at - ETHERNET_HEADER_BYTES + len(carrier.whole()))
            left = checksum.subtract(left, checksum.total(frame[ETHERNET_HEADER_BYTES:at]))
            return _check(carrier, left)
        if sa is None or (sa.mode == "transport" and sa.encapsulation == Encapsulation.UDP):
            return RxChecksum.NONE
        return _verify_opened(frame, completion, sa, carrier, at)
    except ValueError:
        return RxChecksum.NONE


def _verify_opened(
    frame: bytes, completion: Mapping[str, int], sa: SecurityAssociation, carrier: IpPacket,
    carrier_at: int,
) -> RxChecksum:
    text_at = completion["esp_offset"] + ESP_TEXT_OFFSET
    payload_end = carrier_at + len(carrier.whole()) - completion["trailer_bytes"]
    payload = frame[text_at:payload_end]
    left = checksum.subtract(
        completion["checksum"], checksum.total(frame[ETHERNET_HEADER_BYTES:text_at]))
    if sa.mode == "transport":
        inside = ip.split(carrier.with_payload(completion["next_header"], payload))
        return _check(inside, checksum.add(left, checksum.total(inside.header)))
    inner = ip.split(payload)
    # TFC padding follows the inner packet.
    left = _trimmed(left, payload[len(inner.whole()):], len(inner.whole()))
    return _check(inner, left)


def _trimmed(whole: int, cut: bytes, offset: int) -> int:
    """The sum of a whole without the bytes ``cut`` that stand at its ``offset``."""
    return checksum.subtract_block(whole, checksum.total(cut), offset)


def _check(packet: IpPacket, whole: int) -> RxChecksum:
    """Check a packet; ``whole`` is the sum of its header and payload."""
    minimum = checksum.HEADER_BYTES_MIN.get(packet.protocol)
    if packet.fragment is not None or minimum is None or len(packet.payload) < minimum:
        return RxChecksum.NONE
    length = len(packet.payload)
    if packet.protocol == IPPROTO_UDP:
        length = UDP_LENGTH.read(packet.payload)
        if not minimum <= length <= len(packet.payload):
            return RxChecksum.NONE
        if UDP_CHECKSUM.read(packet.payload) == 0:
            return RxChecksum.NONE
    pseudo = checksum.total(checksum.pseudo_header(
        packet.source, packet.destination, packet.protocol, length))
    left = checksum.subtract(whole, checksum.total(packet.header))
    left = _trimmed(left, packet.payload[length:], length)
    return RxChecksum.GOOD if checksum.add(left, pseudo) in (0, 0xFFFF) else RxChecksum.BAD
