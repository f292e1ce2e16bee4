"""Append the ICV to a sealed text."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.frame.align import byte_mask
from espnic.hdl.layouts import beat, icv_bytes
from espnic.hdl.tx.append import append, lengthened_beat
from espnic.model.interface.codes import IcvSize


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
        One per text, first byte in bits 7:0, taken with the text's last beat.
    size : In(stream.Signature(IcvSize))
        One per text, taken with the text's last beat.
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
        i = self.i.payload
        words = i.count[2:]
        lengthened = Signal(lengthened_beat(self.width, IcvSize.ICV16.bytes))
        ends = append(m, self.i, self.o, lengthened, self.tag.valid & self.size.valid)
        m.d.comb += [
            lengthened.enable.eq(1),
            lengthened.data.eq((i.data & byte_mask(m, "text_bytes", i.count, beat_bytes))
                               | (self.tag.payload << Cat(Const(0, 5), words))),
            lengthened.count.eq(i.count + icv_bytes(self.size.payload)),
            self.tag.ready.eq(ends),
            self.size.ready.eq(ends),
        ]
        return m
