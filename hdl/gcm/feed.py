"""The AAD of a packet, put before its text as the GCM core takes them."""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.layouts import beat, gcm_beat, gcm_parameters, has_spare_lane, lanes_of

ESP_AAD_BYTES_MAX = 12

TEXTS = 4
"""Beats of text before the core. In a steady flow one is on its way; the others may wait while the
core takes an AAD, so that the frame before need not stop."""


def gcm_packet(lanes: int) -> data.StructLayout:
    """Parameters of a packet, and its AAD of ``aad_bytes`` bytes, the first in bits 7:0.

    ``joins`` counts only where GHASH has a lane to spare: the AAD has no beat of its own. That is
    so if the last beat of the text has less than a block.
    """
    return data.StructLayout({
        "parameters": gcm_parameters(lanes), "aad": 8 * ESP_AAD_BYTES_MAX, "joins": 1})


class GcmFeed(wiring.Component):
    """Sends a beat of AAD, then the text.

    One beat each clock. The AAD's beat is sent as soon as its packet is known, while the text
    is still on its way. Combinational. There are no errors.

    At 512 bits a frame may have no more beats than its text: if it has headers, a text whose
    last beat holds less than a block, and a short ICV. The AAD of such a text has no beat of
    its own but joins the first beat of the text.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    packet : In(stream.Signature(gcm_packet(lanes_of(width))))
        One for each packet, taken with the beat that has its AAD; ``aad`` is 0 above its bytes.
    i : In(stream.Signature(beat(width)))
        Texts.
    o : Out(stream.Signature(gcm_beat(width)))
        ``parameters`` are those of the packet on its first beat, and unspecified on the others.
    """

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "packet": In(stream.Signature(gcm_packet(lanes_of(width)))),
            "i": In(stream.Signature(beat(width))),
            "o": Out(stream.Signature(gcm_beat(width))),
        })

    def elaborate(self, platform):
        m = Module()
        packet = self.packet.payload
        o = self.o.payload
        text = Signal()
        joined = (packet.joins & ~text) if has_spare_lane(lanes_of(self.width)) else Const(0)
        m.d.comb += [
            o.data.eq(Mux(text | joined, self.i.payload.data, packet.aad)),
            o.first.eq(~text),
            o.aad.eq(~text & ~joined),
            o.parameters.eq(packet.parameters),
        ]
        if has_spare_lane(lanes_of(self.width)):
            m.d.comb += [o.joined.eq(joined), o.joined_aad.eq(packet.aad)]
        with m.If(text | joined):
            here = text | self.packet.valid
            m.d.comb += [
                o.count.eq(self.i.payload.count),
                o.last.eq(self.i.payload.last),
                self.o.valid.eq(self.i.valid & here),
                self.i.ready.eq(self.o.ready & here),
                self.packet.ready.eq(self.o.ready & self.i.valid & ~text),
            ]
        with m.Else():
            m.d.comb += [
                o.count.eq(packet.parameters.aad_bytes),
                self.o.valid.eq(self.packet.valid),
                self.packet.ready.eq(self.o.ready),
            ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += text.eq(~o.last)
        return m
