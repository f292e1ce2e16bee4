"""Tell the blocks of the transmit path what to do with a frame that leaves."""

from amaranth.hdl import Module, Mux
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.frame.text_extract import TextSpan
from espnic.hdl.frame.text_restore import TextPlace
from espnic.hdl.gcm.rfc4106 import GcmOrder, describe_length, describe_order
from espnic.hdl.layouts import SaContext, TxEvent, TxVerdict
from espnic.hdl.lso.header_patch import header_patches
from espnic.hdl.lso.segmenter import patches, segment
from espnic.hdl.sa.secret_read import secret_order
from espnic.hdl.tx.trailer import TrailerRequest
from espnic.model.interface.codes import IcvSize

TxContext = data.StructLayout({"context": SaContext, "next_header": 8})
"""Data that the segments of a sealed request share."""

Sealing = data.StructLayout({
    "verdict": TxVerdict,
    "event": TxEvent,
    "keep": 1,
    "seal": 1,
    "esp_offset": 8,
    "sequence": 64,
    "gcm": GcmOrder,
})
"""A frame before the secrets of its SA are read. The fields after ``seal`` count only with it."""


def tx_job(lso: bool = True) -> data.StructLayout:
    """The orders for one frame: none unless ``keep``, those for the crypto path only when ``seal``.

    ``again``: the headers are those of the frame before; ``payload``: where the payload of a
    segment joins them; ``edited``: the host asked for changes. ``sealing`` goes on to
    ``TxUnlock`` for every frame, refused or not.
    """
    return data.StructLayout({
        "sealing": secret_order(Sealing),
        "keep": 1,
        "seal": 1,
        "again": 1,
        "edited": 1,
        "payload": TextPlace,
        "patches": header_patches(patches(lso)),
        "place": TextPlace,
        "span": TextSpan,
        "trailer": TrailerRequest,
        "icv_size": IcvSize,
    })


class TxDispatch(wiring.Component):
    """Make the orders for a frame from what is known of it and its SA.

    Combinational, one frame each clock. The AAD is that of RFC 4106, 5, with 64-bit sequence
    numbers of RFC 4303, 2.2.1.

    Parameters
    ----------
    lso : bool
        There are super-frames.

    Members
    -------
    segment : In(stream.Signature(segment(lso)))
        The frames of requests.
    context : In(stream.Signature(TxContext))
        One for each request that is sealed, taken with its last frame.
    o : Out(stream.Signature(tx_job(lso)))
    """

    def __init__(self, lso: bool = True):
        super().__init__({
            "segment": In(stream.Signature(segment(lso))),
            "context": In(stream.Signature(TxContext)),
            "o": Out(stream.Signature(tx_job(lso))),
        })

    def elaborate(self, platform):
        m = Module()
        one = self.segment.payload
        taken = self.o.valid & self.o.ready
        m.d.comb += [
            self.o.valid.eq(self.segment.valid & (self.context.valid | ~one.seal)),
            self.segment.ready.eq(taken),
            self.context.ready.eq(taken & one.seal & one.last),
        ]
        self._report(m)
        self._describe(m)
        self._order(m)
        return m

    def _report(self, m):
        """Tell the counters and the trace of the frame."""
        one, sealing = self.segment.payload, self.o.payload.sealing.carried
        verdict, event = sealing.verdict, sealing.event
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

    def _describe(self, m):
        """Say what is to be sealed, and with whose secrets."""
        one, order = self.segment.payload, self.o.payload.sealing
        context, sealing = self.context.payload.context, order.carried
        m.d.comb += [
            order.reads.eq(one.seal),
            order.sa.eq(one.sa),
            order.serial.eq(context.serial),
            sealing.keep.eq(one.keep),
            sealing.seal.eq(one.seal),
            sealing.esp_offset.eq(one.esp_offset),
            sealing.sequence.eq(one.sequence),
            *describe_order(sealing.gcm, context, context.spi, one.sequence),
            *describe_length(sealing.gcm, one.text_bytes),
        ]

    def _order(self, m):
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
            job.span.enable.eq(one.seal),
            job.span.offset.eq(one.text_offset),
            job.span.bytes.eq(one.payload_bytes),
            job.trailer.generate.eq(~one.trailer),
            job.trailer.next_header.eq(self.context.payload.next_header),
            job.icv_size.eq(context.icv_size),
        ]
