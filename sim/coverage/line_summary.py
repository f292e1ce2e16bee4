"""Figures of each source file, and the holes: lines and bits that no run has reached."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from espnic.sim.coverage.line_exclusions import Exclusion, exclusions
from espnic.sim.coverage.lines import Counts, FileCounts
from espnic.sim.coverage.points import Toggles
from espnic.sim.coverage.statements import conditional_statements
from espnic.sim.files import PROJECT

NEVER = "never"
NOT_BUILT = "in no build"


@dataclass(frozen=True)
class Hole:
    """A line that no run has reached, or a signal some of whose bits did not toggle."""

    place: str
    """File and line."""
    what: str
    text: str
    """The line of the source."""


@dataclass(frozen=True)
class Figures:
    """How much was reached."""

    lines: int = 0
    """Lines with a statement under a condition, but for those that are excluded."""
    hit: int = 0
    excluded: int = 0
    bits: int = 0
    """Bits of all signals."""
    toggled: int = 0
    """Those that have risen and fallen."""

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(self.lines + other.lines, self.hit + other.hit,
                       self.excluded + other.excluded, self.bits + other.bits,
                       self.toggled + other.toggled)


@dataclass(frozen=True)
class FileSummary:
    """A source file."""

    path: str
    figures: Figures
    holes: tuple[Hole, ...]
    quiet: tuple[Hole, ...]
    """Signals with bits that did not toggle."""
    excluded: tuple[Exclusion, ...]
    contradicted: tuple[Exclusion, ...]
    """Excluded lines that were reached all the same."""

    @property
    def room(self) -> str:
        """Folder of the file."""
        return Path(self.path).parent.as_posix()


@dataclass(frozen=True)
class LineSummary:
    """All source files that were in a netlist."""

    runs: int
    files: tuple[FileSummary, ...]

    @property
    def total(self) -> Figures:
        return _sum(self.files)

    @property
    def rooms(self) -> dict[str, Figures]:
        """Figures of each folder."""
        found: dict[str, list[FileSummary]] = {}
        for file in self.files:
            found.setdefault(file.room, []).append(file)
        return {room: _sum(files) for room, files in sorted(found.items())}

    def parts_of(self, room: str) -> list[tuple[str, Figures, bool]]:
        """Name and figures of each file of a room; the last says that it is no room itself."""
        return [(Path(file.path).name, file.figures, False)
                for file in self.files if file.room == room]

    @property
    def holes(self) -> list[Hole]:
        return [hole for file in self.files for hole in file.holes]


def summarise(counts: Counts) -> LineSummary:
    """The figures of all files that have not changed since they were counted."""
    unreachable: dict[str, list[Exclusion]] = {}
    for each in exclusions():
        unreachable.setdefault(each.file, []).append(each)
    return LineSummary(counts.runs, tuple(
        _file(path, file, unreachable.get(path, []))
        for path, file in sorted(counts.current().files.items())))


def _sum(files: Iterable[FileSummary]) -> Figures:
    return sum((file.figures for file in files), Figures())


def _file(path: str, counts: FileCounts, excluded: list[Exclusion]) -> FileSummary:
    source = (PROJECT / path).read_text(encoding="utf-8")
    texts = [text.strip() for text in source.splitlines()]
    by_line = {each.line for each in excluded}
    built = {int(line): counts.reached(int(line)) for line in counts.lines}
    states = built | {
        lines[0]: None for lines in conditional_statements(source) if not built.keys() & set(lines)}
    wanted = {line: state for line, state in sorted(states.items()) if line not in by_line}
    holes = [Hole(f"{path}:{line}", NOT_BUILT if state is None else NEVER, texts[line - 1])
             for line, state in wanted.items() if not state]
    figures = Figures(
        len(wanted), len(wanted) - len(holes), len(excluded),
        sum(each.bits for each in counts.signals.values()),
        sum(each.both.bit_count() for each in counts.signals.values()))
    return FileSummary(path, figures, tuple(holes), tuple(_quiet(path, counts, texts)),
                       tuple(excluded), tuple(each for each in excluded if built.get(each.line)))


def _quiet(path: str, counts: FileCounts, texts: list[str]) -> Iterator[Hole]:
    """The signals with bits that did not toggle, by line."""
    named = sorted((int(key.split(" ", 1)[0]), key.split(" ", 1)[1], toggles)
                   for key, toggles in counts.signals.items())
    for line, name, toggles in named:
        if toggles.both.bit_count() < toggles.bits:
            yield Hole(f"{path}:{line}", f"{name}: {_missing(toggles)}", texts[line - 1])


def _missing(toggles: Toggles) -> str:
    """Words for the bits that did not toggle."""
    everything = (1 << toggles.bits) - 1
    if toggles.bits == 1:
        rises, falls = toggles.rose, toggles.fell
        return "never changes" if not rises and not falls else (
            "never rises" if not rises else "never falls")
    silent = everything & ~(toggles.rose | toggles.fell)
    half = everything & ~toggles.both & ~silent
    return "; ".join(f"{what} {_ranges(mask)}" for what, mask in (
        ("never change", silent), ("change once", half)) if mask)


def _ranges(mask: int) -> str:
    """The bits of a mask, neighbours together, the highest first."""
    parts = []
    while mask:
        high = mask.bit_length() - 1
        low = high
        while low and mask >> (low - 1) & 1:
            low -= 1
        parts.append(f"{high}:{low}" if high > low else str(high))
        mask &= (1 << low) - 1
    return ", ".join(parts)
