"""The table of crosses in docs/coverage.md."""

from pathlib import Path

from espnic.sim.coverage.bins import CROSSES, Cross
from espnic.sim.coverage.functional_exclusions import excluded, wanted
from espnic.sim.files import PROJECT
from espnic.sim.markdown import table, with_parts

DOCUMENT = PROJECT / "docs" / "coverage.md"


def documents() -> dict[Path, str]:
    """The page with its table as it is now."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return {DOCUMENT: with_parts(text, {"crosses": _crosses})}


def _crosses() -> str:
    rows = [*map(_row, CROSSES), ("all", "", "", *(
        f"{sum(len(bins[cross.name]) for cross in CROSSES):,}" for bins in (wanted(), excluded())))]
    return table(("cross", "what it shows", "dimensions, with their values", "wanted", "excluded"),
                 rows)


def _row(cross: Cross) -> tuple[str, ...]:
    dimensions = ", ".join(f"{name} {len(values)}" for name, values in cross.dimensions.items())
    return (f"`{cross.name}`", cross.doc, dimensions, f"{len(wanted()[cross.name]):,}",
            f"{len(excluded()[cross.name]):,}")
