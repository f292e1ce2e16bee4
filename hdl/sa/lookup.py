"""The look-up table of receive SAs."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from espnic.hdl.layouts import HANDLE_BITS, SERIAL_BITS, LookupKey, lookup_key
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
from espnic.hdl.sa.toeplitz import Toeplitz
from espnic.model.interface.registers import TABLE_KEY_BITS, TABLE_KEY_DEFAULT

LookedUp = data.StructLayout({"hit": 1, "sa": HANDLE_BITS, "serial": SERIAL_BITS})
"""Answer of the table; ``sa`` and ``serial`` are 0 for a miss."""


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
    look-ups miss. There are no errors.

    RAM bits for each SA of the table: 1.5 * (165 + log2(sas)), which is 262.5 for 1,024.

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
        })

    def elaborate(self, platform):
        m = Module()
        key, whole_key = Signal(lookup_key(self.ipv6)), Signal(LookupKey)
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

        read = self._ways(m, control, way_indexes(hasher.o.payload, self.sas))
        places = [*read, *self._overflow(m, control), control.hand]
        self._compare(m, key, hasher.o.valid, control.swept, places)
        return m

    def _ways(self, m: Module, control: LookupControl, indexes: list[Value]) -> list[Value]:
        """Make the ways, and give their rows one clock after the indexes."""
        rows = []
        for way, index in enumerate(indexes):
            m.submodules[f"way{way}"] = ram = memory.Memory(
                shape=entry(self.sas, self.ipv6), depth=self.sas // 2, init=[])
            look = ram.read_port()
            search = ram.read_port()
            write = ram.write_port()
            m.d.comb += [
                look.addr.eq(index),
                search.addr.eq(control.address[way]),
                control.ways[way].eq(search.data),
                write.addr.eq(control.address[way]),
                write.data.eq(control.entry),
                write.en.eq(control.write[way]),
            ]
            rows.append(look.data)
        return rows

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
    ) -> None:
        """Answer from the places, which are read in the clock after ``valid``."""
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
        chosen = Signal(answer_bits)
        # Two places hold a key only while it is moved, with the same answer: no priority needed.
        for n in range(answer_bits):
            m.d.comb += chosen[n].eq((Cat(answer[n] for answer in answers) & hits).any())
        m.d.comb += [
            self.o.payload.hit.eq(hits.any()),
            self.o.payload.serial.eq(chosen[:SERIAL_BITS]),
            self.o.payload.sa.eq(chosen[SERIAL_BITS:]),
        ]
