"""The page of a regression: one HTML file that needs no other to be read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from espnic.sim.coverage.bins import BY_NAME
from espnic.sim.coverage.functional import Functional, Hole, Summary
from espnic.sim.coverage.functional_report import COUNTS, HOLES, figures, percent
from espnic.sim.coverage.functional_rules import Group, Rule, unseen_rules
from espnic.sim.coverage.line_summary import LineSummary
from espnic.sim.regress import against
from espnic.sim.regress.results import Bench, Report, Simulation, block_of

NAME = "report.html"
_SHOWN = 3
"""Failures of a bench that are shown in full."""
_SHOWN_HOLES = 20
"""Holes of a cross that the page lists."""
_LINE_BYTES = 16
_LINES_AROUND = 6
"""Lines of a packet that are shown on each side of the first byte that differs."""


@dataclass(frozen=True)
class Row:
    """A line of the table: one bench, with all its seeds."""

    bench: str
    block: str
    function: str
    failed: int
    """Number of its seeds that failed."""
    seeds: tuple[int, ...]
    tests: int
    clocks: int
    seconds: float
    """Seconds with elaboration and builds."""
    simulated: float
    """Seconds in cocotb tests."""
    simulators: str

    @property
    def speed(self) -> float:
        """Clocks a second."""
        return self.clocks / self.simulated if self.simulated else 0.0


@dataclass(frozen=True)
class Failure:
    """A failure with what the page shows of it."""

    bench: Bench
    where: str
    """Simulation and cocotb test."""
    links: list[tuple[str, str]]
    """Text and target of each file."""
    packet: "Packet | None"
    picture: Markup | None
    """The last clocks of the wave."""
    more: Sequence[Bench]
    """Further seeds with which the bench failed, which the page only lists."""


@dataclass(frozen=True)
class Packet:
    """Bytes of both sides, in lines of 16 around the first that differs."""

    name: str
    sizes: tuple[int, int]
    first: int | None
    """First byte that differs; None when both are equal."""
    lines: list[tuple[int, list[tuple[str, str, bool]]]]
    """Offset, and for each byte the text of RTL and model and whether they differ."""


@dataclass(frozen=True)
class Covered:
    """A cross of the functional coverage."""

    summary: Summary
    doc: str
    holes: Sequence[Hole]
    """The first of its holes."""

    @property
    def more(self) -> int:
        """Number of its other holes."""
        return self.summary.wanted - self.summary.hit - len(self.holes)


@dataclass(frozen=True)
class Coverage:
    """Functional coverage as the page shows it."""

    figures: tuple[int, int]
    """Number of bins that were hit, and of those that are wanted."""
    frames: int
    crosses: Sequence[Covered]
    unseen: Sequence[tuple[Rule, list[Group]]]
    refuted: Sequence[Hole]
    files: tuple[str, str] = (COUNTS, HOLES)
    """Names of the files with the counts and the holes."""


def render(
    report: Report, before: Report | None, record: Path, reached: LineSummary | None = None,
    functional: Functional | None = None,
) -> str:
    """The text of the page; ``record`` is the folder with logs and waves, beside it.

    ``reached`` is what was reached of the RTL, if that was counted, and ``functional`` what replays
    of the engine have hit.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True,
        trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters["thousands"] = lambda value: f"{value:,.0f}"
    environment.filters["percent_of"] = percent
    rows = sorted(_rows(report), key=lambda row: (not row.failed, row.bench))
    changes = None if before is None else against.changes(report, before)
    return environment.get_template("page.html").render(
        report=report, before=before, changes=changes, rows=rows,
        slowest=max((row.seconds for row in rows), default=0) or 1,
        totals=_totals(report, rows), failures=list(_failures(report, record)),
        left_out=[bench for bench in report.benches if bench.outcome == "skipped"],
        block_of=block_of, coverage=_coverage(functional), reached=reached)


def _coverage(functional: Functional | None) -> Coverage | None:
    """The functional coverage; None where no replay of the engine was counted."""
    if functional is None or not functional.replays:
        return None
    holes: dict[str, list[Hole]] = {name: [] for name in BY_NAME}
    for hole in functional.holes():
        holes[hole.cross].append(hole)
    return Coverage(
        figures(functional), functional.frames,
        [Covered(each, BY_NAME[each.cross].doc, holes[each.cross][:_SHOWN_HOLES])
         for each in functional.summary()],
        unseen_rules(functional), functional.refuted())


def _rows(report: Report) -> Iterator[Row]:
    for name, benches in report.groups().items():
        cases = [case for bench in benches for run in bench.runs for case in run.cases]
        yield Row(
            name, benches[0].block, name.split("::")[-1],
            sum(bench.failed for bench in benches),
            tuple(sorted({seed for bench in benches for seed in bench.seeds})), len(cases),
            sum(bench.clocks for bench in benches), sum(bench.seconds for bench in benches),
            sum(bench.simulated for bench in benches),
            ", ".join(sorted({run.simulator for bench in benches for run in bench.runs})))


def _totals(report: Report, rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    """Name, figure and kind of what stands on top."""
    failed = sum(bool(row.failed) for row in rows)
    clocks, seconds = sum(row.clocks for row in rows), sum(row.simulated for row in rows)
    return [
        ("benches failed", str(failed), "bad" if failed else "good"),
        ("benches passed", str(len(rows) - failed), "plain"),
        ("cocotb tests", f"{sum(row.tests for row in rows):,}", "plain"),
        ("seeds", f"{sum(len(row.seeds) for row in rows):,}", "plain"),
        ("clocks", f"{clocks:,}", "plain"),
        ("clocks a second", f"{clocks / seconds if seconds else 0:,.0f}", "plain"),
        ("time", _time(report.seconds), "plain"),
    ]


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _failures(report: Report, record: Path) -> Iterator[Failure]:
    for benches in report.groups().values():
        failed = [bench for bench in benches if bench.failed]
        for number, bench in enumerate(failed[:_SHOWN], 1):
            yield _failure(bench, record, failed[_SHOWN:] if number == _SHOWN else ())


def _failure(bench: Bench, record: Path, more: Sequence[Bench]) -> Failure:
    failing = [(run, case) for run in bench.runs for case in run.cases
               if case.message is not None]
    where = "; ".join(f"{case.name} of {run.top} on {run.simulator}, seed {run.seed}"
                      for run, case in failing) or "after the simulation"
    files = [(f"log {Path(run.log).name}", run.log) for run in bench.runs if run.log]
    for wave in (run.wave for run in bench.drawn if run.wave):
        files += [(f"wave {Path(wave).name}", wave)]
        files += [(f"signals for {viewer}", str(Path(wave).with_suffix(suffix)))
                  for viewer, suffix in (("GTKWave", ".gtkw"), ("Surfer", ".sucl"))]
    files += [(Path(name).name, name) for name in bench.files]
    packet = bench.evidence and bench.evidence["packet"]
    return Failure(bench, where, [(text, f"{record.name}/{file}") for text, file in files],
                   _packet(packet) if packet else None, _picture(bench.drawn, record),
                   more)


def _picture(drawn: Sequence[Simulation], record: Path) -> Markup | None:
    """The wave of the simulation in which a test failed, or else of the last; None without any."""
    runs = [run for run in drawn if run.wave and (record / run.wave).is_file()]
    if not runs:
        return None
    # Imported here: without a wave to draw nobody needs what reads them.
    from espnic.sim.regress.wave_picture import picture

    failed = (run for run in runs if any(case.message is not None for case in run.cases))
    run = next(failed, runs[-1])
    return picture(record / str(run.wave), run.top, run.signals, run.end)


def _packet(given: dict[str, Any]) -> Packet:
    rtl, model = bytes.fromhex(given["rtl"]), bytes.fromhex(given["model"])
    pairs = list(zip_longest(rtl, model))
    first = next((place for place, (a, b) in enumerate(pairs) if a != b), None)
    middle = (first or 0) // _LINE_BYTES
    start = max(0, middle - _LINES_AROUND) if first is not None else 0
    lines = []
    for line in range(start, start + 2 * _LINES_AROUND + 1):
        part = pairs[line * _LINE_BYTES:(line + 1) * _LINE_BYTES]
        if part:
            lines.append((line * _LINE_BYTES,
                          [(_hex(a), _hex(b), a != b) for a, b in part]))
    return Packet(given["name"], (len(rtl), len(model)), first, lines)


def _hex(byte: int | None) -> str:
    return "––" if byte is None else f"{byte:02x}"
