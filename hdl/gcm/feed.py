"""Put the AAD of a packet in front of its text, as the GCM core takes them."""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.layouts import beat, gcm_beat, gcm_parameters, has_spare_lane
from espnic.model.interface.codes import AES_BLOCK_BYTES

ESP_AAD_BYTES_MAX = 12


def gcm_packet(lanes: int) -> data.StructLayout:
    """Parameters of a packet and its AAD, first byte in bits 7:0, ``aad_bytes`` of it."""
    return data.StructLayout({
        "parameters": gcm_parameters(lanes), "aad": 8 * ESP_AAD_BYTES_MAX})


class GcmFeed(wiring.Component):
    """Send a beat of AAD, then the text.

    One beat each clock; the AAD's beat is sent as soon as its packet is known,
    while the text is still on its way. Combinational.

    At 512 bits a frame may have no more beats than its text: headers, a text that
    begins its last beat with less than a block, and a short ICV. The AAD of such a text
    has no beat of its own but joins the first of the text.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    packet : In(stream.Signature(gcm_packet(width // 128)))
        One a packet, taken with the beat that has its AAD; ``aad`` is 0 above its bytes.
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
        packet = self.packet.payload
        o = self.o.payload
        text = Signal()
        joined = self.joins(packet.parameters.text_bytes) & ~text
        m.d.comb += [
            o.data.eq(Mux(text | joined, self.i.payload.data, packet.aad)),
            o.first.eq(~text),
            o.aad.eq(~text & ~joined),
            o.parameters.eq(packet.parameters),
        ]
        if has_spare_lane(self.width // 128):
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

    def joins(self, text_bytes):
        """The last beat of such a text has less than a block."""
        if not has_spare_lane(self.width // 128):
            return Const(0)
        in_last_beat = text_bytes % (self.width // 8)
        return (in_last_beat != 0) & (in_last_beat < AES_BLOCK_BYTES)
