"""The fields of headers that the model reads and writes.

Sources: RFC 791, 3.1 (IPv4); RFC 8200, 3 (IPv6); RFC 768 (UDP); RFC 9293, 3.1 (TCP); RFC 4303, 2
(ESP). Places that the RTL knows too are those of ``model.interface.headers``.
"""

from dataclasses import dataclass

from espnic.model.interface import headers


@dataclass(frozen=True)
class HeaderField:
    """A big-endian number of whole bytes in a header."""

    offset: int
    """Bytes from the start of the header."""
    size: int = 2
    """Its length in bytes."""

    def read(self, header: bytes | bytearray) -> int:
        """The number in a header, which other bytes may follow.

        A header that is cut short within the field gives the number of the bytes that are left.
        """
        return int.from_bytes(header[self.offset:self.offset + self.size], "big")

    def replace(self, header: bytes, value: int) -> bytes:
        """The header with another number in the field.

        Raises ``OverflowError`` for a number that does not fit.
        """
        end = self.offset + self.size
        return header[:self.offset] + value.to_bytes(self.size, "big") + header[end:]


IPV4_TOS = HeaderField(1, 1)
IPV4_LENGTH = HeaderField(headers.IPV4_LENGTH_AT)
"""Length of header and payload in bytes."""
IPV4_ID = HeaderField(headers.IPV4_ID_AT)
IPV4_FRAGMENT = HeaderField(headers.IPV4_FRAGMENT_AT)
"""Three flags and the fragment offset."""
IPV4_PROTOCOL = HeaderField(headers.IPV4_PROTOCOL_AT, 1)
IPV4_CHECKSUM = HeaderField(headers.IPV4_CHECKSUM_AT)
IPV4_SOURCE = HeaderField(headers.IPV4_SOURCE_AT, 4)
IPV4_DESTINATION = HeaderField(headers.IPV4_DESTINATION_AT, 4)

IPV4_START = 4 << 4 | headers.IPV4_WORDS
"""First byte of an IPv4 header without options: version 4, 5 words of header."""
IPV4_DONT_FRAGMENT = 0x4000
IPV4_MORE_FRAGMENTS = 0x2000
IPV4_FRAGMENT_OFFSET = 0x1FFF
"""Mask of the offset in ``IPV4_FRAGMENT``, in units of 8 bytes."""

IPV6_FLOW = HeaderField(0, 4)
"""Version (bits 31:28), traffic class (27:20) and flow label (19:0)."""
IPV6_LENGTH = HeaderField(headers.IPV6_LENGTH_AT)
"""Length in bytes of all that follows the header."""
IPV6_NEXT_HEADER = HeaderField(headers.IPV6_NEXT_HEADER_AT, 1)
IPV6_SOURCE = HeaderField(headers.IPV6_SOURCE_AT, 16)
IPV6_DESTINATION = HeaderField(headers.IPV6_DESTINATION_AT, 16)

UDP_SOURCE_PORT = HeaderField(0)
UDP_DESTINATION_PORT = HeaderField(headers.UDP_DESTINATION_PORT_AT)
UDP_LENGTH = HeaderField(headers.UDP_LENGTH_AT)
"""Length of header and payload in bytes."""
UDP_CHECKSUM = HeaderField(headers.UDP_CHECKSUM_AT)

TCP_SEQUENCE = HeaderField(headers.TCP_SEQUENCE_AT, 4)
TCP_DATA_OFFSET = HeaderField(headers.TCP_DATA_OFFSET_AT, 1)
"""Length of the header in words of 4 bytes, in bits 7:4."""
TCP_FLAGS = HeaderField(headers.TCP_FLAGS_AT, 1)
TCP_CHECKSUM = HeaderField(headers.TCP_CHECKSUM_AT)

ESP_SPI = HeaderField(0, 4)
ESP_SEQUENCE = HeaderField(headers.ESP_SEQUENCE_AT, 4)
"""Low half of the sequence number."""

NON_ESP_MARKER = bytes(4)
"""First bytes of IKE on port 4500, where ESP has its SPI (RFC 3948, 2.2)."""
