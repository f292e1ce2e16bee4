"""Split the ICV of a received frame off its ciphertext."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from espnic.hdl.layouts import BLOCK_BITS, LENGTH_BITS, beat
from espnic.model.interface.codes import AES_BLOCK_BYTES as BLOCK_BYTES

BLOCK_PLACE_BITS = exact_log2(BLOCK_BYTES)
"""Bits of the place of a byte in its block."""


ReceivedIcv = data.StructLayout({"rotated": BLOCK_BITS, "rotation": BLOCK_PLACE_BITS})
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
        has_text = Signal(init=1)
        go = Signal()
        m.d.comb += [
            rest.eq(self.text_bytes.payload - taken),
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
            m.d.sync += [
                taken.eq(Mux(i.last, 0, taken + beat_bytes)),
                has_text.eq(i.last | has_text & (rest > beat_bytes)),
            ]

        lane_bits = exact_log2(lanes)
        block = self.text_bytes.payload[BLOCK_PLACE_BITS:]
        rotation = self.text_bytes.payload[:BLOCK_PLACE_BITS]
        here = Signal()
        holds_start = Signal(lanes)
        holds_rest = Signal(lanes)
        held_start = Signal()
        """The last block of the beat before is that in which the ICV starts."""
        m.d.comb += [
            here.eq(block[lane_bits:] == taken[BLOCK_PLACE_BITS + lane_bits:]),
            holds_start.eq(Cat(here & (block[:lane_bits] == lane) for lane in range(lanes))),
            holds_rest.eq(Cat(held_start, holds_start)),
        ]
        with m.If(go):
            m.d.sync += held_start.eq(holds_start[-1] & ~i.last)
        caught = self.icv.payload
        for byte in range(BLOCK_BYTES):
            holds = Signal(lanes, name=f"holds{byte}")
            m.d.comb += holds.eq(Mux(rotation > byte, holds_rest, holds_start))
            with m.If(go & holds.any()):
                m.d.sync += caught.rotated.word_select(byte, 8).eq(reduce(or_, (
                    Mux(held, i.data.word_select(lane * BLOCK_BYTES + byte, 8), 0)
                    for lane, held in enumerate(holds))))
        m.d.sync += self.icv.valid.eq(go & i.last)
        with m.If(go):
            m.d.sync += caught.rotation.eq(rotation)
        return m
