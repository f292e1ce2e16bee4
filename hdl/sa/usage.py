"""What the SAs of one direction have served, held against their limits."""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.layouts import HANDLE_BITS, SUPER_LENGTH_BITS, Event
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
"""Counts of an SA; ``warned`` and ``expired`` say whether they have reached a soft and a hard
limit, so that a packet need not wait for a comparison."""

Usage = data.StructLayout({"served": Served, "limits": Limits})

UsageCommit = data.StructLayout({
    "count": 1,
    "packets": SUPER_LENGTH_BITS,
    "bytes": SUPER_LENGTH_BITS,
    "sequence": 64,
})
"""What a packet or a burst makes of its SA, if it is to ``count``; ``sequence`` is the last."""

UsageWrite = data.StructLayout({
    "sa": HANDLE_BITS,
    "fresh": 1,
    "soft": 1,
    "hard": 1,
    "limits": Limits,
})
"""Limits to set, those of a kind that is selected; ``fresh`` sets the counts to 0."""


UsageAnswer = data.StructLayout({"expired": 1})
"""Whether an SA has reached a hard limit."""


UsagePort = wiring.Signature({
    "query": Out(stream.Signature(HANDLE_BITS)),
    "answer": In(stream.Signature(UsageAnswer)),
    "commit": Out(UsageCommit),
})
"""How a path asks of the SA of a frame and tells what it served (``SaUsage``)."""


def usage_bits() -> int:
    """RAM bits for each SA."""
    return Usage.size


class SaUsage(wiring.Component):
    """Count what each SA serves, refuse what comes behind a hard limit, and tell events.

    A packet asks before it is judged and commits what it served as it takes the answer, so that
    each sees what all before it have made, one every other clock, of the same SA too: a frame
    of ESP with a UDP header or more in it has two beats at the least.

    A limit is reached when the count is not below it, and 0 is none (RFC 4301, 4.4.2.1); the
    packet that reaches a hard limit is still served. An event tells when the counts reach the
    first of the soft limits, and of the hard ones. When one packet does both, SOFT_LIMIT comes
    first.

    What is committed is counted in the clock behind. Commands read in clocks without a query, and
    write in clocks in which nothing is counted, so a packet waits for none of them. A packet sees
    all of a write or nothing; one that takes its answer in the clock of a write was judged by the
    old limits and counts by the new ones. A write tells no event. No row is valid before a
    ``fresh`` write.

    Latency 1 clock from the query to the answer. There are no errors: a handle out of range is
    for who asks to refuse, and no count gets near to 2^64.

    RAM bits for each SA: 386 (``usage_bits``).

    Parameters
    ----------
    sas : int
        Rows, a power of two.
    direction : SaDirection
        Of the events.

    Members
    -------
    query : In(stream.Signature(HANDLE_BITS))
        The SA of a packet.
    answer : Out(stream.Signature(UsageAnswer))
    commit : In(UsageCommit)
        Taken with the answer.
    event : Out(stream.Signature(Event, always_ready=True))
        Limits reached, 2 clocks later; HARD_LIMIT 3 when both are.
    write : In(stream.Signature(UsageWrite))
        From commands.
    read : In(stream.Signature(HANDLE_BITS))
        Row to read, from commands.
    read_o : Out(stream.Signature(Usage, always_ready=True))
        The row, 2 clocks later.
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
            "read": In(stream.Signature(HANDLE_BITS)),
            "read_o": Out(stream.Signature(Usage, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        ports = {}
        for name in Usage.members:
            m.submodules[name] = ram = memory.Memory(
                shape=Usage[name].shape, depth=self.sas, init=[])
            write = ram.write_port()
            ports[name] = write, ram.read_port(transparent_for=(write,))
        fetched = Signal(Usage)
        address = Signal(range(self.sas))
        for name, (_, look) in ports.items():
            m.d.comb += [look.addr.eq(address), fetched[name].eq(look.data)]

        # The packet that asks: its row comes from the RAM, and is kept until it has counted.
        asked, arrived, counts = Signal(), Signal(), Signal()
        asked_sa = Signal(range(self.sas))
        kept, row = Signal(Usage), Signal(Usage)
        commit = Signal(UsageCommit)
        taken, asks = Signal(), Signal()
        m.d.comb += [
            self.query.ready.eq(~asked),
            asks.eq(self.query.valid & ~asked),
            row.eq(Mux(arrived, fetched, kept)),
            self.answer.valid.eq(asked),
            self.answer.payload.expired.eq(row.served.expired),
            taken.eq(asked & self.answer.ready),
        ]
        m.d.sync += [
            arrived.eq(asks),
            kept.eq(row),
            commit.eq(self.commit),
            counts.eq(taken & self.commit.count),
        ]
        with m.If(asks):
            m.d.sync += [asked.eq(1), asked_sa.eq(self.query.payload)]
        with m.Elif(taken):
            m.d.sync += asked.eq(0)
        served = self._serve(m, kept, commit)
        self._tell(m, kept.served, served, counts, asked_sa, commit.sequence)

        # The command: it reads where no packet asks, and writes where none counts. Meanwhile it
        # sees what is counted for its SA.
        command = Signal(Usage)
        command_sa, wanted_sa = Signal(range(self.sas)), Signal(range(self.sas))
        reads, reading, to_write = Signal(), Signal(), Signal()
        writes, written = Signal(), Signal()
        m.d.comb += [
            wanted_sa.eq(Mux(self.write.valid, self.write.payload.sa, self.read.payload)),
            reads.eq((self.write.valid | self.read.valid) & ~asks & ~reading & ~writes),
            address.eq(Mux(asks, self.query.payload, wanted_sa)),
            written.eq(writes & ~counts),
            self.write.ready.eq(written),
            self.read.ready.eq(reads & ~self.write.valid),
            self.read_o.payload.eq(command),
        ]
        m.d.sync += [
            reading.eq(reads),
            writes.eq((reading & to_write) | (writes & counts)),
            self.read_o.valid.eq(reading & ~to_write),
        ]
        with m.If(reads):
            m.d.sync += [command_sa.eq(wanted_sa), to_write.eq(self.write.valid)]
        same = asked_sa == command_sa
        with m.If(reading):
            m.d.sync += command.eq(fetched)
        with m.If(counts & same):
            m.d.sync += command.served.eq(served)
        changed = self._change(m, command)
        with m.If(written & same):
            m.d.sync += kept.eq(changed)

        new = {"served": Mux(counts, served.as_value(), changed.served.as_value()),
               "limits": changed.limits}
        enables = {"served": counts | written, "limits": written}
        for name, (write, _) in ports.items():
            m.d.comb += [
                write.addr.eq(Mux(counts, asked_sa, command_sa)),
                write.data.eq(new[name]),
                write.en.eq(enables[name]),
            ]
        return m

    def _serve(self, m: Module, row: data.View, commit: data.View) -> data.View:
        """The counts behind a commit."""
        served = Signal(Served)
        old, limits = row.served, row.limits
        m.d.comb += [
            served.packets.eq(old.packets + commit.packets),
            served.bytes.eq(old.bytes + commit.bytes),
            served.warned.eq(
                reached(old.packets, commit.packets, limits.soft_packets)
                | reached(old.bytes, commit.bytes, limits.soft_bytes)),
            served.expired.eq(
                reached(old.packets, commit.packets, limits.hard_packets)
                | reached(old.bytes, commit.bytes, limits.hard_bytes)),
        ]
        return served

    def _change(self, m: Module, row: data.View) -> data.View:
        """The row behind the write."""
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
                reached(row.served.packets, Const(0), limits.soft_packets)
                | reached(row.served.bytes, Const(0), limits.soft_bytes))),
            served.expired.eq(keep & (
                reached(row.served.packets, Const(0), limits.hard_packets)
                | reached(row.served.bytes, Const(0), limits.hard_bytes))),
        ]
        return changed

    def _tell(
        self, m: Module, old: data.View, new: data.View, counts: Value, sa: Value,
        sequence: Value,
    ) -> None:
        """Tell an event in the clock behind the count that reaches a limit, of both in two."""
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
                event.sa.eq(sa),
                event.sequence.eq(sequence),
            ]
        with m.Elif(told_twice):
            m.d.sync += event.kind.eq(EventKind.HARD_LIMIT)


def reached(count: Value, more: Value, limit: Value) -> Value:
    """Whether ``count`` + ``more`` is not below a limit that is not 0: one sum of three."""
    return limit.any() & ((count - limit + more) >= 0)
