"""Proofs of ``HeaderReplay``."""

from espnic.hdl.lso.header_replay import HeaderReplay
from espnic.proofs.streams import rule

_WIDTH = 512

PROOFS = (
    rule(lambda: HeaderReplay(_WIDTH), ("i", "again"), ("o",), f"beats of {_WIDTH} bits"),
)
