"""Register accesses of the story, and tables of errors and statuses, for docs/driver.md."""

import errno
from pathlib import Path

from espnic.model.linux.checks import CHECKS
from espnic.model.linux.errors import name_of
from espnic.model.linux.receive import STATUS
from espnic.sim.files import PROJECT
from espnic.sim.life.command import brief, on_model
from espnic.sim.life.recording import Entry
from espnic.sim.markdown import table, with_parts

DOCUMENT = PROJECT / "docs" / "driver.md"

_SEED = 1


def documents() -> dict[Path, str]:
    """The driver guide with its parts as they are now."""
    return {DOCUMENT: with_steps(DOCUMENT.read_text(encoding="utf-8"))}


def with_steps(text: str) -> str:
    """The text with its marked parts as they are now.

    Raises ``ValueError`` for a step that the story does not have, and for a part that is no step,
    errors or statuses.
    """
    entries = on_model(width=128, seed=_SEED).entries
    return with_parts(text, {
        "step": lambda title: _step(title, entries),
        "errors": lambda name: _errors(getattr(errno, name)),
        "statuses": _statuses,
    })


def _step(title: str, entries: list[Entry]) -> str:
    for entry in entries:
        if entry.title.startswith(title):
            return "```text\n" + "\n".join(brief(entry.accesses)) + "\n```\n"
    raise ValueError(f"{DOCUMENT.name}: step {title!r}, expected one of the story")


def _errors(number: int) -> str:
    return table((f"-{name_of(number)}",), [
        (check.reason,) for check in CHECKS if check.number == number])


def _statuses() -> str:
    return table(("status", "mark"), [
        (status.name, mark.name) for status, mark in STATUS.items()])
