"""The counts of coverage that a run of Verilator leaves, by the places that they come from."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from espnic.sim.build.netlist import Netlist
from espnic.sim.build.sources import places_of
from espnic.sim.problem import InputError

_HEAD = re.compile(r"# SystemC::Coverage-3")
_POINT = re.compile(r"C '((?:\x01[^\x01\x02']+\x02[^\x01\x02']*)+)' (\d+)")
_TOGGLE = re.compile(r"\S+?(?:\[(\d+)\])?:([01])->[01]")
_NUMBER = re.compile(r"\$\d+")
_LINE, _TOGGLES = "line", "toggle"
_CASE = "case"
"""Kinds of points of Verilator."""


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
    places, points = places_of(netlist.text), Points()
    lines = counts.read_text(encoding="utf-8").splitlines() or [""]
    for number, line in enumerate(lines, 1):
        if number == 1:
            if not _HEAD.fullmatch(line):
                raise _refused(counts, number, _HEAD.pattern)
            continue
        match = _POINT.fullmatch(line)
        key = dict(part.split("\x02") for part in match[1].split("\x01")[1:]) if match else {}
        if match is None or not key.get("l", "").isdecimal() or not {"t", "o"} <= key.keys():
            raise _refused(counts, number, "a point with l, t and o, and its count")
        at, count = int(key["l"]), int(match[2])
        if key["t"] == _LINE and key["o"] == _CASE:
            for place in places.cases.get(at, ()):
                points.lines[place] = points.lines.get(place, 0) + count
        elif key["t"] == _TOGGLES and at in places.signals:
            toggled = _TOGGLE.fullmatch(key["o"])
            if toggled is None:
                raise _refused(counts, number, "a toggle as name[bit]:0->1")
            signal, bit = places.signals[at], int(toggled[1] or 0)
            # Amaranth numbers what is called alike, in each netlist in its way.
            name = SignalName(signal.place, _NUMBER.sub("", signal.name))
            seen = bool(count) << bit
            rose, fell = (seen, 0) if toggled[2] == "0" else (0, seen)
            points.signals.setdefault(name, Toggles()).add(Toggles(bit + 1, rose, fell))
    return points


def _refused(path: Path, line: int, expected: str) -> InputError:
    return InputError(f"{path}:{line}: expected {expected}, as Verilator writes it")
