"""Proofs of ``TextRestore``: a frame without text passes as it is, and takes no text."""

from amaranth.hdl import Signal

from espnic.hdl.frame.text_restore import TextRestore
from espnic.proofs.bench import Bench, Proof
from espnic.proofs.streams import rule

_WIDTH = 32
_INPUTS = ("i", "place", "text")


def _apart(p: Bench) -> None:
    p.block(restore := TextRestore(_WIDTH))
    p.neighbours(*(getattr(restore, name) for name in _INPUTS))
    i, o, text = restore.i, restore.o, restore.text
    place = restore.place.payload
    passes, taken = o.valid & o.ready, text.valid & text.ready
    p.prove((i.valid & i.ready) == passes)
    p.prove((restore.place.valid & restore.place.ready) == (passes & i.payload.last))
    p.prove(restore.place.valid, when=passes)
    # A frame that is to pass as it is.
    p.prove(~text.ready & (o.payload.as_value() == i.payload.as_value()),
            when=o.valid & ~place.enable)
    # Bytes change only where a text of this frame is taken, now or with the beat before it.
    before = Signal()
    with p.m.If(passes):
        p.m.d.sync += before.eq(taken & ~i.payload.last)
    p.prove(o.payload.data == i.payload.data, when=o.valid & ~taken & ~before & o.ready)
    for name in ("count", "first", "last"):
        p.prove(o.payload[name] == i.payload[name], when=o.valid)
    p.prove(restore.place.valid & place.enable, when=p.inside("begun"))
    _registers(p, before)


def _registers(p: Bench, before: Signal) -> None:
    """Ask that nothing is carried over but from the beat before."""
    carries = p.inside("carry_end") != 0
    p.prove(before, when=carries)
    first = p.inside("first")
    p.prove(first == (p.inside("index") == 0))
    p.prove(~before & ~p.inside("text_done") & ~p.inside("begun"), when=first)


PROOFS = (
    rule(lambda: TextRestore(_WIDTH), _INPUTS, ("o",), f"beats of {_WIDTH} bits"),
    Proof("apart", "a frame without text passes as it is and takes no text; in any other, bytes "
          "change only where text of that frame is taken, or was with the beat before", _apart,
          f"beats of {_WIDTH} bits", depth=8, induction=2, quick=True,
          assumes=("what is offered at `i`, `place` and `text` stays until it is taken",)),
)
