"""Split the ICV of a received frame off its ciphertext."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.layouts import LENGTH_BITS, beat

BLOCK_BYTES = 16


ReceivedIcv = data.StructLayout({"rotated": 128, "rotation": 4})
"""An ICV whose first byte lies at byte ``rotation``; it wraps round after byte 15."""


class IcvSplit(wiring.Component):
    """Pass the ciphertext and catch the ICV that follows it.

    The ICV starts anywhere in a block. Its bytes keep their places in their blocks, so
    catching it takes no shift: they are the bytes of one block from the start on, and the
    bytes of the next block below that.

    One beat each clock, combinational. A beat that holds only ICV bytes is
    swallowed. If the packet ends early the ICV is unspecified.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(beat(width)))
        Ciphertext and ICV.
    text_bytes : In(stream.Signature(LENGTH_BITS))
        Bytes of ciphertext, at least 1; one per packet, taken with its last beat.
    o : Out(stream.Signature(beat(width)))
        Ciphertext.
    icv : Out(stream.Signature(ReceivedIcv, always_ready=True))
        One per packet, in the clock after its last beat.
    """

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "i": In(stream.Signature(beat(width))),
            "text_bytes": In(stream.Signature(LENGTH_BITS)),
            "o": Out(stream.Signature(beat(width))),
            "icv": Out(stream.Signature(ReceivedIcv, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        beat_bytes = self.width // 8
        lanes = beat_bytes // BLOCK_BYTES
        i, o = self.i.payload, self.o.payload

        taken = Signal(LENGTH_BITS)
        rest = Signal(LENGTH_BITS)
        has_text = Signal()
        go = Signal()
        m.d.comb += [
            rest.eq(self.text_bytes.payload - taken),
            has_text.eq(self.text_bytes.payload > taken),
            o.data.eq(i.data),
            o.count.eq(Mux(rest > beat_bytes, beat_bytes, rest)),
            o.first.eq(i.first),
            o.last.eq(i.last | (rest <= beat_bytes)),
            self.o.valid.eq(self.i.valid & self.text_bytes.valid & has_text),
            go.eq(self.i.valid & self.text_bytes.valid & (self.o.ready | ~has_text)),
            self.i.ready.eq(go),
            self.text_bytes.ready.eq(go & i.last),
        ]
        with m.If(go):
            m.d.sync += taken.eq(Mux(i.last, 0, taken + beat_bytes))

        block = self.text_bytes.payload[4:]
        rotation = self.text_bytes.payload[:4]
        first_block = taken[4:]
        caught = self.icv.payload
        for lane in range(lanes):
            holds_start = Signal()
            holds_rest = Signal()
            m.d.comb += [
                holds_start.eq(block == first_block + lane),
                holds_rest.eq(block + 1 == first_block + lane),
            ]
            for byte in range(BLOCK_BYTES):
                source = (lane * BLOCK_BYTES + byte) * 8
                with m.If(go & Mux(rotation > byte, holds_rest, holds_start)):
                    m.d.sync += caught.rotated[8 * byte:8 * byte + 8].eq(i.data[source:source + 8])
        m.d.sync += self.icv.valid.eq(go & i.last)
        with m.If(go):
            m.d.sync += caught.rotation.eq(rotation)
        return m
