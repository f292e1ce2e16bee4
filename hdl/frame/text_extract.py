"""Move the ESP text of a frame to block boundaries."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.frame.align import OFFSET_BITS, located, position, unshift_words
from espnic.hdl.layouts import LENGTH_BITS, beat

TextSpan = data.StructLayout({"enable": 1, "offset": OFFSET_BITS, "bytes": LENGTH_BITS})
"""Place and length of the text of a frame; with ``enable`` 0 there is none to extract."""


class TextExtract(wiring.Component):
    """Turn the beats of a frame into beats of its text, the first text byte in bits 7:0.

    Every frame beat gives at most one text beat, so the rate is that of the
    frames: one beat each clock, no gap between frames. Latency 1 clock, and one
    frame beat more, since a text beat lies across two of them.

    A frame that ends before its text does gives fewer beats, with ``last`` on the
    last of them; ``count`` may then include bytes beyond the frame's end, which
    are unspecified. Text of 0 bytes gives one beat with count 0. Bytes above
    ``count`` are unspecified. A frame whose text does not even start must come
    with ``enable`` 0.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(beat(width)))
        Frames.
    span : In(stream.Signature(TextSpan))
        One per frame, taken with the frame's first beat. ``offset`` is 2 mod 4.
    o : Out(stream.Signature(beat(width)))
        Text of the frames with ``enable``.
    """

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "i": In(stream.Signature(beat(width))),
            "span": In(stream.Signature(TextSpan)),
            "o": Out(stream.Signature(beat(width))),
        })

    def elaborate(self, platform):
        m = Module()
        held = Signal(beat(self.width))
        held_valid = Signal()
        until_text = Signal(position(self.width).members["beat"])
        at_text = Signal()
        """``until_text`` is 0."""
        pending = Signal()
        rest = Signal(LENGTH_BITS)
        ends = Signal()
        """``rest`` is at most a beat."""
        words = Signal(position(self.width).members["word"])
        begun = Signal()

        emits = Signal()
        leaves = Signal()
        o = self.o.payload
        m.d.comb += [
            emits.eq(held_valid & pending & at_text),
            self.o.valid.eq(emits & (held.last | self.i.valid)),
            leaves.eq(Mux(emits, self.o.valid & self.o.ready, held_valid)),
        ]
        self._emit(m, held, words, rest, ends, begun)
        beat_bytes = self.width // 8
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [
                begun.eq(~o.last),
                pending.eq(~o.last),
                rest.eq(rest - beat_bytes),
                ends.eq(rest <= 2 * beat_bytes),
            ]
        with m.If(leaves):
            m.d.sync += held_valid.eq(0)
            with m.If(~at_text):
                m.d.sync += [until_text.eq(until_text - 1), at_text.eq(until_text == 1)]

        accept = Signal()
        span = self.span.payload
        where = located(span.offset, self.width)
        m.d.comb += [
            # If a beat comes, the one held can leave: that it does is not waited for here.
            accept.eq((~held_valid | ~emits | self.o.ready)
                      & (~self.i.payload.first | self.span.valid)),
            self.i.ready.eq(accept),
            self.span.ready.eq(accept & self.i.valid & self.i.payload.first),
        ]
        with m.If(self.i.valid & accept):
            m.d.sync += [held.eq(self.i.payload), held_valid.eq(1)]
            with m.If(self.i.payload.first):
                m.d.sync += [
                    until_text.eq(where.beat),
                    at_text.eq(where.beat == 0),
                    words.eq(where.word),
                    pending.eq(span.enable),
                    rest.eq(span.bytes),
                    ends.eq(span.bytes <= beat_bytes),
                    begun.eq(0),
                ]
        return m

    def _emit(self, m, held, words, rest, ends, begun):
        """The text beat that begins in the beat held.

        ``rest`` bytes of text have not left; ``ends``: they are no more than a beat.
        """
        beat_bytes, o = self.width // 8, self.o.payload
        following = Signal(self.width)
        m.d.comb += [
            # After a frame's last beat the input may change while this beat waits.
            following.eq(Mux(held.last, 0, self.i.payload.data)),
            o.data.eq(unshift_words(Cat(held.data, following), words)),
            o.count.eq(Mux(ends, rest, beat_bytes)),
            o.first.eq(~begun),
            o.last.eq(ends | held.last),
        ]
