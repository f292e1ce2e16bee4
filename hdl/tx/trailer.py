"""The ESP trailer generator."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.frame.align import byte_mask
from espnic.hdl.layouts import beat
from espnic.hdl.tx.append import append, lengthened_beat
from espnic.model.interface.codes import ESP_ALIGNMENT_BYTES, ESP_TRAILER_MIN_BYTES

TRAILER_BYTES_MAX = ESP_TRAILER_MIN_BYTES + ESP_ALIGNMENT_BYTES - 1


TrailerRequest = data.StructLayout({"generate": 1, "next_header": 8})
"""Whether a payload gets a trailer, and its next header."""


class TrailerGenerator(wiring.Component):
    """Append padding, pad length and next header to a payload.

    The padding is 1, 2, 3 … and makes the text a multiple of 4 bytes: 2 to 5
    bytes are appended (RFC 4303, 2.4 to 2.6). One beat each clock; a trailer that
    does not fit the payload's last beat costs one beat more. Combinational.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(beat(width)))
        Payloads, of 0 bytes or more; all beats but the last are full.
    request : In(stream.Signature(TrailerRequest))
        One per payload, taken with its last beat.
    o : Out(stream.Signature(beat(width)))
        Texts. Without ``generate`` the payload passes as it is.
    """

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "i": In(stream.Signature(beat(width))),
            "request": In(stream.Signature(TrailerRequest)),
            "o": Out(stream.Signature(beat(width))),
        })

    def elaborate(self, platform):
        m = Module()
        i = self.i.payload
        ending, ending_bytes = self._ending(m)
        lengthened = Signal(lengthened_beat(self.width, TRAILER_BYTES_MAX))
        ends = append(m, self.i, self.o, lengthened, self.request.valid)
        m.d.comb += [
            lengthened.enable.eq(self.request.payload.generate),
            lengthened.data.eq((i.data & byte_mask(m, "text_bytes", i.count, self.width // 8))
                               | (ending << Cat(Const(0, 3), i.count))),
            lengthened.count.eq(i.count + ending_bytes),
            self.request.ready.eq(ends),
        ]
        return m

    def _ending(self, m):
        """The trailer for the residue of the payload length modulo 4, and the trailer's length."""
        residue = self.i.payload.count[:2]
        ending = Signal(8 * TRAILER_BYTES_MAX)
        ending_bytes = Signal(range(TRAILER_BYTES_MAX + 1))
        for value in range(ESP_ALIGNMENT_BYTES):
            pad = -(value + ESP_TRAILER_MIN_BYTES) % ESP_ALIGNMENT_BYTES
            with m.If(residue == value):
                m.d.comb += ending.eq(Cat(
                    *(Const(1 + index, 8) for index in range(pad)),
                    Const(pad, 8), self.request.payload.next_header))
                m.d.comb += ending_bytes.eq(pad + ESP_TRAILER_MIN_BYTES)
        return ending, ending_bytes
