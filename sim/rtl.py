"""The RTL taking steps: build the engine, replay the steps in a simulator, gather the outcome."""

import hashlib
import importlib.metadata
import json
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from amaranth.lib import wiring

from sim.build import PROJECT, Build, build, cache_directory, locked, run
from sim.files import replacing
from sim.netlist import Netlist, elaborate
from sim.problem import SimulationError
from sim.steps import Outcome, Step, write_steps
from sim.taps import Observed, outcome_of

WIDTHS = (128, 256, 512)
SAS = 1024
PROGRESS_SECONDS = 0.2
REPLAY_MODULE = "sim.replay"


@dataclass(frozen=True)
class Options:
    """How to simulate the engine."""

    width: int = 128
    """Bits of a beat, one of ``WIDTHS``."""
    simulator: str = "verilator"
    seed: int = 1
    """Of the gaps and stalls."""
    stall: float = 0.0
    """Probability of a stall, and of a gap, in each clock of each stream."""


@dataclass(frozen=True)
class Replay:
    """What a replay gave."""

    outcome: Outcome
    clocks: int
    """From the first beat in to the last beat out."""
    problem: str | None
    """Why the replay was given up, None when every frame came through."""
    log: Path


def engine_netlist(width: int, sas: int, taps: bool) -> Netlist:
    """Netlist of the engine."""
    def make() -> wiring.Component:
        # Imported here: what needs the model alone need not load the RTL.
        from hdl.engine import Engine

        return Engine(width=width, sas=sas, taps=taps)

    return kept_netlist("engine", f"{width} {sas} {taps}", make)


def kept_netlist(name: str, parameters: str, make: Callable[[], wiring.Component]) -> Netlist:
    """Netlist of the component that ``make`` gives, its top module called ``name``.

    It is kept under a hash of the sources and of ``parameters``, on which ``make`` depends.
    """
    kept = cache_directory() / f"{name}-{_source_hash(parameters)}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with locked(kept.with_suffix(".lock")):
        if not kept.is_file():
            netlist = elaborate(make(), name)
            with replacing(kept) as partial:
                partial.write_text(json.dumps(asdict(netlist)))
    parts = json.loads(kept.read_text())
    return Netlist(parts["top"], parts["text"], tuple(parts["inputs"]), tuple(parts["outputs"]))


def build_engine(options: Options) -> Build:
    """Build the engine with its taps, or take a build made before."""
    return build(engine_netlist(options.width, SAS, taps=True), options.simulator)


def replay(
    built: Build,
    steps: Sequence[Step],
    options: Options,
    progress: Callable[[int], None] = lambda _done: None,
) -> Replay:
    """Let the RTL take the steps. ``progress`` is called with the frames judged so far."""
    with tempfile.TemporaryDirectory(dir=cache_directory()) as name:
        job = Path(name)
        write_steps(job / "steps.json", steps)
        environment = {
            "ESPNIC_JOB": name,
            "ESPNIC_SEED": str(options.seed),
            "ESPNIC_STALL": str(options.stall),
        }
        simulation = _Simulation(built, options.seed, environment)
        simulation.start()
        while simulation.is_alive():
            simulation.join(PROGRESS_SECONDS)
            progress(_done(job / "progress"))
        result = simulation.result()
        seen = _observed(job / "observed.json")
    problem = seen.stuck
    if result.failures:
        problem = "; ".join(message for _, message in result.failures)
    if problem is None:
        shutil.rmtree(result.directory)
    return Replay(outcome_of(steps, seen, options.width), seen.clocks, problem, result.log)


class _Simulation(threading.Thread):
    """A run in a thread, so that the main one can show how far it is."""

    def __init__(self, built: Build, seed: int, environment: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self._arguments = (built, seed, environment)
        self._error: SimulationError | None = None

    def run(self) -> None:
        built, seed, environment = self._arguments
        try:
            self._result = run(built, module=REPLAY_MODULE, seed=seed, environment=environment)
        except SimulationError as error:
            self._error = error

    def result(self):
        """The finished run; raises its ``SimulationError``."""
        if self._error is not None:
            raise self._error
        return self._result


def _observed(path: Path) -> Observed:
    if not path.is_file():
        return Observed()
    values = json.loads(path.read_text())
    values["to_host"] = [tuple(pair) for pair in values["to_host"]]
    return Observed(**values)


def _done(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # not yet there, or just being written
        return 0


def _source_hash(parameters: str) -> str:
    digest = hashlib.sha256(parameters.encode())
    digest.update(importlib.metadata.version("amaranth").encode())
    folders = (PROJECT / "hdl", PROJECT / "model")
    for source in sorted(path for folder in folders for path in folder.glob("*.py")):
        digest.update(source.name.encode() + source.read_bytes())
    digest.update((PROJECT / "sim" / "netlist.py").read_bytes())
    return digest.hexdigest()[:16]
