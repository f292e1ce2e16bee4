"""Decide whether a frame to send can be done as its descriptor asks."""

from functools import reduce

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from espnic.hdl.flow.frame_ingress import frame_end
from espnic.hdl.flow.skid import Skid
from espnic.hdl.frame.align import PHASE_BYTES, WORD_BYTES
from espnic.hdl.frame.first_failure import first_failure
from espnic.hdl.layouts import (
    SUPER_LENGTH_BITS,
    FoundSa,
    SaContext,
    TxFields,
    icv_bytes,
)
from espnic.hdl.lso.segmenter import SegmentPlan
from espnic.hdl.sa.sent_numbers import SentPort, SentQuery
from espnic.hdl.sa.usage import UsageUse
from espnic.hdl.tx.pad_capture import PadLengths
from espnic.model.interface.codes import (
    ESP_ALIGNMENT_BYTES,
    ESP_TEXT_OFFSET,
    ESP_TRAILER_MIN_BYTES,
    ETHERNET_HEADER_BYTES,
    FRAME_BYTES_MAX,
    IPPROTO_TCP,
    IPPROTO_UDP,
    IPV4_HEADER_BYTES,
    IPV6_HEADER_BYTES,
    TCP_HEADER_BYTES,
    UDP_HEADER_BYTES,
    Encapsulation,
    IcvSize,
    TxOperation,
    TxStatus,
)
from espnic.model.interface.features import WIDTHS
from espnic.model.interface.headers import ESP_OFFSET_MIN, TCP_HEADER_BYTES_MAX

PLAN_OF_DESCRIPTOR = (
    "sa", "sequence", "mss", "outer_ipv6", "ipv6", "encapsulation", "outer_id_fixed",
    "outer_offset", "esp_offset", "l3_offset", "l4_offset", "header_bytes")
"""Fields of a plan that are as in the descriptor."""


LOOKED_OF_MEASURED = ("asks", "udp", "summed", "payload_bytes")
"""Findings about a frame that are needed after the look at its SA."""


BEATS_BITS = SUPER_LENGTH_BITS + 1 - exact_log2(min(WIDTHS) // 8)
"""Bits of the number of beats of a request, at the narrowest width."""


TxFrameRecord = data.StructLayout({
    "descriptor": TxFields,
    "end": frame_end(SUPER_LENGTH_BITS),
    "beats": BEATS_BITS,
    "spi": 32,
    "pads": PadLengths,
})
"""A frame to send, as known when its last beat has come."""


TxRequest = data.StructLayout({
    "beats": BEATS_BITS, "plan": SegmentPlan, "context": SaContext, "next_header": 8})
"""A checked request: its beats, status and SA, and what carrying it out needs when it is kept."""


class TxCheck(wiring.Component):
    """Check a frame against its descriptor, its SA, the SA's lifetime and its sealed numbers.

    A request to be encrypted is DROP_FAULT if the table, the lifetime or the numbers of its SA
    have a wrong row, and uses nothing of them.

    A request that cannot be done as it asks is refused, and the status says why: it never
    leaves in clear. The checks are made in the order of docs/behaviour.md.

    One frame each clock, if the answers come so fast. Latency 3 clocks from the frame, 2 from its
    SA, 1 from its answers. The first clock measures the frame, while the SA is read; the second
    looks at the SA, the third at the answers.

    Parameters
    ----------
    lso : bool
        Super-frames can be cut; without, such a request is refused.

    Members
    -------
    frame : In(stream.Signature(TxFrameRecord))
    last_segment : In(stream.Signature(17))
        Number of the last segment, from 0, one for each frame that is to be cut.
    sa : In(stream.Signature(FoundSa))
        The SA that the frame's descriptor names.
    usage : Out(UsageUse)
        Its lifetime, if the frame is to be encrypted; the path asks for it when the frame has come.
        A request that is sealed commits its use: its segments, and the bytes of its text without
        those that the segments repeat and the engine adds.
    sent : Out(SentPort)
        The numbers that it has sealed, queried when the frame has been measured. The numbers of a
        request that is sealed are committed; so is the refusal of one that would be but for them.
        A super-frame of one segment asks as a single frame does, if it has been counted by then.
    o : Out(stream.Signature(TxRequest))
    """

    def __init__(self, lso: bool = True):
        self.lso = lso
        super().__init__({
            "frame": In(stream.Signature(TxFrameRecord)),
            "last_segment": In(stream.Signature(SUPER_LENGTH_BITS)),
            "sa": In(stream.Signature(FoundSa)),
            "usage": Out(UsageUse),
            "sent": Out(SentPort),
            "o": Out(stream.Signature(TxRequest)),
        })

    def elaborate(self, platform):
        m = Module()
        measured = Signal(MeasuredFrame)
        looked = Signal(LookedUpFrame)
        measured_valid = Signal()
        looked_valid = Signal()
        """A frame is in the clock after the measures, or after the look at its SA."""
        looks = Signal()
        taken = Signal()
        ready = Signal()
        """The SA of the measured frame is looked at; the verdict on the one before is given."""
        answer, asks = self.usage.answer, looked.asks
        m.d.comb += [
            ready.eq(~self.o.valid | self.o.ready),
            taken.eq(looked_valid & ready & (answer.valid & self.sent.answer.valid | ~asks)),
            looks.eq(measured_valid & self.sa.valid & (~looked_valid | taken)
                     & (measured.counted | self.last_segment.valid)
                     & self._ask_numbers(m, measured, measured_valid, looks)),
            self.frame.ready.eq(~measured_valid | looks),
            self.sa.ready.eq(looks),
            answer.ready.eq(taken & asks),
            self.sent.answer.ready.eq(taken & asks),
            self.sent.counted.eq(looked_valid & asks),
        ]
        with m.If(self.frame.ready):
            m.d.sync += measured_valid.eq(self.frame.valid)
            self._measure(m, measured)
        last_segment = self._take_count(m, measured, measured_valid, looks)
        with m.If(looks):
            m.d.sync += looked_valid.eq(1)
            self._look(m, measured, looked, last_segment)
        with m.Elif(taken):
            m.d.sync += looked_valid.eq(0)
        with m.If(ready):
            m.d.sync += self.o.valid.eq(taken)
        seal, refused, keep, status = self._decide(m, looked)
        self._request(m, looked, seal, keep, status)
        self._commit(m, looked, taken & seal, taken & refused)
        return m

    def _take_count(self, m, measured, measured_valid, looks):
        """Take the number of a super-frame's last segment: with the frame if it is there by then.

        Returns it as the look at the SA needs it.
        """
        counted = Signal()
        count = self.last_segment.payload
        """The number that shows is that of the frame which comes, if it is to be cut."""
        cut = self.lso & self.frame.payload.descriptor.lso
        m.d.comb += [
            counted.eq(self.last_segment.valid & (~measured_valid | measured.counted)),
            self.last_segment.ready.eq(Mux(
                measured_valid & ~measured.counted, looks,
                self.frame.valid & self.frame.ready & cut)),
        ]
        with m.If(self.frame.ready):
            m.d.sync += [
                measured.counted.eq(counted | ~cut),
                measured.last_segment.eq(Mux(cut, count, 0)),
                measured.burst.eq(cut & ~(counted & (count == 0))),
            ]
        return Mux(measured.counted, measured.last_segment, count)

    def _ask_numbers(self, m, measured, measured_valid, looks):
        """Ask for the numbers of the measured frame; tell whether that is done.

        The answer takes longer than the look at the SA, so the question does not wait for the SA.
        """
        m.submodules.question = question = Skid(SentQuery)
        wiring.connect(m, question.o, wiring.flipped(self.sent).query)
        query, descriptor = question.i, measured.frame.descriptor
        done = Signal()
        numbered = Signal()
        m.d.comb += [
            query.valid.eq(measured_valid & measured.asks & ~done),
            query.payload.sa.eq(descriptor.sa),
            query.payload.sequence.eq(descriptor.sequence),
            query.payload.burst.eq(measured.burst),
            numbered.eq(done | query.ready | ~measured.asks),
        ]
        m.d.sync += done.eq(measured_valid & measured.asks & numbered & ~looks)
        return numbered

    def _commit(self, m, looked, seal, refused):
        """Tell lifetime and numbers what the request uses of them: all or nothing."""
        commit, last_segment = self.usage.commit, looked.last_segment
        m.d.comb += [
            self.sent.commit.count.eq(seal),
            self.sent.commit.refused.eq(refused),
            self.sent.commit.more.eq(last_segment),
            commit.count.eq(seal),
            commit.packets.eq(last_segment + 1),
            commit.bytes.eq(looked.text_bytes),
            commit.sequence.eq(looked.descriptor.sequence + last_segment),
        ]

    def _measure(self, m, measured):
        """First clock: the lengths, and whether they can be right, for each length of ICV."""
        frame, descriptor = self.frame.payload, self.frame.payload.descriptor
        frame_bytes = frame.end.bytes
        tcp = descriptor.l4_protocol == IPPROTO_TCP
        udp = descriptor.l4_protocol == IPPROTO_UDP
        summed = ~descriptor.lso & descriptor.checksum & (tcp | udp)
        behind_l4 = Signal(signed(SUPER_LENGTH_BITS + 1))
        m.d.comb += behind_l4.eq(frame_bytes - (descriptor.l4_offset + descriptor.l4_bytes))
        l4_min = Mux(descriptor.operation == TxOperation.BYPASS,
                     ESP_OFFSET_MIN, descriptor.esp_offset + ESP_TEXT_OFFSET)
        m.d.sync += [
            measured.frame.eq(frame),
            measured.asks.eq(descriptor.operation == TxOperation.ENCRYPT),
            measured.no_operation.eq(
                ~Cat(descriptor.operation == known for known in TxOperation).any()),
            measured.udp.eq(udp),
            measured.summed.eq(summed),
            measured.payload_bytes.eq(frame_bytes - descriptor.header_bytes),
            measured.other_protocol.eq(~tcp & ~udp),
            measured.scattered.eq(self._scattered(descriptor, tcp, udp)),
            measured.no_header.eq(frame_bytes < descriptor.header_bytes),
            measured.no_payload.eq(frame_bytes == descriptor.header_bytes),
            measured.bad_mss.eq(
                (descriptor.mss == 0)
                | (descriptor.mss > FRAME_BYTES_MAX - descriptor.header_bytes)),
            measured.outside.eq(summed & (
                _unaligned(descriptor.l4_offset)
                | (descriptor.l4_offset < l4_min)
                | (descriptor.l4_bytes < Mux(udp, UDP_HEADER_BYTES, TCP_HEADER_BYTES))
                | (behind_l4 < 0))),
        ]
        self._measure_esp(m, measured, summed, behind_l4)

    def _measure_esp(self, m, measured, summed, behind_l4):
        """The findings that only a frame to be encrypted needs.

        ``behind_l4`` is the number of bytes of the frame after the ``summed`` part.
        """
        frame, descriptor = self.frame.payload, self.frame.payload.descriptor
        esp_bytes = Signal(signed(SUPER_LENGTH_BITS + 1))
        m.d.comb += esp_bytes.eq(frame.end.bytes - descriptor.esp_offset)
        m.d.sync += [
            *(measured.text_bytes[size].eq(
                esp_bytes - ESP_TEXT_OFFSET - Mux(descriptor.trailer, size.bytes, 0))
              for size in IcvSize),
            measured.near.eq(
                self.lso & descriptor.lso & descriptor.sequence[SUPER_LENGTH_BITS:32].all()),
            measured.no_sequence.eq(descriptor.sequence == 0),
            measured.extended.eq(descriptor.sequence[32:].any()),
            measured.last_epoch.eq(descriptor.sequence[32:].all()),
            measured.misplaced.eq(
                (descriptor.esp_offset < ESP_OFFSET_MIN) | _unaligned(descriptor.esp_offset)),
            measured.headless.eq(esp_bytes < ESP_TEXT_OFFSET),
            measured.unaligned.eq(esp_bytes % ESP_ALIGNMENT_BYTES != 0),
            measured.too_short.eq(Cat(
                esp_bytes < ESP_TEXT_OFFSET + ESP_ALIGNMENT_BYTES + size.bytes
                for size in IcvSize)),
            measured.bad_trailer.eq(Cat(
                (esp_bytes - (ESP_TEXT_OFFSET + ESP_TRAILER_MIN_BYTES + size.bytes) < pad)
                | (summed & (behind_l4 - (ESP_TRAILER_MIN_BYTES + size.bytes) < pad))
                for size, pad in zip(IcvSize, frame.pads, strict=True))),
        ]

    @staticmethod
    def _scattered(descriptor, tcp, udp):
        """Whether the headers of a super-frame do not follow each other with room for each."""
        outer, esp = descriptor.outer_offset, descriptor.esp_offset
        l3, l4, end = descriptor.l3_offset, descriptor.l4_offset, descriptor.header_bytes
        bypass = descriptor.operation == TxOperation.BYPASS
        one_header = (l3 == outer) & (descriptor.ipv6 == descriptor.outer_ipv6)
        l4_bad = Mux(
            udp, end != l4 + UDP_HEADER_BYTES,
            (end < l4 + TCP_HEADER_BYTES) | (end > l4 + TCP_HEADER_BYTES_MAX))
        inner_bad = l4 < l3 + _ip_header_bytes(descriptor.ipv6)
        udp_bytes = Mux(descriptor.encapsulation == Encapsulation.UDP, UDP_HEADER_BYTES, 0)
        outer_bad = esp < outer + (_ip_header_bytes(descriptor.outer_ipv6) + udp_bytes)
        text = esp + ESP_TEXT_OFFSET
        return (
            Cat(_unaligned(offset) for offset in (outer, l3, l4, end)).any()
            | (outer < ETHERNET_HEADER_BYTES) | l4_bad
            | Mux(bypass, ~one_header | inner_bad,
                  _unaligned(esp) | outer_bad
                  | Mux(l3 == outer, ~one_header | (l4 < text), (l3 < text) | inner_bad))
        )

    def _look(self, m, measured, looked, last_segment):
        """Second clock: the checks that need no answers."""
        context, sequence = self.sa.payload.context, measured.frame.descriptor.sequence
        frame_checks = self._frame_checks(measured)
        *reasons, _ = frame_checks
        frame_group, *esp_groups = (
            first_failure(m, checks, TxStatus.SEALED)
            for checks in (frame_checks, *self._esp_checks(measured)))
        passes_end = (sequence[:SUPER_LENGTH_BITS] + last_segment)[SUPER_LENGTH_BITS]
        m.d.sync += [
            *(looked[name].eq(measured[name]) for name in LOOKED_OF_MEASURED),
            looked.descriptor.eq(measured.frame.descriptor),
            looked.bytes.eq(measured.frame.end.bytes),
            looked.beats.eq(measured.frame.beats),
            looked.context.eq(context),
            looked.last_segment.eq(last_segment),
            looked.text_bytes.eq(measured.text_bytes[IcvSize.ICV16]),
            looked.clear.eq(~Cat(reason for reason, _ in reasons).any() & ~measured.asks),
            Cat(looked.decided, looked.decision).eq(Cat(*frame_group)),
            looked.fault.eq(self.sa.payload.fault),
            looked.hit.eq(self.sa.payload.hit),
            looked.failed.eq(Cat(failed for failed, _ in esp_groups).any()),
            looked.failure.eq(reduce(
                lambda rest, group: Mux(*group, rest), reversed(esp_groups), TxStatus.SEALED)),
            looked.too_many.eq(
                measured.near & passes_end & (~context.esn | measured.last_epoch)),
        ]
        for size in (IcvSize.ICV8, IcvSize.ICV12):
            with m.If(context.icv_size == size):
                m.d.sync += looked.text_bytes.eq(measured.text_bytes[size])

    def _decide(self, m, looked):
        """Third clock: the checks that need the answers, and the first of all that failed.

        Returns whether the request is to be sealed, whether it is not only because of its
        numbers, whether it is to leave at all, and its status.
        """
        numbers, usage = self.sent.answer.payload, self.usage.answer.payload
        used = Signal()
        status = Signal(TxStatus)
        seal = Signal()
        only_used = Signal()
        unused = Signal()
        # The wrong row goes before the checks of the SA, and is known last.
        fault = looked.fault | looked.hit & (usage.fault | numbers.fault)
        failed, failure = first_failure(m, [
            (fault, TxStatus.DROP_FAULT),
            (looked.failed, looked.failure),
            (usage.expired, TxStatus.DROP_EXPIRED),
            (looked.too_many, TxStatus.DROP_LSO_SEQUENCE),
            (numbers.late, TxStatus.DROP_LATE),
            (numbers.repeated, TxStatus.DROP_REPEATED),
        ], TxStatus.SEALED)
        m.d.comb += [
            status.eq(Mux(looked.decided, looked.decision, failure)),
            used.eq(numbers.late | numbers.repeated),
            unused.eq(~(looked.decided | fault | looked.failed | usage.expired | looked.too_many)),
            seal.eq(unused & ~used),
            only_used.eq(unused & used),
        ]
        return seal, only_used, looked.clear | seal, status

    def _frame_checks(self, measured):
        """The checks of every request; the last tells that there is nothing to encrypt."""
        frame, descriptor = measured.frame, measured.frame.descriptor
        encrypt = descriptor.operation == TxOperation.ENCRYPT
        # Without segmentation its checks are constant, and go in synthesis.
        lso, unsupported = (descriptor.lso, 0) if self.lso else (Const(0), descriptor.lso)
        return [
            (measured.no_operation, TxStatus.DROP_OPERATION),
            (descriptor.reserved, TxStatus.DROP_RESERVED),
            (unsupported, TxStatus.DROP_UNSUPPORTED),
            (lso & frame.end.oversize, TxStatus.DROP_LSO_OVERSIZE),
            (lso & descriptor.trailer & encrypt, TxStatus.DROP_TRAILER),
            (lso & measured.other_protocol, TxStatus.DROP_LSO_PROTOCOL),
            (lso & measured.scattered, TxStatus.DROP_OFFSETS),
            (lso & measured.no_header, TxStatus.DROP_LSO_HEADER),
            (lso & measured.no_payload, TxStatus.DROP_LSO_PAYLOAD),
            (lso & measured.bad_mss, TxStatus.DROP_LSO_MSS),
            (frame.end.oversize, TxStatus.DROP_OVERSIZE),
            (measured.outside, TxStatus.DROP_OFFSETS),
            (~encrypt, TxStatus.BYPASSED),
        ]

    def _esp_checks(self, measured):
        """The checks of a request to be encrypted that need its SA, but for that of a wrong row.

        In groups, so that the comparison of the SPIs passes no chain of other checks.
        """
        frame, trailer = measured.frame, measured.frame.descriptor.trailer
        sa, context = self.sa.payload, self.sa.payload.context

        def with_this_icv(findings):
            return findings.bit_select(context.icv_size, 1)

        return [
            (~sa.hit, TxStatus.DROP_NO_SA),
            (measured.no_sequence | (~context.esn & measured.extended), TxStatus.DROP_SEQUENCE),
            (measured.misplaced | measured.headless | (trailer & (
                measured.unaligned | with_this_icv(measured.too_short))), TxStatus.DROP_SYNTAX),
        ], [
            (frame.spi != context.spi, TxStatus.DROP_SPI),
        ], [
            (trailer & with_this_icv(measured.bad_trailer), TxStatus.DROP_TRAILER),
        ]

    def _request(self, m, looked, seal, keep, status):
        """Give the request with its status."""
        descriptor, context, plan = looked.descriptor, looked.context, self.o.payload.plan
        lso = descriptor.lso if self.lso else Const(0)
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += [
                *(plan[name].eq(descriptor[name]) for name in PLAN_OF_DESCRIPTOR),
                plan.status.eq(status),
                plan.keep.eq(keep),
                plan.seal.eq(seal),
                plan.lso.eq(keep & lso),
                plan.trailer.eq(seal & descriptor.trailer),
                plan.checksum.eq(keep & (lso | looked.summed)),
                plan.edited.eq(keep & (lso | descriptor.checksum)),
                plan.udp.eq(looked.udp),
                plan.tunnel.eq(seal & (descriptor.l3_offset != descriptor.outer_offset)),
                plan.text_offset.eq(descriptor.esp_offset + ESP_TEXT_OFFSET),
                plan.icv_bytes.eq(icv_bytes(context.icv_size)),
                plan.bytes.eq(looked.bytes),
                plan.payload_bytes.eq(looked.payload_bytes),
                self.o.payload.beats.eq(looked.beats),
                self.o.payload.context.eq(context),
                self.o.payload.next_header.eq(descriptor.next_header),
            ]


MeasuredFrame = data.StructLayout({
    "frame": TxFrameRecord,
    "asks": 1,
    "counted": 1,
    "last_segment": SUPER_LENGTH_BITS,
    "burst": 1,
    "no_operation": 1,
    "udp": 1,
    "summed": 1,
    "payload_bytes": SUPER_LENGTH_BITS,
    "text_bytes": data.ArrayLayout(SUPER_LENGTH_BITS, len(IcvSize)),
    "other_protocol": 1,
    "scattered": 1,
    "no_header": 1,
    "no_payload": 1,
    "bad_mss": 1,
    "outside": 1,
    "near": 1,
    "no_sequence": 1,
    "extended": 1,
    "last_epoch": 1,
    "misplaced": 1,
    "headless": 1,
    "unaligned": 1,
    "too_short": len(IcvSize),
    "bad_trailer": len(IcvSize),
})
"""A frame after the first clock, with the findings that need no SA.

``asks``: it is to be encrypted. ``counted``: ``last_segment`` is known; it is 0 if the frame is not
to be cut. ``burst``: it may have more segments than one. ``no_operation``: the operation is no
``TxOperation``. ``summed``: a checksum is to be put in, without segmentation; it is
``outside`` when the bytes that it covers are not all in the frame. ``near``: a super-frame so near
the end of the low sequence numbers that they may not suffice. ``scattered``: the headers of a
super-frame do not follow each other. ``misplaced``: the ESP header lies where none can be;
``headless``: it does not fit the frame with its IV. ``text_bytes`` are those after the IV, without
the room for the ICV. They are there for each ``IcvSize``, and so are ``too_short`` and
``bad_trailer``, which are about a trailer in the frame.
"""


LookedUpFrame = data.StructLayout({
    "descriptor": TxFields,
    "context": SaContext,
    "bytes": SUPER_LENGTH_BITS,
    "beats": BEATS_BITS,
    **{name: MeasuredFrame[name].shape for name in LOOKED_OF_MEASURED},
    "last_segment": SUPER_LENGTH_BITS,
    "text_bytes": SUPER_LENGTH_BITS,
    "clear": 1,
    "decided": 1,
    "decision": TxStatus,
    "fault": 1,
    "hit": 1,
    "failed": 1,
    "failure": TxStatus,
    "too_many": 1,
})
"""A frame after the second clock, with its SA.

``decided``: the checks of every request have failed or found nothing to encrypt, and ``decision``
says which; ``clear``: it is to leave unencrypted. ``fault``: the table has a wrong row; ``hit``: it
has the SA. ``failed``: a check that needs the SA and no answer has, and ``failure`` is the first of
them. ``too_many``: the low sequence numbers are too few for its segments.
"""


def _ip_header_bytes(ipv6: Value) -> Value:
    """The least length of an IP header."""
    return Mux(ipv6, IPV6_HEADER_BYTES, IPV4_HEADER_BYTES)


def _unaligned(offset: Value) -> Value:
    """Whether an offset is not 2 mod 4, as the offset of every header after Ethernet's must be."""
    return offset % WORD_BYTES != PHASE_BYTES
