"""Bins of the functional coverage that frames from the wire hit."""

from collections.abc import Mapping, Sequence
from typing import Any

from espnic.model.esp import esn
from espnic.model.esp.replay import high_above
from espnic.model.interface.codes import (
    ESP_TRAILER_MIN_BYTES,
    FRAME_BYTES_MAX,
    IPPROTO_IPIP,
    IPPROTO_IPV6,
    IPPROTO_NONE,
    EventKind,
    RxChecksum,
)
from espnic.model.interface.features import Features
from espnic.model.interface.headers import UDP_DESTINATION_PORT_AT
from espnic.model.interface.registers import PORTS_DEFAULT
from espnic.sim.coverage.functional_commands import Hit, use
from espnic.sim.coverage.functional_headers import Headers, headers_of, refusal, unchecked, word
from espnic.sim.coverage.functional_places import (
    beats_class,
    ending,
    excess,
    extended_position,
    length_class,
    position,
    region,
)
from espnic.sim.coverage.functional_sas import Sa, Sas
from espnic.sim.traffic.steps import RxFrame

Records = Mapping[str, Mapping[str, Any]]
"""Fields of the records of a frame, by trace point."""

_SCOPE = 1 << 32
_TUNNELLED = (IPPROTO_IPIP, IPPROTO_IPV6)
_PAD_MAX = 255
_CONDITIONS = {
    "NO_SA": "no SA", "BAD_UDP_CHECKSUM": "UDP checksum", "REPLAYED": "in the window before",
    "EXPIRED": "hard limit", "AUTH_FAILED": "other ICV", "BAD_FRAME": "bad frame",
}
_CHECKSUMS = {int(state): state.name for state in RxChecksum}


class RxBins:
    """Bins that frames from the wire hit."""

    def __init__(self, hit: Hit, features: Features, sas: Sas) -> None:
        self._hit = hit
        self._features = features
        self._beat_bytes = features.width // 8
        self._sas = sas
        self._ports: Sequence[int] = PORTS_DEFAULT
        self._last_status = ""
        self._last_opened: Sa | None = None

    def set_ports(self, numbers: Sequence[int]) -> None:
        """Follow the UDP ports of ESP."""
        self._ports = numbers

    def note(self, step: RxFrame, records: Records) -> None:
        """Note a frame and its trace; one without a verdict is left out."""
        verdict = records.get("rx.verdict")
        if verdict is None or not step.data:
            return
        status = verdict["status"]
        self._note_stream(step, status)
        if self._last_status:
            self._hit("rx.pairs", self._last_status, status)
        self._last_status = status
        if status == "OVERSIZE":
            return
        headers = headers_of(step.data)
        parsed = records.get("rx.parse", {})
        sa = self._sas.get("rx", records.get("rx.lookup", {}).get("sa", 0))
        self._note_headers(status, headers)
        self._note_checksums(step.data, verdict, headers)
        if "esp_offset" not in parsed:
            self._note_parser(step.data, status, headers)
            return
        if headers.protocol == "udp":
            self._hit("rx.outer_checksum", _CHECKSUMS[verdict["outer_checksum"]], status,
                      headers.family, self._features.width)
        self._condition(_CONDITIONS.get(status, ""))
        if sa is not None:
            self._note_sa(sa, status, parsed, records)
        if status == "OK":
            self._note_good(step.data, headers, parsed, records)

    def _condition(self, name: str) -> None:
        if name:
            self._hit("rx.condition", name, self._features.width)

    def _note_stream(self, step: RxFrame, status: str) -> None:
        """Note the length, the last beat and the sideband of a frame."""
        hit, width, size = self._hit, self._features.width, len(step.data)
        beats = beats_class(size, self._beat_bytes)
        hit("rx.stream", step.bad, step.null_end, beats, width)
        hit("rx.short", size, width)
        if size > FRAME_BYTES_MAX:
            hit("rx.oversize", excess(size, self._beat_bytes), step.bad, width)
        else:
            hit("rx.shape", status, length_class(size), ending(size, self._beat_bytes), width)
        if self._features.sideband and step.sideband:
            hit("sideband", "rx", "stays" if status == "OVERSIZE" else "leaves", width)

    def _note_headers(self, status: str, headers: Headers) -> None:
        if headers.protocol:
            self._hit("rx.headers", status, headers.family, headers.protocol, headers.tags,
                      self._features.width)

    def _note_checksums(
        self, frame: bytes, verdict: Mapping[str, Any], headers: Headers,
    ) -> None:
        if headers.protocol not in ("tcp", "udp") or verdict["status"] in ("OK", "BAD_FRAME"):
            return
        state = _CHECKSUMS[verdict["checksum_status"]]
        self._hit("rx.checksum", state, headers.protocol, headers.family, headers.tags,
                  self._features.width)
        if state == "NONE" and (reason := unchecked(frame, headers)):
            self._hit("rx.checksum_none", reason, headers.family, headers.protocol)

    def _note_parser(self, frame: bytes, status: str, headers: Headers) -> None:
        """Note the reason of a status that the parser gives."""
        if status == "BAD_FRAME":
            self._condition("bad frame")
        elif status == "NOT_IP" and headers.family:
            self._hit("parts", "IPv6, to receive")
        else:
            self._condition(refusal(status, frame, headers))

    def _note_sa(
        self, sa: Sa, status: str, parsed: Mapping[str, Any], records: Records,
    ) -> None:
        """Note a frame that found an SA."""
        hit, width = self._hit, self._features.width
        if status == "OK":
            next_header = records["rx.verdict"]["next_header"]
            mode = "tunnel" if next_header in _TUNNELLED else "transport"
            hit("rx.sa", status, sa.family, mode, sa.key, sa.icv, sa.esn, sa.encapsulation, width)
        else:
            hit("rx.refused", status, sa.family, sa.key, sa.icv, sa.esn, sa.encapsulation, width)
            self._condition({"SYNTAX": "no room for trailer and ICV",
                             "TRUNCATED": "ends before the IP or UDP length"}.get(status, ""))
        opened = records.get("rx.open")
        if opened is None:
            return
        last = self._last_opened
        if last is not None:
            hit("rx.turn", last.key, sa.key, last is sa, width)
        self._last_opened = sa
        text_bytes = len(opened["text"]) // 2
        number = self._number(sa, status, parsed["sequence"])
        if status == "OK":
            hit("rx.text", text_bytes % 16, sa.icv, sa.esn, width)
        if status in ("OK", "BAD_TRAILER"):
            use(hit, "rx", sa, 1, text_bytes)
            self._advance(sa, number)
        if status == "BAD_TRAILER":
            pad = int(opened["text"][-4:-2], 16)
            fits = pad + ESP_TRAILER_MIN_BYTES == text_bytes
            self._condition("no payload" if fits else "pad beyond the text")

    def _number(self, sa: Sa, status: str, low: int) -> int:
        """The sequence number with which a frame was opened; hits the bins of its place."""
        hit = self._hit
        if not sa.esn:
            number = low
        elif sa.window:
            bottom = sa.top - sa.window + 1
            number = high_above(bottom, low) << 32 | low
        else:
            number = esn.device_high(low, sa.esn_high, sa.overlap) << 32 | low
            half = "upper" if low >= esn.HALF else "lower"
            hit("rx.told", sa.overlap, half, status)
        if number:
            hit("rx.numbers", sa.numbering, region(number), status)
        if sa.window:
            self._note_window(sa, status, number, low)
        return number

    def _note_window(self, sa: Sa, status: str, number: int, low: int) -> None:
        if status == "LATE" and (number == 0 or sa.esn):
            bottom = sa.top - sa.window + 1
            if number == 0:
                self._condition("number 0")
            elif number >= bottom + _SCOPE:
                self._condition("below 1")
            elif number < bottom:
                self._condition("above 2^64 - 1")
            # Else frames in flight have moved the window: which number it was is not known.
            return
        if status == "LATE":
            self._condition("left of the window")
        place = (extended_position(low, sa.top, sa.window) if sa.esn
                 else position(number, sa.top, sa.window))
        self._hit("rx.window", place, status, sa.window, sa.esn)

    def _advance(self, sa: Sa, number: int) -> None:
        """Move the window of an SA by an authentic frame."""
        before = sa.top
        if not sa.window or number <= before:
            return
        sa.top = number
        if sa.esn and (before ^ number) & esn.HALF:
            self._hit("event", EventKind.ESN_HALF.name, "rx")
            into = "upper half" if number & esn.HALF else "next 2^32"
            self._hit("rx.half", into, sa.window)

    def _note_good(
        self, frame: bytes, headers: Headers, parsed: Mapping[str, Any], records: Records,
    ) -> None:
        """Note the particulars of a frame that was opened."""
        self._condition("good")
        if len(frame) > headers.layer4 + headers.ip_bytes:
            self._condition("good, bytes behind the packet")
        if headers.protocol == "udp":
            end = parsed["esp_offset"] + parsed["esp_bytes"]
            if end < headers.layer4 + headers.ip_bytes:
                self._condition("good, bytes behind UDP")
            self._note_port(word(frame, headers.layer4 + UDP_DESTINATION_PORT_AT), headers.family)
        text = records["rx.open"]["text"]
        text_bytes, pad = len(text) // 2, int(text[-4:-2], 16)
        for name, holds in (
                ("good, dummy", int(text[-2:], 16) == IPPROTO_NONE),
                ("good, tag", headers.tags),
                ("good, odd text", text_bytes % 2),
                ("good, one byte of payload", text_bytes - pad - ESP_TRAILER_MIN_BYTES == 1),
                ("good, 255 bytes of pad", pad == _PAD_MAX)):
            if holds:
                self._condition(name)

    def _note_port(self, port: int, family: int) -> None:
        used = [number for number in self._ports if number]
        if port in used:
            self._hit("rx.ports", len(used), used.index(port) + 1, family)
