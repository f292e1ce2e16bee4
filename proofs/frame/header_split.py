"""Proofs of ``HeaderSplit``."""

from espnic.hdl.frame.header_split import HeaderSplit
from espnic.proofs.streams import rule

_WIDTH = 32

PROOFS = (
    rule(lambda: HeaderSplit(_WIDTH), ("i", "place"), ("headers", "text"),
         f"beats of {_WIDTH} bits"),
)
