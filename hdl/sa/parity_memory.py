"""Memory of the SA tables that knows when a row is not what was written."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

GROUP_BITS = 32
"""Bits of a row that share a parity bit: a block RAM of 36 bits has four beside them."""


def parity_bits(row_bits: int) -> int:
    """Parity bits of a row of ``row_bits`` bits."""
    return -(-row_bits // GROUP_BITS)


def parities(row: Value) -> Value:
    """Parity of each ``GROUP_BITS`` bits of a row, even: a row of zeros has zeros."""
    bits = Value.cast(row)
    return Cat(bits[low:low + GROUP_BITS].xor() for low in range(0, len(bits), GROUP_BITS))


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

    Members
    -------
    write : In(parity_write_port(shape, depth))
        The only writer.
    reads : In(parity_read_port(shape, depth)).array(reads)
        Readers.
    """

    def __init__(self, shape, depth: int, reads: int = 1, transparent: int = 0):
        self.shape = shape
        self.depth = depth
        self.transparent = transparent
        super().__init__({
            "write": In(parity_write_port(shape, depth)),
            "reads": In(parity_read_port(shape, depth)).array(reads),
        })

    def elaborate(self, platform):
        m = Module()
        row_bits = len(Value.cast(self.write.data))
        m.submodules.ram = ram = memory.Memory(
            shape=row_bits + parity_bits(row_bits), depth=self.depth, init=[])
        write = ram.write_port()
        m.d.comb += [
            write.addr.eq(self.write.addr),
            write.en.eq(self.write.en),
            write.data.eq(Cat(self.write.data, parities(self.write.data))),
        ]
        for place, reader in enumerate(self.reads):
            look = ram.read_port()
            row, wrong = Signal(row_bits), Signal()
            m.d.comb += [
                look.addr.eq(reader.addr),
                look.en.eq(reader.en),
                row.eq(look.data),
                wrong.eq((look.data[row_bits:] ^ parities(row)).any()),
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
