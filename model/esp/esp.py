"""ESP with AES-GCM on byte strings: seal and open (RFC 4303, RFC 4106)."""

import hmac
from dataclasses import dataclass

from espnic.model.crypto import gcm
from espnic.model.esp import seqiv
from espnic.model.interface.codes import ESP_HEADER_BYTES, ESP_TEXT_OFFSET
from espnic.model.sa.sa import SecurityAssociation

"""Bytes from the start of the ESP header to the ciphertext."""


def header(sa: SecurityAssociation, sequence: int) -> bytes:
    """The 8-byte ESP header: SPI and the low half of the sequence number, big endian."""
    return sa.spi.to_bytes(4, "big") + (sequence & 0xFFFFFFFF).to_bytes(4, "big")


def aad(sa: SecurityAssociation, sequence: int) -> bytes:
    """What is authenticated but not encrypted (RFC 4106, 5).

    8 bytes SPI and sequence number; with ESN 12 bytes, the high half of the
    64-bit ``sequence`` in between although it is not sent. The IV is not in it.
    """
    spi = sa.spi.to_bytes(4, "big")
    return spi + sequence.to_bytes(8, "big") if sa.esn else header(sa, sequence)


def nonce(sa: SecurityAssociation, iv: bytes) -> bytes:
    """The 12-byte GCM IV: the SA's salt, then the 8-byte IV of the packet (RFC 4106, 4)."""
    return sa.salt + iv


@dataclass(frozen=True)
class Sealed:
    """An ESP packet and the values on the way to it."""

    header: bytes
    """8 bytes."""
    iv: bytes
    """8 bytes."""
    ciphertext: bytes
    tag: bytes
    """All 16 bytes of it."""
    icv_bytes: int

    @property
    def packet(self) -> bytes:
        """The ESP packet on the wire: header, IV, ciphertext, ICV."""
        return self.header + self.iv + self.ciphertext + self.tag[:self.icv_bytes]


def seal(sa: SecurityAssociation, sequence: int, text: bytes) -> Sealed:
    """Encrypt and authenticate ``text``, which is the payload with its trailer.

    ``sequence`` is the whole number, 64 bits with ESN. Raises ``ValueError``
    when the SA has no seqiv salt and so cannot send.
    """
    if sa.seqiv_salt is None:
        raise ValueError(f"SA {sa.name or hex(sa.spi)} has no seqiv_salt, expected 8 bytes to send")
    iv = seqiv.iv(sequence, sa.seqiv_salt)
    ciphertext, tag = gcm.seal(sa.key, nonce(sa, iv), aad(sa, sequence), text)
    return Sealed(header(sa, sequence), iv, ciphertext, tag, sa.icv.bytes)


@dataclass(frozen=True)
class Opened:
    """What decryption of an ESP packet gives."""

    text: bytes
    """Payload and trailer as counter mode gives them, authentic or not."""
    tag: bytes
    """The 16-byte tag that the packet should have."""
    authentic: bool
    """The packet's ICV is the beginning of ``tag``."""


def open(sa: SecurityAssociation, sequence_high: int, packet: bytes) -> Opened:
    """Decrypt an ESP packet that starts at its ESP header and ends with its ICV.

    ``packet`` has at least header, IV, 2 bytes of trailer and ICV.
    ``sequence_high`` is the high half of its sequence number, ignored without ESN.
    """
    sequence = sequence_high << 32 | int.from_bytes(packet[4:8], "big")
    icv = packet[-sa.icv.bytes:]
    iv = packet[ESP_HEADER_BYTES:ESP_TEXT_OFFSET]
    ciphertext = packet[ESP_TEXT_OFFSET:-sa.icv.bytes]
    text, tag = gcm.open(sa.key, nonce(sa, iv), aad(sa, sequence), ciphertext)
    return Opened(text, tag, hmac.compare_digest(tag[:sa.icv.bytes], icv))
