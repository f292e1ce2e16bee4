"""Headers in front of a frame's payload, and the reason for which a receive check refuses it.

Both are read from the bytes of the frame and the status that it got. Nothing is decided: of the
reasons that a status can have, they tell which one this frame has.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from espnic.model.interface.codes import (
    ETHERNET_HEADER_BYTES,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    ETHERTYPE_SERVICE_VLAN,
    ETHERTYPE_VLAN,
    IPPROTO_AH,
    IPPROTO_DSTOPTS,
    IPPROTO_ESP,
    IPPROTO_HOPOPTS,
    IPPROTO_ROUTING,
    IPPROTO_TCP,
    IPPROTO_UDP,
    IPV4_HEADER_BYTES,
    IPV6_HEADER_BYTES,
    TCP_HEADER_BYTES,
    UDP_HEADER_BYTES,
    VLAN_ETHERTYPES,
    VLAN_TAG_BYTES,
)
from espnic.model.interface.headers import (
    IPV4_FRAGMENT_AT,
    IPV4_FRAGMENT_MASK,
    IPV4_LENGTH_AT,
    IPV4_PROTOCOL_AT,
    IPV4_VERSION,
    IPV4_WORDS,
    IPV6_LENGTH_AT,
    IPV6_NEXT_HEADER_AT,
    IPV6_VERSION,
    UDP_CHECKSUM_AT,
    UDP_DESTINATION_PORT_AT,
    UDP_LENGTH_AT,
)

_FAMILIES = {ETHERTYPE_IPV4: 4, ETHERTYPE_IPV6: 6}
_PROTOCOLS = {IPPROTO_ESP: "esp", IPPROTO_UDP: "udp", IPPROTO_TCP: "tcp"}
_EXTENSIONS = {IPPROTO_HOPOPTS: "hop-by-hop", IPPROTO_ROUTING: "routing",
               IPPROTO_AH: "authentication", IPPROTO_DSTOPTS: "destination options"}
_MORE_FRAGMENTS = 0x2000


@dataclass(frozen=True, slots=True)
class Headers:
    """The headers of a frame, as far as it has them."""

    ethertype: int
    """EtherType behind the tags; 0 if the frame ends before."""
    tags: int
    """Number of tags, as far as they were looked for."""
    family: int
    """4 or 6 by the EtherType; 0 for neither."""
    ip: int
    """Offset of what follows the EtherType."""
    protocol: str
    """"esp", "udp", "tcp" or "other", "" if the frame ends before the IP header does."""
    layer4: int
    """Offset of what follows an IP header without options."""
    ip_bytes: int
    """Bytes behind that header, by its length; below 0 for a length that cannot be."""


def headers_of(
    frame: bytes, tags_max: int = 1, tags: Sequence[int] = (ETHERTYPE_VLAN,),
) -> Headers:
    """The headers of a frame with up to ``tags_max`` VLAN tags of these EtherTypes."""
    at, count = ETHERNET_HEADER_BYTES, 0
    ethertype = word(frame, at - 2)
    while ethertype in tags and count < tags_max:
        at, count = at + VLAN_TAG_BYTES, count + 1
        ethertype = word(frame, at - 2)
    family = _FAMILIES.get(ethertype, 0)
    layer4 = at + (IPV6_HEADER_BYTES if family == IPV6_VERSION else IPV4_HEADER_BYTES)
    protocol, ip_bytes = "", 0
    if family and len(frame) >= layer4:
        if family == IPV6_VERSION:
            number = frame[at + IPV6_NEXT_HEADER_AT]
            ip_bytes = word(frame, at + IPV6_LENGTH_AT)
        else:
            number = frame[at + IPV4_PROTOCOL_AT]
            ip_bytes = word(frame, at + IPV4_LENGTH_AT) - IPV4_HEADER_BYTES
        protocol = _PROTOCOLS.get(number, "other")
    return Headers(ethertype, count, family, at, protocol, layer4, ip_bytes)


def sent_headers(frame: bytes) -> Headers:
    """The headers of a frame to send, whose tags the engine does not look at."""
    return headers_of(frame, tags_max=2, tags=VLAN_ETHERTYPES)


def word(frame: bytes, at: int) -> int:
    """The 16-bit word at an offset; 0 beyond the frame."""
    return int.from_bytes(frame[at:at + 2], "big") if at + 2 <= len(frame) else 0


def refusal(status: str, frame: bytes, headers: Headers) -> str:
    """Value of ``RX_CONDITION`` for a frame in which the parser has found no ESP packet.

    "" for a status that is none of the parser.
    """
    match status:
        case "TRUNCATED":
            return _cut(frame, headers)
        case "NOT_IP":
            return _not_ip(headers)
        case "BAD_HEADER":
            return _bad_header(frame, headers)
        case "IP_OPTIONS":
            return "IPv4 options"
        case "FRAGMENT" if headers.family == IPV6_VERSION:
            return "fragment header"
        case "FRAGMENT":
            offset = word(frame, headers.ip + IPV4_FRAGMENT_AT) & IPV4_FRAGMENT_MASK
            return "more fragments" if offset == _MORE_FRAGMENTS else "fragment offset"
        case "EXT_HEADER":
            return _EXTENSIONS[frame[headers.ip + IPV6_NEXT_HEADER_AT]]
        case "NOT_ESP" if headers.protocol == "udp":
            port = word(frame, headers.layer4 + UDP_DESTINATION_PORT_AT)
            return "other port" if port else "port 0"
        case "NOT_ESP":
            return "other protocol"
        case "KEEPALIVE":
            return "keepalive"
        case "NON_ESP_MARKER":
            return _marker(word(frame, headers.layer4 + UDP_LENGTH_AT) - UDP_HEADER_BYTES)
        case "SYNTAX":
            return "no room for the ESP header"
    return ""


def _cut(frame: bytes, headers: Headers) -> str:
    if len(frame) < headers.ip:
        return "ends in the Ethernet header"
    if len(frame) < headers.layer4:
        return "ends in the IP header"
    if headers.protocol == "udp" and len(frame) < headers.layer4 + UDP_HEADER_BYTES:
        return "ends in the UDP header"
    return "ends in the ESP header"


def _not_ip(headers: Headers) -> str:
    if headers.ethertype == ETHERTYPE_SERVICE_VLAN and not headers.tags:
        return "service tag"
    if headers.tags and headers.ethertype in VLAN_ETHERTYPES:
        return "two VLAN tags"
    return "other EtherType"


def _bad_header(frame: bytes, headers: Headers) -> str:
    first = frame[headers.ip]
    if headers.family == IPV6_VERSION:
        if first >> 4 != IPV6_VERSION:
            return "IPv6 version"
    elif first >> 4 != IPV4_VERSION:
        return "IPv4 version"
    elif first & 0xF < IPV4_WORDS:
        return "IPv4 header length"
    elif headers.ip_bytes < 0:
        return "IPv4 total length"
    short = word(frame, headers.layer4 + UDP_LENGTH_AT) < UDP_HEADER_BYTES
    return "UDP length below 8" if short else "UDP length beyond IP"


def _marker(payload_bytes: int) -> str:
    if payload_bytes == 1:
        return "one byte, no keepalive"
    return "8 bytes or fewer" if payload_bytes <= 8 else "four zero bytes"


def unchecked(frame: bytes, headers: Headers) -> str:
    """Value of ``CHECKSUM_NONE`` for a TCP or UDP packet that was not checked, "" for another."""
    if headers.family == IPV4_VERSION:
        first = frame[headers.ip]
        if first >> 4 != IPV4_VERSION or first & 0xF < IPV4_WORDS:
            return ""
        if first & 0xF > IPV4_WORDS:
            return "options"
        if word(frame, headers.ip + IPV4_FRAGMENT_AT) & IPV4_FRAGMENT_MASK:
            return "fragment"
    elif frame[headers.ip] >> 4 != IPV6_VERSION:
        return ""
    there = len(frame) - headers.layer4
    if headers.protocol == "tcp":
        if headers.ip_bytes > there:
            return "beyond the frame"
        return "TCP header short" if headers.ip_bytes < TCP_HEADER_BYTES else ""
    if there < UDP_HEADER_BYTES:
        return "beyond the frame"
    count = word(frame, headers.layer4 + UDP_LENGTH_AT)
    if count < UDP_HEADER_BYTES:
        return "UDP length below 8"
    if count > headers.ip_bytes:
        return "UDP beyond IP"
    if count > there:
        return "beyond the frame"
    return "" if word(frame, headers.layer4 + UDP_CHECKSUM_AT) else "UDP checksum 0"
