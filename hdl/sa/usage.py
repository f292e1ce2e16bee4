"""Lifetimes of the SAs of one direction: what they have served, and their limits."""

from collections.abc import Mapping

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.flow.queue import Queue
from espnic.hdl.flow.skid import Skid
from espnic.hdl.layouts import HANDLE_BITS, SUPER_LENGTH_BITS, Event
from espnic.hdl.sa.fault_report import FaultPort
from espnic.hdl.sa.parity_memory import ParityMemory, is_wrong, parity_bits
from espnic.model.interface.codes import EventKind, SaDirection
from espnic.model.interface.layouts import LIMITS

COUNT_BITS = 64

Limits = data.StructLayout({field.name: field.bits for field in LIMITS})

Limited = data.StructLayout(dict.fromkeys(Limits.members, 1))
"""Limits that there are: those that are not 0."""

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

UsageUse = wiring.Signature({
    "answer": In(stream.Signature(UsageAnswer)),
    "commit": Out(UsageCommit),
})
"""Port of a block that takes the answers to what others have asked."""


def usage_bits() -> int:
    """RAM bits of ``SaUsage`` for each SA."""
    return Usage.size + sum(
        parity_bits(Usage[name].width, copied) for name, copied in _COPIED.items())


_Told = data.StructLayout({
    "before": 1,
    "kind": EventKind,
    "before_sequence": 64,
    "soft": 1,
    "hard": 1,
    "sa": HANDLE_BITS,
    "sequence": 64,
})
"""Events of a packet: that of ``kind`` with ``before_sequence`` if there is one ``before``."""

_NO_USE = {"packets": 0, "bytes": 0}

TOLD_DEPTH = 4
"""Packets with events that wait: more than are under way when one has more than one event."""


class _Asked:
    """A packet whose row is on its way out of the memories."""

    def __init__(self, sas: int, name: str):
        self.valid = Signal(name=f"{name}_valid")
        self.sa = Signal(range(sas), name=f"{name}_sa")
        self.newer = Signal(name=f"{name}_newer")
        """``served`` was counted after the row had been read."""
        self.served = Signal(Served, name=f"{name}_served")


class _Judged:
    """A packet with its row."""

    def __init__(self, sas: int, name: str):
        self.sa = Signal(range(sas), name=f"{name}_sa")
        self.row = Signal(Usage, name=f"{name}_row")
        self.limited = Signal(Limited, name=f"{name}_limited")
        """Those of its limits that are not 0."""


class _Flow:
    """The packets under way, from the query to the count, and the command between them."""

    def __init__(self, sas: int):
        self.address = Signal(range(sas))
        """Row to read from the memories, if it ``reads``."""
        self.reads = Signal()
        self.stored = {name: Signal(Usage[name].width + parity_bits(Usage[name].width, copied),
                                    name=f"{name}_stored") for name, copied in _COPIED.items()}
        """The registers behind the memories, with the parity."""

        self.looking = _Asked(sas, "looking")
        """Its row stands at the output of the memories."""
        self.fetched = _Asked(sas, "fetched")
        """Its row stands in the registers behind them."""
        self.moves = Signal()
        """No command hinders the packets that wait for their rows."""
        self.asking = Signal(range(sas))
        """The SA of the packet that asks, if there is one."""
        self.admits = Signal()
        """A packet may ask in this clock; what follows does not wait for whether one does."""
        self.goes = Signal()
        """``looking`` becomes ``fetched``."""
        self.loads = Signal()
        """``fetched`` becomes ``waiting``."""

        self.waiting = _Judged(sas, "waiting")
        """Its answer is there, if it is ``answered``."""
        self.answered = Signal()
        self.wrong = Signal()
        """The row of ``waiting`` is not what was written."""
        self.taken = Signal()
        """Its answer is taken in this clock."""

        self.counting = _Judged(sas, "counting")
        """A packet that counts in this clock, if there is one that ``counts``."""
        self.counts = Signal()
        self.commit = Signal(UsageCommit)
        self.new = Signal(Served)
        """The counts of its SA with it."""
        self.crowded = Signal()
        """Events wait so that no answer may be taken in this clock."""

        self.command = _Judged(sas, "command")
        self.command_parity = {name: Signal(parity_bits(Usage[name].width, copied),
                                            name=f"command_{name}_parity")
                               for name, copied in _COPIED.items()}
        self.command_newer = Signal()
        """The counts of the SA of the command are newer than its row when it was read."""
        self.command_wrong = Signal()
        self.command_fails = Signal()
        """``command_wrong`` is to be told in this clock."""
        self.command_reads = Signal()
        """The memories read the row of the command, if nothing else."""
        self.command_writes = Signal()
        """The command is to write its row."""
        self.ends = Signal()
        """The turn to write has come, in this clock."""
        self.written = Signal()
        """The command writes its row in this clock: it is not refused."""
        self.changed = Signal(Usage)
        """The row that it writes."""
        self.again = Signal(2)
        """The row of ``fetched`` is read again, then that of ``looking``."""

    def hits(self, sa: Value) -> Value:
        """Whether a packet counts for this SA in this clock."""
        return self.counts & (self.counting.sa == sa[:len(self.counting.sa)])


class SaUsage(wiring.Component):
    """Counts what each SA serves, refuses packets after a hard limit, and tells events.

    A packet asks before it is judged. It commits what it served in the clock in which it takes
    the answer, so each packet sees what all packets before it have served, of the same SA too.
    A packet each clock, also when all are of one SA.

    A limit is reached when the count is not below it; 0 is no limit (RFC 4301, 4.4.2.1). The
    packet that reaches a hard limit is still served. One event tells that the counts have
    reached the first of the soft limits, another that they have reached the first of the hard
    ones. When one packet does both, SOFT_LIMIT comes first. An event of the same packet that
    comes from elsewhere goes before both. One event is told a clock: while a packet has more of
    them to tell, no answer is valid, so the few that are counted already find a place, and none
    is lost.

    A commit is counted one clock later. What is counted while a packet waits for its row, or with
    it, takes the place of what the packet reads. A command reads in a clock in which no packet
    asks, and writes in one in which nothing is counted; then the rows of those that wait for
    theirs are read again. So reading takes 1 clock from the packets, and writing 4, or 2 more if
    answers have waited. A command never waits for packets: it is written at most 8 clocks after it
    came. A packet sees all of a write or nothing of it; one that takes its answer in the clock of a
    write was judged by the old limits and counts by the new ones. A write tells no event. No row is
    valid before a ``fresh`` write.

    A row has parity. A packet that reads a wrong row learns no more than that, and nothing is
    counted for it, whatever it commits. A command that changes limits of a wrong row changes
    nothing and is ``refused``; a ``fresh`` one writes the whole row, so that it is right again.
    All of the row matters, limits of 0 too: they may have been others. A fault of a command takes
    a clock from the packets.

    Latency 3 clocks from the query to the answer: a register stands behind the memories. The path
    must refuse handles out of range, and no count comes near 2^64.

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
        One for each query. Until it is taken a command may change it, and it may go for the clocks
        in which events are told.
    commit : In(UsageCommit)
        Taken with the answer; without effect if that is a fault.
    before : In(stream.Signature(Event, always_ready=True))
        Another event of a packet, in the clock after its answer was taken.
    event : Out(stream.Signature(Event, always_ready=True))
        What has come ``before``, and limits reached, 3 clocks after the commit; one clock later
        for each event that goes before it.
    write : In(stream.Signature(UsageWrite))
        What a command writes.
    refused : Out(1)
        In the clock in which ``write`` is taken: the row is wrong, and nothing is written.
    read : In(stream.Signature(HANDLE_BITS))
        Row that a command reads.
    read_o : Out(stream.Signature(UsageRead, always_ready=True))
        The row, 3 clocks later.
    fault : Out(FaultPort)
        SA whose row was wrong when a packet asked or a command read or changed it: with the
        answer, or 4 clocks after the command's read. Handle 0 is no SA.
    """

    def __init__(self, sas: int, direction: SaDirection):
        self.sas = sas
        self.direction = direction
        super().__init__({
            "query": In(stream.Signature(HANDLE_BITS)),
            "answer": Out(stream.Signature(UsageAnswer)),
            "commit": In(UsageCommit),
            "before": In(stream.Signature(Event, always_ready=True)),
            "event": Out(stream.Signature(Event, always_ready=True)),
            "write": In(stream.Signature(UsageWrite)),
            "refused": Out(1),
            "read": In(stream.Signature(HANDLE_BITS)),
            "read_o": Out(stream.Signature(UsageRead, always_ready=True)),
            "fault": Out(FaultPort),
        })

    def elaborate(self, platform):
        m = Module()
        flow = _Flow(self.sas)
        memories = self._store(m, flow)
        self._fetch(m, flow)
        self._follow(m, flow)
        self._answer(m, flow, self._load(m, flow))
        self._serve(m, flow)
        self._tell(m, flow)
        self._obey(m, flow, memories)
        self._change(m, flow)
        return m

    def _store(self, m: Module, flow: _Flow) -> dict[str, wiring.PureInterface]:
        """Write the row that counts or is written; return the read ports of the memories."""
        new = {"served": Mux(flow.counts, flow.new.as_value(), flow.changed.served.as_value()),
               "limits": flow.changed.limits}
        enables = {"served": flow.counts | flow.written, "limits": flow.written}
        reads = {}
        for name, copied in _COPIED.items():
            m.submodules[f"{name}_rows"] = ram = ParityMemory(
                Usage[name].shape, self.sas, copied=copied)
            reads[name] = ram.reads[0]
            m.d.comb += [
                reads[name].addr.eq(flow.address),
                reads[name].en.eq(flow.reads),
                ram.write.addr.eq(Mux(flow.counts, flow.counting.sa, flow.command.sa)),
                ram.write.data.eq(new[name]),
                ram.write.en.eq(enables[name]),
            ]
            # When rows are read again, that of ``fetched`` is at the output in the second clock.
            with m.If(flow.goes | flow.again[1]):
                m.d.sync += flow.stored[name].eq(reads[name].stored)
        return reads

    def _fetch(self, m: Module, flow: _Flow) -> None:
        """Take a query, and move the packets that wait for their rows."""
        looking, fetched, again = flow.looking, flow.fetched, flow.again
        frees = Signal()
        any_frees = Signal()
        spoils = Signal()
        # It is known late in a clock whether an answer is taken: no query waits for that.
        m.submodules.asking = asking = Skid(HANDLE_BITS)
        wiring.connect(m, wiring.flipped(self.query), asking.i)
        m.d.comb += [
            frees.eq(~flow.answered | flow.taken),
            any_frees.eq(~fetched.valid | frees),
            flow.moves.eq(~again.any() & ~flow.command_writes & ~flow.command_fails),
            flow.loads.eq(fetched.valid & frees & flow.moves),
            flow.goes.eq(looking.valid & any_frees & flow.moves),
            flow.admits.eq((~looking.valid | any_frees) & flow.moves & ~flow.command_reads),
            asking.o.ready.eq(flow.admits),
            flow.asking.eq(asking.o.payload),
            flow.reads.eq(flow.admits | flow.command_reads | again.any()),
            # A row is out of date, or could not go before the command's row took its place.
            spoils.eq((looking.valid | fetched.valid) & flow.ends
                      | looking.valid & flow.command_reads & ~flow.goes),
        ]
        m.d.sync += [
            looking.valid.eq(
                asking.o.valid & flow.admits | looking.valid & ~flow.goes),
            fetched.valid.eq(flow.goes | fetched.valid & ~flow.loads),
            again.eq(Cat(spoils, again[0])),
        ]
        with m.If(flow.admits):
            m.d.sync += looking.sa.eq(flow.asking)
        with m.If(flow.goes):
            m.d.sync += fetched.sa.eq(looking.sa)

    def _follow(self, m: Module, flow: _Flow) -> None:
        """Keep what is counted for the SAs of packets that wait for their rows."""
        looking, fetched = flow.looking, flow.fetched
        asked, looked = flow.hits(flow.asking), flow.hits(looking.sa)
        with m.If(flow.admits):
            m.d.sync += looking.newer.eq(asked)
        with m.Elif(looked):
            m.d.sync += looking.newer.eq(1)
        with m.If(Mux(flow.admits, asked, looked)):
            m.d.sync += looking.served.eq(flow.new)
        with m.If(flow.goes):
            m.d.sync += [
                fetched.newer.eq(looking.newer | looked),
                fetched.served.eq(Mux(looked, flow.new.as_value(), looking.served.as_value())),
            ]
        with m.Elif(flow.hits(fetched.sa)):
            m.d.sync += [fetched.newer.eq(1), fetched.served.eq(flow.new)]
        with m.If(flow.written):
            # They read again, and find all that was counted.
            m.d.sync += [looking.newer.eq(0), fetched.newer.eq(0)]

    def _load(self, m: Module, flow: _Flow) -> tuple[data.View, Value]:
        """Give the row of ``fetched``, and whether it is wrong; tell if it is."""
        row = Signal(Usage)
        wrong = Signal()
        fetched = flow.fetched
        hit = Signal()
        stored = {name: kept[:Usage[name].width] for name, kept in flow.stored.items()}
        m.d.comb += [
            hit.eq(flow.hits(fetched.sa)),
            row.limits.eq(stored["limits"]),
            row.served.eq(Mux(hit, flow.new.as_value(), Mux(
                fetched.newer, fetched.served.as_value(), stored["served"]))),
            wrong.eq(_is_wrong("limits", flow.stored["limits"])
                     | _is_wrong("served", flow.stored["served"]) & ~hit & ~fetched.newer),
        ]
        m.d.sync += [
            self.fault.valid.eq(
                flow.command_fails | flow.loads & wrong & (fetched.sa != 0)),
            self.fault.payload.eq(Mux(flow.command_fails, flow.command.sa, fetched.sa)),
        ]
        return row, wrong

    def _answer(self, m: Module, flow: _Flow, loaded: tuple[data.View, Value]) -> None:
        """Answer a packet, and pass it on to the count with its row.

        Its row follows what is counted and what a command writes.
        """
        waiting, counting = flow.waiting, flow.counting
        row = Signal(Usage)
        limited = Signal.like(waiting.limited)
        wrong = Signal()
        hit = flow.hits(waiting.sa)
        m.d.comb += [
            self.answer.valid.eq(flow.answered & ~flow.crowded),
            self.answer.payload.expired.eq(
                Mux(hit, flow.new.expired, waiting.row.served.expired)),
            self.answer.payload.fault.eq(flow.wrong),
            flow.taken.eq(self.answer.valid & self.answer.ready),
            row.limits.eq(waiting.row.limits),
            row.served.eq(Mux(hit, flow.new.as_value(), waiting.row.served.as_value())),
            limited.eq(waiting.limited),
            wrong.eq(flow.wrong),
        ]
        with m.If(flow.written & (flow.command.sa == waiting.sa)):
            m.d.comb += [row.eq(flow.changed), limited.eq(flow.command.limited), wrong.eq(0)]
        m.d.sync += [
            flow.answered.eq(flow.loads | flow.answered & ~flow.taken),
            waiting.row.eq(row),
            waiting.limited.eq(limited),
            flow.wrong.eq(wrong),
            counting.row.eq(row),
            counting.limited.eq(limited),
            counting.sa.eq(waiting.sa),
            flow.commit.eq(self.commit),
            flow.counts.eq(flow.taken & self.commit.count & ~flow.wrong),
        ]
        with m.If(flow.loads):
            m.d.sync += [
                waiting.sa.eq(flow.fetched.sa),
                waiting.row.eq(loaded[0]),
                waiting.limited.eq(_limited(loaded[0].limits)),
                flow.wrong.eq(loaded[1]),
            ]

    def _serve(self, m: Module, flow: _Flow) -> None:
        """Count a packet."""
        old, new, commit = flow.counting.row.served, flow.new, flow.commit
        m.d.comb += [
            new.packets.eq(old.packets + commit.packets),
            new.bytes.eq(old.bytes + commit.bytes),
            new.warned.eq(_reaches(flow.counting, commit, "soft")),
            new.expired.eq(_reaches(flow.counting, commit, "hard")),
        ]

    def _tell(self, m: Module, flow: _Flow) -> None:
        """Tell the events of a packet one after the other, from 2 clocks after its count."""
        m.submodules.told = told = Queue(_Told, TOLD_DEPTH)
        old, came = flow.counting.row.served, told.i.payload
        m.d.comb += [
            came.before.eq(self.before.valid),
            came.kind.eq(self.before.payload.kind),
            came.before_sequence.eq(self.before.payload.sequence),
            came.soft.eq(flow.counts & flow.new.warned & ~old.warned),
            came.hard.eq(flow.counts & flow.new.expired & ~old.expired),
            came.sa.eq(flow.counting.sa),
            came.sequence.eq(flow.commit.sequence),
            told.i.valid.eq(came.before | came.soft | came.hard),
        ]
        head = Signal(_Told)
        tells = Signal()
        event = self.event.payload
        m.d.comb += [
            flow.crowded.eq(tells & Mux(head.before, head.soft | head.hard, head.soft & head.hard)),
            told.o.ready.eq(~flow.crowded),
            self.event.valid.eq(tells),
            event.kind.eq(Mux(head.before, head.kind, Mux(
                head.soft, EventKind.SOFT_LIMIT, EventKind.HARD_LIMIT))),
            event.direction.eq(self.direction),
            event.sa.eq(head.sa),
            event.sequence.eq(Mux(head.before, head.before_sequence, head.sequence)),
        ]
        with m.If(~flow.crowded):
            m.d.sync += [head.eq(told.o.payload), tells.eq(told.o.valid)]
        with m.Elif(head.before):
            m.d.sync += head.before.eq(0)
        with m.Else():
            m.d.sync += head.soft.eq(0)

    def _obey(self, m: Module, flow: _Flow,
              memories: Mapping[str, wiring.PureInterface]) -> None:
        """Read the row of a command, and write it in a clock in which no packet counts."""
        command, write = flow.command, self.write.payload
        wanted_sa = Signal(range(self.sas))
        to_write = Signal()
        writes = flow.command_writes
        steps = Signal(3)
        read, checked, aimed = steps
        """The row has been read; it is checked; the limits are put in."""
        m.d.comb += [
            wanted_sa.eq(Mux(self.write.valid, write.sa, self.read.payload)),
            flow.command_reads.eq((self.write.valid | self.read.valid)
                                  & ~steps.any() & ~writes & ~flow.again.any()),
            flow.address.eq(Mux(flow.command_reads, wanted_sa, flow.asking)),
            flow.ends.eq(writes & ~flow.counts),
            self.refused.eq(flow.ends & flow.command_wrong & ~write.fresh),
            flow.written.eq(flow.ends & ~self.refused),
            self.write.ready.eq(flow.ends),
            self.read.ready.eq(flow.command_reads & ~self.write.valid),
            *(self.read_o.payload[name].eq(command.row[name]) for name in Usage.members),
            self.read_o.payload.wrong.eq(flow.command_wrong),
        ]
        with m.If(flow.again[0]):
            m.d.comb += flow.address.eq(flow.fetched.sa)
        with m.If(flow.again[1]):
            m.d.comb += flow.address.eq(flow.looking.sa)
        m.d.sync += [
            steps.eq(Cat(flow.command_reads, read, checked & to_write)),
            writes.eq(aimed | writes & flow.counts),
            self.read_o.valid.eq(checked & ~to_write),
        ]
        self._check(m, flow, checked, to_write & write.fresh)
        self._keep(m, flow, read, memories)
        with m.If(flow.command_reads):
            m.d.sync += [
                command.sa.eq(wanted_sa),
                to_write.eq(self.write.valid),
                flow.command_newer.eq(flow.hits(wanted_sa)),
            ]
            with m.If(flow.hits(wanted_sa)):
                m.d.sync += command.row.served.eq(flow.new)
        with m.If(aimed):
            for name in Limits.members:
                with m.If(write.soft if name.startswith("soft") else write.hard):
                    m.d.sync += command.row.limits[name].eq(write.limits[name])

    def _check(self, m: Module, flow: _Flow, checked: Value, fresh: Value) -> None:
        """Find whether the row of a command is wrong, and tell unless all of it is written."""
        known = Signal()
        stored = {name: Cat(flow.command.row[name], parity)
                  for name, parity in flow.command_parity.items()}
        m.d.comb += flow.command_fails.eq(known & flow.command_wrong & ~fresh)
        m.d.sync += known.eq(checked)
        with m.If(checked):
            m.d.sync += flow.command_wrong.eq(
                _is_wrong("limits", stored["limits"])
                | _is_wrong("served", stored["served"]) & ~flow.command_newer)

    def _keep(self, m: Module, flow: _Flow, read: Value,
              memories: Mapping[str, wiring.PureInterface]) -> None:
        """Keep the row of a command, and let it follow what is counted for its SA."""
        row = flow.command.row
        with m.If(read):
            for name, parity in flow.command_parity.items():
                m.d.sync += parity.eq(memories[name].stored[Usage[name].width:])
            m.d.sync += row.limits.eq(memories["limits"].stored)
            with m.If(~flow.command_newer):
                m.d.sync += row.served.eq(memories["served"].stored)
        with m.If(flow.hits(flow.command.sa)):
            m.d.sync += [row.served.eq(flow.new), flow.command_newer.eq(1)]

    def _change(self, m: Module, flow: _Flow) -> None:
        """Find what a command writes, from its row with its limits."""
        command, write, changed = flow.command, self.write.payload, flow.changed
        served, limits, keep = command.row.served, command.row.limits, ~write.fresh
        m.d.comb += [
            command.limited.eq(_limited(limits)),
            changed.limits.eq(limits),
            changed.served.packets.eq(Mux(keep, served.packets, 0)),
            changed.served.bytes.eq(Mux(keep, served.bytes, 0)),
            changed.served.warned.eq(keep & _reaches(command, _NO_USE, "soft")),
            changed.served.expired.eq(keep & _reaches(command, _NO_USE, "hard")),
        ]


def _is_wrong(name: str, stored: Value) -> Value:
    """Whether a part of a row, with its parity, is not what was written."""
    return is_wrong(stored, Usage[name].width, _COPIED[name])


def _limited(limits: data.View) -> Value:
    """Tell which of the limits are not 0."""
    return Cat(limits[name].any() for name in Limits.members)


def _reaches(packet: _Judged, more, kind: str) -> Value:
    """Whether the counts of a row, and ``more``, reach one of its limits of a kind."""
    row, reached = packet.row, []
    for count in ("packets", "bytes"):
        name = f"{kind}_{count}"
        # One sum of three.
        reached.append(packet.limited[name]
                       & ((row.served[count] - row.limits[name] + more[count]) >= 0))
    return Cat(reached).any()
