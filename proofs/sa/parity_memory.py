"""Proofs of ``ParityMemory``: a row is read as it was written, and is then not wrong."""

from amaranth.hdl import Cat, Signal

from espnic.hdl.sa.parity_memory import ParityMemory, parities
from espnic.proofs.bench import Bench, Proof

_BITS, _DEPTH, _COPIED = 6, 3, 2


def _rows(p: Bench) -> None:
    memory = ParityMemory(_BITS, _DEPTH, reads=2, transparent=1, copied=_COPIED)
    p.block(memory)
    row = p.constant(range(_DEPTH), "row")
    p.assume(row < _DEPTH)
    kept, write = Signal(_BITS), memory.write
    writes = write.en & (write.addr == row)
    with p.m.If(writes):
        p.m.d.sync += kept.eq(write.data)
    p.prove(p.row("ram", row) == Cat(kept, parities(kept, _COPIED)))
    for place, reader in enumerate(memory.reads):
        read, shown, shows = reader.en & (reader.addr == row), Signal(_BITS), Signal()
        with p.m.If(reader.en):
            p.m.d.sync += [shows.eq(read), shown.eq(kept)]
        if place < memory.transparent:
            with p.m.If(read & writes):
                p.m.d.sync += shown.eq(write.data)
        p.prove((reader.data == shown) & ~reader.wrong, when=shows)
        # What lies at the output of the memory, which a transparent port may not show.
        behind = Signal(_BITS)
        with p.m.If(reader.en):
            p.m.d.sync += behind.eq(kept)
        p.prove(p.read_data("ram", place) == Cat(behind, parities(behind, _COPIED)), when=shows)
        if place < memory.transparent:
            _passing(p, shows, shown, behind)


def _passing(p: Bench, shows, shown, behind) -> None:
    """Ask that a transparent port shows what was written, or else what lies behind it."""
    written, passed = p.inside("written"), p.inside("row")
    p.prove(passed == shown, when=shows & written)
    p.prove(behind == shown, when=shows & ~written)


PROOFS = (
    Proof("rows", "each row is read as it was written last, and is not said to be wrong; from a "
          "transparent port with what is written in the clock of the read", _rows,
          f"{_DEPTH} rows of {_BITS} bits, {_COPIED} of them copied; two ports, one transparent",
          depth=8, induction=2, quick=True),
)
