"""``espnic synth``: synthesise blocks, show what runs, and print and write the figures."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from espnic.sim.files import check_file, replacing
from espnic.sim.problem import InputError, SimulationError
from espnic.sim.synth.document import TITLE, markdown
from espnic.sim.synth.job import Failure, Job, Row
from espnic.sim.synth.report import (
    COLUMNS,
    MISSING,
    NAME_COLUMNS,
    cells,
    clocked,
    compared,
    deep,
    remembered,
    table,
    to_json,
)
from espnic.sim.synth.synthesis import Synthesis

_REFRESH_SECONDS = 0.5


@dataclass(frozen=True)
class Request:
    """Arguments of the user, beside the jobs."""

    cached: bool
    """Run no tool; show what earlier runs have measured."""
    parallel: int
    """Number of tools to run at once."""
    json_file: Path | None
    document: Path | None


def measure(jobs: Sequence[Job], request: Request, console: Console) -> None:
    """Synthesise, and print and write the figures.

    When a tool failed, raises ``SimulationError`` after the figures of the others are written.
    """
    for option, path in (("--json", request.json_file), ("--doc", request.document)):
        if path is not None:
            check_file(option, path)
    if request.document is not None and not _may_write(request.document):
        raise InputError(f"--doc {request.document}: a file with other text, expected a new one or "
                         f"one that begins with {TITLE}")
    synthesis = Synthesis(request.cached)
    rows: dict[Job, Row] = {}
    failures: list[Failure] = []
    with _Progress(synthesis, len(jobs), console) as progress:
        def ended(job: Job, result: Row | Failure | None) -> None:
            if isinstance(result, Row):
                rows[job] = result
            elif isinstance(result, Failure):
                failures.append(result)
            progress.ended(job, result)

        synthesis.run(jobs, request.parallel, ended)
    ordered = [rows[job] for job in jobs if job in rows]
    console.print(table(ordered))
    for line in [*compared(ordered), *remembered(ordered), *deep(ordered),
                 *clocked(ordered)]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if request.json_file is not None:
        with replacing(request.json_file) as partial:
            partial.write_text(to_json(ordered), encoding="utf-8")
    if request.document is not None:
        with replacing(request.document) as partial:
            partial.write_text(markdown(ordered), encoding="utf-8")
    if failures:
        raise SimulationError("\n".join(
            f"{failure.job}: {failure.reason}" for failure in failures))


def _may_write(document: Path) -> bool:
    """Whether there is no such file, or one that this command has written."""
    if not document.exists():
        return True
    with document.open("rb") as file:
        return file.readline().rstrip() == TITLE.encode()


class _Progress:
    """A display of each result as it comes, and below them of what runs and for how long."""

    def __init__(self, synthesis: Synthesis, total: int, console: Console) -> None:
        self._synthesis = synthesis
        self._total = total
        self._console = console
        self._done = 0
        self._since: dict[str, float] = {}
        self._live = Live(
            console=console, get_renderable=self._render, transient=True,
            refresh_per_second=1 / _REFRESH_SECONDS)

    def __enter__(self) -> "_Progress":
        self._live.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._live.stop()

    def ended(self, job: Job, result: Row | Failure | None) -> None:
        """Count a job, and print its figures or the reason why there are none."""
        self._done += 1
        if isinstance(result, Row):
            figures = zip(COLUMNS[NAME_COLUMNS:], cells(result)[NAME_COLUMNS:], strict=True)
            said = ", ".join(f"{value} {name}" for name, value in figures if value != MISSING)
            self._console.print(f"{job}: {said}", highlight=False, soft_wrap=True)
        elif isinstance(result, Failure):
            self._console.print(f"{job}: {result.reason}", highlight=False, markup=False)

    def _render(self) -> Text:
        now = time.monotonic()
        steps = self._synthesis.steps()
        self._since = {job: self._since.get(job, now) for job in steps}
        lines = [f"{self._done} of {self._total} done"]
        for job, step in steps.items():
            minutes, seconds = divmod(int(now - self._since[job]), 60)
            lines.append(f"  {job}  {minutes}:{seconds:02}  {step}")
        return Text("\n".join(lines))
