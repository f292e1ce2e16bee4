"""Places of fields in protocol headers, in bytes from the start of their header."""

from espnic.model.interface.codes import ETHERNET_HEADER_BYTES, IPV4_HEADER_BYTES

HEADER_ALIGNMENT_BYTES = 4
HEADER_PHASE_BYTES = 2
"""An Ethernet header is 2 modulo 4 bytes long; all later headers are multiples of 4 bytes."""

ETHERTYPE_AT = ETHERNET_HEADER_BYTES - 2

IPV4_VERSION = 4
IPV6_VERSION = 6
"""Upper half of the first byte of an IP header."""

# RFC 791, 3.1.
IPV4_LENGTH_AT = 2
IPV4_ID_AT = 4
IPV4_FRAGMENT_AT = 6
"""Flags and fragment offset."""
IPV4_FRAGMENT_MASK = 0x3FFF
"""More fragments, and the offset: not 0 in a fragment."""
IPV4_PROTOCOL_AT = 9
IPV4_CHECKSUM_AT = 10
IPV4_SOURCE_AT = 12
"""The addresses end the header, where it has no options."""
IPV4_DESTINATION_AT = 16
IPV4_WORDS = 5
"""Header length field of a header without options, in 4-byte words."""

# RFC 8200, 3.
IPV6_LENGTH_AT = 4
IPV6_NEXT_HEADER_AT = 6
IPV6_SOURCE_AT = 8
"""The addresses end the header."""
IPV6_DESTINATION_AT = 24

# RFC 768.
UDP_DESTINATION_PORT_AT = 2
UDP_LENGTH_AT = 4
UDP_CHECKSUM_AT = 6

# RFC 9293, 3.1.
TCP_SEQUENCE_AT = 4
TCP_DATA_OFFSET_AT = 12
TCP_FLAGS_AT = 13
TCP_CHECKSUM_AT = 16
TCP_FIN, TCP_PSH, TCP_CWR = 0x01, 0x08, 0x80
TCP_HEADER_BYTES_MAX = 60

# RFC 4303, figure 1.
ESP_SEQUENCE_AT = 4
ESP_OFFSET_MIN = ETHERNET_HEADER_BYTES + IPV4_HEADER_BYTES
"""Least offset of an ESP header in its frame: right after IPv4 without options."""
