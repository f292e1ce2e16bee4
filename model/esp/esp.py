"""ESP with AES-GCM on byte strings: seal and open (RFC 4303, RFC 4106)."""

import hmac
from dataclasses import dataclass

from espnic.model.crypto import gcm
from espnic.model.esp import seqiv
from espnic.model.interface.codes import (
    ESP_HEADER_BYTES,
    ESP_TEXT_OFFSET,
    ESP_TRAILER_MIN_BYTES,
)
from espnic.model.net.header_fields import ESP_SEQUENCE
from espnic.model.sa.sa import SecurityAssociation


def header(sa: SecurityAssociation, sequence: int) -> bytes:
    """The 8-byte ESP header: SPI and the low half of the sequence number, big-endian."""
    return sa.spi.to_bytes(4, "big") + (sequence & 0xFFFFFFFF).to_bytes(4, "big")


def aad(sa: SecurityAssociation, sequence: int) -> bytes:
    """The AAD: what is authenticated but not encrypted (RFC 4106, 5).

    Without ESN 8 bytes: SPI and 32-bit sequence number. With ESN 12 bytes: SPI and the 64-bit
    ``sequence``, whose high half is not sent. The IV is not in it.
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
    """ESP header, 8 bytes."""
    iv: bytes
    """Explicit IV, 8 bytes."""
    ciphertext: bytes
    """Encrypted payload and trailer."""
    tag: bytes
    """The whole GCM tag, 16 bytes."""
    icv_bytes: int
    """Number of the tag's first bytes that are sent as the ICV."""

    @property
    def packet(self) -> bytes:
        """The ESP packet on the wire: header, IV, ciphertext, ICV."""
        return self.header + self.iv + self.ciphertext + self.tag[:self.icv_bytes]


def seal(sa: SecurityAssociation, sequence: int, text: bytes) -> Sealed:
    """Encrypt and authenticate ``text``, the payload with its trailer.

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
    """The result of opening an ESP packet."""

    text: bytes
    """Payload and trailer as counter mode decrypts them, authentic or not."""
    tag: bytes
    """The 16-byte tag that the packet should have."""
    authentic: bool
    """Whether the packet's ICV is the beginning of ``tag``."""


def open(sa: SecurityAssociation, sequence_high: int, packet: bytes) -> Opened:
    """Decrypt an ESP packet that starts at its ESP header and ends with its ICV.

    ``packet`` has at least header, IV, 2 bytes of trailer and ICV.
    ``sequence_high`` is the high half of its sequence number, ignored without ESN.
    """
    sequence = sequence_high << 32 | ESP_SEQUENCE.read(packet)
    icv = packet[-sa.icv.bytes:]
    iv = packet[ESP_HEADER_BYTES:ESP_TEXT_OFFSET]
    ciphertext = packet[ESP_TEXT_OFFSET:-sa.icv.bytes]
    text, tag = gcm.open(sa.key, nonce(sa, iv), aad(sa, sequence), ciphertext)
    return Opened(text, tag, hmac.compare_digest(tag[:sa.icv.bytes], icv))


def open_authentic(sa: SecurityAssociation, sequence_high: int, packet: bytes) -> Opened | None:
    """Open an ESP packet of any length; None when it is too short or not authentic."""
    if len(packet) < ESP_TEXT_OFFSET + ESP_TRAILER_MIN_BYTES + sa.icv.bytes:
        return None
    opened = open(sa, sequence_high, packet)
    return opened if opened.authentic else None
