"""Captures of what Linux hands an offload device, and of super-frames: rows as requests.

``NAME.json`` has, besides the SAs (captures/README.md), rows ``handoff`` and ``superframes``
(captures/handoff/README.md). The frames are in pcap files beside it or in the folder's archive.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model import ip, safile, stack
from model.codes import TxOperation
from model.sa import SecurityAssociation
from model.stack import Outgoing, Request
from sim.captures import archived_capture
from sim.pcap import read_capture
from sim.problem import CaptureError, Mismatch

ARCHIVE = "pcaps.tar.xz"
Packets = Callable[[str], tuple[bytes, ...]]
"""The packets of a capture of the same name, by the end of its file name."""

_NEEDS_CHECKSUM = 1
"""Flag of a virtio-net header: the checksum field holds the sum of the pseudo-header."""
_MAC_BYTES = 12
_IPV4_ID = slice(4, 6)
_IPV4_FLAGS = slice(6, 8)
_IPV4_TTL_AT = 8
_IPV6_HOP_LIMIT_AT = 7


@dataclass(frozen=True)
class HandedOff:
    """A frame that Linux gave its offload device."""

    number: int
    """In ``NAME.handoff.pcap``, from 1."""
    request: Request
    wire: tuple[bytes, ...]
    """The frames that the kernel sent in software instead; none where it sent nothing alike."""
    encrypted: bool
    """The stack has done all: to be sent as it is."""
    outer_id_differs: bool
    """The kernel drew other IDs for the outer IPv4 headers."""
    kernel_bug: str | None
    """What is wrong with the frame that the kernel handed down."""
    superframe: int | None
    """Number of the clear packet in ``NAME.super.pcap`` that it comes from."""
    segments: int
    """Frames that leave."""


@dataclass(frozen=True)
class SuperFrame:
    """A clear packet or super-packet, as it came to the stack."""

    number: int
    """In ``NAME.super.pcap``, from 1."""
    outgoing: Outgoing
    """As the stack sends it: routed on if it was forwarded. Its outer IPv4 ID is that of the
    first of ``wire``."""
    wire: tuple[bytes, ...]
    """The frames that the kernel made of it in software."""
    plain: tuple[bytes, ...]
    """What the receiving kernel got out of each."""


@dataclass(frozen=True)
class OffloadCapture:
    """One ``NAME.json`` with its frames."""

    sas: tuple[SecurityAssociation, ...]
    """Under handles 1 and up in the requests."""
    handed_off: tuple[HandedOff, ...]
    superframes: tuple[SuperFrame, ...]


def load(path: Path) -> OffloadCapture:
    """Read ``NAME.json`` and the captures that belong to it, from files or ``pcaps.tar.xz``
    beside it.

    Raises ``SaFileError`` or ``CaptureError`` for what cannot be used.
    """
    sas = safile.load(path).sas
    document = json.loads(path.read_text(encoding="utf-8"))
    captures: dict[str, tuple[bytes, ...]] = {}

    def packets(suffix: str) -> tuple[bytes, ...]:
        if suffix not in captures:
            captures[suffix] = _packets(path, suffix)
        return captures[suffix]

    try:
        return OffloadCapture(
            sas,
            tuple(_handed_off(row, sas, packets) for row in document.get("handoff", ())),
            tuple(_superframe(row, document, sas, packets)
                  for row in document.get("superframes", ())))
    except (KeyError, IndexError, TypeError) as problem:
        raise CaptureError(
            f"{path}: {type(problem).__name__} {problem} in a row, expected rows of handoff and "
            "superframes that fit their captures") from None


def without_outer_id(frame: bytes) -> bytes:
    """An untagged IPv4 frame without ID and checksum of its outer header."""
    return frame[:18] + frame[20:24] + frame[26:]


def compare_wire(rows: Iterable[HandedOff], sent: Sequence[bytes]) -> str:
    """Compare what has left with what the kernel has sent; give the count of each kind.

    Raises ``Mismatch`` naming the first frame and byte that differ.
    """
    counts = dict.fromkeys((_EQUAL, _BUT_OUTER_ID, _AS_HANDED, _NO_TWIN), 0)
    left = list(sent)
    for row in rows:
        frames, left = left[:row.segments], left[row.segments:]
        if len(frames) < row.segments:
            raise Mismatch(f"wire: {len(frames)} frames of handoff packet {row.number}, "
                           f"expected {row.segments}")
        kind, expected = _expected(row)
        counts[kind] += len(frames)
        if kind == _BUT_OUTER_ID:
            frames = [*map(without_outer_id, frames)]
        for number, (frame, right) in enumerate(zip(frames, expected, strict=False), start=1):
            if frame != right:
                raise Mismatch(f"wire: frame {number} of handoff packet {row.number}: "
                               f"{_first_difference(frame, right)}")
    if left:
        raise Mismatch(f"wire: {len(left)} frames more than expected")
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)


_EQUAL = "frames byte for byte"
_BUT_OUTER_ID = "but for the outer ID"
_AS_HANDED = "sent as the stack had encrypted them"
_NO_TWIN = "that the kernel did not send"


def _expected(row: HandedOff) -> tuple[str, list[bytes]]:
    """What kind of comparison a row allows, and what it expects."""
    if row.encrypted:
        return _AS_HANDED, [row.request.frame]
    if row.outer_id_differs:
        return _BUT_OUTER_ID, [*map(without_outer_id, row.wire)]
    return (_EQUAL if row.wire else _NO_TWIN), [*row.wire]


def _first_difference(frame: bytes, right: bytes) -> str:
    if len(frame) != len(right):
        return f"{len(frame)} bytes, expected {len(right)}"
    at = next(at for at, (a, b) in enumerate(zip(frame, right, strict=True)) if a != b)
    return f"byte {at} is {frame[at]:02x}, expected {right[at]:02x}"


def _packets(path: Path, suffix: str) -> tuple[bytes, ...]:
    name = path.stem + suffix
    beside = path.with_name(name)
    if beside.exists():
        return read_capture(beside).packets
    return archived_capture(path.with_name(ARCHIVE), name).packets


def _handed_off(
    row: Mapping[str, Any], sas: tuple[SecurityAssociation, ...], packets: Packets,
) -> HandedOff:
    frame = packets(".handoff.pcap")[row["n"] - 1]
    if row["encrypted"]:
        descriptor = {"operation": int(TxOperation.BYPASS)}
    else:
        descriptor = _descriptor(row, sas, frame)
    return HandedOff(
        number=row["n"],
        request=Request(descriptor, frame),
        wire=tuple(packets(".pcap")[number - 1] for number in row["wire"]),
        encrypted=row["encrypted"],
        outer_id_differs=bool(row.get("outer_id_differs")),
        kernel_bug=row.get("kernel_bug"),
        superframe=row["super"],
        segments=row["segs"],
    )


def _descriptor(
    row: Mapping[str, Any], sas: tuple[SecurityAssociation, ...], frame: bytes,
) -> dict[str, int]:
    """The descriptor that a driver makes of what comes with the frame."""
    handle, sa = _sa(row, sas)
    fields = {
        "operation": int(TxOperation.ENCRYPT),
        "sa": handle,
        "sequence": row["first_seq"],
        "esp_offset": row["esp_at"],
        "trailer": int(not row["gso"]),
        "next_header": row["next_header"],
    }
    meta = row["vnet_hdr"]
    if not meta["flags"] & _NEEDS_CHECKSUM:
        return fields
    fields |= {"l4_offset": meta["csum_start"], "l4_protocol": row["l4_proto"]}
    if not row["gso"]:
        payload_end = row["payload_at"] + row["payload_bytes"]
        return fields | {"checksum": 1, "l4_bytes": payload_end - meta["csum_start"]}
    outer_offset = len(frame) - len(stack.strip_link(frame)[1])
    tunnel = sa.mode == "tunnel"
    return fields | {
        "lso": 1,
        "mss": meta["gso_size"],
        "header_bytes": meta["hdr_len"],
        "outer_offset": outer_offset,
        "l3_offset": row["payload_at"] if tunnel else outer_offset,
        "outer_ipv6": int(sa.outer_family == 6),
        "ipv6": int(sa.inner_family == 6),
        "encapsulation": int(sa.encapsulation),
        "outer_id_fixed": int(tunnel and _dont_fragment(frame[outer_offset:])),
    }


def _superframe(
    row: Mapping[str, Any], document: Mapping[str, Any], sas: tuple[SecurityAssociation, ...],
    packets: Packets,
) -> SuperFrame:
    _handle, sa = _sa(row, sas)
    wire = tuple(packets(".pcap")[number - 1] for number in row["wire"])
    rows = [document["frames"][number - 1] for number in row["wire"]]
    clear = stack.strip_link(packets(".super.pcap")[row["n"] - 1])[1]
    if document.get("forwarded"):
        clear = _routed(clear)
    meta = row["vnet_hdr"]
    first = stack.strip_link(wire[0])[1]
    return SuperFrame(
        number=row["n"],
        outgoing=Outgoing(
            sa, row["first_seq"], clear, wire[0][:_MAC_BYTES],
            ip_id=int.from_bytes(first[_IPV4_ID], "big"),
            checksum=bool(meta["flags"] & _NEEDS_CHECKSUM), mss=meta["gso_size"]),
        wire=wire,
        plain=tuple(packets(".plain.pcap")[entry["plain"] - 1] for entry in rows),
    )


def _sa(
    row: Mapping[str, Any], sas: tuple[SecurityAssociation, ...],
) -> tuple[int, SecurityAssociation]:
    """Handle and SA of a row."""
    handles = {sa.name: handle for handle, sa in enumerate(sas, start=1)}
    return handles[row["sa"]], sas[handles[row["sa"]] - 1]


def _routed(clear: bytes) -> bytes:
    """The packet one hop on, with its TTL or hop limit one lower."""
    packet = ip.split(clear)
    header = bytearray(packet.header)
    header[_IPV4_TTL_AT if packet.version == 4 else _IPV6_HOP_LIMIT_AT] -= 1
    return ip.fix_lengths(bytes(header), len(packet.payload)) + packet.payload


def _dont_fragment(packet: bytes) -> bool:
    if packet[0] >> 4 != 4:
        return False
    flags = int.from_bytes(packet[_IPV4_FLAGS], "big")
    return bool(flags & ip.DONT_FRAGMENT)
