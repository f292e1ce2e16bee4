"""Executes SA commands."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.hash_key import HashKey
from hdl.layouts import LookupKey, SaCommand, SaResponse
from hdl.lookup_control import LookupOperation, LookupReply, LookupRequest
from hdl.sa_contexts import Record, row_write
from model.codes import IcvSize, KeySize, SaDirection, SaOperation, SaResult

_ATTRIBUTES = ("key_size", "icv_size", "esn", "esn_overlap", "esn_high")
_IPV4_BITS = 32


class SaCommands(wiring.Component):
    """Changes the SA table, one command at a time, in order.

    The order of the steps is what keeps packets right:

    - ADD checks, computes the powers of the hash key, writes the whole context in one clock,
      and only then inserts the look-up entry (receive).
    - DELETE removes the look-up entry, then overwrites the context, keys and all, with zeros.
    - MODIFY rewrites the state part of a receive context, in one clock.

    After reset every row of both directions is overwritten with zeros, one a clock, while
    commands wait. The command register is cleared when its command ends, so no key stays in
    it.

    Results are those of ``SaResult``, the first that applies:

    - EINVAL: handle 0 or out of range; unknown operation; ADD with an unknown key or ICV size,
      SPI 0 or an IPv4 destination above 32 bits; MODIFY of a transmit SA.
    - EEXIST: ADD to a handle in use. ENOENT: another operation on one that is not.
    - EINVAL: MODIFY of an SA without ESN.
    - EEXIST: ADD of a receive SA with the look-up key of another. ENOSPC: no place for it; all
      SAs stay as they are (``SaLookup``: how rare that is).

    Clocks from a command to its response: 3 for READ and refusals of the command or the handle,
    4 for MODIFY and DELETE, 4 and the latency of ``HashKey`` for ADD; an ADD or DELETE of a
    receive SA takes ``169 + hash_bits(sas)`` more. One right behind an ADD may wait for the
    end of its moves in the look-up table (``LookupControl``: how long).

    Parameters
    ----------
    lanes : int
        AES lanes of the datapath.
    sas : int
        Size of the SA table of each direction.

    Members
    -------
    command : In(stream.Signature(SaCommand))
        Commands.
    response : Out(stream.Signature(SaResponse))
        One for each command, when it has taken effect; all but ``result`` 0 unless the
        command was a good READ.
    request : Out(stream.Signature(LookupRequest))
        To the look-up table.
    reply : In(stream.Signature(LookupReply))
        Its answers.
    lookup_swept : In(1)
        The look-up table has ended its sweep.
    swept : Out(1)
        All sweeps are over.
    sa : Out(range(sas))
        Row of the contexts to read or write, of either direction.
    records : In(data.ArrayLayout(Record, 2))
        The records at the ``sa`` of the clock before, by ``SaDirection``.
    write : Out(2)
        Write the row to the contexts of a direction, by ``SaDirection``.
    row : Out(row_write(lanes))
        What to write.
    rx_empty : Out(1)
        The receive table has no SA.
    """

    def __init__(self, lanes: int, sas: int):
        self.lanes = lanes
        self.sas = sas
        super().__init__({
            "command": In(stream.Signature(SaCommand)),
            "response": Out(stream.Signature(SaResponse)),
            "request": Out(stream.Signature(LookupRequest)),
            "reply": In(stream.Signature(LookupReply)),
            "lookup_swept": In(1),
            "swept": Out(1),
            "sa": Out(range(sas)),
            "records": In(data.ArrayLayout(Record, len(SaDirection))),
            "write": Out(len(SaDirection)),
            "row": Out(row_write(lanes)),
            "rx_empty": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.hash_key = hash_key = HashKey(self.lanes)
        command = Signal(SaCommand)
        record = Signal(Record)
        result = Signal(SaResult)
        read_back = Signal()
        serial = Signal.like(record.serial)
        receive_sas = Signal(range(self.sas))
        sweep = Signal(range(self.sas))
        receive = command.direction == SaDirection.RX

        m.d.comb += [
            record.eq(self.records[command.direction]),
            self.rx_empty.eq(receive_sas == 0),
            self.response.payload.eq(0),
            hash_key.i.payload.key.eq(command.key),
            hash_key.i.payload.key_size.eq(command.key_size),
            self.request.payload.sa.eq(command.sa),
            self.request.payload.serial.eq(serial),
        ]
        for name in LookupKey.members:
            m.d.comb += self.request.payload.key[name].eq(
                Mux(command.operation == SaOperation.ADD, command[name], record.key[name]))

        def end(code: SaResult) -> None:
            m.d.sync += result.eq(code)
            m.next = "Respond"

        def write_row(*contents) -> None:
            m.d.comb += [self.write.bit_select(command.direction, 1).eq(1), *contents]

        with m.FSM() as fsm:
            m.d.comb += [
                self.sa.eq(Mux(fsm.ongoing("Sweep"), sweep, command.sa)),
                self.swept.eq(~fsm.ongoing("Sweep") & self.lookup_swept),
            ]
            with m.State("Sweep"):
                m.d.comb += [self.write.eq(~0), self.row.secret.eq(1)]
                m.d.sync += sweep.eq(sweep + 1)
                with m.If(sweep == self.sas - 1):
                    m.next = "Idle"
            with m.State("Idle"):
                m.d.comb += self.command.ready.eq(1)
                with m.If(self.command.valid):
                    m.d.sync += command.eq(self.command.payload)
                    m.next = "Fetch"
            with m.State("Fetch"):
                m.next = "Check"
            with m.State("Check"):
                self._check(m, command, record, end)
                m.d.sync += read_back.eq(
                    (command.operation == SaOperation.READ) & ~self._invalid(command)
                    & record.valid)
            with m.State("Find"):
                m.d.comb += self.request.payload.operation.eq(LookupOperation.FIND)
                self._request(m)
                with m.If(self.reply.valid):
                    with m.If(command.operation == SaOperation.DELETE):
                        m.next = "Remove"
                    with m.Elif(self.reply.payload.found):
                        end(SaResult.EEXIST)
                    with m.Elif(self.reply.payload.full):
                        end(SaResult.ENOSPC)
                    with m.Else():
                        m.next = "Hash"
            with m.State("Hash"):
                m.d.comb += hash_key.i.valid.eq(1)
                with m.If(hash_key.i.ready):
                    m.next = "Write"
            with m.State("Write"):
                m.d.comb += hash_key.o.ready.eq(1)
                with m.If(hash_key.o.valid):
                    write_row(
                        self.row.secret.eq(1),
                        self.row.record.valid.eq(1),
                        self.row.record.serial.eq(serial),
                        *(self.row.record[name].eq(command[name]) for name in _ATTRIBUTES),
                        *(self.row.record.key[name].eq(command[name])
                          for name in LookupKey.members),
                        *(self.row.secrets[name].eq(command[name])
                          for name in ("salt", "seqiv_salt", "key")),
                        self.row.secrets.powers.eq(hash_key.o.payload),
                    )
                    end(SaResult.OK)
                    with m.If(receive):
                        m.next = "Insert"
            with m.State("Insert"):
                m.d.comb += self.request.payload.operation.eq(LookupOperation.INSERT)
                self._request(m)
                with m.If(self.reply.valid):
                    m.d.sync += receive_sas.eq(receive_sas + 1)
                    m.next = "Respond"
            with m.State("Remove"):
                m.d.comb += self.request.payload.operation.eq(LookupOperation.REMOVE)
                self._request(m)
                with m.If(self.reply.valid):
                    m.d.sync += receive_sas.eq(receive_sas - 1)
                    m.next = "Erase"
            with m.State("Erase"):
                write_row(self.row.secret.eq(1))
                end(SaResult.OK)
            with m.State("Modify"):
                write_row(
                    self.row.record.eq(record),
                    self.row.record.esn_overlap.eq(command.esn_overlap),
                    self.row.record.esn_high.eq(command.esn_high),
                )
                end(SaResult.OK)
            with m.State("Respond"):
                m.d.comb += [self.response.valid.eq(1), self.response.payload.result.eq(result)]
                with m.If(read_back):
                    m.d.comb += [
                        *(self.response.payload[name].eq(record[name]) for name in _ATTRIBUTES),
                        *(self.response.payload[name].eq(record.key[name])
                          for name in LookupKey.members),
                    ]
                with m.If(self.response.ready):
                    m.d.sync += [command.eq(0), read_back.eq(0), serial.eq(serial + 1)]
                    m.next = "Idle"
        return m

    def _invalid(self, command: data.View) -> Value:
        """Whether the command is wrong in itself, whatever the table holds."""
        no_sa = (
            (command.key_size > max(KeySize)) | (command.icv_size > max(IcvSize))
            | (command.spi == 0) | ~command.ipv6 & command.destination[_IPV4_BITS:].any()
        )
        return (
            (command.sa == 0) | (command.sa >= self.sas)
            | (command.operation < min(SaOperation)) | (command.operation > max(SaOperation))
            | (command.operation == SaOperation.ADD) & no_sa
            | (command.operation == SaOperation.MODIFY) & (command.direction == SaDirection.TX)
        )

    def _check(self, m: Module, command: data.View, record: data.View, end) -> None:
        """Refuse the command or go to its first step."""
        receive = command.direction == SaDirection.RX
        with m.If(self._invalid(command)):
            end(SaResult.EINVAL)
        with m.Elif(command.operation == SaOperation.ADD):
            m.next = "Hash"
            with m.If(record.valid):
                end(SaResult.EEXIST)
            with m.Elif(receive):
                m.next = "Find"
        with m.Elif(~record.valid):
            end(SaResult.ENOENT)
        with m.Elif(command.operation == SaOperation.DELETE):
            m.next = "Erase"
            with m.If(receive):
                m.next = "Find"
        with m.Elif(command.operation == SaOperation.MODIFY):
            m.next = "Modify"
            with m.If(~record.esn):
                end(SaResult.EINVAL)
        with m.Else():
            end(SaResult.OK)

    def _request(self, m: Module) -> None:
        m.d.comb += [self.request.valid.eq(1), self.reply.ready.eq(1)]
