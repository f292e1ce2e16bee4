"""Join the headers of a frame to send and the text that was sealed."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.frame.align import (
    PHASE_BYTES,
    WORD_BYTES,
    byte_in_beat,
    byte_mask,
    located,
    shift_words,
)
from espnic.hdl.frame.text_restore import TextPlace
from espnic.hdl.layouts import beat


class FrameBuild(wiring.Component):
    """Append a text to the headers of its frame.

    The headers come as beats of the frame, the last of them with as many valid
    bytes as lie below ``offset``; the text follows at once. A frame without text
    (``enable`` 0) passes as it is. One beat each clock, no gap between frames;
    combinational. A frame waits for its place, and after its headers for its text.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    headers : In(stream.Signature(beat(width)))
        Headers of frames with text; whole frames without.
    place : In(stream.Signature(TextPlace))
        One per frame, taken with its last beat. ``offset`` is 2 mod 4.
    text : In(stream.Signature(beat(width)))
        One packet of text for each frame with ``enable``, at least 1 byte.
    o : Out(stream.Signature(beat(width)))
        The joined frames. Bytes above ``count`` are unspecified.
    """

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "headers": In(stream.Signature(beat(width))),
            "place": In(stream.Signature(TextPlace)),
            "text": In(stream.Signature(beat(width))),
            "o": Out(stream.Signature(beat(width))),
        })

    def elaborate(self, platform):
        m = Module()
        beat_bytes = self.width // 8
        headers, text, o = self.headers, self.text, self.o
        where = located(self.place.payload.offset, self.width)
        start = Signal(range(beat_bytes))
        shifted = Signal(2 * self.width)
        end = Signal(range(2 * beat_bytes + 1))
        room = Signal(range(beat_bytes + 1))
        """Bytes of a beat from ``start`` on; as that is 2 mod 4, without a carry."""
        m.d.comb += [
            room.eq(Cat(Const(WORD_BYTES - PHASE_BYTES, 2), ~where.word)),
            start.eq(byte_in_beat(where)),
            shifted.eq(shift_words(text.payload.data, where.word)),
            end.eq(start + text.payload.count),
        ]

        first = Signal(init=1)
        carry = Signal(self.width)
        carry_count = Signal(range(beat_bytes + 1))
        go = Signal()
        needs_headers, needs_text = self._progress(m, go)
        m.d.comb += [
            o.payload.first.eq(first),
            o.valid.eq(self.place.valid & (headers.valid | ~needs_headers)
                       & (text.valid | ~needs_text)),
            go.eq(o.valid & o.ready),
            headers.ready.eq(go & needs_headers),
            text.ready.eq(go & needs_text),
            self.place.ready.eq(go & o.payload.last),
        ]
        with m.If(go):
            m.d.sync += [
                first.eq(o.payload.last),
                carry.eq(shifted[self.width:]),
                carry_count.eq(end - beat_bytes),
            ]

        base = Signal(self.width)
        m.d.comb += base.eq(Mux(needs_headers, headers.payload.data, carry))
        with m.If(needs_text):
            self._join(m, base, start, shifted[:self.width], end, room)
        with m.Elif(needs_headers):
            m.d.comb += [
                o.payload.data.eq(headers.payload.data),
                o.payload.last.eq(headers.payload.last),
                o.payload.count.eq(headers.payload.count),
            ]
        with m.Else():
            m.d.comb += [
                o.payload.data.eq(carry),
                o.payload.last.eq(1),
                o.payload.count.eq(carry_count),
            ]
        return m

    def _progress(self, m, go):
        """Whether the next beat takes one of the headers, and whether it takes one of the text."""
        headers, text, o = self.headers.payload, self.text.payload, self.o.payload
        headers_done = Signal()
        text_done = Signal()
        needs_headers = Signal()
        needs_text = Signal()
        m.d.comb += [
            needs_headers.eq(~headers_done),
            needs_text.eq(self.place.payload.enable & ~text_done
                          & (headers_done | headers.last)),
        ]
        with m.If(go):
            m.d.sync += [
                headers_done.eq(~o.last & (headers_done | headers.last)),
                text_done.eq(~o.last & (text_done | (needs_text & text.last))),
            ]
        return needs_headers, needs_text

    def _join(self, m, base, start, text, end, room):
        """A beat of ``base`` below byte ``start`` and of the shifted text from there to ``end``.

        The text ends in it if its last bytes have ``room``.
        """
        beat_bytes, o = self.width // 8, self.o.payload
        below = byte_mask(m, "below", start, beat_bytes)
        m.d.comb += [
            o.data.eq((base & below) | (text & ~below)),
            o.last.eq(self.text.payload.last & (self.text.payload.count <= room)),
            # What does not end in the beat fills it.
            o.count.eq(Mux(end < beat_bytes, end, beat_bytes)),
        ]
