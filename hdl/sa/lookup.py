"""The look-up table of receive SAs."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from espnic.hdl.layouts import HANDLE_BITS, SERIAL_BITS, LookupKey, lookup_key
from espnic.hdl.sa.fault_report import FaultPort
from espnic.hdl.sa.lookup_control import (
    OVERFLOW_ENTRIES,
    WAYS,
    LookupControl,
    LookupReply,
    LookupRequest,
    entry,
    hash_bits,
    index_bits,
    way_indexes,
)
from espnic.hdl.sa.parity_memory import ParityMemory
from espnic.hdl.sa.toeplitz import Toeplitz
from espnic.model.interface.registers import TABLE_KEY_BITS, TABLE_KEY_DEFAULT

LookedUp = data.StructLayout({"hit": 1, "fault": 1, "sa": HANDLE_BITS, "serial": SERIAL_BITS})
"""Answer of the table; ``sa`` and ``serial`` are 0 for a miss. A ``fault`` is a miss whose entry
may stand in a row that is wrong."""


class SaLookup(wiring.Component):
    """Finds the SA of (destination, encapsulation, SPI): one look-up a clock, ``latency`` clocks.

    A hash table of 3 ways in block RAM, each of ``sas / 2`` rows, and 4 overflow entries. The
    hash is universal (``Toeplitz``) under a secret key, the table key, so a peer who may choose
    SPIs cannot aim at one row. Latency 4 clocks: 2 for the hash, 1 for the RAM, 1 to compare
    whole keys.

    With every handle in use the ways are two thirds full. Because entries are moved to their
    other rows (``LookupControl``), such a fill almost always succeeds: with random keys no table
    of 64 SAs or more was seen to refuse one; with runs of SPIs or addresses, which the table
    key may map badly, one of some thousand tables of 1,024 SAs did.

    Requests never disturb look-ups: each way has a separate port for them (``LookupControl``:
    timing and rules). Every entry appears and disappears in one clock, and is found in every
    clock in between, also while it is moved. During a sweep, after reset and in a CLEAR,
    look-ups miss.

    Errors: the ways know a row that is not what was written (``ParityMemory``). An entry in such a
    row is never found. A look-up that finds no entry and has read a wrong row is a ``fault``: the
    entry may be the one that is wrong. Each wrong row that a look-up or a FIND reads, or that
    stands where a walk puts an entry, is told at ``fault``, with the handle that stands in it; of
    several in a clock, the first.

    RAM bits for each SA of the table: 1.5 * (165 + log2(sas)), which is 262.5 for 1,024, and a
    parity bit for each 32 bits of a row.

    Parameters
    ----------
    sas : int
        Size of the SA table, a power of two from 16 to 65,536.
    ipv6 : bool
        Destinations may be IPv6. Without, no key may have ``ipv6``, and each entry has 97 bits
        less.

    Members
    -------
    table_key : In(TABLE_KEY_BITS)
        Key of the hash. May change only while the table is empty and no request is under way.
    i : In(stream.Signature(LookupKey, always_ready=True))
        Keys to look up.
    o : Out(stream.Signature(LookedUp, always_ready=True))
        Answers, in order.
    request : In(stream.Signature(LookupRequest))
        Searches, insertions, removals, sweeps.
    reply : Out(stream.Signature(LookupReply))
        One for each request.
    swept : Out(1)
        No sweep is under way.
    fault : Out(FaultPort)
        Wrong rows.

    Attributes
    ----------
    latency : int
        Clocks from ``i`` to ``o``.
    """

    latency = Toeplitz.latency + 2

    def __init__(self, sas: int, ipv6: bool = True):
        index_bits(sas)
        self.sas = sas
        self.ipv6 = ipv6
        super().__init__({
            "table_key": In(TABLE_KEY_BITS, init=TABLE_KEY_DEFAULT),
            "i": In(stream.Signature(LookupKey, always_ready=True)),
            "o": Out(stream.Signature(LookedUp, always_ready=True)),
            "request": In(stream.Signature(LookupRequest)),
            "reply": Out(stream.Signature(LookupReply)),
            "swept": Out(1),
            "fault": Out(FaultPort),
        })

    def elaborate(self, platform):
        m = Module()
        key = Signal(lookup_key(self.ipv6))
        whole_key = Signal(LookupKey)
        m.submodules.control = control = LookupControl(self.sas, self.ipv6)
        m.submodules.hash = hasher = Toeplitz(LookupKey.size, hash_bits(self.sas))
        wiring.connect(m, wiring.flipped(self.request), control.request)
        wiring.connect(m, wiring.flipped(self.reply), control.reply)
        m.d.comb += [
            control.table_key.eq(self.table_key),
            self.swept.eq(control.swept),
            hasher.key.eq(self.table_key),
            hasher.i.valid.eq(self.i.valid),
            hasher.i.payload.eq(whole_key),
        ]
        for name in key.shape().members:
            m.d.comb += [key[name].eq(self.i.payload[name]), whole_key[name].eq(key[name])]

        read, wrong = self._ways(m, control, way_indexes(hasher.o.payload, self.sas))
        places = [*read, *self._overflow(m, control), control.hand]
        wrongs = self._compare(m, key, hasher.o.valid, control.swept, places, wrong)
        self._tell(m, control, wrongs)
        return m

    def _ways(
        self, m: Module, control: LookupControl, indexes: list[Value],
    ) -> tuple[list[Value], list[Value]]:
        """Make the ways. Give their rows, and which are wrong, one clock after the indexes."""
        rows, wrong = [], []
        for way, index in enumerate(indexes):
            m.submodules[f"way{way}"] = ram = ParityMemory(
                entry(self.sas, self.ipv6), self.sas // 2, reads=2)
            write, (look, search) = ram.write, ram.reads
            m.d.comb += [
                look.addr.eq(index),
                search.addr.eq(control.address[way]),
                control.ways[way].eq(search.data),
                control.wrong[way].eq(search.wrong),
                write.addr.eq(control.address[way]),
                write.data.eq(control.entry),
                write.en.eq(control.write[way]),
            ]
            rows.append(look.data)
            wrong.append(look.wrong)
        return rows, wrong

    def _overflow(self, m: Module, control: LookupControl) -> list[Value]:
        """Make the overflow entries, and give them."""
        entries = [Signal(entry(self.sas, self.ipv6), name=f"overflow{place}")
                   for place in range(OVERFLOW_ENTRIES)]
        for place, kept in enumerate(entries):
            m.d.comb += control.overflow[place].eq(kept)
            with m.If(control.write[WAYS + place]):
                m.d.sync += kept.eq(control.entry)
        return entries

    def _compare(
        self, m: Module, key: data.View, valid: Value, swept: Value, places: list[Value],
        wrong: list[Value],
    ) -> tuple[Value, list[Value]]:
        """Answer from the places, which are read in the clock after ``valid``.

        ``wrong`` are those of the ways. Returns them in the clock of the answer, 0 without one,
        with the handles in the rows.
        """
        keys = [Signal.like(key, name=f"key{age}", reset_less=True) for age in range(3)]
        m.d.sync += [new.eq(old) for new, old in zip(keys, [key, *keys], strict=False)]
        read_valid = Signal()
        read_swept = Signal()
        m.d.sync += [
            read_valid.eq(valid),
            read_swept.eq(swept),
            self.o.valid.eq(read_valid),
        ]

        answer_bits = SERIAL_BITS + ceil_log2(self.sas)
        hits = Signal(len(places))
        answers = [Signal(answer_bits, name=f"answer{n}", reset_less=True)
                   for n in range(len(places))]
        for n, place in enumerate(places):
            m.d.sync += [
                hits[n].eq(read_swept & place.valid & (place.key == keys[-1])),
                answers[n].eq(Cat(place.serial, place.sa)),
            ]
        wrongs = Signal(WAYS)
        right = Signal(len(places))
        m.d.sync += wrongs.eq(Mux(read_valid & read_swept, Cat(wrong), 0))
        # Overflow and hand are registers: never wrong.
        m.d.comb += right.eq(hits & ~Cat(wrongs, Const(0, len(places) - WAYS)))
        chosen = Signal(answer_bits)
        # Two places hold a key only while it is moved, with the same answer: no priority needed.
        for n in range(answer_bits):
            m.d.comb += chosen[n].eq((Cat(answer[n] for answer in answers) & right).any())
        m.d.comb += [
            self.o.payload.hit.eq(right.any()),
            self.o.payload.fault.eq(wrongs.any() & ~right.any()),
            self.o.payload.serial.eq(chosen[:SERIAL_BITS]),
            self.o.payload.sa.eq(chosen[SERIAL_BITS:]),
        ]
        return wrongs, [answer[SERIAL_BITS:] for answer in answers[:WAYS]]

    def _tell(
        self, m: Module, control: LookupControl, wrongs: tuple[Value, list[Value]],
    ) -> None:
        """Tell the wrong rows of look-ups, and in the clocks between them those of requests."""
        wrong, handles = wrongs
        waits = Signal()
        waiting = Signal(HANDLE_BITS)
        m.d.comb += [self.fault.valid.eq(wrong.any() | waits), self.fault.payload.eq(waiting)]
        for place, handle in reversed(list(enumerate(handles))):
            with m.If(wrong[place]):
                m.d.comb += self.fault.payload.eq(handle)
        with m.If(control.fault.valid):
            m.d.sync += [waits.eq(1), waiting.eq(control.fault.payload)]
        with m.Elif(~wrong.any()):
            m.d.sync += waits.eq(0)
