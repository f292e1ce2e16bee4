"""Captures of frames that Linux hands an offload device, and of super-frames, as requests.

``NAME.json`` has, besides the SAs (captures/README.md), rows ``handoff`` and ``superframes``
(captures/handoff/README.md). The frames are in pcap files beside it or in the folder's archive.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from espnic.model.host import safile
from espnic.model.host.stack import Outgoing, Request
from espnic.model.interface.codes import TxOperation
from espnic.model.interface.headers import IPV4_VERSION, IPV6_VERSION
from espnic.model.net import ip
from espnic.model.net.ethernet import strip_link
from espnic.model.net.header_fields import IPV4_DONT_FRAGMENT
from espnic.model.sa.sa import SecurityAssociation
from espnic.sim.capture import stack_work
from espnic.sim.capture.archive import archived_capture
from espnic.sim.capture.checked_json import Row, descriptor_max
from espnic.sim.capture.pcap import read_capture
from espnic.sim.capture.stack_work import FLAGS_MAX, NEEDS_CHECKSUM
from espnic.sim.problem import CaptureError, Mismatch

ARCHIVE = "pcaps.tar.xz"
Packets = Callable[[str], tuple[bytes, ...]]
"""Function that gives the packets of a capture of the same name, by the end of its file name."""

_MAC_BYTES = 12
_IPV4_ID = slice(4, 6)
_IPV4_FLAGS = slice(6, 8)
_IPV4_TTL_AT = 8
_IPV6_HOP_LIMIT_AT = 7


@dataclass(frozen=True)
class HandedOff:
    """A frame that Linux gave its offload device."""

    number: int
    """Number of the frame in ``NAME.handoff.pcap``, from 1."""
    request: Request
    """The frame with all that was asked of the device."""
    by_stack: tuple[Request, ...]
    """Requests instead of it, if this device's driver leaves checksum or segments to the stack;
    else none."""
    wire: tuple[bytes, ...]
    """Frames that the kernel sent in software instead; none where it sent nothing alike."""
    encrypted: bool
    """Whether the stack has encrypted the frame already: it is sent as it is."""
    outer_id_differs: bool
    """Whether the kernel drew other IDs for the outer IPv4 headers of ``wire``."""
    kernel_bug: str | None
    """Fault of the kernel in the frame that it handed down; None where there is none."""
    superframe: int | None
    """Number of the clear packet in ``NAME.super.pcap`` that it comes from, if any."""
    segments: int
    """Number of frames that leave, by what the kernel counts."""

    @property
    def requests(self) -> tuple[Request, ...]:
        """The requests that this device gets."""
        return self.by_stack or (self.request,)


@dataclass(frozen=True)
class SuperFrame:
    """A clear packet or super-packet that came to the stack."""

    number: int
    """Number of the packet in ``NAME.super.pcap``, from 1."""
    outgoing: Outgoing
    """The packet as the stack sends it: one hop on if it was forwarded. Its outer IPv4 ID is that
    of the first frame of ``wire``."""
    wire: tuple[bytes, ...]
    """Frames that the kernel made of it in software."""
    plain: tuple[bytes | None, ...]
    """Clear packet that the receiving kernel got from each frame of ``wire``; None where it has
    refused the frame, which the sending kernel had made wrong."""


@dataclass(frozen=True)
class OffloadCapture:
    """One ``NAME.json`` with its frames."""

    sas: tuple[SecurityAssociation, ...]
    """The SAs, which the requests have under handles 1 and up."""
    handed_off: tuple[HandedOff, ...]
    superframes: tuple[SuperFrame, ...]


def load(path: Path) -> OffloadCapture:
    """Read ``NAME.json`` and its captures, from files or ``pcaps.tar.xz`` beside it.

    Raises ``SaFileError`` or ``CaptureError`` for what cannot be used.
    """
    data = _read(path)
    sas = safile.load(path).sas
    document = Row(str(path), json.loads(data))
    captures: dict[str, tuple[bytes, ...]] = {}

    def packets(suffix: str) -> tuple[bytes, ...]:
        if suffix not in captures:
            captures[suffix] = _packets(path, suffix)
        return captures[suffix]

    return OffloadCapture(
        sas,
        tuple(_handed_off(row, sas, packets) for row in document.rows("handoff")),
        tuple(_superframe(row, document, sas, packets) for row in document.rows("superframes")))


def without_outer_id(frame: bytes) -> bytes:
    """An untagged IPv4 frame without ID and checksum of its outer header."""
    return frame[:18] + frame[20:24] + frame[26:]


def compare_wire(rows: Sequence[HandedOff], sent: Mapping[int, Sequence[bytes]]) -> str:
    """Compare the frames that left with those of the kernel; return the count of each kind.

    ``sent`` has the frames that left by the number of their request, from 1 over all rows.
    Frames of a row with a fault of the kernel are not held against the twin's: the device may
    have refused what was wrong, or have done right what the kernel did not. Raises ``Mismatch``,
    which names the first frame and byte that differ.
    """
    counts = dict.fromkeys((_EQUAL, _BUT_OUTER_ID, _AS_HANDED, _NO_TWIN, _KERNEL_WRONG), 0)
    numbers = count(1)
    for row in rows:
        frames: Sequence[bytes] = [
            frame for _request in row.requests for frame in sent.get(next(numbers), ())]
        kind, expected = _expected(row)
        counts[kind] += len(frames)
        if kind == _KERNEL_WRONG:
            continue
        if len(frames) != row.segments:
            raise Mismatch(f"wire: {len(frames)} frames of handoff packet {row.number}, "
                           f"expected {row.segments}")
        if kind == _NO_TWIN:
            continue
        if kind == _BUT_OUTER_ID:
            frames = [*map(without_outer_id, frames)]
        for number, (frame, right) in enumerate(zip(frames, expected, strict=True), start=1):
            if frame != right:
                raise Mismatch(f"wire: frame {number} of handoff packet {row.number}: "
                               f"{_first_difference(frame, right)}")
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)


def done_by_stack(rows: Iterable[HandedOff]) -> list[str]:
    """A line on the frames of which this device's driver leaves work to the stack, if there are
    any."""
    left = [row for row in rows if row.by_stack]
    if not left:
        return []
    of = "packet" if len(left) == 1 else "packets"
    return [f"the stack sums or cuts {len(left):,} {of} whose TCP or UDP is not right behind the "
            "IP header, as in VXLAN; the device seals them (ndo_features_check)"]


def kernel_bugs(rows: Iterable[HandedOff]) -> list[str]:
    """A line for each row in which the kernel did wrong."""
    return [f"packet {row.number}: {row.kernel_bug}" for row in rows if row.kernel_bug]


_EQUAL = "frames byte for byte"
_BUT_OUTER_ID = "but for the outer ID"
_AS_HANDED = "sent as the stack had encrypted them"
_NO_TWIN = "that the kernel did not send"
_KERNEL_WRONG = "not compared, where the kernel was wrong"


def _expected(row: HandedOff) -> tuple[str, list[bytes]]:
    """Kind of comparison that a row allows, and the frames that are expected."""
    if row.encrypted:
        return _AS_HANDED, [row.request.frame]
    if row.kernel_bug:
        return _KERNEL_WRONG, []
    if not row.wire:
        return _NO_TWIN, []
    if row.outer_id_differs:
        return _BUT_OUTER_ID, [*map(without_outer_id, row.wire)]
    return _EQUAL, [*row.wire]


def _first_difference(frame: bytes, right: bytes) -> str:
    if len(frame) != len(right):
        return f"{len(frame)} bytes, expected {len(right)}"
    at = next(at for at, (a, b) in enumerate(zip(frame, right, strict=True)) if a != b)
    return f"byte {at} is {frame[at]:02x}, expected {right[at]:02x}"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror}, expected the JSON of a capture of what "
                           "Linux hands down") from None


def _packets(path: Path, suffix: str) -> tuple[bytes, ...]:
    name = path.stem + suffix
    beside = path.with_name(name)
    if beside.exists():
        return read_capture(beside).packets
    return archived_capture(path.with_name(ARCHIVE), name).packets


def _handed_off(
    row: Row, sas: tuple[SecurityAssociation, ...], packets: Packets,
) -> HandedOff:
    frame = row.chosen("n", packets(".handoff.pcap"))
    with _no_whole_ip_refused(row):
        ip.split(strip_link(frame)[1])
    encrypted = row.flag("encrypted")
    by_stack: tuple[Request, ...] = ()
    descriptor = {"operation": int(TxOperation.BYPASS)}
    if not encrypted:
        handle, sa = _sa(row, sas)
        descriptor = _descriptor(row, sa, handle, frame)
        by_stack = stack_work.requests(row, sa, handle, frame)
    kernel_bug = row.text("kernel_bug", "a text") if row.has("kernel_bug") else None
    # A super-frame that the kernel has counted as no packet has none.
    segments = row.number("segs", 0 if kernel_bug else 1, 1 if encrypted else len(frame))
    wire = row.all_chosen("wire", packets(".pcap")) if row.items("wire") else ()
    if wire and len(wire) != segments and not kernel_bug:
        raise row.error("wire", f"{segments} as segs says, or none")
    return HandedOff(
        number=row.number("n", 1, len(packets(".handoff.pcap"))),
        request=Request(descriptor, frame),
        by_stack=by_stack,
        wire=wire,
        encrypted=encrypted,
        outer_id_differs=row.has("outer_id_differs") and row.flag("outer_id_differs"),
        kernel_bug=kernel_bug,
        superframe=(row.number("super", 1, len(packets(".super.pcap")))
                    if row.has("super") else None),
        segments=segments,
    )


def _descriptor(
    row: Row, sa: SecurityAssociation, handle: int, frame: bytes,
) -> dict[str, int]:
    """The descriptor that a driver makes of what comes with the frame."""
    super_frame = row.flag("gso")
    fields = stack_work.plain_descriptor(row, handle) | {"trailer": int(not super_frame)}
    meta = row.object("vnet_hdr")
    if not meta.number("flags", 0, FLAGS_MAX) & NEEDS_CHECKSUM:
        return fields
    l4_offset = meta.descriptor_field("csum_start", "l4_offset")
    text_offset = row.descriptor_field("payload_at", "l3_offset")
    fields |= {
        "l4_offset": l4_offset, "l4_protocol": row.descriptor_field("l4_proto", "l4_protocol")}
    if not super_frame:
        before = l4_offset - text_offset
        text_bytes = row.number(
            "payload_bytes", max(before, 0), before + descriptor_max("l4_bytes"))
        return fields | {"checksum": 1, "l4_bytes": text_bytes - before}
    outer_offset = len(frame) - len(strip_link(frame)[1])
    tunnel = sa.mode == "tunnel"
    return fields | {
        "lso": 1,
        "mss": meta.descriptor_field("gso_size", "mss"),
        "header_bytes": meta.descriptor_field("hdr_len", "header_bytes"),
        "outer_offset": outer_offset,
        "l3_offset": text_offset if tunnel else outer_offset,
        "outer_ipv6": int(sa.outer_family == IPV6_VERSION),
        "ipv6": int(ip.version(frame[text_offset if tunnel else outer_offset:]) == IPV6_VERSION),
        "encapsulation": int(sa.encapsulation),
        "outer_id_fixed": int(tunnel and _dont_fragment(frame[outer_offset:])),
    }


def _superframe(
    row: Row, document: Row, sas: tuple[SecurityAssociation, ...], packets: Packets,
) -> SuperFrame:
    _handle, sa = _sa(row, sas)
    wire = row.all_chosen("wire", packets(".pcap"))
    if not wire:
        raise row.error("wire", "one number or more")
    entries = [Row(f"{row.where}: its frames", entry)
               for entry in row.all_chosen("wire", document.items("frames"))]
    clear = row.chosen("n", packets(".super.pcap"))
    with _no_whole_ip_refused(row):
        clear = strip_link(clear)[1]
        ip.split(clear)
        if document.has("forwarded") and document.flag("forwarded"):
            clear = _routed(clear)
        first = strip_link(wire[0])[1]
    meta = row.object("vnet_hdr")
    return SuperFrame(
        number=row.number("n", 1, len(packets(".super.pcap"))),
        outgoing=Outgoing(
            sa, row.descriptor_field("first_seq", "sequence"), clear, wire[0][:_MAC_BYTES],
            ip_id=int.from_bytes(first[_IPV4_ID], "big"),
            checksum=bool(meta.number("flags", 0, FLAGS_MAX) & NEEDS_CHECKSUM),
            mss=meta.descriptor_field("gso_size", "mss")),
        wire=wire,
        plain=tuple(entry.chosen("plain", packets(".plain.pcap")) if entry.has("plain") else None
                    for entry in entries),
    )


def _sa(
    row: Row, sas: tuple[SecurityAssociation, ...],
) -> tuple[int, SecurityAssociation]:
    """Handle and SA of a row."""
    expected = "the name of an SA that the engine takes"
    name = row.text("sa", expected)
    for handle, sa in enumerate(sas, start=1):
        if sa.name == name:
            return handle, sa
    raise row.error("sa", expected)


@contextmanager
def _no_whole_ip_refused(row: Row) -> Iterator[None]:
    """Refuse a frame that is no whole IP packet, with the row that it belongs to."""
    try:
        yield
    except ValueError as problem:
        raise CaptureError(f"{row.where}: frame: {problem}") from None


def _routed(clear: bytes) -> bytes:
    """The packet one hop further, with its TTL or hop limit one lower."""
    packet = ip.split(clear)
    header = bytearray(packet.header)
    hops_at = _IPV4_TTL_AT if packet.version == IPV4_VERSION else _IPV6_HOP_LIMIT_AT
    if not header[hops_at]:
        raise ValueError("no hops left, expected a packet that is routed on")
    header[hops_at] -= 1
    return ip.fix_lengths(bytes(header), len(packet.payload)) + packet.payload


def _dont_fragment(packet: bytes) -> bool:
    if packet[0] >> 4 != IPV4_VERSION:
        return False
    flags = int.from_bytes(packet[_IPV4_FLAGS], "big")
    return bool(flags & IPV4_DONT_FRAGMENT)
