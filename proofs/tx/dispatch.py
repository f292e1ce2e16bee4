"""Proofs of ``TxDispatch``: no frame to be sealed is given the orders of one in clear."""

from amaranth.hdl import Cat, Value

from espnic.hdl.tx.dispatch import TxDispatch
from espnic.proofs.bench import Bench, Proof


def _orders(p: Bench) -> None:
    p.block(dispatch := TxDispatch())
    one, job = dispatch.segment.payload, dispatch.o.payload
    sealing = job.sealing.carried
    taken = dispatch.o.valid & dispatch.o.ready
    p.prove((dispatch.segment.valid & dispatch.segment.ready) == taken)
    with p.m.If(dispatch.o.valid):
        p.prove((job.keep == one.keep) & (sealing.keep == one.keep))
        p.prove((job.seal == one.seal) & (sealing.seal == one.seal))
        p.prove(job.place.enable == one.seal)
        p.prove(job.span.enable == one.seal)
        p.prove(job.sealing.reads == one.seal)
        p.prove((job.sealing.sa == one.sa) & (sealing.sequence == one.sequence), when=one.seal)
        p.prove(job.span.offset == job.place.offset)
        p.prove(dispatch.context.valid, when=one.seal)
        p.prove(job.sealing.serial == dispatch.context.payload.context.serial, when=one.seal)
    context_taken = dispatch.context.valid & dispatch.context.ready
    p.prove(context_taken == (taken & one.seal & one.last))


def _stream(p: Bench) -> None:
    p.block(dispatch := TxDispatch())
    p.neighbours(dispatch.segment, dispatch.context)
    job = dispatch.o.payload
    sealing = job.sealing.carried
    always = Cat(*(Value.cast(part) for part in (
        job.keep, job.seal, job.again, job.edited, job.payload, job.patches, job.place.enable,
        job.span.enable, job.sealing.reads, sealing.verdict, sealing.event, sealing.keep,
        sealing.seal)))
    p.prove(p.offered(dispatch.o, payload=always))
    p.prove(p.offered(dispatch.o), when=p.past(job.seal))


_SMALL = "with super-frames"
PROOFS = (
    Proof("stream", "what is offered at `o` stays until it is taken; of a frame that is not "
          "sealed, what counts without a seal", _stream, _SMALL, depth=8, induction=2, assumes=(
              "what is offered at `segment` and `context` stays until it is taken",)),
    Proof("orders", "a frame is ordered to be sealed on all ways or on none, with its SA, its "
          "number and the context of its request", _orders, _SMALL, depth=4, induction=1,
          quick=True),
)
