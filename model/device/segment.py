"""Large send offload: a super-frame cut into frames that share its headers.

The super-frame has one set of headers, no trailer and no ICV room; its TCP or UDP checksum
field holds the sum of the pseudo-header with the length of the whole, as Linux hands it down.
The descriptor says where the headers lie: the device does not look for them in the frame.
"""

from collections.abc import Mapping

from espnic.model.esp import trailer
from espnic.model.interface.codes import (
    ESP_TEXT_OFFSET,
    ETHERNET_HEADER_BYTES,
    FRAME_BYTES_MAX,
    IPPROTO_UDP,
    IPV4_HEADER_BYTES,
    IPV6_HEADER_BYTES,
    TCP_HEADER_BYTES,
    UDP_HEADER_BYTES,
    Encapsulation,
    TxOperation,
    TxStatus,
)
from espnic.model.interface.headers import (
    ESP_OFFSET_MIN,
    HEADER_ALIGNMENT_BYTES,
    HEADER_PHASE_BYTES,
    TCP_CWR,
    TCP_FIN,
    TCP_HEADER_BYTES_MAX,
    TCP_PSH,
)
from espnic.model.net import checksum, ip
from espnic.model.net.header_fields import (
    IPV4_ID,
    IPV4_LENGTH,
    IPV6_LENGTH,
    TCP_FLAGS,
    TCP_SEQUENCE,
    UDP_LENGTH,
)

_WORD_MASK = 0xFFFF


def check_lso(values: Mapping[str, int], frame_bytes: int) -> TxStatus | None:
    """The reason why a super-frame cannot be cut as its TX_DESCRIPTOR asks; None if it can.

    ``values`` are the fields of the descriptor, ``frame_bytes`` is the length of the super-frame.
    The first check that fails gives the status.
    """
    if values["trailer"] and values["operation"] == TxOperation.ENCRYPT:
        return TxStatus.DROP_TRAILER
    if values["l4_protocol"] not in checksum.FIELD_AT:
        return TxStatus.DROP_LSO_PROTOCOL
    if not _headers_fit(values):
        return TxStatus.DROP_OFFSETS
    if values["header_bytes"] > frame_bytes:
        return TxStatus.DROP_LSO_HEADER
    if values["header_bytes"] == frame_bytes:
        return TxStatus.DROP_LSO_PAYLOAD
    if values["mss"] == 0 or values["header_bytes"] + values["mss"] > FRAME_BYTES_MAX:
        return TxStatus.DROP_LSO_MSS
    return None


def check_checksum(values: Mapping[str, int], frame_bytes: int) -> TxStatus | None:
    """The reason why a frame's checksum cannot be put in as its TX_DESCRIPTOR asks; None if it can.

    A protocol other than TCP and UDP is no error: its frame leaves as it is.
    """
    offset, protocol = values["l4_offset"], values["l4_protocol"]
    if protocol not in checksum.FIELD_AT:
        return None
    fits = (
        aligned(offset)
        and offset >= _layer4_offset_min(values)
        and checksum.HEADER_BYTES_MIN[protocol] <= values["l4_bytes"] <= frame_bytes - offset
    )
    return None if fits else TxStatus.DROP_OFFSETS


def put_checksum(values: Mapping[str, int], frame: bytes) -> bytes:
    """The frame with its TCP or UDP checksum put in; a frame of another protocol as it is."""
    if values["l4_protocol"] not in checksum.FIELD_AT:
        return frame
    start = values["l4_offset"]
    end = start + values["l4_bytes"]
    return (frame[:start] + checksum.complete(frame[start:end], values["l4_protocol"])
            + frame[end:])


def count(values: Mapping[str, int], frame_bytes: int) -> int:
    """Number of segments of a super-frame of ``frame_bytes`` bytes; the last may be short."""
    return -(-(frame_bytes - values["header_bytes"]) // values["mss"])


def cut(values: Mapping[str, int], frame: bytes, icv_bytes: int) -> list[bytes]:
    """The segments of a super-frame that ``check_lso`` finds good, before they are sealed.

    They have no trailer and no ICV yet; with ``operation`` ENCRYPT the lengths in the headers
    before ESP count both. ``icv_bytes`` is the length of the ICV.
    """
    return [_segment(values, frame, index, icv_bytes)
            for index in range(count(values, len(frame)))]


def _segment(values: Mapping[str, int], frame: bytes, index: int, icv_bytes: int) -> bytes:
    """Segment ``index``, made from the inside out: L4, its IP header, the headers before ESP."""
    start = values["header_bytes"] + index * values["mss"]
    payload = frame[start:start + values["mss"]]
    headers = frame[:values["header_bytes"]]
    l3, l4 = values["l3_offset"], values["l4_offset"]
    last = start + len(payload) == len(frame)
    layer4 = _layer4(values, headers[l4:] + payload, len(frame) - l4, index, last)
    if values["operation"] == TxOperation.BYPASS:
        return headers[:l3] + _ip(headers[l3:l4], len(layer4), index, bool(values["ipv6"])) + layer4
    text_at = values["esp_offset"] + ESP_TEXT_OFFSET
    if l3 == values["outer_offset"]:
        text = headers[text_at:l4] + layer4
    else:
        inner = _ip(headers[l3:l4], len(layer4), index, bool(values["ipv6"]))
        text = headers[text_at:l3] + inner + layer4
    start_of_esp = headers[values["esp_offset"]:text_at]
    esp_bytes = len(start_of_esp) + len(text) + len(trailer.build(len(text), 0)) + icv_bytes
    return _before_esp(values, headers, index, esp_bytes) + start_of_esp + text


def _before_esp(
    values: Mapping[str, int], headers: bytes, index: int, esp_bytes: int,
) -> bytes:
    """The headers before the ESP packet of segment ``index``, which will have ``esp_bytes``."""
    outer, udp_at, carried_bytes = values["outer_offset"], values["esp_offset"], esp_bytes
    udp = b""
    if values["encapsulation"] == Encapsulation.UDP:
        udp_at -= UDP_HEADER_BYTES
        carried_bytes += UDP_HEADER_BYTES
        udp = _with_udp_length(headers[udp_at:values["esp_offset"]], carried_bytes)
    step = 0 if values["outer_id_fixed"] else index
    carrier = _ip(headers[outer:udp_at], carried_bytes, step, bool(values["outer_ipv6"]))
    return headers[:outer] + carrier + udp


def _layer4(
    values: Mapping[str, int], segment: bytes, whole_bytes: int, index: int, last: bool,
) -> bytes:
    """The TCP or UDP header and payload of a segment, with its own header fields and checksum.

    ``whole_bytes`` is the length that the super-frame's pseudo-header counts.
    """
    protocol = values["l4_protocol"]
    if protocol == IPPROTO_UDP:
        segment = _with_udp_length(segment, len(segment))
    else:
        segment = _with_tcp_place(segment, index * values["mss"], index == 0, last)
    field = checksum.FIELDS[protocol]
    pseudo = checksum.subtract(field.read(segment), checksum.fold(whole_bytes))
    pseudo = checksum.add(pseudo, len(segment))
    return checksum.complete(field.replace(segment, pseudo), protocol)


def _with_tcp_place(segment: bytes, offset: int, first: bool, last: bool) -> bytes:
    """A segment with the sequence number and flags of ``offset`` bytes into the payload.

    FIN and PSH belong to the last byte (RFC 9293, 3.4 and 3.9.1), CWR to the
    first segment (RFC 3168, 6.1.2).
    """
    sequence = (TCP_SEQUENCE.read(segment) + offset) % (1 << 32)
    flags = TCP_FLAGS.read(segment)
    if not last:
        flags &= ~(TCP_FIN | TCP_PSH)
    if not first:
        flags &= ~TCP_CWR
    return TCP_FLAGS.replace(TCP_SEQUENCE.replace(segment, sequence), flags)


def _with_udp_length(datagram: bytes, length: int) -> bytes:
    return UDP_LENGTH.replace(datagram, length & _WORD_MASK)


def _ip(header: bytes, payload_bytes: int, step: int, ipv6: bool) -> bytes:
    """An IP header with the length of its payload; IPv4 also with ID + ``step`` and its checksum.

    The header is as long as the descriptor says, with whatever options or
    extension headers are in it, and of the version that the descriptor says. Lengths and IDs
    are modulo 2^16.
    """
    length = payload_bytes + len(header)
    if ipv6:
        return IPV6_LENGTH.replace(header, length - IPV6_HEADER_BYTES & _WORD_MASK)
    header = IPV4_LENGTH.replace(header, length & _WORD_MASK)
    header = IPV4_ID.replace(header, IPV4_ID.read(header) + step & _WORD_MASK)
    return ip.with_ipv4_checksum(header)


def _headers_fit(values: Mapping[str, int]) -> bool:
    """Whether the headers of a super-frame follow each other, with room for each."""
    outer, esp_at = values["outer_offset"], values["esp_offset"]
    l3, l4, end = values["l3_offset"], values["l4_offset"], values["header_bytes"]
    if not all(map(aligned, (outer, l3, l4, end))):
        return False
    header_bytes = end - l4
    if values["l4_protocol"] == IPPROTO_UDP:
        layer4_fits = header_bytes == UDP_HEADER_BYTES
    else:
        layer4_fits = TCP_HEADER_BYTES <= header_bytes <= TCP_HEADER_BYTES_MAX
    if outer < ETHERNET_HEADER_BYTES or not layer4_fits:
        return False
    ip_bytes = _ip_header_bytes(values["ipv6"])
    one_header = l3 == outer and values["outer_ipv6"] == values["ipv6"]
    if values["operation"] == TxOperation.BYPASS:
        return one_header and l4 - l3 >= ip_bytes
    text_at = esp_at + ESP_TEXT_OFFSET
    udp_bytes = UDP_HEADER_BYTES if values["encapsulation"] == Encapsulation.UDP else 0
    if not aligned(esp_at):
        return False
    if esp_at - udp_bytes - outer < _ip_header_bytes(values["outer_ipv6"]):
        return False
    if l3 == outer:
        return one_header and l4 >= text_at
    return l3 >= text_at and l4 - l3 >= ip_bytes


def _layer4_offset_min(values: Mapping[str, int]) -> int:
    """Lowest offset of a TCP or UDP header: after IPv4, or after the ESP IV."""
    if values["operation"] == TxOperation.BYPASS:
        return ESP_OFFSET_MIN
    return values["esp_offset"] + ESP_TEXT_OFFSET


def _ip_header_bytes(ipv6: int) -> int:
    return IPV6_HEADER_BYTES if ipv6 else IPV4_HEADER_BYTES


def aligned(offset: int) -> bool:
    """Whether a header can be at this offset of a frame, 2 modulo 4."""
    return offset % HEADER_ALIGNMENT_BYTES == HEADER_PHASE_BYTES
