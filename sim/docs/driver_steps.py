"""Puts register accesses of the story and the table of errors into docs/driver.md."""

import errno
import re

from espnic.model.linux.checks import CHECKS
from espnic.model.linux.driver import STATUS
from espnic.model.linux.errors import name_of
from espnic.sim.files import PROJECT
from espnic.sim.life.command import brief, on_model
from espnic.sim.life.story import Entry

DOCUMENT = PROJECT / "docs" / "driver.md"

_BLOCK = re.compile(
    r"(<!-- (\w+)(?: \"([^\"]+)\")?: make docs -->\n).*?(<!-- end -->)", re.DOTALL)
_SEED = 1


def updated(text: str) -> str:
    """The document with all its blocks as they are now.

    Raises ``ValueError`` for a step that the story has not, and for a block of no such kind.
    """
    entries = on_model(width=128, seed=_SEED).entries

    def fill(found: re.Match[str]) -> str:
        begin, kind, argument, end = found.groups()
        return begin + _contents(kind, argument, entries) + end
    return _BLOCK.sub(fill, text)


def _contents(kind: str, argument: str, entries: list[Entry]) -> str:
    match kind:
        case "step":
            return _step(argument, entries)
        case "errors":
            return _errors(getattr(errno, argument))
        case "statuses":
            return _table(("status", "mark"), [
                (status.name, str(mark.name)) for status, mark in STATUS.items()])
    raise ValueError(f"{DOCUMENT.name}: block {kind!r}, expected step, errors or statuses")


def _step(title: str, entries: list[Entry]) -> str:
    for entry in entries:
        if entry.title.startswith(title):
            return "```text\n" + "\n".join(brief(entry.accesses)) + "\n```\n"
    raise ValueError(f"{DOCUMENT.name}: step {title!r}, expected one of the story")


def _errors(number: int) -> str:
    return _table((f"-{name_of(number)}",), [
        (check.reason,) for check in CHECKS if check.number == number])


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    DOCUMENT.write_text(updated(DOCUMENT.read_text()))
    print(DOCUMENT)
