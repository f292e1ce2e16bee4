"""The replay windows of the receive SAs."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from espnic.hdl.flow.places import places_above, places_from
from espnic.hdl.layouts import HANDLE_BITS, Event
from espnic.hdl.sa.fault_report import FaultPort
from espnic.hdl.sa.parity_memory import (
    ParityMemory,
    is_wrong,
    parities,
    stored_bits,
)
from espnic.model.interface.codes import EventKind, ReplayWindow, SaDirection

SEQUENCE_BITS = 64
LOW_BITS = 32
_ROW_PACKETS_MAX = 128

WindowQuery = data.StructLayout({
    "sa": HANDLE_BITS, "window": ReplayWindow, "esn": 1, "sequence": LOW_BITS, "high": LOW_BITS,
})
"""A frame, with the sequence number that it was opened with."""

WindowAnswer = data.StructLayout({"late": 1, "seen": 1, "fault": 1})
"""Whether the sequence number of a frame is late or has been seen; ``fault``: what is kept of the
window is wrong, and nothing is known."""

WindowWrite = data.StructLayout({
    "sa": HANDLE_BITS, "window": ReplayWindow, "sequence": SEQUENCE_BITS,
})
"""A window to make; ``sequence`` is its end."""

WindowEnd = data.StructLayout({"number": SEQUENCE_BITS, "wrong": 1})
"""An end of a window; ``wrong``: what it comes from is not what was written."""

WindowRead = data.StructLayout({"sa": HANDLE_BITS, "window": ReplayWindow})
"""A window whose end is asked for."""

_Edge = data.StructLayout({"low": LOW_BITS, "high": LOW_BITS + 1, "half": 1})
"""First number of a window, in two's complement because it may be below 0, and bit 31 of its end.
"""

_Standing = data.StructLayout({"late": 1, "ahead": 1, "turned": 1})
"""A number against a window: ``late``, or ``ahead`` of it, so that the window moves to it, with
bit 31 of its end ``turned``."""

_Step = data.StructLayout({"held": 1, "rises": 1, "wraps": 1})
"""A number that is not late against the top of its row: ``held`` by the row, or above the top. If
it is so near that some numbers stay, its place ``rises`` over that of the top, or ``wraps``."""


def window_bits(window: int) -> int:
    """RAM bits of ``ReplayState`` for each SA, for windows of at most ``window`` packets."""
    return sum(count * stored_bits(layout) for count, layout in (
        (1, _Edge), (_row_count(window), _row_layout(window))))


def _row_packets(window: int) -> int:
    """Number of sequence numbers in a bitmap row, for windows of at most ``window`` packets."""
    return min(window, _ROW_PACKETS_MAX)


def _row_count(window: int) -> int:
    """Number of rows in the bitmap of an SA."""
    return window // _row_packets(window)


def _row_layout(window: int) -> data.StructLayout:
    """A row of a bitmap.

    ``top`` is the highest of its numbers that has come, without the bits that tell the row. Each
    of ``bits`` tells of the last number up to ``top`` that has its place.
    """
    return data.StructLayout({
        "top": SEQUENCE_BITS - exact_log2(_row_count(window)), "bits": _row_packets(window)})


def _judged(window: int) -> data.StructLayout:
    """A frame that has been judged, with the row of its number.

    ``edge`` is that of the window that ends at its number, and becomes its SA's if the frame
    counts and is ahead.
    """
    return data.StructLayout({
        "frame": WindowQuery,
        "edge": _Edge,
        "row": _row_layout(window),
        "standing": _Standing,
        "step": _Step,
        "seen": 1,
        "edge_wrong": 1,
        "row_wrong": 1,
    })


class _Frames:
    """The frames under way, one in each clock of their way."""

    def __init__(self, window: int, sas: int):
        row_bits = stored_bits(_row_layout(window))
        self.reads = Signal()
        """``first`` has come; its edge and row stand at the outputs of the memories."""
        self.first = Signal(WindowQuery)
        self.first_lower = Signal(LOW_BITS + 1)
        """High half of its number, less 1."""

        self.fetches = Signal()
        """``first`` becomes ``second``, if it has come."""
        self.compares = Signal()
        """``second`` has come; its edge and row are those of the next signals."""
        self.second = Signal(WindowQuery)
        self.second_lower = Signal(LOW_BITS + 1)
        self.second_edge = Signal(_Edge)
        """Edge of the window that ends at its number."""
        self.stored_edge = Signal(stored_bits(_Edge))
        self.stored_row = Signal(row_bits)

        self.judges = Signal()
        """``second`` becomes ``third``, if it has come."""
        self.third = Signal(_judged(window))
        """A frame whose answer is given, judged without what ``last`` changes in this clock."""
        self.behind = Signal(_Standing)
        self.behind_step = Signal(_Step)
        """``third`` against the number of the frame in front of it."""
        self.repeats = Signal()
        """``third`` has the number of the frame in front of it."""
        self.settled = Signal(_judged(window))
        """``third`` with what ``last`` changes."""
        self.taken = Signal()
        """The answer to ``third`` is taken."""

        self.last = Signal(_judged(window))
        """The frame whose answer was taken in the clock before, with the new row."""
        self.counts = Signal()
        self.moves = Signal()
        self.lifts = Signal()
        """``last`` counts in this clock, with its row; moves the window; is the top of its row."""
        self.fault = Signal()
        """``last`` could not be judged."""
        self.new_edge = Signal(3)
        self.new_row = Signal(3)
        """``last`` changes the edge, and the row, of ``first``, ``second`` and ``third``."""
        self.last_edge = Signal(stored_bits(_Edge))
        self.last_row = Signal(row_bits)
        """Edge and row of ``last`` as they are stored."""
        self.missed_edge = Signal()
        self.missed_row = Signal()
        """The edge, or row, of ``first`` was written as it was read from the memory."""
        self.past_edge = Signal(stored_bits(_Edge))
        self.past_row = Signal(row_bits)
        """Edge and row that were written then."""


class ReplayState(wiring.Component):
    """Tells for each frame whether its sequence number may come, and moves its SA's window.

    The window of W packets ends at the highest number received. A number is late if it is 0,
    left of the window or, with ESN, 2^32 or more above the window's first number, because then
    the window gives its low half to another number. A number is seen if it is in the window and
    has come before. In a new window all numbers up to its end count as received.

    The bitmap of an SA has as many bits as the largest window has packets, in rows of up to 128.
    Each row is a window of its own over the numbers that fall in it: it has the highest of them
    that has come, its top, and a bit for each of the last ones up to the top. A number above the
    top makes way for itself: the bits of those that it pushes out are cleared. So a window moves
    any distance with one write of its edge and one of a row, and what a row has forgotten is left
    of the window.

    Edges and rows have parity. A frame whose edge or row is wrong learns no more than that, does
    not count, and leaves both as they are: they stay wrong until a command makes the window anew.
    Its row matters whatever its top is, for that may be what is wrong. What a frame before has
    just changed is right.

    Frames pass in order: a query waits for the answer to the one before, and an answer waits
    until it is taken, together with ``received``. Rate one frame each clock, also when all are
    of one SA and one row. The clocks of a frame:

    1. The memories are read.
    2. What comes out of them goes to registers, the edge with that of the window that the frame
       would make.
    3. The number is compared: with edge and row, and with the number of the frame in front, of
       which nobody knows yet whether it counts.
    4. The answer stands, by the one comparison or the other, and is taken.
    5. Edge and row are written.

    In each of these clocks a frame takes over what the frame in clock 5 writes, if that is of its
    SA or row, which was compared in the clock before.

    Latency 3 clocks from query to answer, 2 from ``bottom_i`` to ``bottom_o`` and from ``read`` to
    ``read_o``, 1 from ``received`` to the event. A number received in a clock shows in
    ``bottom_o`` for queries from the second clock after it on. A command writes in clocks in
    which no frame does, and takes 2 clocks, and 1 for each row but the first.

    RAM bits for each SA (``window_bits``): 69 and, with R = ``window`` / B rows of
    B = min(``window``, 128) packets, R (P + ceil(P / 32)), where P = B + 64 - log2(R):

    ======== ========
    packets  RAM bits
    ======== ========
    32       168
    64       201
    128      267
    256      463
    512      853
    1,024    1,629
    2,048    3,173
    4,096    6,245
    ======== ========

    Source: RFC 4303, 3.4.3 and appendix A. Bits that are cleared row by row: RFC 6479.

    Parameters
    ----------
    sas : int
        SAs, a power of two.
    window : int
        Packets of the largest window, a power of two from 32 to 4,096.

    Members
    -------
    bottom_i : In(stream.Signature(HANDLE_BITS, always_ready=True))
        SAs of frames looked up.
    bottom_o : Out(WindowEnd)
        First number of the window of the SA of 2 clocks before, modulo 2^64.
    query : In(stream.Signature(WindowQuery))
        Frames to judge.
    answer : Out(stream.Signature(WindowAnswer))
        One for each query.
    received : In(1)
        The frame whose answer is taken in this clock is authentic. Its number is then received
        if it is neither late nor seen nor a fault.
    event : Out(stream.Signature(Event, always_ready=True))
        ESN_HALF: a frame has moved the end of its window and changed bit 31 of that end.
    write : In(stream.Signature(WindowWrite))
        Make a new window for an SA that has no frame under way.
    read : In(WindowRead)
        SA whose highest sequence number is asked for; ``window`` as it was written.
    read_o : Out(WindowEnd)
        Its highest sequence number, 2 clocks after.
    bottom_counts, read_counts : In(1)
        Something depends on ``bottom_o`` or ``read_o`` in this clock.
    fault : Out(FaultPort)
        SA of a frame whose answer was a fault, 2 clocks after it was taken; or of a ``bottom_o``
        or ``read_o`` that counted and was wrong, 2 clocks later. Of several in one clock the first
        of these goes first; one ``bottom_o`` waits, a ``read_o`` is not told.
    """

    def __init__(self, sas: int, window: int):
        sizes = [size.packets for size in ReplayWindow if size]
        if window not in sizes:
            raise ValueError(f"window: {window!r}, expected one of {sizes}")
        self.sas = sas
        self.window = window
        self.row_packets = _row_packets(window)
        self.rows = _row_count(window)
        self.place_bits = exact_log2(self.row_packets)
        self.index_bits = exact_log2(self.rows)
        super().__init__({
            "bottom_i": In(stream.Signature(HANDLE_BITS, always_ready=True)),
            "bottom_o": Out(WindowEnd),
            "query": In(stream.Signature(WindowQuery)),
            "answer": Out(stream.Signature(WindowAnswer)),
            "received": In(1),
            "event": Out(stream.Signature(Event, always_ready=True)),
            "write": In(stream.Signature(WindowWrite)),
            "read": In(WindowRead),
            "read_o": Out(WindowEnd),
            "bottom_counts": In(1),
            "read_counts": In(1),
            "fault": Out(FaultPort),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.edges = edges = ParityMemory(_Edge, self.sas, reads=3)
        m.submodules.rows = rows = ParityMemory(_row_layout(self.window), self.sas * self.rows)
        edge_read, look, command_look = edges.reads
        row_read = rows.reads[0]
        frames = _Frames(self.window, self.sas)
        self._pass(m, frames, edge_read, row_read)
        self._fetch(m, frames, edge_read.stored, row_read.stored)
        self._compare(m, frames)
        self._settle(m, frames)
        self._take(m, frames)
        self._write(m, frames, edges.write, rows.write)
        self._tell(m, frames)
        self._show(m, look, command_look)
        self._report(m, frames)
        return m

    def _pass(self, m: Module, frames: _Frames, edge_read: wiring.PureInterface,
              row_read: wiring.PureInterface) -> None:
        """Move the frames on; what a frame that cannot go on needs is read again."""
        query = self.query.payload
        first = frames.first
        admits = Signal()
        m.d.comb += [
            frames.taken.eq(self.answer.valid & self.answer.ready),
            frames.judges.eq(~self.answer.valid | frames.taken),
            frames.fetches.eq(~frames.compares | frames.judges),
            admits.eq(~frames.reads | frames.fetches),
            self.query.ready.eq(admits),
            edge_read.addr.eq(Mux(admits, self._sa(query), self._sa(first))),
            row_read.addr.eq(Mux(admits, self._row_of(query), self._row_of(first))),
        ]
        with m.If(admits):
            m.d.sync += [
                frames.reads.eq(self.query.valid),
                first.eq(query),
                frames.first_lower.eq(query.high - 1),
            ]
        with m.If(frames.fetches):
            m.d.sync += frames.compares.eq(frames.reads)
        with m.If(frames.judges):
            m.d.sync += self.answer.valid.eq(frames.compares)

    def _follow(self, m: Module, frames: _Frames, counts: Value, moves: Value) -> None:
        """Note which frames have the SA or the row of the one that is taken, for the next clock.

        Both frames that may be the next one in a place are compared, as it is known last which.
        """
        query, first, second = self.query.payload, frames.first, frames.second
        for part, changes, written, new, missed in (
                (self._sa, moves, frames.moves, frames.new_edge, frames.missed_edge),
                (self._row_of, counts, frames.counts, frames.new_row, frames.missed_row)):
            of_query, of_first, of_second = (
                part(frame) == part(frames.third.frame) for frame in (query, first, second))
            m.d.sync += [
                new[0].eq(changes & Mux(self.query.ready, of_query, of_first)),
                new[1].eq(changes & Mux(frames.fetches, of_first, of_second)),
                new[2].eq(changes & of_second),
                missed.eq(Mux(self.query.ready,
                              written & (part(query) == part(frames.last.frame)), new[0])),
            ]

    def _fetch(self, m: Module, frames: _Frames, edge: Value, row: Value) -> None:
        """Put what comes out of the memories into registers, and keep it up to date there."""
        last, first = frames.last, frames.first
        bottom = Signal(LOW_BITS)
        borrow = Signal()
        m.d.comb += [
            frames.last_edge.eq(Cat(last.edge, parities(last.edge))),
            frames.last_row.eq(Cat(last.row, parities(last.row))),
            Cat(bottom, borrow).eq(first.sequence - (_packets(first.window, self.window) - 1)),
        ]
        m.d.sync += [
            frames.past_edge.eq(frames.last_edge),
            frames.past_row.eq(frames.last_row),
        ]
        for stored, read, new, newest, missed, past in (
                (frames.stored_edge, edge, frames.new_edge, frames.last_edge,
                 frames.missed_edge, frames.past_edge),
                (frames.stored_row, row, frames.new_row, frames.last_row,
                 frames.missed_row, frames.past_row)):
            with m.If(frames.fetches | new[1]):
                m.d.sync += stored.eq(Mux(~frames.fetches | new[0], newest,
                                          Mux(missed, past, read)))
        with m.If(frames.fetches):
            m.d.sync += [
                frames.second.eq(first),
                frames.second_lower.eq(frames.first_lower),
                frames.second_edge.low.eq(bottom),
                frames.second_edge.high.eq(Mux(borrow, frames.first_lower, first.high)),
                frames.second_edge.half.eq(first.sequence[-1]),
            ]

    def _compare(self, m: Module, frames: _Frames) -> None:
        """Judge the second frame: without the one in front of it, and behind it."""
        frame, third, front, last = (
            frames.second, frames.third, frames.third.frame, frames.last)
        edge_bits, row_layout = _Edge.size, _row_layout(self.window)
        number, ahead_of = Cat(frame.sequence, frame.high), Cat(front.sequence, front.high)
        new_edge, new_row = frames.new_edge[1], frames.new_row[1]
        stored = data.View(row_layout, frames.stored_row[:row_layout.size])
        edge = Signal(_Edge)
        top = Signal.like(last.row.top)
        step = self._step(m, "step", number, top)
        m.d.comb += [
            edge.eq(Mux(new_edge, last.edge.as_value(), frames.stored_edge[:edge_bits])),
            top.eq(Mux(new_row, last.row.top, stored.top)),
        ]
        standing = self._stand(m, "standing", frames, edge)
        behind = self._stand(m, "behind", frames, third.edge)
        behind_step = self._step(m, "behind_step", number, self._in_row(ahead_of))
        place = self._place(number)
        with m.If(frames.judges):
            m.d.sync += [
                third.frame.eq(frame),
                third.edge.eq(frames.second_edge),
                third.standing.eq(standing),
                third.step.eq(step),
                third.seen.eq(step.held & Mux(new_row, last.row.bits.bit_select(place, 1),
                                              stored.bits.bit_select(place, 1))),
                third.edge_wrong.eq(is_wrong(frames.stored_edge, edge_bits) & ~new_edge),
                third.row_wrong.eq(is_wrong(frames.stored_row, row_layout.size) & ~new_row),
                frames.behind.eq(behind),
                frames.behind_step.eq(behind_step),
                frames.repeats.eq(number == ahead_of),
            ]
        with m.If(frames.judges | frames.new_row[2]):
            m.d.sync += Value.cast(third.row).eq(
                Mux(frames.judges & ~new_row, stored.as_value(), last.row.as_value()))

    def _stand(self, m: Module, name: str, frames: _Frames, edge: data.View) -> data.View:
        """Compare the second frame's number with the window of an edge.

        The window moves if that of the number begins after it. Each comparison is one carry
        chain.
        """
        frame, begin = frames.second, _first_number(edge)
        number, result = Cat(frame.sequence, frame.high), Signal(_Standing, name=name)
        below, far = Signal(name=f"{name}_below"), Signal(name=f"{name}_far")
        m.d.comb += [
            below.eq(number < begin),
            far.eq(Cat(frame.sequence, frames.second_lower).as_signed() >= begin),
            result.late.eq((number == 0) | below | frame.esn & far),
            result.ahead.eq(_first_number(frames.second_edge) > begin),
            result.turned.eq(frame.esn & (frame.sequence[-1] != edge.half)),
        ]
        return result

    def _step(self, m: Module, name: str, number: Value, top: Value) -> data.View:
        """Compare a number with the top of its row.

        What a row has forgotten is late: a number that is not above the top is held.
        """
        result = Signal(_Step, name=name)
        distance = Signal(SEQUENCE_BITS - self.index_bits, name=f"{name}_distance")
        near, higher = Signal(name=f"{name}_near"), Signal(name=f"{name}_higher")
        m.d.comb += [
            distance.eq(self._in_row(number) - top),
            near.eq(~distance[self.place_bits:].any()),
            higher.eq(self._place(number) > self._place(top)),
            result.held.eq(self._in_row(number) <= top),
            result.rises.eq(near & higher),
            result.wraps.eq(near & ~higher),
        ]
        return result

    def _settle(self, m: Module, frames: _Frames) -> None:
        """Give the third frame what the last one changes, and its answer."""
        third, settled, last, answer = (
            frames.third, frames.settled, frames.last, self.answer.payload)
        new_edge, new_row = frames.new_edge[2], frames.new_row[2]
        m.d.comb += [
            settled.eq(third),
            settled.edge_wrong.eq(third.edge_wrong & ~new_edge),
            settled.row_wrong.eq(third.row_wrong & ~new_row),
            settled.seen.eq(third.seen | new_row & frames.repeats),
        ]
        with m.If(new_edge):
            m.d.comb += settled.standing.eq(frames.behind)
        with m.If(new_row):
            m.d.comb += settled.row.eq(last.row)
            with m.If(frames.lifts):
                m.d.comb += settled.step.eq(frames.behind_step)
        with m.If(~frames.judges):
            m.d.sync += [third[name].eq(settled[name]) for name in (
                "standing", "step", "seen", "edge_wrong", "row_wrong")]
        m.d.comb += [
            answer.late.eq(settled.standing.late),
            answer.seen.eq(settled.seen),
            answer.fault.eq(settled.edge_wrong | settled.row_wrong),
        ]

    def _take(self, m: Module, frames: _Frames) -> None:
        """Note what the frame whose answer is taken changes."""
        settled, answer, last = frames.settled, self.answer.payload, frames.last
        counts = Signal()
        moves = Signal()
        m.d.comb += [
            counts.eq(frames.taken & self.received
                      & ~answer.late & ~answer.seen & ~answer.fault),
            moves.eq(counts & settled.standing.ahead),
        ]
        self._follow(m, frames, counts, moves)
        m.d.sync += [
            last.eq(settled),
            last.row.eq(self._lifted(m, settled)),
            frames.counts.eq(counts),
            frames.moves.eq(moves),
            frames.lifts.eq(~settled.step.held),
            frames.fault.eq(frames.taken & answer.fault),
        ]

    def _lifted(self, m: Module, judged: data.View) -> Value:
        """Give the row of a frame after it.

        If its number is above the top, the places between both are cleared: those above that of
        the top and below that of the number or, where they go round, all that are either.
        """
        number = Cat(judged.frame.sequence, judged.frame.high)
        row, held, rises, wraps = judged.row, *(
            each.replicate(self.row_packets) for each in (
                judged.step.held, judged.step.rises, judged.step.wraps))
        below = ~places_above(m, "above_top", self._place(row.top))
        above = places_above(m, "above_number", self._place(number))
        kept = held | rises & (below | above) | wraps & below & above
        bits = row.bits & kept | places_from(m, "from_number", self._place(number)) & ~above
        return Cat(Mux(judged.step.held, row.top, self._in_row(number)), bits)

    def _write(
        self, m: Module, frames: _Frames, edge_write: wiring.PureInterface,
        row_write: wiring.PureInterface,
    ) -> None:
        """Write what a frame has changed; else a new window, one row after the other.

        The top of a row is its highest number up to the window's end. A row that has none begins
        with 0, which has not come.
        """
        new, last = self.write.payload, frames.last
        prepared = Signal()
        makes = Signal()
        none = Signal()
        edge = Signal(_Edge)
        number = Signal(SEQUENCE_BITS)
        left = Signal(range(max(self.rows, 2)))
        sa = new.sa[:exact_log2(self.sas)]
        m.d.comb += [
            makes.eq(prepared & ~frames.counts),
            self.write.ready.eq(makes & (left == 0)),
            edge_write.en.eq(frames.moves | makes),
            edge_write.addr.eq(Mux(makes, sa, self._sa(last.frame))),
            Value.cast(edge_write.data).eq(
                Mux(makes, edge.as_value(), last.edge.as_value())),
            row_write.en.eq(frames.counts | makes),
            row_write.addr.eq(Mux(makes, Cat(number[self.place_bits:][:self.index_bits], sa),
                                  self._row_of(last.frame))),
            row_write.data.top.eq(Mux(makes, Mux(none, 0, self._in_row(number)), last.row.top)),
            row_write.data.bits.eq(
                Mux(makes, (~none).replicate(self.row_packets), last.row.bits)),
        ]
        with m.If(~prepared):
            m.d.sync += [
                prepared.eq(self.write.valid),
                Cat(edge.low, edge.high).eq(
                    new.sequence - (_packets(new.window, self.window) - 1)),
                edge.half.eq(new.sequence[LOW_BITS - 1]),
                number.eq(new.sequence),
                none.eq(0),
                left.eq(self.rows - 1),
            ]
        with m.Elif(makes):
            m.d.sync += [
                prepared.eq(left != 0),
                number[:self.place_bits].eq(~0),
                number[self.place_bits:].eq(number[self.place_bits:] - 1),
                none.eq(none | (number[self.place_bits:] == 0)),
                left.eq(left - 1),
            ]

    def _tell(self, m: Module, frames: _Frames) -> None:
        """Tell an event when bit 31 of a window's end changes."""
        event, last = self.event.payload, frames.last
        m.d.comb += [
            self.event.valid.eq(frames.moves & last.standing.turned),
            event.kind.eq(EventKind.ESN_HALF),
            event.direction.eq(SaDirection.RX),
            event.sa.eq(last.frame.sa),
            event.sequence.eq(Cat(last.frame.sequence, last.frame.high)),
        ]

    def _show(self, m: Module, look: wiring.PureInterface,
              command_look: wiring.PureInterface) -> None:
        """Give the first numbers of windows to the look-up, and their ends to commands."""
        looked = Signal(stored_bits(_Edge))
        read = Signal(stored_bits(_Edge))
        bottom, of_read = (data.View(_Edge, edge[:_Edge.size]) for edge in (looked, read))
        window = Signal(ReplayWindow)
        m.d.sync += [
            looked.eq(look.stored),
            read.eq(command_look.stored),
            window.eq(self.read.window),
        ]
        m.d.comb += [
            look.addr.eq(self.bottom_i.payload),
            self.bottom_o.number.eq(Cat(bottom.low, bottom.high)),
            self.bottom_o.wrong.eq(is_wrong(looked, _Edge.size)),
            command_look.addr.eq(self.read.sa),
            self.read_o.number.eq(
                Cat(of_read.low, of_read.high) + (_packets(window, self.window) - 1)),
            self.read_o.wrong.eq(is_wrong(read, _Edge.size)),
        ]

    def _report(self, m: Module, frames: _Frames) -> None:
        """Tell of a wrong edge or row."""
        asked_sa = Signal(range(self.sas))
        looked_sa = Signal(range(self.sas))
        bottom_sa = Signal(range(self.sas))
        read_sa = Signal(range(self.sas))
        waits = Signal()
        waiting_sa = Signal(range(self.sas))
        first_sa = Signal(range(self.sas))
        bottom = Signal()
        end = Signal()
        m.d.comb += first_sa.eq(Mux(waits, waiting_sa, bottom_sa))
        m.d.sync += [
            asked_sa.eq(self.bottom_i.payload),
            looked_sa.eq(asked_sa),
            bottom_sa.eq(looked_sa),
            bottom.eq(self.bottom_counts & self.bottom_o.wrong),
            read_sa.eq(self.read.sa),
            end.eq(self.read_counts & self.read_o.wrong),
            waits.eq(Mux(frames.fault, waits | bottom, waits & bottom)),
            waiting_sa.eq(Mux(frames.fault, first_sa, bottom_sa)),
            self.fault.valid.eq(frames.fault | waits | bottom | end),
            self.fault.payload.eq(Mux(frames.fault, frames.last.frame.sa,
                                      Mux(waits | bottom, first_sa, read_sa))),
        ]

    def _sa(self, frame: data.View) -> Value:
        """The bits of a frame's handle that the tables use."""
        return frame.sa[:exact_log2(self.sas)]

    def _row_of(self, frame: data.View) -> Value:
        """Row of a frame in the bitmaps of all SAs; the low half of its number is enough."""
        return Cat(frame.sequence[self.place_bits:][:self.index_bits], self._sa(frame))

    def _in_row(self, number: Value) -> Value:
        """A number among those of its row."""
        return Cat(self._place(number), number[self.place_bits + self.index_bits:])

    def _place(self, number: Value) -> Value:
        """Place of a number in its row."""
        return number[:self.place_bits]


def _first_number(edge: data.View) -> Value:
    """First number of a window."""
    return Cat(edge.low, edge.high).as_signed()


def _packets(code: Value, largest: int) -> Value:
    """Size in packets of the window with this ``ReplayWindow``, which is at most ``largest``."""
    sizes = [size for size in ReplayWindow if 0 < size.packets <= largest]
    return Cat(Const(0, exact_log2(min(sizes).packets)),
               *(Value.cast(code) == size for size in sizes))
