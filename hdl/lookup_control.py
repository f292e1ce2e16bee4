"""Control side of the look-up table: sweep, search, insertion, removal."""

from enum import IntEnum

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.layouts import HANDLE_BITS, LookupKey
from hdl.toeplitz import SerialToeplitz

WAYS = 4
CAM_ENTRIES = 4

SERIAL_BITS = 2

HASH_KEY_BITS = 192
"""Width of the hash key of every table size; a table uses it from bit 0 up."""

HASH_KEY_DEFAULT = 0x9F2B61C8D7034EA5_B86E1D97F4C20A3B_5D81E6294BF37CD0
"""Arbitrary bits for a table whose driver sets no secret key."""


class LookupOperation(IntEnum):
    FIND = 0
    """Search the key and a free place for it."""
    INSERT = 1
    """Write an entry to the free place that the FIND before found."""
    REMOVE = 2
    """Clear the place where the FIND before found the key."""


LookupRequest = data.StructLayout({
    "operation": 2,
    "key": LookupKey,
    "sa": HANDLE_BITS,
    "serial": SERIAL_BITS,
})
"""``sa`` and ``serial`` matter to an INSERT only."""

LookupReply = data.StructLayout({"found": 1, "full": 1})
"""``full``: no free place for the key. Both belong to the last FIND."""


def hash_bits(sas: int) -> int:
    """Width of the hash for a table of ``sas`` SAs: two indexes."""
    return 2 * index_bits(sas)


def index_bits(sas: int) -> int:
    """Width of the index into a way: ``sas / 2`` rows, so that the ways are never over half full.

    Raises ``ValueError`` unless ``sas`` is a power of two from 16 to 65,536.
    """
    if sas not in (1 << n for n in range(4, HANDLE_BITS + 1)):
        raise ValueError(f"sas: {sas!r}, expected a power of two from 16 to {1 << HANDLE_BITS}")
    return sas.bit_length() - 2


def entry(sas: int) -> data.StructLayout:
    """A place of the table. ``serial`` is that of the SA's context."""
    return data.StructLayout({
        "valid": 1,
        "serial": SERIAL_BITS,
        "sa": range(sas),
        "key": LookupKey,
    })


def way_indexes(hashed: Value) -> list[Value]:
    """One index per way from a hash of two indexes a and b: a, b, a + b, a + xb in GF(2)[x].

    Modulo x^n + x + 1, which neither x nor x + 1 divides, so any two of the four determine the
    hash: keys that share a row in two ways share all. This is as good as a hash of its own
    for each way (double hashing: M. Mitzenmacher, "Cuckoo hashing with double hashing", 2016
    and before), at half the logic.
    """
    bits = len(hashed) // 2
    a, b = hashed[:bits], hashed[bits:]
    shifted = Cat(b[-1], b[0] ^ b[-1], b[1:-1])
    return [a, b, a ^ b, a ^ shifted]


class LookupControl(wiring.Component):
    """Changes the look-up table, one request at a time, in order.

    After reset all rows are swept to zero, one a clock, before the first request is taken.
    A FIND takes ``166 + 2 * index_bits(sas)`` clocks, most of them for a serial hash; the
    others take 3. There are no errors: an INSERT must follow a FIND that was not full, a
    REMOVE one that found.

    The rows are read and written through one port (the other one is the datapath's), so a
    way is a true dual-port block RAM.

    Parameters
    ----------
    sas : int
        Size of the SA table.

    Members
    -------
    hash_key : In(HASH_KEY_BITS)
        Key of the hash.
    request : In(stream.Signature(LookupRequest))
        What to do.
    reply : Out(stream.Signature(LookupReply))
        One for each request, when it has taken effect.
    swept : Out(1)
        The sweep is over.
    address : Out(data.ArrayLayout(index_bits(sas), WAYS))
        Row of each way to read or write.
    ways : In(data.ArrayLayout(entry(sas), WAYS))
        The rows at the ``address`` of the clock before.
    cam : In(data.ArrayLayout(entry(sas), CAM_ENTRIES))
        The overflow entries.
    write : Out(WAYS + CAM_ENTRIES)
        Places to write, the ways from bit 0 up.
    entry : Out(entry(sas))
        What to write.
    """

    def __init__(self, sas: int):
        self.sas = sas
        super().__init__({
            "hash_key": In(HASH_KEY_BITS),
            "request": In(stream.Signature(LookupRequest)),
            "reply": Out(stream.Signature(LookupReply)),
            "swept": Out(1),
            "address": Out(data.ArrayLayout(index_bits(sas), WAYS)),
            "ways": In(data.ArrayLayout(entry(sas), WAYS)),
            "cam": In(data.ArrayLayout(entry(sas), CAM_ENTRIES)),
            "write": Out(WAYS + CAM_ENTRIES),
            "entry": Out(entry(sas)),
        })

    def elaborate(self, platform):
        m = Module()
        request = self.request.payload
        m.submodules.hash = hasher = SerialToeplitz(LookupKey.size, hash_bits(self.sas))
        row = Signal(data.ArrayLayout(index_bits(self.sas), WAYS))
        found = Signal(WAYS + CAM_ENTRIES)
        free = Signal(WAYS + CAM_ENTRIES)
        places = [*self.ways, *self.cam]

        m.d.comb += [
            self.address.eq(row),
            hasher.key.eq(self.hash_key),
            hasher.i.payload.eq(request.key),
            self.reply.payload.found.eq(found.any()),
            self.reply.payload.full.eq(~free.any()),
        ]

        with m.FSM() as fsm:
            m.d.comb += self.swept.eq(~fsm.ongoing("Sweep"))
            with m.State("Sweep"):
                m.d.comb += self.write.eq((1 << WAYS) - 1)
                m.d.sync += [index.eq(index + 1) for index in row]
                with m.If(Value.cast(row).all()):
                    m.next = "Idle"
            with m.State("Idle"), m.If(self.request.valid), m.Switch(request.operation):
                with m.Case(LookupOperation.FIND):
                    m.next = "Hash"
                with m.Default():
                    m.next = "Write"
            with m.State("Hash"):
                m.d.comb += [hasher.i.valid.eq(1), hasher.o.ready.eq(1)]
                with m.If(hasher.o.valid):
                    m.d.sync += row.eq(Cat(way_indexes(hasher.o.payload)))
                    m.next = "Read"
            with m.State("Read"):
                m.next = "Compare"
            with m.State("Compare"):
                occupied = Cat(place.valid for place in places)
                equal = Cat(place.key == request.key for place in places)
                m.d.sync += [
                    found.eq(occupied & equal),
                    free.eq(~occupied & (occupied + 1)),
                ]
                m.next = "Reply"
            with m.State("Write"):
                with m.If(request.operation == LookupOperation.INSERT):
                    m.d.comb += [
                        self.write.eq(free),
                        self.entry.valid.eq(1),
                        self.entry.sa.eq(request.sa),
                        self.entry.serial.eq(request.serial),
                        self.entry.key.eq(request.key),
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
        return m
