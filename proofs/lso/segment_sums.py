"""Proofs of ``SegmentSums``: its ring never overflows, and each request takes its own sums."""

from amaranth.hdl import Mux, Signal

from espnic.hdl.lso.segment_sums import AHEAD, SUMS, SegmentSums
from espnic.proofs.bench import Bench, Proof
from espnic.proofs.flow.queue import levels


def _block(p: Bench) -> SegmentSums:
    """The block; what it reads from its memory is anything."""
    p.block(sums := SegmentSums())
    read, = p.cut("ram").read_ports
    p.m.d.comb += read.data.eq(p.free(len(read.data), "data"))
    return sums


def _ring(p: Bench) -> None:
    sums = _block(p)
    cover = sums.cover.payload.segments
    stored = Signal(range(SUMS + 2))
    """Sums that have come for requests that have not been taken."""
    taken = sums.cover.valid & sums.cover.ready
    p.m.d.sync += stored.eq(stored + sums.sum.valid - Mux(taken, cover, 0))
    p.assume(cover <= stored, when=sums.cover.valid)
    p.assume(p.past(p.past(sums.room)), when=sums.sum.valid)
    _registers(p, stored)


def _registers(p: Bench, stored: Signal) -> None:
    """Ask what the registers of the block have to do with each other and with what is stored."""
    head, tail, level, left = (p.inside(name) for name in ("head", "tail", "level", "left"))
    reading, skipping, passing = (p.inside(name) for name in ("reading", "skipping", "passing"))
    promised = Mux(reading | skipping, left, 0)
    p.prove(tail == (head + stored + promised)[:len(tail)])
    p.prove(level == stored + promised + p.inside("gone"))
    p.prove(level <= SUMS)
    p.prove(left != 0, when=reading | skipping)
    p.prove(p.inside("one_left") == (left == 1), when=reading)
    p.prove(reading + skipping + passing <= 1)


def _stream(p: Bench) -> None:
    sums = _block(p)
    p.prove(p.offered(sums.o))
    levels(p, "ahead.", AHEAD)


_SMALL = f"{SUMS:,} sums"
PROOFS = (
    Proof("stream", "what is offered at `o` stays until it is taken, whatever the neighbours do",
          _stream, _SMALL, depth=8, induction=2),
    Proof("ring", "no sum comes to a full ring, and each request takes as many as its cover says, "
          "kept or refused", _ring, _SMALL, depth=12, induction=5, assumes=(
              "the sums of a cover have come before it", "no sum comes when there has been no room "
              "two clocks before")),
)
