"""The adversarial part of ``espnic bench``: the known mixes, and the worst that a search finds."""

import time
from dataclasses import dataclass
from typing import Any

from espnic.sim.rate.known_mixes import KNOWN
from espnic.sim.rate.measure import build_rig
from espnic.sim.rate.mix import Mix
from espnic.sim.rate.mix_frames import mix_sas
from espnic.sim.rate.mix_rates import LONG, SHORT, MixRig, SideRate
from espnic.sim.rate.mix_search import search

DIRECTION = "mix"
"""Name that rows of mixes have in place of a direction."""


@dataclass(frozen=True)
class MixRow:
    """The figures of a direction of a mix."""

    width: int
    side: str
    mix: Mix
    known: str | None
    """Name of a known mix; None: the search has found it."""
    rate: SideRate
    searched: int
    """Number of mixes that the search measured."""
    seed: int

    def as_json(self) -> dict[str, Any]:
        """The figures by name, for ``--json``."""
        return {
            "direction": DIRECTION, "width": self.width, "side": self.side, "known": self.known,
            "mix": self.mix.in_words(self.side),
            "beside": self.mix.in_words("rx" if self.side == "tx" else "tx"),
            "sas": self.mix.sas.in_words(),
            "share": round(self.rate.share, 5),
            "clocks": self.rate.clocks, "limit_clocks": self.rate.limit,
            "stalls": self.rate.stalls, "beats_in": self.rate.offered,
            "searched": self.searched, "seed": self.seed,
        }


@dataclass(frozen=True)
class Effort:
    """Cost of the mixes of a width."""

    mixes: int
    """Number that were measured, those that were measured twice counted twice."""
    clocks: int
    simulated: float
    """Seconds of processor time of the simulator while frames moved."""
    seconds: float
    """Seconds that all took."""


def measure_mixes(
    width: int, budget: int, quick: bool, seed: int,
) -> tuple[list[MixRow], Effort]:
    """The known mixes and the worst of a search over ``budget`` mixes, and what it took.

    Those that the search finds in short runs are measured again in long ones, or with ``quick`` in
    such as in the search. Raises ``SimulationError`` when something else becomes of a frame than
    must.
    """
    began = time.monotonic()
    rig = MixRig(build_rig(width, len(mix_sas(seed))), seed)
    found = search(
        lambda mixes: [rate.shares for rate in rig.measure(mixes, SHORT)], width, budget, seed)
    wanted: list[tuple[Mix, str, str | None]] = [
        (known.mix, known.side, known.name) for known in KNOWN]
    wanted += [(each.mix, each.side, None) for each in found]
    rates = rig.measure([mix for mix, _, _ in wanted], SHORT if quick else LONG)
    rows = [MixRow(width, side, mix, name, rate.sides[side], budget, seed)
            for (mix, side, name), rate in zip(wanted, rates, strict=True)]
    spent = rig.spent
    return rows, Effort(spent.mixes, spent.clocks, spent.seconds, time.monotonic() - began)
