"""Proofs of ``RegisterSlice``."""

from espnic.hdl.flow.register_slice import RegisterSlice
from espnic.proofs.bench import Bench, Proof
from espnic.proofs.streams import Watched, rule


def _filling(p: Bench) -> None:
    """Ask that none is kept while no entry waits for the output."""
    p.prove(p.inside("valid") | ~p.inside("full"))


def _order(p: Bench) -> None:
    p.block(block := RegisterSlice(8))
    watched = Watched(p, block.i, block.o, most=2)
    valid, full = p.inside("valid"), p.inside("full")
    _filling(p)
    p.prove(watched.inside == valid + full)
    p.prove(p.inside("entry") == watched.value, when=watched.waits & (watched.ahead == 0))
    p.prove(p.inside("kept") == watched.value, when=watched.waits & (watched.ahead == 1))


PROOFS = (
    rule(lambda: RegisterSlice(8), ("i",), ("o",), "entries of 8 bits", quick=True),
    Proof("order", "entries leave in the order in which they came, each once", _order,
          "entries of 8 bits", depth=10, induction=2, quick=True),
)
