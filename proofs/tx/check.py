"""Proofs of ``TxCheck``: a request to be encrypted is sealed or refused, and never leaves else."""

from amaranth.hdl import Signal, Value
from amaranth.lib import data

from espnic.hdl.tx.check import MeasuredFrame, TxCheck
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
    measured = data.View(MeasuredFrame, p.inside("measured"))
    at_measured = p.inside("measured_valid")
    p.prove(request.inside == at_measured + check.o.valid)
    with p.m.If(request.waits & at_measured & (request.ahead == check.o.valid)):
        p.prove(measured.frame.descriptor.operation == request.operation)
        p.prove(measured.no_operation == ~(encrypt | bypass))


def _refused(p: Bench) -> None:
    p.block(check := TxCheck())
    o, sa, sent = check.o.payload, check.sa.payload, check.sent.answer
    usage = check.usage.answer
    took = p.begun & p.past(check.sa.valid & check.sa.ready) & check.o.valid
    faults = usage.payload.fault | sent.payload.fault | sa.fault
    p.prove(p.past(sa.hit & ~faults), when=took & o.plan.seal)
    p.prove(p.past(~usage.payload.expired), when=took & o.plan.seal)
    p.prove(p.past(~sent.payload.late & ~sent.payload.repeated), when=took & o.plan.seal)
    p.prove(p.past(usage.valid & sent.valid), when=took & o.plan.seal)
    p.prove(Value.cast(o.context) == p.past(Value.cast(sa.context)), when=took)
    measured = data.View(MeasuredFrame, p.inside("measured"))
    p.prove(p.inside("asked") == (measured.frame.descriptor.operation == TxOperation.ENCRYPT),
            when=p.inside("measured_valid"))


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
