"""Rates of mixes: the clocks of their rounds against the beats of the busier side.

The rounds follow each other without a gap, and the first of them are not counted, so that what is
lost between two rounds counts as what is lost within one. Both directions run at once, for about
as many beats.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from espnic.model.interface.codes import SIDES, RxStatus, TxStatus
from espnic.model.interface.layouts import RX_COMPLETION, TX_VERDICT
from espnic.model.sa.sa import SecurityAssociation
from espnic.sim.problem import SimulationError
from espnic.sim.rate.measure import beat_count
from espnic.sim.rate.mix import Mix
from espnic.sim.rate.mix_frames import Fate, MixFrames, MixJob, mix_sas
from espnic.sim.rig.runs import EngineRig, Load, Played, play_judged
from espnic.sim.rig.sa_tables import table_files
from espnic.sim.traffic.steps import RxFrame, TxFrame


@dataclass(frozen=True)
class Span:
    """How long a mix runs."""

    warm_up: int
    """Least number of rounds that are not counted."""
    rounds: int
    """Least number of rounds that are counted."""
    beats: int
    """Least number of beats that are counted, about."""


SHORT = Span(warm_up=1, rounds=2, beats=2000)
"""For a search."""
LONG = Span(warm_up=4, rounds=8, beats=10000)
"""For figures to publish."""


@dataclass(frozen=True)
class SideRate:
    """Clocks that a direction took for the rounds that count."""

    clocks: int
    limit: int
    """Least clocks that they can take: the beats of the busier side."""
    stalls: int
    """Clocks, in the whole run, in which the input had to wait."""
    offered: int
    """Beats of the whole run that came in."""

    @property
    def share(self) -> float:
        """Part of the limit that is reached: 1 is one beat each clock."""
        return self.limit / self.clocks

    @property
    def taken(self) -> float:
        """Part of the clocks in which the input took a beat, from the first to the last."""
        return self.offered / (self.offered + self.stalls)


@dataclass(frozen=True)
class MixRate:
    """A mix with the rates of each direction that is not idle."""

    mix: Mix
    sides: dict[str, SideRate]

    @property
    def shares(self) -> dict[str, float]:
        """How good each direction is: the part of the limit, or what a MAC could bring in."""
        return {side: min(rate.share, rate.taken) if side == "rx" else rate.share
                for side, rate in self.sides.items()}


@dataclass
class Spent:
    """Cost of the simulation of mixes."""

    mixes: int = 0
    clocks: int = 0
    seconds: float = 0.0
    """Processor time of the simulator while frames moved."""


class MixRig:
    """A rig with the SAs of mixes in its tables.

    Members
    -------
    spent
        Cost of all runs so far.
    """

    def __init__(self, rig: EngineRig, seed: int) -> None:
        self.rig = rig
        self.spent = Spent()
        self._sas: tuple[SecurityAssociation, ...] = tuple(mix_sas(seed))
        self._table = table_files(rig.width, rig.size, self._sas)

    def measure(self, mixes: Sequence[Mix], span: Span) -> list[MixRate]:
        """Run mixes in one simulation, one after another, and give the rates of each.

        Raises ``SimulationError`` when something else becomes of a frame than must.
        """
        jobs = [self._job(mix, span) for mix in mixes]
        found = []
        for job, played in zip(jobs, play_judged(
                self.rig, [job.load for job in jobs]), strict=True):
            check_fates(job, played)
            self.spent.mixes += 1
            self.spent.clocks += played.clocks
            self.spent.seconds += played.seconds
            found.append(MixRate(job.mix, {
                side: side_rate(job, played, side, self.rig.width, span)
                for side in SIDES if job.fates[side]}))
        return found

    def _job(self, mix: Mix, span: Span) -> MixJob:
        made = MixFrames(mix, self._sas)
        counts = rounds(mix, self.rig.width, span)
        steps: dict[str, list[TxFrame | RxFrame]] = {side: [] for side in SIDES}
        fates: dict[str, list[Fate]] = {side: [] for side in SIDES}
        for side, count in counts.items():
            for _ in range(count):
                for step, fate in made.round(side):
                    steps[side].append(step)
                    fates[side].append(fate)
        tx = tuple(step for step in steps["tx"] if isinstance(step, TxFrame))
        rx = tuple(step for step in steps["rx"] if isinstance(step, RxFrame))
        return MixJob(mix, Load(tx, rx, self._table), counts, fates)


def rounds(mix: Mix, width: int, span: Span) -> dict[str, int]:
    """Rounds of each direction: enough for the span, and as long as those of the other."""
    beats = {side: mix.beats(side, width) for side in SIDES if mix.stretches(side)}
    least = span.warm_up + span.rounds
    longest = max(max(least * each, span.beats) for each in beats.values())
    return {side: -(-longest // each) for side, each in beats.items()}


def check_fates(job: MixJob, played: Played) -> None:
    """Raise ``SimulationError`` unless every frame got a status that it may have, and left in the
    lengths that it must."""
    statuses = {
        "rx": [RX_COMPLETION.unpack(word)["status"] for word in played.taps["rx_verdict"]],
        "tx": [values["status"] for word in played.taps["tx_verdict"]
               if (values := TX_VERDICT.unpack(word))["last"]]}
    lengths = {"rx": [len(received.frame) for received in played.received],
               "tx": list(map(len, played.sent))}
    for side, names in (("tx", TxStatus), ("rx", RxStatus)):
        words = job.mix.in_words(side)
        for number, (status, fate) in enumerate(
                zip(statuses[side], job.fates[side], strict=True)):
            if status not in fate.statuses:
                raise SimulationError(
                    f"{side}: frame {number} of {words} is {names(status).name}, expected "
                    + " or ".join(names(each).name for each in fate.statuses))
        if lengths[side] != [bytes_ for fate in job.fates[side] for bytes_ in fate.leaves]:
            raise SimulationError(f"{side}: the frames of {words} left in other lengths than due")


def side_rate(job: MixJob, played: Played, side: str, width: int, span: Span) -> SideRate:
    """The rate of a direction over the rounds that count.

    These go from the last frame before them that leaves to the last of all that does. Where none
    leaves they go from the last that came in before them to the last of all.
    """
    steps: Sequence[TxFrame | RxFrame] = job.load.tx if side == "tx" else job.load.rx
    given = [beat_count(step.data, width) for step in steps]
    fates, count = job.fates[side], job.rounds[side]
    entered, left = played.entered[side], played.left[side]
    start = len(fates) // count * max(span.warm_up, count // 4)
    leavers = [number for number, fate in enumerate(fates) if fate.leaves]
    before = max((number for number in leavers if number < start), default=None)
    if before is not None and leavers[-1] > before:
        counted = range(before + 1, leavers[-1] + 1)
        last = sum(len(fate.leaves) for fate in fates[:counted.start]) - 1
        clocks = left[-1][1] - left[last][1]
    else:
        counted = range(start, len(fates))
        clocks = entered[-1][1] - entered[start - 1][1]
    came = sum(-(-8 * bytes_ // width) for number in counted for bytes_ in fates[number].leaves)
    limit = max(came, sum(given[number] for number in counted))
    offered = sum(given)
    return SideRate(clocks, limit, entered[-1][1] - entered[0][0] + 1 - offered, offered)
