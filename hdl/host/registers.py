"""The register block: identification, SA commands, counters, interrupt."""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.host.axi_lite import AxiLite, AxiLitePort
from espnic.hdl.host.burst_detector import BurstDetector
from espnic.hdl.host.counter_bank import CounterBank
from espnic.hdl.host.counters import COUNTER_BITS
from espnic.hdl.host.event_queue import EventQueue
from espnic.hdl.layouts import (
    EspPorts,
    Event,
    MemoryFaults,
    RxEvent,
    SaCommand,
    SaResponse,
    TxEvent,
    values_of,
)
from espnic.model.interface import registers as table
from espnic.model.interface.codes import (
    KeySize,
    RxStatus,
    SaDirection,
    SaOperation,
    SaResult,
)
from espnic.model.interface.features import Features
from espnic.model.interface.registers import (
    PORTS_DEFAULT,
    TABLE_KEY_BITS,
    TABLE_KEY_DEFAULT,
    Access,
    Register,
    RegisterField,
)

EVENT_SOURCES = 5
"""Number of sources of events: the SAs of each direction, memories, failed self-tests, and
bursts."""

_STATUS = ("rx_stopped", "tx_stopped", "rx_idle", "tx_idle", "rx_failed", "tx_failed",
           "self_testing")

_Groups = Sequence[tuple[Iterable[Register], Mapping[str, Value]]]
_WriteGroups = Sequence[tuple[Iterable[Register], Mapping[str, Value], Value]]

_SECRET_WORDS = tuple(
    register for register in table.SA_PARAMETERS if register.access == Access.WRITE)
_SECRETS = tuple(dict.fromkeys(
    field.name for register in _SECRET_WORDS for field in register.fields))


class _Kept:
    """Registers that have no port of the block, and the strobes of the doorbells."""

    def __init__(self) -> None:
        self.parameters = Signal(SaCommand)
        """SA_PARAMETERS."""
        self.read_back = Signal(SaResponse)
        """The last response."""
        self.busy = Signal()
        self.done = Signal()
        self.pending = Signal()
        """The command of the doorbell has not been taken."""
        self.written = {register: Signal(name=f"{register.name.lower()}_written")
                        for register in _SECRET_WORDS}
        """Words of salts and key that were written whole since the last command."""
        self.refused = Signal()
        """The command is an ADD whose key is not whole."""
        self.ended = Signal()
        self.failed = Signal()
        self.interrupts = {field.name: Signal(name=field.name)
                           for register in table.INTERRUPTS for field in register.fields}
        self.rung = Signal()
        """SA_DOORBELL is written."""
        self.pop = Signal()
        """EVENT_POP was written."""
        self.rearm = Signal()
        """IRQ_STATUS or IRQ_ENABLE was written."""


class Registers(wiring.Component):
    """The registers of ``model.interface.registers`` on AXI4-Lite.

    A write to SA_DOORBELL sends one SA command with the parameter registers and sets ``busy``.
    The response clears ``busy``, and sets ``done`` and the interrupt ``command_done``. When the
    command has been taken the write-only parameters are cleared, so no key stays here.

    An ADD ends with EINVAL, and is not sent, unless every word of its salt and of a key of its
    size, and for transmit of its IV salt, was written with all strobes since the last command. So
    no SA has a key of zeros, or of two SAs, because writers of the registers came between each
    other.

    A write to IRQ_STATUS or IRQ_ENABLE lowers ``irq`` for a clock. What is pending then raises it
    again: an interrupt controller that looks for edges misses no cause.

    Errors: an access is answered with SLVERR and has no effect if the table does not grant it,
    if it writes the doorbell or a parameter while a command runs, or if it writes the table key
    while a command runs or a receive SA exists. Bytes without strobe keep their value; a write
    to the doorbell starts a command if it has any strobe.

    A read of a counter's low word keeps the high word for the read that follows, so the two belong
    together.

    Events wait in an ``EventQueue``. A write to EVENT_POP takes one off, or is answered with
    SLVERR if there is none. AUTH_BURST events are found here, from the verdicts.

    Parameters
    ----------
    features : Features
        The build, which CAPABILITIES and the registers after it describe.

    Members
    -------
    axil : In(AxiLitePort)
        The bus (timing: ``AxiLite``).
    command : Out(stream.Signature(SaCommand))
        SA commands.
    response : In(stream.Signature(SaResponse))
        Their responses; always taken.
    table_key : Out(TABLE_KEY_BITS)
        Secret key of the look-up hash.
    esp_ports : Out(EspPorts)
        UDP ports of ESP.
    rx_empty : In(1)
        There is no receive SA.
    rx_event : In(stream.Signature(RxEvent, always_ready=True))
        Received frames, to count.
    tx_event : In(stream.Signature(TxEvent, always_ready=True))
        Frames to send, to count.
    rx_sa_event, tx_sa_event : In(stream.Signature(Event, always_ready=True))
        Limits of packets and bytes that SAs have reached; receive SAs whose highest sequence number
        has crossed 2^31 or 2^32; transmit SAs that were asked to seal a sequence number again.
    fault_event : In(stream.Signature(Event, always_ready=True))
        SAs of which a memory gave a wrong row.
    memory_faults : In(MemoryFaults)
        Wrong rows in this clock, to count.
    self_test_event : In(stream.Signature(Event, always_ready=True))
        Failed self-tests.
    quiesce : Out(1)
        Take no new frame.
    self_test : Out(1)
        Test the ciphers: from the write of 1 until ``self_tested``.
    self_tested : In(1)
        A test of the ciphers has ended.
    rx_stopped, tx_stopped, rx_idle, tx_idle, rx_failed, tx_failed, self_testing : In(1)
        The fields of STATUS.
    irq : Out(1)
        High while an interrupt is pending and enabled, but for the clock after the write above.
    """

    def __init__(self, features: Features):
        self.features = features
        super().__init__({
            "axil": In(AxiLitePort),
            "command": Out(stream.Signature(SaCommand)),
            "response": In(stream.Signature(SaResponse)),
            "table_key": Out(TABLE_KEY_BITS, init=TABLE_KEY_DEFAULT),
            "esp_ports": Out(EspPorts, init=PORTS_DEFAULT),
            "rx_empty": In(1),
            "rx_event": In(stream.Signature(RxEvent, always_ready=True)),
            "tx_event": In(stream.Signature(TxEvent, always_ready=True)),
            "rx_sa_event": In(stream.Signature(Event, always_ready=True)),
            "tx_sa_event": In(stream.Signature(Event, always_ready=True)),
            "fault_event": In(stream.Signature(Event, always_ready=True)),
            "memory_faults": In(MemoryFaults),
            "self_test_event": In(stream.Signature(Event, always_ready=True)),
            "quiesce": Out(1),
            "self_test": Out(1),
            "self_tested": In(1),
            **{name: In(1) for name in _STATUS},
            "irq": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.axil = axil = AxiLite()
        wiring.connect(m, wiring.flipped(self.axil), axil.bus)
        m.submodules.counters = counters = CounterBank()
        m.submodules.bursts = bursts = BurstDetector()
        m.submodules.events = events = EventQueue(EVENT_SOURCES)
        kept = _Kept()
        controls = {
            "quiesce": self.quiesce, "self_test": self.self_test,
            "burst_threshold": bursts.threshold, "burst_clocks": bursts.clocks,
        }
        self._read(m, axil, counters, self._readable(kept, controls, events))
        m.d.sync += kept.pop.eq(0)
        self._check_key(m, kept)
        self._write(m, axil, kept, self._writable(kept, controls, events))
        # After the writes, so that a bit that is set in the clock in which it is cleared stays set.
        self._execute(m, kept, axil)
        self._test(m)
        self._collect(m, events, bursts)
        self._interrupt(m, kept, events)
        m.d.comb += [events.o.ready.eq(kept.pop), counters.lost.eq(events.lost)]
        self._count(m, counters, kept)
        return m

    def _readable(
        self, kept: _Kept, controls: Mapping[str, Value], events: EventQueue,
    ) -> _Groups:
        """Give all registers but the counters, each group with the values of its fields."""
        head = {name: Mux(events.o.valid, value, 0)
                for name, value in values_of(events.o.payload).items()}
        return [
            (table.IDENTIFICATION + table.CAPABILITIES, {
                name: Const(value)
                for name, value in table.capabilities(self.features).items()}),
            (table.INTERRUPTS, kept.interrupts),
            (table.CONTROLS, {**controls, **{name: getattr(self, name) for name in _STATUS}}),
            (table.TABLE_KEY, {}),
            (table.PORTS, self._ports()),
            (table.EVENT_HEAD, {
                **head, "event_valid": events.o.valid, "event_count": events.count}),
            ([table.EVENT_POP, table.SA_DOORBELL], {}),
            ([table.SA_STATUS], {
                "busy": kept.busy, "done": kept.done, "result": kept.read_back.result,
                "rx_empty": self.rx_empty,
            }),
            (table.SA_PARAMETERS, values_of(kept.parameters)),
            (table.READ_BACK, values_of(kept.read_back)),
        ]

    def _writable(
        self, kept: _Kept, controls: Mapping[str, Value], events: EventQueue,
    ) -> _WriteGroups:
        """Give the groups of registers that can be written, and when each can be."""
        return [
            (table.INTERRUPTS, kept.interrupts, Const(1)),
            (table.CONTROLS, controls, Const(1)),
            (table.TABLE_KEY, {"table_key": self.table_key}, ~kept.busy & self.rx_empty),
            (table.PORTS, self._ports(), Const(1)),
            ([table.EVENT_POP], {"event_pop": kept.pop}, events.o.valid),
            ([table.SA_DOORBELL, *table.SA_PARAMETERS], values_of(kept.parameters), ~kept.busy),
        ]

    def _ports(self) -> Mapping[str, Value]:
        """Give the UDP ports of ESP by the names of their fields."""
        names = (field.name for register in table.PORTS for field in register.fields)
        return dict(zip(names, self.esp_ports, strict=True))

    def _check_key(self, m: Module, kept: _Kept) -> None:
        """Note which words of the secrets are written, and whether an ADD lacks one it needs."""
        command = kept.parameters
        lacks = []
        for register, written in kept.written.items():
            field = register.fields[0]
            needed = Const(1)
            if field.name == "seqiv_salt":
                needed = command.direction == SaDirection.TX
            elif field.name == "key":
                shorter = [size for size in KeySize if 8 * size.bytes <= field.part]
                needed = ~Cat(command.key_size == size for size in shorter).any()
            lacks.append(needed & ~written)
        m.d.comb += kept.refused.eq(
            kept.pending & (command.operation == SaOperation.ADD) & Cat(lacks).any())

    def _execute(self, m: Module, kept: _Kept, axil: AxiLite) -> None:
        """Send the command that the doorbell starts, and take its response."""
        write = axil.write.payload
        m.d.comb += [
            kept.rung.eq(axil.write.valid & write.strobe.any()
                         & (write.address == _word(table.SA_DOORBELL))),
            kept.rearm.eq(axil.write.valid & Cat(
                axil.write.payload.address == _word(register)
                for register in table.INTERRUPTS).any()),
            self.command.payload.eq(kept.parameters),
            self.command.valid.eq(kept.pending & ~kept.refused),
            self.response.ready.eq(1),
            kept.ended.eq(self.response.valid | kept.refused),
            kept.failed.eq(kept.refused | (self.response.payload.result != SaResult.OK)),
        ]
        with m.If(kept.rung & ~kept.busy):
            m.d.sync += [kept.busy.eq(1), kept.done.eq(0), kept.pending.eq(1)]
        with m.If(kept.pending & (self.command.ready | kept.refused)):
            m.d.sync += [
                kept.pending.eq(0),
                *(kept.parameters[name].eq(0) for name in _SECRETS),
                *(written.eq(0) for written in kept.written.values()),
            ]
        with m.If(kept.ended):
            m.d.sync += [
                kept.busy.eq(0), kept.done.eq(1), kept.interrupts["command_done"].eq(1),
                kept.read_back.eq(self.response.payload),
            ]
        with m.If(kept.refused):
            m.d.sync += [kept.read_back.eq(0), kept.read_back.result.eq(SaResult.EINVAL)]

    def _test(self, m: Module) -> None:
        """Ask for a self-test until it has ended; a write meanwhile changes nothing."""
        with m.If(self.self_test):
            m.d.sync += self.self_test.eq(~self.self_tested)

    def _collect(self, m: Module, events: EventQueue, bursts: BurstDetector) -> None:
        """Send the events of all sources to the queue."""
        sources = (self.rx_sa_event, self.tx_sa_event, self.fault_event, self.self_test_event)
        for source, target in zip((*map(wiring.flipped, sources), bursts.event), events.i,
                                  strict=True):
            wiring.connect(m, source, target)
        m.d.comb += bursts.failed.eq(
            self.rx_event.valid & (self.rx_event.payload.status == RxStatus.AUTH_FAILED))

    def _interrupt(self, m: Module, kept: _Kept, events: EventQueue) -> None:
        """Set the interrupts of the queue; raise ``irq`` if one is set and enabled."""
        interrupts = kept.interrupts
        m.d.comb += interrupts["event_present"].eq(events.o.valid)
        with m.If(events.lost != 0):
            m.d.sync += interrupts["events_lost"].eq(1)
        m.d.sync += self.irq.eq(~kept.rearm & Cat(
            interrupts[field.name] & interrupts[f"{field.name}_enable"]
            for field in table.BY_NAME["IRQ_STATUS"].fields).any())

    def _count(self, m: Module, counters: CounterBank, kept: _Kept) -> None:
        """Count the events of the datapath, and SA commands that have ended or been refused."""
        operation, dropped = kept.parameters.operation, kept.rung & kept.busy
        m.d.comb += [
            counters.rx_event.payload.eq(self.rx_event.payload),
            counters.rx_event.valid.eq(self.rx_event.valid),
            counters.tx_event.payload.eq(self.tx_event.payload),
            counters.tx_event.valid.eq(self.tx_event.valid),
            counters.memory_faults.eq(self.memory_faults),
        ]
        ended = Signal()
        waits = Signal()
        kind = Signal.like(counters.command.payload)
        m.d.sync += [
            ended.eq(kept.ended & (
                (operation == SaOperation.ADD) | (operation == SaOperation.DELETE))),
            kind.eq(Mux(operation == SaOperation.ADD,
                        Mux(kept.failed, _place("sa_add_fail"), _place("sa_add_success")),
                        Mux(kept.failed, _place("sa_delete_fail"), _place("sa_delete_success")))),
            # There are clocks between two refusals, so one can wait.
            waits.eq(dropped | waits & ended),
        ]
        m.d.comb += [
            counters.command.valid.eq(ended | waits),
            counters.command.payload.eq(Mux(ended, kind, _place("sa_command_dropped"))),
        ]

    def _read(self, m: Module, axil: AxiLite, counters: CounterBank, groups: _Groups) -> None:
        """Answer reads of each group of registers with the values of its fields.

        A group's word is chosen in the clock before the read, which keeps the paths short.
        """
        words, hits = [], []
        for registers, values in groups:
            words.append(word := Signal(table.WORD_BITS))
            hits.append(hit := Signal())
            m.d.sync += [word.eq(0), hit.eq(0)]
            with m.Switch(axil.read.payload):
                for register in registers:
                    with m.Case(_word(register)):
                        m.d.sync += hit.eq(1)
                        if register.access != Access.WRITE:
                            m.d.sync += [
                                word[field.low:field.low + field.bits].eq(_part(values, field))
                                for field in register.fields
                            ]
        words.append(self._read_counter(m, axil, counters, hits))
        m.d.comb += [
            axil.read_answer.data.eq(reduce(or_, words)),
            axil.read_answer.error.eq(~Cat(hits).any()),
        ]

    def _read_counter(
        self, m: Module, axil: AxiLite, counters: CounterBank, hits: list[Signal],
    ) -> Value:
        """Give the word for reads of counters, and add to ``hits`` whether one is read."""
        word = Signal(table.WORD_BITS)
        kept = Signal(COUNTER_BITS - table.WORD_BITS)
        is_low = Signal()
        is_high = Signal()
        m.d.sync += [is_low.eq(0), is_high.eq(0)]
        with m.Switch(axil.read.payload):
            for offset in table.counters().values():
                with m.Case(offset // table.WORD_BYTES):
                    m.d.sync += is_low.eq(1)
                with m.Case(offset // table.WORD_BYTES + 1):
                    m.d.sync += is_high.eq(1)
        low, high = counters.value[:table.WORD_BITS], counters.value[table.WORD_BITS:]
        m.d.comb += [
            counters.index.eq(axil.read.payload[1:]),
            word.eq(Mux(is_low, low, Mux(is_high, kept, 0))),
        ]
        with m.If(axil.read.valid & is_low):
            m.d.sync += kept.eq(high)
        hits += [is_low, is_high]
        return word

    def _write(self, m: Module, axil: AxiLite, kept: _Kept, groups: _WriteGroups) -> None:
        """Take writes to each group, given its fields' registers and whether it may be written."""
        m.d.comb += axil.write_error.eq(1)
        with m.Switch(axil.write.payload.address):
            for registers, targets, allowed in groups:
                for register in registers:
                    if register.access == Access.READ:
                        continue
                    with m.Case(_word(register)):
                        m.d.comb += axil.write_error.eq(~allowed)
                        with m.If(axil.write.valid & allowed):
                            self._store(m, axil, register, targets)
                            if register in kept.written:
                                with m.If(axil.write.payload.strobe.all()):
                                    m.d.sync += kept.written[register].eq(1)

    def _store(
        self, m: Module, axil: AxiLite, register: Register, targets: Mapping[str, Value],
    ) -> None:
        """Write the fields of a register."""
        write = axil.write.payload
        strobes = Cat(strobe.replicate(8) for strobe in write.strobe)
        for field in register.fields:
            if field.access == Access.READ:
                continue
            target = _part(targets, field)
            mask = strobes[field.low:field.low + field.bits]
            new = write.data[field.low:field.low + field.bits]
            if register.access == Access.CLEAR:
                m.d.sync += target.eq(target & ~(new & mask))
            else:
                m.d.sync += target.eq(target & ~mask | new & mask)


def _word(register: Register) -> int:
    return register.offset // table.WORD_BYTES


def _place(counter: str) -> int:
    return table.COMMANDS.index(counter)


def _part(values: Mapping[str, Value], field: RegisterField) -> Value:
    """The bits of a value that lie in the field."""
    return values[field.name][field.part:field.part + field.bits]
