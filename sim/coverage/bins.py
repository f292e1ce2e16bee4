"""Functional coverage as data: the cases that a verification of the engine has to meet.

A cross is a list of dimensions, each with its values. A bin is one value of each. All bins of a
cross are wanted, but for those that ``exclusions.toml`` leaves out, each with its reason. What
counts as a hit of a bin is in ``functional_rx``, ``functional_tx`` and ``functional_commands``.

Values are plain data: text, numbers, truth values. No text has a "|".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from espnic.model.interface.codes import EventKind, RxStatus, SaOperation, SaResult, TxStatus
from espnic.model.interface.features import WIDTHS, WINDOWS

Value = str | int | bool
Bin = tuple[Value, ...]


@dataclass(frozen=True)
class Cross:
    """A cross of dimensions."""

    name: str
    doc: str
    """Claim of the cross when all its bins were hit, as a sentence."""
    dimensions: Mapping[str, tuple[Value, ...]]
    """Values by the name of the dimension, in the order of the values of a bin."""

    def bins(self) -> Iterator[Bin]:
        """All bins, the last dimension moving fastest."""
        return product(*self.dimensions.values())

    def named(self, values: Bin) -> dict[str, Value]:
        """The values of a bin, by dimension."""
        return dict(zip(self.dimensions, values, strict=True))


def _names(codes: Any, *without: Any) -> tuple[str, ...]:
    return tuple(code.name for code in codes if code not in without)


# An SA and its frames.
FAMILY = (4, 6)
"""IP version outside."""
MODE = ("tunnel", "transport")
"""Mode by the next header: with IPv4 or IPv6 inside it is a tunnel."""
KEY = (128, 192, 256)
ICV = (8, 12, 16)
"""Bytes of the ICV."""
ESN = (False, True)
ENCAPSULATION = ("none", "udp")
NUMBERING = ("32 bits", "told", "window")
"""Sequence numbers of an SA: without ESN; with ESN, the high half told by software (receive), or
given in the descriptor (transmit); with ESN, the high half by the engine's replay window."""
WIDTH = WIDTHS
TAGS = (0, 1)
TRAILER = ("software", "engine")

# Lengths and places.
LENGTH = ("1-191", "192-511", "512-1518", "1519-9599", "9600")
"""Bytes of a frame. Up to 191, a frame of any status can end anywhere in a beat of any width."""
LENGTH_TO = (191, 511, 1518, 9599, 9600)
ENDING = ("one byte", "some bytes", "all but one", "all bytes")
"""Bytes of the last beat of a frame."""
SHORT = tuple(range(1, 65))
EXCESS = ("1 byte", "2 bytes to a beat", "up to twice", "more than twice")
"""Bytes of a frame above the longest, 9,600."""
REMAINDER = tuple(range(16))
"""Bytes of a text modulo the AES block."""

# Statuses.
RX_KEPT = _names(RxStatus, RxStatus.OVERSIZE, RxStatus.SA_GONE, RxStatus.FAULT)
RX_OF_SA = ("AUTH_FAILED", "BAD_TRAILER", "SYNTAX", "TRUNCATED", "LATE", "REPLAYED", "EXPIRED",
            "SA_GONE", "BAD_UDP_CHECKSUM", "FAULT", "BAD_FRAME")
"""Statuses, but for OK, of a frame that finds an SA."""
TX_DROPS = _names(TxStatus, TxStatus.SEALED, TxStatus.BYPASSED, TxStatus.DROP_UNSUPPORTED)
"""Statuses that refuse, in a build with all parts."""
TX_SEEN = _names(
    TxStatus, TxStatus.DROP_SA_GONE, TxStatus.DROP_FAULT, TxStatus.DROP_UNSUPPORTED)
REQUEST = ("seal", "seal with trailer", "cut and seal", "bypass", "cut", "neither")
"""Demands of a descriptor; "neither" is no operation of the engine."""

# Numbers.
POSITION = ("left far", "left", "left edge", "bottom", "inside", "top", "next", "ahead", "whole",
            "ahead far")
"""A sequence number against a window of W from *bottom* to *top*. The left edge is right below the
bottom, "left" is up to W below it. "next" is top + 1, "ahead" is up to top + W - 1, and "whole" is
top + W: the window moves by its whole size."""
REGION = ("first", "low", "below 2^31", "from 2^31", "high", "below 2^32", "last of 32 bits",
          "from 2^32", "above", "below 2^64", "last of 64 bits")
"""A sequence number in its space. "below" and "from" are 64 numbers next to a boundary."""

# Commands.
PHASE = ("idle", "own frames", "other frames")
"""Frames inside the direction while a command runs: none; some that found the SA of the command;
others only."""
SELECT = ("nothing", "esn", "soft", "esn soft", "hard", "esn hard", "soft hard", "esn soft hard")
"""Fields that a MODIFY selects, by the bits of ``SaSelect``."""

RX_CONDITION = (
    "ends in the Ethernet header", "ends in the IP header", "ends in the UDP header",
    "ends in the ESP header", "ends before the IP or UDP length",
    "two VLAN tags", "service tag", "other EtherType",
    "IPv4 version", "IPv4 header length", "IPv4 options", "IPv4 total length",
    "more fragments", "fragment offset",
    "IPv6 version", "fragment header", "hop-by-hop", "routing", "authentication",
    "destination options",
    "other protocol", "other port", "port 0",
    "UDP length below 8", "UDP length beyond IP", "keepalive", "one byte, no keepalive",
    "8 bytes or fewer", "four zero bytes",
    "no room for the ESP header", "no room for trailer and ICV", "no SA",
    "UDP checksum", "number 0", "below 1", "left of the window", "above 2^64 - 1",
    "in the window before", "hard limit", "other ICV",
    "pad beyond the text", "no payload", "bad frame",
    "good", "good, bytes behind the packet", "good, bytes behind UDP", "good, dummy",
    "good, tag", "good, odd text", "good, one byte of payload", "good, 255 bytes of pad",
)
"""Reasons of the receive statuses, and kinds of good frames."""

CHECKSUM_NONE = (
    "fragment", "options", "UDP checksum 0", "UDP length below 8", "UDP beyond IP",
    "TCP header short", "beyond the frame",
)
"""Reasons for which a TCP or UDP checksum is not checked."""

TX_CONDITION = (
    "operation 0", "other operation", "reserved bit",
    "super-frame too long", "super-frame with trailer", "super-frame of other protocol",
    "cut: outer offset not 2 mod 4", "cut: L3 offset not 2 mod 4", "cut: L4 offset not 2 mod 4",
    "cut: header bytes not 2 mod 4", "cut: ESP offset not 2 mod 4", "cut: outer offset below 14",
    "cut: UDP header not 8", "cut: TCP header below 20", "cut: TCP header above 60",
    "cut: bypass with two headers", "cut: outer header too short", "cut: inner header too short",
    "cut: L3 before the text", "cut: L4 before the text", "cut: transport of two versions",
    "headers beyond the frame", "no payload", "MSS 0", "MSS too large",
    "too long", "checksum offset not 2 mod 4", "checksum offset too small",
    "checksum of too few bytes", "checksum beyond the frame",
    "handle 0", "handle free", "handle deleted", "handle beyond the table",
    "number 0", "number above 32 bits",
    "ESP offset below 34", "ESP offset not 2 mod 4", "ESP header beyond the frame",
    "text below 4 bytes", "text not a multiple of 4", "other SPI", "pad before the text",
    "pad in the checksum", "hard limit", "burst beyond 32 bits", "burst beyond 64 bits",
    "left of the window", "sealed before",
    "sealed, TFC padding", "sealed, longer than 9,600", "sealed, UDP checksum FFFF",
    "checksum of another protocol",
)
"""Reasons of the transmit statuses, and kinds of good requests."""

COMMAND_CONDITION = (
    "handle 0", "handle beyond the table", "handle 1", "last handle", "handle taken",
    "handle of a deleted SA", "look-up key taken", "handle free", "SA deleted", "SA in use",
    "key size", "ICV size", "window size", "window too large", "SPI 0", "IPv4 beyond 32 bits",
    "no number left", "reserved bit", "select beyond", "nothing selected", "no ESN",
    "window in the engine", "ESN of a transmit SA", "operation 0", "operation above 6",
)
"""Particulars of a command: reasons of its result, and ends of the handles."""

CROSSES = (
    Cross("rx.sa", "Every kind of SA opens frames.", {
        "status": ("OK",), "family": FAMILY, "mode": MODE, "key": KEY, "icv": ICV, "esn": ESN,
        "encapsulation": ENCAPSULATION, "width": WIDTH}),
    Cross("rx.refused", "Every kind of SA meets every status that is not OK.", {
        "status": RX_OF_SA, "family": FAMILY, "key": KEY, "icv": ICV, "esn": ESN,
        "encapsulation": ENCAPSULATION, "width": WIDTH}),
    Cross("rx.condition", "Every reason of a receive status.", {
        "condition": RX_CONDITION, "width": WIDTH}),
    Cross("rx.headers", "Every status behind all headers that can lead to it.", {
        "status": ("OK", "AUTH_FAILED", "BAD_TRAILER", "SYNTAX", "TRUNCATED", "BAD_HEADER",
                   "IP_OPTIONS", "FRAGMENT", "EXT_HEADER", "NOT_ESP", "KEEPALIVE",
                   "NON_ESP_MARKER", "NO_SA", "LATE", "REPLAYED", "EXPIRED", "BAD_UDP_CHECKSUM",
                   "BAD_FRAME"),
        "family": FAMILY, "protocol": ("esp", "udp", "tcp", "other"), "tags": TAGS,
        "width": WIDTH}),
    Cross("rx.shape", "Frames of every status with every length, ending anywhere in a beat.", {
        "status": RX_KEPT, "length": LENGTH, "ending": ENDING, "width": WIDTH}),
    Cross("rx.short", "Frames of every length from 1 byte on.", {
        "bytes": SHORT, "width": WIDTH}),
    Cross("rx.oversize", "Frames that are too long.", {
        "excess": EXCESS, "bad": (False, True), "width": WIDTH}),
    Cross("rx.text", "Opened texts of every length modulo 16, with each ICV and AAD.", {
        "remainder": REMAINDER, "icv": ICV, "esn": ESN, "width": WIDTH}),
    Cross("rx.stream", "Last beats: the MAC's word, and ends without a byte.", {
        "bad": (False, True), "null_end": (False, True), "beats": ("1", "2", "more"),
        "width": WIDTH}),
    Cross("rx.checksum", "What is said of the checksum of frames that were not opened.", {
        "verdict": ("NONE", "GOOD", "BAD"), "protocol": ("tcp", "udp"), "family": FAMILY,
        "tags": TAGS, "width": WIDTH}),
    Cross("rx.checksum_none", "Why a checksum was not checked.", {
        "reason": CHECKSUM_NONE, "family": FAMILY, "protocol": ("tcp", "udp")}),
    Cross("rx.outer_checksum", "The UDP checksum in front of ESP, beside every status.", {
        "verdict": ("NONE", "GOOD", "BAD"),
        "status": ("OK", "AUTH_FAILED", "BAD_TRAILER", "SYNTAX", "NO_SA", "LATE", "REPLAYED",
                   "EXPIRED", "BAD_UDP_CHECKSUM"),
        "family": FAMILY, "width": WIDTH}),
    Cross("rx.window", "Numbers at every place of every window, and what became of them.", {
        "position": POSITION, "status": ("OK", "AUTH_FAILED", "LATE", "REPLAYED"),
        "window": tuple(size for size in WINDOWS if size), "esn": ESN}),
    Cross("rx.half", "Windows that pass from one half of the low numbers into the next.", {
        "into": ("upper half", "next 2^32"), "window": tuple(size for size in WINDOWS if size)}),
    Cross("rx.numbers", "Numbers of every region.", {
        "numbering": NUMBERING, "region": REGION, "status": ("OK", "AUTH_FAILED")}),
    Cross("rx.told", "High halves that software tells, with and without an overlap.", {
        "overlap": (False, True), "half": ("lower", "upper"), "status": ("OK", "AUTH_FAILED")}),
    Cross("rx.ports", "UDP ports of ESP: how many there are, and which one a good frame is to.", {
        "ports": (1, 2, 3, 4), "place": (1, 2, 3, 4), "family": FAMILY}),
    Cross("rx.turn", "Keys of opened frames that follow each other.", {
        "before": KEY, "key": KEY, "same_sa": (False, True), "width": WIDTH}),
    Cross("rx.pairs", "Statuses of frames that follow each other.", {
        "before": (*RX_KEPT, "OVERSIZE"), "status": (*RX_KEPT, "OVERSIZE")}),
    Cross("tx.sa", "Every kind of SA seals frames.", {
        "status": ("SEALED",), "family": FAMILY, "mode": MODE, "key": KEY, "icv": ICV,
        "esn": ESN, "encapsulation": ENCAPSULATION, "trailer": TRAILER, "width": WIDTH}),
    Cross("tx.cut_sa", "Every kind of crypto seals segments.", {
        "segments": ("1", "2", "more"), "key": KEY, "icv": ICV, "esn": ESN, "width": WIDTH}),
    Cross("tx.refused", "Every status that refuses, for every kind of request.", {
        "status": TX_DROPS, "request": REQUEST, "width": WIDTH}),
    Cross("tx.condition", "Every reason of a transmit status.", {
        "condition": TX_CONDITION, "width": WIDTH}),
    Cross("tx.headers", "Sealed frames behind all headers.", {
        "family": FAMILY, "encapsulation": ENCAPSULATION, "tags": (0, 1, 2),
        "trailer": TRAILER, "width": WIDTH}),
    Cross("tx.shape", "Single frames that leave, of every length, ending anywhere in a beat.", {
        "request": ("seal", "seal with trailer", "bypass"), "length": LENGTH, "ending": ENDING,
        "width": WIDTH}),
    Cross("tx.oversize", "Requests that are too long.", {
        "request": ("seal", "seal with trailer", "bypass"), "excess": EXCESS, "width": WIDTH}),
    Cross("tx.text", "Texts of every length modulo 16 as they come, with each ICV and AAD.", {
        "trailer": TRAILER, "remainder": REMAINDER, "icv": ICV, "esn": ESN, "width": WIDTH}),
    Cross("tx.checksum", "Checksums that are put in, at every place, over odd lengths too.", {
        "request": ("seal", "seal with trailer", "bypass"), "protocol": ("tcp", "udp"),
        "odd": (False, True), "place": (2, 6, 10, 14), "width": WIDTH}),
    Cross("tx.cut_headers", "Super-frames with all headers.", {
        "path": ("bypass", "transport", "tunnel"), "family": FAMILY, "inner": FAMILY,
        "encapsulation": ENCAPSULATION, "protocol": ("tcp", "udp"), "tags": (0, 1, 2),
        "width": WIDTH}),
    Cross("tx.cut", "Super-frames of few and many segments, small and large.", {
        "segments": ("1", "2", "3-9", "10-64", "65-1024", "more"),
        "mss": ("1", "2-15", "16-64", "65-536", "537-1460", "more"),
        "last": ("whole", "short"), "protocol": ("tcp", "udp"), "width": WIDTH}),
    Cross("tx.cut_flags", "Flags of TCP that one segment alone keeps.", {
        "flag": ("FIN", "PSH", "CWR"), "segments": ("1", "2", "more"), "width": WIDTH}),
    Cross("tx.cut_id", "IDs of IPv4 headers in super-frames, past their end too.", {
        "header": ("bypass", "transport", "outer", "inner"), "fixed": (False, True),
        "options": (False, True), "wraps": (False, True)}),
    Cross("tx.numbers", "Numbers of every region, and bursts that reach into it.", {
        "esn": ESN, "request": ("single", "burst"), "region": REGION}),
    Cross("tx.guard", "Numbers at every place of the record of sealed ones.", {
        "guarded": (True, False), "position": POSITION,
        "status": ("SEALED", "DROP_LATE", "DROP_REPEATED"), "request": ("single", "burst")}),
    Cross("tx.turn", "Keys of sealed requests that follow each other.", {
        "before": KEY, "key": KEY, "same_sa": (False, True), "width": WIDTH}),
    Cross("tx.pairs", "Statuses of requests that follow each other.", {
        "before": TX_SEEN, "status": TX_SEEN}),
    Cross("sideband", "What becomes of a sideband that is not 0.", {
        "side": ("rx", "tx"), "fate": ("leaves", "leaves with segments", "stays"),
        "width": WIDTH}),
    Cross("sa.added", "Every kind of SA is added.", {
        "kept": ("software", "window", "guarded", "unguarded"), "family": FAMILY,
        "encapsulation": ENCAPSULATION, "key": KEY, "icv": ICV, "esn": ESN}),
    Cross("sa.limit", "Limits that are reached, by a frame or by the command that sets them.", {
        "side": ("rx", "tx"), "limit": ("soft", "hard"), "unit": ("packets", "bytes"),
        "set_by": ("ADD", "MODIFY"), "count": ("exactly", "beyond", "was there")}),
    Cross("command", "Every result of every command, with traffic and without.", {
        "operation": (*_names(SaOperation), "other"), "side": ("rx", "tx"),
        "result": _names(SaResult), "phase": PHASE}),
    Cross("command.condition", "What commands are refused for, and the ends of the table.", {
        "condition": COMMAND_CONDITION, "side": ("rx", "tx")}),
    Cross("command.modify", "Every choice of fields to modify, for every kind of number.", {
        "side": ("rx", "tx"), "select": SELECT, "numbering": NUMBERING,
        "result": ("OK", "EINVAL")}),
    Cross("event", "Causes of events.", {
        "kind": _names(EventKind), "side": ("rx", "tx")}),
    Cross("parts", "What a build without a part says of it.", {
        "without": ("segmentation", "IPv6, to receive", "IPv6, to add", "receive", "transmit",
                    "so large a window")}),
)
"""All crosses, in the order of a report."""

BY_NAME = {cross.name: cross for cross in CROSSES}
