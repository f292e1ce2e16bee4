"""The register block: identification, SA commands, counters, interrupt."""

from collections.abc import Iterable, Mapping, Sequence

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.axil import AxiLite, axi_lite
from hdl.counters import COUNTER_BITS, Counters
from hdl.layouts import LENGTH_BITS, SUPER_LENGTH_BITS, SaCommand, SaResponse
from hdl.lookup_control import HASH_KEY_BITS, HASH_KEY_DEFAULT
from model import registers as table
from model.codes import STATUS_BITS, IcvSize, KeySize, RxStatus, TxStatus
from model.registers import Access, Register, RegisterField

RxEvent = data.StructLayout({"status": STATUS_BITS, "bytes": LENGTH_BITS})
"""A frame received: ``RxStatus`` and its length. An oversize frame is counted as not leaving."""

TxEvent = data.StructLayout({
    "status": STATUS_BITS, "first": 1, "bytes_in": SUPER_LENGTH_BITS, "bytes_out": LENGTH_BITS})
"""A frame of a request to send, or a refused request: ``TxStatus``, and its length as it leaves.

``first`` of its request; then ``bytes_in`` is the request's length, else 0.
"""

Groups = Sequence[tuple[Iterable[Register], Mapping[str, Value]]]
WriteGroups = Sequence[tuple[Iterable[Register], Mapping[str, Value], Value]]

_SECRETS = tuple(
    field.name for register in table.SA_PARAMETERS if register.access == Access.WRITE
    for field in register.fields if field.part == 0
)


class Registers(wiring.Component):
    """The registers of ``model.registers`` on AXI4-Lite.

    A write to SA_DOORBELL sends one SA command with the parameter registers and sets ``busy``;
    the response clears it, sets ``done`` and the event ``command_done``. When the command has
    been taken the write-only parameters are cleared, so that no key stays here.

    Errors: SLVERR, and nothing happens, for an access that the table does not grant, for a
    write to the doorbell or a parameter while a command runs, and for a write to the hash key
    while a command runs or a receive SA is there. Bytes without strobe keep their value; a
    write to the doorbell starts a command if it has any strobe.

    Counters of statuses lie in a RAM for each direction. A read of a counter's low word keeps
    its high word, so that the two belong together.

    Parameters
    ----------
    width : int
        Width of the datapath in bits, for CAPABILITIES.
    sas : int
        Size of the SA tables, for SAS.

    Members
    -------
    axil : In(axi_lite())
        The bus (timing: ``AxiLite``).
    command : Out(stream.Signature(SaCommand))
        SA commands.
    response : In(stream.Signature(SaResponse))
        Their responses; always taken.
    hash_key : Out(HASH_KEY_BITS)
        Key of the look-up hash.
    rx_empty : In(1)
        There is no receive SA.
    rx_event : In(stream.Signature(RxEvent, always_ready=True))
        Frames received, to count.
    tx_event : In(stream.Signature(TxEvent, always_ready=True))
        Frames to send, to count.
    irq : Out(1)
        High while an enabled event is pending.
    """

    def __init__(self, width: int, sas: int):
        self.width = width
        self.sas = sas
        super().__init__({
            "axil": In(axi_lite()),
            "command": Out(stream.Signature(SaCommand)),
            "response": In(stream.Signature(SaResponse)),
            "hash_key": Out(HASH_KEY_BITS, init=HASH_KEY_DEFAULT),
            "rx_empty": In(1),
            "rx_event": In(stream.Signature(RxEvent, always_ready=True)),
            "tx_event": In(stream.Signature(TxEvent, always_ready=True)),
            "irq": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.axil = axil = AxiLite()
        wiring.connect(m, wiring.flipped(self.axil), axil.bus)

        parameters = Signal(SaCommand)
        read_back = Signal(SaResponse)
        busy, done = Signal(), Signal()
        pending, enabled = Signal(), Signal()
        events = {"command_done": pending, "command_done_enable": enabled}

        self._read(m, axil, [
            (table.IDENTIFICATION, self._constants()),
            (table.EVENTS, events),
            (table.HASH_KEY, {}),
            ([table.SA_DOORBELL], {}),
            ([table.SA_STATUS], {
                "busy": busy, "done": done, "result": read_back.result,
                "rx_empty": self.rx_empty,
            }),
            (table.SA_PARAMETERS, _members(parameters)),
            (table.READ_BACK, _members(read_back)),
        ])
        self._write(m, axil, [
            (table.EVENTS, events, Const(1)),
            (table.HASH_KEY, {"hash_key": self.hash_key}, ~busy & self.rx_empty),
            ([table.SA_DOORBELL, *table.SA_PARAMETERS], _members(parameters), ~busy),
        ])

        write = axil.write.payload
        doorbell = Signal()
        m.d.comb += [
            doorbell.eq(axil.write.valid & ~axil.write_error & write.strobe.any()
                        & (write.address == _word(table.SA_DOORBELL))),
            self.command.payload.eq(parameters),
            self.response.ready.eq(1),
        ]
        with m.If(doorbell):
            m.d.sync += [busy.eq(1), done.eq(0), self.command.valid.eq(1)]
        with m.If(self.command.valid & self.command.ready):
            m.d.sync += self.command.valid.eq(0)
            m.d.sync += [parameters[name].eq(0) for name in _SECRETS]
        # After the writes, so that an event in the clock of its clearing stays.
        with m.If(self.response.valid):
            m.d.sync += [
                busy.eq(0), done.eq(1), pending.eq(1), read_back.eq(self.response.payload),
            ]
        m.d.sync += self.irq.eq(pending & enabled)
        return m

    def _constants(self) -> dict[str, Value]:
        return {
            "type": Const(table.MAGIC),
            "version": Const(table.VERSION),
            "size": Const(1 << table.ADDRESS_BITS),
            "width": Const(self.width),
            "key_sizes": Const(sum(1 << size for size in KeySize)),
            "icv_sizes": Const(sum(1 << size for size in IcvSize)),
            "has_esn": Const(1),
            "has_ipv6": Const(1),
            "has_udp": Const(1),
            "sas": Const(self.sas),
        }

    def _read(self, m: Module, axil: AxiLite, groups: Groups) -> None:
        """Answer reads: each group of registers with the values of its fields."""
        answer = axil.read_answer
        counters = self._counters(m, axil.read.payload)
        high = Signal(COUNTER_BITS - table.WORD_BITS)
        counter_values = {**counters, "counter_high": high}
        m.d.comb += answer.error.eq(1)
        with m.Switch(axil.read.payload):
            for registers, values in [*groups, (table.COUNTERS, counter_values)]:
                for register in registers:
                    with m.Case(_word(register)):
                        m.d.comb += answer.error.eq(0)
                        if register.access != Access.WRITE:
                            m.d.comb += [
                                answer.data[field.low:field.low + field.bits].eq(
                                    _part(values, field))
                                for field in register.fields
                            ]
        with m.If(axil.read.valid), m.Switch(axil.read.payload):
            for name, offset in table.counters().items():
                with m.Case(offset // table.WORD_BYTES):
                    m.d.sync += high.eq(counters[name][table.WORD_BITS:])

    def _write(self, m: Module, axil: AxiLite, groups: WriteGroups) -> None:
        """Take writes: each group with its fields' registers and whether it may be written."""
        write = axil.write.payload
        strobes = Cat(strobe.replicate(8) for strobe in write.strobe)
        m.d.comb += axil.write_error.eq(1)
        with m.Switch(write.address):
            for registers, targets, allowed in groups:
                for register in registers:
                    if register.access == Access.READ:
                        continue
                    with m.Case(_word(register)):
                        m.d.comb += axil.write_error.eq(~allowed)
                        with m.If(axil.write.valid & allowed):
                            for field in register.fields:
                                target = _part(targets, field)
                                mask = strobes[field.low:field.low + field.bits]
                                new = write.data[field.low:field.low + field.bits]
                                if register.access == Access.CLEAR:
                                    m.d.sync += target.eq(target & ~(new & mask))
                                else:
                                    m.d.sync += target.eq(target & ~mask | new & mask)

    def _counters(self, m: Module, address: Value) -> dict[str, Value]:
        """Count the events; return each counter's value, those of statuses at ``address``."""
        values: dict[str, Value] = {}
        rx, tx = self.rx_event.payload, self.tx_event.payload
        sides = (
            ("rx", RxStatus, self.rx_event, 1, rx.bytes, rx.bytes,
             rx.status != RxStatus.OVERSIZE),
            ("tx", TxStatus, self.tx_event, tx.first, tx.bytes_in, tx.bytes_out,
             tx.status <= TxStatus.BYPASSED),
        )
        for side, statuses, event, comes, bytes_in, bytes_out, leaves in sides:
            m.submodules[f"{side}_counters"] = counters = Counters(max(statuses) + 1)
            m.d.comb += [
                counters.event.valid.eq(event.valid),
                counters.event.payload.eq(event.payload.status),
                counters.index.eq(address[1:]),
            ]
            values |= {f"{side}_{status.name.lower()}": counters.value for status in statuses}
            totals = {name: Signal(COUNTER_BITS, name=name) for name in (
                f"{side}_packets_in", f"{side}_bytes_in",
                f"{side}_packets_out", f"{side}_bytes_out")}
            packets_in, total_in, packets_out, total_out = totals.values()
            with m.If(event.valid):
                m.d.sync += [packets_in.eq(packets_in + comes), total_in.eq(total_in + bytes_in)]
                with m.If(leaves):
                    m.d.sync += [
                        packets_out.eq(packets_out + 1), total_out.eq(total_out + bytes_out)]
            values |= totals
        return values


def _word(register: Register) -> int:
    return register.offset // table.WORD_BYTES


def _members(view: data.View) -> dict[str, Value]:
    return {name: view[name] for name in view.shape().members}


def _part(values: Mapping[str, Value], field: RegisterField) -> Value:
    """The bits of a field's value that lie in the field."""
    return values[field.name][field.part:field.part + field.bits]
