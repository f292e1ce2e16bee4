"""The RTL run on steps: build the engine, replay the steps in a simulator, gather the outcome."""

import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from espnic.model.interface.codes import SIDES
from espnic.model.interface.features import Features
from espnic.model.interface.layouts import RX_COMPLETION
from espnic.sim.build.builds import build
from espnic.sim.build.cache import work_folder
from espnic.sim.build.kept_netlists import kept_netlist
from espnic.sim.build.netlist import Netlist
from espnic.sim.build.orders import counts_coverage, simulator_for
from espnic.sim.build.processes import SIMULATIONS
from espnic.sim.rig.design import engine_rig, sides_of
from espnic.sim.rig.runs import PROBABILITIES, EngineRig, Load, Session, run_loads
from espnic.sim.rig.taps import TAP_NAMES, Observed, outcome_of
from espnic.sim.traffic.steps import (
    SIMULATED,
    SIMULATED_SAS,
    Command,
    Outcome,
    Ports,
    RxFrame,
    Step,
    TxFrame,
)

PROGRESS_SECONDS = 0.2


@dataclass(frozen=True)
class Options:
    """Options of a simulation of the engine."""

    width: int = 128
    """Bits of a beat, one of ``WIDTHS``."""
    simulator: str = "verilator"
    seed: int = 1
    """Seed of gaps and stalls."""
    stall: float = 0.0
    """Probability of a stall, and of a gap, in each clock of each stream."""
    wave: Path | None = None
    """Where a replay leaves its wave; None: it draws none."""


@dataclass(frozen=True)
class Replay:
    """Result of a replay."""

    outcome: Outcome
    clocks: int
    """Clocks from the first beat in to the last beat out."""
    seconds: float
    """Processor time of the simulation while frames moved."""
    problem: str | None
    """Reason why the replay was given up; None when every frame came through."""
    log: Path


def engine_netlist(features: Features, taps: bool, sources: bool = False) -> Netlist:
    """Netlist of a build of the engine; ``sources`` is as in ``elaborate``."""
    def make() -> wiring.Component:
        # Imported here: what needs the model alone need not load the RTL.
        from espnic.hdl.engine import Engine

        return Engine(features, taps)

    return kept_netlist("engine", f"{features} {taps}", make, sources)


def build_engine(
    options: Options, sas: int = SIMULATED_SAS, parts: Features = SIMULATED,
) -> EngineRig:
    """Build the engine in its rig, or take a build made before.

    ``parts`` are its features but for width and size. One such build serves all uses of an
    engine of its size.
    """
    features = replace(parts, width=options.width, sas=sas)
    engine = engine_netlist(features, taps=True, sources=counts_coverage())
    built = build(engine_rig(engine).netlist, simulator_for(options.simulator),
                  waves=options.wave is not None)
    return EngineRig(built, options.width, sas, sides_of(engine), features.sideband)


def replay(
    rig: EngineRig,
    steps: Sequence[Step],
    options: Options,
    progress: Callable[[int], None] = lambda _done: None,
) -> Replay:
    """Run the steps on the RTL; ``progress`` is called with the number of frames judged so far."""
    with work_folder() as folder:
        simulation = _Simulation(rig, loads_of(steps, options.stall), folder, options.seed)
        simulation.start()
        try:
            while simulation.is_alive():
                simulation.join(PROGRESS_SECONDS)
                progress(_done(folder / "progress"))
        except BaseException:
            SIMULATIONS.end()
            simulation.join()
            raise
        session = simulation.result()
    if options.wave and session.run.wave:
        shutil.move(session.run.wave, options.wave)
    seen = observed(session)
    if seen.problem is None:
        shutil.rmtree(session.run.directory)
    return Replay(
        outcome_of(steps, seen, rig.width), seen.clocks,
        sum(played.seconds for played in session.played), seen.problem, session.run.log)


def loads_of(steps: Sequence[Step], stall: float) -> list[Load]:
    """The steps as loads; a command or other ports after a frame begin another load."""
    loads: list[Load] = []
    parts = round(stall * PROBABILITIES)
    commands: list[dict[str, int]] = []
    ports: tuple[int, ...] | None = None
    frames: dict[str, list[Any]] = {side: [] for side in SIDES}

    def end_load() -> None:
        loads.append(Load(tuple(frames["tx"]), tuple(frames["rx"]), None, tuple(commands), ports,
                          gap=parts, stall=parts))
        for part in (commands, *frames.values()):
            part.clear()

    for step in steps:
        match step:
            case Command(values):
                if any(frames.values()):
                    end_load()
                commands.append(values)
            case Ports(numbers):
                if any(frames.values()):
                    end_load()
                ports = numbers
            case TxFrame():
                frames["tx"].append(step)
            case RxFrame():
                frames["rx"].append(step)
    end_load()
    return loads


class _Simulation(threading.Thread):
    """A run in a thread of its own, so that the main thread can show its progress."""

    def __init__(self, rig: EngineRig, loads: Sequence[Load], folder: Path, seed: int) -> None:
        super().__init__(daemon=True)
        self._arguments = (rig, loads, folder, seed)
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._session = run_loads(*self._arguments)
        except BaseException as error:  # result() raises it where it can be handled
            self._error = error

    def result(self) -> Session:
        """Result of the finished run; raises whatever ended it early."""
        if self._error is not None:
            raise self._error
        return self._session


def observed(session: Session) -> Observed:
    """Observations of all loads together."""
    seen = Observed(taps={name: [] for name in TAP_NAMES}, counters=session.counters)
    for played in session.played:
        seen.results += played.results
        seen.to_host += [(RX_COMPLETION.pack(got.completion), got.frame.hex())
                         for got in played.received]
        seen.to_wire += [frame.hex() for frame in played.sent]
        for side, sidebands in played.sidebands.items():
            seen.sidebands[side] += sidebands
        for name, payloads in played.taps.items():
            seen.taps[name] += payloads
        seen.problem = seen.problem or played.problem
    if session.run.failures:
        seen.problem = "; ".join(message for _, message in session.run.failures)
    clocks = {part: [clock for played in session.played for side in getattr(played, part).values()
                     for pair in side for clock in pair] for part in ("entered", "left")}
    if clocks["entered"] and clocks["left"]:
        seen.clocks = max(clocks["left"]) - min(clocks["entered"]) + 1
    return seen


def _done(path: Path) -> int:
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not yet there, or just being written
        return 0
