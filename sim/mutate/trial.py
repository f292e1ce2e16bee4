"""Trial of a mutation: the benches that should find it, the cheap ones first."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnic.sim.build.cache import cache_directory
from espnic.sim.build.processes import Children
from espnic.sim.mutate.source import project_with
from espnic.sim.mutate.table import Mutation

QUICK, BENCH, THEN = "quick bench", "whole bench", "other bench"
"""Who finds a mutation: what ``make check`` runs, the rest of the block's bench, or one that the
table names."""
LIMIT_SECONDS = 1800
_ENGINE = "cocotb_tests/engine/"
_RECORD = "record"
_EVENTS = "events.jsonl"
_FAILED, _NONE_FOUND = "1", "5"
"""Exit codes of pytest."""
_DIFFERENCES = ("AssertionError", "Mismatch", "assert ")
"""Beginnings of what pytest says of a difference; all else is a bench or a build that broke."""
_UNKNOWN = "it contains non-0/1 values"
"""Message of cocotb for a value that is unknown, whatever the bench compares it with."""


@dataclass(frozen=True)
class Kill:
    """A test that found a mutation."""

    who: str
    test: str
    """Name of pytest, without the folder of all benches."""
    case: str | None
    """The cocotb test in it that failed first; None when it was a comparison after the run."""
    difference: str
    """First line of what it found."""


@dataclass(frozen=True)
class Verdict:
    """Fate of a mutation."""

    mutation: Mutation
    seconds: float
    kill: Kill | None = None
    broken: str | None = None
    """Why the mutation is none: its block cannot be built, or gives unknown values."""

    @property
    def lives(self) -> bool:
        return self.kill is None and self.broken is None


def attempt(mutation: Mutation, children: Children, parent: Path) -> Verdict:
    """Let the benches look for a mutation, until one finds it, in a copy below ``parent``."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(dir=parent) as name:
        project = project_with(mutation.block, mutation.mutant, Path(name))
        for number, (who, arguments) in enumerate(_benches(mutation)):
            record = project / f"{_RECORD}{number}"
            found = _run(children, project, record, arguments)
            seconds = time.monotonic() - begin
            if isinstance(found, str):
                return Verdict(mutation, seconds, broken=found)
            if found is not None:
                return _judge(mutation, seconds, who, found)
    return Verdict(mutation, time.monotonic() - begin)


def _benches(mutation: Mutation) -> Iterator[tuple[str, Sequence[str]]]:
    """The calls of pytest to try. The benches of the engine take too long to try them all."""
    yield QUICK, (mutation.bench, "-m", "quick")
    if not mutation.bench.startswith(_ENGINE):
        yield BENCH, (mutation.bench, "-m", "not quick")
    if mutation.then:
        yield THEN, mutation.then


def _run(
    children: Children, project: Path, record: Path, arguments: Sequence[str],
) -> dict[str, Any] | str | None:
    """The record of the first test that failed, or why the tests could not run."""
    ended = children.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider",
         "--record", str(record), *arguments],
        LIMIT_SECONDS, cwd=project,
        # Builds of mutants are kept with all others, not in the copy of the project.
        env={**os.environ, "ESPNIC_BUILD": str(cache_directory())})
    if ended.failure in (None, _NONE_FOUND):
        return None
    events = record / _EVENTS
    if ended.failure == _FAILED and events.is_file():
        for line in events.read_text(encoding="utf-8").splitlines():
            event: dict[str, Any] = json.loads(line)
            if event["kind"] == "ended" and event["outcome"] == "failed":
                return event
    return _last_line(f"{ended.failure}\n{ended.output}{ended.errors}")


def _judge(mutation: Mutation, seconds: float, who: str, event: dict[str, Any]) -> Verdict:
    """Whether a test that failed has found the mutation, or only that it breaks the build."""
    test = event["bench"].removeprefix("cocotb_tests/")
    cases = [case for run in event["runs"] for case in run["cases"]]
    failing = [case for case in cases if case["message"] is not None]
    said = (event["message"] or "").removeprefix("espnic.sim.problem.")
    message = _first_line(failing[0]["message"] if failing else said)
    if not failing and not said.startswith(_DIFFERENCES):
        return Verdict(mutation, seconds, broken=f"{test}: {message}")
    if _UNKNOWN in message:
        return Verdict(mutation, seconds, broken=f"{test}: gives unknown values")
    return Verdict(mutation, seconds, Kill(
        who, test, failing[0]["name"] if failing else None, message))


def _first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "no message")


def _last_line(text: str) -> str:
    return next(iter(reversed(text.strip().splitlines())), "no message")
