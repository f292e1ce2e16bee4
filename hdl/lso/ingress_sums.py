"""Sums of the segments of super-frames, made as the super-frames come in."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from espnic.hdl.flow.ones_sum import WORD_BITS
from espnic.hdl.frame.align import valid_bytes
from espnic.hdl.layouts import MSS_BITS, beat
from espnic.model.interface.layouts import OFFSET_BITS

SUMMED_SEGMENTS = 64
"""Most segments of a super-frame that are summed as it comes."""

TOTAL_BITS = WORD_BITS + MSS_BITS - 1
"""Bits of the sum of the numbers of the longest segment."""

ADDENDS = 4
"""Numbers that are added up in a clock."""


SegmentPlaces = data.StructLayout({"lso": 1, "header_bytes": OFFSET_BITS, "mss": MSS_BITS})
"""Whether a frame is a super-frame, its bytes before its payload, and those of a segment."""


SumCover = data.StructLayout({"segments": range(SUMMED_SEGMENTS + 1), "whole": 1})
"""Number of the first segments of a frame that have been summed; ``whole``: it has no others."""


HalfFolded = data.StructLayout({
    "total": WORD_BITS + 1, "odd": 1, "gives": 1, "last": 1, "cover": SumCover})
"""A sum with a carry to add, which is ``odd`` if its segment begins at an odd byte.

It ``gives`` a sum; it is the ``last`` of its frame, which has this ``cover`` then.
"""


class IngressSums(wiring.Component):
    """Sum the segments of each super-frame as it passes, so that its first need not wait for that.

    Segment k is the ``mss`` bytes of the frame from ``header_bytes`` + k · ``mss`` on, the last one
    the rest. Its sum is that of ``OnesSum``, with its first byte in the place of byte 0.

    The first ``SUMMED_SEGMENTS`` segments are summed, of super-frames whose ``mss`` is at least the
    bytes of a beat. When there is no room for a sum, the rest of the frame has none. What is not
    summed here is summed later, by ``SegmentPath``. Sums are given of any super-frame whose fields
    say so, also of one that will be refused; a frame without payload has none.

    One beat each clock. Latency at most ``latency`` clocks from a frame's last beat to its cover;
    the sums of the frame come before it or with it. There are no errors.

    Parameters
    ----------
    width : int
        Bits of a beat.

    Members
    -------
    i : In(stream.Signature(beat(width), always_ready=True))
        Frames.
    places : In(SegmentPlaces)
        Of the frame that passes, given with each of its beats.
    room : In(1)
        A sum may be given. Two that are under way may come after it has fallen.
    sum : Out(stream.Signature(16, always_ready=True))
        The sum of each segment that is summed, in order.
    cover : Out(stream.Signature(SumCover, always_ready=True))
        One per frame, in order.
    """

    def __init__(self, width: int):
        self.width = width
        self.latency = 8 + _tree_clocks(width // WORD_BITS)
        super().__init__({
            "i": In(stream.Signature(beat(width), always_ready=True)),
            "places": In(SegmentPlaces),
            "room": In(1),
            "sum": Out(stream.Signature(WORD_BITS, always_ready=True)),
            "cover": Out(stream.Signature(SumCover, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        placed = self._place(m)
        old, new, marks = self._add(m, placed)
        self._give(m, *self._line_up(m, self._accumulate(m, old, new, marks)))
        return m

    def _place(self, m):
        """First two clocks: find where in a beat a segment begins."""
        beat_bytes = self.width // 8
        byte_bits = exact_log2(beat_bytes)
        came = Signal(data.StructLayout({
            "beat": beat(self.width), "valid": 1, "summed": 1,
            **{name: SegmentPlaces[name].shape for name in ("header_bytes", "mss")}}))
        m.d.sync += [
            came.beat.eq(self.i.payload),
            came.valid.eq(self.i.valid),
            came.summed.eq(self.places.lso & (self.places.mss >= beat_bytes)),
            came.header_bytes.eq(self.places.header_bytes),
            came.mss.eq(self.places.mss),
        ]

        rest = Signal(MSS_BITS)
        now = Signal(MSS_BITS)
        """Bytes from the start of the beat to the next start of a segment."""
        within = Signal()
        was_within = Signal()
        """The beat begins in a segment, not in the headers."""
        odd = Signal()
        """The segment in which the beat begins has begun at an odd byte."""
        near = Signal()
        here = Signal()
        m.d.comb += [
            now.eq(Mux(came.beat.first, came.header_bytes, rest)),
            was_within.eq(within & ~came.beat.first),
            near.eq(now[byte_bits:] == 0),
            here.eq(came.summed & near & (now[:byte_bits] < came.beat.count)),
        ]
        with m.If(came.valid):
            m.d.sync += [
                rest.eq(now + Mux(near, came.mss - beat_bytes, -beat_bytes)),
                within.eq(was_within | here),
            ]
            with m.If(here):
                m.d.sync += odd.eq(now[0])

        placed = Signal(_placed(self.width))
        marks = placed.marks
        m.d.sync += [
            placed.data.eq(came.beat.data),
            placed.count.eq(came.beat.count),
            placed.start.eq(now),
            marks.valid.eq(came.valid),
            marks.here.eq(here),
            marks.inside.eq(here & was_within),
            marks.last.eq(came.beat.last),
            marks.payload.eq(here | (came.summed & was_within)),
            marks.odd.eq(odd),
            marks.new_odd.eq(Mux(here, now[0], odd)),
        ]
        return placed

    def _add(self, m, placed):
        """Choose the bytes of the old segment and of the new one, and add each up.

        Returns the two sums of a beat, and its marks in the clock of the sums.
        """
        beat_bytes = self.width // 8
        octets = Signal(self.width)
        old = Signal(beat_bytes)
        new = Signal(beat_bytes)
        bound = Signal.like(placed.count)
        valid, before = (valid_bytes(m, name, count, beat_bytes) for name, count in (
            ("valid", placed.count), ("before_new", placed.start)))
        m.d.comb += bound.eq(Mux(placed.marks.here, placed.start, placed.count))
        m.d.sync += [
            octets.eq(placed.data),
            old.eq(valid_bytes(m, "bytes_of_old", bound, beat_bytes)),
            new.eq(Mux(placed.marks.here, valid & ~before, 0)),
        ]
        marks = _later(m, placed.marks, 1 + _tree_clocks(self.width // WORD_BITS))
        return _tree(m, octets, old), _tree(m, octets, new), marks

    def _accumulate(self, m, old, new, marks):
        """Next clock: add the beats of a segment up."""
        total = Signal(TOTAL_BITS)
        ended = Signal(data.StructLayout({
            "old": TOTAL_BITS, "new": TOTAL_BITS, "marks": _MARKS}))
        so_far = Signal(TOTAL_BITS)
        m.d.comb += so_far.eq(total + old)
        with m.If(marks.valid):
            m.d.sync += total.eq(Mux(marks.last, 0, Mux(marks.here, new, so_far)))
        m.d.sync += [ended.old.eq(so_far), ended.new.eq(new), ended.marks.eq(marks)]
        return ended

    def _line_up(self, m, ended):
        """Next clock: put the two segments that may end in a frame's last beat one after the other.

        Returns what ends, and whether something does.

        One place to wait is enough. In a frame's first beat no segment ends unless the frame does,
        so by the next beat in which two end the place is free again.
        """
        marks = ended.marks
        border = Signal(_Ended)
        end = Signal(_Ended)
        at_border = Signal()
        at_end = Signal()
        m.d.comb += [
            border.total.eq(ended.old),
            border.odd.eq(marks.odd),
            border.payload.eq(1),
            end.total.eq(Mux(marks.here, ended.new, ended.old)),
            end.odd.eq(marks.new_odd),
            end.payload.eq(marks.payload),
            end.last.eq(1),
            at_border.eq(marks.valid & marks.inside),
            at_end.eq(marks.valid & marks.last),
        ]
        one = Signal(_Ended)
        waiting = Signal(_Ended)
        valid = Signal()
        waits = Signal()
        m.d.sync += [
            one.eq(Mux(waits, waiting, Mux(at_border, border, end))),
            valid.eq(waits | at_border | at_end),
            waiting.eq(Mux(waits & at_border, border, end)),
            waits.eq(Mux(waits, at_border | at_end, at_border & at_end)),
        ]
        return one, valid

    def _give(self, m, one, valid):
        """Last two clocks: fold the sums, count them, and give them unless the frame has its share.

        The sum was made of numbers as they lie, so its halves are swapped unless the segment began
        at an odd byte (RFC 1071, 2 (B)).
        """
        given = Signal(range(SUMMED_SEGMENTS + 1))
        closed = Signal()
        more = Signal()
        """The rest of the frame has no sums."""
        gives = Signal()
        m.d.comb += [
            more.eq(~closed & self.room & (given != SUMMED_SEGMENTS)),
            gives.eq(valid & one.payload & more),
        ]
        half = Signal(HalfFolded)
        m.d.sync += [
            half.total.eq(one.total[:WORD_BITS] + one.total[WORD_BITS:]),
            half.odd.eq(one.odd),
            half.gives.eq(gives),
            half.last.eq(valid & one.last),
            half.cover.segments.eq(given + gives),
            half.cover.whole.eq(one.payload & more),
        ]
        with m.If(valid):
            m.d.sync += [
                given.eq(Mux(one.last, 0, given + gives)),
                closed.eq(~one.last & (closed | (one.payload & ~more))),
            ]

        sum_ = Signal(WORD_BITS)
        m.d.comb += sum_.eq(half.total[:WORD_BITS] + half.total[WORD_BITS])
        m.d.sync += [
            self.sum.payload.eq(Mux(half.odd, sum_, Cat(sum_[8:], sum_[:8]))),
            self.sum.valid.eq(half.gives),
            self.cover.payload.eq(half.cover),
            self.cover.valid.eq(half.last),
        ]


_MARKS = data.StructLayout({
    "valid": 1, "here": 1, "inside": 1, "last": 1, "payload": 1, "odd": 1, "new_odd": 1})
"""Facts about a beat.

A segment begins ``here``; with ``inside`` another one ends here. ``payload``: a segment reaches the
end of the beat. ``odd`` and ``new_odd``: the segment in which the beat begins, and that in which it
ends, has begun at an odd byte.
"""

_Ended = data.StructLayout({"total": TOTAL_BITS, "odd": 1, "payload": 1, "last": 1})
"""The end of a segment, or of a frame, or of both: it has a sum with ``payload`` only."""


def _placed(width):
    """A beat, and the byte at which a segment begins in it."""
    byte_bits = exact_log2(width // 8)
    return data.StructLayout({
        "data": width, "count": byte_bits + 1, "start": byte_bits, "marks": _MARKS})


def _later(m, value, clocks):
    """A value some clocks later."""
    for _ in range(clocks):
        before = value
        value = Signal.like(value)
        m.d.sync += value.eq(before)
    return value


def _tree_clocks(numbers):
    """Clocks in which so many numbers are added up."""
    return 0 if numbers == 1 else 1 + _tree_clocks(-(-numbers // ADDENDS))


def _tree(m, octets, chosen):
    """The sum of the numbers that the chosen bytes of a beat make, some clocks later."""
    words = Signal(data.ArrayLayout(WORD_BITS, len(octets) // WORD_BITS))
    m.d.comb += words.eq(octets & Cat(bit.replicate(8) for bit in chosen))
    numbers = list(words)
    while len(numbers) > 1:
        totals = [_pairwise(numbers[at:at + ADDENDS]) for at in range(0, len(numbers), ADDENDS)]
        numbers = [Signal(total.shape(), name=f"number{index}")
                   for index, total in enumerate(totals)]
        m.d.sync += [number.eq(total) for number, total in zip(numbers, totals, strict=True)]
    return numbers[0]


def _pairwise(numbers):
    """The sum of some numbers by a tree of adders."""
    while len(numbers) > 1:
        numbers = [a + b for a, b in zip(numbers[::2], numbers[1::2], strict=True)]
    return numbers[0]
