"""The opening of a received frame whose SA was found: decryption and the checks after it."""

from dataclasses import dataclass, field, replace
from typing import Any

from espnic.model.device import receive_checksum
from espnic.model.esp import esp, trailer
from espnic.model.esp.replay import Window
from espnic.model.interface.codes import (
    ESP_TEXT_OFFSET,
    ESP_TRAILER_MIN_BYTES,
    RxChecksum,
    RxStatus,
)
from espnic.model.net.packet import Parsed
from espnic.model.sa.sa import SecurityAssociation

Trace = list[tuple[str, dict[str, Any]]]
"""Trace points of a frame in turn, each with its fields."""


@dataclass(frozen=True)
class Opened:
    """Outcome of a received frame after the parser."""

    status: RxStatus
    plain: bytes | None = None
    """The frame with its plaintext; None unless OK."""
    fields: dict[str, int] = field(default_factory=dict)
    """The fields of RX_COMPLETION that are 0 unless OK."""
    payload_end: int | None = None
    """Offset in the frame of the trailer; None unless OK."""
    text_bytes: int = 0
    """Bytes by which the SA was used; 0 unless it was."""
    sequence: int = 0
    """64-bit sequence number of a frame that used its SA."""


@dataclass(frozen=True)
class SaState:
    """State of a receive SA when a frame finds it."""

    window: Window | None
    """The device's replay window, if it keeps one. An authentic frame moves it."""
    expired: bool
    """Whether a hard limit has been reached."""
    wrong: bool = False
    """Whether its secrets are not what was written."""


def open_frame(
    frame: bytes, parsed: Parsed, sa: SecurityAssociation, high: int, state: SaState, trace: Trace,
) -> Opened:
    """Decrypt a frame whose SA was found, and add the trace points of the decryption.

    ``high`` is the high half of its sequence number. The first check that fails gives the status:
    lengths, secrets, checksum of the UDP header in front of ESP, replay window, hard limits, ICV,
    trailer.
    """
    if parsed.esp_bytes < ESP_TEXT_OFFSET + ESP_TRAILER_MIN_BYTES + sa.icv.bytes:
        return Opened(RxStatus.SYNTAX)
    end = parsed.esp_offset + parsed.esp_bytes
    if len(frame) < end:
        return Opened(RxStatus.TRUNCATED)
    if state.wrong:
        return Opened(RxStatus.FAULT)
    if receive_checksum.outer_status(frame, parsed) == RxChecksum.BAD:
        return Opened(RxStatus.BAD_UDP_CHECKSUM)
    opened = esp.open(sa, high, frame[parsed.esp_offset:end])
    trace.append(("rx.open", {"text": opened.text.hex()}))
    trace.append(("rx.icv", {"tag": opened.tag.hex()}))
    sequence = high << 32 | parsed.sequence
    status = _judge(state, sequence, opened.authentic)
    if status != RxStatus.OK:
        return Opened(status)
    if state.window is not None:
        state.window.advance(sequence)
    return _opened(frame, parsed, sa, sequence, opened.text)


def _judge(state: SaState, sequence: int, authentic: bool) -> RxStatus:
    """The verdict on a decrypted frame, but for its trailer."""
    if state.window is not None and (late := state.window.check(sequence)) != RxStatus.OK:
        return late
    if state.expired:
        return RxStatus.EXPIRED
    return RxStatus.OK if authentic else RxStatus.AUTH_FAILED


def _opened(
    frame: bytes, parsed: Parsed, sa: SecurityAssociation, sequence: int, text: bytes,
) -> Opened:
    """The outcome of an authentic frame: OK, or BAD_TRAILER. It has used its SA in either case."""
    used = Opened(RxStatus.BAD_TRAILER, text_bytes=len(text), sequence=sequence)
    trailer_bytes = trailer.length(text)
    if trailer_bytes is None:
        return used
    text_offset = parsed.esp_offset + ESP_TEXT_OFFSET
    text_end = text_offset + len(text)
    fields = {
        "esp_offset": parsed.esp_offset,
        "next_header": text[-1],
        "trailer_bytes": trailer_bytes + sa.icv.bytes,
    }
    return replace(
        used, status=RxStatus.OK, plain=frame[:text_offset] + text + frame[text_end:],
        fields=fields, payload_end=text_end - trailer_bytes)
