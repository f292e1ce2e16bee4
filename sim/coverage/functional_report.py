"""Functional coverage for readers: figures, holes, files."""

from collections.abc import Iterable, Iterator, Sequence
from json import dumps
from pathlib import Path

from espnic.model.interface.features import Features
from espnic.sim.coverage.functional import Functional
from espnic.sim.coverage.functional_rules import rules, unseen_rules
from espnic.sim.files import replacing
from espnic.sim.problem import InputError
from espnic.sim.traffic.steps import Outcome, Step

COUNTS = "coverage.json"
"""File with all counts, which merges with others."""
HOLES = "holes.json"
"""File with the bins that were not hit."""
_PARTS = "functional-{}.json"
"""Name of the file of each process in a record."""
_SHOWN_RULES = 10
_SHOWN_BINS = 3


def read(paths: Iterable[Path]) -> Functional:
    """The counts of files together. Raises ``InputError`` for a file that has none."""
    merged = Functional()
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}, expected a file of functional "
                             "coverage") from None
        except UnicodeDecodeError:
            raise InputError(f"{path}: not text, expected a file of functional coverage") from None
        merged.merge(Functional.from_json(text, str(path)))
    return merged


def write(functional: Functional, folder: Path) -> None:
    """Write counts and holes into a folder."""
    holes = ",\n".join(dumps(hole.to_data()) for hole in functional.holes())
    for name, text in ((COUNTS, functional.to_json()), (HOLES, f"[\n{holes}\n]")):
        with replacing(folder / name) as partial:
            partial.write_text(text + "\n", encoding="utf-8")


class Gathering:
    """Functional coverage of the replays of one process, kept in a folder as it grows.

    ``process`` names it among those that share the folder.
    """

    def __init__(self, folder: Path, process: str) -> None:
        self._folder, self._process = folder, process
        self._functional = Functional()

    def note(self, steps: Sequence[Step], outcome: Outcome, features: Features) -> None:
        """Count a replay that is as the model's."""
        self._functional.note(steps, outcome, features)
        keep(self._functional.to_json(), self._folder, self._process)


def keep(counts: str, folder: Path, process: str) -> None:
    """Write the counts of a process, as JSON, into a folder that processes share."""
    with replacing(folder / _PARTS.format(process)) as partial:
        partial.write_text(counts, encoding="utf-8")


def gathered(folder: Path) -> Functional:
    """Coverage that all processes together have left in a folder."""
    return read(sorted(folder.glob(_PARTS.format("*"))))


def figures(functional: Functional) -> tuple[int, int]:
    """Number of bins that were hit, and of those that are wanted."""
    summaries = functional.summary()
    return sum(each.hit for each in summaries), sum(each.wanted for each in summaries)


def percent(part: int, whole: int) -> str:
    """Percentage, which is 100 only if nothing is missing."""
    return "100 %" if part == whole else f"{min(100 * part / whole, 99.9):.1f} %"


def lines(functional: Functional) -> Iterator[tuple[str, str]]:
    """Names and texts of what there is to say in short."""
    hit, wanted = figures(functional)
    yield "functional", (f"{hit:,} of {wanted:,} bins, {percent(hit, wanted)}; "
                         f"{functional.frames:,} frames, {functional.commands:,} commands")
    shown = [rule for rule in rules() if rule.groups]
    unseen = [rule.name for rule, _ in unseen_rules(functional)]
    missing = f"; not {listed(unseen, _SHOWN_RULES)}" if unseen else ""
    yield "rules", f"{len(shown) - len(unseen)} of {len(shown)} that traces can show{missing}"
    if refuted := functional.refuted():
        yield "excluded", f"{len(refuted):,} excluded bins were hit: {listed(refuted, _SHOWN_BINS)}"


def listed(items: Sequence[object], most: int) -> str:
    """The first of some items, in one line."""
    more = f"; {len(items) - most:,} more" if len(items) > most else ""
    return "; ".join(map(str, items[:most])) + more
