"""Memory of the SA tables that knows when a row is not what was written."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

GROUP_BITS = 32
"""Bits of a row that share a parity bit: a block RAM of 36 bits has four beside them."""


def parity_bits(row_bits: int, copied: int = 0) -> int:
    """Parity bits of a row of ``row_bits`` bits, the last ``copied`` of which are groups alone."""
    return -(-(row_bits - copied) // GROUP_BITS) + copied


def parities(row: Value, copied: int = 0) -> Value:
    """Parity of each ``GROUP_BITS`` bits of a row, even: a row of zeros has zeros.

    The last ``copied`` bits have one each, which is a copy.
    """
    bits = Value.cast(row)
    shared = bits[:len(bits) - copied]
    return Cat(*(shared[low:low + GROUP_BITS].xor() for low in range(0, len(shared), GROUP_BITS)),
               bits[len(shared):])


def parity_read_port(shape, depth: int) -> wiring.Signature:
    """Port of a reader: ``data`` and ``wrong`` are those of ``addr`` in the clock before with
    ``en``."""
    return wiring.Signature({
        "addr": Out(range(depth)),
        "en": Out(1, init=1),
        "data": In(shape),
        "wrong": In(1),
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
    a write gives the old row, or the new one if the port is transparent. Rows are zeros after
    configuration, and zeros are right.

    Latency 1 clock to ``data`` and ``wrong``; a row each clock and port. ``wrong`` comes through
    an exclusive-or of ``GROUP_BITS`` + 1 bits and an or of the groups; the parity to write, through
    one of ``GROUP_BITS``. What a transparent port gives of the writer is right: it does not come
    through the memory, and the check does not wait for the choice.

    Parameters
    ----------
    shape : ShapeLike
        A row.
    depth : int
        Rows.
    reads : int
        Read ports.
    transparent : int
        So many of them, the first, give what is written in the clock of the read.
    copied : int
        So many bits of a row, the last, have a parity bit each: their parity takes no time.

    Members
    -------
    write : In(parity_write_port(shape, depth))
        The only writer.
    reads : In(parity_read_port(shape, depth)).array(reads)
        Readers.
    """

    def __init__(self, shape, depth: int, reads: int = 1, transparent: int = 0, copied: int = 0):
        self.shape = shape
        self.depth = depth
        self.transparent = transparent
        self.copied = copied
        super().__init__({
            "write": In(parity_write_port(shape, depth)),
            "reads": In(parity_read_port(shape, depth)).array(reads),
        })

    def elaborate(self, platform):
        m = Module()
        row_bits = len(Value.cast(self.write.data))
        m.submodules.ram = ram = memory.Memory(
            shape=row_bits + parity_bits(row_bits, self.copied), depth=self.depth, init=[])
        write = ram.write_port()
        m.d.comb += [
            write.addr.eq(self.write.addr),
            write.en.eq(self.write.en),
            write.data.eq(Cat(self.write.data, parities(self.write.data, self.copied))),
        ]
        for place, reader in enumerate(self.reads):
            look = ram.read_port()
            row, wrong = Signal(row_bits), Signal()
            m.d.comb += [
                look.addr.eq(reader.addr),
                look.en.eq(reader.en),
                row.eq(look.data),
                wrong.eq((look.data[row_bits:] ^ parities(row, self.copied)).any()),
                Value.cast(reader.data).eq(row),
                reader.wrong.eq(wrong),
            ]
            if place < self.transparent:
                self._pass(m, reader)
        return m

    def _pass(self, m: Module, reader: wiring.PureInterface) -> None:
        """Give a reader what is written in the clock of its read."""
        written, row = Signal(), Signal(len(Value.cast(self.write.data)))
        with m.If(reader.en):
            m.d.sync += [
                written.eq(self.write.en & (self.write.addr == reader.addr)),
                row.eq(self.write.data),
            ]
        with m.If(written):
            m.d.comb += [Value.cast(reader.data).eq(row), reader.wrong.eq(0)]
