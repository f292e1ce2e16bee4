"""ESP trailer: padding, pad length and next header (RFC 4303, 2.4 to 2.7)."""

from espnic.model.interface.codes import ESP_ALIGNMENT_BYTES, ESP_TRAILER_MIN_BYTES


def build(payload_bytes: int, next_header: int, tfc_bytes: int = 0) -> bytes:
    """Trailer that follows a payload: TFC zeros, pad 1, 2, 3 ..., pad length and next header.

    The pad is the shortest with which payload and trailer are a multiple of 4 bytes long.
    ``tfc_bytes`` zeros come first (RFC 4303, 2.7).
    """
    pad_length = -(payload_bytes + tfc_bytes + ESP_TRAILER_MIN_BYTES) % ESP_ALIGNMENT_BYTES
    return bytes(tfc_bytes) + bytes(range(1, pad_length + 1)) + bytes([pad_length, next_header])


def length(text: bytes) -> int | None:
    """Bytes of the trailer that ends ``text`` (pad, pad length, next header); None if it is bad.

    A trailer is bad, as in Linux, if it leaves no byte of payload. The
    contents of the pad are not checked, so TFC zeros count as payload.
    ``text`` has 2 bytes or more.
    """
    trailer_bytes = text[-2] + ESP_TRAILER_MIN_BYTES
    return trailer_bytes if trailer_bytes < len(text) else None
