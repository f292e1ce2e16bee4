"""Trace of the RTL, in the form of the model's, from the values at its trace points.

The engine's taps give plain integers in packet order, without the packet that they belong to.
The packet follows from the frames: every frame is parsed and judged, every ESP packet is looked
up, every frame of an SA whose lengths fit is opened.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from espnic.model.device.device import IN_FLIGHT_MAX
from espnic.model.interface.codes import (
    ESP_IV_BYTES,
    ESP_TEXT_OFFSET,
    ESP_TRAILER_MIN_BYTES,
    SIDES,
    IcvSize,
    RxStatus,
    SaDirection,
    SaOperation,
    SaResult,
    TxStatus,
)
from espnic.model.interface.layouts import (
    RX_COMPLETION,
    RX_LOOKED_UP,
    RX_PARSED,
    TX_DESCRIPTOR,
    TX_SEQIV,
    TX_VERDICT,
    Layout,
)
from espnic.model.net.addresses import address_of
from espnic.model.trace import TraceRecord
from espnic.sim.traffic.steps import Command, Outcome, Received, RxFrame, Step, TxFrame

TAP_NAMES = (
    "rx_parse", "rx_window", "rx_lookup", "rx_open", "rx_icv", "rx_verdict",
    "tx_segment", "tx_verdict", "tx_trailer", "tx_seqiv", "tx_seal", "tx_icv",
)


def tap_names(sides: Iterable[str]) -> list[str]:
    """The trace points of some of ``SIDES``."""
    return [name for name in TAP_NAMES if name.split("_")[0] in sides]


_VERDICTS = 2 * IN_FLIGHT_MAX
"""Modulus of the count of verdicts in ``rx_window``."""
TAG_BYTES = 16


@dataclass
class Observed:
    """Observations at the engine's ports and taps, in order."""

    results: list[int] = field(default_factory=list)
    """SaResult of each command."""
    to_host: list[tuple[int, str]] = field(default_factory=list)
    """Completion and bytes (hex) of each frame to the host."""
    to_wire: list[str] = field(default_factory=list)
    sidebands: dict[str, list[int]] = field(
        default_factory=lambda: {side: [] for side in SIDES})
    """Sideband of each frame that has left, by side."""
    taps: dict[str, list[int]] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    clocks: int = 0
    """Clocks from the first beat in to the last beat out."""
    problem: str | None = None
    """Broken rule, or what never came; None when all is well."""


@dataclass(frozen=True)
class Before:
    """State of an engine before the steps that are to be read."""

    icv_sizes: Mapping[int, IcvSize] = field(default_factory=dict)
    """ICV sizes of its receive SAs, by handle."""
    received: int = 0
    """Frames that have come from the wire."""


FROM_RESET = Before()


def outcome_of(
    steps: Sequence[Step], seen: Observed, width: int, before: Before = FROM_RESET,
) -> Outcome:
    """Outcome of the RTL for the steps, from what was seen, at ``width`` bits a beat."""
    reader = _Reader(seen, width, before)
    for step in steps:
        match step:
            case Command(values):
                reader.command(values)
            case RxFrame(data=data):
                reader.received(data)
            case TxFrame(descriptor=descriptor, data=data):
                reader.sent(descriptor, data)
    reader.leftovers()
    return Outcome(
        results=[SaResult(result) for result in seen.results],
        received=[
            Received(RX_COMPLETION.unpack(user), bytes.fromhex(data))
            for user, data in seen.to_host
        ],
        sent=[bytes.fromhex(data) for data in seen.to_wire],
        sidebands=seen.sidebands,
        trace=reader.trace,
        in_flight=reader.in_flight,
        counters=seen.counters,
    )


def in_flight(verdicts: Sequence[int], frames: int, received: int = 0) -> list[int]:
    """Number of frames before each from the wire that had no verdict yet when it was looked up.

    ``verdicts`` are the payloads at ``rx_window``: how many frames had one, since the reset. A
    frame without a payload counts as alone. ``received`` frames came before.
    """
    numbers = range(received, received + frames)
    known = [*verdicts, *numbers[len(verdicts):]]
    return [(number - count) % _VERDICTS for number, count in zip(numbers, known, strict=False)]


class _Reader:
    """Assignment of the observations to the packets, in order."""

    def __init__(self, seen: Observed, width: int, before: Before) -> None:
        self.trace: list[TraceRecord] = []
        frames = len(seen.taps.get("rx_window", ()))
        self.in_flight = in_flight(seen.taps.get("rx_window", ()), frames, before.received)
        self._width = width
        self._taps: dict[str, Iterator[Any]] = {
            name: iter(seen.taps.get(name, ())) for name in TAP_NAMES
        }
        for name in ("rx_open", "tx_segment", "tx_trailer", "tx_seal"):
            self._taps[name] = _texts(seen.taps.get(name, ()), width)
        self._results = iter(seen.results)
        self._to_host = iter(seen.to_host)
        self._to_wire = iter(seen.to_wire)
        self._icv_sizes = dict(before.icv_sizes)
        self._packets = {"rx": 0, "tx": 0}

    def command(self, values: dict[str, int]) -> None:
        """Follow the ICV sizes of the receive SAs, which tell the lengths that fit."""
        if (next(self._results, None) != SaResult.OK
                or values.get("direction", SaDirection.RX) != SaDirection.RX):
            return
        if values["operation"] == SaOperation.ADD:
            self._icv_sizes[values["sa"]] = IcvSize(values["icv_size"])

    def received(self, frame: bytes) -> None:
        """Add the trace points of a frame from the wire."""
        self._packets["rx"] += 1
        self._add("rx.in", {"frame": frame.hex()})
        next(self._taps["rx_window"], None)
        parsed = self._next("rx_parse", RX_PARSED)
        found = None
        if parsed is not None and parsed["status"] == RxStatus.OK:
            found = self._next("rx_lookup", RX_LOOKED_UP)
        opened = found is not None and self._is_opened(frame, parsed, found)
        text = next(self._taps["rx_open"], None) if opened else None
        tag = next(self._taps["rx_icv"], None) if opened else None
        verdict = self._next("rx_verdict", RX_COMPLETION)
        if parsed is not None:
            self._add("rx.parse", _parse_fields(parsed))
        if found is not None:
            self._add("rx.lookup", found)
        # A frame with such an end was opened only because its end came too late.
        if verdict is None or verdict["status"] not in (
                RxStatus.TRUNCATED, RxStatus.OVERSIZE, RxStatus.BAD_UDP_CHECKSUM,
                RxStatus.BAD_FRAME):
            self._add_text("rx.open", text)
            self._add_tag("rx.icv", tag)
        if verdict is None:
            return
        self._add("rx.verdict", verdict | {"status": _name(RxStatus, verdict["status"])})
        if verdict["status"] != RxStatus.OVERSIZE:
            _completion, frame_out = next(self._to_host, (0, None))
            self._add_frame("rx.out", frame_out)

    def sent(self, descriptor: dict[str, int], frame: bytes) -> None:
        """Add the trace points of a request of the host."""
        self._packets["tx"] += 1
        values = TX_DESCRIPTOR.unpack(TX_DESCRIPTOR.pack(descriptor))
        self._add("tx.in", values | {"frame": frame.hex()})
        while not self._left(values):
            pass

    def _left(self, values: dict[str, int]) -> bool:
        """Add the trace points of a frame of a request; return whether it is the last."""
        verdict = self._next("tx_verdict", TX_VERDICT)
        if verdict is None:
            return True
        last = bool(verdict.pop("last"))
        keep = verdict["status"] <= TxStatus.BYPASSED
        if keep and (values["lso"] or values["checksum"]):
            self._add_text("tx.segment", next(self._taps["tx_segment"], None), "frame")
        self._add("tx.verdict", verdict | {"status": _name(TxStatus, verdict["status"])})
        if verdict["status"] == TxStatus.SEALED:
            self._add_text("tx.trailer", next(self._taps["tx_trailer"], None))
            seqiv = self._next("tx_seqiv", TX_SEQIV)
            if seqiv is not None:
                iv = seqiv["iv"].to_bytes(ESP_IV_BYTES, "big")
                self._add("tx.seqiv", seqiv | {"iv": iv.hex()})
            self._add_text("tx.seal", next(self._taps["tx_seal"], None))
            self._add_tag("tx.icv", next(self._taps["tx_icv"], None))
        if keep:
            self._add_frame("tx.out", next(self._to_wire, None))
        return last

    def leftovers(self) -> None:
        """Add what no packet accounts for, under the number after that of the last packet."""
        self._packets["rx"] += 1
        self._packets["tx"] += 1
        for _completion, frame in self._to_host:
            self._add("rx.out", {"frame": frame})
        for frame in self._to_wire:
            self._add("tx.out", {"frame": frame})
        for name, values in self._taps.items():
            for value in values:
                shown = value.hex() if isinstance(value, bytes) else hex(value)
                self._add(name.replace("_", ".", 1), {"unexpected": shown})

    def _is_opened(
        self, frame: bytes, parsed: dict[str, int] | None, found: dict[str, int],
    ) -> bool:
        icv = self._icv_sizes.get(found["sa"])
        if parsed is None or icv is None or not found["hit"]:
            return False
        fits = parsed["esp_bytes"] >= ESP_TEXT_OFFSET + ESP_TRAILER_MIN_BYTES + icv.bytes
        return fits and len(frame) >= parsed["esp_offset"] + ESP_TEXT_OFFSET

    def _next(self, tap: str, layout: Layout) -> dict[str, int] | None:
        word = next(self._taps[tap], None)
        return None if word is None else layout.unpack(word)

    def _add(self, point: str, fields: dict[str, Any]) -> None:
        self.trace.append(TraceRecord(self._packets[point[:2]], point, fields))

    def _add_text(self, point: str, text: bytes | None, name: str = "text") -> None:
        if text is not None:
            self._add(point, {name: text.hex()})

    def _add_tag(self, point: str, tag: int | None) -> None:
        if tag is not None:
            self._add(point, {"tag": tag.to_bytes(TAG_BYTES, "little").hex()})

    def _add_frame(self, point: str, frame: str | None) -> None:
        if frame is not None:
            self._add(point, {"frame": frame})


def _texts(beats: Sequence[int], width: int) -> Iterator[bytes]:
    """Join beats (data, count, first and last, see ``hdl.layouts.beat``) to whole texts."""
    count_bits = (width // 8).bit_length()
    text = bytearray()
    for word in beats:
        data = word & ((1 << width) - 1)
        count = (word >> width) & ((1 << count_bits) - 1)
        last = (word >> (width + count_bits + 1)) & 1
        text += data.to_bytes(width // 8, "little")[:count]
        if last:
            yield bytes(text)
            text.clear()


def _parse_fields(parsed: dict[str, int]) -> dict[str, Any]:
    if parsed["status"] != RxStatus.OK:
        return {"status": _name(RxStatus, parsed["status"])}
    destination = address_of(parsed["destination"], parsed["ipv6"])
    return parsed | {"status": RxStatus.OK.name, "destination": str(destination)}


def _name(statuses: type[RxStatus] | type[TxStatus], value: int) -> str:
    """Name of a status, or the number when it is no status: the comparison then shows it."""
    try:
        return statuses(value).name
    except ValueError:
        return str(value)
