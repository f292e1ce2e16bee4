"""Check the TCP or UDP checksum of a received frame as it came, with ESP in UDP or without."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2, exact_log2

from espnic.hdl.flow.delay_line import DelayLine
from espnic.hdl.flow.ones_sum import WORD_BITS, OnesSum
from espnic.hdl.frame.align import valid_bytes
from espnic.hdl.layouts import LENGTH_BITS, beat
from espnic.hdl.rx.header_fields import Places
from espnic.model.interface.codes import (
    ETHERNET_HEADER_BYTES,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    ETHERTYPE_VLAN,
    FRAME_BYTES_MAX,
    IPPROTO_TCP,
    IPPROTO_UDP,
    IPV4_HEADER_BYTES,
    IPV6_HEADER_BYTES,
    TCP_HEADER_BYTES,
    UDP_HEADER_BYTES,
    VLAN_TAG_BYTES,
    RxChecksum,
)
from espnic.model.interface.headers import (
    ETHERTYPE_AT,
    IPV4_FRAGMENT_AT,
    IPV4_FRAGMENT_MASK,
    IPV4_LENGTH_AT,
    IPV4_SOURCE_AT,
    IPV4_VERSION,
    IPV4_WORDS,
    IPV6_LENGTH_AT,
    IPV6_SOURCE_AT,
    IPV6_VERSION,
    UDP_CHECKSUM_AT,
    UDP_LENGTH_AT,
)

HEADER_BYTES_MAX = (
    ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES + IPV6_HEADER_BYTES + UDP_HEADER_BYTES)
IPV4_START = IPV4_VERSION << 4 | IPV4_WORDS
"""First byte of an IPv4 header without options: version and length."""
DECIDE_CLOCKS = 4
"""Clocks from a beat to the choice of its bytes."""


class L4Check(wiring.Component):
    """Sum TCP or UDP and its pseudo-header in each frame, and say whether the sum is zero.

    ::

        i ─┬─ headers so far ─ fields ─ where L4 ends ─ which bytes ─ sum ─┬─ right? ─ o
           └─ delay of 4 clocks ─────────────────────────────┘             │
                                                     length and protocol ──┘

    A frame is checked only if, after at most one VLAN tag (8100h), it has IPv4 without
    options or IPv6 without extension headers. The packet must be no fragment. It must have at
    least a TCP header, or a UDP datagram that fits in the packet and has a checksum (RFC 9293,
    3.1; RFC 768; RFC 8200, 8.1). TCP ends where the packet does, UDP where its own length says,
    and that end must lie in the frame. Every other frame is NONE.
    The addresses come right before TCP or UDP, so one run of bytes holds all of the sum but
    length and protocol.

    Latency `latency` clocks from a frame's last beat, one beat each clock, also when
    every frame is a single beat. There are no errors.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(beat(width), always_ready=True))
        Frames of at most ``FRAME_BYTES_MAX`` bytes.
    o : Out(stream.Signature(RxChecksum, always_ready=True))
        One per frame, in order.
    """

    latency = DECIDE_CLOCKS + OnesSum.latency

    def __init__(self, width: int):
        self.width = width
        super().__init__({
            "i": In(stream.Signature(beat(width), always_ready=True)),
            "o": Out(stream.Signature(RxChecksum, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.delay = delay = DelayLine(self.width, DECIDE_CLOCKS)
        m.submodules.sums = sums = OnesSum(self.width)
        m.d.comb += [
            delay.i.payload.eq(self.i.payload.data),
            sums.i.payload.data.eq(delay.o.payload),
        ]
        octets, gathered = self._gather(m)
        fields, selected = self._select(m, octets, gathered)
        l4, placed = self._place(m, fields, selected)
        judged = self._choose(m, l4, placed, sums.i)

        stages = [judged, *(Signal(judged.shape(), name=f"judged{stage}")
                            for stage in range(1, OnesSum.latency + 1))]
        m.d.sync += [after.eq(stage) for stage, after in zip(stages, stages[1:], strict=False)]
        last = stages[-1]
        m.d.comb += [
            self.o.valid.eq(sums.o.valid),
            self.o.payload.eq(Mux(
                last.counts,
                Mux(sums.o.payload == last.right_sum, RxChecksum.GOOD, RxChecksum.BAD),
                RxChecksum.NONE)),
        ]
        return m

    def _gather(self, m):
        """First clock: the beats of the headers. Bits that nothing uses cost nothing.

        Each clock holds what is known with the beat that came, and this goes with the beat
        from stage to stage. A short frame leaves bytes of an earlier frame in place; but then
        the packet that it seems to have is not whole.
        """
        beat_bytes = self.width // 8
        beats = -(-HEADER_BYTES_MAX // beat_bytes)
        octets = Signal(data.ArrayLayout(8, beats * beat_bytes))
        gathered = Signal(self._passing())
        number = Signal.like(gathered.number)
        i = self.i.payload
        m.d.comb += number.eq(Mux(i.first, 0, gathered.number + 1))
        m.d.sync += gathered.valid.eq(self.i.valid)
        with m.If(self.i.valid):
            m.d.sync += [
                gathered.last.eq(i.last),
                gathered.count.eq(i.count),
                gathered.number.eq(number),
            ]
            for index in range(beats):
                with m.If(number == index):
                    m.d.sync += Value.cast(octets)[
                        index * self.width:(index + 1) * self.width].eq(i.data)
        return octets, gathered

    def _select(self, m, octets, gathered):
        """Second clock: the fields from the places that VLAN tag and IP version give."""
        vlan, ipv4, ipv6 = (Signal(name=name) for name in ("vlan", "ipv4", "ipv6"))
        places = Places(octets, vlan, ipv6)
        ethertypes = [places.number(ETHERTYPE_AT + tag, 2) for tag in (VLAN_TAG_BYTES, 0)]
        m.d.comb += [
            vlan.eq(places.number(ETHERTYPE_AT, 2) == ETHERTYPE_VLAN),
            ipv4.eq(Mux(vlan, *(ethertype == ETHERTYPE_IPV4 for ethertype in ethertypes))),
            ipv6.eq(Mux(vlan, *(ethertype == ETHERTYPE_IPV6 for ethertype in ethertypes))),
        ]
        fields = Signal(data.StructLayout({
            "vlan": 1, "ipv6": 1, "header_fits": 1, "tcp": 1, "udp": 1, "ip_length": LENGTH_BITS,
            "udp_length": LENGTH_BITS, "udp_sum_given": 1}))
        selected = Signal(self._passing())
        m.d.sync += [
            fields.vlan.eq(vlan),
            fields.ipv6.eq(ipv6),
            fields.header_fits.eq(Mux(
                ipv6,
                places.behind_ethernet(lambda l3: places.number(l3, 1)[4:] == IPV6_VERSION),
                ipv4 & places.behind_ethernet(
                    lambda l3: (places.number(l3, 1) == IPV4_START)
                    & ~(places.number(l3 + IPV4_FRAGMENT_AT, 2) & IPV4_FRAGMENT_MASK).any()))),
            fields.tcp.eq(places.protocol(lambda value: value == IPPROTO_TCP)),
            fields.udp.eq(places.protocol(lambda value: value == IPPROTO_UDP)),
            fields.ip_length.eq(Mux(
                ipv6,
                places.behind_ethernet(lambda l3: places.number(l3 + IPV6_LENGTH_AT, 2)),
                places.behind_ethernet(lambda l3: places.number(l3 + IPV4_LENGTH_AT, 2)))),
            fields.udp_length.eq(places.behind_ip(
                lambda l4: places.number(l4 + UDP_LENGTH_AT, 2))),
            fields.udp_sum_given.eq(places.behind_ip(
                lambda l4: places.number(l4 + UDP_CHECKSUM_AT, 2).any())),
            selected.eq(gathered),
        ]
        return fields, selected

    def _place(self, m, fields, selected):
        """Third clock: where the addresses begin and L4 ends, and how long L4 is.

        ``packet_bytes`` is how long it is by IP, ``bytes`` by its own header if it is UDP.
        """
        beat_bytes = self.width // 8
        l4 = Signal(data.StructLayout({
            "start": ceil_log2(ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES + IPV4_SOURCE_AT + 1),
            "final": data.StructLayout({
                "byte": exact_log2(beat_bytes), "beat": LENGTH_BITS + 1 - exact_log2(beat_bytes)}),
            "negative": 1, "packet_bytes": LENGTH_BITS, "bytes": LENGTH_BITS, "header_fits": 1,
            "udp": 1}))
        placed = Signal(self._passing())
        l3 = Mux(fields.vlan, ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES, ETHERNET_HEADER_BYTES)
        ip_header = Mux(fields.ipv6, IPV6_HEADER_BYTES, IPV4_HEADER_BYTES)
        l4_bytes = Signal(LENGTH_BITS + 1)
        m.d.comb += l4_bytes.eq(
            fields.ip_length - Mux(fields.ipv6, 0, IPV4_HEADER_BYTES))
        m.d.sync += [
            l4.start.eq(l3 + Mux(fields.ipv6, IPV6_SOURCE_AT, IPV4_SOURCE_AT)),
            l4.final.as_value().eq(
                Mux(fields.udp, fields.udp_length, fields.ip_length)
                + (l3 + Mux(fields.udp | fields.ipv6, ip_header, 0) - 1)),
            l4.packet_bytes.eq(l4_bytes[:LENGTH_BITS]),
            l4.bytes.eq(Mux(fields.udp, fields.udp_length, l4_bytes[:LENGTH_BITS])),
            l4.negative.eq(l4_bytes[LENGTH_BITS]),
            l4.header_fits.eq(
                fields.header_fits & (fields.tcp | (fields.udp & fields.udp_sum_given))),
            l4.udp.eq(fields.udp),
            placed.eq(selected),
        ]
        return l4, placed

    def _choose(self, m, l4, placed, chosen):
        """Fourth clock: which bytes count, and, on the last beat, what their sum must be."""
        beat_bytes = self.width // 8
        # The addresses of IPv4 and of IPv6 begin in the same beat, at any width.
        start_beat = (ETHERNET_HEADER_BYTES + IPV6_SOURCE_AT) // beat_bytes
        before = Signal()
        at_end = Signal()
        m.d.comb += [
            before.eq(placed.number < l4.final.beat),
            at_end.eq(placed.number == l4.final.beat),
        ]
        begun = Cat((placed.number > start_beat) | (
            (placed.number == start_beat) & (l4.start <= start_beat * beat_bytes + byte))
            for byte in range(beat_bytes))
        # The final byte itself is one of L4.
        final = Cat(Const(1), valid_bytes(m, "before_final", l4.final.byte, beat_bytes))
        m.d.sync += [
            chosen.valid.eq(placed.valid),
            chosen.payload.last.eq(placed.last),
            chosen.payload.keep.eq(Mux(before, begun, Mux(at_end, begun & final, 0))),
        ]

        judged = Signal(data.StructLayout({"counts": 1, "right_sum": WORD_BITS}))
        long_enough = Mux(
            l4.udp,
            (l4.bytes >= UDP_HEADER_BYTES) & (l4.bytes <= l4.packet_bytes),
            l4.bytes >= TCP_HEADER_BYTES)
        whole = ~before & (~at_end | (placed.count > l4.final.byte))
        m.d.sync += [
            judged.counts.eq(l4.header_fits & ~l4.negative & long_enough & whole),
            # Zero is FFFFh with a protocol in it, and the length of a frame has no carry.
            judged.right_sum.eq(~(l4.bytes + Mux(l4.udp, IPPROTO_UDP, IPPROTO_TCP))),
        ]
        return judged

    def _passing(self):
        """The data that goes with a beat: its number in the frame, and what `beat` says of it."""
        beat_bytes = self.width // 8
        return data.StructLayout({
            "valid": 1,
            "last": 1,
            "count": beat(self.width)["count"].shape,
            "number": ceil_log2(FRAME_BYTES_MAX // beat_bytes),
        })
