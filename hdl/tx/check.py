"""Decide whether a frame to send can be done as its descriptor asks."""

from functools import reduce

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.flow.frame_ingress import frame_end
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
from espnic.hdl.sa.sent_numbers import SentPort
from espnic.hdl.sa.usage import UsagePort
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
from espnic.model.interface.headers import ESP_OFFSET_MIN, TCP_HEADER_BYTES_MAX

DIVISION_STEP_BITS = 2
"""Bits of the number of segments that are found in each clock."""

DIVISION_STEPS = -(-SUPER_LENGTH_BITS // DIVISION_STEP_BITS)
DIVISION_BITS = DIVISION_STEPS * DIVISION_STEP_BITS

PLAN_OF_DESCRIPTOR = (
    "sa", "sequence", "mss", "outer_ipv6", "ipv6", "encapsulation", "outer_id_fixed",
    "outer_offset", "esp_offset", "l3_offset", "l4_offset", "header_bytes")
"""Fields of a plan that are as in the descriptor."""


TxFrameRecord = data.StructLayout({
    "descriptor": TxFields,
    "end": frame_end(SUPER_LENGTH_BITS),
    "spi": 32,
    "pads": PadLengths,
})
"""A frame to send, as known when its last beat has come."""


TxRequest = data.StructLayout({"plan": SegmentPlan, "context": SaContext, "next_header": 8})
"""A checked request: its status and SA, and what carrying it out needs when it is kept."""


class TxCheck(wiring.Component):
    """Check a frame against its descriptor, its SA, the SA's lifetime and its sealed numbers.

    A request to be encrypted is DROP_FAULT if the table, the lifetime or the numbers of its SA
    have a wrong row, and uses nothing of them.

    A request that cannot be done as it asks is refused, and the status says why: it never
    leaves in clear. The checks are made in the order of docs/behaviour.md.

    One frame each clock; of frames to be encrypted, one every other clock. Latency 2 clocks
    from the frame, 3 if it is to be encrypted, 1 from its SA: the first clock measures the
    frame, which takes no SA and is done while the SA is read.
    A super-frame within 2^17 of the end of the low sequence numbers takes
    ``DIVISION_STEPS`` clocks more, to count its segments, and so does one whose first number is
    not above all that its SA has sealed; that one waits for ``SentNumbers`` too. The SA's
    lifetime and its sealed numbers need the number of segments of every super-frame to be
    encrypted, but only the next request waits for it, ``DIVISION_STEPS`` + 1 clocks.

    Parameters
    ----------
    lso : bool
        Super-frames can be cut; without, such a request is refused.

    Members
    -------
    frame : In(stream.Signature(TxFrameRecord))
    sa : In(stream.Signature(FoundSa))
        The SA that the frame's descriptor names.
    usage : Out(UsagePort)
        Its lifetime, queried when the frame is to be encrypted. A request that is sealed commits
        its use: its segments, and the bytes of its text without those that the segments repeat
        and the engine adds.
    sent : Out(SentPort)
        The numbers that it has sealed, queried when the frame shows. The numbers of a request
        that is sealed are committed; so is the refusal of one that would be but for them.
    o : Out(stream.Signature(TxRequest))
    """

    def __init__(self, lso: bool = True):
        self.lso = lso
        super().__init__({
            "frame": In(stream.Signature(TxFrameRecord)),
            "sa": In(stream.Signature(FoundSa)),
            "usage": Out(UsagePort),
            "sent": Out(SentPort),
            "o": Out(stream.Signature(TxRequest)),
        })

    def elaborate(self, platform):
        m = Module()
        measured = Signal(MeasuredFrame)
        measured_valid = Signal()
        empty = Signal()
        ready = Signal()
        taken = Signal()
        asked = Signal()
        settling = Signal()
        query, answer = self.usage.query, self.usage.answer
        numbered = self._ask_numbers(m)
        burst = self.lso & measured.frame.descriptor.lso
        encrypt = self.frame.payload.descriptor.operation == TxOperation.ENCRYPT
        divided, last_segment, too_many = self._count_segments(m, measured)
        m.d.comb += [
            ready.eq(~self.o.valid | self.o.ready),
            taken.eq(measured_valid & (~measured.near | divided) & self.sa.valid & ready
                     & (answer.valid & self.sent.answer.valid | ~asked)),
            self.sa.ready.eq(taken),
            empty.eq(~settling & ~measured_valid),
            query.payload.eq(self.frame.payload.descriptor.sa),
            query.valid.eq(self.frame.valid & encrypt & empty & numbered),
            self.frame.ready.eq(Mux(
                encrypt, empty & query.ready & numbered,
                empty | (taken & ~settling & ~burst))),
        ]
        with m.If(self.frame.ready):
            m.d.sync += [measured_valid.eq(self.frame.valid), asked.eq(query.valid)]
            self._measure(m, measured)
        with m.Elif(taken):
            m.d.sync += measured_valid.eq(0)
        seal, refused, keep, status = self._decide(m, measured, too_many)
        self._request(m, measured, seal, keep, status)
        with m.If(ready):
            m.d.sync += self.o.valid.eq(taken)

        # Lifetime and numbers: a burst keeps its answers until its segments have been counted.
        outcome, held = Signal(2), Signal(2)
        settled = settling & divided
        m.d.comb += [
            outcome.eq(Mux(settling, held, Cat(seal, refused))),
            answer.ready.eq(asked & (settled | taken & ~burst)),
            self.sent.answer.ready.eq(answer.ready),
            self.sent.counted.eq(measured_valid & asked & divided),
        ]
        m.d.sync += settling.eq(
            Mux(settling, ~(divided & answer.valid), taken & burst & asked))
        with m.If(taken):
            m.d.sync += held.eq(outcome)
        self._commit(m, measured, Mux(burst, last_segment, 0), outcome)
        return m

    def _ask_numbers(self, m):
        """Ask for the numbers of the frame that shows; tell whether that is done.

        The answer takes a clock longer than that of the lifetime, so the question comes before
        the frame is taken, while the one before it is judged.
        """
        query, descriptor = self.sent.query, self.frame.payload.descriptor
        done, numbered = Signal(), Signal()
        m.d.comb += [
            query.valid.eq(self.frame.valid & ~done
                           & (descriptor.operation == TxOperation.ENCRYPT)),
            query.payload.sa.eq(descriptor.sa),
            query.payload.sequence.eq(descriptor.sequence),
            query.payload.burst.eq(self.lso & descriptor.lso),
            numbered.eq(done | query.ready),
        ]
        m.d.sync += done.eq(numbered & self.frame.valid & ~self.frame.ready)
        return numbered

    def _commit(self, m, measured, last_segment, outcome):
        """Tell lifetime and numbers what the request uses of them: all or nothing."""
        commit, descriptor = self.usage.commit, measured.frame.descriptor
        m.d.comb += [
            Cat(self.sent.commit.count, self.sent.commit.refused).eq(outcome),
            self.sent.commit.more.eq(last_segment),
            commit.count.eq(outcome[0]),
            commit.packets.eq(last_segment + 1),
            commit.bytes.eq(measured.text_bytes[IcvSize.ICV16]),
            commit.sequence.eq(descriptor.sequence + last_segment),
        ]
        for size in (IcvSize.ICV8, IcvSize.ICV12):
            with m.If(self.sa.payload.context.icv_size == size):
                m.d.comb += commit.bytes.eq(measured.text_bytes[size])

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

    def _count_segments(self, m, measured):
        """Divide the payload of a super-frame by its MSS, digit by digit.

        Returns whether that is done, the index of the last segment, and whether the low sequence
        numbers are too few for the segments.
        """
        descriptor, end = measured.frame.descriptor, self.frame.payload.end.bytes
        steps_left = Signal(range(DIVISION_STEPS + 1))
        dividend = Signal(DIVISION_BITS)
        rest = Signal.like(descriptor.mss)
        with m.If(self.frame.ready):
            m.d.sync += [
                steps_left.eq(DIVISION_STEPS),
                dividend.eq(end - self.frame.payload.descriptor.header_bytes - 1),
                rest.eq(0),
            ]
        with m.Elif(steps_left != 0):
            digits, remains = dividend, rest
            for _ in range(DIVISION_STEP_BITS):
                trial = Cat(digits[-1], remains)
                fits = trial >= descriptor.mss
                remains = Mux(fits, trial - descriptor.mss, trial)[:len(rest)]
                digits = Cat(fits, digits[:-1])
            m.d.sync += [
                steps_left.eq(steps_left - 1), dividend.eq(digits), rest.eq(remains)]

        # After the division, its digits stand in the place of the dividend.
        last_segment = dividend[:SUPER_LENGTH_BITS]
        low = descriptor.sequence[:SUPER_LENGTH_BITS]
        divided, passed_end = Signal(), Signal()
        m.d.sync += [
            divided.eq(~self.frame.ready & (steps_left == 0)),
            passed_end.eq((low + last_segment)[SUPER_LENGTH_BITS]),
        ]
        return divided, last_segment, measured.near & passed_end

    def _decide(self, m, measured, too_many):
        """Second clock: the checks in their order.

        Returns whether the request is to be sealed, whether it is not only because of its
        numbers, whether it is to leave at all, and its status.
        """
        frame_checks = self._frame_checks(measured)
        numbers = self.sent.answer.payload
        sa = self.sa.payload
        # It goes before the checks of the SA, and is known last.
        fault = sa.fault | sa.hit & (self.usage.answer.payload.fault | numbers.fault)
        groups = [first_failure(m, checks, TxStatus.SEALED) for checks in (
            frame_checks, [(fault, TxStatus.DROP_FAULT)], *self._esp_checks(measured, too_many), [
                (numbers.late, TxStatus.DROP_LATE),
                (numbers.repeated, TxStatus.DROP_REPEATED),
            ])]
        status = Signal(TxStatus)
        seal, only_used, keep = Signal(), Signal(), Signal()
        refused, *failures, used = (failed for failed, _ in groups)
        *reasons, (bypass, _) = frame_checks
        m.d.comb += [
            status.eq(reduce(
                lambda rest, group: Mux(*group, rest), reversed(groups), TxStatus.SEALED)),
            seal.eq(~Cat(refused, *failures, used).any()),
            only_used.eq(~Cat(refused, *failures).any() & used),
            keep.eq(~Cat(reason for reason, _ in reasons).any()
                    & (bypass | ~Cat(*failures, used).any())),
        ]
        return seal, only_used, keep, status

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

    def _esp_checks(self, measured, too_many):
        """The checks of a request to be encrypted, but for those of wrong rows, the first, and of
        its numbers, the last.

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
            (self.usage.answer.payload.expired, TxStatus.DROP_EXPIRED),
            (too_many & (~context.esn | measured.last_epoch), TxStatus.DROP_LSO_SEQUENCE),
        ]

    def _request(self, m, measured, seal, keep, status):
        """Give the request with its status."""
        frame, descriptor = measured.frame, measured.frame.descriptor
        context, plan = self.sa.payload.context, self.o.payload.plan
        lso = descriptor.lso if self.lso else Const(0)
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += [
                *(plan[name].eq(descriptor[name]) for name in PLAN_OF_DESCRIPTOR),
                plan.status.eq(status),
                plan.keep.eq(keep),
                plan.seal.eq(seal),
                plan.lso.eq(keep & lso),
                plan.trailer.eq(seal & descriptor.trailer),
                plan.checksum.eq(keep & (lso | measured.summed)),
                plan.edited.eq(keep & (lso | descriptor.checksum)),
                plan.udp.eq(measured.udp),
                plan.tunnel.eq(seal & (descriptor.l3_offset != descriptor.outer_offset)),
                plan.text_offset.eq(descriptor.esp_offset + ESP_TEXT_OFFSET),
                plan.icv_bytes.eq(icv_bytes(context.icv_size)),
                plan.bytes.eq(frame.end.bytes),
                plan.payload_bytes.eq(measured.payload_bytes),
                self.o.payload.context.eq(context),
                self.o.payload.next_header.eq(descriptor.next_header),
            ]


MeasuredFrame = data.StructLayout({
    "frame": TxFrameRecord,
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
"""A frame between the two clocks, with the findings that need no SA.

``no_operation``: the operation is no ``TxOperation``. ``summed``: a checksum is to be put in,
without segmentation; it is ``outside`` when the bytes that it covers are not all in the frame.
``near``: a super-frame so near the end of the low
sequence numbers that they may not suffice. ``scattered``: the headers of a super-frame do not
follow each other. ``misplaced``: the ESP header lies where none can be; ``headless``: it does
not fit the frame with its IV. ``text_bytes`` are those after the IV, without the room for the
ICV. They are there for each ``IcvSize``, and so are ``too_short`` and ``bad_trailer``, which are
about a trailer in the frame.
"""


def _ip_header_bytes(ipv6: Value) -> Value:
    """The least length of an IP header."""
    return Mux(ipv6, IPV6_HEADER_BYTES, IPV4_HEADER_BYTES)


def _unaligned(offset: Value) -> Value:
    """Whether an offset is not 2 mod 4, as the offset of every header after Ethernet's must be."""
    return offset % WORD_BYTES != PHASE_BYTES
