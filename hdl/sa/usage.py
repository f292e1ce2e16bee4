"""Lifetimes of the SAs of one direction: what they have served, and their limits."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.layouts import HANDLE_BITS, SUPER_LENGTH_BITS, Event
from espnic.hdl.sa.fault_report import FaultPort
from espnic.hdl.sa.parity_memory import ParityMemory, parity_bits
from espnic.model.interface.codes import EventKind, SaDirection
from espnic.model.interface.layouts import LIMITS

COUNT_BITS = 64

Limits = data.StructLayout({field.name: field.bits for field in LIMITS})

Served = data.StructLayout({
    "packets": COUNT_BITS,
    "bytes": COUNT_BITS,
    "warned": 1,
    "expired": 1,
})
"""Counts of an SA. ``warned`` and ``expired`` say whether they have reached a soft and a hard
limit, so that no packet waits for a comparison."""

Usage = data.StructLayout({"served": Served, "limits": Limits})

_COPIED = {"served": 2, "limits": 0}
"""Bits of each part that are known so late that a copy stands for their parity: the flags."""

UsageCommit = data.StructLayout({
    "count": 1,
    "packets": SUPER_LENGTH_BITS,
    "bytes": SUPER_LENGTH_BITS,
    "sequence": 64,
})
"""Use of an SA by a packet or a burst, counted if ``count``; ``sequence`` is its last number."""

UsageWrite = data.StructLayout({
    "sa": HANDLE_BITS,
    "fresh": 1,
    "soft": 1,
    "hard": 1,
    "limits": Limits,
})
"""Limits to set. Only the ``soft`` or ``hard`` ones that are selected are set; ``fresh`` sets the
counts to 0."""

UsageRead = data.StructLayout({**Usage.members, "wrong": 1})
"""A row that a command reads; ``wrong``: it is not what was written."""

UsageAnswer = data.StructLayout({"expired": 1, "fault": 1})
"""Whether an SA has reached a hard limit; ``fault``: its row is wrong, and nothing is known."""

UsagePort = wiring.Signature({
    "query": Out(stream.Signature(HANDLE_BITS)),
    "answer": In(stream.Signature(UsageAnswer)),
    "commit": Out(UsageCommit),
})
"""Port of a path to ``SaUsage``: it asks about the SA of a frame and tells what that served."""


def usage_bits() -> int:
    """RAM bits of ``SaUsage`` for each SA."""
    return Usage.size + sum(
        parity_bits(Usage[name].width, copied) for name, copied in _COPIED.items())


class _Rows:
    """The two rows that are under way: that of a packet and that of a command."""

    def __init__(self, sas: int):
        self.address = Signal(range(sas))
        """Row to read from the RAMs."""
        self.fetched = Signal(Usage)
        """The row at the ``address`` of the clock before."""
        self.wrong = Signal()
        """``fetched`` is not what was written."""

        self.asks = Signal()
        """A packet asks in this clock."""
        self.arrived = Signal()
        """``fetched`` is the row of ``asked_sa``."""
        self.asked_sa = Signal(range(sas))
        self.kept = Signal(Usage)
        """The row of ``asked_sa``, without what is counted in this clock."""
        self.kept_wrong = Signal()
        self.commit = Signal(UsageCommit)
        self.counts = Signal()
        """``commit`` is counted for ``asked_sa`` in this clock."""

        self.command_sa = Signal(range(sas))
        self.command = Signal(Usage)
        """The row of ``command_sa``."""
        self.needed = Signal()
        """``fetched`` is the row of ``command_sa``, and the command is not to write it anew."""
        self.command_wrong = Signal()
        self.written = Signal()
        """The command writes its row in this clock."""
        self.same = Signal()
        """Packet and command have the same SA."""


class SaUsage(wiring.Component):
    """Counts what each SA serves, refuses packets after a hard limit, and tells events.

    A packet asks before it is judged. It commits what it served in the clock in which it takes
    the answer, so each packet sees what all packets before it have served, of the same SA too.
    Packets may come every other clock, because a frame of ESP with a UDP header or more has at
    least two beats.

    A limit is reached when the count is not below it; 0 is no limit (RFC 4301, 4.4.2.1). The
    packet that reaches a hard limit is still served. One event tells that the counts have
    reached the first of the soft limits, another that they have reached the first of the hard
    ones. When one packet does both, SOFT_LIMIT comes first.

    A commit is counted one clock later. Commands read in clocks without a query and write in
    clocks in which nothing is counted, so no packet waits for them. A packet sees all of a
    write or nothing of it; one that takes its answer in the clock of a write was judged by the
    old limits and counts by the new ones. A write tells no event. No row is valid before a
    ``fresh`` write.

    A row has parity. A packet that reads a wrong row learns no more than that, and nothing is
    counted for it, whatever it commits. A command that changes limits of a wrong row changes
    nothing and is ``refused``; a ``fresh`` one writes the whole row, so that it is right again.
    All of the row matters, limits of 0 too: they may have been others.

    Latency 1 clock from the query to the answer. The path must refuse handles out of range, and
    no count comes near 2^64.

    RAM bits for each SA: 400 (``usage_bits``).

    Parameters
    ----------
    sas : int
        Rows, a power of two.
    direction : SaDirection
        Direction that the events name.

    Members
    -------
    query : In(stream.Signature(HANDLE_BITS))
        The SA of a packet.
    answer : Out(stream.Signature(UsageAnswer))
        One for each query.
    commit : In(UsageCommit)
        Taken with the answer; without effect if that is a fault.
    event : Out(stream.Signature(Event, always_ready=True))
        Limits reached, 2 clocks after the commit; HARD_LIMIT 3 clocks after it when both are.
    write : In(stream.Signature(UsageWrite))
        What a command writes.
    refused : Out(1)
        In the clock in which ``write`` is taken: the row is wrong, and nothing is written.
    read : In(stream.Signature(HANDLE_BITS))
        Row that a command reads.
    read_o : Out(stream.Signature(UsageRead, always_ready=True))
        The row, 2 clocks later.
    fault : Out(FaultPort)
        SA whose row was wrong when a packet asked or a command read or changed it, 2 clocks
        after that. Handle 0 is no SA.
    """

    def __init__(self, sas: int, direction: SaDirection):
        self.sas = sas
        self.direction = direction
        super().__init__({
            "query": In(stream.Signature(HANDLE_BITS)),
            "answer": Out(stream.Signature(UsageAnswer)),
            "commit": In(UsageCommit),
            "event": Out(stream.Signature(Event, always_ready=True)),
            "write": In(stream.Signature(UsageWrite)),
            "refused": Out(1),
            "read": In(stream.Signature(HANDLE_BITS)),
            "read_o": Out(stream.Signature(UsageRead, always_ready=True)),
            "fault": Out(FaultPort),
        })

    def elaborate(self, platform):
        m = Module()
        rows = _Rows(self.sas)
        self._answer(m, rows)
        served = self._serve(m, rows.kept, rows.commit)
        self._tell(m, rows, served)
        self._obey(m, rows, served)
        changed = self._change(m, rows.command)
        with m.If(rows.written & rows.same):
            m.d.sync += [rows.kept.eq(changed), rows.kept_wrong.eq(0)]
        self._store(m, rows, served, changed)
        self._report(m, rows)
        return m

    def _answer(self, m: Module, rows: _Rows) -> None:
        """Take the row of the packet that asks from the RAM, and keep it until it has counted."""
        asked, taken = Signal(), Signal()
        row, wrong = Signal(Usage), Signal()
        m.d.comb += [
            self.query.ready.eq(~asked),
            rows.asks.eq(self.query.valid & ~asked),
            row.eq(Mux(rows.arrived, rows.fetched, rows.kept)),
            wrong.eq(Mux(rows.arrived, rows.wrong, rows.kept_wrong)),
            self.answer.valid.eq(asked),
            self.answer.payload.expired.eq(row.served.expired),
            self.answer.payload.fault.eq(wrong),
            taken.eq(asked & self.answer.ready),
        ]
        m.d.sync += [
            rows.arrived.eq(rows.asks),
            rows.kept.eq(row),
            rows.kept_wrong.eq(wrong),
            rows.commit.eq(self.commit),
            rows.counts.eq(taken & self.commit.count & ~wrong),
        ]
        with m.If(rows.asks):
            m.d.sync += [asked.eq(1), rows.asked_sa.eq(self.query.payload)]
        with m.Elif(taken):
            m.d.sync += asked.eq(0)

    def _obey(self, m: Module, rows: _Rows, served: data.View) -> None:
        """Read the row of a command when no packet asks, and write it when none counts.

        Between the two the command's row follows what is counted for its SA.
        """
        wanted_sa = Signal(range(self.sas))
        reads, reading, to_write, writes, ends = Signal(), Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            wanted_sa.eq(Mux(self.write.valid, self.write.payload.sa, self.read.payload)),
            reads.eq((self.write.valid | self.read.valid) & ~rows.asks & ~reading & ~writes),
            rows.address.eq(Mux(rows.asks, self.query.payload, wanted_sa)),
            ends.eq(writes & ~rows.counts),
            self.refused.eq(ends & rows.command_wrong & ~self.write.payload.fresh),
            rows.written.eq(ends & ~self.refused),
            rows.same.eq(rows.asked_sa == rows.command_sa),
            self.write.ready.eq(ends),
            self.read.ready.eq(reads & ~self.write.valid),
            *(self.read_o.payload[name].eq(rows.command[name]) for name in Usage.members),
            self.read_o.payload.wrong.eq(rows.command_wrong),
            rows.needed.eq(reading & ~(to_write & self.write.payload.fresh)),
        ]
        m.d.sync += [
            reading.eq(reads),
            writes.eq((reading & to_write) | (writes & rows.counts)),
            self.read_o.valid.eq(reading & ~to_write),
        ]
        with m.If(reads):
            m.d.sync += [rows.command_sa.eq(wanted_sa), to_write.eq(self.write.valid)]
        with m.If(reading):
            m.d.sync += [rows.command.eq(rows.fetched), rows.command_wrong.eq(rows.wrong)]
        with m.If(rows.counts & rows.same):
            m.d.sync += rows.command.served.eq(served)

    def _store(self, m: Module, rows: _Rows, served: data.View, changed: data.View) -> None:
        """Read a row from the RAMs, and write the row that counts or is written."""
        new = {"served": Mux(rows.counts, served.as_value(), changed.served.as_value()),
               "limits": changed.limits}
        enables = {"served": rows.counts | rows.written, "limits": rows.written}
        wrong = []
        for name in Usage.members:
            m.submodules[f"{name}_rows"] = ram = ParityMemory(
                Usage[name].shape, self.sas, transparent=1, copied=_COPIED[name])
            write, look = ram.write, ram.reads[0]
            m.d.comb += [
                look.addr.eq(rows.address),
                rows.fetched[name].eq(look.data),
                write.addr.eq(Mux(rows.counts, rows.asked_sa, rows.command_sa)),
                write.data.eq(new[name]),
                write.en.eq(enables[name]),
            ]
            wrong.append(look.wrong)
        m.d.comb += rows.wrong.eq(Cat(wrong).any())

    def _report(self, m: Module, rows: _Rows) -> None:
        """Tell of a wrong row."""
        m.d.sync += [
            self.fault.valid.eq(
                rows.wrong & (rows.arrived & (rows.asked_sa != 0) | rows.needed)),
            self.fault.payload.eq(Mux(rows.arrived, rows.asked_sa, rows.command_sa)),
        ]

    def _serve(self, m: Module, row: data.View, commit: data.View) -> data.View:
        """Give the counts after a commit."""
        served = Signal(Served)
        old, limits = row.served, row.limits
        m.d.comb += [
            served.packets.eq(old.packets + commit.packets),
            served.bytes.eq(old.bytes + commit.bytes),
            served.warned.eq(
                _reached(old.packets, commit.packets, limits.soft_packets)
                | _reached(old.bytes, commit.bytes, limits.soft_bytes)),
            served.expired.eq(
                _reached(old.packets, commit.packets, limits.hard_packets)
                | _reached(old.bytes, commit.bytes, limits.hard_bytes)),
        ]
        return served

    def _change(self, m: Module, row: data.View) -> data.View:
        """Give the row after a command's write."""
        write = self.write.payload
        changed = Signal(Usage)
        served, limits = changed.served, changed.limits
        keep = ~write.fresh
        m.d.comb += [
            *(limits[name].eq(Mux(
                write.soft if name.startswith("soft") else write.hard,
                write.limits[name], row.limits[name])) for name in Limits.members),
            served.packets.eq(Mux(keep, row.served.packets, 0)),
            served.bytes.eq(Mux(keep, row.served.bytes, 0)),
            served.warned.eq(keep & (
                _reached(row.served.packets, Const(0), limits.soft_packets)
                | _reached(row.served.bytes, Const(0), limits.soft_bytes))),
            served.expired.eq(keep & (
                _reached(row.served.packets, Const(0), limits.hard_packets)
                | _reached(row.served.bytes, Const(0), limits.hard_bytes))),
        ]
        return changed

    def _tell(self, m: Module, rows: _Rows, new: data.View) -> None:
        """Emit the event one clock after the count reaches a limit.

        If it reaches both a soft and a hard limit, emit two events in two clocks.
        """
        old, counts = rows.kept.served, rows.counts
        soft, hard, told_twice = Signal(), Signal(), Signal()
        m.d.comb += [
            soft.eq(counts & new.warned & ~old.warned),
            hard.eq(counts & new.expired & ~old.expired),
        ]
        event = self.event.payload
        m.d.comb += event.direction.eq(self.direction)
        m.d.sync += [self.event.valid.eq(soft | hard | told_twice), told_twice.eq(soft & hard)]
        with m.If(soft | hard):
            m.d.sync += [
                event.kind.eq(Mux(soft, EventKind.SOFT_LIMIT, EventKind.HARD_LIMIT)),
                event.sa.eq(rows.asked_sa),
                event.sequence.eq(rows.commit.sequence),
            ]
        with m.Elif(told_twice):
            m.d.sync += event.kind.eq(EventKind.HARD_LIMIT)


def _reached(count: Value, more: Value, limit: Value) -> Value:
    """Whether ``count`` + ``more`` is not below a limit that is not 0, as one sum of three."""
    return limit.any() & ((count - limit + more) >= 0)
