"""Write sequence number and IV into the headers of a frame to send."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.frame.align import PHASE_BYTES, WORD_BYTES, bytes_of
from espnic.hdl.layouts import beat
from espnic.model.interface.headers import ESP_SEQUENCE_AT

EspHeaderRequest = data.StructLayout({"enable": 1, "esp_offset": 8, "sequence": 32, "iv": 64})
"""Numbers to write into a frame; with ``enable`` 0 the frame passes as it is."""


class EspHeader(wiring.Component):
    """Write the sequence number into the ESP header and the IV after it.

    RFC 4303, figure 1, and RFC 4106, 3.1. One beat each clock, combinational.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(beat(width)))
        Headers of frames, or whole frames.
    request : In(stream.Signature(EspHeaderRequest))
        One per frame, taken with its last beat. ``esp_offset`` is 2 mod 4.
    o : Out(stream.Signature(beat(width)))
    """

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "i": In(stream.Signature(beat(width))),
            "request": In(stream.Signature(EspHeaderRequest)),
            "o": Out(stream.Signature(beat(width))),
        })

    def elaborate(self, platform):
        m = Module()
        beat_words = self.width // 8 // WORD_BYTES
        request = self.request.payload
        i = self.i.payload

        # Words are counted from PHASE_BYTES on, so that header fields are whole words;
        # the bytes before the first word of a beat end the last word of the beat before.
        beat_word = Signal(8)
        distance = Signal(8)
        """Words from the start of the beat to the ESP header, modulo 256."""
        m.d.comb += [
            distance.eq(request.esp_offset[2:] - beat_word),
            self.o.payload.eq(i),
        ]
        fields = [bytes_of(request.sequence), bytes_of(request.iv[32:]), bytes_of(request.iv[:32])]
        first = ESP_SEQUENCE_AT // WORD_BYTES
        meets = {}
        for start in range(-first - len(fields), beat_words - first):
            meets[start] = Signal(name=f"meets_{start % 256}")
            m.d.comb += meets[start].eq(request.enable & (distance == start % 256))
        for word in range(-1, beat_words):
            low = max(0, 8 * (PHASE_BYTES + word * WORD_BYTES))
            high = min(self.width, 8 * (PHASE_BYTES + (word + 1) * WORD_BYTES))
            skip = low - 8 * (PHASE_BYTES + word * WORD_BYTES)
            for index, field in enumerate(fields):
                with m.If(meets[word - first - index]):
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
