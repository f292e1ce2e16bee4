"""Proofs of ``SaUsage``: each packet is held against all that came before it."""

from unittest import mock

from amaranth.hdl import Cat, Const, Mux, Signal

from espnic.hdl.sa import usage as block
from espnic.hdl.sa.usage import SaUsage
from espnic.model.interface.codes import SaDirection
from espnic.proofs.bench import Bench, Proof

_SAS = 2
_LIMIT_BITS = 2
_PLACES = 5
"""More packets than wait for their answers."""


class _Packets:
    """The packets that wait for their answers, and whether they are of the SA that is watched."""

    def __init__(self, p: Bench, usage: SaUsage, sa: Signal) -> None:
        self.mine = Signal(_PLACES)
        self.took = usage.answer.valid & usage.answer.ready
        """An answer is taken, that of the packet in the lowest place."""
        asked = usage.query.valid & usage.query.ready
        waiting, rest = Signal(range(_PLACES + 1)), Signal(range(_PLACES + 1))
        own = usage.query.payload[0] == sa
        p.m.d.comb += rest.eq(waiting - self.took)
        p.m.d.sync += [
            waiting.eq(rest + asked),
            self.mine.eq(Mux(self.took, self.mine >> 1, self.mine) | ((asked & own) << rest)),
        ]


def _limit(p: Bench) -> None:
    # A parity is hard on a solver.
    with mock.patch.object(block, "is_wrong", lambda *_: Const(0)):
        p.block(usage := SaUsage(_SAS, SaDirection.RX))
    sa, limit = p.constant(1, "sa"), p.constant(_LIMIT_BITS, "limit")
    known, served = Signal(), Signal(8)
    packets = _Packets(p, usage, sa)
    write, answer, commit = usage.write.payload, usage.answer.payload, usage.commit
    counts = packets.took & packets.mine[0] & commit.count
    p.m.d.sync += served.eq(served + counts)
    with p.m.If(usage.write.ready & (write.sa == sa)):
        p.m.d.sync += known.eq(1)
    p.neighbours(usage.query, usage.write, usage.read)
    # The SA gets its limit first, then packets of both come, and commands of the other.
    p.assume(write.sa[1:] == 0)
    p.assume((write.sa == sa) == ~known, when=usage.write.valid)
    p.assume(usage.write.valid, when=~known)
    p.assume(~usage.query.valid, when=~known)
    p.assume(write.fresh & write.soft & write.hard & (write.limits.hard_packets == limit)
             & ~Cat(write.limits.soft_packets, write.limits.soft_bytes,
                    write.limits.hard_bytes).any(), when=~known)
    p.assume((usage.query.payload[1:] == 0) & (usage.read.payload[1:] == 0))
    p.assume(commit.packets == 1)
    p.prove(answer.expired == ((limit != 0) & (served >= limit)),
            when=packets.took & packets.mine[0])
    p.prove(~answer.fault, when=packets.took)


PROOFS = (
    Proof("limit", "the answer to a packet says that its SA has expired if as many packets of it "
          "as its limit have been counted before, and only then", _limit, f"{_SAS} SAs", depth=14,
          assumes=("an SA gets its limit, of at most 3 packets, before any packet comes, and its "
                   "limits are not written again",
                   "rows are what was written",
                   "what is offered at `query`, `write` and `read` stays until it is taken")),
)
