"""Proofs of ``Stage``."""

from espnic.hdl.flow.stage import Stage
from espnic.proofs.bench import Bench, Proof
from espnic.proofs.streams import Watched, rule


def _order(p: Bench) -> None:
    p.block(stage := Stage(8))
    watched = Watched(p, stage.i, stage.o, most=1)
    p.prove(watched.inside == p.inside("valid"))
    p.prove(p.inside("entry") == watched.value, when=watched.waits)


PROOFS = (
    rule(lambda: Stage(8), ("i",), ("o",), "entries of 8 bits", quick=True),
    Proof("order", "entries leave in the order in which they came, each once", _order,
          "entries of 8 bits", depth=10, induction=2, quick=True),
)
