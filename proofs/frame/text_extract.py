"""Proofs of ``TextExtract``."""

from espnic.hdl.frame.text_extract import TextExtract
from espnic.proofs.streams import rule

_WIDTH = 32

PROOFS = (
    rule(lambda: TextExtract(_WIDTH), ("i", "span"), ("o",), f"beats of {_WIDTH} bits"),
)
