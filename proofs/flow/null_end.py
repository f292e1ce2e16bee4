"""Proofs of ``NullEnd``: every frame that comes leaves, with its bytes and no others."""

from amaranth.hdl import Mux, Signal
from amaranth.lib import data

from espnic.hdl.flow.frame_ingress import axi_beat
from espnic.hdl.flow.null_end import NullEnd
from espnic.proofs.bench import Bench, Proof
from espnic.proofs.streams import rule

_WIDTH = 16
_SMALL = f"beats of {_WIDTH // 8} bytes"
_PACKED = "the bytes of a last beat are packed"


def _make() -> NullEnd:
    return NullEnd(axi_beat(_WIDTH, 0))


def _frames(p: Bench) -> None:
    p.block(null := _make())
    p.neighbours(null.i)
    i, o = null.i.payload, null.o.payload
    comes, leaves = null.i.valid & null.i.ready, null.o.valid & null.o.ready
    p.assume((i.tkeep & (i.tkeep + 1)) == 0, when=i.tlast)
    p.prove(o.tkeep[0] & ((o.tkeep & (o.tkeep + 1)) == 0), when=leaves)
    p.prove(o.tkeep.all() | o.tlast, when=leaves)
    # Each frame that has come has left, but for one; so none is lost, and none is made.
    frames, held_bytes = Signal(3), Signal(4)
    come_bytes = Mux(comes, Mux(i.tlast, sum(i.tkeep), len(i.tkeep)), 0)
    begun = Signal()
    whole = i.tlast & ~begun & ~i.tkeep[0]
    with p.m.If(comes):
        p.m.d.sync += begun.eq(~i.tlast)
    p.m.d.sync += [
        frames.eq(frames + (comes & i.tlast) - (leaves & o.tlast)),
        held_bytes.eq(held_bytes + come_bytes + (comes & whole)
                      - Mux(leaves, sum(o.tkeep), 0)),
    ]
    holds, held = p.inside("holds"), p.inside("held")
    tkeep, tlast = held[_WIDTH:_WIDTH + _WIDTH // 8], held[-1]
    p.prove(frames == (holds & tlast))
    p.prove(held_bytes == Mux(holds, sum(tkeep), 0))
    p.prove(tkeep[0] & ((tkeep & (tkeep + 1)) == 0) & (tlast | tkeep.all()), when=holds)
    p.prove(begun == (holds & ~tlast))
    _data(p, null, comes, leaves, begun)


def _last_bit(p: Bench) -> None:
    """The bit that counts on a frame's last beat is that of the beat that came last."""
    p.block(null := NullEnd(axi_beat(_WIDTH, 1), 0))
    p.neighbours(null.i)
    i, o = null.i.payload, null.o.payload
    p.assume((i.tkeep & (i.tkeep + 1)) == 0, when=i.tlast)
    begun, bit = Signal(), Signal()
    with p.m.If(null.i.valid & null.i.ready):
        p.m.d.sync += begun.eq(~i.tlast)
        with p.m.If(i.tlast):
            p.m.d.sync += bit.eq(i.tuser)
    ends_now = null.i.valid & begun & i.tlast & ~i.tkeep[0]
    p.prove(o.tuser == Mux(ends_now, i.tuser, bit), when=null.o.valid & null.o.ready & o.tlast)
    holds, held = p.inside("holds"), data.View(axi_beat(_WIDTH, 1), p.inside("held"))
    p.prove(begun == (holds & ~held.tlast))
    p.prove(held.tuser == bit, when=holds & held.tlast)


def _data(p: Bench, null: NullEnd, comes, leaves, begun) -> None:
    """No byte leaves but those that came, and the 0 of a frame without a byte."""
    i, o = null.i.payload, null.o.payload
    came, first = Signal(_WIDTH), Signal(_WIDTH // 8)
    null_beat = i.tlast & ~i.tkeep[0]
    with p.m.If(comes & ~(null_beat & begun)):
        p.m.d.sync += [
            came.eq(Mux(null_beat, 0, i.tdata)),
            first.eq(Mux(null_beat, 1, Mux(i.tlast, i.tkeep, ~0)))]
    mask = [bit.replicate(8) for bit in o.tkeep]
    for place, bits in enumerate(mask):
        byte = slice(8 * place, 8 * place + 8)
        p.prove((o.tdata[byte] & bits) == (came[byte] & bits), when=leaves)
    p.prove(o.tkeep == first, when=leaves)
    held = p.inside("held")
    with p.m.If(p.inside("holds")):
        p.prove(held[_WIDTH:_WIDTH + _WIDTH // 8] == first)
        for place, keep in enumerate(first):
            byte = slice(8 * place, 8 * place + 8)
            p.prove(held[byte] == came[byte], when=keep)


PROOFS = (
    rule(_make, ("i",), ("o",), _SMALL),
    Proof("frames", "each frame that comes leaves as one frame with the same bytes, all beats of "
          "it with a byte and all but the last full; a frame without a byte leaves as one byte "
          "of 0", _frames, _SMALL, depth=8, induction=2,
          assumes=("what is offered at `i` stays until it is taken", _PACKED), quick=True),
    Proof("last_bit", "a frame leaves with the bit of `tuser` that its last beat came with, also "
          "when that beat has no byte", _last_bit, _SMALL, depth=8, induction=2,
          assumes=("what is offered at `i` stays until it is taken", _PACKED), quick=True),
)
