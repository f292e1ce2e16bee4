"""Reasons of refused requests: of those that a status can have, the one that holds."""

from collections.abc import Mapping

from espnic.model.device.segment import aligned
from espnic.model.interface.codes import (
    ESP_TEXT_OFFSET,
    ESP_TRAILER_MIN_BYTES,
    ETHERNET_HEADER_BYTES,
    IPPROTO_UDP,
    IPV4_HEADER_BYTES,
    IPV6_HEADER_BYTES,
    TCP_HEADER_BYTES,
    UDP_HEADER_BYTES,
    TxOperation,
)
from espnic.model.interface.features import Features
from espnic.model.interface.headers import ESP_OFFSET_MIN, TCP_HEADER_BYTES_MAX
from espnic.model.net import checksum
from espnic.sim.coverage.functional_sas import Sa

_ALIKE = {
    "DROP_RESERVED": "reserved bit", "DROP_LSO_OVERSIZE": "super-frame too long",
    "DROP_LSO_PROTOCOL": "super-frame of other protocol",
    "DROP_LSO_HEADER": "headers beyond the frame", "DROP_LSO_PAYLOAD": "no payload",
    "DROP_OVERSIZE": "too long", "DROP_SPI": "other SPI", "DROP_EXPIRED": "hard limit",
    "DROP_LATE": "left of the window", "DROP_REPEATED": "sealed before",
}
"""Statuses with one reason."""


def refusal(
    status: str, values: Mapping[str, int], frame: bytes, sa: Sa | None, features: Features,
) -> str:
    """Value of ``TX_CONDITION`` for a refused request; "" where it is none or several at once.

    ``values`` are all fields of its descriptor.
    """
    match status:
        case "DROP_OPERATION":
            return "other operation" if values["operation"] else "operation 0"
        case "DROP_LSO_MSS":
            return "MSS too large" if values["mss"] else "MSS 0"
        case "DROP_SEQUENCE":
            return "number above 32 bits" if values["sequence"] else "number 0"
        case "DROP_LSO_SEQUENCE":
            return "burst beyond 64 bits" if sa and sa.esn else "burst beyond 32 bits"
        case "DROP_OFFSETS":
            return _only(_cut_faults(values) if values["lso"] else _sum_faults(values, frame))
        case "DROP_NO_SA":
            return _no_sa(values["sa"], sa, features)
        case "DROP_SYNTAX":
            return _syntax(values, frame, sa)
        case "DROP_TRAILER" if values["lso"]:
            return "super-frame with trailer"
        case "DROP_TRAILER" if sa:
            return _trailer(values, frame, sa)
    return _ALIKE.get(status, "")


def _only(faults: Mapping[str, bool]) -> str:
    """The one fault that holds; of several none is known to be the reason."""
    found = [name for name, holds in faults.items() if holds]
    return found[0] if len(found) == 1 else ""


def _no_sa(handle: int, sa: Sa | None, features: Features) -> str:
    if not handle:
        return "handle 0"
    if handle >= features.sas:
        return "handle beyond the table"
    return "handle deleted" if sa else "handle free"


def _syntax(values: Mapping[str, int], frame: bytes, sa: Sa | None) -> str:
    offset = values["esp_offset"]
    text_bytes = len(frame) - offset - ESP_TEXT_OFFSET - (sa.icv if sa else 0)
    below = offset < ESP_OFFSET_MIN
    if below or not aligned(offset):
        return _only({"ESP offset below 34": below,
                      "ESP offset not 2 mod 4": not aligned(offset)})
    if len(frame) < offset + ESP_TEXT_OFFSET:
        return "ESP header beyond the frame"
    return "text below 4 bytes" if text_bytes < 4 else "text not a multiple of 4"


def pad_offset(frame: bytes, icv_bytes: int) -> int:
    """Offset of the pad in a frame with a trailer."""
    pad_length_at = len(frame) - icv_bytes - ESP_TRAILER_MIN_BYTES
    return pad_length_at - frame[pad_length_at]


def _trailer(values: Mapping[str, int], frame: bytes, sa: Sa) -> str:
    before_text = pad_offset(frame, sa.icv) < values["esp_offset"] + ESP_TEXT_OFFSET
    return "pad before the text" if before_text else "pad in the checksum"


def _sum_faults(values: Mapping[str, int], frame: bytes) -> dict[str, bool]:
    """Faults that the place of a checksum can have, and whether it has them."""
    offset, count = values["l4_offset"], values["l4_bytes"]
    bypass = values["operation"] == TxOperation.BYPASS
    least = ESP_OFFSET_MIN if bypass else values["esp_offset"] + ESP_TEXT_OFFSET
    return {
        "checksum offset not 2 mod 4": not aligned(offset),
        "checksum offset too small": offset < least,
        "checksum of too few bytes": count < checksum.HEADER_BYTES_MIN[values["l4_protocol"]],
        "checksum beyond the frame": offset + count > len(frame),
    }


def _cut_faults(values: Mapping[str, int]) -> dict[str, bool]:
    """Faults that the headers of a super-frame can have, and whether they have them."""
    outer, esp = values["outer_offset"], values["esp_offset"]
    l3, l4, end = values["l3_offset"], values["l4_offset"], values["header_bytes"]
    udp, bypass = values["l4_protocol"] == IPPROTO_UDP, values["operation"] == TxOperation.BYPASS
    two_versions = values["outer_ipv6"] != values["ipv6"]
    text = esp + ESP_TEXT_OFFSET
    tunnel, transport = not bypass and l3 != outer, not bypass and l3 == outer
    before_esp = l4 if bypass else esp - UDP_HEADER_BYTES * values["encapsulation"]
    faults = {
        f"{name} not 2 mod 4": not aligned(offset)
        for name, offset in (("outer offset", outer), ("L3 offset", l3), ("L4 offset", l4),
                             ("header bytes", end))}
    faults |= {
        "ESP offset not 2 mod 4": not bypass and not aligned(esp),
        "outer offset below 14": outer < ETHERNET_HEADER_BYTES,
        "UDP header not 8": udp and end - l4 != UDP_HEADER_BYTES,
        "TCP header below 20": not udp and end - l4 < TCP_HEADER_BYTES,
        "TCP header above 60": not udp and end - l4 > TCP_HEADER_BYTES_MAX,
        "bypass with two headers": bypass and (l3 != outer or two_versions),
        "outer header too short": before_esp - outer < _header_bytes(values["outer_ipv6"]),
        "inner header too short": tunnel and l4 - l3 < _header_bytes(values["ipv6"]),
        "L3 before the text": tunnel and l3 < text,
        "L4 before the text": transport and l4 < text,
        "transport of two versions": transport and two_versions,
    }
    return {f"cut: {name}": holds for name, holds in faults.items()}


def _header_bytes(ipv6: int) -> int:
    return IPV6_HEADER_BYTES if ipv6 else IPV4_HEADER_BYTES
