"""Lines that no run can reach, each with its reason, as ``line_exclusions.toml`` lists them."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from espnic.sim.files import PROJECT
from espnic.sim.problem import InputError

FILE = Path(__file__).with_name("line_exclusions.toml")
_KEYS = {"file", "text", "reason"}


@dataclass(frozen=True)
class Exclusion:
    """A line that no run can reach."""

    file: str
    line: int
    text: str
    reason: str


def exclusions(listed: Path = FILE) -> list[Exclusion]:
    """The lines of a list, at the places where they stand now.

    Raises ``InputError`` for an entry that is not whole, or does not fit exactly one place.
    """
    try:
        entries = tomllib.loads(listed.read_text(encoding="utf-8"))["exclusions"]
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise InputError(f"{listed}: {error}, expected a list of exclusions") from None
    return [_placed(listed, number, entry) for number, entry in enumerate(entries, 1)]


def _placed(listed: Path, number: int, entry: dict[str, str]) -> Exclusion:
    where = f"{listed}: exclusion {number}"
    if not isinstance(entry, dict) or entry.keys() != _KEYS or not all(
            isinstance(value, str) and value.strip() for value in entry.values()):
        raise InputError(f"{where}: expected {', '.join(sorted(_KEYS))}, each a text")
    file = PROJECT / entry["file"]
    if not file.is_file():
        raise InputError(f"{where}: no file {entry['file']}, expected a path within the project")
    source = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    wanted = [line.strip() for line in entry["text"].strip().splitlines()]
    ends = _ends(source, wanted)
    if len(ends) != 1:
        raise InputError(f"{where}: {entry['file']} has {len(ends)} places with {wanted[-1]!r}, "
                         "expected one; more lines above it tell them apart")
    return Exclusion(entry["file"], ends[0], wanted[-1], " ".join(entry["reason"].split()))


def _ends(source: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Numbers of the lines with which these lines end."""
    return [start + len(wanted) for start in range(len(source) - len(wanted) + 1)
            if source[start:start + len(wanted)] == wanted]
