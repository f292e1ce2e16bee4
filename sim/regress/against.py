"""Comparison of a regression with an earlier one."""

from collections.abc import Sequence
from dataclasses import dataclass

from espnic.sim.regress.results import Bench, Report

SLOWER = 1.5
"""Factor of seconds from which a bench counts as slower or faster."""
_SECONDS_MIN = 1.0
"""Benches below this are not compared in time, which the machine decides."""


@dataclass(frozen=True)
class Change:
    """Change of a bench since the earlier regression."""

    bench: str
    what: str
    """One of ``KINDS``."""
    detail: str


KINDS = ("fails now", "passes now", "other clocks", "slower", "faster", "new", "gone")


def changes(now: Report, before: Report) -> list[Change]:
    """The benches that differ, those that fail now first.

    What was not asked for this time is not gone: only benches of the same files count.
    """
    ours, theirs = now.groups(), before.groups()
    files = {name.split("::")[0] for name in ours}
    found = []
    for name in dict.fromkeys([*ours, *theirs]):
        if name not in theirs:
            found.append(Change(name, "new", ""))
        elif name not in ours:
            if now.complete and name.split("::")[0] in files:
                found.append(Change(name, "gone", ""))
        elif change := _change(name, ours[name], theirs[name]):
            found.append(change)
    return sorted(found, key=lambda change: (KINDS.index(change.what), change.bench))


def _change(name: str, now: Sequence[Bench], before: Sequence[Bench]) -> Change | None:
    fails, failed = (next((each for each in side if each.failed), None) for side in (now, before))
    if fails and not failed:
        return Change(name, "fails now", fails.difference)
    if failed and not fails:
        return Change(name, "passes now", failed.difference)
    clocks, earlier_clocks = ({each.seeds: each.clocks for each in side} for side in (now, before))
    # With another seed a bench takes other clocks.
    for seeds in clocks.keys() & earlier_clocks.keys():
        if clocks[seeds] != earlier_clocks[seeds] and not fails:
            return Change(name, "other clocks",
                          f"{earlier_clocks[seeds]:,}, now {clocks[seeds]:,}")
    seconds, earlier = (sum(each.simulated for each in side) / len(side) for side in (now, before))
    if max(seconds, earlier) < _SECONDS_MIN or not min(seconds, earlier):
        return None
    detail = f"{earlier:.1f} s, now {seconds:.1f} s"
    if seconds > SLOWER * earlier:
        return Change(name, "slower", detail)
    return Change(name, "faster", detail) if earlier > SLOWER * seconds else None
