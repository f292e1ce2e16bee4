"""Control side of the look-up table: sweep, search, insertion and removal."""

from enum import IntEnum

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.layouts import HANDLE_BITS, SERIAL_BITS, LookupKey, lookup_key
from espnic.hdl.sa.fault_report import FaultPort
from espnic.hdl.sa.parity_memory import parity_bits
from espnic.hdl.sa.toeplitz import SerialToeplitz
from espnic.model.interface.registers import TABLE_KEY_BITS

WAYS = 3
OVERFLOW_ENTRIES = 4
MOVES_MAX = 64
"""Most entries that an INSERT evicts from their places."""

_LFSR_BITS = 15
_LFSR_TAP = 13
"""x^15 + x^14 + 1 is primitive, so the choices of ways repeat only after 32,767 moves."""


class LookupOperation(IntEnum):
    """Request to the look-up table."""

    FIND = 0
    """Search for the key and for a free place for it."""
    INSERT = 1
    """Add an entry for the key of the last FIND, which was neither found nor full."""
    REMOVE = 2
    """Clear the place where the last FIND found the key."""
    CLEAR = 3
    """Sweep all places to zero."""


LookupRequest = data.StructLayout({
    "operation": 2,
    "key": LookupKey,
    "sa": HANDLE_BITS,
    "serial": SERIAL_BITS,
})
"""Request and its key; ``sa`` and ``serial`` matter only to an INSERT."""

LookupReply = data.StructLayout({"found": 1, "full": 1, "fault": 1})
"""Result of the last FIND: the key is in the table, or it has no place there. With ``fault`` it was
not found, but may stand in a row that is wrong."""


def index_bits(sas: int) -> int:
    """Width of the index into a way of ``sas / 2`` rows, so 3 places for every 2 SAs.

    Raises ``ValueError`` unless ``sas`` is a power of two from 16 to 65,536.
    """
    if sas not in (1 << n for n in range(4, HANDLE_BITS + 1)):
        raise ValueError(f"sas: {sas!r}, expected a power of two from 16 to {1 << HANDLE_BITS}")
    return sas.bit_length() - 2


def hash_bits(sas: int) -> int:
    """Width of the hash for a table of ``sas`` SAs: two indexes and at least 4 bits to mix them.

    22 for 1,024 SAs. Smaller tables have more bits to mix, up to 2 for each bit of an index;
    tables above 16,384 SAs have fewer, because the table key gives 31 bits at most.
    """
    bits = index_bits(sas)
    return min(max(2 * bits + 4, 22), 4 * bits, TABLE_KEY_BITS - LookupKey.size + 1)


def entry(sas: int, ipv6: bool = True) -> data.StructLayout:
    """A place of the table. ``serial`` equals the serial in the SA's context."""
    return data.StructLayout({
        "valid": 1,
        "serial": SERIAL_BITS,
        "sa": range(sas),
        "key": lookup_key(ipv6),
    })


def table_bits(sas: int) -> int:
    """RAM bits of the look-up table."""
    row_bits = entry(sas).size
    return (row_bits + parity_bits(row_bits)) * WAYS * (1 << index_bits(sas))


def way_indexes(hashed: Value, sas: int) -> list[Value]:
    """One index for each way: p, q and p + q, from a hash of three numbers (a, b, mix), a lowest.

    The hash alone is not enough. It is linear, so under one table key in ten a run of 1,024
    SPIs fills whole rows many times and leaves others empty. Two rounds of a Feistel network
    with an AND as its function remove the linearity: p = a + (b' + mix) b'',
    q = b + (p' + mix) p''. Each prime is a rotation by a bit; each round has mix bits of its own
    as far as there are enough. The rounds are a permutation of (a, b), so any two of the three
    indexes determine it: keys that share a row in two ways share all three. This is as good as a
    separate hash for each way (double hashing: M. Mitzenmacher, J. Thaler, "Peeling arguments
    and double hashing", 2012), with two thirds of the logic.
    """
    bits = index_bits(sas)
    a, b, mix = hashed[:bits], hashed[bits:2 * bits], hashed[2 * bits:]
    masks = [Cat(mix[bit % len(mix)] for bit in range(start, start + bits))
             for start in (0, bits)]
    p = a ^ ((b.rotate_right(1) ^ masks[0]) & b.rotate_right(2))
    q = b ^ ((p.rotate_right(1) ^ masks[1]) & p.rotate_right(2))
    return [p, q, p ^ q]


class _Search:
    """State of the search for a key, and of the entry that needs a place."""

    def __init__(self, sas: int, ipv6: bool):
        self.row = Signal(data.ArrayLayout(index_bits(sas), WAYS))
        """Rows of the key, one for each way; in a sweep, the rows to clear."""
        self.wrong = Signal(WAYS)
        """The rows that are not what was written."""
        self.occupied = Signal(WAYS + OVERFLOW_ENTRIES)
        self.equal = Signal(WAYS + OVERFLOW_ENTRIES)
        """The places that hold an entry, and one with the key, right or wrong."""
        self.found = Signal(WAYS + OVERFLOW_ENTRIES)
        """The place that holds the key."""
        self.free = Signal(WAYS + OVERFLOW_ENTRIES)
        """The first of the key's places that is free."""
        self.target = Signal(WAYS + OVERFLOW_ENTRIES)
        """The place that the entry in the hand goes to."""
        self.moves = Signal(range(MOVES_MAX + 1))
        """Number of entries evicted since the INSERT."""
        self.noise = Signal(_LFSR_BITS, init=1)
        self.put_out = Signal(entry(sas, ipv6))
        """The entry that was at the target."""
        self.fault = Signal()
        """The key was not found, and one of its rows is wrong."""


class LookupControl(wiring.Component):
    """Changes the look-up table, one request at a time, in order.

    After reset all rows are swept to zero, one a clock, before the first request is taken.
    A FIND takes ``167 + hash_bits(sas)`` clocks, most of them for a serial hash; a CLEAR, which
    sweeps again, takes ``sas / 2 + 2``; the others take 3. An INSERT must follow a FIND that was
    neither found nor full nor a fault, a REMOVE must follow a FIND that found or, to no effect, did
    not find.

    **Errors.** A row that is wrong has no free place, and no key is found in it. A FIND that does
    not find and has read one is a fault. Where a walk evicts, the parity of what is copied would be
    made anew, and a wrong entry become a right one. So an entry from a wrong row does not go into
    the hand: it is lost, which is told, and its SA is found no more. Both are told at ``fault``.

    **Moves.** An INSERT is answered when look-ups find the entry, which is at first held in a
    register, the hand. From there it goes into a free row of its own. If it has none, it evicts
    another entry, which the hand then holds, and so on: the random walk of cuckoo hashing
    (D. Fotakis, R. Pagh, P. Sanders, P. Spirakis, "Space Efficient Hash Tables With Worst Case
    Constant Access Time", 2003). After ``MOVES_MAX`` moves the entry in the hand goes to the
    overflow. The next request waits for the end of the walk: 4 clocks, and
    ``169 + hash_bits(sas)`` more for each move.

    A look-up compares the hand one clock after it read the rows. The hand changes one clock
    after the write, so look-ups find both entries of an exchange in every clock: the last
    look-up that reads the old row compares the old hand, the next one reads the new row and
    compares the new hand.

    A FIND is full when all rows of the key and the whole overflow are taken, because then a
    walk would have no last resort. No entry ever leaves the table in a walk, but a wrong one.

    The rows are read and written through one port (the other one is the datapath's), so a
    way is a true dual-port block RAM.

    Parameters
    ----------
    sas : int
        Size of the SA table.
    ipv6 : bool
        Destinations may be IPv6.

    Members
    -------
    table_key : In(TABLE_KEY_BITS)
        Key of the hash.
    request : In(stream.Signature(LookupRequest))
        What to do.
    reply : Out(stream.Signature(LookupReply))
        One for each request, when it has taken effect.
    swept : Out(1)
        No sweep is under way.
    address : Out(data.ArrayLayout(index_bits(sas), WAYS))
        Row of each way to read or write.
    ways : In(data.ArrayLayout(entry(sas, ipv6), WAYS))
        The rows at the ``address`` of the clock before.
    wrong : In(WAYS)
        Which of these rows are not what was written.
    overflow : In(data.ArrayLayout(entry(sas, ipv6), OVERFLOW_ENTRIES))
        The overflow entries.
    hand : Out(entry(sas, ipv6))
        The entry that needs a place. Look-ups compare it like the overflow. Unless it is
        valid, its key is the one that is searched.
    write : Out(WAYS + OVERFLOW_ENTRIES)
        Places to write: the ways from bit 0 up, then the overflow.
    entry : Out(entry(sas, ipv6))
        What to write.
    fault : Out(FaultPort)
        A row that was read for a FIND or a walk was wrong: the handle that stands in it.
    """

    def __init__(self, sas: int, ipv6: bool = True):
        self.sas = sas
        self.ipv6 = ipv6
        place = entry(sas, ipv6)
        super().__init__({
            "table_key": In(TABLE_KEY_BITS),
            "request": In(stream.Signature(LookupRequest)),
            "reply": Out(stream.Signature(LookupReply)),
            "swept": Out(1),
            "address": Out(data.ArrayLayout(index_bits(sas), WAYS)),
            "ways": In(data.ArrayLayout(place, WAYS)),
            "wrong": In(WAYS),
            "overflow": In(data.ArrayLayout(place, OVERFLOW_ENTRIES)),
            "hand": Out(place),
            "write": Out(WAYS + OVERFLOW_ENTRIES),
            "entry": Out(place),
            "fault": Out(FaultPort),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.hash = hasher = SerialToeplitz(LookupKey.size, hash_bits(self.sas))
        search = _Search(self.sas, self.ipv6)
        whole_key = Signal(LookupKey)
        m.d.comb += [
            self.address.eq(search.row),
            hasher.key.eq(self.table_key),
            # A key without IPv6 has the hash that it has in a table with IPv6.
            *(whole_key[name].eq(self.hand.key[name]) for name in lookup_key(self.ipv6).members),
            hasher.i.payload.eq(whole_key),
            self.reply.payload.found.eq(search.found.any()),
            self.reply.payload.full.eq(~search.free.any()),
            self.reply.payload.fault.eq(search.fault),
        ]
        with m.FSM() as fsm:
            m.d.comb += self.swept.eq(~fsm.ongoing("Sweep"))
            # Each declares its states; their order gives the states their codes.
            self._sweep(m, search)
            self._begin(m, search)
            self._find(m, search, hasher)
            self._change(m, search)
            self._answer(m)
            self._choose(m, search)
            self._exchange(m, search)
        return m

    def _sweep(self, m: Module, search: _Search) -> None:
        """After reset and in a CLEAR, overwrite all places with zeros."""
        clear = self.request.payload.operation == LookupOperation.CLEAR
        with m.State("Sweep"):
            m.d.comb += self.write.eq(~0)
            m.d.sync += [index.eq(index + 1) for index in search.row]
            with m.If(Value.cast(search.row).all()):
                m.next = "Idle"
                with m.If(self.request.valid & clear):
                    m.next = "Reply"

    def _begin(self, m: Module, search: _Search) -> None:
        """Take the key of a request into the hand, and go to its first step."""
        request = self.request.payload
        with m.State("Idle"), m.If(self.request.valid):
            m.d.sync += [
                self.hand.key[name].eq(request.key[name])
                for name in lookup_key(self.ipv6).members
            ]
            m.next = "Write"
            with m.If(request.operation == LookupOperation.FIND):
                m.next = "Hash"
            with m.If(request.operation == LookupOperation.CLEAR):
                m.d.sync += search.row.eq(0)
                m.next = "Sweep"

    def _find(self, m: Module, search: _Search, hasher: SerialToeplitz) -> None:
        """Find the key in the hand, and the first free place for it."""
        places = [*self.ways, *self.overflow]
        with m.State("Hash"):
            m.d.comb += [hasher.i.valid.eq(1), hasher.o.ready.eq(1)]
            with m.If(hasher.o.valid):
                m.d.sync += search.row.eq(Cat(way_indexes(hasher.o.payload, self.sas)))
                m.next = "Read"
        with m.State("Read"):
            m.next = "Compare"
        with m.State("Compare"):
            # The rows come late from their memories: what follows from them waits for a clock.
            m.d.sync += [
                search.wrong.eq(self.wrong),
                search.occupied.eq(Cat(place.valid for place in places)),
                search.equal.eq(Cat(
                    place.valid & (place.key == self.hand.key) for place in places)),
            ]
            m.next = "Judge"
        with m.State("Judge"):
            occupied = search.occupied | search.wrong
            found = search.equal & ~Cat(search.wrong, Const(0, OVERFLOW_ENTRIES))
            m.d.sync += [
                search.found.eq(found),
                search.fault.eq(search.wrong.any() & ~found.any()),
                search.free.eq(~occupied & (occupied + 1)),
            ]
            with m.If(~self.hand.valid):
                self._tell(m, search.wrong)
            m.next = "Reply"
            with m.If(self.hand.valid):
                m.next = "Choose"

    def _change(self, m: Module, search: _Search) -> None:
        """Complete the hand of an INSERT, so that look-ups find it; clear the place of a REMOVE."""
        request = self.request.payload
        with m.State("Write"):
            with m.If(request.operation == LookupOperation.INSERT):
                m.d.sync += [
                    self.hand.valid.eq(1),
                    self.hand.sa.eq(request.sa),
                    self.hand.serial.eq(request.serial),
                    search.moves.eq(0),
                    search.target.eq(1),
                ]
            with m.Else():
                m.d.comb += self.write.eq(search.found)
            m.next = "Reply"

    def _answer(self, m: Module) -> None:
        """Answer the request; then find a place for an entry in the hand."""
        with m.State("Reply"):
            m.d.comb += [
                self.reply.valid.eq(1),
                self.request.ready.eq(self.reply.ready),
            ]
            with m.If(self.reply.ready):
                m.next = "Idle"
                with m.If(self.hand.valid):
                    m.next = "Choose"

    def _choose(self, m: Module, search: _Search) -> None:
        """Choose where the entry in the hand goes: a free place, else one of a random way."""
        target, noise = search.target, search.noise
        with m.State("Choose"):
            with m.If(search.free[:WAYS].any() | (search.moves == MOVES_MAX)):
                m.d.sync += target.eq(search.free)
            with m.Else():
                # A random way, but not the one that the entry in the hand was evicted from.
                last = target[:WAYS]
                m.d.sync += [
                    target.eq(Mux(noise[0], last.rotate_left(1), last.rotate_right(1))),
                    noise.eq(Cat(noise[-1] ^ noise[_LFSR_TAP], noise)),
                    search.moves.eq(search.moves + 1),
                ]
            m.next = "Copy"

    def _exchange(self, m: Module, search: _Search) -> None:
        """Exchange the entry in the hand for that of the place; if there was one, find its other
        places."""
        put_out = search.put_out
        with m.State("Copy"):
            for way, kept in enumerate(self.ways):
                with m.If(search.target[way]):
                    m.d.sync += [
                        put_out.eq(kept), put_out.valid.eq(kept.valid & ~self.wrong[way])]
            m.d.sync += search.wrong.eq(self.wrong & search.target[:WAYS])
            m.next = "Put"
        with m.State("Put"):
            self._tell(m, search.wrong)
            m.d.comb += [self.write.eq(search.target), self.entry.eq(self.hand)]
            m.next = "Take"
        with m.State("Take"):
            m.d.sync += [self.hand.eq(put_out), put_out.valid.eq(0)]
            m.next = "Idle"
            with m.If(put_out.valid):
                m.next = "Hash"

    def _tell(self, m: Module, wrong: Value) -> None:
        """Tell the first wrong row among those that are read."""
        m.d.comb += self.fault.valid.eq(wrong.any())
        for way, kept in reversed(list(enumerate(self.ways))):
            with m.If(wrong[way]):
                m.d.comb += self.fault.payload.eq(kept.sa)
