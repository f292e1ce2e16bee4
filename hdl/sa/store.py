"""The SA table as the datapath and the registers see it."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.gcm.self_test import SelfTestPort
from espnic.hdl.layouts import (
    HANDLE_BITS,
    IN_FLIGHT_BITS,
    SA_MEMORIES,
    Event,
    FoundSa,
    LookupKey,
    MemoryFaults,
    ReceivedSa,
    SaCommand,
    SaResponse,
    lanes_of,
    secret_port,
)
from espnic.hdl.sa.commands import SaCommands
from espnic.hdl.sa.contexts import SaContexts, row_layouts
from espnic.hdl.sa.fault_report import FaultReport
from espnic.hdl.sa.lookup import SaLookup
from espnic.hdl.sa.lookup_control import table_bits
from espnic.hdl.sa.parity_memory import parity_bits
from espnic.hdl.sa.replay_windows import ReplayState, WindowAnswer, WindowQuery
from espnic.hdl.sa.sent_numbers import SentNumbers, SentPort
from espnic.hdl.sa.usage import SaUsage, UsagePort, usage_bits
from espnic.model.interface.codes import ReplayWindow, SaDirection, SaMemory
from espnic.model.interface.features import Features
from espnic.model.interface.registers import TABLE_KEY_BITS, TABLE_KEY_DEFAULT


def ram_bits_per_sa(width: int, sas: int, direction: SaDirection) -> float:
    """RAM bits for each SA without the windows of its numbers: its context and usage and, on
    receive, its share of the look-up table."""
    rows = row_layouts(lanes_of(width), direction).values()
    context = sum(row.size + parity_bits(row.size) for row in rows)
    return context + usage_bits() + (table_bits(sas) / sas if direction == SaDirection.RX else 0)


class SaStore(wiring.Component):
    """Finds SAs for packets, one of each direction a clock, while commands change them.

    Receive SAs are found by (destination, encapsulation, SPI), transmit SAs by handle. Each
    direction has a table of its own, with handles 1 to ``sas`` - 1. Handle 0 and handles out of
    range never hit. A command never delays a packet, and a packet sees an SA either wholly as it
    was before a command or wholly as it is after (``SaCommands``: order of the steps).

    A look-up gives no secrets. A path reads those of a packet's SA by handle, right before it
    uses them. An SA is freed, or its handle given to another, only when all packets that found
    it have read their secrets; a FLUSH may erase them before, and then the packet learns it.

    A receive look-up reads the table first and the context one clock later, and a command may
    come between the two. Every entry and context therefore carries the serial of the ADD that
    made it: if they differ, or the context is gone, the packet misses. So it can never use the
    key of an SA that took over the handle after the look-up. The serial may wrap, because
    a command takes longer than the one clock between the two reads.

    After reset all is swept to zero, keys too, and then the ciphers are tested (``SaCommands``).
    For these clocks look-ups miss and commands wait.

    A ``ReplayState`` keeps the replay windows of receive SAs. The first number of a window is
    read with the context, for the high half of the sequence number.

    A ``SentNumbers`` keeps the numbers that transmit SAs have sealed. It is written before the
    context of its SA: no packet finds an SA with the numbers of the last one with its handle.

    A ``SaUsage`` for each direction keeps the lifetimes; a path asks it when it judges a frame.
    An SA is freed when the frames in flight have been judged, so no count goes to the next SA
    with that handle.

    RAM bits for each SA with L lanes (``ram_bits_per_sa``). Receive: 977 + 384 L, and
    1.5 (165 + log2(sas)) in the look-up table, and the windows (``ReplayState``). Transmit:
    1,004 + 384 L, and the windows (``SentNumbers``). At L = 4, 128 more in each direction. The rows
    of contexts and look-up table have a parity bit more for each 32 bits.

    Errors of commands are in the response. A memory knows a row that is not what was written
    (``ParityMemory``). A packet whose row is wrong has a ``fault``, and the row is told.

    Parameters
    ----------
    features : Features
        The build; ``sas`` at least 16. A direction that the build lacks has no ports, nor have
        replay windows in a build without them.

    Members
    -------
    rx_i : In(stream.Signature(LookupKey, always_ready=True))
        Keys of received packets.
    rx_o : Out(stream.Signature(ReceivedSa, always_ready=True))
        Their SAs, in order, ``rx_latency`` clocks later; ``sa`` is 0 for a miss.
    tx_i : In(stream.Signature(HANDLE_BITS, always_ready=True))
        Handles of packets to send.
    tx_o : Out(stream.Signature(FoundSa, always_ready=True))
        Their SAs, in order, ``tx_latency`` clocks later; ``sa`` is 0 for a miss.
    rx_secrets, tx_secrets : In(secret_port(lanes))
        Secrets, by handle.
    rx_usage, tx_usage : In(UsagePort)
        Lifetimes (``SaUsage``).
    rx_told, tx_told : Out(stream.Signature(Event, always_ready=True))
        Limits reached, windows that have passed 2^31, and requests refused for their numbers: of
        each direction in the order of its frames.
    window_query, window_answer, received
        ``query``, ``answer`` and ``received`` of ``ReplayState``.
    tx_sent : In(SentPort)
        Sealed numbers (``SentNumbers``).
    rx_in_flight, tx_in_flight : In(IN_FLIGHT_BITS)
        Number of frames that may have looked an SA up and are not done with it.
    rx_judged, tx_judged : In(1)
        One of them needs its SA no more.
    rx_cipher, tx_cipher : Out(SelfTestPort)
        Self-tests of the ciphers.
    rx_failed, tx_failed : Out(1)
        The cipher has failed its self-test.
    self_test, self_tested, self_testing, failure
        Those of ``SaCommands``.
    command : In(stream.Signature(SaCommand))
        Commands, executed one by one.
    response : Out(stream.Signature(SaResponse))
        One for each command.
    table_key : In(TABLE_KEY_BITS)
        Secret key of the look-up hash; has a default. May change only while ``rx_empty`` is
        high and no command is under way.
    rx_empty : Out(1)
        There is no receive SA.
    swept : Out(1)
        No sweep is under way, and the ciphers have been tested since reset: nothing of what was
        before it is left.
    fault_event : Out(stream.Signature(Event, always_ready=True))
        Wrong rows in memories (``FaultReport``).
    memory_faults : Out(MemoryFaults)
        Their number in this clock.

    Attributes
    ----------
    rx_latency, tx_latency : int
        Clocks from ``rx_i`` to ``rx_o`` and from ``tx_i`` to ``tx_o``.
    """

    rx_latency = SaLookup.latency + SaContexts.latency
    tx_latency = SaContexts.latency

    def __init__(self, features: Features):
        self.features = features
        self.lanes = lanes = lanes_of(features.width)
        self.directions = [direction for direction, present in (
            (SaDirection.RX, features.receive), (SaDirection.TX, features.transmit)) if present]
        windows = {
            "window_query": In(stream.Signature(WindowQuery)),
            "window_answer": Out(stream.Signature(WindowAnswer)),
            "received": In(1),
        }
        receive = {
            "rx_i": In(stream.Signature(LookupKey, always_ready=True)),
            "rx_o": Out(stream.Signature(ReceivedSa, always_ready=True)),
        }
        transmit = {
            "tx_i": In(stream.Signature(HANDLE_BITS, always_ready=True)),
            "tx_o": Out(stream.Signature(FoundSa, always_ready=True)),
            "tx_sent": In(SentPort),
        }
        super().__init__({
            **(receive if features.receive else {}),
            **(transmit if features.transmit else {}),
            **{f"{direction.name.lower()}_{name}": member
               for direction in self.directions for name, member in {
                "secrets": In(secret_port(lanes)),
                "usage": In(UsagePort),
                "told": Out(stream.Signature(Event, always_ready=True)),
                "in_flight": In(IN_FLIGHT_BITS),
                "judged": In(1),
                "cipher": Out(SelfTestPort),
                "failed": Out(1),
            }.items()},
            "self_test": In(1),
            "self_tested": Out(1),
            "self_testing": Out(1),
            "failure": Out(stream.Signature(Event, always_ready=True)),
            "command": In(stream.Signature(SaCommand)),
            "response": Out(stream.Signature(SaResponse)),
            "table_key": In(TABLE_KEY_BITS, init=TABLE_KEY_DEFAULT),
            "rx_empty": Out(1),
            "swept": Out(1),
            "fault_event": Out(stream.Signature(Event, always_ready=True)),
            "memory_faults": Out(MemoryFaults),
            **(windows if features.replay_window else {}),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.commands = commands = SaCommands(self.features)
        wiring.connect(m, wiring.flipped(self.command), commands.command)
        wiring.connect(m, wiring.flipped(self.response), commands.response)
        wiring.connect(m, commands.failure, wiring.flipped(self.failure))
        m.d.comb += [
            self.rx_empty.eq(commands.rx_empty),
            self.swept.eq(commands.swept),
            commands.self_test.eq(self.self_test),
            self.self_tested.eq(commands.self_tested),
            self.self_testing.eq(commands.self_testing),
        ]
        report = self._report(m, commands)
        for direction in self.directions:
            contexts = SaContexts(self.lanes, self.features.sas, direction, self.features.ipv6)
            m.submodules[direction.name.lower()] = contexts
            m.d.comb += [
                contexts.swept.eq(commands.swept),
                contexts.stopped.eq(commands.failed[direction]),
                contexts.record_sa.eq(commands.sa),
                contexts.record_read.eq(commands.record_read),
                contexts.write.valid.eq(commands.write[direction]),
                contexts.write.payload.eq(commands.row),
                commands.records[direction].eq(contexts.record),
                commands.records_wrong[direction].eq(contexts.record_wrong),
            ]
            for memory in (SaMemory.STATE, SaMemory.SECRET):
                wiring.connect(m, contexts.faults[memory], report.port(direction, memory))
            wiring.connect(
                m, commands.faults[direction], report.port(direction, SaMemory.RECORD))
            wiring.connect(
                m, wiring.flipped(getattr(self, f"{direction.name.lower()}_secrets")),
                contexts.secrets)
            wiring.connect(m, commands.ciphers[direction], wiring.flipped(
                getattr(self, f"{direction.name.lower()}_cipher")))
            self._use(m, direction, commands, report)
            if direction == SaDirection.RX:
                self._receive(m, contexts, commands, report)
            else:
                self._transmit(m, contexts)
                self._guard(m, commands, report)
        if not self.features.receive:
            # FLUSH has no look-up table to clear.
            m.d.comb += [commands.reply.valid.eq(1), commands.lookup_swept.eq(1)]
        return m

    def _report(self, m: Module, commands: SaCommands) -> FaultReport:
        """Tell of wrong rows in the memories of the directions that the build has."""
        m.submodules.fault_report = report = FaultReport([
            (direction, kept) for direction in self.directions
            for kept in SA_MEMORIES[direction]])
        wiring.connect(m, report.event, wiring.flipped(self.fault_event))
        m.d.comb += [
            report.again.eq(commands.write.any()),
            self.memory_faults.eq(report.count),
        ]
        return report

    def _receive(self, m: Module, contexts: SaContexts, commands: SaCommands,
                 report: FaultReport) -> None:
        """Find SAs by their look-up keys."""
        m.submodules.lookup = lookup = SaLookup(self.features.sas, self.features.ipv6)
        wiring.connect(m, commands.request, lookup.request)
        wiring.connect(m, commands.reply, lookup.reply)
        wiring.connect(m, lookup.o, contexts.i)
        wiring.connect(m, lookup.fault,
                       m.submodules.fault_report.port(SaDirection.RX, SaMemory.LOOKUP))
        m.d.comb += [
            lookup.table_key.eq(self.table_key),
            commands.lookup_swept.eq(lookup.swept),
            lookup.i.valid.eq(self.rx_i.valid),
            lookup.i.payload.eq(self.rx_i.payload),
            self.rx_o.valid.eq(contexts.o.valid),
            *(self.rx_o.payload[name].eq(contexts.o.payload[name])
              for name in FoundSa.members),
        ]
        if self.features.replay_window:
            self._keep_windows(m, contexts, commands, report)

    def _transmit(self, m: Module, contexts: SaContexts) -> None:
        """Find SAs by their handles."""
        m.d.comb += [
            contexts.i.valid.eq(self.tx_i.valid),
            contexts.i.payload.sa.eq(self.tx_i.payload),
            contexts.i.payload.hit.eq(
                (self.tx_i.payload != 0) & (self.tx_i.payload < self.features.sas)),
        ]
        wiring.connect(m, contexts.o, wiring.flipped(self.tx_o))

    def _guard(self, m: Module, commands: SaCommands, report: FaultReport) -> None:
        """Keep the sealed numbers of the transmit SAs."""
        m.submodules.sent = sent = SentNumbers(self.features.sas, self.features.sent_window)
        port = wiring.flipped(self.tx_sent)
        wiring.connect(m, port.query, sent.query)
        wiring.connect(m, sent.answer, port.answer)
        wiring.connect(m, sent.event, m.submodules.tx_usage.before)
        wiring.connect(m, commands.sent_write, sent.write)
        wiring.connect(m, commands.sent_read, sent.read)
        wiring.connect(m, sent.read_o, commands.sent_top)
        wiring.connect(m, sent.fault, report.port(SaDirection.TX, SaMemory.SENT))
        m.d.comb += [sent.commit.eq(port.commit), sent.counted.eq(port.counted)]

    def _use(self, m: Module, direction: SaDirection, commands: SaCommands,
             report: FaultReport) -> None:
        """Keep the lifetimes of a direction."""
        side = direction.name.lower()
        m.submodules[f"{side}_usage"] = usage = SaUsage(self.features.sas, direction)
        port = getattr(self, f"{side}_usage")
        wiring.connect(m, wiring.flipped(port).query, usage.query)
        wiring.connect(m, usage.answer, wiring.flipped(port).answer)
        wiring.connect(m, usage.event, wiring.flipped(getattr(self, f"{side}_told")))
        wiring.connect(m, commands.usage_write[direction], usage.write)
        wiring.connect(m, commands.usage_read[direction], usage.read)
        wiring.connect(m, usage.read_o, commands.usage[direction])
        wiring.connect(m, usage.fault, report.port(direction, SaMemory.USAGE))
        m.d.comb += [
            usage.commit.eq(port.commit),
            commands.usage_refused.bit_select(direction, 1).eq(usage.refused),
            commands.in_flight[direction].eq(getattr(self, f"{side}_in_flight")),
            commands.judged[direction].eq(getattr(self, f"{side}_judged")),
            getattr(self, f"{side}_failed").eq(commands.failed[direction]),
        ]

    def _keep_windows(self, m: Module, contexts: SaContexts, commands: SaCommands,
                      report: FaultReport) -> None:
        """Read the first number of a replay window beside the context of its SA.

        If it is wrong, so is the look-up.
        """
        m.submodules.windows = windows = ReplayState(
            self.features.sas, self.features.replay_window)
        found = contexts.o.payload
        windowed = found.hit & (found.context.replay_window != ReplayWindow.NONE)
        m.d.comb += [
            windows.bottom_i.valid.eq(contexts.i.valid),
            windows.bottom_i.payload.eq(contexts.i.payload.sa),
            windows.bottom_counts.eq(contexts.o.valid & windowed & ~found.fault),
            self.rx_o.payload.bottom.eq(windows.bottom_o.number),
            self.rx_o.payload.fault.eq(found.fault | windowed & windows.bottom_o.wrong),
            windows.received.eq(self.received),
        ]
        wiring.connect(m, wiring.flipped(self.window_query), windows.query)
        wiring.connect(m, windows.answer, wiring.flipped(self.window_answer))
        wiring.connect(m, windows.event, m.submodules.rx_usage.before)
        wiring.connect(m, commands.window_write, windows.write)
        wiring.connect(m, windows.fault, report.port(SaDirection.RX, SaMemory.REPLAY))
        m.d.comb += [
            windows.read.eq(commands.window_read),
            windows.read_counts.eq(commands.window_counts),
            commands.window_top.eq(windows.read_o),
        ]
