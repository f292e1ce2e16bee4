"""Overwrite words in the headers of frames."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hdl.align import bytes_of
from hdl.layouts import beat

WORD_BITS = 16
NUMBER_BITS = 8
"""Of the number of a word in its frame."""


def header_patches(patches: int) -> data.ArrayLayout:
    """Words to overwrite: their numbers from the frame's start on, and what they become."""
    return data.ArrayLayout(
        data.StructLayout({"enable": 1, "word": NUMBER_BITS, "value": WORD_BITS}), patches)


class HeaderPatch(wiring.Component):
    """Overwrite 16-bit words among the first 512 bytes of a frame.

    A word behind the frame's end changes nothing. Latency 2 clocks, one beat each
    clock, no gap between frames.

    Parameters
    ----------
    width : int
        Bits of a beat.
    patches : int
        The most words of a frame.

    Members
    -------
    i : In(stream.Signature(beat(width)))
        Frames.
    patch : In(stream.Signature(header_patches(patches)))
        One a frame, taken with its last beat. ``value`` is a number, big-endian in the
        frame. No two that are enabled have the same ``word``.
    o : Out(stream.Signature(beat(width)))
        Frames. Bytes above ``count`` are unspecified.
    """

    def __init__(self, width: int, patches: int = 12):
        self.width = width
        self.patches = patches
        super().__init__({
            "i": In(stream.Signature(beat(width))),
            "patch": In(stream.Signature(header_patches(patches))),
            "o": Out(stream.Signature(beat(width))),
        })

    def elaborate(self, platform):
        m = Module()
        beat_words = self.width // WORD_BITS
        place_bits = exact_log2(beat_words)
        move, step = Signal(), Signal()
        m.d.comb += [
            move.eq(~self.o.valid | self.o.ready),
            step.eq(self.i.valid & self.patch.valid & move),
            self.i.ready.eq(self.patch.valid & move),
            self.patch.ready.eq(step & self.i.payload.last),
        ]

        # First clock: which patches lie in the beat.
        index = Signal(NUMBER_BITS - place_bits + 1)
        """Of the beat in its frame; it stays at the first that no word number reaches."""
        with m.If(step):
            m.d.sync += index.eq(Mux(self.i.payload.last, 0, index + ~index[-1]))
        found = Signal(beat(self.width))
        found_valid = Signal()
        here = Signal(data.ArrayLayout(data.StructLayout({
            "enable": 1, "place": place_bits, "value": WORD_BITS}), self.patches))
        with m.If(move):
            m.d.sync += [found.eq(self.i.payload), found_valid.eq(step)]
            for one, patch in zip(here, self.patch.payload, strict=True):
                m.d.sync += [
                    one.enable.eq(patch.enable & (patch.word[place_bits:] == index)),
                    one.place.eq(patch.word),
                    one.value.eq(bytes_of(patch.value)),
                ]

        # Second clock: overwrite.
        with m.If(move):
            m.d.sync += [self.o.payload.eq(found), self.o.valid.eq(found_valid)]
            for place in range(beat_words):
                hits = Signal(self.patches, name=f"hits{place}")
                m.d.comb += hits.eq(Cat(one.enable & (one.place == place) for one in here))
                value = 0
                for hit, one in zip(hits, here, strict=True):
                    value |= Mux(hit, one.value, 0)
                low = place * WORD_BITS
                with m.If(hits.any()):
                    m.d.sync += self.o.payload.data[low:low + WORD_BITS].eq(value)
        return m
