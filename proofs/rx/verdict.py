"""Proofs of ``RxVerdict``: no frame leaves with its plaintext without the right tag."""

from amaranth.hdl import Const, Signal, Value
from amaranth.lib import data

from espnic.hdl.layouts import icv_bytes
from espnic.hdl.rx.verdict import (
    GATHERED,
    ComparedFrame,
    GatheredFrame,
    PreparedFrame,
    RxVerdict,
)
from espnic.model.interface.codes import IcvSize, RxStatus
from espnic.proofs.bench import Bench, Proof
from espnic.proofs.flow.queue import levels, place_behind
from espnic.proofs.streams import rule

_STAGES = GATHERED + 3
"""Most frames that are in the block."""
_COUNT = range(_STAGES + 2)


class _Frame:
    """A frame that is watched from its record to its order, and what it was told on the way."""

    def __init__(self, p: Bench, verdict: RxVerdict) -> None:
        self.waits, self.opened, self.sound = Signal(), Signal(), Signal()
        """The frame is in the block, is to be opened; came whole and not as a bad one, with the
        secrets of its SA."""
        self.rotated, self.rotation = Signal(128), Signal(4)
        self.size = Signal(IcvSize)
        """Its ICV, as it came."""
        self.ahead, self.inside = Signal(_COUNT), Signal(_COUNT)
        """Frames before it, and all frames, in the block."""
        self.wants_tag, self.tags_ahead, self.matched = Signal(), Signal(_COUNT), Signal()
        """Its tag has not come; so have so many before it; it was the ICV that came."""
        self.untagged = Signal(_COUNT)
        """Frames in the block that wait for their tags."""
        self.chosen = Signal()
        self.place = p.constant(range(IcvSize.ICV16.bytes), "place")
        """A byte of the ICV, any of them: what holds for it holds for all."""
        self._count(p, verdict)
        self._choose(p, verdict, p.free(1, "choose") & ~self.chosen)

    def _count(self, p: Bench, verdict: RxVerdict) -> None:
        opens = verdict.record.payload.status == RxStatus.OK
        self.comes = verdict.record.valid & verdict.record.ready
        self.leaves = verdict.o.valid & verdict.o.ready
        self.tagged = verdict.tag.valid & verdict.tag.ready
        p.m.d.sync += [
            self.inside.eq(self.inside + self.comes - self.leaves),
            self.untagged.eq(self.untagged + (self.comes & opens) - self.tagged),
        ]

    def _choose(self, p: Bench, verdict: RxVerdict, choose: Value) -> None:
        record, end, icv = verdict.record.payload, verdict.end.payload, verdict.icv.payload
        opens = record.status == RxStatus.OK
        with p.m.If(choose & self.comes):
            p.m.d.sync += [
                self.chosen.eq(1), self.waits.eq(1), self.opened.eq(opens),
                self.sound.eq(~verdict.gone.payload & ~verdict.fault.payload & ~end.oversize
                              & ~end.bad & (end.bytes >= record.esp_end)),
                self.rotated.eq(icv.rotated), self.rotation.eq(icv.rotation),
                self.size.eq(record.icv_size),
                self.ahead.eq(self.inside - self.leaves),
                self.wants_tag.eq(opens), self.tags_ahead.eq(self.untagged - self.tagged),
                self.matched.eq(0)]
        with p.m.Else():
            with p.m.If(self.waits & self.leaves):
                p.m.d.sync += [self.ahead.eq(self.ahead - 1), self.waits.eq(self.ahead != 0)]
            with p.m.If(self.wants_tag & self.tagged):
                p.m.d.sync += [
                    self.tags_ahead.eq(self.tags_ahead - 1),
                    self.wants_tag.eq(self.tags_ahead != 0)]
                with p.m.If(self.tags_ahead == 0):
                    p.m.d.sync += self.matched.eq(self.is_icv(verdict.tag.payload))

    @property
    def counts(self) -> Value:
        """Whether the byte is one of the ICV's."""
        return icv_bytes(self.size) > self.place

    @property
    def given(self) -> Value:
        """The byte of the ICV that came."""
        return self.rotated.word_select((self.rotation + self.place)[:4], 8)

    def is_icv(self, tag: Value) -> Value:
        """Whether a tag has the byte of the ICV."""
        return ~self.counts | (tag.word_select(self.place, 8) == self.given)


def _tag(p: Bench) -> None:
    verdict = RxVerdict()
    p.block(verdict)
    # Other sizes than those that have a name come from nowhere.
    p.assume(verdict.record.payload.icv_size <= max(IcvSize))
    frame = _Frame(p, verdict)
    now = frame.waits & (frame.ahead == 0) & frame.leaves
    p.prove(frame.opened & frame.sound & ~frame.wants_tag & frame.matched,
            when=now & verdict.o.payload.restore)
    opens = verdict.record.payload.status == RxStatus.OK
    for one in (verdict.gone, verdict.fault, verdict.icv, verdict.text):
        p.prove(one.valid & one.ready, when=frame.comes & opens)
    _where(p, verdict, frame)


def _gathered(p: Bench) -> list[tuple[Value, data.View]]:
    """The frames between the first clock and the second, from the oldest on, if they are there."""
    levels(p, "gathered.", GATHERED)
    level, head = p.inside("gathered.level"), p.inside("gathered.head")
    return [(level > place, data.View(GatheredFrame, p.row(
        "gathered.ram", place_behind(head, Const(place, 2), GATHERED))))
        for place in range(GATHERED)]


def _where(p: Bench, verdict: RxVerdict, frame: _Frame) -> None:
    """In which stage the watched frame is, and that it is the same frame there."""
    gathered = _gathered(p)
    prepared = data.View(PreparedFrame, p.inside("prepared"))
    compared = data.View(ComparedFrame, p.inside("compared"))
    at_prepared, at_compared = p.inside("prepared_valid"), p.inside("compared_valid")
    at_output = verdict.o.valid
    p.prove(frame.inside == p.inside("gathered.level") + at_prepared + at_compared + at_output)
    p.prove(frame.untagged == sum(here & row.opened for here, row in gathered)
            + (at_prepared & prepared.opened))
    p.prove(frame.chosen, when=frame.waits | frame.wants_tag)
    p.prove(frame.ahead < frame.inside, when=frame.waits)
    p.prove(frame.waits, when=frame.wants_tag)
    wanted = at_prepared & prepared.opened
    for place, (here, row) in enumerate(gathered):
        with p.m.If(frame.waits & here
                    & (frame.ahead == at_prepared + at_compared + at_output + place)):
            p.prove(row.opened == frame.opened)
            p.prove(frame.wants_tag == frame.opened)
            p.prove(frame.tags_ahead == wanted, when=frame.wants_tag)
            p.prove(frame.opened & frame.sound, when=row.status == RxStatus.OK)
            p.prove((row.icv.rotated == frame.rotated) & (row.icv.rotation == frame.rotation)
                    & (row.record.icv_size == frame.size))
        wanted = wanted + (here & row.opened)
    with p.m.If(frame.waits & at_prepared & (frame.ahead == at_compared + at_output)):
        p.prove(prepared.opened == frame.opened)
        p.prove(frame.wants_tag == frame.opened)
        p.prove(frame.tags_ahead == 0, when=frame.wants_tag)
        p.prove(frame.opened & frame.sound, when=prepared.status == RxStatus.OK)
        mask, icv = (part.word_select(frame.place, 8) for part in (prepared.mask, prepared.icv))
        p.prove((mask == 0xFF) & (icv == frame.given), when=frame.counts)
    with p.m.If(frame.waits & at_compared & (frame.ahead == at_output)):
        p.prove(compared.frame.opened == frame.opened)
        p.prove(~frame.wants_tag)
        p.prove(frame.opened & frame.sound, when=compared.frame.status == RxStatus.OK)
        p.prove(compared.differs | frame.matched, when=frame.opened)
    with p.m.If(frame.waits & at_output & (frame.ahead == 0)):
        p.prove(~frame.wants_tag)
        p.prove(frame.opened & frame.sound & frame.matched, when=verdict.o.payload.restore)


def _refusals(p: Bench) -> None:
    p.block(verdict := RxVerdict())
    prepared = data.View(PreparedFrame, p.inside("prepared"))
    compared = data.View(ComparedFrame, p.inside("compared"))
    for here, row in _gathered(p):
        p.prove(row.opened & ~row.end.oversize, when=here & (row.status == RxStatus.OK))
    for frame, valid in ((prepared, "prepared_valid"), (compared.frame, "compared_valid")):
        p.prove(frame.opened & ~frame.end.oversize,
                when=p.inside(valid) & (frame.status == RxStatus.OK))
    o, answer = verdict.o.payload, verdict.usage.answer
    took = p.begun & p.past(verdict.frame_sum.valid & verdict.frame_sum.ready)
    asked = p.past(verdict.window.valid & verdict.window.ready)
    window = verdict.window.payload
    p.prove(p.past(answer.valid & answer.ready), when=took & o.restore)
    p.prove(~p.past(answer.payload.expired | answer.payload.fault), when=took & o.restore)
    p.prove(~p.past(window.late | window.seen | window.fault), when=took & o.restore & asked)
    p.prove(p.past(verdict.received), when=took & o.restore)
    p.prove(~o.drop & (o.completion.status == RxStatus.OK), when=took & o.restore)


_SMALL = "as it is"
_INPUTS = ("record", "end", "gone", "fault", "icv", "tag", "text", "window", "frame_sum",
           "packet_sum", "l4")
PROOFS = (
    rule(RxVerdict, _INPUTS, ("o",), _SMALL),
    Proof("tag", "a frame is ordered to leave with its plaintext only if the tag that was computed "
          "for it is the ICV that came with it, and it came whole, with the secrets of its SA, and "
          "was no bad frame",
          _tag, _SMALL, depth=6, induction=2,
          assumes=("tags come in the order of the frames that are opened",
                   "the size of an ICV is one of the three that there are"), quick=True),
    Proof("refusals", "no frame that is late, seen, expired or at fault is ordered to leave with "
          "its plaintext", _refusals, _SMALL, depth=8, induction=2),
)
