"""Proofs of ``FrameGate``."""

from amaranth.hdl import Signal

from espnic.hdl.flow.frame_gate import FrameGate
from espnic.hdl.flow.frame_ingress import axi_beat
from espnic.proofs.bench import Bench, Proof
from espnic.proofs.streams import rule

_BITS = 8
_SMALL = f"beats of {_BITS} bits"


def _frames(p: Bench) -> None:
    p.block(gate := FrameGate(axi_beat(_BITS, 0)))
    p.neighbours(gate.i)
    passes, comes = gate.o.valid & gate.o.ready, gate.i.valid & gate.i.ready
    within = Signal()
    with p.m.If(passes):
        p.m.d.sync += within.eq(~gate.o.payload.tlast)
    p.prove(passes == comes)
    p.prove(gate.o.payload.as_value() == gate.i.payload.as_value(), when=passes)
    p.prove(gate.began == (passes & ~within))
    p.prove(~gate.stopped | (~within & ~gate.o.valid))
    p.prove(p.inside("within") == within)
    # A frame that is asked to stop, and has not been offered, does not begin a clock later.
    stops = p.past(gate.stop & ~within & ~gate.o.valid)
    p.prove(gate.stopped, when=p.begun & stops)


PROOFS = (
    rule(lambda: FrameGate(axi_beat(_BITS, 0)), ("i",), ("o",), _SMALL, quick=True),
    Proof("frames", "beats pass as they come; no frame is cut by a stop, none passes while it is "
          "stopped, and `began` is the first beat of each", _frames, _SMALL, depth=10, induction=2,
          assumes=("what is offered at `i` stays until it is taken",), quick=True),
)
