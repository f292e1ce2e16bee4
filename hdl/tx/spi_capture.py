"""Catch the SPI of a frame to send as it passes."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.frame.align import PHASE_BYTES, WORD_BYTES, bytes_of
from espnic.hdl.layouts import beat


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
        octets = Signal(32)
        # Words start at PHASE_BYTES, as in the ESP header writer. So one word may lie across two
        # beats, and is word -1 of the second.
        beat_word = Signal(8)
        position = Signal(8)
        m.d.comb += [
            position.eq(Mux(self.i.payload.first, 0, beat_word)),
            self.spi.eq(bytes_of(octets)),
        ]
        with m.If(self.i.valid):
            m.d.sync += beat_word.eq(Mux(position >= 2**7, position, position + beat_words))
            for word in range(-1, beat_words):
                low = max(0, 8 * (PHASE_BYTES + word * WORD_BYTES))
                high = min(self.width, 8 * (PHASE_BYTES + (word + 1) * WORD_BYTES))
                skip = low - 8 * (PHASE_BYTES + word * WORD_BYTES)
                number = Signal(8)
                m.d.comb += number.eq(self.esp_offset[2:] - word)
                with m.If(position == number):
                    m.d.sync += octets[skip:skip + high - low].eq(self.i.payload.data[low:high])
        return m
