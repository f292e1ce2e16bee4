"""Byte positions of ESP text in a frame, for the blocks that move it to block boundaries and back.

The ESP header starts 2 bytes above a multiple of 4 in every frame: the Ethernet
header has 14 bytes, and VLAN tag, IP and UDP headers, ESP header and IV are
multiples of 4. So text moves by 2 bytes and a number of 4-byte words, which
needs a quarter of the multiplexers of a free byte shift.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data
from amaranth.utils import exact_log2

from espnic.hdl.flow.places import places_from
from espnic.model.interface.headers import HEADER_ALIGNMENT_BYTES, HEADER_PHASE_BYTES

PHASE_BYTES = HEADER_PHASE_BYTES
"""Offset of every header after the Ethernet header, modulo ``WORD_BYTES``."""

WORD_BYTES = HEADER_ALIGNMENT_BYTES

OFFSET_BITS = 9
"""Bits of the offset of a text: that of its ESP header, which has 8 bits, and ESP header and IV."""


def position(width: int) -> data.StructLayout:
    """A byte offset in a frame, split: ``beat`` · width/8 + ``word`` · 4 + ``byte``."""
    return data.StructLayout({
        "byte": 2, "word": exact_log2(width // 32), "beat": OFFSET_BITS - exact_log2(width // 8)})


def located(offset: Value, width: int) -> data.View:
    """A byte offset in a frame as a ``position``."""
    return data.View(position(width), offset)


def byte_in_beat(where: data.View) -> Value:
    """Byte of its beat at which a ``position`` lies."""
    return Cat(where.byte, where.word)


def next_beat(index: Value, last: Value) -> Value:
    """Number in its frame of the beat after that of ``index``.

    It saturates: once past the largest start of a text, it must not reach one again.
    """
    return Mux(last, 0, Mux(index.all(), index, index + 1))


def shift_words(value: Value, words: Value) -> Value:
    """``value`` moved up by ``words`` 4-byte words and ``PHASE_BYTES``."""
    return (value << (8 * PHASE_BYTES)) << Cat(Const(0, exact_log2(8 * WORD_BYTES)), words)


def unshift_words(value: Value, words: Value) -> Value:
    """``value`` moved down by ``words`` 4-byte words and ``PHASE_BYTES``."""
    return (value >> (8 * PHASE_BYTES)) >> Cat(Const(0, exact_log2(8 * WORD_BYTES)), words)


def valid_bytes(m: Module, name: str, count: Value, beat_bytes: int) -> Value:
    """A bit for each byte of a beat, 1 in the low ``count``; a signal of ``m`` of this name.

    All are 1 if ``count`` is more than ``beat_bytes``, which is a power of two.
    """
    place_bits = exact_log2(beat_bytes)
    valid = Signal(beat_bytes, name=name)
    # A signal, for a netlist would have the whole expression again for each byte.
    held = Signal(max(len(count), place_bits), name=f"{name}_count")
    behind = places_from(m, name, held[:place_bits])
    m.d.comb += [
        held.eq(count),
        valid.eq(~behind | held[place_bits:].any().replicate(beat_bytes)),
    ]
    return valid


def byte_mask(m: Module, name: str, count: Value, beat_bytes: int) -> Value:
    """All ones in the low ``count`` bytes of a beat; ``name`` is as in ``valid_bytes``."""
    return Cat(valid.replicate(8) for valid in valid_bytes(m, name, count, beat_bytes))


def bytes_of(number: Value) -> Value:
    """A big-endian number as bytes in wire order, the first in bits 7:0."""
    return Cat(*reversed([number[bit:bit + 8] for bit in range(0, len(number), 8)]))
