"""Tell the blocks of the transmit path what to do with a frame that leaves."""

from amaranth.hdl import Module, Mux
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.frame.text_extract import TextSpan
from espnic.hdl.frame.text_restore import TextPlace
from espnic.hdl.gcm.feed import gcm_packet
from espnic.hdl.gcm.rfc4106 import describe_packet
from espnic.hdl.layouts import TxEvent, TxSeqiv, TxVerdict, lanes_of, sa_context
from espnic.hdl.lso.header_patch import header_patches
from espnic.hdl.lso.segmenter import patches, segment
from espnic.hdl.tx.esp_header import EspHeaderRequest
from espnic.hdl.tx.seqiv import SeqIv
from espnic.hdl.tx.trailer import TrailerRequest
from espnic.model.interface.codes import IcvSize


def tx_context(lanes: int) -> data.StructLayout:
    """Data that the segments of a sealed request share."""
    return data.StructLayout({"context": sa_context(lanes), "next_header": 8})


def tx_job(lanes: int, lso: bool = True) -> data.StructLayout:
    """The orders for one frame: none unless ``keep``, those for the crypto path only when ``seal``.

    ``again``: the headers are those of the frame before; ``payload``: where the payload of a
    segment joins them; ``edited``: the host asked for changes.
    """
    return data.StructLayout({
        "verdict": TxVerdict,
        "event": TxEvent,
        "keep": 1,
        "seal": 1,
        "again": 1,
        "edited": 1,
        "payload": TextPlace,
        "patches": header_patches(patches(lso)),
        "place": TextPlace,
        "header": EspHeaderRequest,
        "span": TextSpan,
        "trailer": TrailerRequest,
        "packet": gcm_packet(lanes),
        "icv_size": IcvSize,
        "seqiv": TxSeqiv,
    })


class TxDispatch(wiring.Component):
    """Make the orders for a frame from what is known of it and its SA.

    Combinational, one frame each clock. Nonce and AAD are those of RFC 4106, 4 and 5,
    with 64-bit sequence numbers of RFC 4303, 2.2.1.

    Parameters
    ----------
    width : int
        Bits of a beat.
    lso : bool
        There are super-frames.

    Members
    -------
    segment : In(stream.Signature(segment(lso)))
        The frames of requests.
    context : In(stream.Signature(tx_context(lanes_of(width))))
        One for each request that is sealed, taken with its last frame.
    o : Out(stream.Signature(tx_job(lanes_of(width), lso)))
    """

    def __init__(self, width: int, lso: bool = True):
        self.width = width
        lanes = lanes_of(width)
        super().__init__({
            "segment": In(stream.Signature(segment(lso))),
            "context": In(stream.Signature(tx_context(lanes))),
            "o": Out(stream.Signature(tx_job(lanes, lso))),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.seqiv = seqiv = SeqIv()
        one, job = self.segment.payload, self.o.payload
        context = self.context.payload.context
        taken = self.o.valid & self.o.ready
        m.d.comb += [
            self.o.valid.eq(self.segment.valid & (self.context.valid | ~one.seal)),
            self.segment.ready.eq(taken),
            self.context.ready.eq(taken & one.seal & one.last),
            seqiv.sequence.eq(one.sequence),
            seqiv.salt.eq(context.seqiv_salt),
        ]
        self._report(m)
        self._order(m, seqiv.iv)
        m.d.comb += [
            *describe_packet(job.packet, context, context.spi, one.sequence, seqiv.iv),
            job.packet.parameters.text_bytes.eq(one.text_bytes),
            job.packet.parameters.decrypt.eq(0),
        ]
        return m

    def _report(self, m):
        """Tell the counters and the trace of the frame."""
        one, verdict, event = self.segment.payload, self.o.payload.verdict, self.o.payload.event
        m.d.comb += [
            verdict.status.eq(one.status),
            verdict.sa.eq(one.sa),
            verdict.last.eq(one.last),
            event.status.eq(one.status),
            event.first.eq(one.first),
            event.last.eq(one.last),
            event.bytes_in.eq(one.bytes_in),
            event.bytes_out.eq(Mux(one.keep, one.bytes_out, 0)),
        ]

    def _order(self, m, iv):
        """Give the orders for headers and text."""
        one, job = self.segment.payload, self.o.payload
        context = self.context.payload.context
        m.d.comb += [
            job.keep.eq(one.keep),
            job.seal.eq(one.seal),
            job.again.eq(~one.first),
            job.edited.eq(one.edited),
            job.payload.enable.eq(one.lso),
            job.payload.offset.eq(one.header_bytes),
            job.patches.eq(one.patches),
            job.place.enable.eq(one.seal),
            job.place.offset.eq(one.text_offset),
            job.header.enable.eq(one.seal),
            job.header.esp_offset.eq(one.esp_offset),
            job.header.sequence.eq(one.sequence),
            job.header.iv.eq(iv),
            job.span.enable.eq(one.seal),
            job.span.offset.eq(one.text_offset),
            job.span.bytes.eq(one.payload_bytes),
            job.trailer.generate.eq(~one.trailer),
            job.trailer.next_header.eq(self.context.payload.next_header),
            job.icv_size.eq(context.icv_size),
            job.seqiv.spi.eq(context.spi),
            job.seqiv.sequence.eq(one.sequence),
            job.seqiv.iv.eq(iv),
        ]
