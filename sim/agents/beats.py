"""Packets as beats of a datapath, and structs as integers of a stream's payload."""

import random
from collections.abc import Iterable, Mapping
from typing import Any

from amaranth.lib import data

from espnic.hdl.layouts import beat
from espnic.sim.agents.stream import StreamSink


def pack(layout: data.Layout, values: Mapping[str, Any]) -> int:
    """Pack field values into the integer of a port; a nested struct may be a mapping too.

    Fields that are not given are 0. Raises ``KeyError`` for a name that is no
    field and ``ValueError`` for a value that does not fit.
    """
    word = 0
    for name, value in values.items():
        field = layout[name]
        if isinstance(value, Mapping):
            value = pack(field.shape, value)
        if not 0 <= value < 1 << field.width:
            raise ValueError(f"{name}: {value} does not fit {field.width} bits")
        word |= int(value) << field.offset
    return word


def unpack(layout: data.Layout, word: int) -> dict[str, Any]:
    """Split the integer of a port into its field values, nested structs into mappings."""
    values: dict[str, Any] = {}
    for name, field in layout:
        value = word >> field.offset & (1 << field.width) - 1
        nested = isinstance(field.shape, data.StructLayout)
        values[name] = unpack(field.shape, value) if nested else value
    return values


def to_beats(width: int, packet: bytes, noise: random.Random | None = None) -> list[int]:
    """Cut a packet into its beats, in order; a packet of 0 bytes is one beat with count 0.

    ``noise`` fills the bytes above ``count``, which a block must ignore; without it they
    are 0.
    """
    layout = beat(width)
    size = width // 8
    words = []
    for start in range(0, max(len(packet), 1), size):
        piece = packet[start:start + size]
        padding = noise.randbytes(size - len(piece)) if noise else b""
        words.append(pack(layout, {
            "data": int.from_bytes(piece + padding, "little"),
            "count": len(piece),
            "first": start == 0,
            "last": start + size >= len(packet),
        }))
    return words


def to_packets(width: int, words: Iterable[int]) -> list[bytes]:
    """Join beats to packets; the last beat must end a packet.

    Raises ``AssertionError`` for a beat before the last that is not full, for an empty beat
    that is not a whole packet, and for marks of first and last that contradict each other.
    """
    packets = []
    packet: bytes | None = None
    for number, word in enumerate(words):
        fields = unpack(beat(width), word)
        assert fields["first"] == (packet is None), f"beat {number}: first is {fields['first']}"
        assert fields["count"] <= width // 8, f"beat {number}: count is {fields['count']}"
        assert fields["last"] or fields["count"] == width // 8, (
            f"beat {number}: {fields['count']} bytes before the last beat")
        assert fields["first"] or fields["count"], f"beat {number}: empty after others"
        piece = fields["data"].to_bytes(width // 8, "little")[:fields["count"]]
        packet = (packet or b"") + piece
        if fields["last"]:
            packets.append(packet)
            packet = None
    assert packet is None, "the last packet has no end"
    return packets


def valid_part(width: int, word: int) -> int:
    """A beat with zeros in the bytes above ``count``, which are unspecified."""
    fields = unpack(beat(width), word)
    fields["data"] &= (1 << 8 * fields["count"]) - 1
    return pack(beat(width), fields)


async def receive_packets(sink: StreamSink, width: int, count: int) -> list[bytes]:
    """Wait for ``count`` packets and remove their beats from the sink."""
    last = beat(width)["last"].offset
    words: list[int] = []
    while count:
        words += await sink.receive(1)
        count -= words[-1] >> last & 1
    return to_packets(width, words)
