"""Proofs of ``FrameBuild``."""

from espnic.hdl.frame.frame_build import FrameBuild
from espnic.proofs.streams import rule

_WIDTH = 32

PROOFS = (
    rule(lambda: FrameBuild(_WIDTH), ("headers", "place", "text"), ("o",),
         f"beats of {_WIDTH} bits"),
)
