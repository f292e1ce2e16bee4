"""Execution of SA commands."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.gcm.hash_subkey import HashSubkey, subkey_clocks
from espnic.hdl.gcm.self_test import SelfTestPort, answer_clocks
from espnic.hdl.layouts import (
    HANDLE_BITS,
    IN_FLIGHT_BITS,
    IPV4_BITS,
    Event,
    LookupKey,
    SaCommand,
    SaResponse,
    lanes_of,
)
from espnic.hdl.sa.contexts import ATTRIBUTES, Record, row_write
from espnic.hdl.sa.fault_report import FaultPort
from espnic.hdl.sa.lookup_control import LookupOperation, LookupReply, LookupRequest
from espnic.hdl.sa.replay_windows import (
    LOW_BITS,
    SEQUENCE_BITS,
    WindowEnd,
    WindowRead,
    WindowWrite,
)
from espnic.hdl.sa.sent_numbers import SentTop, SentWrite
from espnic.hdl.sa.usage import Limits, UsageRead, UsageWrite
from espnic.model.interface.codes import (
    SELECT_MAX,
    EventKind,
    IcvSize,
    KeySize,
    ReplayWindow,
    SaDirection,
    SaOperation,
    SaResult,
    SaSelect,
)
from espnic.model.interface.features import Features
from espnic.model.interface.known_answers import KNOWN_ANSWERS

FENCE_CLOCKS = 16384
"""Clocks that FREE and FLUSH wait at most for the frames in flight, and a self-test for the powers
of the hash subkey."""

_STEP_CLOCKS = 7
"""Clocks of a known answer beside the powers of its key and ``answer_clocks``."""

_COUNTS = ("packets", "bytes")
_SECRETS = ("salt", "seqiv_salt", "key")


def self_test_clocks(lanes: int, fold: int = 1) -> int:
    """Clocks of a self-test that finds both paths still."""
    return sum(subkey_clocks(lanes, answer.key_size) + answer_clocks(fold) + _STEP_CLOCKS
               for answer in KNOWN_ANSWERS)


def reset_clocks(features: Features) -> int:
    """Clocks from the end of reset until the first command is taken, if no frame comes before."""
    return features.sas + self_test_clocks(lanes_of(features.width), features.fold)


class _Execution:
    """The command that is executed, and the signals that its steps share."""

    def __init__(self, sas: int):
        self.command = Signal(SaCommand)
        self.receive = self.command.direction == SaDirection.RX
        self.record = Signal(Record)
        """The command's row of the contexts."""
        self.wrong = Signal()
        """The row is not what was written."""
        self.invalid = Signal()
        """The command is wrong in itself."""
        self.unsupported = Signal()
        """The build lacks a part that the SA needs."""
        self.result = Signal(SaResult)
        self.read_back = Signal()
        """The response shows the SA."""
        self.usage = Signal(UsageRead)
        self.top = Signal(SEQUENCE_BITS)
        """Highest sequence number of the SA's replay window, or the highest that it has sealed."""

        self.serial = Signal.like(self.record.serial)
        """Tells the SA of an ADD from the last one with its handle."""
        self.receive_sas = Signal(range(sas))
        """Entries of the look-up table."""
        self.sweep = Signal(range(sas))
        """Row that is swept."""
        self.stale = Signal()
        """The last FLUSH has not seen the last frames in flight."""

        self.fenced = Signal()
        """The command waits for the frames in flight."""
        self.waits = Signal()
        """The self-test waits for the powers of the hash subkey."""
        self.passed = Signal()
        """They have all been judged."""
        self.too_late = Signal()
        """The command, or the self-test, has waited for ``FENCE_CLOCKS``."""
        self.reads = Signal()
        """The command reads the usage of its SA."""
        self.read = Signal()
        """The usage is there."""
        self.writes = Signal()
        """The command sets limits of its SA."""
        self.written = Signal()
        """The limits are set."""

        self.tested = Signal()
        """The self-test after reset has ended."""
        self.answer = Signal(range(len(KNOWN_ANSWERS)))
        """Known answer that is asked for."""
        self.asked = Signal(len(SaDirection))
        """The directions that have not answered yet."""
        self.mistaken = Signal(len(SaDirection))
        """Those that have given a wrong answer in this self-test."""
        self.tells = Signal(len(SaDirection))
        """Those whose failure is to be told."""


class SaCommands(wiring.Component):
    """Changes the SA table, one command at a time, in order.

    The order of the steps keeps packets right:

    - ADD checks the command, computes the powers of the hash subkey, sets the limits and clears
      the usage, begins the record of sealed numbers (transmit), writes the whole context in one
      clock, makes the replay window, and only then inserts the look-up entry (receive).
    - DELETE removes the look-up entry (receive), then marks the context as not valid. From then
      on no packet finds the SA; packets that found it before are still processed with it.
    - FREE waits until all frames that were in the path when it began need their SA no more, at
      most ``FENCE_CLOCKS``, and overwrites the context with zeros, keys included. If the frames
      take longer it ends with EBUSY and erases nothing.
    - MODIFY rewrites the state part of a receive context in one clock, and the limits in one.
    - FLUSH makes all look-ups miss at once, overwrites every context of both directions with
      zeros, one per clock, clears the look-up table, and waits like FREE for the frames of both
      paths. If the frames take longer it ends with EBUSY: all is erased, but every ADD is EBUSY
      too until a FLUSH has seen the last of them.

    After reset the contexts are overwritten as by FLUSH while commands wait. The command
    register is cleared when its command ends, so no key stays in it.

    Then, and when ``self_test`` asks for it between two commands, the ciphers are tested: for each
    of ``KNOWN_ANSWERS`` its key is expanded as that of an ADD, its secrets are written to row 0 of
    both directions, which is of no SA and stays not ``present``, both paths ask their core
    (``SelfTest``), and row 0 is overwritten with zeros. Commands wait meanwhile. A direction that
    has given a wrong answer, or got no powers within ``FENCE_CLOCKS``, has ``failed`` until all
    answers of a later test are right; each failed test tells one event for it. All this takes
    ``self_test_clocks``, and as long as the paths wait until they are still.

    Results are those of ``SaResult``. The first that applies is given:

    - EINVAL: a reserved bit, or an unknown one of ``select``, that is not 0; handle 0 or out of
      range, except for FLUSH; unknown operation; ADD with an unknown key, ICV or window size, SPI
      0, an IPv4 destination above 32 bits, or for transmit or with a replay window a sequence
      number that leaves none; MODIFY of nothing, or of the ESN of a transmit SA.
    - EIO: the record of the SA is wrong, or a wrong row hides whether its key is in the look-up
      table. Nothing changes. Only FLUSH and a reset help, which write all rows anew: nobody knows
      what the SA was, so not even FREE may erase it.
    - EBUSY: ADD after a FLUSH that was EBUSY. EOPNOTSUPP: ADD of an SA that needs a part that
      the build lacks: a direction, IPv6, or a receive window larger than the build's.
    - EIO: ADD to a direction whose cipher has failed its self-test.
    - EEXIST: ADD to a handle that is taken. ENOENT: another operation on a handle that is not
      taken, and DELETE and MODIFY of an SA that is deleted. EBUSY: FREE of an SA that is not
      deleted.
    - EINVAL: MODIFY of the ESN of an SA without ESN or with a replay window.
    - EIO: READ of an SA with a wrong row of its lifetime, of its replay window's edge, or of its
      sealed numbers' top; MODIFY of limits of an SA with a wrong row of its lifetime. The limits
      stay as they are; the ESN of such a MODIFY is changed.
    - EEXIST: ADD of a receive SA with the look-up key of another. ENOSPC: no place for its
      look-up entry; all SAs stay as they are (``SaLookup`` says how rare that is).

    Clocks from a command to its response: 4 for refusals of the command or the handle, 5 for
    DELETE and MODIFY of the ESN, 6 for FREE, 8 for READ of a receive SA, 9 for MODIFY of limits,
    10 for MODIFY of both and for READ of a transmit SA, 5 and the latency of ``HashSubkey`` for
    ADD, ``1.5 * sas + 7`` for FLUSH. An ADD or DELETE of a receive SA takes
    ``170 + hash_bits(sas)`` more; an ADD with a replay window takes one more, and one for each row
    of the window (``ReplayState``). It takes longer if packets make ``SaUsage`` wait or leave
    ``ReplayState`` or ``SentNumbers`` none, and while FREE and FLUSH wait for frames. A command
    directly after an ADD may wait until the moves of that ADD in the
    look-up table have ended (``LookupControl`` says how long).

    Parameters
    ----------
    features : Features
        The build. It gives the tables their size, and says which SAs are EOPNOTSUPP.

    Members
    -------
    command : In(stream.Signature(SaCommand))
        Commands.
    response : Out(stream.Signature(SaResponse))
        One for each command, when it has taken effect. All but ``result`` is 0 unless the
        command was a READ that succeeded.
    request : Out(stream.Signature(LookupRequest))
        To the look-up table.
    reply : In(stream.Signature(LookupReply))
        Its answers.
    lookup_swept : In(1)
        No sweep of the look-up table is under way.
    swept : Out(1)
        No sweep is under way or about to begin.
    sa : Out(range(sas))
        Row of the contexts to read or write, of either direction.
    record_read : Out(1)
        Read the records at ``sa``.
    records : In(data.ArrayLayout(Record, 2))
        The records that were read last, from 2 clocks after, by ``SaDirection``.
    records_wrong : In(2)
        Which of them are not what was written.
    write : Out(2)
        Write the row to the contexts of a direction, by ``SaDirection``.
    row : Out(row_write(lanes))
        The row to write.
    usage_write : Out(stream.Signature(UsageWrite)).array(2)
    usage_read : Out(stream.Signature(HANDLE_BITS)).array(2)
    usage : In(stream.Signature(UsageRead, always_ready=True)).array(2)
        To and from the ``SaUsage`` of a direction, by ``SaDirection``.
    usage_refused : In(2)
        ``refused`` of the ``SaUsage`` of a direction, by ``SaDirection``.
    window_write : Out(stream.Signature(WindowWrite))
        Makes a replay window.
    window_read : Out(WindowRead)
        The replay window whose end is asked for.
    window_top : In(WindowEnd)
        The highest sequence number of the ``window_read`` of 2 clocks before.
    window_counts : Out(1)
        ``window_top`` is used in this clock.
    sent_write : Out(stream.Signature(SentWrite))
        Begins the record of the numbers that a transmit SA has sealed.
    sent_read : Out(stream.Signature(HANDLE_BITS))
    sent_top : In(stream.Signature(SentTop, always_ready=True))
        Asks for the highest of them, and gets it.
    in_flight : In(data.ArrayLayout(IN_FLIGHT_BITS, 2))
        Frames in the path of a direction that may have looked an SA up, by ``SaDirection``.
    judged : In(2)
        One of them has been judged and needs its SA no more, by ``SaDirection``.
    self_test : In(1)
        Test the ciphers: stays 1 until ``self_tested``.
    self_tested : Out(1)
        A test of the ciphers ends, asked for or not.
    self_testing : Out(1)
        A test runs, or is to run.
    ciphers : Out(SelfTestPort).array(2)
        To the paths of both directions.
    failed : Out(2)
        Directions whose cipher has failed.
    failure : Out(stream.Signature(Event, always_ready=True))
        SELF_TEST_FAILED.
    rx_empty : Out(1)
        The receive table has no SA.
    faults : Out(FaultPort).array(2)
        Wrong records that ended a command, by ``SaDirection``.
    """

    def __init__(self, features: Features):
        self.features = features
        self.lanes = lanes = lanes_of(features.width)
        self.sas = sas = features.sas
        self.directions = (
            features.receive << SaDirection.RX | features.transmit << SaDirection.TX)
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
            "record_read": Out(1),
            "records": In(data.ArrayLayout(Record, len(SaDirection))),
            "records_wrong": In(len(SaDirection)),
            "write": Out(len(SaDirection)),
            "row": Out(row_write(lanes)),
            "usage_write": Out(stream.Signature(UsageWrite)).array(len(SaDirection)),
            "usage_read": Out(stream.Signature(HANDLE_BITS)).array(len(SaDirection)),
            "usage": In(stream.Signature(UsageRead, always_ready=True)).array(len(SaDirection)),
            "usage_refused": In(len(SaDirection)),
            "window_write": Out(stream.Signature(WindowWrite)),
            "window_read": Out(WindowRead),
            "window_top": In(WindowEnd),
            "window_counts": Out(1),
            "sent_write": Out(stream.Signature(SentWrite)),
            "sent_read": Out(stream.Signature(HANDLE_BITS)),
            "sent_top": In(stream.Signature(SentTop, always_ready=True)),
            "in_flight": In(data.ArrayLayout(IN_FLIGHT_BITS, len(SaDirection))),
            "judged": In(len(SaDirection)),
            "rx_empty": Out(1),
            "faults": Out(FaultPort).array(len(SaDirection)),
            "self_test": In(1),
            "self_tested": Out(1),
            "self_testing": Out(1),
            "ciphers": Out(SelfTestPort).array(len(SaDirection)),
            "failed": Out(len(SaDirection)),
            "failure": Out(stream.Signature(Event, always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.hash_subkey = hash_subkey = HashSubkey(self.lanes)
        run = _Execution(self.sas)
        self._wire(m, run, hash_subkey)
        self._fence(m, run)
        self._use(m, run)
        self._tell(m, run)
        with m.FSM() as fsm:
            m.d.comb += [
                self.sa.eq(Mux(fsm.ongoing("Sweep"), run.sweep, run.command.sa)),
                self.swept.eq(
                    ~fsm.ongoing("Sweep") & ~fsm.ongoing("Clear") & self.lookup_swept
                    & run.tested),
            ]
            # Each declares its states; their order gives the states their codes.
            self._sweep(m, run)
            self._test(m, run, hash_subkey)
            self._take(m, run)
            self._find(m, run)
            self._prepare(m, run, hash_subkey)
            self._write_context(m, run, hash_subkey)
            self._insert(m, run)
            self._delete(m, run)
            self._erase(m, run)
            self._modify(m, run)
            self._read(m, run)
            self._respond(m, run)
        return m

    def _wire(self, m: Module, run: _Execution, hash_subkey: HashSubkey) -> None:
        """Bring the fields of the command to where they are used."""
        command, record = run.command, run.record
        m.d.comb += [
            self.window_write.payload.sa.eq(command.sa),
            self.window_write.payload.window.eq(command.replay_window),
            self.window_write.payload.sequence.eq(command.sequence),
            *(self.sent_write.payload[name].eq(command[name]) for name in SentWrite.members),
            self.sent_read.payload.eq(command.sa),
            self.window_read.sa.eq(command.sa),
            self.window_read.window.eq(record.replay_window),
            record.eq(self.records[command.direction]),
            run.wrong.eq(self.records_wrong.bit_select(command.direction, 1)),
            *(fault.payload.eq(command.sa) for fault in self.faults),
            self.rx_empty.eq(run.receive_sas == 0),
            self.response.payload.eq(0),
            hash_subkey.i.payload.key.eq(command.key),
            hash_subkey.i.payload.key_size.eq(command.key_size),
            self.request.payload.sa.eq(command.sa),
            self.request.payload.serial.eq(run.serial),
        ]
        for name in LookupKey.members:
            m.d.comb += self.request.payload.key[name].eq(
                Mux(command.operation == SaOperation.ADD, command[name], record.key[name]))

    def _sweep(self, m: Module, run: _Execution) -> None:
        """After reset and in a FLUSH, overwrite all contexts with zeros."""
        with m.State("Sweep"):
            m.d.comb += [self.write.eq(~0), self.row.secret.eq(1)]
            m.d.sync += run.sweep.eq(run.sweep + 1)
            with m.If(run.sweep == self.sas - 1):
                m.next = "Load"
                with m.If(run.command.operation == SaOperation.FLUSH):
                    m.next = "Clear"

    def _test(self, m: Module, run: _Execution, hash_subkey: HashSubkey) -> None:
        """Test the ciphers of both directions with one known answer after the other."""
        command, row = run.command, self.row
        with m.State("Load"):
            with m.Switch(run.answer):
                for number, answer in enumerate(KNOWN_ANSWERS):
                    with m.Case(number):
                        m.d.sync += [
                            command.key_size.eq(answer.key_size),
                            command.key.eq(int.from_bytes(answer.key, "little")),
                            command.salt.eq(int.from_bytes(answer.salt, "big")),
                            command.seqiv_salt.eq(answer.seqiv_salt),
                        ]
            m.next = "Expand"
        with m.State("Expand"):
            m.d.comb += [run.waits.eq(1), hash_subkey.i.valid.eq(1)]
            with m.If(hash_subkey.i.ready):
                m.next = "Lay"
            with m.Elif(run.too_late):
                m.next = "Give up"
        with m.State("Lay"):
            m.d.comb += [run.waits.eq(1), hash_subkey.o.ready.eq(1)]
            with m.If(hash_subkey.o.valid):
                m.d.comb += [
                    self.write.eq(~0),
                    row.secret.eq(1),
                    *(row.secrets[name].eq(command[name]) for name in _SECRETS),
                    row.secrets.powers.eq(hash_subkey.o.payload),
                ]
                m.d.sync += [
                    command.eq(0),
                    run.asked.eq(self.directions),
                ]
                m.next = "Ask"
            with m.Elif(run.too_late):
                m.next = "Give up"
        self._ask(m, run)

    def _ask(self, m: Module, run: _Execution) -> None:
        """Ask the paths, erase row 0, and go on or judge."""
        last = run.answer == len(KNOWN_ANSWERS) - 1
        ended = Signal(len(SaDirection))
        failed = Signal(len(SaDirection))
        m.d.comb += [
            ended.eq(Cat(port.ended for port in self.ciphers)),
            failed.eq(ended & ~Cat(port.passed for port in self.ciphers)),
            self.self_testing.eq(self.self_test | ~run.tested),
            *(port.answer.eq(run.answer) for port in self.ciphers),
        ]
        with m.State("Give up"):
            m.d.sync += [run.command.eq(0), run.mistaken.eq(self.directions),
                         self.failed.eq(self.directions)]
            m.next = "Wipe"
        with m.State("Ask"):
            m.d.comb += [port.go.eq(run.asked[direction])
                         for direction, port in enumerate(self.ciphers)]
            m.d.sync += [
                run.asked.eq(run.asked & ~ended),
                run.mistaken.eq(run.mistaken | failed),
                self.failed.eq(self.failed | failed),
            ]
            with m.If((run.asked & ~ended) == 0):
                m.next = "Wipe"
        with m.State("Wipe"):
            m.d.comb += [self.write.eq(~0), self.row.secret.eq(1), self.self_tested.eq(last)]
            m.d.sync += run.answer.eq(Mux(last, 0, run.answer + 1))
            m.next = "Load"
            with m.If(last):
                m.d.sync += [
                    run.tested.eq(1),
                    self.failed.eq(run.mistaken),
                    run.tells.eq(run.mistaken),
                    run.mistaken.eq(0),
                ]
                m.next = "Idle"

    def _tell(self, m: Module, run: _Execution) -> None:
        """Tell of each direction whose cipher has failed."""
        event = self.failure.payload
        m.d.comb += [
            self.failure.valid.eq(run.tells.any()),
            event.kind.eq(EventKind.SELF_TEST_FAILED),
            event.direction.eq(~run.tells[SaDirection.RX]),
        ]
        with m.If(run.tells.any()):
            m.d.sync += run.tells.eq(run.tells & (run.tells - 1))

    def _take(self, m: Module, run: _Execution) -> None:
        """Take a command, read the record of its SA, and check both."""
        with m.State("Idle"):
            m.d.comb += self.command.ready.eq(~self.self_test)
            with m.If(self.self_test):
                m.next = "Load"
            with m.Elif(self.command.valid):
                m.d.sync += run.command.eq(self.command.payload)
                m.next = "Fetch"
        with m.State("Fetch"):
            # The record stays at the output of its memory as it is checked, to the command's end.
            m.d.comb += self.record_read.eq(1)
            m.d.sync += [
                run.invalid.eq(self._invalid(run.command)),
                run.unsupported.eq(self._unsupported(run)),
            ]
            m.next = "Await"
        with m.State("Await"):
            m.next = "Check"
        with m.State("Check"):
            self._check(m, run)

    def _find(self, m: Module, run: _Execution) -> None:
        """Find the look-up entry that DELETE removes, or a place for the one that ADD makes."""
        with m.State("Find"):
            self._request(m, LookupOperation.FIND)
            with m.If(self.reply.valid):
                with m.If(self.reply.payload.fault):
                    self._end(m, run, SaResult.EIO)
                with m.Elif(run.command.operation == SaOperation.DELETE):
                    m.next = "Remove"
                with m.Elif(self.reply.payload.found):
                    self._end(m, run, SaResult.EEXIST)
                with m.Elif(self.reply.payload.full):
                    self._end(m, run, SaResult.ENOSPC)
                with m.Else():
                    m.next = "Hash"

    def _prepare(self, m: Module, run: _Execution, hash_subkey: HashSubkey) -> None:
        """Begin to compute the powers of an ADD; set the limits of an ADD or MODIFY.

        A transmit SA begins its record of sealed numbers before packets find it.
        """
        with m.State("Hash"):
            m.d.comb += hash_subkey.i.valid.eq(1)
            with m.If(hash_subkey.i.ready):
                m.next = "Limits"
        with m.State("Limits"):
            m.d.comb += run.writes.eq(1)
            with m.If(run.written):
                self._end(m, run, SaResult.OK)
                with m.If(self.usage_refused.any()):
                    self._end(m, run, SaResult.EIO)
                with m.If(run.command.operation == SaOperation.ADD):
                    m.next = "Write"
                    with m.If(~run.receive):
                        m.next = "Begin"
        with m.State("Begin"):
            m.d.comb += self.sent_write.valid.eq(1)
            with m.If(self.sent_write.ready):
                m.next = "Write"

    def _write_context(self, m: Module, run: _Execution, hash_subkey: HashSubkey) -> None:
        """Write the context of an ADD when the powers are there, and make its replay window."""
        command, row = run.command, self.row
        with m.State("Write"):
            m.d.comb += hash_subkey.o.ready.eq(1)
            with m.If(hash_subkey.o.valid):
                self._write_row(
                    m, run,
                    row.secret.eq(1),
                    row.record.valid.eq(1),
                    row.record.taken.eq(1),
                    row.record.serial.eq(run.serial),
                    *(row.record[name].eq(command[name]) for name in ATTRIBUTES),
                    *(row.record.key[name].eq(command[name]) for name in LookupKey.members),
                    *(row.secrets[name].eq(command[name]) for name in _SECRETS),
                    row.secrets.powers.eq(hash_subkey.o.payload),
                )
                self._end(m, run, SaResult.OK)
                with m.If(run.receive):
                    m.next = "Insert"
                    with m.If(command.replay_window != ReplayWindow.NONE):
                        m.next = "Make window"
        with m.State("Make window"):
            m.d.comb += self.window_write.valid.eq(1)
            with m.If(self.window_write.ready):
                m.next = "Insert"

    def _insert(self, m: Module, run: _Execution) -> None:
        """Insert the look-up entry of an ADD; from now on packets find the SA."""
        with m.State("Insert"):
            self._request(m, LookupOperation.INSERT)
            with m.If(self.reply.valid):
                m.d.sync += run.receive_sas.eq(run.receive_sas + 1)
                m.next = "Respond"

    def _delete(self, m: Module, run: _Execution) -> None:
        """Remove the look-up entry of a DELETE, then make the context invalid."""
        with m.State("Remove"):
            self._request(m, LookupOperation.REMOVE)
            with m.If(self.reply.valid):
                m.d.sync += run.receive_sas.eq(run.receive_sas - 1)
                m.next = "Retire"
        with m.State("Retire"):
            self._write_row(m, run, self.row.record.eq(run.record), self.row.record.valid.eq(0))
            self._end(m, run, SaResult.OK)

    def _erase(self, m: Module, run: _Execution) -> None:
        """Clear the look-up table (FLUSH), wait for the frames in flight, erase the SA (FREE)."""
        flush = run.command.operation == SaOperation.FLUSH
        with m.State("Clear"):
            self._request(m, LookupOperation.CLEAR)
            with m.If(self.reply.valid):
                m.d.sync += run.receive_sas.eq(0)
                m.next = "Fence"
        with m.State("Fence"):
            m.d.comb += run.fenced.eq(1)
            with m.If(run.passed):
                self._end(m, run, SaResult.OK)
                m.d.sync += run.stale.eq(run.stale & ~flush)
                with m.If(~flush):
                    m.next = "Erase"
            with m.Elif(run.too_late):
                self._end(m, run, SaResult.EBUSY)
                m.d.sync += run.stale.eq(run.stale | flush)
        with m.State("Erase"):
            self._write_row(m, run, self.row.secret.eq(1))
            self._end(m, run, SaResult.OK)

    def _modify(self, m: Module, run: _Execution) -> None:
        """Change the ESN of a MODIFY, and go on to its limits if it has some."""
        record = self.row.record
        with m.State("Modify"):
            self._write_row(
                m, run,
                record.eq(run.record),
                record.esn_overlap.eq(run.command.esn_overlap),
                record.esn_high.eq(run.command.esn_high),
            )
            self._end(m, run, SaResult.OK)
            with m.If(run.command.select & (SaSelect.SOFT | SaSelect.HARD)):
                m.next = "Limits"

    def _read(self, m: Module, run: _Execution) -> None:
        """Read the usage of an SA, and its highest number received or sealed."""
        windowed = run.receive & (run.record.replay_window != ReplayWindow.NONE)
        usage = Signal(UsageRead)
        wrong = Signal()
        m.d.comb += [
            Value.cast(usage).eq(
                Mux(run.receive, *(port.payload.as_value() for port in self.usage))),
            wrong.eq(usage.wrong | windowed & self.window_top.wrong),
        ]
        with m.State("Read"):
            m.d.comb += run.reads.eq(1)
            with m.If(run.read):
                m.d.comb += self.window_counts.eq(windowed)
                m.d.sync += [run.usage.eq(usage), run.read_back.eq(~wrong)]
                self._end(m, run, SaResult.OK)
                with m.If(windowed):
                    m.d.sync += run.top.eq(self.window_top.number)
                with m.If(wrong):
                    self._end(m, run, SaResult.EIO)
                with m.Elif(~run.receive):
                    m.next = "Ask top"
        with m.State("Ask top"):
            m.d.comb += self.sent_read.valid.eq(1)
            with m.If(self.sent_read.ready):
                m.next = "Get top"
        with m.State("Get top"), m.If(self.sent_top.valid):
            m.d.sync += run.top.eq(self.sent_top.payload.number)
            m.next = "Respond"
            with m.If(self.sent_top.payload.wrong):
                m.d.sync += run.read_back.eq(0)
                self._end(m, run, SaResult.EIO)

    def _respond(self, m: Module, run: _Execution) -> None:
        """Give the response, and clear what was known of the command."""
        response, record = self.response.payload, run.record
        with m.State("Respond"):
            m.d.comb += [self.response.valid.eq(1), response.result.eq(run.result)]
            with m.If(run.read_back):
                m.d.comb += [
                    response.sequence.eq(run.top),
                    *(response[name].eq(record[name]) for name in ATTRIBUTES),
                    *(response[name].eq(record.key[name]) for name in LookupKey.members),
                    *(response[name].eq(run.usage.limits[name]) for name in Limits.members),
                    *(response[name].eq(run.usage.served[name]) for name in _COUNTS),
                ]
            with m.If(self.response.ready):
                m.d.sync += [
                    run.command.eq(0), run.read_back.eq(0), run.top.eq(0),
                    run.serial.eq(run.serial + 1),
                ]
                m.next = "Idle"

    def _end(self, m: Module, run: _Execution, result: SaResult) -> None:
        """End the command with a result."""
        m.d.sync += run.result.eq(result)
        m.next = "Respond"

    def _request(self, m: Module, operation: LookupOperation) -> None:
        """Make a request of the look-up table."""
        m.d.comb += [
            self.request.payload.operation.eq(operation),
            self.request.valid.eq(1),
            self.reply.ready.eq(1),
        ]

    def _write_row(self, m: Module, run: _Execution, *contents) -> None:
        """Write a row of the contexts of the command's direction."""
        m.d.comb += [self.write.bit_select(run.command.direction, 1).eq(1), *contents]

    def _invalid(self, command: data.View) -> Value:
        """Whether the command is wrong in itself, whatever the table holds."""
        low, high = command.sequence[:LOW_BITS], command.sequence[LOW_BITS:]
        used_up = Mux(command.esn, low.all() & high.all(), low.all() | high.any())
        no_sa = (
            (command.key_size > max(KeySize)) | (command.icv_size > max(IcvSize))
            | (command.replay_window > max(ReplayWindow))
            | (command.spi == 0) | ~command.ipv6 & command.destination[IPV4_BITS:].any()
            | ((command.replay_window != ReplayWindow.NONE)
               | (command.direction == SaDirection.TX)) & used_up
        )
        no_change = (command.select == SaSelect.NOTHING) | (
            (command.direction == SaDirection.TX) & (command.select & SaSelect.ESN).any())
        return (
            (command.reserved != 0) | (command.select > SELECT_MAX)
            | (command.operation < min(SaOperation)) | (command.operation > max(SaOperation))
            | (command.operation != SaOperation.FLUSH) & (
                (command.sa == 0) | (command.sa >= self.sas))
            | (command.operation == SaOperation.ADD) & no_sa
            | (command.operation == SaOperation.MODIFY) & no_change
        )

    def _unsupported(self, run: _Execution) -> Value:
        """Whether an SA needs a part that the build lacks."""
        lacks = Mux(run.receive, not self.features.receive, not self.features.transmit)
        if not self.features.ipv6:
            lacks |= run.command.ipv6
        return lacks | run.receive & (run.command.replay_window > self.window_max)

    def _check(self, m: Module, run: _Execution) -> None:
        """Refuse the command or go to its first step."""
        command, record = run.command, run.record
        with m.If(run.invalid):
            self._end(m, run, SaResult.EINVAL)
        with m.Elif(command.operation == SaOperation.FLUSH):
            m.next = "Sweep"
        with m.Elif(run.wrong):
            self._end(m, run, SaResult.EIO)
            for direction in SaDirection:
                m.d.comb += self.faults[direction].valid.eq(command.direction == direction)
        with m.Elif(command.operation == SaOperation.ADD):
            m.next = "Hash"
            with m.If(run.stale):
                self._end(m, run, SaResult.EBUSY)
            with m.Elif(run.unsupported):
                self._end(m, run, SaResult.EOPNOTSUPP)
            with m.Elif(self.failed.bit_select(command.direction, 1)):
                self._end(m, run, SaResult.EIO)
            with m.Elif(record.taken):
                self._end(m, run, SaResult.EEXIST)
            with m.Elif(run.receive):
                m.next = "Find"
        with m.Elif(~record.taken):
            self._end(m, run, SaResult.ENOENT)
        with m.Elif(command.operation == SaOperation.READ):
            m.next = "Read"
        with m.Elif(command.operation == SaOperation.FREE):
            m.next = "Fence"
            with m.If(record.valid):
                self._end(m, run, SaResult.EBUSY)
        with m.Elif(~record.valid):
            self._end(m, run, SaResult.ENOENT)
        with m.Elif(command.operation == SaOperation.DELETE):
            m.next = "Retire"
            with m.If(run.receive):
                m.next = "Find"
        with m.Elif((command.select & SaSelect.ESN).any()):
            m.next = "Modify"
            with m.If(~record.esn | (record.replay_window != ReplayWindow.NONE)):
                self._end(m, run, SaResult.EINVAL)
        with m.Else():
            m.next = "Limits"

    def _use(self, m: Module, run: _Execution) -> None:
        """Read or write the usage of the command's SA."""
        command, select = run.command, run.command.select
        fresh = command.operation == SaOperation.ADD
        asked = Signal()
        m.d.sync += asked.eq(run.reads & (asked | Cat(
            port.valid & port.ready for port in self.usage_read).any()))
        for direction in SaDirection:
            mine = command.direction == direction
            write, change = self.usage_write[direction], self.usage_write[direction].payload
            m.d.comb += [
                self.usage_read[direction].valid.eq(run.reads & mine & ~asked),
                self.usage_read[direction].payload.eq(command.sa),
                write.valid.eq(run.writes & mine),
                change.sa.eq(command.sa),
                change.fresh.eq(fresh),
                change.soft.eq(fresh | (select & SaSelect.SOFT).any()),
                change.hard.eq(fresh | (select & SaSelect.HARD).any()),
                *(change.limits[name].eq(command[name]) for name in Limits.members),
            ]
        m.d.comb += [
            run.read.eq(asked & Cat(port.valid for port in self.usage).any()),
            run.written.eq(Cat(port.valid & port.ready for port in self.usage_write).any()),
        ]

    def _fence(self, m: Module, run: _Execution) -> None:
        """Count down the frames that were in flight before the command began to wait for them."""
        command = run.command
        left = Signal(data.ArrayLayout(IN_FLIGHT_BITS, len(SaDirection)))
        patience = Signal(range(FENCE_CLOCKS))
        waited_for = []
        for direction in SaDirection:
            judged = self.judged[direction]
            with m.If(~run.fenced):
                m.d.sync += left[direction].eq(self.in_flight[direction] - judged)
            with m.Elif(left[direction] != 0):
                m.d.sync += left[direction].eq(left[direction] - judged)
            waited_for.append((left[direction] != 0) & (
                (command.direction == direction) | (command.operation == SaOperation.FLUSH)))
        m.d.sync += patience.eq(Mux(run.fenced | run.waits, patience - 1, FENCE_CLOCKS - 1))
        m.d.comb += [run.passed.eq(~Cat(waited_for).any()), run.too_late.eq(patience == 0)]
