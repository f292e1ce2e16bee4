"""Proofs of ``fan_out``, between a source and two targets."""

from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.flow.fan_out import fan_out
from espnic.proofs.bench import Bench, Proof

_BITS = 4
Order = data.StructLayout({"value": _BITS, "first": 1, "second": 1})


class Fan(wiring.Component):
    """An order to two targets, each of which has a part in it or not."""

    i: In(stream.Signature(Order))
    first: Out(stream.Signature(_BITS))
    second: Out(stream.Signature(_BITS))

    def elaborate(self, platform):
        m = Module()
        order = self.i.payload
        fan_out(m, self.i, [(self.first, order.value, order.first),
                            (self.second, order.value, order.second)])
        return m


def _whole(p: Bench) -> None:
    p.block(fan := Fan())
    p.neighbours(fan.i)
    order, taken = fan.i.payload, fan.i.valid & fan.i.ready
    for target, part in ((fan.first, order.first), (fan.second, order.second)):
        p.assume(target.ready, when=p.begun & p.past(target.ready & ~target.valid))
        p.prove((target.valid & target.ready) == (taken & part))
        p.prove(target.payload == order.value, when=target.valid)
        p.prove(p.offered(target))


PROOFS = (
    Proof("whole", "an order reaches all that have a part in it in the clock in which it is taken, "
          "and nobody else; what is offered stays until it is taken", _whole,
          f"two targets, orders of {_BITS} bits", depth=8, induction=2, quick=True, assumes=(
              "what is offered at `i` stays until it is taken",
              "a target that is ready stays so until it gets something")),
)
