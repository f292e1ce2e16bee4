"""The placer: a C++ program, built once and kept, that places a timing graph and times it."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from espnic.sim.build.cache import cache_directory, locked
from espnic.sim.build.processes import Children
from espnic.sim.files import replacing
from espnic.sim.problem import MissingTool, SimulationError
from espnic.sim.timing import fabric
from espnic.sim.timing.graph import TimingGraph

SOURCE = Path(__file__).with_name("place.cpp")
_COMPILER = ("g++", "-O2", "-std=gnu++17")
_NEVER = -1e9


@dataclass(frozen=True)
class Step:
    """A pin on a path."""

    pin: int
    arrival: float
    """In ps after the clock."""
    wire: float
    """Delay of the wires to it from the pin before, in ps; it is within the arrival."""


@dataclass(frozen=True)
class LongestPath:
    """The longest of some paths; without steps when there is none."""

    period: float
    """The shortest period of the clock that it allows, in ps."""
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Placed:
    """The longest of all paths, and of those that do not touch the border."""

    every: LongestPath
    inner: LongestPath


def require_compiler() -> None:
    """Raise ``MissingTool`` unless the placer can be built."""
    if not shutil.which(_COMPILER[0]):
        raise MissingTool("clock estimate: g++ not found; install it")


def program(children: Children) -> Path:
    """The placer, which is built at the first call."""
    require_compiler()
    key = sha256(" ".join(_COMPILER).encode() + SOURCE.read_bytes()).hexdigest()[:16]
    path = cache_directory() / f"placer-{key}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.with_suffix(".lock")):
        if not path.is_file():
            with replacing(path) as partial:
                ended = children.run([*_COMPILER, str(SOURCE), "-o", str(partial)])
                if ended.failure:
                    raise SimulationError(
                        f"g++ failed on {SOURCE.name} ({ended.failure})\n{ended.errors}")
    return path


def place(graph: Path, seed: int, effort: float, children: Children) -> Placed:
    """Place the graph of a file that ``write`` has written. ``effort`` scales the moves."""
    ended = children.run([str(program(children)), str(seed), str(effort), str(graph)])
    if ended.failure:
        raise SimulationError(f"placer failed ({ended.failure}): {ended.errors.strip()}")
    found = json.loads(ended.output)
    return Placed(*(LongestPath(
        found[name]["period"], tuple(Step(*step) for step in found[name]["steps"]))
        for name in ("all", "inner")))


def write(graph: TimingGraph, wires: float, path: Path) -> None:
    """Write a graph and the fabric for the placer, delays of wires multiplied by ``wires``."""
    with path.open("w", encoding="ascii") as file:
        file.writelines(f"{line}\n" for line in _lines(graph, wires))


def _lines(graph: TimingGraph, wires: float) -> Iterator[str]:
    yield (f"{fabric.LUTS_A_TILE} {fabric.FFS_A_TILE} {fabric.RAM_PERIOD} {fabric.RAM_ROWS} "
           f"{fabric.UTILISATION} {wires * fabric.LEAVE} {wires * fabric.RAM_CROSSING}")
    for delay in (fabric.across, fabric.along):
        yield f"{fabric.SPAN} " + " ".join(
            f"{wires * delay(distance):.6g}" for distance in range(fabric.SPAN))
    yield f"{len(fabric.LUT_PINS)} {' '.join(map(str, sorted(fabric.LUT_PINS)))}"
    yield str(len(graph.blocks))
    for block in graph.blocks:
        needs = " ".join(map(str, (*block.luts, *block.ffs)))
        yield f"{int(block.ram)} {len(block.luts)} {needs}"
    yield str(len(graph.pins))
    for pin in graph.pins:
        start, setup = (_NEVER if delay is None else delay for delay in (pin.start, pin.setup))
        yield f"{pin.block} {pin.row} {start} {setup} {int(pin.border)}"
    yield str(len(graph.arcs))
    for arc in graph.arcs:
        yield f"{arc.start} {arc.end} {arc.delay} {arc.net}"
