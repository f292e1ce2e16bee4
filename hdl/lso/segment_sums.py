"""The sum of each segment's payload, wherever it was made."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.flow.ones_sum import WORD_BITS
from espnic.hdl.flow.queue import Queue
from espnic.hdl.flow.room import room_for
from espnic.hdl.lso.ingress_sums import SUMMED_SEGMENTS, SumCover

SUMS = 2048
"""Sums of requests that have not been checked, and of the burst that leaves: a block RAM."""

MARGIN = 4
"""Sums that come until ingress knows that there is no more room."""

AHEAD = 4
"""Sums between block RAM and output, for the RAM's clock and the queue's, and slack."""

FRAMES = 32
"""Super-frames whose first segments have their sums before they have been sliced: as many as the
segment path has orders for."""


SliceSum = data.StructLayout({"sum": WORD_BITS, "ends": 1})
"""The sum of a slice; ``ends``: the slice is the last of its super-frame."""


class SegmentSums(wiring.Component):
    """Keep the sums that were made at ingress, and give that of each segment of a super-frame.

    The first segments of a super-frame have theirs from ingress, as its cover says, the others from
    the slices. The slices of the first are summed once more, and those sums are dropped. So are the
    sums of requests that are refused.

    One sum each clock; a super-frame that is refused takes two clocks, any other frame one. Latency
    3 clocks from a request to the sum of its first segment, if that was made at ingress; 1 clock
    from the sum of a slice. There are no errors.

    Members
    -------
    sum : In(stream.Signature(16, always_ready=True))
        Sums from ingress, in order.
    room : Out(1)
        Another sum may be made. Two that are under way may come after it has fallen.
    cover : In(stream.Signature(SumCover))
        One per request: how many of those sums are for it. It does not come before they have.
    kept : In(stream.Signature(1))
        One per request: it is a super-frame that is to be cut.
    slice_sum : In(stream.Signature(SliceSum))
        The sum of each slice of the super-frames that are cut.
    o : Out(stream.Signature(16))
        The sum of each segment.
    """

    def __init__(self) -> None:
        super().__init__({
            "sum": In(stream.Signature(WORD_BITS, always_ready=True)),
            "room": Out(1),
            "cover": In(stream.Signature(SumCover)),
            "kept": In(stream.Signature(1)),
            "slice_sum": In(stream.Signature(SliceSum)),
            "o": Out(stream.Signature(WORD_BITS)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.ram = ram = memory.Memory(shape=WORD_BITS, depth=SUMS, init=[])
        m.submodules.ahead = ahead = Queue(WORD_BITS, AHEAD)
        m.submodules.covers = Queue(SumCover["segments"].shape, FRAMES)
        read = ram.read_port()
        fetch = Signal()
        fetched = Signal()
        """A sum is read from the RAM; it is there in the clock after."""
        wanted = Signal()
        passes = Signal()
        """The sum of a slice is that of a segment; it goes on."""
        taken = Signal(range(SUMMED_SEGMENTS + 1))
        """Sums that leave the RAM."""
        room = room_for(m, AHEAD, fetch | passes, ahead.o.valid & ahead.o.ready)
        passing = self._serve(m, fetch, passes, taken, room)
        self._keep(m, ram.write_port(), read, taken)
        self._drop(m, wanted, passes)
        m.d.sync += fetched.eq(fetch)
        m.d.comb += [
            read.en.eq(fetch),
            passes.eq(passing & wanted & room & ~fetched),
            ahead.i.valid.eq(fetched | passes),
            ahead.i.payload.eq(Mux(fetched, read.data, self.slice_sum.payload.sum)),
        ]
        wiring.connect(m, ahead.o, wiring.flipped(self.o))
        return m

    def _keep(self, m, write, read, taken):
        """Store the sums from ingress in a ring; the oldest ``taken`` leave it."""
        level = Signal(range(SUMS + 1))
        head = Signal(range(SUMS))
        tail = Signal(range(SUMS))
        gone = Signal.like(taken)
        m.d.comb += [
            write.addr.eq(tail),
            write.data.eq(self.sum.payload),
            write.en.eq(self.sum.valid),
            read.addr.eq(head),
        ]
        m.d.sync += [
            tail.eq(tail + self.sum.valid),
            head.eq(head + taken),
            # The room that they leave counts a clock later, for speed.
            gone.eq(taken),
            level.eq(level + self.sum.valid - gone),
            self.room.eq(level < SUMS - MARGIN),
        ]

    def _serve(self, m, fetch, passes, taken, room):
        """Take the requests one by one: their sums from the RAM, then those of slices.

        Returns whether the sums of slices may pass.
        """
        covers, cover, kept = m.submodules.covers, self.cover.payload, self.kept.payload
        reading = Signal()
        skipping = Signal()
        passing = Signal()
        """Sums of the request are read, or forgotten; the sums of its slices pass."""
        left = Signal(range(SUMMED_SEGMENTS + 1))
        one_left = Signal()
        more = Signal()
        """A single sum is left in the RAM; those of slices come after them."""
        take = Signal()
        ends = Signal()
        some = Signal()
        m.d.comb += [
            fetch.eq(reading & room),
            taken.eq(Mux(skipping, left, fetch)),
            ends.eq(passes & self.slice_sum.payload.ends),
            take.eq((~(reading | skipping | passing) | (fetch & one_left & ~more) | ends)
                    & self.cover.valid & self.kept.valid & covers.i.ready),
            self.cover.ready.eq(take),
            self.kept.ready.eq(take),
            covers.i.payload.eq(cover.segments),
            covers.i.valid.eq(take & kept),
            some.eq(cover.segments != 0),
        ]
        with m.If(take):
            m.d.sync += [
                left.eq(cover.segments),
                one_left.eq(cover.segments == 1),
                more.eq(~cover.whole),
                reading.eq(kept & some),
                skipping.eq(~kept & some),
                passing.eq(kept & ~some),
            ]
        with m.Elif(fetch):
            m.d.sync += [left.eq(left - 1), one_left.eq(left == 2)]
            with m.If(one_left):
                m.d.sync += [reading.eq(0), passing.eq(more)]
        with m.Elif(ends | skipping):
            m.d.sync += [passing.eq(0), skipping.eq(0)]
        return passing

    def _drop(self, m, wanted, passes):
        """Drop the sums of the slices whose segments have theirs from ingress.

        ``wanted``: the sum that shows is not one of them. It waits until it ``passes``.
        """
        covers = m.submodules.covers
        known = Signal()
        dropping = Signal()
        slices = Signal(range(SUMMED_SEGMENTS + 1))
        goes = Signal()
        m.d.comb += [
            wanted.eq(known & ~dropping & self.slice_sum.valid),
            self.slice_sum.ready.eq(passes | (known & dropping)),
            goes.eq(self.slice_sum.valid & self.slice_sum.ready),
            covers.o.ready.eq(~known | (goes & self.slice_sum.payload.ends)),
        ]
        with m.If(covers.o.ready):
            m.d.sync += [
                known.eq(covers.o.valid),
                slices.eq(covers.o.payload),
                dropping.eq(covers.o.payload != 0),
            ]
        with m.Elif(goes & dropping):
            m.d.sync += [slices.eq(slices - 1), dropping.eq(slices != 1)]
