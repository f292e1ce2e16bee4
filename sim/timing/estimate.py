"""The estimate: the slowest paths of several placements, and the names along one of them."""

import statistics
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from espnic.sim.build.processes import Children
from espnic.sim.timing import placer
from espnic.sim.timing.graph import TimingGraph
from espnic.sim.timing.net_names import net_names
from espnic.sim.timing.placer import LongestPath, Placed
from espnic.sim.timing.yosys_json import Bit, MappedModule

SEEDS = 5
"""Number of placements, with the seeds from 1 on."""
EFFORT = 0.5
"""Factor of the moves at each temperature, by the number of blocks to the power of 4/3."""
PORT = "port"
"""Stands for the register that is taken to be at a port."""


@dataclass(frozen=True)
class PathStep:
    """A cell on a path."""

    cell: str
    """Its type, or ``PORT``."""
    name: str
    """Name of the net that it drives, or of the port; empty when the design has none."""
    wire_ps: float
    """Delay of the wires to it from the cell before."""
    cell_ps: float
    """Delay through it, with the way into and out of its site; at the end the set-up time."""


@dataclass(frozen=True)
class Estimate:
    """The clock that a block may reach: median of the placements."""

    wires: float
    """Factor of the delays of wires."""
    mhz: float
    """With a register at every port."""
    least_mhz: float
    """The least of all placements."""
    most_mhz: float
    """The most of them."""
    inner_mhz: float | None
    """Clock of the paths that do not touch the ports; None when there is none."""
    period_ps: float
    """Period of the placement in the middle, to which the path belongs."""
    wire_share: float
    """Share of the wires in the path."""
    path: tuple[PathStep, ...]


def estimate(
    module: MappedModule, boxes: frozenset[str], wires: float, children: Children,
    shows: Callable[[str], None] = lambda step: None, effort: float = EFFORT,
) -> Estimate | None:
    """Place a mapped netlist with several seeds; None when it has no path.

    ``boxes`` are types of cells that are left out. ``shows`` gets the present step. Raises
    ``SimulationError`` for cells without delays, and for a loop of logic.
    """
    shows("making the timing graph")
    graph = TimingGraph(module, boxes)
    results: list[Placed] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "graph.txt"
        placer.write(graph, wires, file)
        for seed in range(1, SEEDS + 1):
            shows(f"placing, seed {seed} of {SEEDS}")
            results.append(placer.place(file, seed, effort, children))
    if not results[0].every.steps:
        return None
    results.sort(key=lambda result: result.every.period)
    middle = results[SEEDS // 2].every
    inner = statistics.median(result.inner.period for result in results)
    return Estimate(
        wires=wires, mhz=_mhz(middle.period), least_mhz=_mhz(results[-1].every.period),
        most_mhz=_mhz(results[0].every.period), inner_mhz=_mhz(inner) if inner else None,
        period_ps=middle.period,
        wire_share=round(sum(step.wire for step in middle.steps) / middle.period, 3),
        path=_named(graph, middle, module))


def from_dict(values: Mapping[str, Any] | None) -> Estimate | None:
    """The estimate of which ``dataclasses.asdict`` has made this."""
    if values is None:
        return None
    return Estimate(**{**values, "path": tuple(PathStep(**step) for step in values["path"])})


def _mhz(period: float) -> float:
    return round(1e6 / period, 1)


def _named(graph: TimingGraph, path: LongestPath, module: MappedModule) -> tuple[PathStep, ...]:
    """The cells of a path: the first with an output, the last with an input, others with both."""
    names = net_names(module["netnames"])
    steps = path.steps
    result = []
    for first in range(-1, len(steps), 2):
        group = steps[max(first, 0):first + 2]
        last = first + 2 > len(steps)
        wire = group[0].wire
        entered = steps[first - 1].arrival + wire if first > 0 else 0.0
        left = path.period if last else group[-1].arrival
        cell, name = _described(graph, group[-1].pin, last, names)
        result.append(PathStep(cell, name, round(wire, 1), round(left - entered, 1)))
    return tuple(result)


def _described(
    graph: TimingGraph, pin: int, last: bool, names: Mapping[Bit, str],
) -> tuple[str, str]:
    """The type of the cell of a pin, with the port if it ends a path, and its name."""
    name, port, place = graph.names[pin]
    cell = graph.cell(pin)
    if cell is None or graph.pins[pin].border:
        return PORT, f"{name}.{port}[{place}]" if name else f"{port}[{place}]"
    if not last:
        return cell["type"], names.get(cell["connections"][port][place], "")
    driven = (bit for output, bits in cell["connections"].items()
              if cell["port_directions"][output] == "output" for bit in bits)
    return f"{cell['type']}.{port}", next((names[bit] for bit in driven if bit in names), "")


def _source() -> str:
    folder = Path(__file__).parent
    digest = sha256()
    for path in sorted((*folder.glob("*.py"), *folder.glob("*.cpp"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()


RULES = _source()
"""Hash of the source of the estimate: another one may give other figures."""
