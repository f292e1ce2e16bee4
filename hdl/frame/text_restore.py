"""Put decrypted text back in its place in a received frame."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from espnic.hdl.frame.align import (
    OFFSET_BITS,
    PHASE_BYTES,
    WORD_BYTES,
    byte_in_beat,
    byte_mask,
    located,
    next_beat,
    shift_words,
    valid_bytes,
)
from espnic.hdl.layouts import beat

TextPlace = data.StructLayout({"enable": 1, "offset": OFFSET_BITS})
"""Place of the text in a frame; with ``enable`` 0 the frame passes as it is."""


class TextRestore(wiring.Component):
    """Overwrite the bytes of a frame from ``offset`` on by a text.

    One beat each clock, no gap between frames; combinational but for the bytes
    that a text beat carries into the next frame beat. The text must end within
    the frame.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(beat(width)))
        Frames.
    place : In(stream.Signature(TextPlace))
        One per frame, taken with its last beat. ``offset`` is 2 mod 4.
    text : In(stream.Signature(beat(width)))
        One packet of text for each frame with ``enable``.
    o : Out(stream.Signature(beat(width)))
        The frames, of the same length.
    """

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "i": In(stream.Signature(beat(width))),
            "place": In(stream.Signature(TextPlace)),
            "text": In(stream.Signature(beat(width))),
            "o": Out(stream.Signature(beat(width))),
        })

    def elaborate(self, platform):
        m = Module()
        beat_bytes = self.width // 8
        where = located(self.place.payload.offset, self.width)
        i, text = self.i.payload, self.text.payload
        index = Signal(8)
        text_done = Signal()
        carry = Signal(self.width)
        carry_end = Signal(range(beat_bytes + 1))

        first = Signal(init=1)
        begins = Signal()
        begun = Signal()
        """The text begins in this beat, which is not the first, or has begun before it."""
        reached = Signal()
        needs_text = Signal()
        go = Signal()
        m.d.comb += [
            reached.eq(self.place.payload.enable & (
                begun | Mux(first, where.beat == 0, begins))),
            needs_text.eq(reached & ~text_done),
            self.o.valid.eq(
                self.i.valid & self.place.valid & (~needs_text | self.text.valid)),
            go.eq(self.o.valid & self.o.ready),
            self.i.ready.eq(go),
            self.text.ready.eq(go & needs_text),
            self.place.ready.eq(go & i.last),
        ]

        start = Signal(range(beat_bytes))
        end = Signal(range(2 * beat_bytes + 1))
        """End of a text whose last beat this is."""
        shifted = Signal(2 * self.width)
        m.d.comb += [
            start.eq(byte_in_beat(where)),
            end.eq(start + text.count),
            shifted.eq(shift_words(text.data, where.word)),
        ]
        # Masks: bytes carried over from the text beat before, and bytes of the next one.
        low = Signal(self.width)
        high = Signal(self.width)
        carried, before = (byte_mask(m, name, count, beat_bytes) for name, count in (
            ("carried", carry_end), ("before", start)))
        valid = valid_bytes(m, "valid", text.count, beat_bytes)
        moved = Signal(beat_bytes)
        m.d.comb += [
            moved.eq(valid << PHASE_BYTES << Cat(Const(0, exact_log2(WORD_BYTES)), where.word)),
            low.eq(Mux(begun, Mux(text_done, carried, before), 0)),
            high.eq(Mux(needs_text, Cat(byte.replicate(8) for byte in moved), 0)),
            self.o.payload.eq(i),
            self.o.payload.data.eq(
                (i.data & ~low & ~high) | (carry & low) | (shifted[:self.width] & high)),
        ]

        with m.If(go):
            m.d.sync += [
                index.eq(next_beat(index, i.last)),
                first.eq(i.last),
                begins.eq(index + 1 == where.beat),
                begun.eq(~i.last & reached),
                carry.eq(shifted[self.width:]),
            ]
            with m.If(i.last):
                m.d.sync += [text_done.eq(0), carry_end.eq(0)]
            with m.Elif(needs_text & text.last):
                m.d.sync += [
                    text_done.eq(1),
                    carry_end.eq(Mux(end > beat_bytes, end - beat_bytes, 0)),
                ]
            with m.Else():
                m.d.sync += carry_end.eq(0)
        return m
