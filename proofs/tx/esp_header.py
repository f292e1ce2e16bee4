"""Proofs of ``EspHeader``."""

from espnic.hdl.tx.esp_header import EspHeader
from espnic.proofs.streams import rule

_WIDTH = 128

PROOFS = (
    rule(lambda: EspHeader(_WIDTH), ("i", "request"), ("o",), f"beats of {_WIDTH} bits"),
)
