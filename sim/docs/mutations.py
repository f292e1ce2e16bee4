"""The tables of docs/mutations.md, from the results that are kept."""

from pathlib import Path

from espnic.sim.files import PROJECT
from espnic.sim.markdown import with_parts
from espnic.sim.mutate.report import read, tables

DOCUMENT = PROJECT / "docs" / "mutations.md"
RESULTS = DOCUMENT.with_suffix(".json")


def documents() -> dict[Path, str]:
    """The page with its tables as they are now."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return {DOCUMENT: with_parts(text, {"mutations": lambda: tables(read(RESULTS))})}
