"""The checks of a request to send, and the sealing of its frames.

``values`` are the fields of the request's TX_DESCRIPTOR.
"""

from collections.abc import Mapping

from espnic.model.device import segment
from espnic.model.device.opening import Trace
from espnic.model.device.segment import aligned
from espnic.model.esp import esp, trailer
from espnic.model.interface.codes import (
    ESP_ALIGNMENT_BYTES,
    ESP_TEXT_OFFSET,
    ESP_TRAILER_MIN_BYTES,
    FRAME_BYTES_MAX,
    SUPER_FRAME_BYTES_MAX,
    TxOperation,
    TxStatus,
)
from espnic.model.interface.headers import ESP_OFFSET_MIN
from espnic.model.net import checksum
from espnic.model.net.header_fields import ESP_SPI
from espnic.model.sa.sa import SecurityAssociation


def check_request(
    values: Mapping[str, int], frame: bytes, sa: SecurityAssociation | None, expired: bool,
    fault: bool = False,
) -> TxStatus:
    """SEALED or BYPASSED for a request that can be done; else the first check that fails.

    ``sa`` is the SA of the descriptor's handle, None when that is not in use; ``expired`` says
    whether it had reached a hard limit, ``fault`` whether it must not serve because the device
    errs.
    """
    refused = _check_frame(values, len(frame))
    if refused is not None:
        return refused
    if values["operation"] == TxOperation.BYPASS:
        return TxStatus.BYPASSED
    if fault:
        return TxStatus.DROP_FAULT
    if sa is None:
        return TxStatus.DROP_NO_SA
    limit = 1 << sa.sequence_bits
    if not 0 < values["sequence"] < limit:
        return TxStatus.DROP_SEQUENCE
    refused = _check_esp(values, frame, sa)
    if refused is not None:
        return refused
    if expired:
        return TxStatus.DROP_EXPIRED
    if values["lso"] and values["sequence"] + segment.count(values, len(frame)) > limit:
        return TxStatus.DROP_LSO_SEQUENCE
    return TxStatus.SEALED


def _check_frame(values: Mapping[str, int], frame_bytes: int) -> TxStatus | None:
    """The checks that need neither the SA nor the contents of the frame."""
    if values["lso"]:
        if frame_bytes > SUPER_FRAME_BYTES_MAX:
            return TxStatus.DROP_LSO_OVERSIZE
        return segment.check_lso(values, frame_bytes)
    if frame_bytes > FRAME_BYTES_MAX:
        return TxStatus.DROP_OVERSIZE
    return segment.check_checksum(values, frame_bytes) if values["checksum"] else None


def _check_esp(
    values: Mapping[str, int], frame: bytes, sa: SecurityAssociation,
) -> TxStatus | None:
    """The checks of ESP header, text and trailer."""
    offset = values["esp_offset"]
    text_offset = offset + ESP_TEXT_OFFSET
    if offset < ESP_OFFSET_MIN or not aligned(offset):
        return TxStatus.DROP_SYNTAX
    if len(frame) < text_offset:
        return TxStatus.DROP_SYNTAX
    if values["trailer"]:
        text_bytes = len(frame) - text_offset - sa.icv.bytes
        if text_bytes < ESP_ALIGNMENT_BYTES or text_bytes % ESP_ALIGNMENT_BYTES:
            return TxStatus.DROP_SYNTAX
    if ESP_SPI.read(frame[offset:]) != sa.spi:
        return TxStatus.DROP_SPI
    if values["trailer"] and not _trailer_fits(values, frame, sa):
        return TxStatus.DROP_TRAILER
    return None


def _trailer_fits(values: Mapping[str, int], frame: bytes, sa: SecurityAssociation) -> bool:
    """Whether the padding of a frame starts after the ESP IV and the summed bytes."""
    pad_length_at = len(frame) - sa.icv.bytes - ESP_TRAILER_MIN_BYTES
    pad_at = pad_length_at - frame[pad_length_at]
    payload_end = values["esp_offset"] + ESP_TEXT_OFFSET
    if values["checksum"] and values["l4_protocol"] in checksum.FIELDS:
        payload_end = values["l4_offset"] + values["l4_bytes"]
    return payload_end <= pad_at


def clear_frames(
    values: Mapping[str, int], frame: bytes, sa: SecurityAssociation | None,
) -> list[bytes]:
    """The frames of a good request before they are sealed, each with its checksum."""
    if values["lso"]:
        return segment.cut(values, frame, sa.icv.bytes if sa else 0)
    return [segment.put_checksum(values, frame) if values["checksum"] else frame]


def seal_frame(
    values: Mapping[str, int], frame: bytes, sa: SecurityAssociation, sequence: int, trace: Trace,
) -> bytes:
    """The wire frame of a clear frame, sealed with its ``sequence`` number.

    Adds the trace points of the encryption.
    """
    offset = values["esp_offset"]
    text_offset = offset + ESP_TEXT_OFFSET
    if values["trailer"]:
        text = frame[text_offset:-sa.icv.bytes]
    else:
        payload = frame[text_offset:]
        text = payload + trailer.build(len(payload), values["next_header"])
    sealed = esp.seal(sa, sequence, text)
    trace += [
        ("tx.trailer", {"text": text.hex()}),
        ("tx.seqiv", {"spi": sa.spi, "sequence": sequence, "iv": sealed.iv.hex()}),
        ("tx.seal", {"text": sealed.ciphertext.hex()}),
        ("tx.icv", {"tag": sealed.tag.hex()}),
    ]
    return frame[:offset] + sealed.packet
