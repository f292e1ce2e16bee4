"""The replay windows of the receive SAs."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from espnic.hdl.layouts import HANDLE_BITS, Event
from espnic.hdl.sa.fault_report import FaultPort
from espnic.hdl.sa.parity_memory import ParityMemory, parity_bits
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


def window_bits(window: int) -> int:
    """RAM bits of ``ReplayState`` for each SA, for windows of at most ``window`` packets."""
    rows = 2 * window // _row_packets(window)
    return sum(count * (layout.size + parity_bits(layout.size)) for count, layout in (
        (1, _Edge), (rows, _row_layout(window))))


def _row_packets(window: int) -> int:
    """Number of sequence numbers in a bitmap row, for windows of at most ``window`` packets."""
    return min(window, _ROW_PACKETS_MAX)


def _row_layout(window: int) -> data.StructLayout:
    """A row of a bitmap: which block of numbers it holds, and which of them have come."""
    return data.StructLayout({
        "tag": SEQUENCE_BITS - exact_log2(2 * window), "bits": _row_packets(window)})


def _judged(window: int) -> data.StructLayout:
    """A frame that has been judged, and what its SA's window becomes if it counts.

    If it is ``ahead``, the window moves to ``edge``, with bit 31 of its end ``turned``.
    """
    return data.StructLayout({
        "frame": WindowQuery,
        "late": 1,
        "seen": 1,
        "fault": 1,
        "ahead": 1,
        "turned": 1,
        "edge": _Edge,
        "row": _row_layout(window),
    })


class _Frames:
    """The frame that is judged in this clock, and the one that was judged last."""

    def __init__(self, window: int):
        self.frame = Signal(WindowQuery)
        self.lower = Signal(LOW_BITS + 1)
        """High half of the frame's number, less 1."""
        self.judged = Signal()
        """``frame`` becomes ``last`` at the end of this clock."""
        self.last = Signal(_judged(window))
        self.counts = Signal()
        """``last`` counts as received in this clock."""
        self.fault = Signal()
        """``frame`` is judged in this clock, and cannot be."""


class ReplayState(wiring.Component):
    """Tells for each frame whether its sequence number may come, and moves its SA's window.

    The window of W packets ends at the highest number received. A number is late if it is 0,
    left of the window or, with ESN, 2^32 or more above the window's first number, because then
    the window gives its low half to another number. A number is seen if it is in the window and
    has come before. In a new window all numbers up to its end count as received.

    The bitmap of an SA has rows for twice the largest window. A row holds a block of
    successive numbers and is tagged with the upper bits of its block's number. A row whose tag
    is that of another block counts as empty, so a window moves any distance in one clock. No
    two blocks of a window share a row.

    Edges and rows have parity. A frame whose edge or row is wrong learns no more than that, does
    not count, and leaves both as they are: they stay wrong until a command makes the window anew.
    Its row matters whatever block the row's tag names, for the tag may be what is wrong. What
    the frame before has just changed is right.

    Frames pass in order: a query waits for the answer to the one before, and an answer waits
    until it is taken, together with ``received``. Rate one frame each clock, also when all are
    of one SA: if the frame before is of the same SA, a frame is judged both with and without it,
    because it is known last whether the frame before counts. Latency 2 clocks from query to
    answer, 1 from ``bottom_i`` to ``bottom_o`` and from ``received`` to the event. A number
    received in a clock shows in ``bottom_o`` for queries from the next clock on. A command
    writes in clocks in which no frame counts.

    RAM bits for each SA (``window_bits``): 69 and, with rows of B = min(``window``, 128)
    packets, 2 ``window`` / B * (P + ceil(P / 32)), where P = B + 64 - log2(2 ``window``): 449 at
    128 packets.

    Source: RFC 4303, 3.4.3 and appendix A. Rows for more than the window: RFC 6479.

    Parameters
    ----------
    sas : int
        SAs, a power of two.
    window : int
        Packets of the largest window, a power of two from 32 to 1,024.

    Members
    -------
    bottom_i : In(stream.Signature(HANDLE_BITS, always_ready=True))
        SAs of frames looked up.
    bottom_o : Out(WindowEnd)
        First number of the window of the SA of the clock before, modulo 2^64.
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
        Its highest sequence number, the clock after.
    bottom_counts, read_counts : In(1)
        Something depends on ``bottom_o`` or ``read_o`` in this clock.
    fault : Out(FaultPort)
        SA of a frame whose answer is a fault, in the clock of the answer; or of a ``bottom_o`` or
        ``read_o`` that counts and is wrong, 1 clock later. Of several in one clock the first of
        these goes first; one ``bottom_o`` waits, a ``read_o`` is not told.
    """

    def __init__(self, sas: int, window: int):
        if window not in {size.packets for size in ReplayWindow if size}:
            raise ValueError(f"window: {window!r}, expected 32, 64, 128, 256, 512 or 1024")
        self.sas = sas
        self.window = window
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
        m.submodules.edges = edges = ParityMemory(_Edge, self.sas, reads=3, transparent=1)
        m.submodules.rows = rows = ParityMemory(
            _row_layout(self.window), self.sas * self._rows_each(), transparent=1)
        edge_read, look, command_look = edges.reads
        frames = _Frames(self.window)
        self._pass(m, frames, edge_read, rows.reads[0])
        self._compare(m, frames, edge_read, rows.reads[0])
        self._write(m, frames, edges.write, rows.write)
        self._tell(m, frames)
        self._show(m, look, command_look)
        self._report(m, frames)
        return m

    def _pass(self, m: Module, frames: _Frames, edge_read: wiring.PureInterface,
              row_read: wiring.PureInterface) -> None:
        """Read what a query needs, judge its frame a clock later, and answer in the next."""
        asked, judging, taken = Signal(), Signal(), Signal()
        query, last = self.query.payload, frames.last
        m.d.comb += [
            taken.eq(self.answer.valid & self.answer.ready),
            frames.judged.eq(judging & (~self.answer.valid | taken)),
            self.query.ready.eq(~judging | frames.judged),
            asked.eq(self.query.valid & self.query.ready),
            edge_read.en.eq(asked),
            edge_read.addr.eq(query.sa),
            row_read.en.eq(asked),
            row_read.addr.eq(self._row_address(query.sa, query.sequence)),
            self.answer.payload.late.eq(last.late),
            self.answer.payload.seen.eq(last.seen),
            self.answer.payload.fault.eq(last.fault),
            frames.counts.eq(taken & self.received & ~last.late & ~last.seen & ~last.fault),
        ]
        with m.If(self.query.ready):
            m.d.sync += judging.eq(asked)
        with m.If(asked):
            m.d.sync += [frames.frame.eq(query), frames.lower.eq(query.high - 1)]
        with m.If(frames.judged | taken):
            m.d.sync += self.answer.valid.eq(frames.judged)

    def _compare(self, m: Module, frames: _Frames, edge_read: wiring.PureInterface,
                 row_read: wiring.PureInterface) -> None:
        """Judge a frame with the window before and after the frame before it.

        If the frame before counts, it has changed this one's window and maybe its row.
        """
        frame, last = frames.frame, frames.last
        same_sa = frame.sa == last.frame.sa
        same_row = same_sa & (
            self._row_address(frame.sa, frame.sequence)
            == self._row_address(last.frame.sa, last.frame.sequence))
        new_edge = same_sa & last.ahead
        edge, row = Value.cast(edge_read.data), Value.cast(row_read.data)
        before = self._judge(m, "before", frames, edge, row)
        after = self._judge(
            m, "after", frames,
            Mux(new_edge, Value.cast(last.edge), edge), Mux(same_row, Value.cast(last.row), row))
        m.d.comb += [
            before.fault.eq(edge_read.wrong | row_read.wrong),
            after.fault.eq(edge_read.wrong & ~new_edge | row_read.wrong & ~same_row),
            frames.fault.eq(frames.judged & Mux(frames.counts, after.fault, before.fault)),
        ]
        with m.If(frames.judged):
            m.d.sync += Value.cast(last).eq(
                Mux(frames.counts, Value.cast(after), Value.cast(before)))

    def _rows_each(self) -> int:
        """Number of bitmap rows of an SA."""
        return 2 * self.window // _row_packets(self.window)

    def _row_address(self, sa: Value, sequence: Value) -> Value:
        """Row of the bitmaps for a sequence number; its low half is enough."""
        first = exact_log2(_row_packets(self.window))
        return Cat(sequence[first:exact_log2(2 * self.window)], sa[:exact_log2(self.sas)])

    def _judge(self, m: Module, name: str, frames: _Frames, edge: Value, row: Value) -> data.View:
        """Judge a frame with a given window and row.

        The high and low halves are compared side by side, so that no carry runs through 64
        bits. A number is less than 2^32 above the window's first number if their high halves
        are equal and its low half is not below, or if its high half is one more and its low
        half is below.
        """
        frame, lower = frames.frame, frames.lower
        old = Signal(_Edge, name=f"{name}_edge")
        old_row = Signal(_row_layout(self.window), name=f"{name}_row")
        result = Signal(_judged(self.window), name=name)
        sequence = Cat(frame.sequence, frame.high)
        offset = Signal(LOW_BITS, name=f"{name}_offset")
        below = Signal(name=f"{name}_below")
        same_high = Signal(name=f"{name}_same_high")
        near = Signal(name=f"{name}_near")
        bottom = Signal(LOW_BITS, name=f"{name}_bottom")
        borrow = Signal(name=f"{name}_borrow")
        place = Signal(range(_row_packets(self.window)), name=f"{name}_place")
        same_block = Signal(name=f"{name}_same_block")
        inside = Signal(name=f"{name}_inside")
        packets = _packets(frame.window, self.window)
        m.d.comb += [
            Value.cast(old).eq(edge),
            Value.cast(old_row).eq(row),
            Cat(offset, below).eq(frame.sequence - old.low),
            same_high.eq(frame.high == old.high),
            near.eq(Mux(below, lower == old.high, same_high)),
            inside.eq(near & ((offset & ~(packets - 1)) == 0)),
            place.eq(sequence),
            result.frame.eq(frame),
            result.late.eq((sequence == 0) | Mux(frame.esn, ~near, same_high & below)),
            result.ahead.eq(~inside),
            result.row.tag.eq(sequence >> exact_log2(2 * self.window)),
            same_block.eq(old_row.tag == result.row.tag),
            result.seen.eq(inside & same_block & old_row.bits.bit_select(place, 1)),
            result.row.bits.eq(Mux(same_block, old_row.bits, 0) | (1 << place)),
            Cat(bottom, borrow).eq(frame.sequence - (packets - 1)),
            result.edge.low.eq(bottom),
            result.edge.high.eq(Mux(borrow, lower, frame.high)),
            result.edge.half.eq(frame.sequence[-1]),
            result.turned.eq(frame.esn & (result.edge.half != old.half)),
        ]
        return result

    def _write(
        self, m: Module, frames: _Frames, edge_write: wiring.PureInterface,
        row_write: wiring.PureInterface,
    ) -> None:
        """Write what a frame has changed; else a new window, one row after the other."""
        new, last = self.write.payload, frames.last
        first = exact_log2(_row_packets(self.window))
        rows_each = self._rows_each()
        back = Signal(range(rows_each))
        block = Signal(SEQUENCE_BITS - first)
        place = Signal(range(_row_packets(self.window)))
        index_bits = exact_log2(rows_each)
        m.d.comb += [
            block.eq(new.sequence[first:] - back),
            place.eq(new.sequence),
            self.write.ready.eq(~frames.counts & (back == rows_each - 1)),
        ]
        with m.If(frames.counts):
            m.d.comb += [
                edge_write.en.eq(last.ahead),
                edge_write.addr.eq(last.frame.sa),
                edge_write.data.eq(last.edge),
                row_write.en.eq(1),
                row_write.addr.eq(self._row_address(last.frame.sa, last.frame.sequence)),
                row_write.data.eq(last.row),
            ]
        with m.Elif(self.write.valid):
            m.d.comb += [
                edge_write.en.eq(1),
                edge_write.addr.eq(new.sa),
                Cat(edge_write.data.low, edge_write.data.high).eq(
                    new.sequence - (_packets(new.window, self.window) - 1)),
                edge_write.data.half.eq(new.sequence[LOW_BITS - 1]),
                row_write.en.eq(1),
                row_write.addr.eq(Cat(block[:index_bits], new.sa[:exact_log2(self.sas)])),
                row_write.data.tag.eq(block[index_bits:]),
                # A block below 0 is taken for that of the last numbers of all, which never come.
                row_write.data.bits.eq(Mux(back == 0, (2 << place) - 1, ~0)),
            ]
            m.d.sync += back.eq(back + 1)

    def _tell(self, m: Module, frames: _Frames) -> None:
        """Tell an event when bit 31 of a window's end changes."""
        event, last = self.event.payload, frames.last
        m.d.sync += [
            self.event.valid.eq(frames.counts & last.ahead & last.turned),
            event.kind.eq(EventKind.ESN_HALF),
            event.direction.eq(SaDirection.RX),
            event.sa.eq(last.frame.sa),
            event.sequence.eq(Cat(last.frame.sequence, last.frame.high)),
        ]

    def _show(self, m: Module, look: wiring.PureInterface,
              command_look: wiring.PureInterface) -> None:
        """Give the first numbers of windows to the look-up, and their ends to commands."""
        window = Signal(ReplayWindow)
        m.d.sync += window.eq(self.read.window)
        m.d.comb += [
            look.addr.eq(self.bottom_i.payload),
            self.bottom_o.number.eq(Cat(look.data.low, look.data.high)),
            self.bottom_o.wrong.eq(look.wrong),
            command_look.addr.eq(self.read.sa),
            self.read_o.number.eq(Cat(command_look.data.low, command_look.data.high)
                                  + (_packets(window, self.window) - 1)),
            self.read_o.wrong.eq(command_look.wrong),
        ]

    def _report(self, m: Module, frames: _Frames) -> None:
        """Tell of a wrong edge or row."""
        bottom_sa, read_sa = Signal(range(self.sas)), Signal(range(self.sas))
        waits, waiting_sa, first_sa = Signal(), Signal(range(self.sas)), Signal(range(self.sas))
        bottom = self.bottom_counts & self.bottom_o.wrong
        end = self.read_counts & self.read_o.wrong
        m.d.comb += first_sa.eq(Mux(waits, waiting_sa, bottom_sa))
        m.d.sync += [
            bottom_sa.eq(self.bottom_i.payload),
            read_sa.eq(self.read.sa),
            waits.eq(Mux(frames.fault, waits | bottom, waits & bottom)),
            waiting_sa.eq(Mux(frames.fault, first_sa, bottom_sa)),
            self.fault.valid.eq(frames.fault | waits | bottom | end),
            self.fault.payload.eq(Mux(frames.fault, frames.frame.sa,
                                      Mux(waits | bottom, first_sa, read_sa))),
        ]


def _packets(code: Value, largest: int) -> Value:
    """Size in packets of the window with this ``ReplayWindow``, which is at most ``largest``."""
    sizes = [size for size in ReplayWindow if 0 < size.packets <= largest]
    return Cat(Const(0, exact_log2(min(sizes).packets)),
               *(Value.cast(code) == size for size in sizes))
