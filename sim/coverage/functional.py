"""Functional coverage: which of the declared bins replays of the engine have hit.

``bins.py`` declares the bins. A replay begins after a reset; its trace may be that of the RTL or
of the golden model, which are the same where the comparison finds no difference.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from espnic.model.interface.features import Features
from espnic.model.trace import TraceRecord
from espnic.sim.coverage.bins import BY_NAME, CROSSES, Bin, Value
from espnic.sim.coverage.functional_commands import CommandBins
from espnic.sim.coverage.functional_exclusions import excluded, wanted
from espnic.sim.coverage.functional_rx import RxBins
from espnic.sim.coverage.functional_sas import Sas
from espnic.sim.coverage.functional_tx import TxBins
from espnic.sim.problem import InputError
from espnic.sim.traffic.steps import Command, Outcome, Ports, RxFrame, Step, TxFrame

_FORMAT = "espnic functional coverage"
_VERSION = 1
_BETWEEN = "|"
"""Character between the values of a bin in a file."""
_COUNTED = ("replays", "frames", "commands")
_EXPECTED = "expected a file of functional coverage of this version of espnic"


@dataclass(frozen=True)
class Hole:
    """A bin that is wanted and was not hit."""

    cross: str
    values: Mapping[str, Value]
    """The value of each dimension."""

    def to_data(self) -> dict[str, Value]:
        """The cross and the values as one object."""
        return {"cross": self.cross, **self.values}

    def __str__(self) -> str:
        return f"{self.cross}: " + ", ".join(
            f"{name} {value}" for name, value in self.values.items())


@dataclass(frozen=True)
class Summary:
    """Numbers of the bins of a cross."""

    cross: str
    hit: int
    wanted: int
    excluded: int


class Functional:
    """Counts of hits of all bins.

    Members
    -------
    replays, frames, commands
        How many replays, frames of both directions together, and commands were noted.
    """

    def __init__(self) -> None:
        self.replays = 0
        self.frames = 0
        self.commands = 0
        self._hits = {name: dict.fromkeys(bins, 0) for name, bins in wanted().items()}
        self._refuted: Counter[tuple[str, Bin]] = Counter()

    def note(
        self, steps: Sequence[Step], outcome: Outcome, features: Features,
        phases: Sequence[str] = (),
    ) -> None:
        """Count the bins that a replay has hit, from its reset on.

        ``features`` are those of the build. ``phases`` has a value of ``PHASE`` for each command;
        without it every command found the engine idle.
        """
        self.replays += 1
        sas = Sas()
        rx, tx = RxBins(self._hit, features, sas), TxBins(self._hit, features, sas)
        commands = CommandBins(self._hit, features, sas)
        traces = _by_packet(outcome.trace)
        results, times = iter(outcome.results), iter(phases)
        numbers = {"rx": 0, "tx": 0}
        for step in steps:
            match step:
                case RxFrame():
                    numbers["rx"] += 1
                    self.frames += 1
                    rx.note(step, dict(traces.get(("rx", numbers["rx"]), ())))
                case TxFrame():
                    numbers["tx"] += 1
                    self.frames += 1
                    tx.note(step, traces.get(("tx", numbers["tx"]), ()))
                case Command(values):
                    result = next(results, None)
                    if result is not None:
                        self.commands += 1
                        commands.note(values, result, next(times, "idle"))
                case Ports(ports):
                    rx.set_ports(ports)

    def merge(self, other: "Functional") -> None:
        """Add the counts of another."""
        for name in _COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self._refuted += other._refuted
        for name, hits in other._hits.items():
            mine = self._hits[name]
            for values, count in hits.items():
                mine[values] += count

    def count(self, cross: str, *values: Value) -> int:
        """Number of hits of a bin that is wanted."""
        return self._hits[cross][values]

    def holes(self) -> list[Hole]:
        """The bins that are wanted and were not hit, in the order of their declaration."""
        return [Hole(cross.name, cross.named(values)) for cross in CROSSES
                for values, count in self._hits[cross.name].items() if not count]

    def refuted(self) -> list[Hole]:
        """The bins that were hit although they are excluded: their exclusions are wrong."""
        return [Hole(name, BY_NAME[name].named(values)) for name, values in sorted(
            self._refuted, key=lambda item: (item[0], str(item[1])))]

    def summary(self) -> list[Summary]:
        """The numbers of each cross, in the order of their declaration."""
        return [Summary(name, sum(map(bool, hits.values())), len(hits), len(excluded()[name]))
                for name, hits in self._hits.items()]

    def to_json(self) -> str:
        """All counts, as a file keeps them; bins without a hit are not in it."""
        hits = {name: {_text(values): count for values, count in bins.items() if count}
                for name, bins in self._hits.items()}
        for (name, values), count in self._refuted.items():
            hits[name][_text(values)] = count
        return json.dumps({
            "format": _FORMAT, "version": _VERSION,
            **{name: getattr(self, name) for name in _COUNTED},
            "hits": {name: bins for name, bins in hits.items() if bins}}, indent=1)

    @classmethod
    def from_json(cls, text: str, where: str = "coverage") -> Self:
        """The counts of a file; ``where`` is its name.

        Raises ``InputError``, one line, for what is no such file, or names another bin than the
        declared ones.
        """
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            raise InputError(f"{where}: not JSON, {_EXPECTED}") from None
        if not isinstance(document, dict) or document.get("format") != _FORMAT:
            raise InputError(f"{where}: {_EXPECTED}")
        if document.get("version") != _VERSION:
            raise InputError(f"{where}: version {document.get('version')!r}, expected {_VERSION}")
        read = cls()
        for name in _COUNTED:
            setattr(read, name, _count(document.get(name), f"{where}: {name}"))
        for name, values, count in _entries(document.get("hits"), where):
            if values in read._hits[name]:
                read._hits[name][values] = count
            else:
                read._refuted[name, values] = count
        return read

    def _hit(self, cross: str, *values: Value) -> None:
        """Count a hit. A value that a cross does not have, as an other status, is no bin of it."""
        hits = self._hits[cross]
        if values in hits:
            hits[values] += 1
        elif values in excluded()[cross]:
            self._refuted[cross, values] += 1


def _by_packet(
    trace: Sequence[TraceRecord],
) -> dict[tuple[str, int], list[tuple[str, dict[str, Any]]]]:
    """Trace points and fields of the records of each packet, by direction and number."""
    packets: dict[tuple[str, int], list[tuple[str, dict[str, Any]]]] = {}
    for record in trace:
        packets.setdefault((record.point[:2], record.packet), []).append(
            (record.point, record.fields))
    return packets


def _text(values: Bin) -> str:
    return _BETWEEN.join(map(str, values))


def _entries(hits: Any, where: str) -> Iterator[tuple[str, Bin, int]]:
    """Cross, values and count of each bin in a file."""
    if not isinstance(hits, dict):
        raise InputError(f"{where}: hits: {_EXPECTED}")
    for name, counts in hits.items():
        cross = BY_NAME.get(name)
        if cross is None or not isinstance(counts, dict):
            raise InputError(f"{where}: no cross {name!r}, {_EXPECTED}")
        known = {_text(values): values for values in cross.bins()}
        for text, count in counts.items():
            if text not in known:
                raise InputError(f"{where}: {name} has no bin {text!r}, {_EXPECTED}")
            yield name, known[text], _count(count, f"{where}: {name}: {text}")


def _count(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InputError(f"{where}: {value!r}, expected a number from 0 on")
    return value
