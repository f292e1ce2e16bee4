"""Lengths, numbers and checksums that change from segment to segment of a super-frame."""

from types import SimpleNamespace

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.flow.ones_sum import WORD_BITS, folded
from espnic.hdl.frame.align import OFFSET_BITS as TEXT_OFFSET_BITS
from espnic.hdl.layouts import (
    HANDLE_BITS,
    HEADER_OFFSET_BITS,
    LENGTH_BITS,
    MSS_BITS,
    SUPER_LENGTH_BITS,
)
from espnic.hdl.lso.header_patch import header_patches
from espnic.hdl.lso.header_probe import ProbeRecord
from espnic.model.interface.codes import (
    ESP_ALIGNMENT_BYTES,
    ESP_TRAILER_MIN_BYTES,
    IPV6_HEADER_BYTES,
    UDP_HEADER_BYTES,
    IcvSize,
    TxStatus,
)
from espnic.model.interface.headers import (
    IPV4_CHECKSUM_AT,
    IPV4_ID_AT,
    IPV4_LENGTH_AT,
    IPV6_LENGTH_AT,
    TCP_CHECKSUM_AT,
    TCP_CWR,
    TCP_DATA_OFFSET_AT,
    TCP_FIN,
    TCP_PSH,
    TCP_SEQUENCE_AT,
    UDP_CHECKSUM_AT,
    UDP_LENGTH_AT,
)

PATCHES = 11
"""Words of a segment's headers that differ from the super-frame's."""

CHECKSUM_PATCHES = 1
"""Words that change in a frame that is not cut: its checksum."""

PIPELINE_STAGES = 5

PADDING_BYTES = ESP_TRAILER_MIN_BYTES + ESP_ALIGNMENT_BYTES - 1
"""Bytes of trailer that a payload gets at most."""


SegmentPlan = data.StructLayout({
    "status": TxStatus,
    "sa": HANDLE_BITS,
    "keep": 1,
    "seal": 1,
    "lso": 1,
    "checksum": 1,
    "edited": 1,
    "trailer": 1,
    "udp": 1,
    "tunnel": 1,
    "outer_ipv6": 1,
    "ipv6": 1,
    "encapsulation": 1,
    "outer_id_fixed": 1,
    "outer_offset": HEADER_OFFSET_BITS,
    "esp_offset": HEADER_OFFSET_BITS,
    "l3_offset": HEADER_OFFSET_BITS,
    "l4_offset": HEADER_OFFSET_BITS,
    "header_bytes": HEADER_OFFSET_BITS,
    "text_offset": TEXT_OFFSET_BITS,
    "icv_bytes": range(IcvSize.ICV16.bytes + 1),
    "mss": MSS_BITS,
    "bytes": SUPER_LENGTH_BITS,
    "payload_bytes": SUPER_LENGTH_BITS,
    "sequence": 64,
})
"""Plan for a request; a request that is refused is not to be kept.

``seal``, ``lso`` and ``checksum`` (of UDP with ``udp``) are set only in requests that are
kept; ``edited``: the descriptor asks for either of the last two. ``payload_bytes`` is the
length of a super-frame's L4 payload, ``text_offset`` the offset of the first byte after the
ESP IV; the rest is as in the descriptor.
"""


def patches(lso: bool) -> int:
    """Most words of a frame's headers that change, with and without segmentation."""
    return PATCHES if lso else CHECKSUM_PATCHES


def segment(lso: bool = True) -> data.StructLayout:
    """A frame of a request: a segment of a super-frame, else the whole frame.

    ``bytes_in`` is the length of the request in its first frame, else 0. ``payload_bytes`` of
    text lie in the frame, ``text_bytes`` are sealed, ``bytes_out`` leave.
    """
    return data.StructLayout({
        "first": 1,
        "last": 1,
        **{name: SegmentPlan.members[name] for name in _PASSED},
        "bytes_in": SUPER_LENGTH_BITS,
        "payload_bytes": LENGTH_BITS,
        "text_bytes": LENGTH_BITS,
        "bytes_out": LENGTH_BITS,
        "patches": header_patches(patches(lso)),
    })


_PASSED = ("status", "sa", "keep", "seal", "lso", "edited", "trailer", "esp_offset", "header_bytes",
           "text_offset", "sequence")


class Segmenter(wiring.Component):
    """Find what the headers of each segment of a super-frame must hold.

    For segment k of TCP: the lengths of both IP headers and of the UDP encapsulation,
    both IPv4 identifications + k and header checksums, the sequence number + k · MSS,
    FIN and PSH in the last alone, CWR in the first alone, and the checksum. For UDP, in
    place of TCP's: length and checksum (Linux's UDP_SEGMENT). The ESP sequence number is
    + k, in 64 bits.

    An L4 checksum field holds the sum of the pseudo-header with the length of the whole
    (Linux's CHECKSUM_PARTIAL); the length of the segment replaces that length. A UDP
    checksum of 0 is sent as FFFFh (RFC 768).

    A request that is no super-frame is one segment; only its L4 checksum may change.

    Latency ``PIPELINE_STAGES`` clocks, one segment each clock.

    Parameters
    ----------
    lso : bool
        Super-frames can be cut.

    Members
    -------
    plan, probe : In(stream.Signature(SegmentPlan)), In(stream.Signature(ProbeRecord))
        One per request each; taken with its last segment.
    slice_sum : In(stream.Signature(16))
        Ones' complement sum of the payload of each segment of super-frames; only with ``lso``.
    o : Out(stream.Signature(segment(lso)))
    """

    def __init__(self, lso: bool = True):
        self.lso = lso
        sums = {"slice_sum": In(stream.Signature(WORD_BITS))} if lso else {}
        super().__init__({
            "plan": In(stream.Signature(SegmentPlan)),
            "probe": In(stream.Signature(ProbeRecord)),
            **sums,
            "o": Out(stream.Signature(segment(lso))),
        })

    def elaborate(self, platform):
        m = Module()
        advance = Signal()
        step = Signal()
        valid = Signal(PIPELINE_STAGES)
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready),
            self.o.valid.eq(valid[-1]),
        ]
        with m.If(advance):
            m.d.sync += valid.eq(Cat(step, valid))

        # Each stage holds what it has made and all of the stage before; synthesis drops
        # what no later one asks for.
        request = self._request()
        made = _stage(m, advance, request, self._number(m, request, advance, step))
        for make in (self._measure, self._count, self._add, self._complement):
            made = _stage(m, advance, made, make(m, made))
        self._connect_output(m, made)
        return m

    def _request(self):
        """The fields of a request and of its probe record, by name."""
        plan, probe = self.plan.payload, self.probe.payload
        fields = {name: plan[name] for name in SegmentPlan.members}
        # Without segmentation all that follows from this is constant, and goes in synthesis.
        fields["lso"] = plan.lso if self.lso else Const(0)
        return SimpleNamespace(**fields, **{f"probe_{name}": probe[name]
                                            for name in ProbeRecord.members})

    def _number(self, m, request, advance, step):
        """First clock: number the next segment. Sets ``step`` when there is one."""
        inside = Signal()
        left = Signal(SUPER_LENGTH_BITS)
        index = Signal(WORD_BITS)
        next_sequence = Signal(64)
        next_tcp = Signal(32)

        now_left = Signal(SUPER_LENGTH_BITS)
        sequence = Signal(64)
        tcp = Signal(32)
        last = Signal()
        summed = self.slice_sum.valid if self.lso else Const(0)
        m.d.comb += [
            now_left.eq(Mux(inside, left, request.payload_bytes)),
            sequence.eq(Mux(inside, next_sequence, request.sequence)),
            tcp.eq(Mux(inside, next_tcp, request.probe_tcp_seq)),
            last.eq(~request.lso | (now_left <= request.mss)),
            step.eq(advance & self.plan.valid & self.probe.valid & (summed | ~request.lso)),
            self.plan.ready.eq(step & last),
            self.probe.ready.eq(step & last),
        ]
        if self.lso:
            m.d.comb += self.slice_sum.ready.eq(step & request.lso)
        with m.If(step):
            m.d.sync += [
                inside.eq(~last),
                left.eq(now_left - request.mss),
                index.eq(Mux(last, 0, index + 1)),
                next_sequence.eq(sequence + 1),
                next_tcp.eq(tcp + request.mss),
            ]
        outer_step = Mux(request.seal & request.outer_id_fixed, 0, index)
        around_payload = request.text_offset + Mux(request.trailer, request.icv_bytes, 0)
        return {
            "around_payload": around_payload,
            # The text offset is above ESP header and IV, so this is not negative.
            "around_padded": (around_payload - PADDING_BYTES)[:len(around_payload)],
            "first": ~inside, "last": last, "sequence": sequence, "tcp": tcp,
            "slice": Mux(last, now_left, request.mss)[:MSS_BITS],
            "slice_sum": self.slice_sum.payload if self.lso else Const(0, WORD_BITS),
            "outer_id": (request.probe_outer_id + outer_step)[:WORD_BITS],
            "inner_id": (request.probe_inner_id + index)[:WORD_BITS],
        }

    def _measure(self, m, one):
        """Second clock: find the length of the segment and of its text."""
        segment_bytes = Signal(LENGTH_BITS)
        payload_bytes = Signal(LENGTH_BITS)
        padded = Signal(LENGTH_BITS)
        m.d.comb += [
            segment_bytes.eq(Mux(one.lso, one.header_bytes + one.slice, one.bytes)),
            payload_bytes.eq(segment_bytes - one.around_payload),
            padded.eq(segment_bytes - one.around_padded),
        ]
        return {
            "segment_bytes": segment_bytes,
            "text_payload": payload_bytes,
            "text_bytes": Mux(one.trailer, payload_bytes, padded & ~(ESP_ALIGNMENT_BYTES - 1)),
            "around_text": one.text_offset + one.icv_bytes,
            "before_outer": one.outer_offset + Mux(one.outer_ipv6, IPV6_HEADER_BYTES, 0),
            "before_udp": (one.esp_offset - UDP_HEADER_BYTES)[:HEADER_OFFSET_BITS],
            "before_inner": one.l3_offset + Mux(one.ipv6, IPV6_HEADER_BYTES, 0),
            "whole": folded(one.bytes - one.l4_offset),
        }

    def _count(self, m, two):
        """Third clock: find the lengths that the headers hold, and TCP's flags."""
        bytes_out = Signal(LENGTH_BITS)
        not_here = Signal(WORD_BITS)
        m.d.comb += [
            bytes_out.eq(Mux(two.seal, two.text_bytes + two.around_text, two.segment_bytes)),
            not_here.eq(Mux(two.last, 0, TCP_FIN | TCP_PSH) | Mux(two.first, 0, TCP_CWR)),
        ]
        return {
            "bytes_out": bytes_out,
            "outer_length": (bytes_out - two.before_outer)[:WORD_BITS],
            "udp_length": (bytes_out - two.before_udp)[:WORD_BITS],
            "inner_length": (two.segment_bytes - two.before_inner)[:WORD_BITS],
            "l4_length": (two.segment_bytes - two.l4_offset)[:WORD_BITS],
            "tcp_flags": two.probe_tcp_flags & ~not_here,
        }

    def _add(self, m, three):
        """Fourth clock: add up the sums."""
        l4_own = Mux(three.udp, three.l4_length,
                     three.tcp[16:] + three.tcp[:16] + three.tcp_flags)
        return {
            "outer_sum": three.probe_outer + three.outer_length + three.outer_id,
            "inner_sum": three.probe_inner + three.inner_length + three.inner_id,
            # The probe's sum of the L4 header has the length of the whole, from the pseudo-header.
            "header_sum": three.probe_l4 + Mux(
                three.lso, (~three.whole)[:WORD_BITS] + three.l4_length, 0),
            "own_sum": Mux(three.lso, three.slice_sum + l4_own, 0),
        }

    def _complement(self, m, four):
        """Fifth clock: make the checksums of the sums."""
        l4_checksum = Signal(WORD_BITS)
        m.d.comb += l4_checksum.eq(~folded(four.header_sum + four.own_sum))
        return {
            "outer_checksum": ~folded(four.outer_sum),
            "inner_checksum": ~folded(four.inner_sum),
            "l4_checksum": Mux(four.udp & (l4_checksum == 0), 0xFFFF, l4_checksum),
        }

    def _connect_output(self, m, made):
        """Give the values of the last stage, and the new words of the headers as patches."""
        o = self.o.payload
        m.d.comb += [
            *(o[name].eq(getattr(made, name)) for name in _PASSED),
            o.first.eq(made.first),
            o.last.eq(made.last),
            o.bytes_in.eq(Mux(made.first, made.bytes, 0)),
            o.payload_bytes.eq(made.text_payload),
            o.text_bytes.eq(made.text_bytes),
            o.bytes_out.eq(made.bytes_out),
        ]
        words = [*(self._segment_words(made) if self.lso else []), (
            made.checksum, made.l4_offset, Mux(made.udp, UDP_CHECKSUM_AT, TCP_CHECKSUM_AT),
            made.l4_checksum)]
        for patch, (enable, header, place, value) in zip(o.patches, words, strict=True):
            m.d.comb += [
                patch.enable.eq(enable),
                patch.word.eq((header + place) >> 1),
                patch.value.eq(value),
            ]

    def _segment_words(self, made):
        """The words that a segment has of its own, but for its L4 checksum.

        Each as: whether it changes, the offset of its header, its place in the header, its value.
        """
        lso, tcp = made.lso, made.lso & ~made.udp
        outer_ipv4 = lso & ~made.outer_ipv6
        inner, inner_ipv4 = lso & made.tunnel, lso & made.tunnel & ~made.ipv6
        return [
            (lso, made.outer_offset, Mux(made.outer_ipv6, IPV6_LENGTH_AT, IPV4_LENGTH_AT),
             made.outer_length),
            (outer_ipv4, made.outer_offset, IPV4_ID_AT, made.outer_id),
            (outer_ipv4, made.outer_offset, IPV4_CHECKSUM_AT, made.outer_checksum),
            (lso & made.seal & made.encapsulation, made.before_udp, UDP_LENGTH_AT,
             made.udp_length),
            (inner, made.l3_offset, Mux(made.ipv6, IPV6_LENGTH_AT, IPV4_LENGTH_AT),
             made.inner_length),
            (inner_ipv4, made.l3_offset, IPV4_ID_AT, made.inner_id),
            (inner_ipv4, made.l3_offset, IPV4_CHECKSUM_AT, made.inner_checksum),
            (lso, made.l4_offset, Mux(made.udp, UDP_LENGTH_AT, TCP_SEQUENCE_AT),
             Mux(made.udp, made.l4_length, made.tcp[16:])),
            (tcp, made.l4_offset, TCP_SEQUENCE_AT + 2, made.tcp[:16]),
            (tcp, made.l4_offset, TCP_DATA_OFFSET_AT, made.tcp_flags),
        ]


def _stage(m, advance, before, made):
    """Register the values of the stage before and those made of them, on ``advance``."""
    values = {**vars(before), **made}
    held = {name: Signal(len(Value.cast(value)), name=name) for name, value in values.items()}
    with m.If(advance):
        m.d.sync += [held[name].eq(value) for name, value in values.items()]
    return SimpleNamespace(**held)
