"""Proofs of ``IcvAppend``."""

from espnic.hdl.tx.icv_append import IcvAppend
from espnic.proofs.streams import rule

_WIDTH = 128

PROOFS = (
    rule(lambda: IcvAppend(_WIDTH), ("i", "tag", "size"), ("o",), f"beats of {_WIDTH} bits"),
)
