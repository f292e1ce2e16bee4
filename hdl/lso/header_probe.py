"""Header fields and sums of a frame, for segmentation and checksum offload."""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from espnic.hdl.flow.ones_sum import WORD_BITS, OnesSum
from espnic.hdl.frame.align import bytes_of
from espnic.hdl.layouts import beat
from espnic.model.interface.codes import SUPER_FRAME_BYTES_MAX
from espnic.model.interface.headers import (
    IPV4_CHECKSUM_AT,
    IPV4_ID_AT,
    IPV4_LENGTH_AT,
    TCP_DATA_OFFSET_AT,
    TCP_SEQUENCE_AT,
)
from espnic.model.interface.layouts import OFFSET_BITS

WORD_BYTES = WORD_BITS // 8
FRAME_BITS = bits_for(SUPER_FRAME_BYTES_MAX)
"""Bits of an offset in a whole frame."""


ProbeOffsets = data.StructLayout({
    "outer_l3": OFFSET_BITS, "outer_end": OFFSET_BITS,
    "inner_l3": OFFSET_BITS, "l4": OFFSET_BITS, "l4_end": FRAME_BITS, "lso": 1, "udp": 1,
})
"""Where a frame's headers lie, in bytes from its start; all but ``l4_end`` are even.

Members
-------
outer_l3, outer_end
    Start of the outer IP header, and the byte after it.
inner_l3, l4
    Start of the inner IP header, and of the TCP or UDP header right after it.
l4_end
    The byte after the payload; 0 when the payload goes to the frame's end.
lso
    The frame is to be segmented: sum no header field that differs between segments.
udp
    The L4 header is UDP, else TCP.
"""


ProbeRecord = data.StructLayout({
    "outer_id": WORD_BITS, "inner_id": WORD_BITS, "tcp_seq": 2 * WORD_BITS,
    "tcp_flags": WORD_BITS, "outer": WORD_BITS, "inner": WORD_BITS, "l4": WORD_BITS,
})
"""Fields of a frame's headers as numbers, and sums as ``OnesSum`` gives them.

Members
-------
outer_id, inner_id
    Identification of the IPv4 headers (RFC 791, 3.1).
tcp_seq, tcp_flags
    Sequence number; data offset and flags (RFC 9293, 3.1).
outer, inner
    Sums of the IP headers without total length, identification and checksum.
l4
    Sum of L4 header and payload; with ``lso`` without TCP's sequence number, data
    offset and flags, or without UDP's length.
"""


class HeaderProbe(wiring.Component):
    """Read fields and sums of each frame as it passes.

    A frame whose offsets do not fit it gives a record without meaning. The bytes at the
    offset of a field are given whatever they are: the user knows whether there is IPv4 or
    TCP.

    Latency 5 clocks (`latency`) from a frame's last beat to its record, one beat each
    clock, also when every frame is a single beat.

    Parameters
    ----------
    width : int
        Bits of a beat.
    lso : bool
        Frames may be segmented; without, only ``l4`` of the record is given, the rest is 0.

    Members
    -------
    i : In(stream.Signature(beat(width), always_ready=True))
        Frames.
    offsets : In(ProbeOffsets)
        Offsets in the frame that passes, given with each of its beats.
    o : Out(stream.Signature(ProbeRecord, always_ready=True))
        One per frame, in order.
    """

    latency = 2 + OnesSum.latency

    def __init__(self, width: int, lso: bool = True):
        self.width = width
        self.lso = lso
        super().__init__({
            "i": In(stream.Signature(beat(width), always_ready=True)),
            "offsets": In(ProbeOffsets),
            "o": Out(stream.Signature(ProbeRecord, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        placed = self._place(m)
        sums = self._sum(m, placed)
        m.d.comb += self.o.valid.eq(sums["l4"].valid)
        m.d.comb += [self.o.payload[name].eq(made.payload) for name, made in sums.items()]
        if self.lso:
            fields = self._catch(m, placed)
            for _ in range(OnesSum.latency):
                later = Signal(fields.shape(), reset_less=True)
                m.d.sync += later.eq(fields)
                fields = later
            m.d.comb += [self.o.payload[name].eq(fields[name])
                         for name in fields.shape().members]
        return m

    def _place(self, m):
        """First clock: find which offsets lie in the beat, and where."""
        byte_bits = exact_log2(self.width // 8)
        i, offsets = self.i.payload, self.offsets
        index = Signal(FRAME_BITS - byte_bits)
        """Number of the beat in its frame."""
        following = Signal.like(index)
        m.d.comb += index.eq(Mux(i.first, 0, following))
        with m.If(self.i.valid):
            m.d.sync += following.eq(index + 1)

        starts = {
            "outer_l3": offsets.outer_l3, "outer_length": offsets.outer_l3 + IPV4_LENGTH_AT,
            "outer_id": offsets.outer_l3 + IPV4_ID_AT,
            "outer_checksum": offsets.outer_l3 + IPV4_CHECKSUM_AT,
            "outer_end": offsets.outer_end,
            "inner_l3": offsets.inner_l3, "inner_length": offsets.inner_l3 + IPV4_LENGTH_AT,
            "inner_id": offsets.inner_l3 + IPV4_ID_AT,
            "inner_checksum": offsets.inner_l3 + IPV4_CHECKSUM_AT,
            "l4": offsets.l4, "seq_high": offsets.l4 + TCP_SEQUENCE_AT,
            "seq_low": offsets.l4 + TCP_SEQUENCE_AT + WORD_BYTES,
            "tcp_flags": offsets.l4 + TCP_DATA_OFFSET_AT,
            "l4_end": offsets.l4_end,
        }
        point = _point(byte_bits)
        placed = Signal(data.StructLayout({
            "data": self.width, "valid": 1, "last": 1, "lso": 1, "udp": 1,
            **dict.fromkeys(starts, point)}))
        m.d.sync += [
            placed.data.eq(i.data),
            placed.valid.eq(self.i.valid),
            placed.last.eq(i.last),
            placed.lso.eq(offsets.lso if self.lso else 0),
            placed.udp.eq(offsets.udp),
        ]
        for name, start in starts.items():
            m.d.sync += [
                # The low bit is known to be 0, which saves the comparisons a bit.
                placed[name].low.eq(start if name == "l4_end" else start & ~1),
                placed[name].here.eq(start[byte_bits:] == index),
                placed[name].passed.eq(start[byte_bits:] < index),
            ]
        with m.If(offsets.l4_end == 0):
            m.d.sync += [
                placed.l4_end.low.eq(i.count),
                placed.l4_end.here.eq(i.last & ~i.count[-1]),
                placed.l4_end.passed.eq(0),
            ]
        return placed

    def _catch(self, m, placed):
        """Second clock: keep the words that are fields to the frame's end."""
        fields = Signal(data.StructLayout({
            "outer_id": WORD_BITS, "inner_id": WORD_BITS, "tcp_seq": 2 * WORD_BITS,
            "tcp_flags": WORD_BITS}))
        words = Signal(data.ArrayLayout(WORD_BITS, self.width // WORD_BITS))
        m.d.comb += words.eq(placed.data)
        for target, at in (
            (fields.outer_id, placed.outer_id), (fields.inner_id, placed.inner_id),
            (fields.tcp_seq[WORD_BITS:], placed.seq_high),
            (fields.tcp_seq[:WORD_BITS], placed.seq_low),
            (fields.tcp_flags, placed.tcp_flags),
        ):
            with m.If(placed.valid & at.here):
                m.d.sync += target.eq(bytes_of(words[at.low[1:]]))
        return fields

    def _sum(self, m, placed):
        """Second clock: choose the bytes, then sum them; return the sums' streams by name."""
        tcp = Signal()
        m.d.comb += tcp.eq(placed.lso & ~placed.udp)
        ranges = {
            "outer": (placed.outer_l3, placed.outer_end, (
                (placed.outer_length, 1), (placed.outer_id, 1), (placed.outer_checksum, 1))),
            "inner": (placed.inner_l3, placed.l4, (
                (placed.inner_length, 1), (placed.inner_id, 1), (placed.inner_checksum, 1))),
            # UDP's length lies where TCP's sequence number begins.
            "l4": (placed.l4, placed.l4_end, (
                (placed.seq_high, placed.lso), (placed.seq_low, tcp), (placed.tcp_flags, tcp))),
        }
        shared = Signal(self.width)
        valid = Signal()
        last = Signal()
        m.d.sync += [shared.eq(placed.data), valid.eq(placed.valid), last.eq(placed.last)]
        if not self.lso:
            ranges = {"l4": ranges["l4"]}
        sums = {}
        for name, (start, end, omitted) in ranges.items():
            m.submodules[name] = ones_sum = OnesSum(self.width)
            keep = Signal(self.width // 8, name=f"keep_{name}")
            hits = 0
            for word, enable in omitted:
                hits |= Mux(word.here & enable, Const((1 << WORD_BYTES) - 1) << word.low, 0)
            m.d.sync += keep.eq(self._from(start) & ~self._from(end) & ~hits)
            m.d.comb += [
                ones_sum.i.payload.data.eq(shared),
                ones_sum.i.payload.keep.eq(keep),
                ones_sum.i.payload.last.eq(last),
                ones_sum.i.valid.eq(valid),
            ]
            sums[name] = ones_sum.o
        return sums

    def _from(self, point):
        """The bytes of the beat from a point on."""
        beat_bytes = self.width // 8
        behind = (Const(2 ** beat_bytes - 1) << point.low)[:beat_bytes]
        return Mux(point.passed, ~0, Mux(point.here, behind, 0))


def _point(byte_bits):
    """An offset against a beat: it is byte ``low`` of the beat, or of one that has passed."""
    return data.StructLayout({"low": byte_bits, "here": 1, "passed": 1})
