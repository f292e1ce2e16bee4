"""Clear frames of requests to clear frames that leave."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.flow.fan_out import fan_out
from espnic.hdl.flow.ones_sum import OnesSum
from espnic.hdl.flow.push import push
from espnic.hdl.flow.queue import Queue
from espnic.hdl.flow.registered_queue import RegisteredQueue
from espnic.hdl.flow.skid import Skid
from espnic.hdl.flow.stage import Stage
from espnic.hdl.frame.align import valid_bytes
from espnic.hdl.frame.frame_build import FrameBuild
from espnic.hdl.frame.frame_hold import FrameHold
from espnic.hdl.frame.header_split import HeaderSplit
from espnic.hdl.frame.text_restore import TextPlace
from espnic.hdl.layouts import beat
from espnic.hdl.lso.header_patch import HeaderPatch, header_patches, show_marked
from espnic.hdl.lso.header_replay import HeaderReplay
from espnic.hdl.lso.segment_sums import SliceSum
from espnic.hdl.lso.segmenter import PATCHES
from espnic.hdl.lso.slice_plan import SlicerRequest
from espnic.hdl.lso.slicer import Slicer, slice_beat
from espnic.model.interface.features import WIDTHS

SLICE_BYTES = 16384
"""Bytes of payload that has been cut: a slice that leaves, and the next, which may be summed as it
comes."""

SLICES = 32
"""Most slices among that payload."""

ORDERS = 32
"""Frames whose orders have come before the frames have, and frames that wait to leave."""

HEADER_BYTES = 1536
"""Bytes of uncut frames buffered so that the output stays busy while the next first segment is
cut, or summed."""

SUM_BEATS = 16
"""Beats that leave while the sum and its order are computed."""

SLICE_CLOCKS = 3
"""Clocks after which the beats of a slice leave their queue as they came, one each clock."""


SegmentCut = data.StructLayout({"enable": 1, "slicer": SlicerRequest})
"""Whether to cut a frame, and how."""


SegmentOrder = data.StructLayout({
    "again": 1, "payload": TextPlace, "patches": header_patches(PATCHES), "edited": 1})
"""Order for a frame that leaves.

``again``: it has the headers of the frame before. Its slice joins the headers at
``payload``. ``edited``: the host wanted it changed.
"""


class SegmentPath(wiring.Component):
    """Cut super-frames into segments, write into headers, and pass all other frames.

    ::

        i ─ header split ─ headers ─ header replay ─── frame build ─ header patch ─ o
                  └─ slicer ┬─ slices ─────────────────────┘
                            └─ sum ─ slice_sum

    The order for a segment comes when its payload has been summed, because the checksum
    lies before the payload: at ingress, or here. The next segment is cut and summed meanwhile, so
    there is no gap between segments, nor between super-frames. A frame that is not cut passes as
    it comes. One beat each clock.

    A segment begins to leave when its payload can follow its headers. It has no gap when the frames
    of ``i`` have none.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(beat(width)))
        Frames.
    cut : In(stream.Signature(SegmentCut))
        One per frame of ``i``.
    slice_sum : Out(stream.Signature(SliceSum))
        Ones' complement sum of the payload of each segment.
    order : In(stream.Signature(SegmentOrder))
        One per frame of ``o``.
    o : Out(stream.Signature(beat(width)))
        Frames.
    edited : Out(stream.Signature(beat(width), always_ready=True))
        The frames of ``o`` whose order says ``edited``, as they pass.
    """

    def __init__(self, width: int):
        self.width = width
        self.slice_beats = 8 * SLICE_BYTES // width + 1
        super().__init__({
            "i": In(stream.Signature(beat(width))),
            "cut": In(stream.Signature(SegmentCut)),
            "slice_sum": Out(stream.Signature(SliceSum)),
            "order": In(stream.Signature(SegmentOrder)),
            "o": Out(stream.Signature(beat(width))),
            "edited": Out(stream.Signature(beat(width), always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        self._cut(m)
        self._order(m)
        self._sum(m)
        self._join(m)
        show_marked(m, m.submodules.patch.o, m.submodules.marks.o, self.edited)
        return m

    def _cut(self, m):
        """Split each frame: its headers wait, and its payload is sliced."""
        blocks, width = m.submodules, self.width
        blocks.splits = splits = RegisteredQueue(TextPlace, ORDERS)
        blocks.cuts = cuts = Queue(SlicerRequest, ORDERS)
        blocks.split = split = HeaderSplit(width)
        blocks.headers = headers = Queue(beat(width), 8 * HEADER_BYTES // width + SUM_BEATS)
        blocks.texts = texts = Skid(beat(width))
        blocks.slicer = slicer = Slicer(width)

        cut = self.cut.payload
        place = Signal(TextPlace)
        m.d.comb += [place.enable.eq(cut.enable), place.offset.eq(cut.slicer.header_bytes)]
        fan_out(m, self.cut, [(splits.i, place, 1), (cuts.i, cut.slicer, cut.enable)])
        wiring.connect(m, wiring.flipped(self.i), split.i)
        wiring.connect(m, splits.o, split.place)
        wiring.connect(m, split.headers, headers.i)
        wiring.connect(m, split.text, texts.i)
        wiring.connect(m, texts.o, slicer.i)
        wiring.connect(m, cuts.o, slicer.request)

    def _order(self, m):
        """Queue the orders for the frames that leave."""
        blocks, order = m.submodules, self.order.payload
        blocks.agains = agains = RegisteredQueue(1, ORDERS)
        blocks.payloads = payloads = RegisteredQueue(TextPlace, ORDERS)
        blocks.patches = patches = RegisteredQueue(header_patches(PATCHES), ORDERS)
        blocks.marks = marks = Queue(1, ORDERS)
        fan_out(m, self.order, [
            (agains.i, order.again, 1),
            (payloads.i, order.payload, 1),
            (patches.i, order.patches, 1),
            (marks.i, order.edited, 1),
        ])

    def _sum(self, m):
        """Store and sum the slices.

        A slice is let in only when there is room for its sum, which cannot wait.
        """
        blocks, width = m.submodules, self.width
        blocks.sliced = sliced = Skid(slice_beat(width))
        blocks.slices = slices = RegisteredQueue(
            beat(width), self.slice_beats, block_ram=True)
        blocks.sum = ones_sum = OnesSum(width)
        blocks.sums = sums = Queue(SliceSum, SLICES, through=True)

        unsummed = Signal(range(SLICES + 1))
        admit = Signal()
        goes = Signal()
        piece = sliced.o.payload
        wiring.connect(m, blocks.slicer.o, sliced.i)
        m.d.comb += [
            admit.eq(~piece.first | (unsummed != SLICES)),
            *(slices.i.payload[name].eq(piece[name]) for name in beat(width).members),
            slices.i.valid.eq(sliced.o.valid & admit),
            sliced.o.ready.eq(slices.i.ready & admit),
            goes.eq(sliced.o.valid & sliced.o.ready),
        ]
        m.d.sync += [
            ones_sum.i.payload.data.eq(piece.data),
            ones_sum.i.payload.keep.eq(valid_bytes(m, "summed_bytes", piece.count, width // 8)),
            ones_sum.i.payload.last.eq(piece.last),
            ones_sum.i.valid.eq(goes),
        ]
        m.d.sync += unsummed.eq(
            unsummed + (goes & piece.first) - (sums.o.valid & sums.o.ready))
        ends = Signal(1 + OnesSum.latency)
        m.d.sync += ends.eq(Cat(piece.ends, ends))
        push(m, ones_sum.o, sums.i, payload=Cat(ones_sum.o.payload, ends[-1]))
        wiring.connect(m, sums.o, wiring.flipped(self.slice_sum))

    def _join(self, m):
        """Put headers, new or repeated, before each slice, and write into them.

        A slice whose first beat is there follows without a gap: the slicer gives one each clock.
        """
        blocks, width = m.submodules, self.width
        blocks.hold = hold = FrameHold(SLICE_CLOCKS, self.slice_beats + 1)
        blocks.replay = replay = HeaderReplay(width)
        blocks.replayed = replayed = Skid(beat(width))
        blocks.build = build = FrameBuild(width)
        blocks.patch = patch = HeaderPatch(width, PATCHES)
        wiring.connect(m, blocks.headers.o, replay.i)
        wiring.connect(m, blocks.agains.o, replay.again)
        wiring.connect(m, replay.o, replayed.i)
        wiring.connect(m, replayed.o, build.headers)
        wiring.connect(m, blocks.slices.o, build.text)
        m.d.comb += hold.begun.eq(
            blocks.slices.i.valid & blocks.slices.i.ready & blocks.slices.i.payload.first)
        wiring.connect(m, blocks.payloads.o, hold.i)
        wiring.connect(m, hold.o, build.place)
        frames = build.o
        if width > min(WIDTHS):
            # Wider beats take more logic to build, and fewer clocks elsewhere.
            blocks.built = built = Stage(beat(width))
            wiring.connect(m, frames, built.i)
            frames = built.o
        wiring.connect(m, frames, patch.i)
        wiring.connect(m, blocks.patches.o, patch.patch)
        wiring.connect(m, patch.o, wiring.flipped(self.o))
