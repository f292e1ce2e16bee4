"""Write sequence number and IV into the headers of a frame to send."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.align import PHASE_BYTES, WORD_BYTES, bytes_of
from hdl.layouts import beat

SEQUENCE_OFFSET = 4
"""Bytes from the ESP header to its sequence number (RFC 4303, figure 1)."""


def esp_header_request() -> data.StructLayout:
    """What to write into a frame, as numbers; with ``enable`` 0 it passes as it is."""
    return data.StructLayout({"enable": 1, "esp_offset": 8, "sequence": 32, "iv": 64})


class EspHeader(wiring.Component):
    """Write the sequence number into the ESP header and the IV behind it.

    RFC 4303, figure 1, and RFC 4106, 3.1. One beat each clock, combinational.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(beat(width)))
        Headers of frames, or whole frames.
    request : In(stream.Signature(esp_header_request()))
        One a frame, taken with its last beat. ``esp_offset`` is 2 mod 4.
    o : Out(stream.Signature(beat(width)))
    """

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "i": In(stream.Signature(beat(width))),
            "request": In(stream.Signature(esp_header_request())),
            "o": Out(stream.Signature(beat(width))),
        })

    def elaborate(self, platform):
        m = Module()
        beat_words = self.width // 8 // WORD_BYTES
        request = self.request.payload
        i = self.i.payload

        # Words are counted from PHASE_BYTES on, so that header fields are whole words;
        # the bytes before the first word of a beat end the last word of the beat before.
        sequence_word = Signal(8)
        beat_word = Signal(8)
        m.d.comb += [
            sequence_word.eq(request.esp_offset[2:] + SEQUENCE_OFFSET // WORD_BYTES),
            self.o.payload.eq(i),
        ]
        fields = [bytes_of(request.sequence), bytes_of(request.iv[32:]), bytes_of(request.iv[:32])]
        for word in range(-1, beat_words):
            low = max(0, 8 * (PHASE_BYTES + word * WORD_BYTES))
            high = min(self.width, 8 * (PHASE_BYTES + (word + 1) * WORD_BYTES))
            skip = low - 8 * (PHASE_BYTES + word * WORD_BYTES)
            for index, field in enumerate(fields):
                number = Signal(8)
                m.d.comb += number.eq(sequence_word + index - word)
                with m.If(request.enable & (beat_word == number)):
                    m.d.comb += self.o.payload.data[low:high].eq(field[skip:skip + high - low])

        go = Signal()
        m.d.comb += [
            self.o.valid.eq(self.i.valid & self.request.valid),
            go.eq(self.o.valid & self.o.ready),
            self.i.ready.eq(go),
            self.request.ready.eq(go & i.last),
        ]
        with m.If(go):
            m.d.sync += beat_word.eq(Mux(i.last, 0, Mux(
                beat_word >= 2**7, beat_word, beat_word + beat_words)))
        return m
