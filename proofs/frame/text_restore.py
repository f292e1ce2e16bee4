"""Proofs of ``TextRestore``."""

from espnic.hdl.frame.text_restore import TextRestore
from espnic.proofs.streams import rule

_WIDTH = 32

PROOFS = (
    rule(lambda: TextRestore(_WIDTH), ("i", "place", "text"), ("o",), f"beats of {_WIDTH} bits"),
)
