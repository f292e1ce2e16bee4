"""Orders for all simulations of a test, whichever bench starts them: seed, choice, waves, record,
coverage.

pytest gives them (``sim/regress/plugin.py``), and without any a bench runs as it is written.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER_VARIABLE = "ESPNIC_EVIDENCE"
"""Environment variable of a simulation: the folder for what a failing test shows."""


class NotChosen(Exception):
    """A run that the orders leave out: one line that says why."""


def _ignore(*_seen: Any) -> None:
    pass


@dataclass(frozen=True)
class Orders:
    """Demands on every simulation."""

    seed: int | None = None
    """Seed of all runs; None: that which stands in the bench."""
    widths: frozenset[int] = frozenset()
    """Bits of a beat to run at; empty: all."""
    simulators: frozenset[str] = frozenset()
    """Simulators to run on; empty: all."""
    waves: bool = False
    """Whether each run draws a wave."""
    folder: Path | None = None
    """Folder for what shows the first difference of a test; None: it is not kept."""
    coverage: Path | None = None
    """Folder for the coverage of the RTL; None: it is not counted."""
    watch: Callable[[Any], None] = _ignore
    """Called with each ``Run`` when it has ended."""
    cover: Callable[[Any, Any, Any], None] = _ignore
    """Called with the steps, the outcome and the features of each replay of the engine that is as
    the model's."""


_NONE = Orders()
_current = _NONE


def current() -> Orders:
    """The orders that hold now."""
    return _current


@contextlib.contextmanager
def ordered(orders: Orders) -> Iterator[None]:
    """Let these orders hold, in all threads: a simulation may run in one of its own."""
    global _current
    _current = orders
    try:
        yield
    finally:
        _current = _NONE


def seed_for(written: int) -> int:
    """Seed of a run in whose bench ``written`` stands."""
    return written if _current.seed is None else _current.seed


def widths_for(written: Iterable[int]) -> list[int]:
    """The widths to run at of those of a bench. Raises ``NotChosen`` when there are none."""
    widths = list(written)
    chosen = [width for width in widths if not _current.widths or width in _current.widths]
    if not chosen:
        raise NotChosen(f"runs at {', '.join(map(str, widths))} bits, which were not chosen")
    return chosen


def counts_coverage() -> bool:
    """Whether simulations count the coverage of the RTL."""
    return _current.coverage is not None


def simulator_for(written: str) -> str:
    """Simulator of a run in whose bench ``written`` stands; Verilator alone counts coverage."""
    return "verilator" if counts_coverage() else written


def check_simulator(simulator: str) -> None:
    """Raise ``NotChosen`` when nothing is to run on this simulator."""
    if _current.simulators and simulator not in _current.simulators:
        raise NotChosen(f"runs on {simulator}, which was not chosen")
