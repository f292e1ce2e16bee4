"""Properties that many blocks share: the rule of streams, and the order of entries."""

from collections.abc import Callable, Sequence
from typing import Any

from amaranth.hdl import Signal, Value
from amaranth.lib import wiring

from espnic.proofs.bench import Bench, Proof


def rule(make: Callable[[], wiring.Component], inputs: Sequence[str], outputs: Sequence[str],
         small: str, invariant: Callable[[Bench], None] | None = None, **how: Any) -> Proof:
    """The proof that a block keeps the rule of streams if its neighbours do.

    Parameters
    ----------
    make
        Gives the block.
    inputs, outputs
        Names of its streams.
    small
        The parameters with which the block is made.
    invariant
        Asks of the block what the induction needs beside the rule.
    how
        Other fields of the ``Proof``.
    """
    def describe(p: Bench) -> None:
        block = make()
        p.block(block)
        p.neighbours(*(getattr(block, name) for name in inputs))
        for name in outputs:
            p.prove(p.offered(getattr(block, name)))
        if invariant is not None:
            invariant(p)

    return Proof(**{
        "name": "stream",
        "says": f"what is offered at {_listed(outputs)} stays until it is taken, whatever the "
                "neighbours do",
        "describe": describe, "small": small, "depth": 8, "induction": 2,
        "assumes": (f"what is offered at {_listed(inputs)} stays until it is taken",),
        **how})


def _listed(names: Sequence[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)


class Watched:
    """An entry that came into a block at any time, until it leaves.

    The entries that were inside when it came must leave before it. So if it is right for any
    entry that may be chosen, entry n that leaves is entry n that came, for all n.

    Members
    -------
    inside : Signal
        Number of entries that have come and have not left.
    waits : Signal
        The entry has been chosen, and has not left.
    ahead : Signal
        Number of entries that are to leave before it.
    value : Signal
        The entry.
    """

    def __init__(self, p: Bench, i, o, most: int) -> None:
        comes, leaves = i.valid & i.ready, o.valid & o.ready
        payload, given = Value.cast(i.payload), Value.cast(o.payload)
        self.inside = Signal(range(most + 2))
        self.ahead = Signal(range(most + 2))
        self.waits = Signal()
        self.value = Signal(len(payload))
        chosen, choose = Signal(), p.free(1, "choose")
        now = choose & ~chosen & comes
        next_ahead = Signal(range(most + 2))
        p.m.d.comb += next_ahead.eq(self.ahead - 1)
        p.m.d.sync += self.inside.eq(self.inside + comes - leaves)
        with p.m.If(now):
            p.m.d.sync += [
                chosen.eq(1),
                self.value.eq(payload),
                self.ahead.eq(self.inside - leaves),
                # It may leave in the clock in which it comes.
                self.waits.eq(~(leaves & (self.inside == 0))),
            ]
        with p.m.Elif(self.waits & leaves):
            p.m.d.sync += [self.ahead.eq(next_ahead), self.waits.eq(self.ahead != 0)]
        p.prove(self.inside <= most)
        p.prove((self.inside != 0) | comes, when=leaves)
        p.prove(given == self.value, when=self.waits & (self.ahead == 0) & leaves)
        p.prove(given == payload, when=now & leaves & (self.inside == 0))
        p.prove(self.ahead < self.inside, when=self.waits)
