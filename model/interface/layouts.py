"""Bit layouts shared by the model, the RTL and the simulation agents.

A layout is a list of fields from the least significant bit up. The RTL makes a
``data.StructLayout`` of each; the model and the agents pack and unpack integers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from espnic.model.interface.codes import OPERATION_BITS, STATUS_BITS

RESERVED = "reserved"
"""Beginning of the names of fields that have no meaning yet."""


@dataclass(frozen=True)
class Field:
    """One field: its name, its width in bits and its meaning."""

    name: str
    bits: int
    doc: str

    @property
    def reserved(self) -> bool:
        """Whether the field has no meaning yet; it is 0."""
        return self.name.startswith(RESERVED)


@dataclass(frozen=True)
class Layout:
    """Fields packed without gaps, the first at bit 0."""

    name: str
    fields: tuple[Field, ...]

    @property
    def bits(self) -> int:
        """Width of the whole in bits."""
        return sum(field.bits for field in self.fields)

    @property
    def zeros(self) -> dict[str, int]:
        """The value 0 of every field that has a meaning."""
        return {field.name: 0 for field in self.fields if not field.reserved}

    def pack(self, values: Mapping[str, int]) -> int:
        """Pack field values into an integer.

        Fields that are not given are 0. Raises ``KeyError`` for a name that is
        no field, and ``ValueError`` for a value that does not fit.
        """
        unknown = set(values) - {field.name for field in self.fields}
        if unknown:
            raise KeyError(f"{self.name} has no field {sorted(unknown)[0]!r}")
        word = shift = 0
        for field in self.fields:
            value = int(values.get(field.name, 0))
            if not 0 <= value < 1 << field.bits:
                raise ValueError(
                    f"{self.name}.{field.name}: {value} does not fit {field.bits} bits")
            word |= value << shift
            shift += field.bits
        return word

    def unpack(self, word: int) -> dict[str, int]:
        """Split an integer into its field values; bits above the layout are ignored.

        A reserved field is left out when it is 0, as it should be.
        """
        values = {}
        for field in self.fields:
            value = word & ((1 << field.bits) - 1)
            word >>= field.bits
            if value or not field.reserved:
                values[field.name] = value
        return values


HANDLE_BITS = 16
LENGTH_BITS = 16
"""Width of the length of a frame."""
SUPER_LENGTH_BITS = 17
"""Width of the length of a super-frame."""
OFFSET_BITS = 8
"""Width of an offset in a frame's headers, and of their length."""
MSS_BITS = 14
"""Width of the payload length of a segment, and of the length that a checksum covers outside
segmentation."""

TX_DESCRIPTOR = Layout(
    "tx_descriptor",
    (
        # Word 0.
        Field("operation", OPERATION_BITS, "TxOperation"),
        Field("trailer", 1, "1: trailer and ICV room are in the frame; 0: the engine appends them"),
        Field("checksum", 1, "1: put in the TCP or UDP checksum"),
        Field("lso", 1, "1: a super-frame, to be cut into segments with their checksums"),
        Field("encapsulation", 1, "LSO: Encapsulation; with UDP its header lies before ESP's"),
        Field("outer_ipv6", 1, "LSO: the IP header at outer_offset is IPv6"),
        Field("ipv6", 1, "LSO: the IP header at l3_offset is IPv6"),
        Field("outer_id_fixed", 1, "LSO, encrypted: an IPv4 header at outer_offset keeps its ID in "
              "all segments, as it may with DF (RFC 6864)"),
        Field("reserved0", 5, "room for flags of a third level of headers"),
        Field("sa", HANDLE_BITS, "handle of the transmit SA"),
        # Words 1 and 2.
        Field("sequence", 64, "sequence number of the frame; the high half is 0 without ESN"),
        # Word 3.
        Field("esp_offset", OFFSET_BITS, "bytes from the start of the frame to the ESP header"),
        Field("next_header", 8, "next header of the trailer that the engine appends"),
        Field("outer_offset", OFFSET_BITS, "LSO: bytes to the IP header before the ESP header"),
        Field("l3_offset", OFFSET_BITS, "LSO: bytes to the IP header of the L4 header's packet: "
              "the inner one in tunnel mode, else the only one"),
        # Word 4.
        Field("l4_offset", OFFSET_BITS, "checksum, LSO: bytes to the TCP or UDP header"),
        Field("l4_protocol", 8, "checksum, LSO: IP protocol of that header"),
        Field("header_bytes", OFFSET_BITS, "LSO: bytes to the payload, which the segments share"),
        Field("reserved1", 8, "room for the offset of a third IP header"),
        # Word 5.
        Field("l4_bytes", MSS_BITS, "checksum: length of that header and its payload"),
        Field("reserved2", 2, "room for a longer l4_bytes"),
        Field("mss", MSS_BITS, "LSO: payload bytes of a segment; the last may have fewer"),
        Field("reserved3", 2, "room for a longer mss"),
        # Words 6 and 7.
        Field("reserved4", 32, "room for the UDP header of a third level of headers"),
        Field("reserved5", 32, "room"),
    ),
)
"""Descriptor of a frame to send, 8 words of 32 bits. With ``checksum`` or ``lso`` the frame's
checksum field holds the sum of the pseudo-header with the length of the whole (Linux's
CHECKSUM_PARTIAL). Fields that only serve a request that is not made are ignored; a reserved field
that is not 0 makes the request a DROP_RESERVED. LSO includes the checksum, and leaves trailer and
ICV to the engine."""

RX_COMPLETION = Layout(
    "rx_completion",
    (
        # Word 0.
        Field("status", STATUS_BITS, "RxStatus"),
        Field("reserved0", 3, "0"),
        Field("checksum_status", 2, "RxChecksum of TCP or UDP; NONE when OK, OVERSIZE or "
              "BAD_FRAME"),
        Field("outer_checksum", 2, "RxChecksum of the UDP header in front of ESP, on the frame as "
              "it came; NONE without one, and when OVERSIZE or BAD_FRAME"),
        Field("reserved1", 4, "room for the checksum inside a tunnel"),
        Field("sa", HANDLE_BITS, "handle of the receive SA; 0 when none was found, and when "
              "OVERSIZE, SA_GONE, FAULT or BAD_FRAME"),
        # Word 1.
        Field("esp_offset", 8, "bytes from the start of the frame to the ESP header; 0 unless OK"),
        Field("next_header", 8, "next header of the trailer; 0 unless OK"),
        Field("trailer_bytes", 9, "bytes to cut: pad, pad length, next header, ICV; 0 unless OK"),
        Field("reserved2", 7, "0"),
        # Word 2.
        Field("checksum", 16, "folded one's complement sum (RFC 1071, not complemented) of the "
              "16-bit words from byte 14 of the frame on: with OK to the end of the decrypted "
              "payload, else to the end of the frame; 0 when OVERSIZE"),
        Field("frame_checksum", 16, "the same sum to the end of the frame as it leaves, with "
              "trailer, ICV and what follows the IP packet; 0 when OVERSIZE"),
        # Words 3 and 4.
        Field("reserved3", 32, "room for an RSS hash"),
        Field("reserved4", 32, "room for the type of that hash and a queue"),
    ),
)
"""Completion of a received frame, 5 words of 32 bits. ``trailer_bytes`` counts back from the end of
the IP packet, not from the end of the frame."""

LOOKUP_KEY = Layout(
    "lookup_key",
    (
        Field("destination", 128, "outer destination, first byte on the wire in bits 127:120; "
              "an IPv4 address in bits 31:0, the rest 0"),
        Field("ipv6", 1, "1: the address is IPv6"),
        Field("encapsulation", 1, "Encapsulation"),
        Field("spi", 32, "SPI as a number, as RFC 4303 writes it"),
    ),
)

LIMITS = (
    Field("soft_packets", 64, "packets after which the device sends an event; 0: no limit"),
    Field("soft_bytes", 64, "bytes of text after which the device sends an event; 0: no limit"),
    Field("hard_packets", 64, "packets after which the SA serves no more; 0: no limit"),
    Field("hard_bytes", 64, "bytes of text after which the SA serves no more; 0: no limit"),
)
"""Lifetime of an SA (RFC 4301, 4.4.2.1)."""

SA_COMMAND = Layout(
    "sa_command",
    (
        Field("operation", 4, "SaOperation"),
        Field("direction", 1, "SaDirection"),
        Field("sa", HANDLE_BITS, "handle, 1 to the table's size - 1"),
        Field("select", 4, "SaSelect: what MODIFY changes"),
        Field("key_size", 2, "KeySize"),
        Field("icv_size", 2, "IcvSize"),
        Field("esn", 1, "1: extended sequence numbers"),
        Field("esn_overlap", 1, "receive: a sequence below 2^31 belongs to esn_high + 1"),
        Field("unguarded", 1, "transmit: 1: seal a sequence number as often as asked; software "
              "vouches that no number comes twice"),
        Field("replay_window", 4, "receive: ReplayWindow"),
        Field("reserved", 26, "0; an SA command with another value is EINVAL"),
        Field("esn_high", 32, "receive: high half of the sequence number"),
        *LOOKUP_KEY.fields,
        Field("sequence", 64, "receive, with a replay window: the highest sequence number that "
              "counts as received; transmit: the highest that counts as sealed"),
        *LIMITS,
        Field("salt", 32, "salt of RFC 4106, first byte in bits 31:24"),
        Field("seqiv_salt", 64, "transmit: salt of the IV, first byte in bits 63:56"),
        Field("key", 256, "AES key, first byte in bits 7:0; a short key leaves the top unused"),
    ),
)

SA_RESPONSE = Layout(
    "sa_response",
    (
        Field("result", 4, "SaResult"),
        Field("key_size", 2, "KeySize"),
        Field("icv_size", 2, "IcvSize"),
        Field("esn", 1, "as added"),
        Field("esn_overlap", 1, "as added or modified"),
        Field("unguarded", 1, "as added"),
        Field("replay_window", 4, "as added"),
        Field("esn_high", 32, "as added or modified"),
        *LOOKUP_KEY.fields,
        Field("sequence", 64, "receive, with a replay window: the highest sequence number "
              "received; transmit: the highest sealed"),
        *LIMITS,
        Field("packets", 64, "packets sealed or opened"),
        Field("bytes", 64, "bytes of their text"),
    ),
)
"""Response to an SA command. All fields but ``result`` are 0 unless the command was a READ with
result OK."""

EVENT = Layout(
    "event",
    (
        Field("kind", 4, "EventKind"),
        Field("direction", 1, "SaDirection"),
        Field("sa", HANDLE_BITS, "handle of the SA; 0 when the event is of no single SA"),
        Field("sequence", 64, "sequence number of the frame that caused the event, that of the "
              "last segment of a request; the SaMemory of a MEMORY_FAULT; 0 when the event is of "
              "no single frame"),
    ),
)

RX_PARSED = Layout(
    "rx_parsed",
    (
        Field("status", STATUS_BITS, "RxStatus: OK when the frame is ESP and is to be looked up"),
        Field("esp_offset", 8, "bytes from the start of the frame to the ESP header"),
        Field("esp_bytes", LENGTH_BITS, "bytes from the ESP header to where IP or UDP ends"),
        Field("sequence", 32, "low half of the sequence number"),
        *LOOKUP_KEY.fields,
    ),
)
"""Result of the receive parser. All fields but ``status`` are 0 unless it is OK."""

RX_LOOKED_UP = Layout(
    "rx_looked_up",
    (Field("hit", 1, "an SA was found"), Field("sa", HANDLE_BITS, "its handle, 0 for a miss")),
)

TX_VERDICT = Layout(
    "tx_verdict",
    (
        Field("status", STATUS_BITS, "TxStatus"),
        Field("sa", HANDLE_BITS, "handle from the descriptor"),
        Field("last", 1, "1: the last frame of its request"),
    ),
)

TX_SEQIV = Layout(
    "tx_seqiv",
    (
        Field("spi", 32, "SPI of the SA"),
        Field("sequence", 64, "sequence number"),
        Field("iv", 64, "IV: sequence XOR the SA's seqiv salt, first byte in bits 63:56"),
    ),
)
