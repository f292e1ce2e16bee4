"""Calls of pytest that leave a record."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from espnic.sim.build.cache import cache_directory
from espnic.sim.build.processes import SIMULATIONS
from espnic.sim.files import PROJECT
from espnic.sim.problem import InputError, SimulationError

EVENTS = "events.jsonl"
_LOG = "pytest.log"
_LOG_LINES = 15
_RAN, _FAILED, _NONE_FOUND = 0, 1, 5
"""Exit codes of pytest."""


def call_pytest(record: Path, arguments: Sequence[str]) -> None:
    """Run pytest, which adds to the record in a folder.

    Raises ``InputError`` when there is nothing to run, and ``SimulationError`` when pytest breaks;
    that a bench fails is in the record.
    """
    record.mkdir(parents=True, exist_ok=True)
    log = record / _LOG
    # No bench uses hypothesis, whose import takes half a second.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
               "-p", "no:hypothesispytest", "--record", str(record), *arguments]
    with log.open("a", encoding="utf-8") as output:
        ended = SIMULATIONS.run(command, cwd=PROJECT, stdout=output, stderr=output, env={
            **os.environ, "ESPNIC_BUILD": str(cache_directory())})
    code = int(ended.failure or 0)
    if code == _NONE_FOUND:
        raise InputError("no bench is of that choice, expected another --cost or --block")
    if code not in (_RAN, _FAILED):
        raise SimulationError(f"pytest failed ({code})\n{_tail(log)}")


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
    return "\n".join([*lines, f"log: {log}"])
