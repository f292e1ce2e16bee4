"""Memory of the SA tables that knows when a row is not what was written."""

from amaranth.hdl import Cat, Module, Shape, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

GROUP_BITS = 32
"""Bits of a row that share a parity bit: a block RAM of 36 bits has four beside them."""

_LUT_INPUTS = 6


def parity_bits(row_bits: int, copied: int = 0) -> int:
    """Parity bits of a row of ``row_bits`` bits, the last ``copied`` of which are groups alone."""
    return -(-(row_bits - copied) // GROUP_BITS) + copied


def parities(row: Value, copied: int = 0) -> Value:
    """Parity of each ``GROUP_BITS`` bits of a row, even: a row of zeros has zeros.

    The last ``copied`` bits have one each, which is a copy.
    """
    bits = Value.cast(row)
    shared = bits[:len(bits) - copied]
    return Cat(*(_xor(shared[low:low + GROUP_BITS]) for low in range(0, len(shared), GROUP_BITS)),
               bits[len(shared):])


def _xor(bits: Value) -> Value:
    """Exclusive-or of bits, in groups that fit a LUT: of a tree of pairs a level more is made."""
    return Cat(bits[low:low + _LUT_INPUTS].xor()
               for low in range(0, len(bits), _LUT_INPUTS)).xor()


def stored_bits(shape, copied: int = 0) -> int:
    """Bits of a row as it stands in the memory, with its parity above it."""
    row_bits = Shape.cast(shape).width
    return row_bits + parity_bits(row_bits, copied)


def is_wrong(stored: Value, row_bits: int, copied: int = 0) -> Value:
    """Whether a row as it stands in the memory is not what was written."""
    return wrong_groups(stored, row_bits, copied).any()


def wrong_groups(stored: Value, row_bits: int, copied: int = 0) -> Value:
    """The groups of such a row that are not what was written, by their parity bits."""
    return stored[row_bits:] ^ parities(stored[:row_bits], copied)


def parity_read_port(shape, depth: int, copied: int = 0) -> wiring.Signature:
    """Port of a reader: ``data`` and ``wrong`` are those of ``addr`` in the clock before with
    ``en``, and so is ``stored``, the row with its parity, right out of the memory."""
    return wiring.Signature({
        "addr": Out(range(depth)),
        "en": Out(1, init=1),
        "data": In(shape),
        "wrong": In(1),
        "stored": In(stored_bits(shape, copied)),
    })


def parity_write_port(shape, depth: int) -> wiring.Signature:
    """Port of a writer."""
    return wiring.Signature({
        "addr": Out(range(depth)),
        "en": Out(1),
        "data": Out(shape),
    })


class ParityMemory(wiring.Component):
    """Rows with a parity bit for each ``GROUP_BITS`` bits, made at a write, checked at a read.

    One bit of a group that has turned is found, and any odd number of them. A read in the clock of
    a write gives the old row. Rows are zeros after configuration, and zeros are right.

    Latency 1 clock to ``data`` and ``wrong``; a row each clock and port. ``wrong`` comes through
    an exclusive-or of ``GROUP_BITS`` + 1 bits and an or of the groups; the parity to write, through
    one of ``GROUP_BITS``.

    Parameters
    ----------
    shape : ShapeLike
        A row.
    depth : int
        Rows.
    reads : int
        Read ports.
    copied : int
        So many bits of a row, the last, have a parity bit each: their parity takes no time.

    Members
    -------
    write : In(parity_write_port(shape, depth))
        The only writer.
    reads : In(parity_read_port(shape, depth, copied)).array(reads)
        Readers. One that puts a register behind the memory takes ``stored``, and checks it there.
    """

    def __init__(self, shape, depth: int, reads: int = 1, copied: int = 0):
        self.shape = shape
        self.depth = depth
        self.copied = copied
        super().__init__({
            "write": In(parity_write_port(shape, depth)),
            "reads": In(parity_read_port(shape, depth, copied)).array(reads),
        })

    def elaborate(self, platform):
        m = Module()
        row_bits = len(Value.cast(self.write.data))
        m.submodules.ram = ram = memory.Memory(
            shape=stored_bits(self.shape, self.copied), depth=self.depth, init=[])
        write = ram.write_port()
        m.d.comb += [
            write.addr.eq(self.write.addr),
            write.en.eq(self.write.en),
            write.data.eq(Cat(self.write.data, parities(self.write.data, self.copied))),
        ]
        for reader in self.reads:
            look = ram.read_port()
            m.d.comb += [
                look.addr.eq(reader.addr),
                look.en.eq(reader.en),
                Value.cast(reader.data).eq(look.data),
                reader.wrong.eq(is_wrong(look.data, row_bits, self.copied)),
                reader.stored.eq(look.data),
            ]
        return m
