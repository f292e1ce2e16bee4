"""Decide what is done with a frame to send, and tell the blocks that do it."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
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
TEXT_OFFSET = ESP_HEADER_BYTES + ESP_IV_BYTES


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

    One frame each clock. Latency 2 clocks from the frame, 1 from its SA: in the first
    the frame is measured, which takes no SA, so that it passes while the SA is read.

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
        measured = Signal(measured_frame())
        measured_valid = Signal()
        ready = Signal()
        taken = Signal()
        m.d.comb += [
            ready.eq(~self.o.valid | self.o.ready),
            taken.eq(measured_valid & self.sa.valid & ready),
            self.sa.ready.eq(taken),
            self.frame.ready.eq(~measured_valid | taken),
        ]
        with m.If(self.frame.ready):
            m.d.sync += measured_valid.eq(self.frame.valid)
            self.measure(m, measured)
        with m.If(ready):
            m.d.sync += self.o.valid.eq(taken)
            self.decide(m, measured)
        return m

    def measure(self, m, measured):
        """First clock: the lengths, and whether they can be right, for each length of ICV."""
        frame, descriptor = self.frame.payload, self.frame.payload.descriptor
        esp_bytes = Signal(signed(LENGTH_BITS + 1))
        m.d.comb += esp_bytes.eq(frame.end.bytes - descriptor.esp_offset)
        m.d.sync += [
            measured.frame.eq(frame),
            measured.esp_bytes.eq(esp_bytes),
            # Every text begins PHASE_BYTES above a multiple of 4, and so it ends.
            measured.generated_end.eq(
                PHASE_BYTES + padded(frame.end.bytes - PHASE_BYTES + ESP_TRAILER_MIN_BYTES)),
            measured.no_sequence.eq(descriptor.sequence == 0),
            measured.extended.eq(descriptor.sequence[32:].any()),
            measured.misplaced.eq(
                (descriptor.esp_offset < ESP_OFFSET_MIN)
                | (descriptor.esp_offset % WORD_BYTES != PHASE_BYTES)),
            measured.headless.eq(esp_bytes < TEXT_OFFSET),
            measured.unaligned.eq(esp_bytes % ESP_ALIGNMENT_BYTES != 0),
            measured.too_short.eq(Cat(
                esp_bytes < TEXT_OFFSET + ESP_ALIGNMENT_BYTES + size.bytes
                for size in IcvSize)),
        ]

    def decide(self, m, measured):
        """Second clock: the checks in their order, and the orders."""
        m.submodules.seqiv = seqiv = SeqIv()
        frame, descriptor = measured.frame, measured.frame.descriptor
        context = self.sa.payload.context
        job = self.o.payload
        icv = Signal(range(IcvSize.ICV16.bytes + 1))
        text_offset = Signal(OFFSET_BITS)
        payload_bytes = Signal(LENGTH_BITS)
        text_bytes = Signal(LENGTH_BITS)
        m.d.comb += [
            seqiv.sequence.eq(descriptor.sequence),
            seqiv.salt.eq(context.seqiv_salt),
            icv.eq(icv_bytes(context.icv_size)),
            text_offset.eq(descriptor.esp_offset + TEXT_OFFSET),
            payload_bytes.eq(
                measured.esp_bytes - Mux(descriptor.trailer, TEXT_OFFSET + icv, TEXT_OFFSET)),
            text_bytes.eq(Mux(descriptor.trailer, payload_bytes,
                              padded(measured.esp_bytes - (TEXT_OFFSET - ESP_TRAILER_MIN_BYTES)))),
        ]

        bad_syntax = Signal()
        m.d.comb += bad_syntax.eq(
            measured.misplaced | measured.headless
            | (descriptor.trailer & (
                measured.unaligned | measured.too_short.bit_select(context.icv_size, 1))))
        status = Signal(TxStatus)
        seal, keep = Signal(), Signal()
        with m.If(frame.end.oversize):
            m.d.comb += status.eq(TxStatus.DROP_OVERSIZE)
        with m.Elif(descriptor.operation == TxOperation.BYPASS):
            m.d.comb += status.eq(TxStatus.BYPASSED)
        with m.Elif(~self.sa.payload.hit):
            m.d.comb += status.eq(TxStatus.DROP_NO_SA)
        with m.Elif(measured.no_sequence | (~context.esn & measured.extended)):
            m.d.comb += status.eq(TxStatus.DROP_SEQUENCE)
        with m.Elif(bad_syntax):
            m.d.comb += status.eq(TxStatus.DROP_SYNTAX)
        with m.Elif(frame.spi != context.spi):
            m.d.comb += status.eq(TxStatus.DROP_SPI)
        with m.Else():
            m.d.comb += status.eq(TxStatus.SEALED)
        m.d.comb += [
            seal.eq(status == TxStatus.SEALED),
            keep.eq(seal | (status == TxStatus.BYPASSED)),
        ]

        m.d.sync += [
            job.verdict.status.eq(status),
            job.verdict.sa.eq(descriptor.sa),
            job.bytes.eq(frame.end.bytes),
            # With its trailer in the frame, a sealed frame is as long as it came.
            job.bytes_out.eq(Mux(
                seal & ~descriptor.trailer, measured.generated_end + icv,
                Mux(keep, frame.end.bytes, 0))),
            job.seal.eq(seal),
            job.keep.eq(keep),
            job.place.enable.eq(seal),
            job.place.offset.eq(text_offset),
            job.header.enable.eq(seal),
            job.header.esp_offset.eq(descriptor.esp_offset),
            job.header.sequence.eq(descriptor.sequence),
            job.header.iv.eq(seqiv.iv),
            job.span.enable.eq(seal),
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
        m.d.sync += [
            packet.aad.eq(Mux(context.esn, Cat(spi, high, low), Cat(spi, low))),
            packet.parameters.key.eq(context.key),
            packet.parameters.key_size.eq(context.key_size),
            packet.parameters.powers.eq(context.powers),
            packet.parameters.nonce.eq(Cat(bytes_of(context.salt), bytes_of(seqiv.iv))),
            packet.parameters.aad_bytes.eq(Mux(context.esn, 12, 8)),
            packet.parameters.text_bytes.eq(text_bytes),
            packet.parameters.decrypt.eq(0),
        ]


def measured_frame() -> data.StructLayout:
    """A frame between the two clocks.

    ``esp_bytes`` lie behind the ESP offset, ``headless`` when ESP header and IV do not
    fit them. With a trailer of the engine's the text ends at ``generated_end``; with one
    in the frame, it is ``too_short`` at the lengths of ICV whose bit, by ``IcvSize``, is
    set.
    """
    return data.StructLayout({
        "frame": tx_frame(),
        "esp_bytes": LENGTH_BITS,
        "generated_end": LENGTH_BITS,
        "no_sequence": 1,
        "extended": 1,
        "misplaced": 1,
        "headless": 1,
        "unaligned": 1,
        "too_short": len(IcvSize),
    })


def padded(count: Value) -> Value:
    """``count`` bytes up to the next multiple of ``ESP_ALIGNMENT_BYTES``."""
    return (count + ESP_ALIGNMENT_BYTES - 1) & ~(ESP_ALIGNMENT_BYTES - 1)
