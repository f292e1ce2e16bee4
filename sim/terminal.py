"""Lines on the terminal."""

from collections.abc import Iterable

from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

_NAME_WIDTH = 12


def print_lines(console: Console, lines: Iterable[tuple[str, str]]) -> None:
    """Print names and the text for each, a line or more each."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True, min_width=_NAME_WIDTH)
    table.add_column(overflow="fold")
    for name, text in lines:
        # Text, for a name or a path may look like markup.
        table.add_row(name, Text(text))
    console.print(table, highlight=False)


def status(console: Console, text: str) -> Status:
    """A line with what is being done, for as long as it is entered."""
    # The others are not in ASCII, and a terminal without UTF-8 cannot show them.
    return console.status(text, spinner="line" if console.options.ascii_only else "dots")
