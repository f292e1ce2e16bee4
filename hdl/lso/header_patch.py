"""Overwrite words in the headers of frames."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from espnic.hdl.flow.ones_sum import WORD_BITS
from espnic.hdl.flow.register_slice import RegisterSlice
from espnic.hdl.frame.align import bytes_of
from espnic.hdl.layouts import beat

NUMBER_BITS = 8
"""Bits of the number of a word in its frame."""


def header_patches(patches: int) -> data.ArrayLayout:
    """Words to overwrite: their numbers, counted from the frame's start, and their new values."""
    return data.ArrayLayout(
        data.StructLayout({"enable": 1, "word": NUMBER_BITS, "value": WORD_BITS}), patches)


class HeaderPatch(wiring.Component):
    """Overwrite 16-bit words among the first 512 bytes of a frame.

    A word beyond the frame's end changes nothing. Latency 2 clocks, one beat each
    clock, no gap between frames. ``o.ready`` meets a register.

    Parameters
    ----------
    width : int
        Bits of a beat.
    patches : int
        Most words that change in a frame.

    Members
    -------
    i : In(stream.Signature(beat(width)))
        Frames.
    patch : In(stream.Signature(header_patches(patches)))
        One per frame, taken with its last beat. ``value`` is a number, big-endian in the
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
        m.submodules.patched = patched = RegisterSlice(beat(self.width))
        wiring.connect(m, patched.o, wiring.flipped(self.o))
        found_valid = Signal()
        move = Signal()
        step = Signal()
        m.d.comb += [
            move.eq(~found_valid | patched.i.ready),
            step.eq(self.i.valid & self.patch.valid & move),
            self.i.ready.eq(self.patch.valid & move),
            self.patch.ready.eq(step & self.i.payload.last),
        ]

        # First clock: choose the patch of each word of the beat. 0 leaves it as it is; patch n is
        # n + 1.
        index = Signal(NUMBER_BITS - place_bits + 1)
        """Number of the beat in its frame; it stays at the first that no word number reaches."""
        with m.If(step):
            m.d.sync += index.eq(Mux(self.i.payload.last, 0, index + ~index[-1]))
        here = Signal(self.patches)
        m.d.comb += here.eq(Cat(patch.enable & (patch.word[place_bits:] == index)
                                for patch in self.patch.payload))
        found = Signal(beat(self.width))
        choices = Signal(data.ArrayLayout(range(self.patches + 1), beat_words))
        values = Signal(data.ArrayLayout(WORD_BITS, self.patches))
        with m.If(move):
            m.d.sync += [found.eq(self.i.payload), found_valid.eq(step)]
            for value, patch in zip(values, self.patch.payload, strict=True):
                m.d.sync += value.eq(bytes_of(patch.value))
            for place, choice in enumerate(choices):
                m.d.sync += choice.eq(reduce(or_, (
                    Mux(here[number] & (patch.word[:place_bits] == place), number + 1, 0)
                    for number, patch in enumerate(self.patch.payload))))

        # Second clock: overwrite.
        old = Signal(data.ArrayLayout(WORD_BITS, beat_words))
        new = Signal.like(old)
        m.d.comb += old.eq(found.data)
        for place, choice in enumerate(choices):
            words = Signal(data.ArrayLayout(WORD_BITS, self.patches + 1), name=f"words{place}")
            m.d.comb += [words.eq(Cat(old[place], values)), new[place].eq(words[choice])]
        m.d.comb += [
            patched.i.payload.eq(found),
            patched.i.payload.data.eq(new),
            patched.i.valid.eq(found_valid),
        ]
        return m


def show_marked(m: Module, frames, marks, shown) -> None:
    """Copy the frames that pass to ``shown`` if their mark says so.

    ``marks`` has one bit per frame, taken with the frame's last beat.
    """
    passes = Signal()
    m.d.comb += [
        passes.eq(frames.valid & frames.ready),
        shown.payload.eq(frames.payload),
        shown.valid.eq(passes & marks.payload),
        marks.ready.eq(passes & frames.payload.last),
    ]
