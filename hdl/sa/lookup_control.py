"""Control side of the look-up table: sweep, search, insertion, removal."""

from enum import IntEnum

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.layouts import HANDLE_BITS, LookupKey, lookup_key
from espnic.hdl.sa.toeplitz import SerialToeplitz
from espnic.model.interface.registers import TABLE_KEY_BITS

WAYS = 3
OVERFLOW_ENTRIES = 4
MOVES_MAX = 64
"""Entries that an INSERT puts out of their place at most."""

_LFSR_BITS = 15
_LFSR_TAP = 13
"""x^15 + x^14 + 1 is primitive, so the victims repeat after 32,767 moves only."""

SERIAL_BITS = 2


class LookupOperation(IntEnum):
    FIND = 0
    """Search the key and a free place for it."""
    INSERT = 1
    """Add an entry for the key of the FIND before, which was neither found nor full."""
    REMOVE = 2
    """Clear the place where the FIND before found the key."""
    CLEAR = 3
    """Sweep all places to zero."""


LookupRequest = data.StructLayout({
    "operation": 2,
    "key": LookupKey,
    "sa": HANDLE_BITS,
    "serial": SERIAL_BITS,
})
"""``sa`` and ``serial`` matter to an INSERT only."""

LookupReply = data.StructLayout({"found": 1, "full": 1})
"""``full``: no place for the key. Both belong to the last FIND."""


def index_bits(sas: int) -> int:
    """Width of the index into a way: ``sas / 2`` rows, so 3 places for each 2 SAs.

    Raises ``ValueError`` unless ``sas`` is a power of two from 16 to 65,536.
    """
    if sas not in (1 << n for n in range(4, HANDLE_BITS + 1)):
        raise ValueError(f"sas: {sas!r}, expected a power of two from 16 to {1 << HANDLE_BITS}")
    return sas.bit_length() - 2


def hash_bits(sas: int) -> int:
    """Width of the hash for a table of ``sas`` SAs: two indexes and at least 4 bits to mix them.

    22 for 1,024. Smaller tables have more bits to mix, up to 2 for each bit of an index; tables
    above 16,384 fewer, as the table key gives 31 at most.
    """
    bits = index_bits(sas)
    return min(max(2 * bits + 4, 22), 4 * bits, TABLE_KEY_BITS - LookupKey.size + 1)


def entry(sas: int, ipv6: bool = True) -> data.StructLayout:
    """A place of the table. ``serial`` is that of the SA's context."""
    return data.StructLayout({
        "valid": 1,
        "serial": SERIAL_BITS,
        "sa": range(sas),
        "key": lookup_key(ipv6),
    })


def table_bits(sas: int) -> int:
    """RAM bits of the look-up table."""
    return entry(sas).size * WAYS * (1 << index_bits(sas))


def way_indexes(hashed: Value, sas: int) -> list[Value]:
    """One index per way from a hash of three numbers, (a, b, mix) from bit 0 up: p, q, p + q.

    The hash alone will not do: it is linear, so that a run of 1,024 SPIs fills whole rows many
    times and leaves others empty under one table key of ten. Two rounds of a Feistel network
    with an AND as its function bend it: p = a + (b' + mix) b'', q = b + (p' + mix) p'', each
    prime a rotation by a bit, each round with mix bits of its own as far as there are. They
    are a permutation of (a, b), so any two of the three indexes determine it: keys that share
    a row in two ways share all. This is as good as a hash of its own for each way (double
    hashing: M. Mitzenmacher, J. Thaler, "Peeling arguments and double hashing", 2012), at two
    thirds of the logic.
    """
    bits = index_bits(sas)
    a, b, mix = hashed[:bits], hashed[bits:2 * bits], hashed[2 * bits:]
    masks = [Cat(mix[bit % len(mix)] for bit in range(start, start + bits))
             for start in (0, bits)]
    p = a ^ ((b.rotate_right(1) ^ masks[0]) & b.rotate_right(2))
    q = b ^ ((p.rotate_right(1) ^ masks[1]) & p.rotate_right(2))
    return [p, q, p ^ q]


class LookupControl(wiring.Component):
    """Changes the look-up table, one request at a time, in order.

    After reset all rows are swept to zero, one a clock, before the first request is taken.
    A FIND takes ``166 + hash_bits(sas)`` clocks, most of them for a serial hash; a CLEAR, which
    sweeps again, ``sas / 2 + 2``; the others take 3. There are no errors: an INSERT must follow
    a FIND that was neither found nor full, a REMOVE one that found.

    **Moves.** An INSERT is answered when look-ups find the entry, which then stands in the
    hand. From there it goes into a free row of its own; where it has none it puts another
    entry out, which takes its place in the hand, and so on: the random walk of cuckoo hashing
    (D. Fotakis, R. Pagh, P. Sanders, P. Spirakis, "Space Efficient Hash Tables With Worst Case
    Constant Access Time", 2003). After ``MOVES_MAX`` moves the entry in the hand goes to the
    overflow. The next request waits for the end of the walk: 4 clocks, and
    ``168 + hash_bits(sas)`` more for each move.

    A look-up compares the hand one clock after it read the rows. So it finds both entries of
    an exchange in every clock when the hand changes in the clock behind that of the write: the
    last look-up that reads the old row compares the old hand, the next one reads the new row
    and compares the new hand.

    A FIND is full when the rows of the key are taken and so is the overflow: then there would
    be no last resort. Nothing is ever put out of the table.

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
    overflow : In(data.ArrayLayout(entry(sas, ipv6), OVERFLOW_ENTRIES))
        The overflow entries.
    hand : Out(entry(sas, ipv6))
        The entry that seeks a place, for look-ups to compare like the overflow.
    write : Out(WAYS + OVERFLOW_ENTRIES)
        Places to write, the ways from bit 0 up.
    entry : Out(entry(sas, ipv6))
        What to write.
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
            "overflow": In(data.ArrayLayout(place, OVERFLOW_ENTRIES)),
            "hand": Out(place),
            "write": Out(WAYS + OVERFLOW_ENTRIES),
            "entry": Out(place),
        })

    def elaborate(self, platform):
        m = Module()
        request = self.request.payload
        m.submodules.hash = hasher = SerialToeplitz(LookupKey.size, hash_bits(self.sas))
        row = Signal(data.ArrayLayout(index_bits(self.sas), WAYS))
        found = Signal(WAYS + OVERFLOW_ENTRIES)
        free = Signal(WAYS + OVERFLOW_ENTRIES)
        target = Signal(WAYS + OVERFLOW_ENTRIES)
        moves = Signal(range(MOVES_MAX + 1))
        noise = Signal(_LFSR_BITS, init=1)
        places = [*self.ways, *self.overflow]
        # Without `valid` the hand only keeps the key that is searched.
        hand = self.hand
        key = {name: hand.key[name] for name in hand.key.shape().members}
        whole_key = Signal(LookupKey)
        put_out = Signal(entry(self.sas, self.ipv6))

        m.d.comb += [
            self.address.eq(row),
            hasher.key.eq(self.table_key),
            # A key without IPv6 has the hash that it has in a table with IPv6.
            *(whole_key[name].eq(part) for name, part in key.items()),
            hasher.i.payload.eq(whole_key),
            self.reply.payload.found.eq(found.any()),
            self.reply.payload.full.eq(~free.any()),
        ]

        with m.FSM() as fsm:
            m.d.comb += self.swept.eq(~fsm.ongoing("Sweep"))
            with m.State("Sweep"):
                m.d.comb += self.write.eq(~0)
                m.d.sync += [index.eq(index + 1) for index in row]
                with m.If(Value.cast(row).all()):
                    m.next = "Idle"
                    with m.If(self.request.valid & (request.operation == LookupOperation.CLEAR)):
                        m.next = "Reply"
            with m.State("Idle"), m.If(self.request.valid):
                m.d.sync += [part.eq(request.key[name]) for name, part in key.items()]
                m.next = "Write"
                with m.If(request.operation == LookupOperation.FIND):
                    m.next = "Hash"
                with m.If(request.operation == LookupOperation.CLEAR):
                    m.d.sync += row.eq(0)
                    m.next = "Sweep"
            with m.State("Hash"):
                m.d.comb += [hasher.i.valid.eq(1), hasher.o.ready.eq(1)]
                with m.If(hasher.o.valid):
                    m.d.sync += row.eq(Cat(way_indexes(hasher.o.payload, self.sas)))
                    m.next = "Read"
            with m.State("Read"):
                m.next = "Compare"
            with m.State("Compare"):
                occupied = Cat(place.valid for place in places)
                equal = Cat(place.key == hand.key for place in places)
                m.d.sync += [
                    found.eq(occupied & equal),
                    free.eq(~occupied & (occupied + 1)),
                ]
                m.next = "Reply"
                with m.If(hand.valid):
                    m.next = "Choose"
            with m.State("Write"):
                with m.If(request.operation == LookupOperation.INSERT):
                    m.d.sync += [
                        hand.valid.eq(1),
                        hand.sa.eq(request.sa),
                        hand.serial.eq(request.serial),
                        moves.eq(0),
                        target.eq(1),
                    ]
                with m.Else():
                    m.d.comb += self.write.eq(found)
                m.next = "Reply"
            with m.State("Reply"):
                m.d.comb += [
                    self.reply.valid.eq(1),
                    self.request.ready.eq(self.reply.ready),
                ]
                with m.If(self.reply.ready):
                    m.next = "Idle"
                    with m.If(hand.valid):
                        m.next = "Choose"
            with m.State("Choose"):
                with m.If(free[:WAYS].any() | (moves == MOVES_MAX)):
                    m.d.sync += target.eq(free)
                with m.Else():
                    # A random way, but not the one that the entry in the hand was put out of.
                    last = target[:WAYS]
                    m.d.sync += [
                        target.eq(Mux(noise[0], last.rotate_left(1), last.rotate_right(1))),
                        noise.eq(Cat(noise[-1] ^ noise[_LFSR_TAP], noise)),
                        moves.eq(moves + 1),
                    ]
                m.next = "Copy"
            with m.State("Copy"):
                for way, kept in enumerate(self.ways):
                    with m.If(target[way]):
                        m.d.sync += put_out.eq(kept)
                m.next = "Put"
            with m.State("Put"):
                m.d.comb += [self.write.eq(target), self.entry.eq(hand)]
                m.next = "Take"
            with m.State("Take"):
                m.d.sync += [hand.eq(put_out), put_out.valid.eq(0)]
                m.next = "Idle"
                with m.If(put_out.valid):
                    m.next = "Hash"
        return m
