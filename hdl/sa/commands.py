"""Executes SA commands."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.gcm.hash_subkey import HashSubkey
from espnic.hdl.layouts import HANDLE_BITS, IN_FLIGHT_BITS, LookupKey, SaCommand, SaResponse
from espnic.hdl.sa.contexts import Record, row_write
from espnic.hdl.sa.lookup_control import LookupOperation, LookupReply, LookupRequest
from espnic.hdl.sa.replay_windows import SEQUENCE_BITS, WindowRead, WindowWrite
from espnic.hdl.sa.usage import Limits, Usage, UsageWrite
from espnic.model.interface.codes import (
    IcvSize,
    KeySize,
    ReplayWindow,
    SaDirection,
    SaOperation,
    SaResult,
    SaSelect,
)
from espnic.model.interface.features import Features

FENCE_CLOCKS = 4096
"""How long FREE and FLUSH wait for the frames in flight."""

_ATTRIBUTES = ("key_size", "icv_size", "esn", "esn_overlap", "replay_window", "esn_high")
_COUNTS = ("packets", "bytes")
_IPV4_BITS = 32
_LOW_BITS = 32
"""Of a sequence number without ESN."""


class SaCommands(wiring.Component):
    """Changes the SA table, one command at a time, in order.

    The order of the steps is what keeps packets right:

    - ADD checks, computes the powers of the hash subkey, sets the limits and the usage to zero,
      writes the whole context in one clock, makes the replay window, and only then inserts the
      look-up entry (receive).
    - DELETE removes the look-up entry (receive), then marks the context as not valid. From then
      on no packet finds the SA; those that found it are still processed with it.
    - FREE waits until all frames that were in the path when it began have been judged, at most
      ``FENCE_CLOCKS``, and overwrites the context, keys and all, with zeros.
    - MODIFY rewrites the state part of a receive context in one clock, and the limits in one.
    - FLUSH lets all look-ups miss at once, overwrites every context of both directions with
      zeros, one a clock, clears the look-up table, and waits like FREE for the frames of both
      paths. When they take longer it ends with EBUSY: all is erased, but an ADD is EBUSY too
      until a FLUSH has seen the last of them.

    After reset the contexts are overwritten as by FLUSH while commands wait. The command
    register is cleared when its command ends, so no key stays in it.

    Results are those of ``SaResult``, the first that applies:

    - EINVAL: handle 0 or out of range, but for FLUSH; unknown operation; ADD with an unknown
      key, ICV or window size, SPI 0, an IPv4 destination above 32 bits or a replay window that
      leaves no sequence number; MODIFY of nothing, or of the ESN of a transmit SA.
    - EBUSY: ADD behind a FLUSH that was EBUSY. EOPNOTSUPP: ADD of a receive SA with a larger
      window than the build's.
    - EEXIST: ADD to a handle that is taken. ENOENT: another operation on one that is not, and
      DELETE and MODIFY of an SA that is deleted. EBUSY: FREE of one that is not.
    - EINVAL: MODIFY of the ESN of an SA without ESN or with a replay window.
    - EEXIST: ADD of a receive SA with the look-up key of another. ENOSPC: no place for it; all
      SAs stay as they are (``SaLookup``: how rare that is).

    Clocks from a command to its response: 3 for refusals of the command or the handle, 4 for
    DELETE and MODIFY of the ESN, 5 for FREE, 6 for READ and MODIFY of limits, 7 for MODIFY of
    both, 4 and the latency of ``HashSubkey`` for ADD, ``1.5 * sas + 6`` for FLUSH; an ADD or DELETE
    of a receive SA takes ``169 + hash_bits(sas)`` more, an ADD with a replay window as many as
    that has rows (``ReplayState``). Packets for which ``SaUsage`` waits a clock or that leave
    none for ``ReplayState`` to write, and those that FREE and FLUSH wait for, make it longer.
    One right behind an ADD may wait for the end of its moves in the look-up table
    (``LookupControl``: how long).

    Parameters
    ----------
    features : Features
        The build. It gives the tables their size, and says which SAs are EOPNOTSUPP.

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
        No sweep of the look-up table is under way.
    swept : Out(1)
        No sweep is under way, nor about to be.
    sa : Out(range(sas))
        Row of the contexts to read or write, of either direction.
    records : In(data.ArrayLayout(Record, 2))
        The records at the ``sa`` of the clock before, by ``SaDirection``.
    write : Out(2)
        Write the row to the contexts of a direction, by ``SaDirection``.
    row : Out(row_write(lanes))
        What to write.
    usage_write : Out(stream.Signature(UsageWrite)).array(2)
    usage_read : Out(stream.Signature(HANDLE_BITS)).array(2)
    usage : In(stream.Signature(Usage, always_ready=True)).array(2)
        To and from the ``SaUsage`` of a direction, by ``SaDirection``.
    window_write : Out(stream.Signature(WindowWrite))
        Makes a replay window.
    window_read : Out(WindowRead)
    window_top : In(64)
        The highest sequence number of the window of the clock before.
    in_flight : In(data.ArrayLayout(IN_FLIGHT_BITS, 2))
        Frames in the path of a direction that may have looked an SA up, by ``SaDirection``.
    judged : In(2)
        One of them has been judged, and its SA is not needed any more.
    rx_empty : Out(1)
        The receive table has no SA.
    """

    def __init__(self, features: Features):
        self.features = features
        self.lanes = lanes = features.width // 128
        self.sas = sas = features.sas
        self.window_max = max(
            size for size in ReplayWindow if size.packets <= features.replay_window)
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
            "usage_write": Out(stream.Signature(UsageWrite)).array(len(SaDirection)),
            "usage_read": Out(stream.Signature(HANDLE_BITS)).array(len(SaDirection)),
            "usage": In(stream.Signature(Usage, always_ready=True)).array(len(SaDirection)),
            "window_write": Out(stream.Signature(WindowWrite)),
            "window_read": Out(WindowRead),
            "window_top": In(SEQUENCE_BITS),
            "in_flight": In(data.ArrayLayout(IN_FLIGHT_BITS, len(SaDirection))),
            "judged": In(len(SaDirection)),
            "rx_empty": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.hash_subkey = hash_subkey = HashSubkey(self.lanes)
        command = Signal(SaCommand)
        record = Signal(Record)
        result = Signal(SaResult)
        read_back = Signal()
        serial = Signal.like(record.serial)
        receive_sas = Signal(range(self.sas))
        sweep = Signal(range(self.sas))
        usage = Signal(Usage)
        top = Signal(SEQUENCE_BITS)
        stale = Signal()
        receive = command.direction == SaDirection.RX

        windowed = record.replay_window != ReplayWindow.NONE
        m.d.comb += [
            self.window_write.payload.sa.eq(command.sa),
            self.window_write.payload.window.eq(command.replay_window),
            self.window_write.payload.sequence.eq(command.sequence),
            self.window_read.sa.eq(command.sa),
            self.window_read.window.eq(record.replay_window),
            record.eq(self.records[command.direction]),
            self.rx_empty.eq(receive_sas == 0),
            self.response.payload.eq(0),
            hash_subkey.i.payload.key.eq(command.key),
            hash_subkey.i.payload.key_size.eq(command.key_size),
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

        fenced, reads, writes = Signal(), Signal(), Signal()
        passed, too_late = self._fence(m, command, fenced)
        fresh = command.operation == SaOperation.ADD
        read, written = self._usage(m, command, fresh, reads, writes)

        with m.FSM() as fsm:
            m.d.comb += [
                self.sa.eq(Mux(fsm.ongoing("Sweep"), sweep, command.sa)),
                self.swept.eq(
                    ~fsm.ongoing("Sweep") & ~fsm.ongoing("Clear") & self.lookup_swept),
            ]
            with m.State("Sweep"):
                m.d.comb += [self.write.eq(~0), self.row.secret.eq(1)]
                m.d.sync += sweep.eq(sweep + 1)
                with m.If(sweep == self.sas - 1):
                    m.next = "Idle"
                    with m.If(command.operation == SaOperation.FLUSH):
                        m.next = "Clear"
            with m.State("Idle"):
                m.d.comb += self.command.ready.eq(1)
                with m.If(self.command.valid):
                    m.d.sync += command.eq(self.command.payload)
                    m.next = "Fetch"
            with m.State("Fetch"):
                m.next = "Check"
            with m.State("Check"):
                self._check(m, command, record, stale, end)
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
                m.d.comb += hash_subkey.i.valid.eq(1)
                with m.If(hash_subkey.i.ready):
                    m.next = "Limits"
            with m.State("Limits"):
                m.d.comb += writes.eq(1)
                with m.If(written):
                    end(SaResult.OK)
                    with m.If(fresh):
                        m.next = "Write"
            with m.State("Write"):
                m.d.comb += hash_subkey.o.ready.eq(1)
                with m.If(hash_subkey.o.valid):
                    write_row(
                        self.row.secret.eq(1),
                        self.row.record.valid.eq(1),
                        self.row.record.taken.eq(1),
                        self.row.record.serial.eq(serial),
                        *(self.row.record[name].eq(command[name]) for name in _ATTRIBUTES),
                        *(self.row.record.key[name].eq(command[name])
                          for name in LookupKey.members),
                        *(self.row.secrets[name].eq(command[name])
                          for name in ("salt", "seqiv_salt", "key")),
                        self.row.secrets.powers.eq(hash_subkey.o.payload),
                    )
                    end(SaResult.OK)
                    with m.If(receive):
                        m.next = "Insert"
                        with m.If(command.replay_window != ReplayWindow.NONE):
                            m.next = "Make window"
            with m.State("Make window"):
                m.d.comb += self.window_write.valid.eq(1)
                with m.If(self.window_write.ready):
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
                    m.next = "Retire"
            with m.State("Retire"):
                write_row(self.row.record.eq(record), self.row.record.valid.eq(0))
                end(SaResult.OK)
            with m.State("Clear"):
                m.d.comb += self.request.payload.operation.eq(LookupOperation.CLEAR)
                self._request(m)
                with m.If(self.reply.valid):
                    m.d.sync += receive_sas.eq(0)
                    m.next = "Fence"
            with m.State("Fence"):
                flush = command.operation == SaOperation.FLUSH
                m.d.comb += fenced.eq(1)
                with m.If(passed):
                    end(SaResult.OK)
                    m.d.sync += stale.eq(stale & ~flush)
                    with m.If(~flush):
                        m.next = "Erase"
                with m.Elif(too_late):
                    end(SaResult.EBUSY)
                    m.d.sync += stale.eq(stale | flush)
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
                with m.If(command.select & (SaSelect.SOFT | SaSelect.HARD)):
                    m.next = "Limits"
            with m.State("Read"):
                m.d.comb += reads.eq(1)
                with m.If(read):
                    m.d.sync += [
                        usage.eq(Mux(receive, *(port.payload.as_value() for port in self.usage))),
                        read_back.eq(1),
                    ]
                    end(SaResult.OK)
                    with m.If(receive & windowed):
                        m.d.sync += top.eq(self.window_top)
            with m.State("Respond"):
                m.d.comb += [self.response.valid.eq(1), self.response.payload.result.eq(result)]
                with m.If(read_back):
                    m.d.comb += [
                        self.response.payload.sequence.eq(top),
                        *(self.response.payload[name].eq(record[name]) for name in _ATTRIBUTES),
                        *(self.response.payload[name].eq(record.key[name])
                          for name in LookupKey.members),
                        *(self.response.payload[name].eq(usage.limits[name])
                          for name in Limits.members),
                        *(self.response.payload[name].eq(usage.served[name]) for name in _COUNTS),
                    ]
                with m.If(self.response.ready):
                    m.d.sync += [
                        command.eq(0), read_back.eq(0), top.eq(0), serial.eq(serial + 1)]
                    m.next = "Idle"
        return m

    def _invalid(self, command: data.View) -> Value:
        """Whether the command is wrong in itself, whatever the table holds."""
        low, high = command.sequence[:_LOW_BITS], command.sequence[_LOW_BITS:]
        used_up = Mux(command.esn, low.all() & high.all(), low.all() | high.any())
        no_sa = (
            (command.key_size > max(KeySize)) | (command.icv_size > max(IcvSize))
            | (command.replay_window > max(ReplayWindow))
            | (command.spi == 0) | ~command.ipv6 & command.destination[_IPV4_BITS:].any()
            | (command.replay_window != ReplayWindow.NONE) & used_up
        )
        no_change = (command.select == SaSelect.NOTHING) | (
            (command.direction == SaDirection.TX) & (command.select & SaSelect.ESN).any())
        return (
            (command.operation < min(SaOperation)) | (command.operation > max(SaOperation))
            | (command.operation != SaOperation.FLUSH) & (
                (command.sa == 0) | (command.sa >= self.sas))
            | (command.operation == SaOperation.ADD) & no_sa
            | (command.operation == SaOperation.MODIFY) & no_change
        )

    def _unsupported(self, command: data.View) -> Value:
        """Whether an SA needs a part that the build has not."""
        receive = command.direction == SaDirection.RX
        lacks = Mux(receive, not self.features.receive, not self.features.transmit)
        if not self.features.ipv6:
            lacks |= command.ipv6
        return lacks | receive & (command.replay_window > self.window_max)

    def _check(
        self, m: Module, command: data.View, record: data.View, stale: Value, end,
    ) -> None:
        """Refuse the command or go to its first step."""
        receive = command.direction == SaDirection.RX
        with m.If(self._invalid(command)):
            end(SaResult.EINVAL)
        with m.Elif(command.operation == SaOperation.FLUSH):
            m.next = "Sweep"
        with m.Elif(command.operation == SaOperation.ADD):
            m.next = "Hash"
            with m.If(stale):
                end(SaResult.EBUSY)
            with m.Elif(self._unsupported(command)):
                end(SaResult.EOPNOTSUPP)
            with m.Elif(record.taken):
                end(SaResult.EEXIST)
            with m.Elif(receive):
                m.next = "Find"
        with m.Elif(~record.taken):
            end(SaResult.ENOENT)
        with m.Elif(command.operation == SaOperation.READ):
            m.next = "Read"
        with m.Elif(command.operation == SaOperation.FREE):
            m.next = "Fence"
            with m.If(record.valid):
                end(SaResult.EBUSY)
        with m.Elif(~record.valid):
            end(SaResult.ENOENT)
        with m.Elif(command.operation == SaOperation.DELETE):
            m.next = "Retire"
            with m.If(receive):
                m.next = "Find"
        with m.Elif((command.select & SaSelect.ESN).any()):
            m.next = "Modify"
            with m.If(~record.esn | (record.replay_window != ReplayWindow.NONE)):
                end(SaResult.EINVAL)
        with m.Else():
            m.next = "Limits"

    def _usage(
        self, m: Module, command: data.View, fresh: Value, reads: Value, writes: Value,
    ) -> tuple[Value, Value]:
        """Read or write the usage of the command's SA; whether it has been."""
        select = command.select
        asked, read, written = Signal(), Signal(), Signal()
        m.d.sync += asked.eq(reads & (asked | Cat(
            port.valid & port.ready for port in self.usage_read).any()))
        for direction in SaDirection:
            mine = command.direction == direction
            write, change = self.usage_write[direction], self.usage_write[direction].payload
            m.d.comb += [
                self.usage_read[direction].valid.eq(reads & mine & ~asked),
                self.usage_read[direction].payload.eq(command.sa),
                write.valid.eq(writes & mine),
                change.sa.eq(command.sa),
                change.fresh.eq(fresh),
                change.soft.eq(fresh | (select & SaSelect.SOFT).any()),
                change.hard.eq(fresh | (select & SaSelect.HARD).any()),
                *(change.limits[name].eq(command[name]) for name in Limits.members),
            ]
        m.d.comb += [
            read.eq(asked & Cat(port.valid for port in self.usage).any()),
            written.eq(Cat(port.valid & port.ready for port in self.usage_write).any()),
        ]
        return read, written

    def _fence(
        self, m: Module, command: data.View, fenced: Value,
    ) -> tuple[Value, Value]:
        """Count down the frames that were in flight before ``fenced``.

        Whether all have been judged that the command waits for, and whether it has waited long.
        """
        left = Signal(data.ArrayLayout(IN_FLIGHT_BITS, len(SaDirection)))
        patience = Signal(range(FENCE_CLOCKS))
        waited_for = []
        for direction in SaDirection:
            judged = self.judged[direction]
            with m.If(~fenced):
                m.d.sync += left[direction].eq(self.in_flight[direction] - judged)
            with m.Elif(left[direction] != 0):
                m.d.sync += left[direction].eq(left[direction] - judged)
            waited_for.append((left[direction] != 0) & (
                (command.direction == direction) | (command.operation == SaOperation.FLUSH)))
        m.d.sync += patience.eq(Mux(fenced, patience - 1, FENCE_CLOCKS - 1))
        return ~Cat(waited_for).any(), patience == 0

    def _request(self, m: Module) -> None:
        m.d.comb += [self.request.valid.eq(1), self.reply.ready.eq(1)]
