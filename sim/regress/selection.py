"""Choice of benches: from what the user names to arguments of pytest."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from espnic.sim.build.simulators import BUILDERS
from espnic.sim.files import PROJECT
from espnic.sim.problem import InputError, check_width

ROOM = "cocotb_tests"
COSTS = {"quick": "quick", "slow": "slow and not engine", "engine": "engine"}
"""Cost of a bench, and the marks of pytest that say so."""


@dataclass(frozen=True)
class Choice:
    """Benches that the user wants."""

    areas: tuple[str, ...] = ()
    """Folders of ``cocotb_tests``; with ``blocks`` both are taken, without either all."""
    blocks: tuple[str, ...] = ()
    """Blocks, as ``skid`` or ``flow/skid``."""
    widths: tuple[int, ...] = ()
    simulators: tuple[str, ...] = ()
    costs: tuple[str, ...] = ("quick",)

    def check(self) -> None:
        """Raise ``InputError`` for a name that there is not."""
        for width in self.widths:
            check_width(width)
        for option, given, known in (
            ("--simulator", self.simulators, BUILDERS), ("--cost", self.costs, COSTS),
            ("--area", self.areas, areas()),
        ):
            for name in given:
                if name not in known:
                    raise InputError(f"{option} {name}: expected one of {', '.join(known)}")

    def arguments(self) -> list[str]:
        """Arguments of pytest."""
        marks = " or ".join(f"({COSTS[cost]})" for cost in self.costs)
        return [*self._paths(), "-m", f"({marks}) and not mutants", *self.filters()]

    def filters(self) -> list[str]:
        """Those arguments that choose among the simulations of a bench."""
        return [*(part for width in self.widths for part in ("--beat-width", str(width))),
                *(part for name in self.simulators for part in ("--on", name))]

    def _paths(self) -> list[str]:
        paths = [f"{ROOM}/{area}" for area in self.areas]
        paths += [path for block in self.blocks for path in _benches_of(block)]
        return list(dict.fromkeys(paths)) or [ROOM]


def areas() -> list[str]:
    """The rooms of benches."""
    return sorted(path.parent.name for path in (PROJECT / ROOM).glob("*/__init__.py"))


def block_names() -> list[str]:
    """The blocks that have a bench, each as ``room/name``."""
    return sorted(f"{path.parent.name}/{path.stem.removeprefix('test_')}"
                  for path in (PROJECT / ROOM).glob("*/test_*.py"))


def _benches_of(block: str) -> Sequence[str]:
    found = [name for name in block_names() if name == block or Path(name).name == block]
    if not found:
        raise InputError(f"--block {block}: no bench of that name, expected one that --list shows")
    return [f"{ROOM}/{Path(name).parent}/test_{Path(name).name}.py" for name in found]
