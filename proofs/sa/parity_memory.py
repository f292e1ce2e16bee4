"""Proofs of ``ParityMemory``: a row is read as it was written, and is then not wrong."""

from amaranth.hdl import Cat, Signal

from espnic.hdl.sa.parity_memory import ParityMemory, parities
from espnic.proofs.bench import Bench, Proof

_BITS, _DEPTH, _COPIED = 6, 3, 2


def _rows(p: Bench) -> None:
    memory = ParityMemory(_BITS, _DEPTH, reads=2, copied=_COPIED)
    p.block(memory)
    row = p.constant(range(_DEPTH), "row")
    p.assume(row < _DEPTH)
    kept, write = Signal(_BITS), memory.write
    with p.m.If(write.en & (write.addr == row)):
        p.m.d.sync += kept.eq(write.data)
    p.prove(p.row("ram", row) == Cat(kept, parities(kept, _COPIED)))
    for place, reader in enumerate(memory.reads):
        shown, shows = Signal(_BITS), Signal()
        with p.m.If(reader.en):
            p.m.d.sync += [shows.eq(reader.addr == row), shown.eq(kept)]
        p.prove((reader.data == shown) & ~reader.wrong, when=shows)
        p.prove(p.read_data("ram", place) == Cat(shown, parities(shown, _COPIED)), when=shows)


PROOFS = (
    Proof("rows", "each row is read as it was written last, and is not said to be wrong", _rows,
          f"{_DEPTH} rows of {_BITS} bits, {_COPIED} of them copied; two ports",
          depth=8, induction=2, quick=True),
)
