"""Results of a regression: what each bench did, as read from the record and as JSON."""

import json
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from espnic.sim.build.builds import Case
from espnic.sim.files import PROJECT
from espnic.sim.problem import InputError
from espnic.sim.regress.evidence import FILE

FORMAT = 1
"""Version of the JSON file."""
_NOISE = re.compile(r"^(AssertionError|Failed|Exception): ")


@dataclass(frozen=True)
class Simulation:
    """One run of a simulator."""

    top: str
    simulator: str
    seed: int
    module: str
    cases: tuple[Case, ...]
    log: str | None
    """Path within the record, as all here."""
    wave: str | None
    signals: tuple[str, ...] = ()
    """Signals of the top module to look at first in the wave."""

    @property
    def end(self) -> int:
        """Clocks until the end of the first test that failed, or of all when none did."""
        failed = next((place for place, case in enumerate(self.cases) if case.message is not None),
                      len(self.cases))
        return sum(case.clocks for case in self.cases[:failed + 1])


@dataclass(frozen=True)
class Bench:
    """One function of pytest that ran with one seed."""

    id: str
    """Name of pytest."""
    bench: str
    """The same without a fresh seed."""
    outcome: str
    """passed, failed or skipped."""
    seconds: float
    seed: int | None
    """Seed of all its simulations; None: those that stand in it."""
    message: str | None
    runs: tuple[Simulation, ...]
    folder: str | None
    """Folder within the record with logs and evidence."""
    repeat: str = ""
    """Command that repeats it."""
    drawn: tuple[Simulation, ...] = ()
    """Simulations with waves, whose paths are within the record: its own, or of a second run."""
    again: str | None = None
    """First difference of the second run, if one was made for the waves."""
    evidence: dict[str, Any] | None = None
    files: tuple[str, ...] = ()
    """Traces and captures, as paths within the record."""

    @property
    def failed(self) -> bool:
        return self.outcome == "failed"

    @property
    def clocks(self) -> int:
        return sum(case.clocks for run in self.runs for case in run.cases)

    @property
    def simulated(self) -> float:
        """Seconds in which the simulators ran tests."""
        return sum(case.seconds for run in self.runs for case in run.cases)

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        return tuple(sorted({run.seed for run in self.runs}))

    @property
    def block(self) -> str:
        """Room and name of what it is a bench of."""
        return block_of(self.bench)

    @property
    def failing(self) -> list[Case]:
        """Cocotb tests that failed; none when pytest alone found a difference."""
        return [case for run in self.runs for case in run.cases
                if self.failed and case.message is not None]

    @property
    def difference(self) -> str:
        """The first difference, in one line."""
        failing = self.failing
        text = failing[0].message if failing else self.message
        return _NOISE.sub("", (text or "no message").strip().splitlines()[0])


@dataclass(frozen=True)
class Report:
    """A whole regression."""

    started: str
    """Date and time."""
    seconds: float
    complete: bool
    """Whether it came to its end."""
    call: str
    """The command that the user gave."""
    benches: tuple[Bench, ...]
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def failures(self) -> list[Bench]:
        return [bench for bench in self.benches if bench.failed]

    @property
    def ran(self) -> list[Bench]:
        return [bench for bench in self.benches if bench.outcome != "skipped"]

    def groups(self) -> dict[str, list[Bench]]:
        """Benches that ran, those of one function together."""
        found: dict[str, list[Bench]] = {}
        for bench in self.ran:
            found.setdefault(bench.bench, []).append(bench)
        return found

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"


def block_of(bench: str) -> str:
    path = Path(bench.split("::")[0])
    return f"{path.parent.name}/{path.stem.removeprefix('test_')}"


class Events:
    """Reader of a record that may just be growing.

    Parameters
    ----------
    path
        File with a line for each event; it need not be there yet.
    filters
        Arguments of pytest that belong to the command which repeats a bench.
    """

    def __init__(self, path: Path, filters: Sequence[str] = ()) -> None:
        self._path = path
        self._filters = filters
        self._place = 0

    def new(self) -> list[dict[str, Any]]:
        """The events since the last call."""
        if not self._path.is_file():
            return []
        with self._path.open("rb") as file:
            file.seek(self._place)
            text = file.read()
        whole = text.rfind(b"\n") + 1
        self._place += whole
        return [json.loads(line) for line in text[:whole].splitlines()]

    def bench(self, event: Mapping[str, Any]) -> Bench:
        """The bench that an event says has ended."""
        return _bench(event, self._path.parent, self._filters)


def collected(path: Path) -> list[str]:
    """The names of the tests that a record says are to run."""
    return [name for event in Events(path).new() if event["kind"] == "collected"
            for name in event["ids"]]


def read_events(path: Path, filters: Sequence[str] = ()) -> list[Bench]:
    """The benches that a record says have ended; ``filters`` belong to the command of each."""
    events = Events(path, filters)
    order: dict[str, int] = {}
    ended = []
    for event in events.new():
        if event["kind"] == "collected":
            order |= {name: place for place, name in enumerate(event["ids"])}
        elif event["kind"] == "ended":
            ended.append(event)
    # Whichever ended first, a report has them in the order of the files.
    ended.sort(key=lambda event: order.get(event["id"], 0))
    return [events.bench(event) for event in ended]


def load(option: str, path: Path) -> Report:
    """Read a report. Raises ``InputError`` for a file that is none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("format") != FORMAT:
            raise ValueError
        benches = tuple(_bench(value, None, ()) for value in values.pop("benches"))
        return Report(benches=benches, **values)
    except OSError as error:
        raise InputError(f"{option} {path}: {error.strerror}, expected report.json of espnic "
                         "regress") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{option} {path}: expected report.json of this espnic regress") from None


def _bench(event: Mapping[str, Any], record: Path | None, filters: Sequence[str]) -> Bench:
    values = {name: value for name, value in event.items() if name not in ("kind", "runs")}
    runs = tuple(_simulation(run) for run in event["runs"])
    if record is not None:
        values |= {"repeat": repeat(event["bench"], event["seed"], filters),
                   "evidence": _evidence(record, event["folder"]),
                   "files": _files(record, event["folder"])}
    return Bench(**values | {
        "runs": runs, "files": tuple(values.get("files", ())),
        "drawn": tuple(_simulation(run) for run in values.get("drawn", ()))})


def _simulation(run: Mapping[str, Any]) -> Simulation:
    return Simulation(**{**run, "cases": tuple(Case(**case) for case in run["cases"]),
                         "signals": tuple(run.get("signals", ()))})


def repeat(bench: str, seed: int | None, filters: Sequence[str]) -> str:
    """Command, for the project's folder, that runs a bench again with its seed."""
    program = Path(sys.executable).with_name("pytest")
    shown = str(program.relative_to(PROJECT)) if program.is_relative_to(PROJECT) else str(program)
    return shlex.join([shown, bench, *filters, *(() if seed is None else ("--seed", str(seed)))])


def _files(record: Path, folder: str | None) -> list[str]:
    paths = (record / folder).glob("*.trace.*") if folder else ()
    return sorted(str(path.relative_to(record)) for path in paths)


def _evidence(record: Path, folder: str | None) -> dict[str, Any] | None:
    path = record / folder / FILE if folder else None
    if path is None or not path.is_file():
        return None
    evidence: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return evidence
