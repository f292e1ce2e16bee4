"""``espnic mutate``: put slips into the RTL, and see that the benches find each of them."""

import importlib.util
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from espnic.sim.build.cache import work_folder
from espnic.sim.build.processes import Children
from espnic.sim.files import check_file, in_checkout, own_folder, replacing
from espnic.sim.mutate import report
from espnic.sim.mutate.source import mutated
from espnic.sim.mutate.table import Mutation, load
from espnic.sim.mutate.trial import Verdict, attempt
from espnic.sim.problem import Finding, InputError, MissingTool
from espnic.sim.terminal import print_lines

JSON, PAGE = "report.json", "report.md"


@dataclass(frozen=True)
class Request:
    """Arguments of the user, beside the mutations."""

    output: Path
    jobs: int = 1
    record: Path | None = None
    """File whose rows are brought up to date."""


def require_checkout() -> None:
    """Raise ``InputError``, or ``MissingTool``, where no mutation can be tried."""
    if not in_checkout():
        raise InputError("mutate: the benches are not installed, expected a checkout of the "
                         "project with espnic installed from it")
    if not importlib.util.find_spec("pytest"):
        raise MissingTool("mutate: pytest not found; run make setup")


def list_mutations(mutations: Sequence[Mutation], console: Console) -> None:
    """Print what the mutations do wrong, and try none."""
    for each in mutations:
        console.print(name(each), highlight=False, markup=False, soft_wrap=True)


def mutate(mutations: Sequence[Mutation], request: Request, console: Console) -> None:
    """Try mutations, show what becomes of each, and write the report.

    Raises ``Finding`` when one lives. On an interrupt the report has what was done.
    """
    if request.record is not None:
        check_file("--record", request.record)
        if request.record.exists():
            report.read(request.record)
    for each in mutations:
        mutated(each.block, each.mutant)
    verdicts: dict[Mutation, Verdict] = {}
    with own_folder(request.output):
        try:
            with work_folder() as parent, _Display(console, len(mutations)) as display:
                def ended(verdict: Verdict) -> None:
                    verdicts[verdict.mutation] = verdict
                    display.ended(verdict)

                _try_all(mutations, request.jobs, parent, display.started, ended)
        finally:
            done = [verdicts[each] for each in mutations if each in verdicts]
            if done:
                _write(request, done)
                _summarise(request, done, console)
    _complain(done, request)


def name(mutation: Mutation) -> str:
    """Block and fault of a mutation."""
    return f"{mutation.block}: {mutation.mutant.fault}"


def _try_all(
    mutations: Sequence[Mutation], jobs: int, parent: Path,
    started: Callable[[Mutation], None], ended: Callable[[Verdict], None],
) -> None:
    """Try mutations, so many at once; ``ended`` is called in this thread."""
    children = Children()

    def attempt_one(mutation: Mutation) -> Verdict:
        started(mutation)
        return attempt(mutation, children, parent)

    with ThreadPoolExecutor(jobs) as pool:
        running = [pool.submit(attempt_one, each) for each in mutations]
        try:
            for one in as_completed(running):
                ended(one.result())
        except BaseException:
            children.stop()
            pool.shutdown(cancel_futures=True)
            raise


def _write(request: Request, verdicts: Sequence[Verdict]) -> None:
    files = [(request.output / JSON, report.to_json(verdicts)),
             (request.output / PAGE, report.to_markdown(verdicts))]
    if request.record is not None:
        files.append((request.record, report.kept(request.record, verdicts, load())))
    for path, text in files:
        with replacing(path) as partial:
            partial.write_text(text, encoding="utf-8")


def _summarise(request: Request, verdicts: Sequence[Verdict], console: Console) -> None:
    print_lines(console, [
        ("mutations", report.summary([report.row(verdict) for verdict in verdicts])),
        ("results", str(request.output / PAGE))])


def _complain(verdicts: Sequence[Verdict], request: Request) -> None:
    """Raise ``Finding`` if a mutation lives, or is none."""
    broken = [verdict for verdict in verdicts if verdict.broken is not None]
    if broken:
        raise Finding(f"{name(broken[0].mutation)}: no mutation, for it breaks the bench: "
                      f"{broken[0].broken}")
    living = [verdict for verdict in verdicts if verdict.lives]
    if living:
        raise Finding(f"{len(living)} of {len(verdicts)} mutations live, see "
                      f"{request.output / PAGE}; the first: {name(living[0].mutation)}")


class _Display:
    """A bar with what is tried now, and above it each result as it comes."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._running: dict[Mutation, None] = {}
        self._lock = threading.Lock()
        self._bar = Progress(TextColumn("Mutations"), BarColumn(), MofNCompleteColumn(),
                             TimeElapsedColumn(), console=console)
        self._task = self._bar.add_task("", total=total)
        self._live = Live(console=console, get_renderable=self._render, transient=True)

    def __enter__(self) -> "_Display":
        self._live.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._live.stop()

    def started(self, mutation: Mutation) -> None:
        """Show a mutation among those that are tried."""
        with self._lock:
            self._running[mutation] = None

    def ended(self, verdict: Verdict) -> None:
        """Print who found a mutation."""
        with self._lock:
            del self._running[verdict.mutation]
        self._bar.advance(self._task)
        kill = verdict.kill
        said = (f"{kill.who}, {kill.case or kill.test}" if kill
                else "LIVES" if verdict.lives else f"BROKEN, {verdict.broken}")
        self._console.print(Text(f"{name(verdict.mutation)}: {said}, {verdict.seconds:.0f} s"),
                            soft_wrap=True)

    def _render(self) -> Group:
        with self._lock:
            running = list(self._running)
        return Group(self._bar, *(
            Text(f"  {name(each)}", style="dim", no_wrap=True) for each in running))
