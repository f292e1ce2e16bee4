"""Proofs of ``IcvSplit``."""

from espnic.hdl.rx.icv_split import IcvSplit
from espnic.proofs.streams import rule

_WIDTH = 128

PROOFS = (
    rule(lambda: IcvSplit(_WIDTH), ("i", "text_bytes"), ("o",), f"beats of {_WIDTH} bits"),
)
