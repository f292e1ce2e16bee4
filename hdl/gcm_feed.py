"""Put the AAD of a packet in front of its text, as the GCM core takes them."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.layouts import beat, gcm_beat, gcm_parameters

ESP_AAD_BYTES_MAX = 12


def gcm_packet(lanes: int) -> data.StructLayout:
    """Parameters of a packet and its AAD, first byte in bits 7:0, ``aad_bytes`` of it."""
    return data.StructLayout({
        "parameters": gcm_parameters(lanes), "aad": 8 * ESP_AAD_BYTES_MAX})


class GcmFeed(wiring.Component):
    """Send a beat of AAD, then the text.

    One beat each clock; the AAD's beat is sent as soon as its packet is known,
    while the text is still on its way. Combinational.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    packet : In(stream.Signature(gcm_packet(width // 128)))
        One a packet, taken with the beat of AAD.
    i : In(stream.Signature(beat(width)))
        Texts.
    o : Out(stream.Signature(gcm_beat(width)))
        The parameters count on a packet's first beat; later they are unspecified.
    """

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "packet": In(stream.Signature(gcm_packet(width // 128))),
            "i": In(stream.Signature(beat(width))),
            "o": Out(stream.Signature(gcm_beat(width))),
        })

    def elaborate(self, platform):
        m = Module()
        text = Signal()
        o = self.o.payload
        with m.If(text):
            m.d.comb += [
                o.data.eq(self.i.payload.data),
                o.count.eq(self.i.payload.count),
                o.last.eq(self.i.payload.last),
                self.o.valid.eq(self.i.valid),
                self.i.ready.eq(self.o.ready),
            ]
            with m.If(self.i.valid & self.o.ready & o.last):
                m.d.sync += text.eq(0)
        with m.Else():
            m.d.comb += [
                o.data.eq(self.packet.payload.aad),
                o.count.eq(self.packet.payload.parameters.aad_bytes),
                o.first.eq(1),
                o.aad.eq(1),
                self.o.valid.eq(self.packet.valid),
                self.packet.ready.eq(self.o.ready),
            ]
            with m.If(self.packet.valid & self.o.ready):
                m.d.sync += text.eq(1)
        m.d.comb += o.parameters.eq(self.packet.payload.parameters)
        return m
