"""Decide whether a frame to send can be done as its descriptor asks."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.align import PHASE_BYTES, WORD_BYTES
from hdl.axi_stream import frame_end
from hdl.layouts import MSS_BITS, SUPER_LENGTH_BITS, TxDescriptor, sa_context
from hdl.pad_capture import pad_lengths
from hdl.rx_dispatch import icv_bytes, looked_up
from hdl.segmenter import segment_plan
from model.codes import (
    ESP_ALIGNMENT_BYTES,
    ESP_HEADER_BYTES,
    ESP_IV_BYTES,
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

ESP_OFFSET_MIN = ETHERNET_HEADER_BYTES + IPV4_HEADER_BYTES
TEXT_OFFSET = ESP_HEADER_BYTES + ESP_IV_BYTES
TCP_HEADER_BYTES_MAX = 60


def tx_frame() -> data.StructLayout:
    """What is known of a frame to send when its last beat has come."""
    return data.StructLayout({
        "descriptor": TxDescriptor,
        "end": frame_end(SUPER_LENGTH_BITS),
        "spi": 32,
        "pads": pad_lengths(),
    })


def tx_request(lanes: int) -> data.StructLayout:
    """A checked request: its status and SA, and what is needed to do it when it is kept."""
    return data.StructLayout({
        "plan": segment_plan(),
        "context": sa_context(lanes),
        "next_header": 8,
    })


class TxCheck(wiring.Component):
    """Check a frame against its descriptor and its SA.

    A request that cannot be done as it asks is refused, with the status that says why: it
    never leaves in clear. The checks are made in the order of docs/architecture.md.

    One frame each clock. Latency 2 clocks from the frame, 1 from its SA: in the first
    the frame is measured, which takes no SA, so that it passes while the SA is read.
    A super-frame within 2^17 of the end of the low sequence numbers takes
    ``MSS_BITS`` clocks more, to multiply.

    Parameters
    ----------
    width : int
        Bits of a beat.
    lso : bool
        Super-frames can be cut; without, a request for it is refused.

    Members
    -------
    frame : In(stream.Signature(tx_frame()))
    sa : In(stream.Signature(looked_up(width // 128)))
        The SA that the frame's descriptor names.
    o : Out(stream.Signature(tx_request(width // 128)))
    """

    def __init__(self, width: int, lso: bool = True):
        self.width = width
        self.lso = lso
        lanes = width // 128
        super().__init__({
            "frame": In(stream.Signature(tx_frame())),
            "sa": In(stream.Signature(looked_up(lanes))),
            "o": Out(stream.Signature(tx_request(lanes))),
        })

    def elaborate(self, platform):
        m = Module()
        measured = Signal(measured_frame())
        measured_valid = Signal()
        counted = Signal()
        too_many = Signal()
        ready = Signal()
        taken = Signal()
        m.d.comb += [
            ready.eq(~self.o.valid | self.o.ready),
            taken.eq(measured_valid & counted & self.sa.valid & ready),
            self.sa.ready.eq(taken),
            self.frame.ready.eq(~measured_valid | taken),
        ]
        self.count_segments(m, measured, counted, too_many)
        with m.If(self.frame.ready):
            m.d.sync += measured_valid.eq(self.frame.valid)
            self.measure(m, measured)
        with m.If(ready):
            m.d.sync += self.o.valid.eq(taken)
            self.decide(m, measured, too_many)
        return m

    def measure(self, m, measured):
        """First clock: the lengths, and whether they can be right, for each length of ICV."""
        frame, descriptor = self.frame.payload, self.frame.payload.descriptor
        frame_bytes = frame.end.bytes
        tcp = descriptor.l4_protocol == IPPROTO_TCP
        udp = descriptor.l4_protocol == IPPROTO_UDP
        summed = ~descriptor.lso & descriptor.checksum & (tcp | udp)
        esp_bytes = Signal(signed(SUPER_LENGTH_BITS + 1))
        behind_l4 = Signal(signed(SUPER_LENGTH_BITS + 1))
        m.d.comb += [
            esp_bytes.eq(frame_bytes - descriptor.esp_offset),
            behind_l4.eq(frame_bytes - (descriptor.l4_offset + descriptor.l4_bytes)),
        ]
        l4_min = Mux(descriptor.operation == TxOperation.BYPASS,
                     ESP_OFFSET_MIN, descriptor.esp_offset + TEXT_OFFSET)
        m.d.sync += [
            measured.frame.eq(frame),
            measured.udp.eq(udp),
            measured.summed.eq(summed),
            measured.payload_bytes.eq(frame_bytes - descriptor.header_bytes),
            measured.other_protocol.eq(~tcp & ~udp),
            measured.scattered.eq(self.scattered(descriptor, tcp, udp)),
            measured.no_header.eq(frame_bytes < descriptor.header_bytes),
            measured.no_payload.eq(frame_bytes == descriptor.header_bytes),
            measured.bad_mss.eq(
                (descriptor.mss == 0)
                | (descriptor.mss > FRAME_BYTES_MAX - descriptor.header_bytes)),
            measured.outside.eq(summed & (
                unaligned(descriptor.l4_offset)
                | (descriptor.l4_offset < l4_min)
                | (descriptor.l4_bytes < Mux(udp, UDP_HEADER_BYTES, TCP_HEADER_BYTES))
                | (behind_l4 < 0))),
            measured.no_sequence.eq(descriptor.sequence == 0),
            measured.extended.eq(descriptor.sequence[32:].any()),
            measured.last_epoch.eq(descriptor.sequence[32:].all()),
            measured.misplaced.eq(
                (descriptor.esp_offset < ESP_OFFSET_MIN) | unaligned(descriptor.esp_offset)),
            measured.headless.eq(esp_bytes < TEXT_OFFSET),
            measured.unaligned.eq(esp_bytes % ESP_ALIGNMENT_BYTES != 0),
            measured.too_short.eq(Cat(
                esp_bytes < TEXT_OFFSET + ESP_ALIGNMENT_BYTES + size.bytes
                for size in IcvSize)),
            measured.bad_trailer.eq(Cat(
                (esp_bytes - (TEXT_OFFSET + ESP_TRAILER_MIN_BYTES + size.bytes) < pad)
                | (summed & (behind_l4 - (ESP_TRAILER_MIN_BYTES + size.bytes) < pad))
                for size, pad in zip(IcvSize, frame.pads, strict=True))),
        ]

    @staticmethod
    def scattered(descriptor, tcp, udp):
        """Whether the headers of a super-frame do not follow each other with room for each."""
        outer, esp = descriptor.outer_offset, descriptor.esp_offset
        l3, l4, end = descriptor.l3_offset, descriptor.l4_offset, descriptor.header_bytes
        bypass = descriptor.operation == TxOperation.BYPASS
        one_header = (l3 == outer) & (descriptor.ipv6 == descriptor.outer_ipv6)
        l4_bad = Mux(
            udp, end != l4 + UDP_HEADER_BYTES,
            (end < l4 + TCP_HEADER_BYTES) | (end > l4 + TCP_HEADER_BYTES_MAX))
        inner_bad = l4 < l3 + ip_header_bytes(descriptor.ipv6)
        udp_bytes = Mux(descriptor.encapsulation == Encapsulation.UDP, UDP_HEADER_BYTES, 0)
        outer_bad = esp < outer + (ip_header_bytes(descriptor.outer_ipv6) + udp_bytes)
        text = esp + TEXT_OFFSET
        return (
            Cat(unaligned(offset) for offset in (outer, l3, l4, end)).any()
            | (outer < ETHERNET_HEADER_BYTES) | l4_bad
            | Mux(bypass, ~one_header | inner_bad,
                  unaligned(esp) | outer_bad
                  | Mux(l3 == outer, ~one_header | (l4 < text), (l3 < text) | inner_bad))
        )

    def count_segments(self, m, measured, counted, too_many):
        """Find whether a super-frame has more segments than there are low sequence numbers left.

        Of ``left`` numbers, at most 2^17, it has too many when ``left`` * MSS is less
        than its payload: multiplied bit by bit, since it is so near the end so seldom.
        """
        descriptor = measured.frame.descriptor
        near_bits = SUPER_LENGTH_BITS
        left = Signal(near_bits + 1)
        product = Signal(near_bits + 1 + MSS_BITS)
        bits_left = Signal(range(MSS_BITS + 1))
        near = Signal()
        m.d.comb += [
            left.eq((1 << near_bits) - descriptor.sequence[:near_bits]),
            near.eq(self.lso & descriptor.lso & descriptor.sequence[near_bits:32].all()),
            counted.eq(~near | (bits_left == 0)),
            too_many.eq(near & (product < measured.payload_bytes)),
        ]
        with m.If(self.frame.ready):
            m.d.sync += [bits_left.eq(MSS_BITS), product.eq(0)]
        with m.Elif(~counted):
            bit = descriptor.mss.bit_select((bits_left - 1)[:len(bits_left)], 1)
            m.d.sync += [
                bits_left.eq(bits_left - 1),
                product.eq((product << 1) + Mux(bit, left, 0)),
            ]

    def decide(self, m, measured, too_many):
        """Second clock: the checks in their order, and the request."""
        frame, descriptor = measured.frame, measured.frame.descriptor
        sa, context = self.sa.payload, self.sa.payload.context
        # Without segmentation its checks are constant, and go in synthesis.
        lso, unsupported = (descriptor.lso, 0) if self.lso else (Const(0), descriptor.lso)

        refused = Signal(TxStatus)
        with m.If(unsupported):
            m.d.comb += refused.eq(TxStatus.DROP_UNSUPPORTED)
        with m.Elif(lso & frame.end.oversize):
            m.d.comb += refused.eq(TxStatus.DROP_LSO_OVERSIZE)
        with m.Elif(lso & descriptor.trailer & (descriptor.operation == TxOperation.ENCRYPT)):
            m.d.comb += refused.eq(TxStatus.DROP_TRAILER)
        with m.Elif(lso & measured.other_protocol):
            m.d.comb += refused.eq(TxStatus.DROP_LSO_PROTOCOL)
        with m.Elif(lso & measured.scattered):
            m.d.comb += refused.eq(TxStatus.DROP_OFFSETS)
        with m.Elif(lso & measured.no_header):
            m.d.comb += refused.eq(TxStatus.DROP_LSO_HEADER)
        with m.Elif(lso & measured.no_payload):
            m.d.comb += refused.eq(TxStatus.DROP_LSO_PAYLOAD)
        with m.Elif(lso & measured.bad_mss):
            m.d.comb += refused.eq(TxStatus.DROP_LSO_MSS)
        with m.Elif(frame.end.oversize):
            m.d.comb += refused.eq(TxStatus.DROP_OVERSIZE)
        with m.Elif(measured.outside):
            m.d.comb += refused.eq(TxStatus.DROP_OFFSETS)
        with m.Elif(descriptor.operation == TxOperation.BYPASS):
            m.d.comb += refused.eq(TxStatus.BYPASSED)

        def of_this_icv(findings):
            return findings.bit_select(context.icv_size, 1)

        status = Signal(TxStatus)
        with m.If(refused != TxStatus.SEALED):
            m.d.comb += status.eq(refused)
        with m.Elif(~sa.hit):
            m.d.comb += status.eq(TxStatus.DROP_NO_SA)
        with m.Elif(measured.no_sequence | (~context.esn & measured.extended)):
            m.d.comb += status.eq(TxStatus.DROP_SEQUENCE)
        with m.Elif(measured.misplaced | measured.headless | (descriptor.trailer & (
                measured.unaligned | of_this_icv(measured.too_short)))):
            m.d.comb += status.eq(TxStatus.DROP_SYNTAX)
        with m.Elif(frame.spi != context.spi):
            m.d.comb += status.eq(TxStatus.DROP_SPI)
        with m.Elif(descriptor.trailer & of_this_icv(measured.bad_trailer)):
            m.d.comb += status.eq(TxStatus.DROP_TRAILER)
        with m.Elif(too_many & (~context.esn | measured.last_epoch)):
            m.d.comb += status.eq(TxStatus.DROP_LSO_SEQUENCE)
        with m.Else():
            m.d.comb += status.eq(TxStatus.SEALED)

        seal, keep = Signal(), Signal()
        plan = self.o.payload.plan
        m.d.comb += [
            seal.eq(status == TxStatus.SEALED),
            keep.eq(seal | (status == TxStatus.BYPASSED)),
        ]
        same = ("sa", "sequence", "mss", "outer_ipv6", "ipv6", "encapsulation", "outer_id_fixed",
                "outer_offset", "esp_offset", "l3_offset", "l4_offset", "header_bytes")
        m.d.sync += [
            *(plan[name].eq(descriptor[name]) for name in same),
            plan.status.eq(status),
            plan.keep.eq(keep),
            plan.seal.eq(seal),
            plan.lso.eq(keep & lso),
            plan.trailer.eq(seal & descriptor.trailer),
            plan.checksum.eq(keep & (lso | measured.summed)),
            plan.edited.eq(keep & (lso | descriptor.checksum)),
            plan.udp.eq(measured.udp),
            plan.tunnel.eq(seal & (descriptor.l3_offset != descriptor.outer_offset)),
            plan.text_offset.eq(descriptor.esp_offset + TEXT_OFFSET),
            plan.icv_bytes.eq(icv_bytes(context.icv_size)),
            plan.bytes.eq(frame.end.bytes),
            plan.payload_bytes.eq(measured.payload_bytes),
            self.o.payload.context.eq(context),
            self.o.payload.next_header.eq(descriptor.next_header),
        ]


def measured_frame() -> data.StructLayout:
    """A frame between the two clocks, with the findings that need no SA.

    ``summed`` when a checksum is to be put in, without segmentation: it is ``outside``
    when what it covers is not in the frame. The headers of a super-frame are
    ``scattered`` when they do not follow each other. An ESP header is ``misplaced``,
    or ``headless`` when it does not fit the frame with its IV. ``too_short`` and
    ``bad_trailer``, of a trailer in the frame, have a bit for each ``IcvSize``.
    """
    return data.StructLayout({
        "frame": tx_frame(),
        "udp": 1,
        "summed": 1,
        "payload_bytes": SUPER_LENGTH_BITS,
        "other_protocol": 1,
        "scattered": 1,
        "no_header": 1,
        "no_payload": 1,
        "bad_mss": 1,
        "outside": 1,
        "no_sequence": 1,
        "extended": 1,
        "last_epoch": 1,
        "misplaced": 1,
        "headless": 1,
        "unaligned": 1,
        "too_short": len(IcvSize),
        "bad_trailer": len(IcvSize),
    })


def ip_header_bytes(ipv6: Value) -> Value:
    """The least length of an IP header."""
    return Mux(ipv6, IPV6_HEADER_BYTES, IPV4_HEADER_BYTES)


def unaligned(offset: Value) -> Value:
    """Whether an offset is not 2 mod 4, as that of every header behind Ethernet's is."""
    return offset % WORD_BYTES != PHASE_BYTES
