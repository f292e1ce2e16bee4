"""The transmit path: from the host to the wire."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.flow.beat_store import BeatStore
from espnic.hdl.flow.fan_out import fan_out
from espnic.hdl.flow.frame_ingress import FrameIngress, axi_beat
from espnic.hdl.flow.queue import Queue
from espnic.hdl.flow.skid import Skid
from espnic.hdl.frame.frame_build import FrameBuild
from espnic.hdl.frame.header_split import HeaderSplit
from espnic.hdl.frame.text_extract import TextExtract, TextSpan
from espnic.hdl.frame.text_restore import TextPlace
from espnic.hdl.gcm.core import GcmCore
from espnic.hdl.gcm.feed import GcmFeed, gcm_packet
from espnic.hdl.gcm.stallable_core import GcmStream
from espnic.hdl.layouts import (
    HANDLE_BITS,
    IN_FLIGHT_BITS,
    TxDescriptor,
    TxEvent,
    TxSeqiv,
    TxVerdict,
    beat,
    found_sa,
    ghash_lanes,
)
from espnic.hdl.lso.header_probe import HeaderProbe, ProbeRecord
from espnic.hdl.lso.patch_path import PatchPath
from espnic.hdl.lso.segment_path import SegmentCut, SegmentPath
from espnic.hdl.lso.segmenter import Segmenter, SegmentPlan
from espnic.hdl.sa.usage import UsagePort
from espnic.hdl.tx.check import ESP_OFFSET_MIN, TxCheck, TxFrameRecord
from espnic.hdl.tx.dispatch import TxDispatch, tx_context
from espnic.hdl.tx.esp_header import EspHeader, EspHeaderRequest
from espnic.hdl.tx.frame_hold import FrameHold
from espnic.hdl.tx.icv_append import IcvAppend
from espnic.hdl.tx.pad_capture import PadCapture
from espnic.hdl.tx.spi_capture import SpiCapture
from espnic.hdl.tx.trailer import TrailerGenerator, TrailerRequest
from espnic.model.interface.codes import (
    ESP_TEXT_OFFSET,
    IPPROTO_UDP,
    UDP_HEADER_BYTES,
    Encapsulation,
    IcvSize,
    TxOperation,
)

SUPER_STORE_BYTES = 73728
"""Of frames: the longest super-frame, and what comes while it leaves."""

STORE_BYTES = 16384
"""The same where there are no super-frames."""

FRAMES = 32
"""Frames between ingress and dispatch: more than the SA table's latency in clocks."""

PLANS = 2
"""Requests that have been checked and wait to be done."""

ORDERS = 16
"""Frames between dispatch and core: as many of the shortest as leave while the first segment of a
burst behind them is summed, which is more than the clocks from the frame store to the core."""

REQUESTS = 16
"""Between check and dispatch: more than the segmenter's latency in clocks."""

CRYPTO_DEPTH = 64
"""Beats between the parting of headers and text and their joining: more than the latency."""


def hold_clocks(width: int) -> int:
    """Clocks from the first text beat into the core until its frame may leave.

    The ICV is what comes latest: the tag, which may come a clock later for a lengths
    block in a slot of its own, passes a queue, and with the end of the text another.
    The headers' own beats leave meanwhile; frames with longer headers than the
    shortest could begin a little earlier.
    """
    lanes = width // 128
    lengths_slot = ghash_lanes(lanes) == lanes
    icv_clocks = GcmCore.tag_latency + lengths_slot + 2
    return icv_clocks - (ESP_OFFSET_MIN + ESP_TEXT_OFFSET) // (width // 8)


def tx_points(width: int) -> dict:
    """Shape of what passes each trace point of the transmit path."""
    return {
        "segment": beat(width),
        "verdict": TxVerdict,
        "trailer": beat(width),
        "seqiv": TxSeqiv,
        "seal": beat(width),
        "icv": 128,
    }


def tx_taps(width: int) -> wiring.Signature:
    """The trace points, for a simulation to watch."""
    return wiring.Signature({
        name: Out(stream.Signature(shape, always_ready=True))
        for name, shape in tx_points(width).items()
    })


class TxPath(wiring.Component):
    """Segment, sum and seal frames as their descriptors ask; pass those that ask for nothing.

    ::

        i ─ ingress ─┬─ frame store ───────── segment path ─ header split ─ text extract ─ …
                     ├─ probe, SPI, pad ─┐     │
                     └─ SA read ─ check ─┴─ segmenter ─ dispatch (seqiv)

        … ┬─ queue ─ ESP header ────────────────────────────── frame build ─ o
          └─ text extract ─ trailer ─ feed ─ GCM ─ ICV append ─┘

    A frame is kept until its last beat has come and its request has been checked. It
    leaves without a gap: once its first beat has, it waits for nothing but ``o.ready``.
    From the segment path on, nothing stops a text but a lack of room behind the core,
    and there are more beats of room than clocks of latency.

    Parameters
    ----------
    width : int
        Bits of a beat.
    lso : bool
        Cut super-frames into segments. Without, ``segment path`` only puts checksums in, and
        the frame store holds single frames.

    Members
    -------
    i : In(stream.Signature(axi_beat(width, TxDescriptor)))
        Frames from the host; the descriptor counts on a frame's first beat.
    read : Out(stream.Signature(HANDLE_BITS, always_ready=True))
    sa : In(stream.Signature(found_sa(width // 128), always_ready=True))
        Answers of the SA table, one for each read, in order.
    usage : Out(UsagePort)
        Lifetimes of the SAs, asked when a request is checked.
    in_flight : Out(IN_FLIGHT_BITS)
        Requests that have begun to come and have not been checked.
    judged : Out(1)
        One is: nothing more is asked of its SA. (What a burst served is told up to
        ``DIVISION_STEPS`` clocks later, which no SA is added in.)
    o : Out(stream.Signature(axi_beat(width, 0)))
        Frames to the wire.
    event : Out(stream.Signature(TxEvent, always_ready=True))
        One for each frame of a request, and for a request that is refused.
    taps : Out(tx_taps(width))
    """

    def __init__(self, width: int, lso: bool = True):
        self.width = width
        self.lso = lso
        lanes = width // 128
        super().__init__({
            "i": In(stream.Signature(axi_beat(width, TxDescriptor.size))),
            "read": Out(stream.Signature(HANDLE_BITS, always_ready=True)),
            "sa": In(stream.Signature(found_sa(lanes), always_ready=True)),
            "usage": Out(UsagePort),
            "in_flight": Out(IN_FLIGHT_BITS),
            "judged": Out(1),
            "o": Out(stream.Signature(axi_beat(width, 0))),
            "event": Out(stream.Signature(TxEvent, always_ready=True)),
            "taps": Out(tx_taps(width)),
        })

    def elaborate(self, platform):
        m = Module()
        width, lanes = self.width, self.width // 128
        beat_bytes = width // 8

        m.submodules.ingress = ingress = FrameIngress(
            width, TxDescriptor.size, TxDescriptor["lso"].offset if self.lso else None)
        m.submodules.spi = spi = SpiCapture(width)
        m.submodules.pad = pad = PadCapture(width)
        m.submodules.probe = probe = HeaderProbe(width, self.lso)
        m.submodules.frames = frames = BeatStore(
            beat(width), (SUPER_STORE_BYTES if self.lso else STORE_BYTES) // beat_bytes)
        m.submodules.ended = ended = Queue(TxFrameRecord, FRAMES)
        m.submodules.sas = sas = Queue(found_sa(lanes), FRAMES)
        m.submodules.probes = probes = Queue(ProbeRecord, FRAMES + PLANS + 1)
        m.submodules.check = check = TxCheck(width, self.lso)
        m.submodules.plans = plans = Queue(SegmentPlan, PLANS)
        m.submodules.contexts = contexts = Queue(tx_context(lanes), REQUESTS)
        m.submodules.segmenter = segmenter = Segmenter(self.lso)
        m.submodules.dispatch = dispatch = TxDispatch(width, self.lso)
        m.submodules.segments = segments = (
            SegmentPath(width) if self.lso else PatchPath(width))
        m.submodules.splits = splits = Queue(TextPlace, ORDERS)
        m.submodules.spans = spans = Queue(TextSpan, ORDERS)
        m.submodules.trailers = trailers = Queue(TrailerRequest, ORDERS)
        m.submodules.packets = packets = Queue(gcm_packet(lanes), ORDERS)
        m.submodules.esp_headers = esp_headers = Queue(EspHeaderRequest, CRYPTO_DEPTH)
        m.submodules.places = places = Queue(TextPlace, CRYPTO_DEPTH)
        m.submodules.sizes = sizes = Queue(IcvSize, CRYPTO_DEPTH)
        m.submodules.split = split = HeaderSplit(width)
        m.submodules.headers = headers = Queue(beat(width), CRYPTO_DEPTH)
        m.submodules.parted = parted = Skid(beat(width))
        m.submodules.extract = extract = TextExtract(width)
        m.submodules.trailer = trailer = TrailerGenerator(width)
        m.submodules.texts = texts = Queue(beat(width), 2)
        m.submodules.feed = feed = GcmFeed(width)
        m.submodules.gcm = gcm = GcmStream(width, CRYPTO_DEPTH)
        m.submodules.append = append = IcvAppend(width)
        m.submodules.sealed = sealed = Queue(beat(width), 2)
        m.submodules.esp_header = esp_header = EspHeader(width)
        m.submodules.written = written = Queue(beat(width), 2)
        m.submodules.hold = hold = FrameHold(hold_clocks(width), CRYPTO_DEPTH)
        m.submodules.build = build = FrameBuild(width)

        # Ingress: the frame is stored; when it has ended, its SA is read.
        waiting = Signal(range(FRAMES + 1))
        admit = Signal()
        accepted = Signal()
        descriptor = Signal(TxDescriptor)
        held_descriptor = Signal(TxDescriptor)
        end = Signal.like(ingress.end.payload)
        end_valid = Signal()
        taken = ingress.o.payload
        wiring.connect(m, wiring.flipped(self.i), ingress.i)
        m.d.comb += [
            admit.eq(~taken.beat.first | (waiting != FRAMES)),
            ingress.o.ready.eq(admit & frames.i.ready),
            accepted.eq(ingress.o.valid & ingress.o.ready),
            frames.i.payload.eq(taken.beat),
            frames.i.valid.eq(accepted),
            descriptor.eq(Mux(taken.beat.first, taken.user, held_descriptor)),
            spi.i.payload.eq(taken.beat),
            spi.i.valid.eq(accepted),
            spi.esp_offset.eq(descriptor.esp_offset),
            pad.i.payload.eq(taken.beat),
            pad.i.valid.eq(accepted),
            probe.i.payload.eq(taken.beat),
            probe.i.valid.eq(accepted),
        ]
        self.connect_offsets(m, probe.offsets, descriptor)
        m.d.sync += [
            end.eq(ingress.end.payload),
            end_valid.eq(ingress.end.valid),
        ]
        with m.If(accepted):
            m.d.sync += held_descriptor.eq(descriptor)
        m.d.comb += [
            ended.i.payload.descriptor.eq(held_descriptor),
            ended.i.payload.end.bytes.eq(end.bytes),
            ended.i.payload.end.oversize.eq(end.oversize),
            ended.i.payload.spi.eq(spi.spi),
            ended.i.payload.pads.eq(pad.o),
            ended.i.valid.eq(end_valid),
            self.read.payload.eq(held_descriptor.sa),
            self.read.valid.eq(end_valid),
            sas.i.payload.eq(self.sa.payload),
            sas.i.valid.eq(self.sa.valid),
            probes.i.payload.eq(probe.o.payload),
            probes.i.valid.eq(probe.o.valid),
        ]
        wiring.connect(m, ended.o, check.frame)
        wiring.connect(m, sas.o, check.sa)

        # Requests.
        request, plan = check.o.payload, check.o.payload.plan
        frame_beats = (plan.bytes + beat_bytes - 1) // beat_bytes
        shared = Signal(tx_context(lanes))
        m.d.comb += [
            shared.context.eq(request.context),
            shared.next_header.eq(request.next_header),
        ]
        checked = fan_out(m, check.o, [
            (frames.command, Cat(frame_beats[:len(frames.command.payload.beats)], plan.keep), 1),
            *(self.cuts(m, segments, plan) if self.lso else ()),
            (plans.i, plan, 1),
            (contexts.i, shared, plan.seal),
        ])
        m.d.sync += waiting.eq(waiting + (accepted & taken.beat.first) - checked)
        m.d.comb += [self.in_flight.eq(waiting), self.judged.eq(checked)]
        wiring.connect(m, check.usage, wiring.flipped(self.usage))

        # Their frames.
        wiring.connect(m, frames.o, segments.i)
        wiring.connect(m, plans.o, segmenter.plan)
        wiring.connect(m, probes.o, segmenter.probe)
        if self.lso:
            wiring.connect(m, segments.slice_sum, segmenter.slice_sum)
        wiring.connect(m, segmenter.o, dispatch.segment)
        wiring.connect(m, contexts.o, dispatch.context)
        job = dispatch.o.payload
        order = Signal(segments.order.payload.shape())
        for name in segments.order.payload.shape().members:
            m.d.comb += order[name].eq(job[name])
        dispatched = fan_out(m, dispatch.o, [
            (segments.order, order, job.keep),
            (splits.i, job.place, job.keep),
            (esp_headers.i, job.header, job.keep),
            (places.i, job.place, job.keep),
            (spans.i, job.span, job.seal),
            (trailers.i, job.trailer, job.seal),
            (packets.i, job.packet, job.seal),
            (sizes.i, job.icv_size, job.seal),
        ])

        # Headers one way, text the other.
        wiring.connect(m, segments.o, split.i)
        wiring.connect(m, splits.o, split.place)
        wiring.connect(m, split.headers, headers.i)
        wiring.connect(m, headers.o, esp_header.i)
        wiring.connect(m, esp_headers.o, esp_header.request)
        wiring.connect(m, split.text, parted.i)
        wiring.connect(m, parted.o, extract.i)
        wiring.connect(m, spans.o, extract.span)
        wiring.connect(m, extract.o, trailer.i)
        wiring.connect(m, trailers.o, trailer.request)
        wiring.connect(m, trailer.o, texts.i)
        wiring.connect(m, texts.o, feed.i)
        wiring.connect(m, packets.o, feed.packet)
        wiring.connect(m, feed.o, gcm.i)
        wiring.connect(m, gcm.o, append.i)
        wiring.connect(m, gcm.tag, append.tag)
        wiring.connect(m, sizes.o, append.size)
        wiring.connect(m, append.o, sealed.i)
        wiring.connect(m, esp_header.o, written.i)
        wiring.connect(m, written.o, build.headers)
        wiring.connect(m, sealed.o, build.text)
        wiring.connect(m, places.o, hold.i)
        wiring.connect(m, hold.o, build.place)
        m.d.comb += hold.begun.eq(gcm.begun)

        out = build.o.payload
        m.d.comb += [
            self.o.payload.tdata.eq(out.data),
            self.o.payload.tkeep.eq(Cat(out.count > index for index in range(beat_bytes))),
            self.o.payload.tlast.eq(out.last),
            self.o.valid.eq(build.o.valid),
            build.o.ready.eq(self.o.ready),
            self.event.valid.eq(dispatched),
            self.event.payload.eq(job.event),
        ]

        taps = self.taps
        m.d.comb += [
            taps.segment.payload.eq(segments.edited.payload),
            taps.segment.valid.eq(segments.edited.valid),
            taps.verdict.payload.eq(job.verdict),
            taps.verdict.valid.eq(dispatched),
            taps.seqiv.payload.eq(job.seqiv),
            taps.seqiv.valid.eq(dispatched & job.seal),
            taps.trailer.payload.eq(trailer.o.payload),
            taps.trailer.valid.eq(trailer.o.valid & trailer.o.ready),
            taps.seal.payload.eq(append.i.payload),
            taps.seal.valid.eq(append.i.valid & append.i.ready),
            taps.icv.payload.eq(append.tag.payload),
            taps.icv.valid.eq(append.tag.valid & append.tag.ready),
        ]
        return m

    def cuts(self, m, segments, plan):
        """The segment path's part of a checked request, as ``fan_out`` takes it."""
        cut = Signal(SegmentCut)
        m.d.comb += [
            cut.enable.eq(plan.lso),
            cut.slicer.header_bytes.eq(plan.header_bytes),
            cut.slicer.mss.eq(plan.mss),
            cut.slicer.bytes.eq(plan.payload_bytes),
        ]
        return [(segments.cut, cut, plan.keep)]

    def connect_offsets(self, m, offsets, descriptor):
        """Tell the probe where the headers lie that a request needs."""
        l4_end = descriptor.l4_offset + descriptor.l4_bytes
        encapsulated = descriptor.encapsulation == Encapsulation.UDP
        m.d.comb += [
            offsets.outer_l3.eq(descriptor.outer_offset),
            offsets.outer_end.eq(Mux(
                descriptor.operation == TxOperation.ENCRYPT,
                descriptor.esp_offset - Mux(encapsulated, UDP_HEADER_BYTES, 0),
                descriptor.l4_offset)),
            offsets.inner_l3.eq(descriptor.l3_offset),
            offsets.l4.eq(descriptor.l4_offset),
            offsets.l4_end.eq(Mux(self.lso & descriptor.lso, descriptor.header_bytes, l4_end)),
            offsets.lso.eq(descriptor.lso),
            offsets.udp.eq(descriptor.l4_protocol == IPPROTO_UDP),
        ]
