"""Read the end of the ESP trailer from the plaintext as it passes."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.layouts import LENGTH_BITS, beat

OpenedText = data.StructLayout({"beats": LENGTH_BITS, "pad_length": 8, "next_header": 8})
"""Length in beats and trailer of a plaintext, known with its last beat."""


class TextEnd(wiring.Component):
    """Give pad length and next header, the last 2 bytes of a text (RFC 4303, 2.5 and 2.6).

    Latency 1 clock, one beat each clock.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(beat(width), always_ready=True))
        Plaintexts of 2 bytes at least; for a shorter one the bytes are unspecified.
    o : Out(stream.Signature(OpenedText, always_ready=True))
        One per text, in the clock after its last beat.
    """

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "i": In(stream.Signature(beat(width), always_ready=True)),
            "o": Out(stream.Signature(OpenedText, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        beat_bytes = self.width // 8
        i = self.i.payload
        beats = Signal.like(self.o.payload.beats)
        top_byte = Signal(8)
        octets = Signal(self.width + 8)
        last_two = Signal(16)
        m.d.comb += [
            octets.eq(Cat(top_byte, i.data)),
            last_two.eq(octets >> Cat(Const(0, 3), (i.count - 1)[:len(i.count)])),
        ]
        m.d.sync += self.o.valid.eq(self.i.valid & i.last)
        with m.If(self.i.valid):
            m.d.sync += [
                beats.eq(Mux(i.last, 0, beats + 1)),
                top_byte.eq(i.data[8 * (beat_bytes - 1):]),
                self.o.payload.beats.eq(beats + 1),
                self.o.payload.pad_length.eq(last_two[:8]),
                self.o.payload.next_header.eq(last_two[8:]),
            ]
        return m
