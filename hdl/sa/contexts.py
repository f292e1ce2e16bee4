"""Contexts of the SAs of one direction, one row for each handle."""

from collections.abc import Mapping

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.layouts import (
    HANDLE_BITS,
    SERIAL_BITS,
    FoundSa,
    LookupKey,
    SaCommand,
    lookup_key,
    members,
    sa_secrets,
    secret_port,
    values_of,
)
from espnic.hdl.sa.fault_report import FaultPort
from espnic.hdl.sa.lookup import LookedUp
from espnic.hdl.sa.parity_memory import ParityMemory, is_wrong, wrong_groups
from espnic.model.interface.codes import SaDirection, SaMemory

ATTRIBUTES = ("key_size", "icv_size", "esn", "esn_overlap", "unguarded", "replay_window",
              "esn_high")
"""Fields of a command that a record keeps, beside the look-up key."""

Record = data.StructLayout({
    "valid": 1,
    "taken": 1,
    "serial": SERIAL_BITS,
    **members(SaCommand, *ATTRIBUTES),
    "key": LookupKey,
})
"""The part of an SA that commands may read. ``serial`` tells this SA from the last one with its
handle. An SA that is ``taken`` but not ``valid`` is deleted: packets miss it."""

_STATE_FIELDS = {
    SaDirection.RX: ("valid", "key_size", "icv_size", "esn", "esn_overlap", "replay_window",
                     "esn_high", "serial", "spi"),
    SaDirection.TX: ("valid", "key_size", "icv_size", "esn", "serial", "spi"),
}
"""Fields of the record that the datapath needs; ``spi`` is that of its look-up key."""

_SECRET_FIELDS = {
    SaDirection.RX: ("present", "serial", "salt", "key", "powers"),
    SaDirection.TX: ("present", "serial", "salt", "seqiv_salt", "key", "powers"),
}


def row_layouts(
    lanes: int, direction: SaDirection, ipv6: bool = True,
) -> dict[str, data.StructLayout]:
    """Rows of the memories of one direction, by the name of the memory."""
    fields = data.StructLayout({
        **Record.members, **sa_secrets(lanes).members, "spi": LookupKey["spi"].shape,
        "present": 1})
    return {
        "state": data.StructLayout(members(fields, *_STATE_FIELDS[direction])),
        "secret": data.StructLayout(members(fields, *_SECRET_FIELDS[direction])),
        "record": data.StructLayout({**Record.members, "key": lookup_key(ipv6)}),
    }


def row_write(lanes: int) -> data.StructLayout:
    """A row to write: the record, and with ``secret`` the secrets too."""
    return data.StructLayout({
        "secret": 1,
        "record": Record,
        "secrets": sa_secrets(lanes),
    })


class SaContexts(wiring.Component):
    """Contexts of the SAs of one direction: a row read and a row written each clock.

    Three memories. A look-up reads ``state``, which travels with the packet. The ``secret`` memory
    is read by handle when the packet is about to be sealed or opened, so that no queue holds a
    key. Its rows say for themselves whose they are, so a packet gets the secrets of its SA wholly
    or learns that they are gone. ``record`` is for commands, and the only one that they can read:
    no wire leads from a key to them. A write changes all that it writes in one clock. A read in
    the clock of a write gives the old row. Behind ``state`` and ``record`` stands a register more;
    what comes out of ``secret`` is kept nowhere else.

    Row 0 is of no SA. Who points the reads of secrets at it when idle has a row of zeros at the
    output.

    Errors: the memories know a row that is not what was written (``ParityMemory``). With a wrong
    state a look-up is a ``fault`` and no hit. Secrets come whether they are wrong or not, and
    ``wrong`` tells a clock later, because a row is wide. Each wrong row that was looked up, or read
    for secrets other than those of row 0, is told at ``faults``; whether a record matters is known
    where commands are executed.

    RAM bits for each SA of a direction, with L lanes: RX 77 state, 291 + 384 L secret; TX 40
    state, 355 + 384 L secret; 128 more secret at L = 4; 209 record each; and a parity bit for each
    32 of a row. Fields that a direction has no use for (RX ``seqiv_salt``; TX ``esn_overlap``,
    ``esn_high`` and ``replay_window``) are not kept and read as 0.

    Latency 2 clocks (`latency`), 1 for secrets.

    Parameters
    ----------
    lanes : int
        AES lanes of the datapath.
    sas : int
        Rows.
    direction : SaDirection
        Direction of the SAs; only the fields that it needs are kept.
    ipv6 : bool
        Destinations may be IPv6. Without, each record has 97 bits less.

    Members
    -------
    i : In(stream.Signature(LookedUp, always_ready=True))
        Handles to read, if ``hit``. On receive ``serial`` must be that of the row, or it is a
        miss. A ``fault`` stays one.
    o : Out(stream.Signature(FoundSa, always_ready=True))
        The SAs, in order; a row not in use is a miss, with ``sa`` 0.
    secrets : In(secret_port(lanes))
        Secrets to read.
    swept : In(1)
        While it is low rows are being swept, and all handles miss.
    stopped : In(1)
        The cipher of the direction has failed: an SA that is found is a ``fault``.
    record_sa : In(range(sas))
        Row to read for a command, or to write.
    record_read : In(1)
        Read the record at ``record_sa``.
    record : Out(Record)
        The record that was read last, from 2 clocks after.
    record_wrong : Out(1)
        It is not what was written.
    write : In(stream.Signature(row_write(lanes), always_ready=True))
        What to write to row ``record_sa``.
    faults : Out(FaultPort).array(2)
        Wrong rows of state and secrets that were read, by ``SaMemory``.

    Attributes
    ----------
    latency : int
        Clocks from ``i`` to ``o``.
    """

    latency = 2

    def __init__(self, lanes: int, sas: int, direction: SaDirection, ipv6: bool = True):
        self.lanes = lanes
        self.sas = sas
        self.direction = direction
        self.ipv6 = ipv6
        super().__init__({
            "i": In(stream.Signature(LookedUp, always_ready=True)),
            "o": Out(stream.Signature(FoundSa, always_ready=True)),
            "secrets": In(secret_port(lanes)),
            "swept": In(1),
            "stopped": In(1),
            "record_sa": In(range(sas)),
            "record_read": In(1),
            "record": Out(Record),
            "record_wrong": Out(1),
            "write": In(stream.Signature(row_write(lanes), always_ready=True)),
            "faults": Out(FaultPort).array(SaMemory.SECRET + 1),
        })

    def elaborate(self, platform):
        m = Module()
        row = self.write.payload
        new = {**values_of(row.record), **values_of(row.secrets), "spi": row.record.key.spi,
               "present": row.record.valid}
        layouts = row_layouts(self.lanes, self.direction, self.ipv6)
        state = self._keep(m, "state", self.write.valid, new)
        secret = self._keep(m, "secret", self.write.valid & row.secret, new)
        secrets = {**values_of(self.secrets.row), **values_of(self.secrets.row.secrets)}
        m.d.comb += [secrets[field].eq(secret.data[field]) for field in layouts["secret"].members]
        m.d.comb += [
            state.addr.eq(self.i.payload.sa),
            secret.addr.eq(self.secrets.sa),
            secret.en.eq(self.secrets.read),
        ]
        self._answer(m, state.stored, layouts["state"])
        self._check_secrets(m, wrong_groups(secret.stored, layouts["secret"].size))
        self._keep_record(m, layouts["record"])
        return m

    def _keep(
        self, m: Module, name: str, enable: Value, new: Mapping[str, Value],
    ) -> wiring.PureInterface:
        """Make a memory that the datapath reads; return its read port."""
        layout = row_layouts(self.lanes, self.direction, self.ipv6)[name]
        m.submodules[name] = ram = ParityMemory(layout, self.sas)
        write = ram.write
        m.d.comb += [
            write.addr.eq(self.record_sa),
            write.en.eq(enable),
            *(write.data[field].eq(new[field]) for field in layout.members),
        ]
        return ram.reads[0]

    def _answer(self, m: Module, read: Value, layout: data.StructLayout) -> None:
        """Say whether the row that was ``read`` is the SA that was looked up, or wrong."""
        valid = Signal()
        asked = Signal(LookedUp)
        row = Signal(len(read))
        candidate = Signal()
        lost = Signal()
        sa = Signal(HANDLE_BITS)
        serial = Signal(SERIAL_BITS)
        m.d.sync += [
            valid.eq(self.i.valid),
            asked.eq(self.i.payload),
            asked.hit.eq(self.i.payload.hit & self.swept),
            asked.fault.eq(self.i.payload.fault & self.swept),
            row.eq(read),
            self.o.valid.eq(valid),
            candidate.eq(asked.hit),
            lost.eq(asked.fault),
            sa.eq(asked.sa),
            serial.eq(asked.serial),
        ]
        hit = Signal()
        wrong = Signal()
        context, kept = self.o.payload.context, data.View(layout, row[:layout.size])
        m.d.comb += [
            wrong.eq(is_wrong(row, layout.size)),
            *(context[field].eq(kept[field]) for field in layout.members),
        ]
        same = serial == context.serial if self.direction == SaDirection.RX else Const(1)
        m.d.comb += [
            hit.eq(candidate & context.valid & same),
            self.o.payload.hit.eq(hit & ~wrong),
            self.o.payload.fault.eq(lost | candidate & wrong | hit & self.stopped),
            self.o.payload.sa.eq(Mux(hit, sa, 0)),
            self.faults[SaMemory.STATE].valid.eq(self.o.valid & candidate & wrong),
            self.faults[SaMemory.STATE].payload.eq(sa),
        ]

    def _check_secrets(self, m: Module, groups: Value) -> None:
        """Tell a clock after a row of secrets that some of its ``groups`` are wrong."""
        fault = self.faults[SaMemory.SECRET]
        asked = Signal(HANDLE_BITS)
        at_output = Signal(HANDLE_BITS)
        wrong = Signal(len(groups))
        m.d.comb += self.secrets.wrong.eq(wrong.any())
        m.d.sync += [
            wrong.eq(groups),
            asked.eq(Mux(self.secrets.read, self.secrets.sa, 0)),
            at_output.eq(asked),
        ]
        m.d.comb += [
            fault.valid.eq((at_output != 0) & self.secrets.wrong),
            fault.payload.eq(at_output),
        ]

    def _keep_record(self, m: Module, layout: data.StructLayout) -> None:
        """Make the memory that commands read."""
        m.submodules.records = ram = ParityMemory(layout, self.sas)
        write = ram.write
        look = ram.reads[0]
        record = Signal(layout)
        groups = wrong_groups(look.stored, layout.size)
        wrong = Signal(len(groups))
        m.d.sync += [record.eq(look.data), wrong.eq(groups)]
        m.d.comb += [
            self.record_wrong.eq(wrong.any()),
            look.addr.eq(self.record_sa),
            look.en.eq(self.record_read),
            write.addr.eq(self.record_sa),
            write.en.eq(self.write.valid),
        ]
        for source, target in ((self.write.payload.record, write.data), (record, self.record)):
            m.d.comb += [
                *(target[name].eq(source[name]) for name in Record.members if name != "key"),
                *(target.key[name].eq(source.key[name])
                  for name in lookup_key(self.ipv6).members),
            ]
