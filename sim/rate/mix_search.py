"""The search for the mix that comes worst: hill climbing from the known mixes, with restarts.

It goes in generations, and begins with the known mixes. Then it changes the worst so far, or joins
what is sent in one to what is received in another, or begins anew. The same seed and the same
answers give the same mixes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import log2
from random import Random

from espnic.model.interface.codes import FRAME_BYTES_MAX, SIDES
from espnic.sim.ethernet import FRAME_BYTES_MIN
from espnic.sim.rate.known_mixes import KNOWN
from espnic.sim.rate.mix import (
    CUTS,
    ICV_CHOICES,
    KEY_CHOICES,
    KINDS,
    Kind,
    Mix,
    SaChoice,
    Stretch,
)

GENERATION = 12
"""Mixes that are measured together."""
WORST = 3
"""Number of mixes of each direction that a search gives."""
_PARENTS = 6
"""Number of the worst mixes of each direction that are changed further."""
_RESTARTS, _JOINS = 0.3, 0.05
"""Parts of a generation that begin anew, and that join two mixes."""
_STRETCHES_MAX = 4
_ROUND_BYTES_MAX = 96 << 10
"""About the longest round of a direction."""
_PAYLOAD_BYTES_MAX = 65400
"""Most payload of a super-frame, so that an outer header can count it."""
_OVERSIZE_BYTES_MAX = 12000
_COUNTS = (1, 1, 2, 3, 5, 8, 16, 31, 32, 33, 40, 64, 100, 128, 130, 256, 512, 600)
_PAYLOADS = (200, 2 * 1460, 5 * 536, 2 * 8960, 16384, 32768, _PAYLOAD_BYTES_MAX)
_SEGMENTS = (16, 64, 256, 536, 1460, 8960)
_MSS_MIN, _MSS_MAX = 1, 8960
_SA_COUNTS = (0, 0, 0, 1, 1, 2, 5)
_STEP = (0.7, 1.4)
"""By what a size or a count is multiplied in a small step."""
_LOSS_MIN = 1e-5

Shares = Mapping[str, float]
"""Part of the limit that each direction of a mix reaches; nothing for one that is idle."""
Measure = Callable[[Sequence[Mix]], Sequence[Shares]]


@dataclass(frozen=True)
class Scored:
    """A mix, and the part of its limit that a direction of it reached."""

    mix: Mix
    side: str
    share: float

    @property
    def rank(self) -> tuple[int, int, float]:
        """Lower is worse. Of mixes that lose about as much the simpler one is worse."""
        lost = max(_LOSS_MIN, 1 - self.share)
        parts = len(self.mix.tx) + len(self.mix.rx) + (self.mix.sas != SaChoice())
        return -round(10 * log2(lost)), parts, self.share

    @property
    def shape(self) -> tuple[Kind, ...]:
        """Kinds of the frames that follow each other in the direction."""
        return tuple(stretch.kind for stretch in self.mix.stretches(self.side))


def search(measure: Measure, width: int, budget: int, seed: int) -> list[Scored]:
    """Measure ``budget`` mixes, and give the worst of each direction, each of another shape."""
    drawn = _Drawn(Random(f"mixes {width} {seed}"), width)
    scored: list[Scored] = []
    measured: set[Mix] = set()
    first = iter(dict.fromkeys(known.mix for known in KNOWN))
    while len(measured) < budget:
        parents = {side: worst(scored, side, _PARENTS) for side in SIDES}
        count = min(GENERATION, budget - len(measured))
        mixes = list(islice(_new(first, measured, drawn, parents), count))
        for mix, shares in zip(mixes, measure(mixes), strict=True):
            scored += [Scored(mix, side, share) for side, share in shares.items()]
    return [each for side in ("tx", "rx") for each in worst(scored, side, WORST)]


def _new(
    first: Iterator[Mix], measured: set[Mix], drawn: "_Drawn",
    parents: Mapping[str, Sequence[Scored]],
) -> Iterator[Mix]:
    """Mixes that were not measured yet; those of ``first`` come first."""
    while True:
        mix = next(first, None) or drawn.mix(parents)
        if mix not in measured:
            measured.add(mix)
            yield mix


def worst(scored: Sequence[Scored], side: str, count: int) -> list[Scored]:
    """The worst mixes of a direction, the worst first, each of another shape."""
    found: dict[tuple[Kind, ...], Scored] = {}
    for each in sorted((one for one in scored if one.side == side), key=lambda one: one.rank):
        found.setdefault(each.shape, each)
    return list(islice(found.values(), count))


class _Drawn:
    """Random mixes, and random changes of mixes."""

    def __init__(self, chance: Random, width: int) -> None:
        self._chance = chance
        self._width = width
        self._beat = width // 8

    def mix(self, parents: Mapping[str, Sequence[Scored]]) -> Mix:
        """A new mix, mostly a change of one of the parents."""
        chance, way = self._chance, self._chance.random()
        if way < _RESTARTS or not all(parents.values()):
            return self._fresh()
        if way < _RESTARTS + _JOINS:
            out, into = (self._parent(parents[side]) for side in ("tx", "rx"))
            return replace(chance.choice((out, into)), tx=out.tx, rx=into.rx)
        worse = min(SIDES, key=lambda each: parents[each][0].rank)
        side = chance.choice((worse, *SIDES, worse))
        mix = self._parent(parents[side])
        for _ in range(chance.choice((1, 1, 2, 3))):
            mix = self._changed(mix, side)
        return mix

    def _parent(self, parents: Sequence[Scored]) -> Mix:
        """One of the parents, the worse the more often."""
        return parents[min(self._chance.randrange(len(parents)) for _ in range(3))].mix

    def _fresh(self) -> Mix:
        chance = self._chance
        tx, rx = (self._fitting([self._stretch(side) for _ in range(
            chance.choice((1, 2, 2, 2, 3, 4)))]) for side in ("tx", "rx"))
        return Mix(tx, rx, self._sas(), chance.random() < 0.2)

    def _changed(self, mix: Mix, side: str) -> Mix:
        """The mix with one thing changed, mostly in the round of a direction."""
        chance, way = self._chance, self._chance.random()
        if way < 0.06:
            return replace(mix, sas=chance.choice((SaChoice(), self._sas())))
        if way < 0.1:
            return replace(mix, shuffled=not mix.shuffled)
        if way < 0.16:
            other = "rx" if side == "tx" else "tx"
            return self._with(mix, other, chance.choice((
                (), self._fitting([self._stretch(other)]))))
        return self._with(mix, side, self._round(side, list(mix.stretches(side))))

    @staticmethod
    def _with(mix: Mix, side: str, stretches: Sequence[Stretch]) -> Mix:
        return replace(mix, tx=tuple(stretches)) if side == "tx" else replace(
            mix, rx=tuple(stretches))

    def _round(self, side: str, stretches: list[Stretch]) -> tuple[Stretch, ...]:
        """The stretches with one more, one less, two swapped or one changed."""
        chance, way = self._chance, self._chance.random()
        at = chance.randrange(len(stretches))
        if way < 0.15 and len(stretches) > 1:
            del stretches[at]
        elif way < 0.27 and len(stretches) < _STRETCHES_MAX:
            stretches.insert(at, chance.choice((stretches[at], self._stretch(side))))
        elif way < 0.33:
            chance.shuffle(stretches)
        elif way < 0.4:
            stretches[at] = self._stretch(side)
        else:
            stretches[at] = self._near(side, stretches[at])
        return self._fitting(stretches)

    def _near(self, side: str, stretch: Stretch) -> Stretch:
        """A stretch with a little more or less of something."""
        chance = self._chance
        match chance.choice(("count", "count", "count", "size", "size", "spread", "kind", "mss")):
            case "count":
                count = chance.choice((
                    stretch.count * 2, stretch.count * 4, stretch.count // 2,
                    round(stretch.count * chance.uniform(*_STEP)),
                    stretch.count + chance.choice((-1, 1)), chance.choice(_COUNTS)))
                return replace(stretch, count=max(1, count))
            case "size":
                return self._sized(stretch, chance.choice((
                    stretch.size * 2, stretch.size // 2,
                    round(stretch.size * chance.uniform(*_STEP)),
                    stretch.size + chance.choice((-1, 1)) * self._beat,
                    stretch.size + chance.choice((-1, 1)), self._frame_bytes())))
            case "spread":
                return self._sized(
                    replace(stretch, spread=chance.choice((0, 0, 4, self._beat, 1436))),
                    stretch.size)
            case "mss" if stretch.kind in CUTS:
                mss = chance.choice((stretch.mss + 1, stretch.mss - 1, 2 * stretch.mss,
                                     stretch.mss // 2, chance.choice(_SEGMENTS)))
                return replace(stretch, mss=min(max(_MSS_MIN, mss), _MSS_MAX))
        kind = chance.choice(KINDS[side])
        mss = stretch.mss or chance.choice(_SEGMENTS)
        return self._sized(
            replace(stretch, kind=kind, mss=mss if kind in CUTS else 0), stretch.size)

    def _stretch(self, side: str) -> Stretch:
        chance = self._chance
        kind = chance.choice(KINDS[side])
        mss = chance.choice(_SEGMENTS) if kind in CUTS else 0
        size = chance.choice(_PAYLOADS) if kind in CUTS else self._frame_bytes()
        spread = chance.choice((4, self._beat, 1436)) if chance.random() < 0.2 else 0
        return self._sized(Stretch(kind, size, chance.choice(_COUNTS), mss, spread), size)

    def _frame_bytes(self) -> int:
        """Length of a frame: mostly short, at the edge of a beat, or very long."""
        chance = self._chance
        edge = self._beat * chance.randrange(1, 12) + chance.choice((-1, 0, 1, 2))
        return chance.choice((
            FRAME_BYTES_MIN, 62, 64, 65, chance.randrange(60, 200), edge, edge,
            chance.randrange(60, 1515), 9074, chance.randrange(60, FRAME_BYTES_MAX)))

    def _sized(self, stretch: Stretch, size: int) -> Stretch:
        """The stretch with this size, or the nearest that its kind can have."""
        least, most = FRAME_BYTES_MIN, FRAME_BYTES_MAX
        if stretch.kind == Kind.OVERSIZE:
            least, most = FRAME_BYTES_MAX + 1, _OVERSIZE_BYTES_MAX
        elif stretch.kind in CUTS:
            least, most = 1, _PAYLOAD_BYTES_MAX
        size = min(max(least, size), most)
        return replace(stretch, size=size, spread=min(stretch.spread, most - size))

    def _fitting(self, stretches: Sequence[Stretch]) -> tuple[Stretch, ...]:
        """The stretches, with less of the longest until a round is not too long."""
        fitting = list(stretches)
        while sum(each.beats(self._width) for each in fitting) * self._beat > _ROUND_BYTES_MAX:
            at = max(range(len(fitting)), key=lambda index: fitting[index].beats(self._width))
            longest = fitting[at]
            fitting[at] = (replace(longest, count=longest.count // 2) if longest.count > 1
                           else self._sized(longest, longest.size // 2))
        return tuple(fitting)

    def _sas(self) -> SaChoice:
        chance = self._chance
        if chance.random() < 0.3:
            return SaChoice()

        def some(choices: Sequence[int | None]) -> int | None:
            return chance.choice(choices) if chance.random() < 0.5 else None

        return SaChoice(
            chance.choice(_SA_COUNTS), some(KEY_CHOICES), some(ICV_CHOICES),
            chance.choice((None, None, False, True)), some((4, 6)),
            chance.choice((None, None, False, True)))
