"""Decide what is done with a frame to send, and tell the blocks that do it."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.align import OFFSET_BITS, PHASE_BYTES, WORD_BYTES, bytes_of
from hdl.axi_stream import frame_end
from hdl.esp_header import esp_header_request
from hdl.gcm_feed import gcm_packet
from hdl.layouts import LENGTH_BITS, TxDescriptor, TxSeqiv, TxVerdict
from hdl.rx_dispatch import icv_bytes, looked_up
from hdl.seqiv import SeqIv
from hdl.text_extract import text_span
from hdl.text_restore import text_place
from hdl.trailer import trailer_request
from model.codes import (
    ESP_ALIGNMENT_BYTES,
    ESP_HEADER_BYTES,
    ESP_IV_BYTES,
    ESP_TRAILER_MIN_BYTES,
    ETHERNET_HEADER_BYTES,
    IPV4_HEADER_BYTES,
    IcvSize,
    TxOperation,
    TxStatus,
)

ESP_OFFSET_MIN = ETHERNET_HEADER_BYTES + IPV4_HEADER_BYTES


def tx_frame() -> data.StructLayout:
    """What is known of a frame to send when its last beat has come."""
    return data.StructLayout({"descriptor": TxDescriptor, "end": frame_end(), "spi": 32})


def tx_job(lanes: int) -> data.StructLayout:
    """The orders for one frame; those for the crypto path count when ``seal``."""
    return data.StructLayout({
        "verdict": TxVerdict,
        "bytes": LENGTH_BITS,
        "bytes_out": LENGTH_BITS,
        "keep": 1,
        "seal": 1,
        "place": text_place(),
        "header": esp_header_request(),
        "span": text_span(),
        "trailer": trailer_request(),
        "packet": gcm_packet(lanes),
        "icv_size": IcvSize,
        "seqiv": TxSeqiv,
    })


class TxDispatch(wiring.Component):
    """Check a frame against its descriptor and its SA.

    A request that cannot be sealed as it asks is dropped, with the status that
    says why: it never leaves in clear. The checks are made in the order of
    docs/architecture.md.

    Combinational, one frame each clock.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    frame : In(stream.Signature(tx_frame()))
    sa : In(stream.Signature(looked_up(width // 128)))
        The SA that the frame's descriptor names.
    o : Out(stream.Signature(tx_job(width // 128)))
    """

    def __init__(self, width: int):
        self.width = width
        lanes = width // 128
        super().__init__({
            "frame": In(stream.Signature(tx_frame())),
            "sa": In(stream.Signature(looked_up(lanes))),
            "o": Out(stream.Signature(tx_job(lanes))),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.seqiv = seqiv = SeqIv()
        frame, descriptor = self.frame.payload, self.frame.payload.descriptor
        context = self.sa.payload.context
        job = self.o.payload

        m.d.comb += [
            self.o.valid.eq(self.frame.valid & self.sa.valid),
            self.frame.ready.eq(self.o.valid & self.o.ready),
            self.sa.ready.eq(self.o.valid & self.o.ready),
            seqiv.sequence.eq(descriptor.sequence),
            seqiv.salt.eq(context.seqiv_salt),
        ]

        text_offset = Signal(OFFSET_BITS)
        icv = Signal(range(IcvSize.ICV16.bytes + 1))
        behind = Signal(signed(LENGTH_BITS + 2))
        payload_bytes = Signal(LENGTH_BITS)
        text_bytes = Signal(LENGTH_BITS)
        m.d.comb += [
            text_offset.eq(descriptor.esp_offset + ESP_HEADER_BYTES + ESP_IV_BYTES),
            icv.eq(icv_bytes(context.icv_size)),
            behind.eq(frame.end.bytes - text_offset - Mux(descriptor.trailer, icv, 0)),
            payload_bytes.eq(behind),
            text_bytes.eq(Mux(
                descriptor.trailer, payload_bytes,
                (payload_bytes + ESP_TRAILER_MIN_BYTES + ESP_ALIGNMENT_BYTES - 1)
                & ~(ESP_ALIGNMENT_BYTES - 1))),
        ]

        bad_syntax = Signal()
        m.d.comb += bad_syntax.eq(
            (descriptor.esp_offset < ESP_OFFSET_MIN)
            | (descriptor.esp_offset % WORD_BYTES != PHASE_BYTES)
            | (behind < 0)
            | (descriptor.trailer & ((behind < ESP_ALIGNMENT_BYTES)
                                     | (behind % ESP_ALIGNMENT_BYTES != 0))))
        status = Signal(TxStatus)
        with m.If(frame.end.oversize):
            m.d.comb += status.eq(TxStatus.DROP_OVERSIZE)
        with m.Elif(descriptor.operation == TxOperation.BYPASS):
            m.d.comb += status.eq(TxStatus.BYPASSED)
        with m.Elif(~self.sa.payload.hit):
            m.d.comb += status.eq(TxStatus.DROP_NO_SA)
        with m.Elif((descriptor.sequence == 0)
                    | (~context.esn & descriptor.sequence[32:].any())):
            m.d.comb += status.eq(TxStatus.DROP_SEQUENCE)
        with m.Elif(bad_syntax):
            m.d.comb += status.eq(TxStatus.DROP_SYNTAX)
        with m.Elif(frame.spi != context.spi):
            m.d.comb += status.eq(TxStatus.DROP_SPI)
        with m.Else():
            m.d.comb += status.eq(TxStatus.SEALED)

        m.d.comb += [
            job.verdict.status.eq(status),
            job.verdict.sa.eq(descriptor.sa),
            job.bytes.eq(frame.end.bytes),
            job.bytes_out.eq(Mux(job.seal, text_offset + text_bytes + icv,
                                 Mux(job.keep, frame.end.bytes, 0))),
            job.seal.eq(status == TxStatus.SEALED),
            job.keep.eq(job.seal | (status == TxStatus.BYPASSED)),
            job.place.enable.eq(job.seal),
            job.place.offset.eq(text_offset),
            job.header.enable.eq(job.seal),
            job.header.esp_offset.eq(descriptor.esp_offset),
            job.header.sequence.eq(descriptor.sequence),
            job.header.iv.eq(seqiv.iv),
            job.span.enable.eq(job.seal),
            job.span.offset.eq(text_offset),
            job.span.bytes.eq(payload_bytes),
            job.trailer.generate.eq(~descriptor.trailer),
            job.trailer.next_header.eq(descriptor.next_header),
            job.icv_size.eq(context.icv_size),
            job.seqiv.spi.eq(context.spi),
            job.seqiv.sequence.eq(descriptor.sequence),
            job.seqiv.iv.eq(seqiv.iv),
        ]

        packet = job.packet
        spi, high, low = (bytes_of(context.spi), bytes_of(descriptor.sequence[32:]),
                          bytes_of(descriptor.sequence[:32]))
        m.d.comb += [
            packet.aad.eq(Mux(context.esn, Cat(spi, high, low), Cat(spi, low))),
            packet.parameters.key.eq(context.key),
            packet.parameters.key_size.eq(context.key_size),
            packet.parameters.powers.eq(context.powers),
            packet.parameters.nonce.eq(Cat(bytes_of(context.salt), bytes_of(seqiv.iv))),
            packet.parameters.aad_bytes.eq(Mux(context.esn, 12, 8)),
            packet.parameters.text_bytes.eq(text_bytes),
            packet.parameters.decrypt.eq(0),
        ]
        return m
