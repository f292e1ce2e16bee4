"""Proofs of ``TxCheck``: a request to be encrypted is sealed or refused, and never leaves else."""

from amaranth.hdl import Signal, Value
from amaranth.lib import data

from espnic.hdl.tx.check import LookedUpFrame, MeasuredFrame, TxCheck
from espnic.model.interface.codes import TxOperation, TxStatus
from espnic.proofs.bench import Bench, Proof
from espnic.proofs.streams import rule

_COUNT = range(4)
_ENCRYPT_BITS = len(Value.cast(Signal(TxOperation)))


class _Request:
    """A request that is watched from its coming to its verdict."""

    def __init__(self, p: Bench, check: TxCheck) -> None:
        self.waits, self.operation = Signal(), Signal(len(_operation(check)))
        self.ahead, self.inside, self.chosen = Signal(_COUNT), Signal(_COUNT), Signal()
        comes, self.leaves = check.frame.valid & check.frame.ready, check.o.valid & check.o.ready
        p.m.d.sync += self.inside.eq(self.inside + comes - self.leaves)
        with p.m.If(p.free(1, "choose") & ~self.chosen & comes):
            p.m.d.sync += [
                self.chosen.eq(1), self.waits.eq(1), self.operation.eq(_operation(check)),
                self.ahead.eq(self.inside - self.leaves)]
        with p.m.Elif(self.waits & self.leaves):
            p.m.d.sync += [self.ahead.eq(self.ahead - 1), self.waits.eq(self.ahead != 0)]
        p.prove(self.chosen & (self.ahead < self.inside), when=self.waits)


def _operation(check: TxCheck) -> Value:
    return Value.cast(check.frame.payload.descriptor.operation)


def _sealed(p: Bench) -> None:
    p.block(check := TxCheck())
    request = _Request(p, check)
    plan = check.o.payload.plan
    encrypt = request.operation == TxOperation.ENCRYPT
    bypass = request.operation == TxOperation.BYPASS
    now = request.waits & check.o.valid & (request.ahead == 0)
    p.prove(plan.seal, when=now & encrypt & plan.keep)
    p.prove(plan.keep, when=now & plan.seal)
    p.prove(encrypt, when=now & plan.seal)
    p.prove(encrypt | bypass, when=now & plan.keep)
    p.prove((plan.status == TxStatus.SEALED) == plan.seal, when=now)
    p.prove((plan.status == TxStatus.BYPASSED) == (plan.keep & ~plan.seal), when=now)
    measured, looked = _stages(p)
    at_measured, at_looked = p.inside("measured_valid"), p.inside("looked_valid")
    p.prove(request.inside == at_measured + at_looked + check.o.valid)
    p.prove(measured.asks == (measured.frame.descriptor.operation == TxOperation.ENCRYPT),
            when=at_measured)
    with p.m.If(request.waits & at_measured & (request.ahead == check.o.valid + at_looked)):
        p.prove(measured.frame.descriptor.operation == request.operation)
        p.prove(measured.no_operation == ~(encrypt | bypass))
    with p.m.If(request.waits & at_looked & (request.ahead == check.o.valid)):
        p.prove(looked.asks == encrypt)
        p.prove(looked.decided | encrypt)
        p.prove(bypass, when=looked.clear)
    with p.m.If(at_looked):
        p.prove(looked.decided == (looked.decision != TxStatus.SEALED))
        p.prove(looked.clear == (looked.decision == TxStatus.BYPASSED))
        p.prove(looked.failed == (looked.failure != TxStatus.SEALED))
        p.prove(looked.failure != TxStatus.BYPASSED)


def _refused(p: Bench) -> None:
    p.block(check := TxCheck())
    o, sa, sent = check.o.payload, check.sa.payload, check.sent.answer
    usage = check.usage.answer
    measured, looked = _stages(p)
    came = p.begun & p.past(check.sa.valid & check.sa.ready)
    p.prove(Value.cast(looked.context) == p.past(Value.cast(sa.context)), when=came)
    p.prove(looked.fault | looked.failed | looked.decided | p.past(sa.hit & ~sa.fault), when=came)
    p.prove(p.inside("looked_valid"), when=came)
    took = p.begun & p.past(p.inside("taken"))
    p.prove(Value.cast(o.context) == p.past(Value.cast(looked.context)), when=took)
    with p.m.If(took & o.plan.seal):
        p.prove(p.past(~(looked.fault | looked.failed | looked.decided)))
        p.prove(p.past(usage.valid & sent.valid))
        p.prove(p.past(~(looked.hit & (usage.payload.fault | sent.payload.fault))))
        p.prove(p.past(~usage.payload.expired))
        p.prove(p.past(~sent.payload.late & ~sent.payload.repeated))
    with p.m.If(p.inside("looked_valid")):
        p.prove(looked.hit | looked.failed)
        p.prove(looked.decided | looked.asks)
    with p.m.If(p.inside("measured_valid")):
        p.prove(measured.asks == (measured.frame.descriptor.operation == TxOperation.ENCRYPT))


def _stages(p: Bench) -> tuple[data.View, data.View]:
    """The frame after the first clock, and after the second."""
    return (data.View(MeasuredFrame, p.inside("measured")),
            data.View(LookedUpFrame, p.inside("looked")))


_INPUTS = ("frame", "sa")
_SMALL = "with super-frames"
PROOFS = (
    rule(TxCheck, _INPUTS, ("o",), _SMALL),
    Proof("sealed", "a request to be encrypted that leaves is to be sealed, and only such a "
          "request is; what is no known operation does not leave", _sealed, _SMALL, depth=6,
          induction=2, quick=True),
    Proof("refused", "a request is sealed only if its SA was found and its answers say neither "
          "fault, expired, late nor repeated", _refused, _SMALL, depth=6, induction=2),
)
