"""The counts of coverage that a run of Verilator leaves, by the places that they come from."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from espnic.sim.build.netlist import Netlist
from espnic.sim.build.sources import places_of
from espnic.sim.problem import InputError

_HEAD = "# SystemC::Coverage-3"
_POINT = re.compile(r"C '((?:\x01[^\x01\x02']+\x02[^\x01\x02']*)+)' (\d+)")
_BIT = re.compile(r"\S+?(?:\[(\d+)\])?:([01])->[01]")
_NUMBER = re.compile(r"\$\d+")
_LINE, _CASE, _TOGGLE = "line", "case", "toggle"
"""Kinds of points of Verilator: a case is a kind of line."""


class SignalName(NamedTuple):
    """A signal of a block, wherever it is in a netlist."""

    place: str
    """File and line in the project."""
    name: str


@dataclass
class Toggles:
    """The bits of a signal that have risen and fallen, as masks."""

    bits: int = 0
    """Bits of the widest signal of the name."""
    rose: int = 0
    fell: int = 0

    @property
    def both(self) -> int:
        """The bits that did both."""
        return self.rose & self.fell

    def add(self, other: "Toggles") -> None:
        self.bits = max(self.bits, other.bits)
        self.rose |= other.rose
        self.fell |= other.fell


@dataclass
class Points:
    """The points of a netlist, also those that no run has reached."""

    lines: dict[str, int] = field(default_factory=dict)
    """How often the statement at a place was evaluated."""
    signals: dict[SignalName, Toggles] = field(default_factory=dict)


def read_points(counts: Path, netlist: Netlist) -> Points:
    """The points in a file of Verilator. Raises ``InputError`` for a line that is none."""
    head, *lines = counts.read_text(encoding="utf-8").splitlines() or [""]
    if head != _HEAD:
        raise _refused(counts, 1, _HEAD)
    places, points = places_of(netlist.text), Points()
    for number, line in enumerate(lines, 2):
        match = _POINT.fullmatch(line)
        key = dict(part.split("\x02") for part in match[1].split("\x01")[1:]) if match else {}
        if match is None or not key.get("l", "").isdecimal() or not {"t", "o"} <= key.keys():
            raise _refused(counts, number, "a point with l, t and o, and its count")
        at, count = int(key["l"]), int(match[2])
        if key["t"] == _LINE and key["o"] == _CASE:
            for place in places.cases.get(at, ()):
                points.lines[place] = points.lines.get(place, 0) + count
        elif key["t"] == _TOGGLE and at in places.signals:
            toggles = _toggles(key["o"], count)
            if toggles is None:
                raise _refused(counts, number, "a toggle as name[bit]:0->1")
            # Amaranth numbers what is called alike, in each netlist in its way.
            name = _NUMBER.sub("", places.signals[at].name)
            points.signals.setdefault(
                SignalName(places.signals[at].place, name), Toggles()).add(toggles)
    return points


def _toggles(point: str, count: int) -> Toggles | None:
    """The bit of a point, and its change; None for a text that is no such point."""
    match = _BIT.fullmatch(point)
    if match is None:
        return None
    bit = int(match[1] or 0)
    seen = bool(count) << bit
    return Toggles(bit + 1, seen, 0) if match[2] == "0" else Toggles(bit + 1, 0, seen)


def _refused(path: Path, line: int, expected: str) -> InputError:
    return InputError(f"{path}:{line}: expected {expected}, as Verilator writes it")
