"""Lines and toggles of the RTL that runs have reached: merged, and kept over runs in a file.

What counts is the line of the Amaranth source. One that stands in many blocks and widths is
reached when it is reached in any of them. The file keeps apart which netlist has reached it.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from espnic.sim.build.cache import locked
from espnic.sim.build.netlist import Netlist
from espnic.sim.coverage.points import Points, Toggles, read_points
from espnic.sim.files import PROJECT, replacing
from espnic.sim.problem import InputError

NAME = "lines.json"
FORMAT = 1
"""Version of the file."""
ROOM = "hdl"
"""The sources that count: what benches put around a block does not."""
_DIGITS = 8


@dataclass
class FileCounts:
    """Counts of a source file."""

    digest: str
    """Hash of the file that they ran on."""
    lines: dict[str, dict[str, int]] = field(default_factory=dict)
    """How often each line was evaluated, by line and netlist."""
    signals: dict[str, Toggles] = field(default_factory=dict)
    """Toggles of each signal, by line and name."""

    def reached(self, line: int) -> bool:
        return any(self.lines[str(line)].values())


@dataclass
class Counts:
    """Counts of all runs."""

    runs: int = 0
    files: dict[str, FileCounts] = field(default_factory=dict)
    """By path within the project."""

    def add(self, netlist: str, points: Points) -> None:
        """Add a run; what is there of an earlier version of a file goes."""
        self.runs += 1
        for place, count in points.lines.items():
            for file, line in self._of(place):
                counts = file.lines.setdefault(line, {})
                counts[netlist] = counts.get(netlist, 0) + count
        for signal, toggles in points.signals.items():
            for file, line in self._of(signal.place):
                file.signals.setdefault(f"{line} {signal.name}", Toggles()).add(toggles)

    def merge(self, other: "Counts") -> None:
        """Add the counts of other runs; of two versions of a file, those of this one stay."""
        self.runs += other.runs
        for path, counts in other.files.items():
            mine = self.files.setdefault(path, FileCounts(counts.digest))
            if mine.digest != counts.digest:
                continue
            for line, netlists in counts.lines.items():
                kept = mine.lines.setdefault(line, {})
                for netlist, count in netlists.items():
                    kept[netlist] = kept.get(netlist, 0) + count
            for signal, toggles in counts.signals.items():
                mine.signals.setdefault(signal, Toggles()).add(toggles)

    def current(self) -> "Counts":
        """The same without files that have changed since, whose lines may be others."""
        return Counts(self.runs, {path: file for path, file in self.files.items()
                                  if file.digest == _digest(path)})

    def _of(self, place: str) -> Iterator[tuple[FileCounts, str]]:
        """The counts of the file, and the line; nothing for a place that does not count."""
        path, line = place.rsplit(":", 1)
        digest = _digest(path) if path.startswith(f"{ROOM}/") else None
        if digest is not None:
            file = self.files.get(path)
            if file is None or file.digest != digest:
                file = self.files[path] = FileCounts(digest)
            yield file, line


def take(counts: Path, netlist: Netlist, folder: Path) -> None:
    """Add the counts that a run has left to those that are kept in a folder."""
    points = read_points(counts, netlist)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / f"{NAME}.lock"):
        kept = load(folder)
        kept.add(f"{netlist.top}-{_short(netlist.text.encode())}", points)
        with replacing(folder / NAME) as partial:
            partial.write_text(_to_json(kept), encoding="utf-8")


def kept(folder: Path) -> str | None:
    """The file in a folder, as it is sent to another machine; None if there is none."""
    path = folder / NAME
    return path.read_text(encoding="utf-8") if path.is_file() else None


def merge(text: str, folder: Path) -> None:
    """Add the counts of a file of another machine to those that are kept in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / f"{NAME}.lock"):
        counts = load(folder)
        counts.merge(_from_json(text))
        with replacing(folder / NAME) as partial:
            partial.write_text(_to_json(counts), encoding="utf-8")


def load(folder: Path) -> Counts:
    """The counts that are kept in a folder, none if there are none yet.

    Raises ``InputError`` for a file that is none of these.
    """
    path = folder / NAME
    if not path.is_file():
        return Counts()
    try:
        return _from_json(path.read_text(encoding="utf-8"))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path}: expected coverage of this espnic, format {FORMAT}; remove it "
                         "to begin anew") from None


def _from_json(text: str) -> Counts:
    values = json.loads(text)
    if values["format"] != FORMAT:
        raise ValueError(f"format {values['format']}, expected {FORMAT}")
    return Counts(values["runs"], {name: _file(file) for name, file in values["files"].items()})


def _to_json(counts: Counts) -> str:
    return json.dumps({"format": FORMAT, "runs": counts.runs, "files": {
        path: {"digest": file.digest, "lines": file.lines, "signals": {
            name: [each.bits, f"{each.rose:x}", f"{each.fell:x}"]
            for name, each in file.signals.items()}}
        for path, file in sorted(counts.files.items())}}, indent=1) + "\n"


def _file(values: dict[str, Any]) -> FileCounts:
    return FileCounts(values["digest"], values["lines"], {
        name: Toggles(bits, int(rose, 16), int(fell, 16))
        for name, (bits, rose, fell) in values["signals"].items()})


@cache
def _digest(path: str) -> str | None:
    """Hash of a file of the project; None when it is not there."""
    file = PROJECT / path
    return _short(file.read_bytes()) if file.is_file() else None


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGITS]
