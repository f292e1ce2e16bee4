"""The ESP trailer generator."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.frame.align import byte_mask
from espnic.hdl.layouts import beat
from espnic.model.interface.codes import ESP_ALIGNMENT_BYTES, ESP_TRAILER_MIN_BYTES

TRAILER_BYTES_MAX = ESP_TRAILER_MIN_BYTES + ESP_ALIGNMENT_BYTES - 1


TrailerRequest = data.StructLayout({"generate": 1, "next_header": 8})
"""Whether a payload gets a trailer, and its next header."""


class TrailerGenerator(wiring.Component):
    """Append padding, pad length and next header to a payload.

    The padding is 1, 2, 3 … and brings the text to a multiple of 4 bytes: 2 to 5
    bytes are appended (RFC 4303, 2.4 to 2.6). One beat each clock; a trailer that
    does not fit the payload's last beat costs one beat more. Combinational.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(beat(width)))
        Payloads, maybe of 0 bytes; full beats but for the last.
    request : In(stream.Signature(TrailerRequest))
        One a payload, taken with its last beat.
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
        beat_bytes = self.width // 8
        request = self.request.payload
        i, o = self.i.payload, self.o.payload

        # The trailer as it lies behind each of the four residues of the payload length.
        residue = i.count[:2]
        ending = Signal(8 * TRAILER_BYTES_MAX)
        trailer_bytes = Signal(range(TRAILER_BYTES_MAX + 1))
        for value in range(ESP_ALIGNMENT_BYTES):
            pad = -(value + ESP_TRAILER_MIN_BYTES) % ESP_ALIGNMENT_BYTES
            with m.If(residue == value):
                m.d.comb += ending.eq(Cat(
                    *(Const(1 + index, 8) for index in range(pad)),
                    Const(pad, 8), request.next_header))
                m.d.comb += trailer_bytes.eq(pad + ESP_TRAILER_MIN_BYTES)

        overflow = Signal()
        spilled = Signal(8 * TRAILER_BYTES_MAX)
        spilled_bytes = Signal(range(TRAILER_BYTES_MAX + 1))
        end = Signal(range(beat_bytes + TRAILER_BYTES_MAX + 1))
        placed = Signal(self.width + 8 * TRAILER_BYTES_MAX)
        m.d.comb += [
            end.eq(i.count + trailer_bytes),
            placed.eq((i.data & byte_mask(i.count, beat_bytes))
                      | (ending << Cat(Const(0, 3), i.count))),
        ]

        appends = Signal()
        last_in = Signal()
        m.d.comb += [
            appends.eq(i.last & request.generate),
            last_in.eq(self.i.valid & self.request.valid & i.last),
        ]
        with m.If(overflow):
            m.d.comb += [
                o.data.eq(spilled),
                o.count.eq(spilled_bytes),
                o.last.eq(1),
                self.o.valid.eq(1),
            ]
            with m.If(self.o.ready):
                m.d.sync += overflow.eq(0)
        with m.Else():
            m.d.comb += [
                o.data.eq(Mux(appends, placed[:self.width], i.data)),
                o.first.eq(i.first),
                o.last.eq(i.last & ~(appends & (end > beat_bytes))),
                o.count.eq(Mux(~appends, i.count, Mux(end > beat_bytes, beat_bytes, end))),
                self.o.valid.eq(self.i.valid & (~i.last | self.request.valid)),
                self.i.ready.eq(self.o.ready & (~i.last | self.request.valid)),
                self.request.ready.eq(self.o.ready & last_in),
            ]
            with m.If(self.o.ready & last_in & appends & (end > beat_bytes)):
                m.d.sync += [
                    overflow.eq(1),
                    spilled.eq(placed[self.width:]),
                    spilled_bytes.eq(end - beat_bytes),
                ]
        return m
