"""The transmit path: from the host to the wire."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.flow.beat_store import BeatStore
from espnic.hdl.flow.fan_out import fan_out
from espnic.hdl.flow.frame_ingress import FrameIngress, axi_beat
from espnic.hdl.flow.push import push
from espnic.hdl.flow.queue import Queue
from espnic.hdl.flow.register_slice import RegisterSlice
from espnic.hdl.flow.registered_queue import RegisteredQueue
from espnic.hdl.flow.room import room_for
from espnic.hdl.flow.skid import Skid
from espnic.hdl.flow.stage import Stage
from espnic.hdl.frame.align import valid_bytes
from espnic.hdl.frame.frame_build import FrameBuild
from espnic.hdl.frame.frame_hold import FrameHold
from espnic.hdl.frame.header_split import HeaderSplit
from espnic.hdl.frame.text_extract import TextExtract, TextSpan
from espnic.hdl.frame.text_restore import TextPlace
from espnic.hdl.gcm.core import tag_latency
from espnic.hdl.gcm.feed import TEXTS, GcmFeed
from espnic.hdl.gcm.form import PLAIN, CipherForm
from espnic.hdl.gcm.self_test import SelfTest, SelfTestPort, join_orders
from espnic.hdl.gcm.stallable_core import GcmStream
from espnic.hdl.layouts import (
    HANDLE_BITS,
    IN_FLIGHT_BITS,
    FoundSa,
    TxDescriptor,
    TxEvent,
    TxFields,
    TxSeqiv,
    TxVerdict,
    beat,
    ghash_lanes,
    lanes_of,
    secret_port,
    tx_fields,
)
from espnic.hdl.lso.header_probe import HeaderProbe, ProbeRecord
from espnic.hdl.lso.ingress_sums import IngressSums, SegmentPlaces, SumCover
from espnic.hdl.lso.patch_path import PatchPath
from espnic.hdl.lso.segment_path import SegmentCut, SegmentPath
from espnic.hdl.lso.segment_sums import SegmentSums
from espnic.hdl.lso.segmenter import Segmenter, SegmentPlan
from espnic.hdl.sa.secret_read import SecretRead
from espnic.hdl.sa.sent_numbers import SentPort
from espnic.hdl.sa.usage import UsagePort
from espnic.hdl.tx.check import TxCheck, TxFrameRecord
from espnic.hdl.tx.dispatch import Sealing, TxContext, TxDispatch
from espnic.hdl.tx.esp_header import EspHeader, EspHeaderRequest
from espnic.hdl.tx.icv_append import IcvAppend
from espnic.hdl.tx.pad_capture import PadCapture
from espnic.hdl.tx.segment_count import SegmentCount
from espnic.hdl.tx.spi_capture import SpiCapture
from espnic.hdl.tx.trailer import TrailerGenerator, TrailerRequest
from espnic.hdl.tx.unlock import TxUnlock
from espnic.model.interface.codes import (
    ESP_TEXT_OFFSET,
    IPPROTO_UDP,
    UDP_HEADER_BYTES,
    Encapsulation,
    IcvSize,
    TxOperation,
)
from espnic.model.interface.headers import ESP_OFFSET_MIN

SUPER_STORE_BYTES = 73728
"""Bytes of the frame store: the longest super-frame, and what comes while it leaves."""

SUPER_STORE_FRAMES = 1024
"""Requests between ingress and check. The shortest frame, of 60 bytes, takes 64 in the frame store
at any width: so many of them come while the longest super-frame leaves, and keep the wire busy
while the next one comes."""

STORE_BYTES = 16384
"""Bytes of the frame store where there are no super-frames."""

STORE_FRAMES = 256
"""Requests between ingress and check there."""

READS = 32
"""Requests whose SA has been asked for and that wait for their check: more than the SA table's
latency in clocks."""

PLANS = 2
"""Requests that have been checked and wait for the segmenter: those of a ``RegisterSlice``."""

ORDERS = 16
"""Frames between dispatch and core: as many of the shortest as leave while the first segment of the
burst after them is cut. That is more than the clocks from the frame store to the core."""

SEALINGS = 32
"""Frames, refused ones too, between dispatch and the read of their secrets."""

COMMANDS = 4
"""Requests that have been checked while the frame before them leaves the frame store: the check of
one that is to be sealed takes a clock more, and frames of one beat before it leave in each."""

REQUESTS = 16
"""Requests between check and dispatch: more than the segmenter's latency in clocks."""

CRYPTO_DEPTH = 64
"""Beats from where headers and text part to where they join: more than the latency in clocks."""


def report(sideband: int) -> data.StructLayout:
    """Facts about a frame, known when its secrets have been checked, that wait until it leaves."""
    carried = {"sideband": sideband} if sideband else {}
    return data.StructLayout({"fault": 1, **carried})


def hold_clocks(width: int, form: CipherForm = PLAIN) -> int:
    """Clocks from the first text beat into the core until its frame may leave.

    The ICV comes latest: the tag passes a queue, and then another one with the end of the
    text. It comes a clock later if the lengths block has a slot of its own. The beats of the
    headers leave meanwhile; frames whose headers are not the shortest could begin a little
    earlier. A core that is folded gives a beat in some clocks only: the frame leaves so that each
    beat is there as many clocks after the one before.
    """
    lanes = lanes_of(width)
    lengths_slot = ghash_lanes(lanes) == lanes
    icv_clocks = tag_latency(form) + form.fold * lengths_slot + 2
    return icv_clocks - form.fold * ((ESP_OFFSET_MIN + ESP_TEXT_OFFSET) // (width // 8))


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
                     └─ SA read ─ check ─┴─ segmenter ─ dispatch ─ secrets read ─ unlock (seqiv)

        … ┬─ queue ─ ESP header ────────────────────────────── frame build ─ o
          └─ text extract ─ trailer ─ feed ─ GCM ─ ICV append ─┘

    A frame is kept until its last beat has come and its request has been checked. It
    leaves without a gap: after its first beat it waits for nothing but ``o.ready``.
    From the segment path on, only a lack of room after the core can stop a text, and there
    are more beats of room than clocks of latency. With a core that takes n clocks a slot, it
    leaves as if ``o.ready`` came every nth clock: its beat k is there n k clocks after the first.

    The secrets of a frame's SA are read right in front of the feed. If they are gone or wrong, the
    frame is swallowed where it would leave: its text enters the core later than its secrets are
    read, and its first beat leaves later still.

    When asked, the core tests itself with a packet between two frames (``SelfTest``), of which
    nothing is seen outside.

    Parameters
    ----------
    width : int
        Bits of a beat.
    lso : bool
        Cut super-frames into segments. Without, ``segment path`` only puts checksums in, and
        the frame store holds single frames.
    sideband : int
        Bits that come with a request and leave with each of its frames.
    form : CipherForm
        Rate of the core, and kind of its S-boxes.

    Members
    -------
    i : In(stream.Signature(axi_beat(width, TxDescriptor.size + sideband)))
        Frames from the host; the descriptor, and the sideband above it, count on a frame's first
        beat.
    read : Out(stream.Signature(HANDLE_BITS, always_ready=True))
    sa : In(stream.Signature(FoundSa, always_ready=True))
        Answers of the SA table, one for each read, in order.
    secrets : Out(secret_port(lanes_of(width)))
        Secrets of the SAs, by handle.
    usage : Out(UsagePort)
        To the lifetimes of the SAs (``SaUsage``), queried when a request is checked.
    sent : Out(SentPort)
        To the numbers that the SAs have sealed (``SentNumbers``), queried when it is next.
    in_flight : Out(IN_FLIGHT_BITS)
        Requests that have begun to come and whose last frame has not been judged.
    judged : Out(1)
        The last frame of a request is judged: nothing more is asked of its SA. (The use of a
        burst, and its numbers, are committed some clocks after it has been checked; no SA is
        added in that time.)
    o : Out(stream.Signature(axi_beat(width, sideband)))
        Frames to the wire; the sideband is on every beat of its frame.
    event : Out(stream.Signature(TxEvent, always_ready=True))
        One for each frame of a request, and for a request that is refused, when the secrets of
        its SA have been read and checked.
    cipher : In(SelfTestPort)
    cipher_failed : In(1)
    hold : Out(1)
        ``run``, ``failed`` and ``hold`` of ``SelfTest``.
    still : In(1)
        No frame that leaves is in the path, and none comes.
    taps : Out(tx_taps(width))
    """

    def __init__(self, width: int, lso: bool = True, sideband: int = 0,
                 form: CipherForm = PLAIN):
        self.width = width
        self.form = form
        self.lso = lso
        self.sideband = sideband
        self.stored_frames = SUPER_STORE_FRAMES if lso else STORE_FRAMES
        super().__init__({
            "i": In(stream.Signature(axi_beat(width, TxDescriptor.size + sideband))),
            "read": Out(stream.Signature(HANDLE_BITS, always_ready=True)),
            "sa": In(stream.Signature(FoundSa, always_ready=True)),
            "secrets": Out(secret_port(lanes_of(width))),
            "usage": Out(UsagePort),
            "sent": Out(SentPort),
            "in_flight": Out(IN_FLIGHT_BITS),
            "judged": Out(1),
            "o": Out(stream.Signature(axi_beat(width, sideband))),
            "event": Out(stream.Signature(TxEvent, always_ready=True)),
            "cipher": In(SelfTestPort),
            "cipher_failed": In(1),
            "hold": Out(1),
            "still": In(1),
            "taps": Out(tx_taps(width)),
        })

    def elaborate(self, platform):
        m = Module()
        began = Signal()
        checked = Signal()
        self._take_in(m, began, checked)
        self._gather(m, checked)
        m.d.comb += checked.eq(self._check(m))
        self._segment(m)
        self._dispatch(m)
        self._write_headers(m)
        self._seal(m)
        self._unlock(m)
        self._count(m, began)
        self._leave(m)
        self._tap(m)
        return m

    def _take_in(self, m, began, checked):
        """Ingress: store the frame, and read on the way what the check of its request needs.

        Sets ``began`` when a request begins to come. ``checked``: a request has been checked.
        """
        blocks, width = m.submodules, self.width
        blocks.ingress = ingress = FrameIngress(
            width, TxDescriptor.size + self.sideband,
            TxDescriptor["lso"].offset if self.lso else None)
        blocks.spi = spi = SpiCapture(width)
        blocks.pad = pad = PadCapture(width)
        blocks.probe = probe = HeaderProbe(width, self.lso)
        blocks.frames = frames = BeatStore(
            beat(width), (SUPER_STORE_BYTES if self.lso else STORE_BYTES) // (width // 8))
        blocks.ended = ended = RegisteredQueue(
            TxFrameRecord, self.stored_frames, block_ram=True)

        blocks.arrived = arrived = Stage(beat(width))
        comes = Signal()
        passes = Signal()
        ends = Signal()
        """A beat comes into the stage, or passes on from it; it is the last of its frame."""
        descriptor = Signal(TxFields)
        passed_descriptor = Signal(TxFields)
        end = Signal.like(ingress.end.payload)
        passed_end = Signal.like(ingress.end.payload)
        """Facts about the frame in the stage, and about the one that has passed."""
        taken = ingress.o.payload
        wiring.connect(m, wiring.flipped(self.i), ingress.i)
        observers = [spi.i, pad.i, probe.i]
        if self.lso:
            observers.append(self._sum_segments(m, descriptor))
        room = ~taken.beat.first | self._has_room(m, began, checked)
        m.d.comb += [
            arrived.i.payload.eq(taken.beat),
            arrived.i.valid.eq(ingress.o.valid & room),
            ingress.o.ready.eq(arrived.i.ready & room),
            comes.eq(ingress.o.valid & ingress.o.ready),
            began.eq(comes & taken.beat.first),
            arrived.o.ready.eq(frames.i.ready),
            passes.eq(arrived.o.valid & arrived.o.ready),
            ends.eq(passes & arrived.o.payload.last),
            spi.esp_offset.eq(descriptor.esp_offset),
        ]
        push(m, arrived.o, frames.i, *observers)
        offsets = Signal.like(probe.offsets)
        m.d.comb += probe.offsets.eq(offsets)
        fields = Signal(TxFields)
        m.d.comb += fields.eq(tx_fields(taken.user[:TxDescriptor.size]))
        with m.If(comes):
            m.d.sync += end.eq(ingress.end.payload)
        with m.If(began):
            m.d.sync += descriptor.eq(fields)
            self._place_headers(m, offsets, fields)
        with m.If(passes):
            m.d.sync += [passed_descriptor.eq(descriptor), passed_end.eq(end)]
        # SPI and pad lengths are there one clock after the last beat.
        m.d.sync += ended.i.valid.eq(ends)
        m.d.comb += [
            ended.i.payload.descriptor.eq(passed_descriptor),
            ended.i.payload.end.bytes.eq(passed_end.bytes),
            ended.i.payload.end.oversize.eq(passed_end.oversize),
            ended.i.payload.beats.eq(
                (passed_end.bytes + self.width // 8 - 1) // (self.width // 8)),
            ended.i.payload.spi.eq(spi.spi),
            ended.i.payload.pads.eq(pad.o),
        ]
        if self.lso:
            self._count_segments(m, ends, descriptor, end)

    def _sum_segments(self, m, descriptor):
        """Sum the segments of super-frames as they come; return the input for their beats."""
        blocks = m.submodules
        blocks.ingress_sums = sums = IngressSums(self.width)
        blocks.covers = covers = RegisteredQueue(
            SumCover, self.stored_frames + PLANS + 1, block_ram=True)
        m.d.comb += [sums.places[name].eq(descriptor[name]) for name in SegmentPlaces.members]
        push(m, sums.cover, covers.i)
        return sums.i

    def _count_segments(self, m, ends, descriptor, end):
        """Count the segments of a super-frame that ``ends``."""
        blocks = m.submodules
        blocks.count = count = SegmentCount()
        blocks.counts = counts = RegisteredQueue(
            count.o.payload.shape(), self.stored_frames, block_ram=True)
        m.d.comb += [
            count.i.payload.payload_bytes.eq(end.bytes - descriptor.header_bytes),
            count.i.payload.mss.eq(descriptor.mss),
            count.i.valid.eq(ends & descriptor.lso),
        ]
        push(m, count.o, counts.i)

    def _has_room(self, m, began, checked):
        """Whether a request may begin to come: not too many wait for their check.

        Its sideband waits for the report on its last frame.
        """
        blocks, room = m.submodules, room_for(m, self.stored_frames, began, checked)
        if not self.sideband:
            return room
        # All others are full before it, so that it costs no rate.
        inside = self.stored_frames + PLANS + REQUESTS + SEALINGS
        blocks.sidebands = sidebands = Queue(self.sideband, inside, block_ram=True)
        m.d.comb += [
            sidebands.i.payload.eq(blocks.ingress.o.payload.user[TxDescriptor.size:]),
            sidebands.i.valid.eq(began),
            sidebands.o.ready.eq(self.judged),
        ]
        return room & sidebands.i.ready

    def _gather(self, m, checked):
        """Read SA and lifetime of frames that have ended; queue what check and segmenter need.

        ``checked``: a request has been checked.
        """
        blocks, ended = m.submodules, m.submodules.ended
        blocks.named = named = RegisteredQueue(
            data.StructLayout({"sa": HANDLE_BITS, "encrypt": 1}), self.stored_frames,
            block_ram=True)
        blocks.sas = sas = RegisteredQueue(self.sa.payload.shape(), READS)
        blocks.asks = asks = Queue(HANDLE_BITS, READS)
        blocks.probes = probes = RegisteredQueue(
            ProbeRecord, self.stored_frames + PLANS + 1, block_ram=True)
        reading = Signal(range(READS + 1))
        descriptor = ended.i.payload.descriptor
        m.d.comb += [
            named.i.payload.sa.eq(descriptor.sa),
            named.i.payload.encrypt.eq(descriptor.operation == TxOperation.ENCRYPT),
            named.i.valid.eq(ended.i.valid),
            named.o.ready.eq(reading != READS),
            self.read.payload.eq(named.o.payload.sa),
            self.read.valid.eq(named.o.valid & named.o.ready),
            # So early that the answer is there when the frame is checked.
            asks.i.payload.eq(named.o.payload.sa),
            asks.i.valid.eq(self.read.valid & named.o.payload.encrypt),
        ]
        m.d.sync += reading.eq(reading + self.read.valid - checked)
        push(m, self.sa, sas.i)
        push(m, blocks.probe.o, probes.i)
        wiring.connect(m, asks.o, wiring.flipped(self.usage).query)

    def _check(self, m):
        """Check a request and hand it on; return the strobe of that transfer."""
        blocks, frames = m.submodules, m.submodules.frames
        blocks.check = check = TxCheck(self.lso)
        blocks.plans = plans = RegisterSlice(SegmentPlan)
        blocks.contexts = contexts = Queue(TxContext, REQUESTS)
        blocks.segments = segments = (
            SegmentPath(self.width) if self.lso else PatchPath(self.width))

        wiring.connect(m, blocks.ended.o, check.frame)
        wiring.connect(m, blocks.sas.o, check.sa)
        if self.lso:
            wiring.connect(m, blocks.counts.o, check.last_segment)
        wiring.connect(m, wiring.flipped(self.usage).answer, check.usage.answer)
        m.d.comb += self.usage.commit.eq(check.usage.commit)
        wiring.connect(m, check.sent, wiring.flipped(self.sent))
        blocks.commands = commands = Queue(
            frames.command.payload.shape(), COMMANDS, through=True)
        wiring.connect(m, commands.o, frames.command)
        request, plan = check.o.payload, check.o.payload.plan
        shared = Signal(contexts.i.payload.shape())
        m.d.comb += [
            shared.context.eq(request.context),
            shared.next_header.eq(request.next_header),
        ]
        return fan_out(m, check.o, [
            (commands.i, Cat(request.beats[:len(commands.i.payload.beats)], plan.keep), 1),
            *(self._cuts(m, segments, plan) if self.lso else ()),
            (plans.i, plan, 1),
            (contexts.i, shared, plan.seal),
        ])

    def _cuts(self, m, segments, plan):
        """The segment path's part of a checked request, as ``fan_out`` takes it."""
        cut = Signal(SegmentCut)
        m.d.comb += [
            cut.enable.eq(plan.lso),
            cut.slicer.header_bytes.eq(plan.header_bytes),
            cut.slicer.mss.eq(plan.mss),
            cut.slicer.bytes.eq(plan.payload_bytes),
        ]
        m.submodules.kept = kept = Queue(1, PLANS)
        return [(segments.cut, cut, plan.keep), (kept.i, plan.lso, 1)]

    def _segment(self, m):
        """Make the frames of a request, and tell the dispatcher of each."""
        blocks, segments = m.submodules, m.submodules.segments
        blocks.segmenter = segmenter = Segmenter(self.lso)
        blocks.dispatch = dispatch = TxDispatch(self.lso)
        wiring.connect(m, blocks.frames.o, segments.i)
        wiring.connect(m, blocks.plans.o, segmenter.plan)
        wiring.connect(m, blocks.probes.o, segmenter.probe)
        if self.lso:
            blocks.sums = sums = SegmentSums()
            push(m, blocks.ingress_sums.sum, sums.sum)
            m.d.comb += blocks.ingress_sums.room.eq(sums.room)
            wiring.connect(m, blocks.covers.o, sums.cover)
            wiring.connect(m, blocks.kept.o, sums.kept)
            wiring.connect(m, segments.slice_sum, sums.slice_sum)
            wiring.connect(m, sums.o, segmenter.slice_sum)
        wiring.connect(m, segmenter.o, dispatch.segment)
        wiring.connect(m, blocks.contexts.o, dispatch.context)

    def _dispatch(self, m):
        """Queue the orders for a frame."""
        blocks, segments = m.submodules, m.submodules.segments
        blocks.splits = splits = RegisteredQueue(TextPlace, ORDERS)
        blocks.spans = spans = Queue(TextSpan, ORDERS)
        blocks.trailers = trailers = RegisteredQueue(TrailerRequest, ORDERS)
        blocks.places = places = RegisteredQueue(TextPlace, CRYPTO_DEPTH)
        blocks.sizes = sizes = Queue(IcvSize, CRYPTO_DEPTH)

        job = blocks.dispatch.o.payload
        blocks.sealings = sealings = Queue(job.sealing.shape(), SEALINGS)
        order = Signal(segments.order.payload.shape())
        for name in order.shape().members:
            m.d.comb += order[name].eq(job[name])
        fan_out(m, blocks.dispatch.o, [
            (segments.order, order, job.keep),
            (splits.i, job.place, job.keep),
            (places.i, job.place, job.keep),
            (spans.i, job.span, job.seal),
            (trailers.i, job.trailer, job.seal),
            (sizes.i, job.icv_size, job.seal),
            (sealings.i, job.sealing, 1),
        ])

    def _write_headers(self, m):
        """Part headers and text; write sequence number and IV into the headers."""
        blocks, width = m.submodules, self.width
        blocks.split = split = HeaderSplit(width)
        blocks.headers = headers = Queue(beat(width), CRYPTO_DEPTH)
        blocks.esp_headers = esp_headers = Queue(EspHeaderRequest, CRYPTO_DEPTH)
        blocks.esp_header = esp_header = EspHeader(width)
        blocks.written = written = RegisterSlice(beat(width))
        wiring.connect(m, blocks.segments.o, split.i)
        wiring.connect(m, blocks.splits.o, split.place)
        wiring.connect(m, split.headers, headers.i)
        wiring.connect(m, headers.o, esp_header.i)
        wiring.connect(m, esp_headers.o, esp_header.request)
        wiring.connect(m, esp_header.o, written.i)

    def _seal(self, m):
        """Crypto: give the text its trailer, encrypt it, append the ICV."""
        blocks, width = m.submodules, self.width
        blocks.parted = parted = Skid(beat(width))
        blocks.extract = extract = TextExtract(width)
        blocks.trailer = trailer = TrailerGenerator(width)
        blocks.texts = texts = Queue(beat(width), TEXTS)
        blocks.feed = feed = GcmFeed(width)
        blocks.gcm = gcm = GcmStream(width, CRYPTO_DEPTH, self.form)
        blocks.self_test = test = SelfTest(
            width, decrypt=False, fold=self.form.fold)
        blocks.append = append = IcvAppend(width)
        blocks.sealed = sealed = RegisterSlice(beat(width))
        wiring.connect(m, blocks.split.text, parted.i)
        wiring.connect(m, parted.o, extract.i)
        wiring.connect(m, blocks.spans.o, extract.span)
        wiring.connect(m, extract.o, trailer.i)
        wiring.connect(m, blocks.trailers.o, trailer.request)
        wiring.connect(m, trailer.o, test.text_i)
        wiring.connect(m, test.text_o, texts.i)
        wiring.connect(m, texts.o, feed.i)
        wiring.connect(m, feed.o, gcm.i)
        wiring.connect(m, gcm.o, test.result_i)
        wiring.connect(m, gcm.tag, test.tag_i)
        wiring.connect(m, test.result_o, append.i)
        wiring.connect(m, test.tag_o, append.tag)
        wiring.connect(m, blocks.sizes.o, append.size)
        wiring.connect(m, append.o, sealed.i)

    def _unlock(self, m):
        """Read the secrets of a frame that is to be sealed; give its packet, and report it."""
        blocks, lanes, test = m.submodules, lanes_of(self.width), m.submodules.self_test
        blocks.secret_read = secret_read = SecretRead(lanes, Sealing)
        blocks.unlock = unlock = TxUnlock(lanes)
        blocks.gones = gones = Queue(1, CRYPTO_DEPTH)
        # Of a frame the one comes a clock after the other, and they leave together.
        blocks.faults = faults = Queue(report(self.sideband), CRYPTO_DEPTH)
        self._order(m)
        wiring.connect(m, secret_read.fault, unlock.fault)
        wiring.connect(m, secret_read.secrets, wiring.flipped(self.secrets))
        wiring.connect(m, secret_read.o, unlock.i)
        unlocked, done = unlock.o.payload, unlock.done
        fan_out(m, unlock.o, [
            (blocks.esp_headers.i, unlocked.header, unlocked.keep),
            (blocks.feed.packet, unlocked.packet, unlocked.seal),
            (gones.i, unlocked.gone, unlocked.keep),
        ])
        m.d.comb += [
            faults.i.valid.eq(self.event.valid & done.payload.keep),
            faults.i.payload.fault.eq(done.payload.fault),
            self.event.valid.eq(done.valid & ~test.active),
            self.event.payload.eq(done.payload.event),
        ]
        if self.sideband:
            m.d.comb += faults.i.payload.sideband.eq(blocks.sidebands.o.payload)

    def _order(self, m):
        """Give frames, or the packet of a self-test, to the read of the secrets.

        A frame whose secrets were gone or wrong counts as judged before it has been swallowed: it
        is waited for here.
        """
        blocks, test = m.submodules, m.submodules.self_test
        sealings, secret_read = blocks.sealings, blocks.secret_read
        wiring.connect(m, wiring.flipped(self.cipher), test.run)
        m.d.comb += [
            test.failed.eq(self.cipher_failed),
            test.still.eq(self.still & ~blocks.gones.o.valid),
            self.hold.eq(test.hold),
        ]
        known = Signal.like(secret_read.i.payload)
        m.d.comb += [
            known.reads.eq(1),
            known.carried.seal.eq(1),
            known.carried.gcm.eq(test.order.payload.gcm),
            known.carried.sequence.eq(test.order.payload.sequence),
        ]
        join_orders(m, test, sealings.o, secret_read.i, known)

    def _count(self, m, began):
        """Count the requests in flight: ``began`` says that one begins to come."""
        inside = Signal(IN_FLIGHT_BITS)
        m.d.comb += [
            self.in_flight.eq(inside),
            self.judged.eq(self.event.valid & self.event.payload.last),
        ]
        m.d.sync += inside.eq(inside + began - self.judged)

    def _leave(self, m):
        """Egress: join headers and text, once the text can follow without a gap.

        A frame whose secrets were gone or wrong is swallowed.
        """
        blocks, gones, faults = m.submodules, m.submodules.gones, m.submodules.faults
        blocks.hold = hold = FrameHold(
            hold_clocks(self.width, self.form), CRYPTO_DEPTH)
        blocks.build = build = FrameBuild(self.width)
        wiring.connect(m, blocks.written.o, build.headers)
        wiring.connect(m, blocks.sealed.o, build.text)
        wiring.connect(m, blocks.places.o, hold.i)
        wiring.connect(m, hold.o, build.place)
        out = build.o.payload
        known = Signal()
        swallow = Signal()
        m.d.comb += [
            known.eq(gones.o.valid & faults.o.valid),
            swallow.eq(gones.o.payload | faults.o.payload.fault),
            hold.begun.eq(blocks.gcm.begun & ~blocks.self_test.active),
            self.o.payload.tdata.eq(out.data),
            self.o.payload.tkeep.eq(valid_bytes(m, "out_bytes", out.count, self.width // 8)),
            self.o.payload.tlast.eq(out.last),
            self.o.valid.eq(build.o.valid & known & ~swallow),
            build.o.ready.eq(known & (self.o.ready | swallow)),
            gones.o.ready.eq(build.o.valid & build.o.ready & out.last),
            faults.o.ready.eq(gones.o.ready),
        ]
        if self.sideband:
            m.d.comb += self.o.payload.tuser.eq(faults.o.payload.sideband)

    def _tap(self, m):
        """Show what passes the trace points."""
        blocks, taps = m.submodules, self.taps
        done = blocks.unlock.done
        push(m, blocks.segments.edited, taps.segment)
        push(m, blocks.trailer.o, taps.trailer)
        push(m, blocks.append.i, taps.seal)
        push(m, blocks.append.tag, taps.icv)
        m.d.comb += [
            taps.verdict.payload.eq(done.payload.verdict),
            taps.verdict.valid.eq(self.event.valid),
            taps.seqiv.payload.eq(done.payload.seqiv),
            taps.seqiv.valid.eq(self.event.valid & done.payload.sealed),
        ]

    def _place_headers(self, m, offsets, descriptor):
        """Note where the headers of a request lie, for the probe."""
        l4_end = descriptor.l4_offset + descriptor.l4_bytes
        encapsulated = descriptor.encapsulation == Encapsulation.UDP
        m.d.sync += [
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
