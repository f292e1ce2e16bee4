"""Proofs of ``Skid``."""

from espnic.hdl.flow.skid import Skid
from espnic.proofs.bench import Bench, Proof
from espnic.proofs.streams import Watched, rule


def _order(p: Bench) -> None:
    p.block(skid := Skid(8))
    watched = Watched(p, skid.i, skid.o, most=1)
    p.prove(watched.inside == p.inside("full"))
    p.prove(p.inside("kept") == watched.value, when=watched.waits)


PROOFS = (
    rule(lambda: Skid(8), ("i",), ("o",), "entries of 8 bits", quick=True),
    Proof("order", "entries leave in the order in which they came, each once", _order,
          "entries of 8 bits", depth=10, induction=2, quick=True),
)
