"""The Internet checksum: one's complement arithmetic, and the TCP and UDP checksums (RFC 1071).

A *sum* here is folded to 16 bits and not complemented; a *checksum* is its complement, as it
stands in a header. 0 and FFFFh are the same number. The sum of bytes is 0 only if all of them are
0: end-around carry gives FFFFh for every other multiple of FFFFh.
"""

from espnic.model.interface.codes import (
    IPPROTO_TCP,
    IPPROTO_UDP,
    TCP_HEADER_BYTES,
    UDP_HEADER_BYTES,
)
from espnic.model.net.addresses import Address
from espnic.model.net.header_fields import TCP_CHECKSUM, UDP_CHECKSUM

MODULUS = 0xFFFF
"""One's complement addition of 16-bit words is addition modulo 2^16 - 1."""

FIELDS = {IPPROTO_TCP: TCP_CHECKSUM, IPPROTO_UDP: UDP_CHECKSUM}
"""Checksum field of the headers that have one, by IP protocol."""

FIELD_AT = {protocol: field.offset for protocol, field in FIELDS.items()}
"""Offset in bytes of each of these fields in its header."""

HEADER_BYTES_MIN = {IPPROTO_TCP: TCP_HEADER_BYTES, IPPROTO_UDP: UDP_HEADER_BYTES}
"""Length of the shortest header in bytes, by IP protocol."""


def of(data: bytes | bytearray) -> int:
    """The checksum of ``data``: the complement of its sum."""
    return total(data) ^ 0xFFFF


def total(data: bytes | bytearray) -> int:
    """The sum of ``data`` as big-endian 16-bit words, an odd last byte padded with zero."""
    return fold(int.from_bytes(data, "big") << 8 * (len(data) % 2))


def fold(number: int) -> int:
    """The sum of the 16-bit words of a number of any size; 0 only for 0."""
    return number % MODULUS or (MODULUS if number else 0)


def add(a: int, b: int) -> int:
    """The sum of two sums."""
    return fold(a + b)


def subtract(a: int, b: int) -> int:
    """The sum that added to ``b`` gives ``a``; zero is 0 or FFFFh."""
    return add(a, b ^ 0xFFFF)


def subtract_block(whole: int, part: int, offset: int) -> int:
    """Take the sum of a part out of the sum of the whole.

    ``offset`` is the number of bytes of the whole before the part. Where it is
    odd, the part's bytes lie in the other halves of the words (RFC 1071, 2B).
    """
    return subtract(whole, _swapped(part) if offset % 2 else part)


def pseudo_header(source: Address, destination: Address, protocol: int, length: int) -> bytes:
    """The pseudo-header, which TCP and UDP sum with themselves.

    ``length`` is that of the TCP or UDP header and its payload in bytes. The
    IPv4 form has the same sum when its 16-bit length is written in 32 bits.
    Sources: RFC 9293, 3.1; RFC 768; RFC 8200, 8.1.
    """
    return (source.packed + destination.packed
            + length.to_bytes(4, "big") + protocol.to_bytes(4, "big"))


def field(protocol: int, value: int) -> bytes:
    """The two bytes of the checksum field that give the checksum ``value``.

    UDP sends 0 as FFFFh, because there 0 means no checksum (RFC 768; RFC 8200, 8.1).
    """
    if protocol == IPPROTO_UDP and value == 0:
        value = 0xFFFF
    return value.to_bytes(2, "big")


def complete(layer4: bytes | bytearray, protocol: int) -> bytes:
    """A TCP or UDP header and its payload with the checksum in its place.

    ``layer4`` has the sum of its pseudo-header in the checksum field.
    """
    at = FIELD_AT[protocol]
    return bytes(layer4[:at]) + field(protocol, of(layer4)) + bytes(layer4[at + 2:])


def _swapped(value: int) -> int:
    return (value & 0xFF) << 8 | value >> 8
