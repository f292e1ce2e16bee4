"""Shards of a regression: a bench with one seed each, which the worker of any machine may run."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from espnic.sim.build.cache import local_work_folder
from espnic.sim.cluster.parcels import packed, unpacked
from espnic.sim.cluster.pool import Pool
from espnic.sim.coverage import functional_report, lines
from espnic.sim.regress.pytest_calls import EVENTS, call_pytest
from espnic.sim.regress.seeds import without_seed

_BENCHES, _LINES = "benches", "lines"


@dataclass(frozen=True)
class Shard:
    """A test to run."""

    node: str
    """Its name in pytest."""
    arguments: tuple[str, ...]
    """Arguments of pytest beside it."""
    lines: bool = False
    """Whether lines and toggles of the RTL are counted."""

    def __str__(self) -> str:
        return self.node

    @property
    def bench(self) -> str:
        """Name of the bench, which is the same for all seeds: they share their builds."""
        return without_seed(self.node)


@dataclass(frozen=True)
class _Record:
    """All that a shard leaves."""

    events: str
    benches: bytes
    """Logs, waves and evidence."""
    coverage: str | None
    """Functional coverage, as JSON; None where no replay of the engine ran."""
    lines: str | None
    """Lines and toggles, as JSON; None where they were not counted."""


def run_shards(
    workers: Pool, nodes: Iterable[str], arguments: Sequence[str], record: Path,
    ended: Callable[[], None] = lambda: None, counts: Path | None = None,
) -> None:
    """Let workers run tests of these names; add all that they leave to the record in a folder.

    Calls ``ended`` after each. With a folder ``counts`` the tests count lines and toggles of the
    RTL, which are added to those there.
    """
    record.mkdir(parents=True, exist_ok=True)
    shards = [Shard(node, tuple(arguments), counts is not None) for node in nodes]
    results = workers.run(_run_shard, shards, group=lambda shard: shard.bench)
    for number, (_, left) in enumerate(results):
        unpacked(left.benches, record)
        if left.coverage is not None:
            functional_report.keep(left.coverage, record, f"shard-{number}")
        if counts is not None and left.lines is not None:
            lines.merge(left.lines, counts)
        # Last, for what an event names must be there.
        with (record / EVENTS).open("a", encoding="utf-8") as events:
            events.write(left.events)
        ended()


def _run_shard(shard: Shard) -> _Record:
    """On a worker: run a test."""
    with local_work_folder() as record:
        counting = ["--coverage", str(record / _LINES)] if shard.lines else []
        call_pytest(record, [shard.node, *shard.arguments, *counting])
        events = (record / EVENTS).read_text(encoding="utf-8").splitlines(keepends=True)
        (record / _BENCHES).mkdir(exist_ok=True)
        functional = functional_report.gathered(record)
        return _Record("".join(line for line in events if '"collected"' not in line[:30]),
                       packed(record / _BENCHES),
                       functional.to_json() if functional.replays else None,
                       lines.kept(record / _LINES))
