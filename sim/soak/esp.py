"""ESP with the ``cryptography`` package alone, for traffic and oracles.

It shares no code with the golden model, so that a mistake there does not hide itself. An SA is the
fields of the ADD command that made it.
"""

from collections.abc import Mapping

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HEADER_BYTES = 16
"""ESP header and IV, in front of the text."""

Added = Mapping[str, int]
"""Fields of an ADD command."""


def icv_bytes(added: Added) -> int:
    """Length of the ICV of an SA: 8, 12 or 16."""
    return 8 + 4 * added["icv_size"]


def key(added: Added) -> bytes:
    """The AES key of an SA."""
    return added["key"].to_bytes(32, "little")[:16 + 8 * added["key_size"]]


def nonce(added: Added, iv: bytes) -> bytes:
    """The IV of GCM: salt, then the IV of the packet (RFC 4106, 4)."""
    return added["salt"].to_bytes(4, "big") + iv


def seal(added: Added, sequence: int, iv: bytes, text: bytes) -> bytes:
    """The ESP packet with this text under a 64-bit sequence number."""
    header = added["spi"].to_bytes(4, "big") + (sequence & 0xFFFFFFFF).to_bytes(4, "big")
    sealed = AESGCM(key(added)).encrypt(nonce(added, iv), text, _aad(added, sequence))
    return header + iv + sealed[:len(text) + icv_bytes(added)]


def open_packet(added: Added, packet: bytes, high: int) -> bytes | None:
    """The text of an ESP packet, with this high half of its number; None if it is not authentic.

    GCM encrypts by XOR, so that a second encryption decrypts. Tags may be shorter than 16 bytes,
    which the package does not check: the text is encrypted once more and compared.
    """
    if packet[:4] != added["spi"].to_bytes(4, "big"):
        return None
    size = icv_bytes(added)
    iv, sealed = packet[8:HEADER_BYTES], packet[HEADER_BYTES:]
    aad = _aad(added, high << 32 | int.from_bytes(packet[4:8], "big"))
    cipher, starting = AESGCM(key(added)), nonce(added, iv)
    text = cipher.encrypt(starting, sealed[:-size], None)[:-16]
    again = cipher.encrypt(starting, text, aad)[:len(text) + size]
    return text if again == sealed else None


def _aad(added: Added, sequence: int) -> bytes:
    """SPI and sequence number, with ESN all 64 bits of it (RFC 4106, 5)."""
    if added["esn"]:
        return added["spi"].to_bytes(4, "big") + sequence.to_bytes(8, "big")
    return added["spi"].to_bytes(4, "big") + (sequence & 0xFFFFFFFF).to_bytes(4, "big")
