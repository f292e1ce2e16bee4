"""The sequence numbers that the transmit SAs have sealed."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from espnic.hdl.flow.places import places_above, places_from
from espnic.hdl.layouts import HANDLE_BITS, SUPER_LENGTH_BITS, Event
from espnic.hdl.sa.fault_report import FaultPort
from espnic.hdl.sa.parity_memory import ParityMemory, is_wrong, parity_bits, stored_bits
from espnic.model.interface.codes import EventKind, SaDirection
from espnic.model.interface.features import SENT_WINDOWS

SEQUENCE_BITS = 64
_ROW_NUMBERS_MAX = 256
_ROWS_MIN = 16

SentQuery = data.StructLayout({"sa": HANDLE_BITS, "sequence": SEQUENCE_BITS, "burst": 1})
"""A request to send, with its first sequence number; a ``burst`` may ask for more."""

SentAnswer = data.StructLayout({"late": 1, "repeated": 1, "fault": 1})
"""Whether a number of a request is too old, or was sealed before; ``fault``: what is kept of the
SA's numbers is wrong, and nothing is known."""

SentCommit = data.StructLayout({"count": 1, "refused": 1, "more": SUPER_LENGTH_BITS})
"""Fate of a request: its numbers ``count`` as sealed, ``more`` of them after the first, or it is
``refused`` for one of them."""

SentWrite = data.StructLayout({"sa": HANDLE_BITS, "sequence": SEQUENCE_BITS, "unguarded": 1})
"""An SA that begins; ``sequence`` and all numbers below it count as sealed. If it is ``unguarded``
no request is late or repeated."""

SentTop = data.StructLayout({"number": SEQUENCE_BITS, "wrong": 1})
"""The highest number that an SA has sealed; ``wrong``: it is not what was written."""

SentPort = wiring.Signature({
    "query": Out(stream.Signature(SentQuery)),
    "answer": In(stream.Signature(SentAnswer)),
    "commit": Out(SentCommit),
    "counted": Out(1),
})
"""Port of the transmit path to ``SentNumbers``."""


def sent_bits(window: int) -> int:
    """RAM bits of ``SentNumbers`` for each SA."""
    row = _row_numbers(window)
    return sum(count * (bits + parity_bits(bits)) for count, bits in (
        (1, _edge(window).size), (_row_count(window), row)))


def _row_numbers(window: int) -> int:
    """Number of sequence numbers in a row of a bitmap."""
    return min(2 * window // _ROWS_MIN, _ROW_NUMBERS_MAX)


def _row_count(window: int) -> int:
    """Number of rows in the bitmap of an SA."""
    return 2 * window // _row_numbers(window)


def _edge(window: int) -> data.StructLayout:
    """State of an SA beside its bitmap.

    ``top`` is the highest number sealed. For each row ``full`` says that all its numbers are
    sealed and ``mixed`` that its bits tell which; if neither, none is. ``told``: a request has
    been refused, and the event has told so. ``unguarded``: none is refused.
    """
    rows = _row_count(window)
    return data.StructLayout({
        "top": SEQUENCE_BITS, "full": rows, "mixed": rows, "told": 1,
        "unguarded": 1})


class _Request:
    """The request under way, with the state of its SA, and what it writes."""

    def __init__(self, window: int, sas: int):
        block_bits = SEQUENCE_BITS - exact_log2(_row_numbers(window))
        self.query = Signal(SentQuery)
        self.bound = Signal(SEQUENCE_BITS + 1)
        """First number and the window: the lowest top for which the number is late."""
        self.edge = Signal(_edge(window))
        self.row = Signal(_row_numbers(window))
        """Row of the first number."""
        self.lower = Signal(block_bits - exact_log2(_row_count(window)))
        """Lap of the first number, less 1."""
        self.ahead = Signal()
        """The first number is above the top."""
        self.late = Signal()
        self.same_block = Signal()
        """The first number and the top lie in one block."""
        self.edge_wrong = Signal()
        self.row_wrong = Signal()
        """``edge`` and ``row`` are not what was written."""
        self.judged = self.ahead | self.late | self.edge.unguarded
        """The first number alone says whether the request passes."""
        self.full = Signal()
        self.mixed = Signal()
        self.bit = Signal()
        """The row of the first number, and its bit."""

        self.last = Signal(SEQUENCE_BITS)
        """Last number of a burst."""
        self.known = Signal()
        """``last`` is right."""
        self.beyond = Signal()
        """The last number is above the top."""
        self.one_row = Signal()
        """First and last number lie in one row."""
        self.span = Signal(_row_count(window))
        """Rows between them."""
        self.walked = Signal()
        """The rows of the burst have been looked at."""
        self.found = Signal()
        """A number of the burst was sealed."""
        self.found_wrong = Signal()
        """A row of the burst that has bits is not what was written."""
        self.last_row = Signal(_row_numbers(window))
        """Bits that the row of the last number has already."""

        place_bits = exact_log2(_row_numbers(window))
        self.lo = Signal(place_bits)
        self.hi = Signal(place_bits)
        """Places of the numbers that a row gets."""
        self.base = Signal(_row_numbers(window))
        """Numbers that the row has already."""
        self.old_block = Signal()
        """The row of the first number is that of its block."""
        self.fault = Signal()
        """The request cannot be judged, because what is kept of its SA is wrong."""
        self.taken = Signal()
        """The answer is taken in this clock."""
        self.sa = Signal(range(sas))
        self.slot = Signal(range(_row_count(window)))
        self.new_edge = Signal(_edge(window))
        self.new_row = Signal(_row_numbers(window))
        """Place and contents of what ``marks`` and ``begins`` write."""
        self.marks = Signal()
        """The numbers of a row become sealed in this clock."""
        self.begins = Signal()
        """An SA is written in this clock."""
        self.tells = Signal()
        """A refusal is noted in this clock, for the SA of ``sa``."""


class SentNumbers(wiring.Component):
    """Keeps the sequence numbers that transmit SAs have sealed, and refuses to seal one again.

    The window of an SA holds ``window`` numbers and ends at the highest one sealed, its top. A
    request asks for one number or, as a burst, for up to 2^``SUPER_LENGTH_BITS`` in a row. It
    passes whole or not at all: it is late if its first number is left of the window, repeated if
    one of its numbers was sealed. The commit that comes with the taking of the answer says
    whether its numbers now count as sealed.

    The bitmap of an SA has rows for twice the window, so no two blocks of numbers of a window
    share a row. Beside the top stands for each row whether all of its block is sealed, none, or
    those that its bits tell. So a top moves any distance, a burst of any length is marked with
    its first and its last row, and an SA begins with one write.

    Requests pass in order, the next query after the answer before it was taken. A single request
    is answered 2 clocks after its query; with a query in the clock in which the answer before it
    is taken, one passes every other clock, of the same SA too. A burst whose first number is
    above the top, or late, is answered like a single request, and the length of it is needed
    with the commit only. Another burst waits for ``counted`` and takes 5 clocks and one for each
    row up to the top. After the commit of a burst the next query waits for 4 clocks.

    The first refusal of an SA tells an event; no further one of that SA does, until it is written
    anew. So a sender that repeats itself cannot fill the event queue.

    An SA that is unguarded keeps its top only, and none of its requests is refused.

    The state of an SA and the rows of its bitmap have parity. A request of an SA with a wrong
    state learns no more than that; so does one of a guarded SA that needs a wrong row, a burst
    each of its rows. It is not needed if the state says that all its block is sealed, or none,
    or the number is late. A request at fault changes nothing, whatever it commits: what is wrong
    stays so until the SA is written anew, but a row without bits is made right by the first
    number that it gets. What the request before has just written is right.

    A command reads in a clock without a query, and writes in the clock after it was taken, in
    which no request does.
    No row is valid before the first write. An SA that is written has no request under way.

    RAM bits for each SA (``sent_bits``), with N = 2 ``window`` / R rows of
    R = min(``window`` / 8, 256) numbers: E + ceil(E / 32) for the state of E = 66 + 2 N bits, and
    N (R + R / 32): 2,214 at 1,024 numbers.

    Source: NIST SP 800-38D, section 8 (no nonce twice under a key); RFC 4106, section 3.1.

    Parameters
    ----------
    sas : int
        SAs, a power of two.
    window : int
        Numbers of a window, a power of two from 1,024 to 16,384.

    Members
    -------
    query : In(stream.Signature(SentQuery))
        Requests to judge.
    answer : Out(stream.Signature(SentAnswer))
        One for each query.
    commit : In(SentCommit)
        Taken with the answer. A request that is late or repeated must not count; that of a
        request at fault has no effect.
    counted : In(1)
        ``commit.more`` is that of the request that waits for its answer.
    event : Out(stream.Signature(Event, always_ready=True))
        REPEATED, 1 clock after the commit of a request that is refused.
    write : In(stream.Signature(SentWrite))
        SA to begin.
    read : In(stream.Signature(HANDLE_BITS))
        SA whose top a command reads.
    read_o : Out(stream.Signature(SentTop, always_ready=True))
        Its top, 1 clock later.
    fault : Out(FaultPort)
        SA of a request whose answer is a fault, or of a command that reads a wrong top, 1 clock
        later; of two in one clock that of the request. Handle 0 is no SA.
    """

    def __init__(self, sas: int, window: int):
        if window not in SENT_WINDOWS:
            raise ValueError(f"window: {window!r}, expected one of {SENT_WINDOWS}")
        self.sas = sas
        self.window = window
        self.row_numbers = _row_numbers(window)
        self.rows = _row_count(window)
        self.place_bits = exact_log2(self.row_numbers)
        self.slot_bits = exact_log2(self.rows)
        super().__init__({
            "query": In(stream.Signature(SentQuery)),
            "answer": Out(stream.Signature(SentAnswer)),
            "commit": In(SentCommit),
            "counted": In(1),
            "event": Out(stream.Signature(Event, always_ready=True)),
            "write": In(stream.Signature(SentWrite)),
            "read": In(stream.Signature(HANDLE_BITS)),
            "read_o": Out(stream.Signature(SentTop, always_ready=True)),
            "fault": Out(FaultPort),
        })

    def elaborate(self, platform):
        m = Module()
        run = _Request(self.window, self.sas)
        m.submodules.edges = edges = ParityMemory(_edge(self.window), self.sas)
        m.submodules.bits = bits = ParityMemory(self.row_numbers, self.sas * self.rows)
        self._store(m, run, edges.write, bits.write)
        edge_read, row_read = edges.reads[0], bits.reads[0]
        m.d.comb += [
            self.answer.payload.late.eq(run.late & ~run.edge.unguarded),
            self.answer.payload.repeated.eq(~run.edge.unguarded & Mux(
                run.query.burst, run.found, ~run.ahead & (run.full | run.mixed & run.bit))),
            run.old_block.eq(~run.ahead | run.same_block),
            run.fault.eq(run.edge_wrong | run.found_wrong | (
                run.row_wrong & run.mixed & run.old_block & ~run.late & ~run.edge.unguarded)),
            self.answer.payload.fault.eq(run.fault),
            run.taken.eq(self.answer.valid & self.answer.ready),
        ]
        m.d.sync += [
            run.marks.eq(0), run.tells.eq(run.taken & self.commit.refused & ~run.fault)]
        with m.FSM() as fsm:
            m.d.comb += self.write.ready.eq(fsm.ongoing("Idle") | fsm.ongoing("Judge"))
            with m.State("Idle"):
                m.d.comb += self.query.ready.eq(~run.marks & ~run.tells & ~run.begins)
                with m.If(self.query.valid & self.query.ready):
                    m.next = "Judge"
            self._judge(m, run, edge_read, row_read)
            self._answer(m, run)
            self._measure(m, run)
            self._walk(m, run, row_read)
            self._mark_burst(m, run)
        self._begin(m, run)
        self._ask(m, run, edge_read, row_read)
        self._tell(m, run)
        self._report(m, run)
        return m

    def _store(self, m: Module, run: _Request, edge_write, row_write) -> None:
        """Write what a request marks, a refusal tells, or a command begins."""
        m.d.comb += [
            edge_write.en.eq(run.marks | run.tells | run.begins),
            edge_write.addr.eq(run.sa),
            Value.cast(edge_write.data).eq(Mux(run.tells, Value.cast(run.edge),
                                               Value.cast(run.new_edge))),
            row_write.en.eq(run.marks | run.begins),
            row_write.addr.eq(self._row_address(run.sa, run.slot)),
            row_write.data.eq(run.new_row),
        ]
        with m.If(run.tells):
            m.d.comb += edge_write.data.told.eq(1)

    def _begin(self, m: Module, run: _Request) -> None:
        """Take the SA that a command begins, in a clock after which no request writes."""
        new = self.write.payload
        slot = 1 << self._slot(new.sequence)
        m.d.sync += run.begins.eq(self.write.valid & self.write.ready)
        with m.If(self.write.ready):
            m.d.sync += [
                run.sa.eq(new.sa),
                run.slot.eq(self._slot(new.sequence)),
                run.new_row.eq(~places_above(m, "above_first", self._place(new.sequence))),
                run.new_edge.top.eq(new.sequence),
                run.new_edge.full.eq(~slot),
                run.new_edge.mixed.eq(slot),
                run.new_edge.told.eq(0),
                run.new_edge.unguarded.eq(new.unguarded),
            ]

    def _ask(self, m: Module, run: _Request, edge_read: wiring.PureInterface,
             row_read: wiring.PureInterface) -> None:
        """Take a query and read the state of its SA; in other clocks, what a command asks."""
        query = self.query.payload
        asked = Signal()
        m.d.comb += [
            asked.eq(self.query.valid & self.query.ready),
            edge_read.addr.eq(Mux(asked, query.sa, self.read.payload)),
            self.read.ready.eq(~asked),
            self.read_o.payload.number.eq(edge_read.data.top),
            self.read_o.payload.wrong.eq(edge_read.wrong),
        ]
        m.d.sync += self.read_o.valid.eq(self.read.valid & self.read.ready)
        with m.If(asked):
            m.d.sync += [run.query.eq(query), run.bound.eq(query.sequence + self.window)]

    def _judge(self, m: Module, run: _Request, edge_read: wiring.PureInterface,
               row_read: wiring.PureInterface) -> None:
        """Judge the first number, with what the request before it has just changed."""
        query, first = run.query, run.query.sequence
        edge = Signal(_edge(self.window))
        row = Signal(self.row_numbers)
        same_sa = Signal()
        same_row = Signal()
        new_row = run.marks & same_row
        asked = self.query.payload
        m.d.sync += [
            same_sa.eq(self._sa(asked.sa) == self._sa(query.sa)),
            same_row.eq((self._sa(asked.sa) == self._sa(query.sa))
                        & (self._slot(asked.sequence) == self._slot(first))),
        ]
        m.d.comb += [
            Value.cast(edge).eq(Mux(run.marks & same_sa, Value.cast(run.new_edge),
                                    Value.cast(edge_read.data))),
            row.eq(Mux(new_row, run.new_row, row_read.data)),
            row_read.addr.eq(self._row_address(asked.sa, self._slot(asked.sequence))),
        ]
        with m.State("Judge"):
            m.d.sync += [
                run.edge.eq(edge),
                run.edge.told.eq(edge.told | run.tells & same_sa),
                run.row.eq(row),
                run.edge_wrong.eq(edge_read.wrong & ~(run.marks & same_sa)),
                run.row_wrong.eq(row_read.wrong & ~new_row),
                run.same_block.eq(first[self.place_bits:] == edge.top[self.place_bits:]),
                run.lower.eq(self._lap(first) - 1),
                run.ahead.eq(first > edge.top),
                run.late.eq(run.bound <= edge.top),
                run.full.eq(edge.full.bit_select(self._slot(first), 1)),
                run.mixed.eq(edge.mixed.bit_select(self._slot(first), 1)),
                run.bit.eq(Mux(new_row, run.new_row.bit_select(self._place(first), 1),
                               row_read.data.bit_select(self._place(first), 1))),
                run.known.eq(0), run.walked.eq(0), run.found.eq(0), run.found_wrong.eq(0),
                run.last_row.eq(0),
            ]
            m.next = "Answer"

    def _answer(self, m: Module, run: _Request) -> None:
        """Answer, and prepare what a single request writes if it counts."""
        self._mark(m, run)
        burst, commit = run.query.burst, self.commit
        with m.State("Answer"):
            m.d.comb += [
                self.answer.valid.eq(~burst | run.judged | run.walked),
                self.query.ready.eq(run.taken & ~burst),
            ]
            m.d.sync += [
                run.known.eq(self.counted),
                run.last.eq(run.query.sequence + commit.more),
                run.marks.eq(run.taken & commit.count & ~burst & ~run.fault),
            ]
            with m.If(run.taken):
                m.next = "Idle"
                with m.If(self.query.valid & ~burst):
                    m.next = "Judge"
                with m.If(burst & commit.count & ~run.fault):
                    m.next = "Measure"
            with m.Elif(~self.answer.valid & run.known):
                m.next = "Measure"

    def _mark(self, m: Module, run: _Request) -> None:
        """Give the row and the state of the SA after the first number, or the burst's first row."""
        first, edge = run.query.sequence, run.edge
        slot = 1 << self._slot(first)
        passed = Mux(run.ahead, self._between(
            m, "passed", edge.top, first, run.lower), 0)
        m.d.comb += [
            run.lo.eq(self._place(first)),
            run.hi.eq(self._place(first)),
            run.base.eq(Mux(run.old_block & run.mixed, run.row, 0)),
        ]
        m.d.sync += [
            run.sa.eq(run.query.sa),
            run.slot.eq(self._slot(first)),
            run.new_row.eq(run.base | self._places(m, "marked", run.lo, run.hi)),
            run.new_edge.top.eq(Mux(run.ahead, first, edge.top)),
            run.new_edge.full.eq(edge.full & ~passed & ~slot),
            run.new_edge.mixed.eq(edge.mixed & ~passed | slot),
            run.new_edge.told.eq(edge.told),
            run.new_edge.unguarded.eq(edge.unguarded),
        ]

    def _measure(self, m: Module, run: _Request) -> None:
        """Measure a burst whose last number is known."""
        first, last = run.query.sequence, run.last
        with m.State("Measure"):
            m.d.sync += [
                run.beyond.eq(last > run.edge.top),
                run.one_row.eq(first[self.place_bits:] == last[self.place_bits:]),
                run.span.eq(self._between(
                    m, "span", first, last, (self._lap(last) - 1)[:len(run.lower)])),
            ]
            m.next = "Walk"
            with m.If(run.judged | run.walked):
                m.next = "Mark first"

    def _walk(self, m: Module, run: _Request, row_read: wiring.PureInterface) -> None:
        """Look at the rows of a burst up to the top, one a clock.

        A row is read, stands at the output of the memory, and is looked at in a register.
        """
        first, last, edge = run.query.sequence, run.last, run.edge
        to_read = Signal(init=1)
        comes = Signal()
        here = Signal()
        slot = Signal(self.slot_bits)
        coming = Signal(self.slot_bits)
        slot_here = Signal(self.slot_bits)
        lo = Signal(self.place_bits)
        hi = Signal(self.place_bits)
        stored = Signal(stored_bits(self.row_numbers))
        row = stored[:self.row_numbers]
        asked = Signal(self.row_numbers)
        """Numbers of the burst in the row that is looked at."""
        end = self._slot(Mux(run.beyond, edge.top, last))
        mixed = edge.mixed.bit_select(slot_here, 1)
        m.d.comb += [
            lo.eq(Mux(coming == self._slot(first), self._place(first), 0)),
            hi.eq(Mux(~run.beyond & (coming == self._slot(last)), self._place(last), ~0)),
        ]
        m.d.sync += [
            slot.eq(self._slot(first)),
            stored.eq(row_read.stored),
            asked.eq(self._places(m, "asked", lo, hi)),
        ]
        with m.State("Walk"):
            m.d.comb += row_read.addr.eq(self._row_address(run.query.sa, slot))
            m.d.sync += [
                slot.eq(slot + 1),
                coming.eq(slot),
                slot_here.eq(coming),
                comes.eq(to_read),
                here.eq(comes),
                to_read.eq(to_read & (slot != end)),
            ]
            with m.If(here):
                m.d.sync += [
                    run.found.eq(run.found | edge.full.bit_select(slot_here, 1)
                                 | mixed & (row & asked).any()),
                    run.found_wrong.eq(
                        run.found_wrong | mixed & is_wrong(stored, self.row_numbers)),
                    run.last_row.eq(Mux(mixed & ~run.beyond, row, 0)),
                ]
                with m.If(~comes):
                    m.d.sync += [run.walked.eq(1), to_read.eq(1), here.eq(0)]
                    m.next = "Answer"

    def _mark_burst(self, m: Module, run: _Request) -> None:
        """Mark the first row of a burst, then its last and those between."""
        first, last, edge = run.query.sequence, run.last, run.edge
        slot = 1 << self._slot(last)
        with m.State("Mark first"):
            m.d.comb += run.hi.eq(Mux(run.one_row, self._place(last), ~0))
            m.d.sync += run.marks.eq(1)
            m.next = "Mark last"
        with m.State("Mark last"):
            m.d.comb += [
                run.lo.eq(Mux(run.one_row, self._place(first), 0)),
                run.hi.eq(self._place(last)),
                run.base.eq(Mux(run.one_row, run.new_row, run.last_row)),
            ]
            m.d.sync += [
                run.marks.eq(1),
                run.slot.eq(self._slot(last)),
                run.new_edge.top.eq(Mux(run.beyond, last, edge.top)),
                run.new_edge.full.eq((run.new_edge.full | run.span) & ~slot),
                run.new_edge.mixed.eq(run.new_edge.mixed & ~run.span | slot),
            ]
            m.next = "Idle"

    def _tell(self, m: Module, run: _Request) -> None:
        """Tell the first refusal of an SA."""
        event = self.event.payload
        m.d.sync += [
            self.event.valid.eq(
                run.taken & self.commit.refused & ~run.fault & ~run.edge.told),
            event.kind.eq(EventKind.REPEATED),
            event.direction.eq(SaDirection.TX),
            event.sa.eq(run.query.sa),
            event.sequence.eq(run.query.sequence),
        ]

    def _report(self, m: Module, run: _Request) -> None:
        """Tell of a wrong state or row."""
        read_sa = Signal(HANDLE_BITS)
        asked_sa = self._sa(run.query.sa)
        judged = run.taken & run.fault & (asked_sa != 0)
        m.d.sync += [
            read_sa.eq(self.read.payload),
            self.fault.valid.eq(judged | self.read_o.valid & self.read_o.payload.wrong),
            self.fault.payload.eq(Mux(judged, asked_sa, self._sa(read_sa))),
        ]

    def _place(self, number: Value) -> Value:
        """Place of a number in its row."""
        return number[:self.place_bits]

    def _slot(self, number: Value) -> Value:
        """Row of a number among those of its SA."""
        return number[self.place_bits:self.place_bits + self.slot_bits]

    def _lap(self, number: Value) -> Value:
        """How often the numbers have gone through all rows before this one."""
        return number[self.place_bits + self.slot_bits:]

    def _sa(self, handle: Value) -> Value:
        """The bits of a handle that the tables use."""
        return handle[:exact_log2(self.sas)]

    def _row_address(self, sa: Value, slot: Value) -> Value:
        """Address of a row in the bitmaps of all SAs."""
        return Cat(slot, self._sa(sa))

    def _places(self, m: Module, name: str, lo: Value, hi: Value) -> Value:
        """Bits of a row from ``lo`` to ``hi``."""
        return places_from(m, f"{name}_from", lo) & ~places_above(m, f"{name}_above", hi)

    def _between(self, m: Module, name: str, low: Value, high: Value, lower: Value) -> Value:
        """Rows of the blocks after that of ``low`` and before that of ``high``.

        ``low`` is not above ``high``; ``lower`` is the lap of ``high``, less 1. All rows if the
        blocks between are too many.
        """
        low_slot, high_slot = self._slot(low), self._slot(high)
        same = self._lap(low) == self._lap(high)
        wraps = (self._lap(low) == lower) & (high_slot <= low_slot)
        after = places_above(m, f"{name}_above", low_slot)
        before = ~places_from(m, f"{name}_from", high_slot)
        return Mux(same, after & before, Mux(wraps, after | before, ~0))
