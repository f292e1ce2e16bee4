"""Append the ICV to a sealed text."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.frame.align import byte_mask
from espnic.hdl.layouts import beat
from espnic.model.interface.codes import ESP_ALIGNMENT_BYTES, IcvSize


class IcvAppend(wiring.Component):
    """Append the leftmost 8, 12 or 16 bytes of the tag (RFC 4106, section 6).

    One beat each clock; an ICV that does not fit the text's last beat costs one
    beat more. Combinational.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(beat(width)))
        Ciphertexts, each a positive multiple of 4 bytes long.
    tag : In(stream.Signature(128))
        One a text, first byte in bits 7:0, taken with the text's last beat.
    size : In(stream.Signature(IcvSize))
        One a text, taken with the text's last beat.
    o : Out(stream.Signature(beat(width)))
        Ciphertext and ICV.
    """

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "i": In(stream.Signature(beat(width))),
            "tag": In(stream.Signature(128)),
            "size": In(stream.Signature(2)),
            "o": Out(stream.Signature(beat(width))),
        })

    def elaborate(self, platform):
        m = Module()
        beat_bytes = self.width // 8
        i, o = self.i.payload, self.o.payload
        words = i.count[2:]
        icv_bytes = Signal(range(IcvSize.ICV16.bytes + 1))
        end = Signal(range(beat_bytes + IcvSize.ICV16.bytes + 1))
        placed = Signal(self.width + 128)
        m.d.comb += [
            icv_bytes.eq(IcvSize.ICV8.bytes + self.size.payload * ESP_ALIGNMENT_BYTES),
            end.eq(i.count + icv_bytes),
            placed.eq((i.data & byte_mask(i.count, beat_bytes))
                      | (self.tag.payload << Cat(Const(0, 5), words))),
        ]

        overflow = Signal()
        spilled = Signal(128)
        spilled_bytes = Signal(range(IcvSize.ICV16.bytes + 1))
        ready = Signal()
        m.d.comb += ready.eq(~i.last | (self.tag.valid & self.size.valid))
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
                o.data.eq(Mux(i.last, placed[:self.width], i.data)),
                o.first.eq(i.first),
                o.last.eq(i.last & (end <= beat_bytes)),
                o.count.eq(Mux(o.last, end, beat_bytes)),
                self.o.valid.eq(self.i.valid & ready),
                self.i.ready.eq(self.o.ready & ready),
                self.tag.ready.eq(self.o.ready & self.i.valid & i.last & ready),
                self.size.ready.eq(self.tag.ready),
            ]
            with m.If(self.tag.ready & (end > beat_bytes)):
                m.d.sync += [
                    overflow.eq(1),
                    spilled.eq(placed[self.width:]),
                    spilled_bytes.eq(end - beat_bytes),
                ]
        return m
