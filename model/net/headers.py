"""Fields of the headers that the model reads and writes, each by its place in its header.

Sources: RFC 791, 3.1 (IPv4); RFC 8200, 3 (IPv6); RFC 768 (UDP); RFC 9293, 3.1 (TCP); RFC 4303, 2
(ESP).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class HeaderField:
    """A big-endian number of whole bytes in a header."""

    offset: int
    """Bytes from the start of the header."""
    size: int = 2
    """Its length in bytes."""

    def read(self, header: bytes | bytearray) -> int:
        """The number in a header, behind which other bytes may stand.

        A header that is cut short within the field gives the number of the bytes that are left.
        """
        return int.from_bytes(header[self.offset:self.offset + self.size], "big")

    def replace(self, header: bytes, value: int) -> bytes:
        """The same bytes with another number in the field.

        Raises ``OverflowError`` for a number that does not fit.
        """
        end = self.offset + self.size
        return header[:self.offset] + value.to_bytes(self.size, "big") + header[end:]


IPV4_TOS = HeaderField(1, 1)
IPV4_LENGTH = HeaderField(2)
"""Length of header and payload in bytes."""
IPV4_ID = HeaderField(4)
IPV4_FRAGMENT = HeaderField(6)
"""Three flags and the fragment offset."""
IPV4_PROTOCOL = HeaderField(9, 1)
IPV4_CHECKSUM = HeaderField(10)
IPV4_SOURCE = HeaderField(12, 4)
IPV4_DESTINATION = HeaderField(16, 4)

IPV4_START = 0x45
"""First byte of an IPv4 header without options: version 4, 5 words of header."""
IPV4_DONT_FRAGMENT = 0x4000
IPV4_MORE_FRAGMENTS = 0x2000
IPV4_FRAGMENT_OFFSET = 0x1FFF
"""Mask of the offset in ``IPV4_FRAGMENT``, in units of 8 bytes."""
IPV4_IS_FRAGMENT = IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET
"""Mask of ``IPV4_FRAGMENT`` that is 0 only in a packet that is no fragment."""

IPV6_FLOW = HeaderField(0, 4)
"""Version (bits 31:28), traffic class (27:20) and flow label (19:0)."""
IPV6_LENGTH = HeaderField(4)
"""Length of all behind the header in bytes."""
IPV6_NEXT_HEADER = HeaderField(6, 1)
IPV6_SOURCE = HeaderField(8, 16)
IPV6_DESTINATION = HeaderField(24, 16)

UDP_SOURCE_PORT = HeaderField(0)
UDP_DESTINATION_PORT = HeaderField(2)
UDP_LENGTH = HeaderField(4)
"""Length of header and payload in bytes."""
UDP_CHECKSUM = HeaderField(6)

TCP_SEQUENCE = HeaderField(4, 4)
TCP_DATA_OFFSET = HeaderField(12, 1)
"""Length of the header in words of 4 bytes, in bits 7:4."""
TCP_FLAGS = HeaderField(13, 1)
TCP_CHECKSUM = HeaderField(16)

TCP_FIN, TCP_PSH, TCP_CWR = 0x01, 0x08, 0x80
"""Bits of ``TCP_FLAGS`` (RFC 9293, 3.1)."""

ESP_SPI = HeaderField(0, 4)
ESP_SEQUENCE = HeaderField(4, 4)
"""Low half of the sequence number."""

NON_ESP_MARKER = bytes(4)
"""First bytes of IKE on port 4500, where ESP has its SPI (RFC 3948, 2.2)."""
