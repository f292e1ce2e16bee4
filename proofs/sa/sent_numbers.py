"""Proofs of ``SentNumbers``: no number of a guarded SA passes twice."""

from unittest import mock

from amaranth.hdl import Signal, Value
from amaranth.lib.memory import Memory

from espnic.hdl.sa import sent_numbers
from espnic.hdl.sa.sent_numbers import SEQUENCE_BITS, SentNumbers
from espnic.proofs.bench import Bench, Proof

_SAS, _WINDOW = 2, 16
_NUMBER_BITS = 7
"""Width of the numbers that come: more than three times the window."""


def _make() -> SentNumbers:
    # A build has no window as small; the block makes its rows of any power of two.
    with mock.patch.object(sent_numbers, "SENT_WINDOWS", (_WINDOW,)):
        return SentNumbers(_SAS, _WINDOW)


def _plain_memories(p: Bench) -> None:
    """Put plain memories in place of those with parity, which may say at any time that a row is
    wrong.

    A parity is hard on a solver. A row that is not what was written is not looked at: all that
    follows from it is the fault.
    """
    for name in ("edges", "bits"):
        kept = p.cut(name)
        shape = len(Value.cast(kept.write.data))
        p.m.submodules[name] = ram = Memory(shape=shape, depth=kept.depth, init=[])
        write, read, reader = ram.write_port(), ram.read_port(), kept.reads[0]
        p.m.d.comb += [
            write.addr.eq(kept.write.addr), write.en.eq(kept.write.en),
            write.data.eq(Value.cast(kept.write.data)),
            read.addr.eq(reader.addr), read.en.eq(reader.en),
            Value.cast(reader.data).eq(read.data),
            reader.stored.eq(read.data),
            reader.wrong.eq(p.free(1, f"{name}_wrong")),
        ]


class _Number:
    """A number of an SA, any of both, and whether it has been sealed."""

    def __init__(self, p: Bench, guard: SentNumbers) -> None:
        self.sa, self.number = p.constant(range(_SAS), "sa"), p.constant(SEQUENCE_BITS, "number")
        self.sealed, self.known = Signal(), Signal()
        """``known``: the SA has been written, and is guarded."""
        request = Signal(guard.query.payload.shape())
        queried = guard.query.valid & guard.query.ready
        answered = guard.answer.valid & guard.answer.ready
        with p.m.If(queried):
            p.m.d.sync += request.eq(guard.query.payload)
        answer, commit = guard.answer.payload, guard.commit
        covers = (request.sa == self.sa) & (request.sequence == self.number)
        passes = answered & commit.count & ~answer.fault
        begins = guard.write.valid & guard.write.ready & (guard.write.payload.sa == self.sa)
        with p.m.If(begins):
            p.m.d.sync += [
                self.known.eq(~guard.write.payload.unguarded),
                self.sealed.eq(self.number <= guard.write.payload.sequence)]
        with p.m.Elif(passes & covers):
            p.m.d.sync += self.sealed.eq(1)
        self._neighbours(p, guard)
        for number in (guard.query.payload.sequence, guard.write.payload.sequence, self.number):
            p.assume(number[_NUMBER_BITS:] == 0)
        p.prove(~(self.sealed & self.known), when=passes & covers)

    def _neighbours(self, p: Bench, guard: SentNumbers) -> None:
        """Assume a path that asks and commits as it has to."""
        answer, commit = guard.answer.payload, guard.commit
        p.neighbours(guard.query, guard.write)
        p.assume(~commit.count, when=guard.answer.valid & (answer.late | answer.repeated))
        p.assume(guard.query.payload.sa < _SAS)
        p.assume(guard.write.payload.sa < _SAS)
        # The SA is written in the first clock, in which nothing is under way.
        p.assume(guard.write.valid == ~p.begun)
        p.assume(~guard.query.valid, when=guard.write.valid)
        p.assume(~commit.refused | ~commit.count)


def _once(p: Bench) -> None:
    p.block(guard := _make())
    _plain_memories(p)
    p.assume(~guard.query.payload.burst)
    _Number(p, guard)


_SAYS = "a number of a guarded SA that has been sealed since the SA was written does not pass again"
_ASSUMES = (
    "a request that is late or repeated does not count",
    "a query stays until it is taken, and is no burst",
    "an SA is written in the first clock, and not again",
    f"all numbers are below {1 << _NUMBER_BITS}",
    "rows are what was written, though the memory may say otherwise",
)
_SMALL = f"{_SAS} SAs, a window of {_WINDOW} numbers"
PROOFS = (
    Proof("once", _SAYS, _once, _SMALL, depth=9, assumes=_ASSUMES),
)
