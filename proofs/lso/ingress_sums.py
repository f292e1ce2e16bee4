"""Proofs of ``IngressSums``: no sum is lost, and none is counted for another frame."""

from amaranth.hdl import Mux, Signal
from amaranth.lib import data

from espnic.hdl.lso.ingress_sums import SUMMED_SEGMENTS, HalfFolded, IngressSums
from espnic.proofs.bench import Bench, Proof

_WIDTH = 128


def _counted(p: Bench) -> None:
    p.block(sums := IngressSums(_WIDTH))
    come = Signal(range(SUMMED_SEGMENTS + 2))
    """Sums that have come since the last cover."""
    now = Signal(range(SUMMED_SEGMENTS + 2))
    p.m.d.comb += now.eq(come + sums.sum.valid)
    p.m.d.sync += come.eq(Mux(sums.cover.valid, 0, now))
    p.prove(sums.cover.payload.segments == now, when=sums.cover.valid)
    room = p.past(sums.room)
    p.prove(p.past(room), when=sums.sum.valid)
    _stages(p, room, Mux(sums.cover.valid, 0, now))


def _stages(p: Bench, room, after) -> None:
    """Ask how the sums in the last two clocks have been counted; ``after`` those that have come."""
    half, counted = data.View(HalfFolded, p.inside("half")), p.inside("given")
    behind = Signal.like(counted)
    p.m.d.comb += behind.eq(after + half.gives)
    p.prove(counted <= SUMMED_SEGMENTS)
    p.prove(Mux(half.last, 0, behind) == counted)
    p.prove(half.cover.segments == behind, when=half.last)
    p.prove(room, when=half.gives)


def _lined_up(p: Bench) -> None:
    p.block(sums := IngressSums(_WIDTH))
    beat, within = sums.i.payload, Signal()
    full = beat.count == _WIDTH // 8
    p.assume((beat.first == ~within) & (beat.count != 0) & (beat.count <= _WIDTH // 8)
             & (beat.last | full), when=sums.i.valid)
    places = Signal.like(sums.places)
    with p.m.If(sums.i.valid):
        p.m.d.sync += [within.eq(~beat.last), places.eq(sums.places)]
    p.assume(sums.places.as_value() == places.as_value(), when=sums.i.valid & within)
    p.prove(~(p.inside("waits") & p.inside("at_border") & p.inside("at_end")))
    begun, covered = Signal(8), Signal(8)
    p.m.d.sync += [begun.eq(begun + (sums.i.valid & beat.last)),
                   covered.eq(covered + sums.cover.valid)]
    due = begun
    for _ in range(sums.latency):
        due = p.past(due)
    p.prove((covered <= begun) & (covered + sums.cover.valid >= due))


_SMALL = f"beats of {_WIDTH} bits"
PROOFS = (
    Proof("counted", "a cover tells how many sums have come since the one before it, and none "
          "comes when there has been no room two clocks before", _counted, _SMALL, depth=16,
          induction=3, quick=True),
    Proof("lined_up", "two segments that end in a beat never find the place to wait taken; each "
          "frame has a cover within its latency", _lined_up, _SMALL, depth=24, quick=True,
          assumes=("beats make frames, all but the last of a frame are full, and the places are "
                   "the same in all beats of a frame",)),
)
