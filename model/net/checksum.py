"""The Internet checksum: one's complement arithmetic, and the TCP and UDP checksums (RFC 1071).

A *sum* here is folded to 16 bits and not complemented; a *checksum* is its complement, as it
stands in a header. 0 and FFFFh are the same number. A sum of bytes is 0 only if all of them are
0, as end-around carry gives it.
"""

from espnic.model.interface.codes import (
    IPPROTO_TCP,
    IPPROTO_UDP,
    TCP_HEADER_BYTES,
    UDP_HEADER_BYTES,
)
from espnic.model.interface.headers import TCP_CHECKSUM_AT, UDP_CHECKSUM_AT
from espnic.model.net.addresses import Address

MODULUS = 0xFFFF
"""One's complement addition of 16-bit words is addition modulo 2^16 - 1."""

FIELD_AT = {IPPROTO_TCP: TCP_CHECKSUM_AT, IPPROTO_UDP: UDP_CHECKSUM_AT}
"""Offset of the checksum field in the headers that have one (RFC 9293, 3.1; RFC 768)."""

HEADER_BYTES_MIN = {IPPROTO_TCP: TCP_HEADER_BYTES, IPPROTO_UDP: UDP_HEADER_BYTES}


def of(data: bytes | bytearray) -> int:
    """The checksum of ``data``: the complement of its sum."""
    return total(data) ^ 0xFFFF


def total(data: bytes | bytearray) -> int:
    """The sum of ``data`` as big-endian 16-bit words, an odd last byte padded with zero."""
    return fold(int.from_bytes(data, "big") << 8 * (len(data) % 2))


def fold(number: int) -> int:
    """A number of any size as the sum of its 16-bit words; 0 only for 0."""
    return number % MODULUS or (MODULUS if number else 0)


def add(a: int, b: int) -> int:
    """The sum of two sums."""
    return fold(a + b)


def subtract(a: int, b: int) -> int:
    """What must be added to ``b`` for ``a``; zero is 0 or FFFFh."""
    return add(a, b ^ 0xFFFF)


def subtract_block(whole: int, part: int, offset: int) -> int:
    """Take the sum of a part out of the sum of the whole.

    ``offset`` is the number of bytes of the whole before the part. Where it is
    odd, the part's bytes lie in the other halves of the words (RFC 1071, 2B).
    """
    return subtract(whole, _swapped(part) if offset % 2 else part)


def pseudo_header(source: Address, destination: Address, protocol: int, length: int) -> bytes:
    """What TCP and UDP sum besides themselves (RFC 9293, 3.1; RFC 768; RFC 8200, 8.1).

    ``length`` is that of the TCP or UDP header and its payload in bytes. The
    IPv4 form is summed the same with its 16-bit length written in 32 bits.
    """
    return (source.packed + destination.packed
            + length.to_bytes(4, "big") + protocol.to_bytes(4, "big"))


def field(protocol: int, value: int) -> bytes:
    """The checksum field that gives ``value``: UDP sends 0 as FFFFh, for 0 says that there is none.

    RFC 768; RFC 8200, 8.1.
    """
    if protocol == IPPROTO_UDP and value == 0:
        value = 0xFFFF
    return value.to_bytes(2, "big")


def complete(layer4: bytes | bytearray, protocol: int) -> bytes:
    """A TCP or UDP header and payload whose checksum field holds the sum of its pseudo-header,
    with the checksum in its place."""
    at = FIELD_AT[protocol]
    return bytes(layer4[:at]) + field(protocol, of(layer4)) + bytes(layer4[at + 2:])


def _swapped(value: int) -> int:
    return (value & 0xFF) << 8 | value >> 8
