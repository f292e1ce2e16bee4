"""One call of ``espnic coverage``: files of functional coverage merged, and what is missing."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from espnic.sim.coverage.functional import Functional
from espnic.sim.coverage.functional_report import lines, percent, read, write
from espnic.sim.files import own_folder
from espnic.sim.terminal import print_lines


def run(paths: Sequence[Path], output: Path | None, holes: int, console: Console) -> None:
    """Merge files and print what they have hit, with the first ``holes`` holes of each cross.

    Writes counts and holes to the folder ``output`` too, if there is one. Raises ``InputError``
    for a file that is none of functional coverage.
    """
    functional = read(paths)
    if output is not None:
        with own_folder(output):
            write(functional, output)
    console.print(_table(functional))
    print_lines(console, lines(functional))
    for text in _holes(functional, holes):
        console.print(Text(text), soft_wrap=True)


def _table(functional: Functional) -> Table:
    table = Table("cross", box=None, header_style="bold")
    for name in ("hit", "wanted", "", "excluded"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in functional.summary():
        table.add_row(each.cross, f"{each.hit:,}", f"{each.wanted:,}",
                      percent(each.hit, each.wanted), f"{each.excluded:,}")
    return table


def _holes(functional: Functional, most: int) -> list[str]:
    """A line for each hole that is shown."""
    by_cross: dict[str, list[str]] = {}
    for hole in functional.holes():
        by_cross.setdefault(hole.cross, []).append(str(hole))
    shown = []
    for name, found in by_cross.items() if most else ():
        shown += [f"hole  {text}" for text in found[:most]]
        if len(found) > most:
            shown.append(f"      {len(found) - most:,} more of {name}")
    return shown
