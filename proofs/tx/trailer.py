"""Proofs of ``TrailerGenerator``."""

from espnic.hdl.tx.trailer import TrailerGenerator
from espnic.proofs.streams import rule

_WIDTH = 128

PROOFS = (
    rule(lambda: TrailerGenerator(_WIDTH), ("i", "request"), ("o",), f"beats of {_WIDTH} bits"),
)
