"""``espnic regress``: run the chosen benches, show what fails as it comes, and write a report."""

import importlib.metadata
import importlib.util
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from espnic.sim.build.processes import SIMULATIONS
from espnic.sim.cluster.address import Address
from espnic.sim.cluster.pool import Pool, pool
from espnic.sim.coverage import functional_report
from espnic.sim.coverage.functional import Functional
from espnic.sim.coverage.line_summary import LineSummary, summarise
from espnic.sim.coverage.lines import load as load_counts
from espnic.sim.files import in_checkout, own_folder, replacing
from espnic.sim.problem import InputError, Mismatch, MissingTool
from espnic.sim.regress import against, junit, page
from espnic.sim.regress.pytest_calls import EVENTS, call_pytest
from espnic.sim.regress.results import Bench, Events, Report, collected, load, read_events
from espnic.sim.regress.seeds import fresh_base
from espnic.sim.regress.selection import Choice
from espnic.sim.regress.shards import run_shards
from espnic.sim.terminal import print_lines

WAVES = ("fail", "all", "none")
RECORD = "record"
COVERAGE = "coverage"
_AGAIN = "again"
"""Folder in the record for the runs that draw waves of failures."""
_POLL_SECONDS = 0.3
_SHOWN_RUNNING = 6


@dataclass(frozen=True)
class Request:
    """Arguments of the user."""

    output: Path
    choice: Choice
    seed: int | None = None
    seeds: int | None = None
    jobs: int = 1
    wave: str = "fail"
    against: Path | None = None
    cluster: str | None = None
    """Where the benches run; None: on this machine."""
    coverage: bool = False
    """Whether to count lines and toggles of the RTL."""

    def check(self) -> None:
        """Raise ``InputError``, or ``MissingTool``, for what cannot be done."""
        if not in_checkout():
            raise InputError("regress: the benches are not installed, expected a checkout of the "
                             "project with espnic installed from it")
        if missing := [name for name in ("pytest", "pytest_timeout", "pywellen", "xdist")
                       if not importlib.util.find_spec(name)]:
            raise MissingTool(f"regress: {', '.join(missing)} not found; run make setup")
        if self.wave not in WAVES:
            raise InputError(f"--wave {self.wave}: expected one of {', '.join(WAVES)}")
        if self.seed is not None and self.seeds is not None:
            raise InputError("--seed and --seeds: expected one of them")
        if self.cluster is not None:
            Address.parse(self.cluster)
        if self.coverage and "icarus" in self.choice.simulators:
            raise InputError("--coverage and --simulator icarus: Verilator alone counts coverage")
        self.choice.check()

    @property
    def counts(self) -> Path:
        """Folder of the coverage, which calls add to."""
        return self.output.absolute() / COVERAGE

    def reached(self) -> LineSummary | None:
        """Figures of all runs so far; None when coverage is not counted."""
        return summarise(load_counts(self.counts)) if self.coverage else None

    def earlier(self) -> Functional:
        """Functional coverage that earlier calls left, where this one adds to it."""
        counts = self.output / functional_report.COUNTS
        return functional_report.read([counts] if self.coverage and counts.is_file() else ())


def regress(request: Request, console: Console) -> None:
    """Run the benches and write all results.

    Raises ``Mismatch`` when a bench failed. On an interrupt the report has what was done.
    """
    request.check()
    # Files that are none stop the call before the work.
    request.reached()
    earlier = request.earlier()
    before = None if request.against is None else load("--against", request.against)
    with own_folder(request.output):
        _clear(request.output)
        regression = _Regression(request, console)
        try:
            regression.run()
        finally:
            report = regression.report()
            if report.benches:
                functional = functional_report.gathered(request.output / RECORD)
                functional.merge(earlier)
                _write(request, report, before, functional)
                _summarise(request, report, before, functional, console)
    if report.failures:
        raise Mismatch(f"{len({bench.bench for bench in report.failures})} of "
                       f"{len(report.groups())} benches failed, "
                       f"see {request.output / page.NAME}")


class _Regression:
    """A regression that runs: the benches, then those that failed once more for their waves."""

    def __init__(self, request: Request, console: Console) -> None:
        self._request = request
        self._console = console
        self._record = request.output.absolute() / RECORD
        self._started = datetime.now(UTC).replace(microsecond=0)
        self._begin = time.monotonic()
        self._complete = False

    def run(self) -> None:
        if self._request.cluster is None:
            self._run_here()
        else:
            self._run_on_cluster(self._request.cluster)
        self._complete = True

    def _run_here(self) -> None:
        request = self._request
        parallel = ["-n", str(request.jobs), "--dist", "worksteal"] if request.jobs > 1 else []
        with self._progress() as progress:
            self._pytest(
                self._record,
                [*self._arguments(), *self._waves(), *self._coverage(), *parallel], progress.show)
        for bench in self._to_draw():
            self._pytest(self._again, [
                bench.bench, *_seed(bench), *request.choice.filters(), "--wave"])

    def _run_on_cluster(self, cluster: str) -> None:
        request = self._request
        with pool(cluster, request.jobs) as workers:
            base = ["--seed-base", str(fresh_base())]
            self._pytest(self._record, [*self._arguments(), *base, "--collect-only"])
            with self._progress(workers) as progress:
                run_shards(
                    workers, collected(self._record / EVENTS),
                    [*self._seeds(), *base, *request.choice.filters(), *self._waves()],
                    self._record, progress.show, request.counts if request.coverage else None)
            for bench in self._to_draw():
                run_shards(workers, [bench.bench], [
                    *_seed(bench), *request.choice.filters(), "--wave"], self._again)

    def _arguments(self) -> list[str]:
        return [*self._request.choice.arguments(), *self._seeds()]

    def _seeds(self) -> list[str]:
        request = self._request
        if request.seeds:
            return ["--seeds", str(request.seeds)]
        return [] if request.seed is None else ["--seed", str(request.seed)]

    def _waves(self) -> list[str]:
        return ["--wave"] if self._request.wave == "all" else []

    def _coverage(self) -> list[str]:
        return ["--coverage", str(self._request.counts)] if self._request.coverage else []

    def _progress(self, workers: Pool | None = None) -> "_Progress":
        events = Events(self._record / EVENTS, self._request.choice.filters())
        return _Progress(self._console, events, workers)

    def report(self) -> Report:
        """Results so far."""
        filters = self._request.choice.filters()
        benches = read_events(self._record / EVENTS, filters)
        drawn = {bench.bench: bench for bench in read_events(self._again / EVENTS, filters)}
        named = {each.id for each in _first_failures(benches)}
        return Report(
            self._started.isoformat(), time.monotonic() - self._begin, self._complete,
            shlex.join(["espnic", *sys.argv[1:]]),
            tuple(self._with_waves(bench, drawn.get(bench.bench) if bench.id in named else None)
                  for bench in benches), _versions())

    @property
    def _again(self) -> Path:
        return self._record / _AGAIN

    def _with_waves(self, bench: Bench, again: Bench | None) -> Bench:
        if again is None:
            return replace(bench, drawn=tuple(run for run in bench.runs if run.wave))
        drawn = tuple(replace(run, wave=f"{_AGAIN}/{run.wave}", log=f"{_AGAIN}/{run.log}")
                      for run in again.runs if run.wave)
        return replace(bench, drawn=drawn,
                       again=again.difference if again.failed else "it passed")

    def _to_draw(self) -> Iterator[Bench]:
        """The first failure of each bench, which is to run again with waves."""
        if self._request.wave != "fail":
            return
        failed = _first_failures(read_events(self._record / EVENTS))
        for number, bench in enumerate(failed, 1):
            with self._console.status(
                    f"Drawing waves of {number} of {len(failed)} benches that failed"):
                yield bench

    def _pytest(self, record: Path, arguments: Sequence[str],
                show: Callable[[], None] = lambda: None) -> None:
        """Call pytest, and ``show`` now and then until it ends."""
        with ThreadPoolExecutor(1) as threads:
            call = threads.submit(call_pytest, record, arguments)
            try:
                while wait([call], _POLL_SECONDS).not_done:
                    show()
            except BaseException:
                SIMULATIONS.end()
                raise
            call.result()


def _seed(bench: Bench) -> list[str]:
    """Options that give a bench its seed again."""
    return [] if bench.seed is None else ["--seed", str(bench.seed)]


class _Workers(ProgressColumn):
    """How many workers there are; those of a batch system may come late."""

    def __init__(self, workers: Pool) -> None:
        self._workers = workers
        super().__init__()

    def render(self, _task: Task) -> Text:
        return Text(f"{self._workers.workers} workers", style="dim")


class _Progress:
    """A bar with what runs now, and above it each failure as it comes."""

    def __init__(self, console: Console, events: Events, workers: Pool | None) -> None:
        self._console = console
        self._events = events
        self._running: dict[str, None] = {}
        columns = [TextColumn("Benches"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                   *([] if workers is None else [_Workers(workers)])]
        self._bar = Progress(*columns, console=console)
        self._task = self._bar.add_task("", total=None)
        self._live = Live(self._bar, console=console, transient=True)

    def __enter__(self) -> "_Progress":
        self._live.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.show()
        self._live.stop()

    def show(self) -> None:
        for event in self._events.new():
            match event["kind"]:
                case "collected":
                    self._bar.update(self._task, total=len(event["ids"]))
                case "started":
                    self._running[event["id"]] = None
                case "ended":
                    self._running.pop(event["id"], None)
                    self._bar.advance(self._task)
                    self._tell(self._events.bench(event))
        self._live.update(Group(self._bar, *(
            Text(f"  {name.removeprefix('cocotb_tests/')}", style="dim", no_wrap=True)
            for name in list(self._running)[:_SHOWN_RUNNING])))

    def _tell(self, bench: Bench) -> None:
        if bench.failed:
            self._console.print(Text.assemble(("FAILED ", "bold red"), title(bench)),
                                soft_wrap=True)
            self._console.print(Text(f"  {bench.difference}\n  {bench.repeat}"), soft_wrap=True)


def title(bench: Bench) -> str:
    """Block, function, seed, and the cocotb tests that failed, whose names tell their widths."""
    seeds = ", ".join(map(str, bench.seeds))
    failing = ", ".join(dict.fromkeys(case.name for case in bench.failing))
    return "  ".join((bench.block, bench.bench.split("::")[-1],
                      *([f"seed {seeds}"] if seeds else ()), *([failing] if failing else ())))


def _first_failures(benches: Sequence[Bench]) -> list[Bench]:
    """The first failure of each bench."""
    first: dict[str, Bench] = {}
    for bench in benches:
        if bench.failed:
            first.setdefault(bench.bench, bench)
    return list(first.values())


def _clear(output: Path) -> None:
    """Remove an earlier result: its links would lead to files of this one."""
    for name in (page.NAME, "report.json", "junit.xml", functional_report.COUNTS,
                 functional_report.HOLES):
        (output / name).unlink(missing_ok=True)
    shutil.rmtree(output / RECORD, ignore_errors=True)


def _write(
    request: Request, report: Report, before: Report | None, functional: Functional,
) -> None:
    output = request.output
    shown = page.render(report, before, output / RECORD, request.reached(), functional)
    for name, text in (("report.json", report.to_json()), ("junit.xml", junit.to_xml(report)),
                       (page.NAME, shown)):
        with replacing(output / name) as partial:
            partial.write_text(text, encoding="utf-8")
    if functional.replays:
        functional_report.write(functional, output)


def _summarise(
    request: Request, report: Report, before: Report | None, functional: Functional,
    console: Console,
) -> None:
    print_lines(console, _lines(request, report, before, functional))


def _lines(
    request: Request, report: Report, before: Report | None, functional: Functional,
) -> Iterator[tuple[str, str]]:
    groups = report.groups()
    failed = {bench.bench for bench in report.failures}
    if not report.complete:
        yield "interrupted", "these are the results so far"
    yield "benches", f"{len(groups) - len(failed)} passed, {len(failed)} failed"
    left = len(report.benches) - len(report.ran)
    if left:
        yield "left out", f"{left}, which run at other widths or on another simulator"
    cases = [case for bench in report.ran for run in bench.runs for case in run.cases]
    seconds = sum(bench.simulated for bench in report.ran)
    clocks = sum(bench.clocks for bench in report.ran)
    seeds = {(bench.bench, seed) for bench in report.ran for seed in bench.seeds}
    yield "cocotb tests", f"{len(cases):,}, with {len(seeds):,} seeds"
    yield "clocks", f"{clocks:,}" + (f", {clocks / seconds:,.0f} a second" if seconds else "")
    yield "time", f"{report.seconds:.0f} s, {seconds:.1f} s of it in cocotb tests"
    if functional.replays:
        yield from functional_report.lines(functional)
    if reached := request.reached():
        yield from _reached(reached)
    if before is not None:
        counts: dict[str, int] = {}
        for change in against.changes(report, before):
            counts[change.what] = counts.get(change.what, 0) + 1
        said = ", ".join(f"{count} {what}" for what, count in counts.items())
        yield "against", f"{request.against}: {said or 'no change'}"
    yield "results", str(request.output / page.NAME)


def _reached(reached: LineSummary) -> Iterator[tuple[str, str]]:
    total = reached.total
    excluded = f", {total.excluded:,} more excluded" if total.excluded else ""
    runs = f"{reached.runs:,} run{'s' * (reached.runs != 1)}"
    yield "lines", f"{total.hit:,} of {total.lines:,} reached in {runs}{excluded}"
    yield "toggles", f"{total.toggled:,} of {total.bits:,} bits"


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name)
            for name in ("espnic", "amaranth", "cocotb", "verilator")}
