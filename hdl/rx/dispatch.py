"""Decide what is done with a received frame, and tell the blocks that do it."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.frame.text_extract import TextSpan
from espnic.hdl.gcm.rfc4106 import GcmOrder, describe_length, describe_order
from espnic.hdl.layouts import HANDLE_BITS, LENGTH_BITS, ReceivedSa, icv_bytes
from espnic.hdl.rx.parser import RxHeader
from espnic.hdl.sa.replay_windows import WindowQuery
from espnic.hdl.sa.secret_read import secret_order
from espnic.model.interface.codes import (
    ESP_TEXT_OFFSET,
    Encapsulation,
    IcvSize,
    ReplayWindow,
    RxStatus,
)

RxRecord = data.StructLayout({
    "status": RxStatus,
    "sa": HANDLE_BITS,
    "esp_offset": 8,
    "esp_end": LENGTH_BITS + 1,
    "text_bytes": LENGTH_BITS,
    "icv_size": IcvSize,
    "sequence": 64,
    "windowed": 1,
    "in_udp": 1,
})
"""Record of a frame for its verdict.

``status`` is OK when the frame is to be opened; ``esp_end`` is where ESP ends,
in bytes from the start of the frame. ``windowed``: the SA has a replay window, and it has
been asked about ``sequence``, the number with which the frame is opened. ``in_udp``: the parser
found ESP in UDP, whether there is an SA or not.
"""


Opening = data.StructLayout({"gcm": GcmOrder, "iv": 64})
"""A packet to open, without anything secret; ``iv`` has its first byte in bits 63:56."""

RxJob = data.StructLayout({
    "open": 1,
    "span": TextSpan,
    "text_bytes": LENGTH_BITS,
    "text_end": LENGTH_BITS,
    "packet": secret_order(Opening),
    "record": RxRecord,
    "query": WindowQuery,
})
"""The orders for one frame.

``packet``, ``text_bytes`` and ``text_end`` count when ``open``, ``query`` when the record is
``windowed``. ``text_end`` is in bytes from the start of the frame, modulo 2^16.
"""


class RxDispatch(wiring.Component):
    """Join what the parser and the SA table say of a frame.

    Statuses given here: FAULT for a wrong row in the SA table, which may hide whether there is an
    SA, NO_SA, SYNTAX for an ESP packet without room for header, IV, trailer and ICV, TRUNCATED for
    a frame that ends before its IV. A frame with FAULT names no SA.

    The high half of an extended sequence number is the SA's ``esn_high``, or one more when
    ``esn_overlap`` is set and the low half is below 2^31 (the rule of Linux's drivers; RFC 4303,
    appendix A, gives the reason). If the SA has a replay window, it is the high half of the first
    number, from the start of the window on, with that low half.

    Combinational, one frame each clock.

    Members
    -------
    header : In(stream.Signature(RxHeader))
        From the parser, one per frame.
    sa : In(stream.Signature(ReceivedSa))
        From the SA table, one per frame; unspecified when the parser found no ESP.
    o : Out(stream.Signature(RxJob))
    """

    header: In(stream.Signature(RxHeader))
    sa: In(stream.Signature(ReceivedSa))
    o: Out(stream.Signature(RxJob))

    def elaborate(self, platform):
        m = Module()
        header, context, job = self.header.payload, self.sa.payload.context, self.o.payload
        opening = job.packet.carried
        icv = Signal(range(IcvSize.ICV16.bytes + 1))
        text_bytes = Signal(LENGTH_BITS)
        m.d.comb += [
            self.o.valid.eq(self.header.valid & self.sa.valid),
            self.header.ready.eq(self.o.valid & self.o.ready),
            self.sa.ready.eq(self.o.valid & self.o.ready),
            icv.eq(icv_bytes(context.icv_size)),
            text_bytes.eq(header.parsed.esp_bytes - ESP_TEXT_OFFSET - icv),
        ]
        esn_high = self._esn_high(m, header.parsed.sequence)
        self._judge(m)
        self._describe(m, esn_high, text_bytes)
        m.d.comb += [
            job.text_bytes.eq(text_bytes),
            job.text_end.eq(job.record.esp_end - icv),
            job.span.enable.eq(job.open),
            job.span.offset.eq(header.parsed.esp_offset + ESP_TEXT_OFFSET),
            job.span.bytes.eq(text_bytes + icv),
            job.packet.reads.eq(job.open),
            job.packet.sa.eq(self.sa.payload.sa),
            job.packet.serial.eq(context.serial),
            *describe_order(opening.gcm, context, header.parsed.spi,
                            Cat(header.parsed.sequence, esn_high)),
            *describe_length(opening.gcm, text_bytes),
            opening.iv.eq(header.iv),
        ]
        return m

    def _judge(self, m):
        """The checks in their order: may the frame be opened?"""
        header, sa, job = self.header.payload, self.sa.payload, self.o.payload
        status = job.record.status
        esp = Signal()
        m.d.comb += esp.eq(header.parsed.status == RxStatus.OK)
        with m.If(~esp):
            m.d.comb += status.eq(header.parsed.status)
        with m.Elif(sa.fault):
            m.d.comb += status.eq(RxStatus.FAULT)
        with m.Elif(~sa.hit):
            m.d.comb += status.eq(RxStatus.NO_SA)
        with m.Elif(~header.room.bit_select(sa.context.icv_size, 1)):
            m.d.comb += status.eq(RxStatus.SYNTAX)
        with m.Elif(header.short):
            m.d.comb += status.eq(RxStatus.TRUNCATED)
        with m.Else():
            m.d.comb += [status.eq(RxStatus.OK), job.open.eq(1)]
        with m.If(esp & sa.hit & ~sa.fault):
            m.d.comb += job.record.sa.eq(sa.sa)

    def _describe(self, m, esn_high, text_bytes):
        """Tell the verdict and the replay window of the frame."""
        parsed, sa, job = self.header.payload.parsed, self.sa.payload, self.o.payload
        context, record, query = sa.context, job.record, job.query
        sequence = Cat(parsed.sequence, Mux(context.esn, esn_high, 0))
        m.d.comb += [
            record.esp_offset.eq(parsed.esp_offset),
            record.esp_end.eq(parsed.esp_offset + parsed.esp_bytes),
            record.text_bytes.eq(text_bytes),
            record.icv_size.eq(context.icv_size),
            record.sequence.eq(sequence),
            record.in_udp.eq(parsed.encapsulation == Encapsulation.UDP),
            record.windowed.eq(job.open & (context.replay_window != ReplayWindow.NONE)),
            query.sa.eq(sa.sa),
            query.window.eq(context.replay_window),
            query.esn.eq(context.esn),
            Cat(query.sequence, query.high).eq(sequence),
        ]

    def _esn_high(self, m: Module, low: Value) -> Value:
        """High half of the sequence number whose low half is ``low``, if it is extended."""
        context, bottom = self.sa.payload.context, self.sa.payload.bottom
        windowed = context.replay_window != ReplayWindow.NONE
        wrapped = Mux(windowed, low < bottom[:32], context.esn_overlap & ~low[-1])
        high = Signal(32)
        next_high = Signal(32)
        m.d.comb += [
            high.eq(Mux(windowed, bottom[32:], context.esn_high)),
            next_high.eq(high + 1),
        ]
        return Mux(wrapped, next_high, high)
