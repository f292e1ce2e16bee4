"""What changes from segment to segment of a super-frame: lengths, numbers and checksums."""

from types import SimpleNamespace

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

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

SUM_BITS = 16

# Places of fields in their headers, in bytes.
IPV4_LENGTH, IPV4_ID, IPV4_CHECKSUM = 2, 4, 10  # RFC 791, 3.1
IPV6_LENGTH = 4  # RFC 8200, 3
UDP_LENGTH, UDP_CHECKSUM = 4, 6  # RFC 768
TCP_SEQUENCE, TCP_FLAGS, TCP_CHECKSUM = 4, 12, 16  # RFC 9293, 3.1

TCP_FIN, TCP_PSH, TCP_CWR = 0x01, 0x08, 0x80  # RFC 9293, 3.1

PATCHES = 11
"""Words that a segment's headers have of their own."""

CHECKSUM_PATCHES = 1
"""Words that change in a frame that is not cut."""

PIPELINE_STAGES = 5


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
"""What is to be done with a request; one that is refused is not to be kept.

``seal``, ``lso`` and ``checksum`` (of UDP with ``udp``) are set in requests that are
kept only; ``edited`` when the descriptor asks for either of the last two.
``payload_bytes`` is the L4 payload of a super-frame, ``text_offset`` of the first
byte behind the ESP IV; the rest is as in the descriptor.
"""


def patches(lso: bool) -> int:
    """The most words of a frame's headers that change, with and without segmentation."""
    return PATCHES if lso else CHECKSUM_PATCHES


def segment(lso: bool = True) -> data.StructLayout:
    """A frame of a request: a segment of a super-frame, else all of it.

    ``bytes_in`` is the length of the request, in its first frame. ``payload_bytes`` of
    text lie in the frame, ``text_bytes`` are sealed; ``bytes_out`` leave.
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
    """Say of each segment of a super-frame what its headers are to hold.

    For segment k of TCP: the lengths of both IP headers and of the UDP encapsulation,
    both IPv4 identifications + k and header checksums, the sequence number + k · MSS,
    FIN and PSH in the last alone, CWR in the first alone, the checksum. Of UDP: length
    and checksum (Linux's UDP_SEGMENT). The ESP sequence number is + k, in 64 bits.

    An L4 checksum field holds the sum of the pseudo-header with the length of the whole
    (Linux's CHECKSUM_PARTIAL); the segment's takes the place of that length. A UDP
    checksum of 0 is sent as FFFFh (RFC 768).

    A request that is no super-frame is one segment, and at most its L4 checksum changes.

    Latency ``PIPELINE_STAGES`` clocks, one segment each clock.

    Parameters
    ----------
    lso : bool
        There are super-frames.

    Members
    -------
    plan, probe : In(stream.Signature(SegmentPlan)), In(stream.Signature(ProbeRecord))
        One a request each; taken with its last segment.
    slice_sum : In(stream.Signature(16))
        Ones' complement sum of the payload of each segment of super-frames; only with ``lso``.
    o : Out(stream.Signature(segment(lso)))
    """

    def __init__(self, lso: bool = True):
        self.lso = lso
        sums = {"slice_sum": In(stream.Signature(SUM_BITS))} if lso else {}
        super().__init__({
            "plan": In(stream.Signature(SegmentPlan)),
            "probe": In(stream.Signature(ProbeRecord)),
            **sums,
            "o": Out(stream.Signature(segment(lso))),
        })

    def elaborate(self, platform):
        m = Module()
        plan, probe = self.plan.payload, self.probe.payload
        # Without segmentation all that follows from these is constant, and goes in synthesis.
        lso = plan.lso if self.lso else Const(0)
        summed = self.slice_sum.valid if self.lso else Const(0)
        slice_sum = self.slice_sum.payload if self.lso else Const(0, SUM_BITS)
        advance = Signal()
        m.d.comb += advance.eq(~self.o.valid | self.o.ready)

        # The state of the super-frame that is being cut.
        inside = Signal()
        left = Signal(SUPER_LENGTH_BITS)
        index = Signal(SUM_BITS)
        next_sequence = Signal(64)
        next_tcp = Signal(32)

        now_left = Signal(SUPER_LENGTH_BITS)
        sequence = Signal(64)
        tcp = Signal(32)
        last = Signal()
        step = Signal()
        m.d.comb += [
            now_left.eq(Mux(inside, left, plan.payload_bytes)),
            sequence.eq(Mux(inside, next_sequence, plan.sequence)),
            tcp.eq(Mux(inside, next_tcp, probe.tcp_seq)),
            last.eq(~lso | (now_left <= plan.mss)),
            step.eq(advance & self.plan.valid & self.probe.valid & (summed | ~lso)),
            self.plan.ready.eq(step & last),
            self.probe.ready.eq(step & last),
        ]
        if self.lso:
            m.d.comb += self.slice_sum.ready.eq(step & lso)
        with m.If(step):
            m.d.sync += [
                inside.eq(~last),
                left.eq(now_left - plan.mss),
                index.eq(Mux(last, 0, index + 1)),
                next_sequence.eq(sequence + 1),
                next_tcp.eq(tcp + plan.mss),
            ]

        # Each stage holds what it has made and all of the stage before; synthesis drops
        # what no later one asks for.
        valid = Signal(PIPELINE_STAGES)
        with m.If(advance):
            m.d.sync += valid.eq(Cat(step, valid))
        m.d.comb += self.o.valid.eq(valid[-1])

        def stage(before, **made):
            held = {name: Signal(len(Value.cast(value)), name=name)
                    for name, value in {**vars(before), **made}.items()}
            with m.If(advance):
                m.d.sync += [held[name].eq(value)
                             for name, value in {**vars(before), **made}.items()]
            return SimpleNamespace(**held)

        fields = {name: plan[name] for name in SegmentPlan.members} | {"lso": lso}
        request = SimpleNamespace(**fields, **{f"probe_{name}": probe[name]
                                               for name in ProbeRecord.members})
        one = stage(
            request,
            first=~inside, last=last, sequence=sequence, tcp=tcp,
            slice=Mux(last, now_left, plan.mss)[:MSS_BITS],
            slice_sum=slice_sum,
            outer_id=(probe.outer_id + Mux(plan.seal & plan.outer_id_fixed, 0, index))[:SUM_BITS],
            inner_id=(probe.inner_id + index)[:SUM_BITS],
        )

        bytes_ = Signal(LENGTH_BITS)
        payload_bytes = Signal(LENGTH_BITS)
        padded = Signal(LENGTH_BITS)
        m.d.comb += [
            bytes_.eq(Mux(one.lso, one.header_bytes + one.slice, one.bytes)),
            payload_bytes.eq(
                bytes_ - (one.text_offset + Mux(one.trailer, one.icv_bytes, 0))),
            padded.eq(payload_bytes + (ESP_TRAILER_MIN_BYTES + ESP_ALIGNMENT_BYTES - 1)),
        ]
        two = stage(
            one,
            segment_bytes=bytes_,
            text_payload=payload_bytes,
            text_bytes=Mux(one.trailer, payload_bytes, padded & ~(ESP_ALIGNMENT_BYTES - 1)),
            around_text=one.text_offset + one.icv_bytes,
            before_outer=one.outer_offset + Mux(one.outer_ipv6, IPV6_HEADER_BYTES, 0),
            before_udp=(one.esp_offset - UDP_HEADER_BYTES)[:HEADER_OFFSET_BITS],
            before_inner=one.l3_offset + Mux(one.ipv6, IPV6_HEADER_BYTES, 0),
            whole=folded(one.bytes - one.l4_offset),
        )

        bytes_out = Signal(LENGTH_BITS)
        not_here = Signal(SUM_BITS)
        m.d.comb += [
            bytes_out.eq(Mux(two.seal, two.text_bytes + two.around_text, two.segment_bytes)),
            not_here.eq(Mux(two.last, 0, TCP_FIN | TCP_PSH) | Mux(two.first, 0, TCP_CWR)),
        ]
        three = stage(
            two,
            bytes_out=bytes_out,
            outer_length=(bytes_out - two.before_outer)[:SUM_BITS],
            udp_length=(bytes_out - two.before_udp)[:SUM_BITS],
            inner_length=(two.segment_bytes - two.before_inner)[:SUM_BITS],
            l4_length=(two.segment_bytes - two.l4_offset)[:SUM_BITS],
            tcp_flags=two.probe_tcp_flags & ~not_here,
        )

        # The probe's sum of the L4 header has the length of the whole, from the pseudo-header.
        l4_own = Mux(three.udp, three.l4_length,
                     three.tcp[16:] + three.tcp[:16] + three.tcp_flags)
        four = stage(
            three,
            outer_sum=three.probe_outer + three.outer_length + three.outer_id,
            inner_sum=three.probe_inner + three.inner_length + three.inner_id,
            header_sum=three.probe_l4 + Mux(
                three.lso, (~three.whole)[:SUM_BITS] + three.l4_length, 0),
            own_sum=Mux(three.lso, three.slice_sum + l4_own, 0),
        )

        l4_checksum = Signal(SUM_BITS)
        m.d.comb += l4_checksum.eq(~folded(four.header_sum + four.own_sum))
        five = stage(
            four,
            outer_checksum=~folded(four.outer_sum),
            inner_checksum=~folded(four.inner_sum),
            l4_checksum=Mux(four.udp & (l4_checksum == 0), 0xFFFF, l4_checksum),
        )
        self.connect_output(m, five)
        return m

    def connect_output(self, m, made):
        """Give what the last stage holds, the new words of the headers as patches."""
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
        lso, tcp = made.lso, made.lso & ~made.udp
        outer_ipv4 = lso & ~made.outer_ipv6
        inner, inner_ipv4 = lso & made.tunnel, lso & made.tunnel & ~made.ipv6
        checksum = (made.checksum, made.l4_offset, Mux(made.udp, UDP_CHECKSUM, TCP_CHECKSUM),
                    made.l4_checksum)
        segment_words = [
            (lso, made.outer_offset, Mux(made.outer_ipv6, IPV6_LENGTH, IPV4_LENGTH),
             made.outer_length),
            (outer_ipv4, made.outer_offset, IPV4_ID, made.outer_id),
            (outer_ipv4, made.outer_offset, IPV4_CHECKSUM, made.outer_checksum),
            (lso & made.seal & made.encapsulation, made.before_udp, UDP_LENGTH, made.udp_length),
            (inner, made.l3_offset, Mux(made.ipv6, IPV6_LENGTH, IPV4_LENGTH), made.inner_length),
            (inner_ipv4, made.l3_offset, IPV4_ID, made.inner_id),
            (inner_ipv4, made.l3_offset, IPV4_CHECKSUM, made.inner_checksum),
            (lso, made.l4_offset, Mux(made.udp, UDP_LENGTH, TCP_SEQUENCE),
             Mux(made.udp, made.l4_length, made.tcp[16:])),
            (tcp, made.l4_offset, TCP_SEQUENCE + 2, made.tcp[:16]),
            (tcp, made.l4_offset, TCP_FLAGS, made.tcp_flags),
        ]
        words = [*(segment_words if self.lso else []), checksum]
        for patch, (enable, header, place, value) in zip(o.patches, words, strict=True):
            m.d.comb += [
                patch.enable.eq(enable),
                patch.word.eq((header + place) >> 1),
                patch.value.eq(value),
            ]


def folded(value):
    """A sum of 16-bit numbers with its carries added back in (RFC 1071)."""
    once = value[:SUM_BITS] + value[SUM_BITS:]
    return (once[:SUM_BITS] + once[SUM_BITS:])[:SUM_BITS]
