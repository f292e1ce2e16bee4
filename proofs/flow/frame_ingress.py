"""Proofs of ``FrameIngress``: no frame behind it is too long."""

from amaranth.hdl import Mux, Signal

from espnic.hdl.flow.frame_ingress import FrameIngress
from espnic.model.interface.codes import FRAME_BYTES_MAX, SUPER_FRAME_BYTES_MAX
from espnic.proofs.bench import Bench, Proof
from espnic.proofs.streams import rule

_WIDTH = 128
_BYTES = _WIDTH // 8


def _make() -> FrameIngress:
    return FrameIngress(_WIDTH, 1, super_bit=0)


class _Frame:
    """The frame that leaves, counted by the beats at the output."""

    def __init__(self, p: Bench, ingress: FrameIngress) -> None:
        self.bytes = Signal(range(SUPER_FRAME_BYTES_MAX + 1))
        """Bytes that have left."""
        self.within, self.is_super = Signal(), Signal()
        self.rest = Signal()
        """The rest of a frame that has been cut is coming."""
        i, o = ingress.i.payload, ingress.o.payload
        self.total = (self.bytes + o.beat.count)[:len(self.bytes) + 1]
        is_super = Mux(self.within, self.is_super, o.user[0])
        self.most = Mux(is_super, SUPER_FRAME_BYTES_MAX, FRAME_BYTES_MAX)
        with p.m.If(ingress.o.valid & ingress.o.ready):
            p.m.d.sync += [
                self.within.eq(~o.beat.last), self.is_super.eq(is_super),
                self.bytes.eq(Mux(o.beat.last, 0, self.total))]
        with p.m.If(ingress.i.valid & ingress.i.ready):
            p.m.d.sync += self.rest.eq(~i.tlast & (self.rest | o.beat.last))

    def agrees(self, p: Bench) -> None:
        """Ask that the registers of the block say the same."""
        index = p.inside("index")
        p.prove(self.bytes == index * _BYTES)
        p.prove(self.within == (index != 0))
        p.prove(p.inside("first") == (index == 0))
        p.prove(p.inside("swallow") == self.rest)
        p.prove(~(self.rest & self.within))
        p.prove(p.inside("was_super") == self.is_super, when=self.within)
        p.prove(self.bytes < Mux(self.is_super, SUPER_FRAME_BYTES_MAX, FRAME_BYTES_MAX),
                when=self.within)


def _length(p: Bench) -> None:
    p.block(ingress := _make())
    p.neighbours(ingress.i)
    i, o, end = ingress.i.payload, ingress.o.payload, ingress.end
    p.assume(i.tkeep[0] & ((i.tkeep & (i.tkeep + 1)) == 0))
    p.assume(i.tkeep.all(), when=~i.tlast)
    frame = _Frame(p, ingress)
    frame.agrees(p)
    passes = ingress.o.valid & ingress.o.ready
    with p.m.If(passes):
        p.prove(o.beat.first == ~frame.within)
        p.prove((o.beat.count >= 1) & (o.beat.count <= _BYTES))
        p.prove(o.beat.last | (o.beat.count == _BYTES))
        p.prove(frame.total <= frame.most)
        p.prove((o.beat.data == i.tdata) & (o.user == i.tuser))
        p.prove(end.payload.bytes == frame.total, when=o.beat.last)
        p.prove(end.payload.oversize == ~i.tlast, when=o.beat.last)
        p.prove(~end.payload.oversize | (frame.total == frame.most), when=o.beat.last)
    p.prove(end.valid == (passes & o.beat.last))
    p.prove(ingress.o.valid == (ingress.i.valid & ~frame.rest))
    p.prove(ingress.i.ready == (frame.rest | ingress.o.ready))


_SMALL = f"beats of {_WIDTH} bits, super-frames"
_PACKED = "a beat has its lowest byte, its bytes are packed, and all but a frame's last are full"
PROOFS = (
    rule(_make, ("i",), ("o",), _SMALL),
    Proof("length", "no frame that leaves is longer than its limit; its first and last beats are "
          "paired; what ends at the limit is told as oversize, and its rest is swallowed",
          _length, _SMALL, depth=6, induction=2,
          assumes=("what is offered at `i` stays until it is taken", _PACKED), quick=True),
)
