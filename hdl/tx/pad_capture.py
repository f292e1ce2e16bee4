"""Catch the pad length of a frame that brings its trailer."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from espnic.hdl.frame.align import WORD_BYTES
from espnic.hdl.layouts import beat
from espnic.model.interface.codes import ESP_TRAILER_MIN_BYTES, IcvSize

PadLengths = data.ArrayLayout(8, len(IcvSize))
"""The byte that is the pad length if the ICV has that ``IcvSize``."""


class PadCapture(wiring.Component):
    """Give the byte before next header and ICV room of each frame, for every size of ICV.

    Headers and text are multiples of 4 bytes after an Ethernet header of 14, so this
    byte starts a 4-byte word of its beat (RFC 4303, 2.4). One beat each clock; the bytes
    are there in the clock after the frame's last beat. They are unspecified when the
    frame does not end on 2 mod 4 bytes, or is shorter than trailer and ICV.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(beat(width), always_ready=True))
        Frames.
    o : Out(PadLengths)
    """

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "i": In(stream.Signature(beat(width), always_ready=True)),
            "o": Out(PadLengths),
        })

    def elaborate(self, platform):
        m = Module()
        beat_words = self.width // 8 // WORD_BYTES
        i = self.i.payload
        back = [(size.bytes + ESP_TRAILER_MIN_BYTES) // WORD_BYTES for size in IcvSize]

        starts = [i.data[8 * WORD_BYTES * word:][:8] for word in range(beat_words)]
        before = Signal(8 * max(back))
        seen = Cat(before, *starts)
        end_word = Signal(range(beat_words))
        m.d.comb += end_word.eq(i.count >> exact_log2(WORD_BYTES))
        with m.If(self.i.valid):
            m.d.sync += before.eq(Cat(starts[beat_words - max(back):]))
            m.d.sync += [
                pad.eq(seen.word_select(end_word + (max(back) - words), 8))
                for pad, words in zip(self.o, back, strict=True)
            ]
        return m
