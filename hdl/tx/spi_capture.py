"""Catch the SPI of a frame to send as it passes."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.frame.align import PHASE_BYTES, WORD_BYTES, bytes_of, located, next_beat
from espnic.hdl.layouts import beat

HALF_BITS = 16
"""Bits of half an SPI: its words lie across two beats by halves."""


class SpiCapture(wiring.Component):
    """Give the 4 bytes at the ESP offset of each frame.

    One beat each clock. The SPI is there in the clock after the frame's last
    beat; it is unspecified when the frame ends before the SPI does.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(beat(width), always_ready=True))
        Frames.
    esp_offset : In(8)
        Offset of the ESP header in the frame that passes, 2 mod 4; steady from the frame's
        first beat to its last.
    spi : Out(32)
        The SPI as a number.
    """

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "i": In(stream.Signature(beat(width), always_ready=True)),
            "esp_offset": In(8),
            "spi": Out(32),
        })

    def elaborate(self, platform):
        m = Module()
        beat_words = self.width // 8 // WORD_BYTES
        # Words start at PHASE_BYTES, as in the ESP header writer. So the last of a beat lies
        # in part in the next one.
        where = located(Cat(self.esp_offset, Const(0, 1)), self.width)
        index = Signal(where.beat.shape())
        here = Signal()
        was_here = Signal()
        lows = data.ArrayLayout(HALF_BITS, beat_words)
        highs = data.ArrayLayout(HALF_BITS, beat_words)
        i = self.i.payload
        octets = Signal(data.ArrayLayout(HALF_BITS, 2))
        words = [i.data[at:at + 2 * HALF_BITS]
                 for at in range(8 * PHASE_BYTES, self.width, 2 * HALF_BITS)]
        low = Signal(lows)
        high = Signal(highs)
        m.d.comb += [
            here.eq(index == where.beat),
            low.eq(Cat(word[:HALF_BITS] for word in words)),
            high.eq(Cat(word[HALF_BITS:] for word in words)),
            self.spi.eq(bytes_of(octets.as_value())),
        ]
        with m.If(self.i.valid):
            m.d.sync += [index.eq(next_beat(index, i.last)), was_here.eq(here)]
            with m.If(here):
                m.d.sync += [octets[0].eq(low[where.word]), octets[1].eq(high[where.word])]
            with m.Elif(was_here & where.word.all()):
                m.d.sync += octets[1].eq(i.data)
        return m
