"""The explicit IV made from the sequence number, as Linux's generator "seqiv" makes it."""

from espnic.model.interface.codes import ESP_IV_BYTES


def iv(sequence: int, seqiv_salt: bytes) -> bytes:
    """The 8-byte IV: the 64-bit sequence number, big-endian, XOR the SA's 8-byte seqiv salt.

    The salt is random, made once for each SA and never sent; it only hides the
    sequence number. It is not the 4-byte salt of RFC 4106, which both peers know.
    """
    mask = int.from_bytes(seqiv_salt, "big")
    return (sequence ^ mask).to_bytes(ESP_IV_BYTES, "big")
