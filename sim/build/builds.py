"""Build a component for a simulator and run cocotb tests on it.

A build is kept under a hash of all that it depends on (netlist, simulator, flags, tool versions)
and made once under a lock, so that tests may run in parallel. Every run has its own directory.
"""

import os
import re
import shutil
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from amaranth.lib import wiring

from espnic.sim.build.cache import cache_directory, lock_if_free, locked, note_use
from espnic.sim.build.netlist import Netlist, elaborate
from espnic.sim.build.orders import (
    FOLDER_VARIABLE,
    check_simulator,
    counts_coverage,
    current,
    seed_for,
    simulator_for,
)
from espnic.sim.build.simulators import (
    BUILDERS,
    COUNTS,
    SIMULATORS,
    Variant,
    digest,
    fingerprint,
    require_tools,
    tail,
)
from espnic.sim.clocks import CLOCK_NS
from espnic.sim.files import PROJECT, in_checkout, naming
from espnic.sim.problem import SimulationError

KEPT_SECONDS = 14 * 24 * 3600
"""Seconds for which a build is kept that nothing uses."""


@dataclass(frozen=True)
class Build:
    """A built simulation, ready to run."""

    netlist: Netlist
    simulator: str
    directory: Path
    waves: bool = False
    """Whether its runs draw waves."""


@dataclass(frozen=True)
class Case:
    """One cocotb test that ran."""

    name: str
    seconds: float
    clocks: int
    message: str | None
    """Message of the failure; None when it passed."""


@dataclass(frozen=True)
class Run:
    """One run of the cocotb tests of a module."""

    built: Build
    module: str
    seed: int
    directory: Path
    cases: tuple[Case, ...]

    @property
    def log(self) -> Path:
        return self.directory / "run.log"

    @property
    def wave(self) -> Path | None:
        """The wave that it drew, if it did."""
        wave = self.directory / f"{self.built.netlist.top}.fst"
        return wave if wave.is_file() else None

    @property
    def counts(self) -> Path | None:
        """The counts of coverage that it left, if it did."""
        counts = self.directory / COUNTS
        return counts if counts.is_file() else None

    @property
    def tests(self) -> tuple[str, ...]:
        """Names of the tests that ran."""
        return tuple(case.name for case in self.cases)

    @property
    def failures(self) -> tuple[tuple[str, str], ...]:
        """Name and message of each failed test."""
        return tuple((case.name, case.message) for case in self.cases
                     if case.message is not None)


def simulate(
    component: wiring.Component,
    *,
    name: str,
    module: str,
    simulator: str = "verilator",
    seed: int = 1,
    testcase: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run the cocotb tests of a Python module on a component.

    Parameters
    ----------
    component
        Top of the simulation. All its ports are visible to the tests.
    name
        Name of the top module, a Verilog identifier.
    module
        Dotted name of the Python module that holds the ``@cocotb.test`` functions.
    simulator
        ``verilator`` or ``icarus``.
    seed
        Base seed: ``cocotb.RANDOM_SEED`` follows from it and the name of the test.
    testcase
        Run this test only, else all of the module.
    environment
        Further environment variables for the tests.

    Raises ``AssertionError`` that names the failing tests and the seed, or
    ``SimulationError`` when the build or the run itself breaks.
    """
    __tracebackhide__ = True
    seed, written, simulator = seed_for(seed), simulator, simulator_for(simulator)
    print(f"{name} on {simulator}, seed {seed}")
    # A bench for Icarus may take it for granted that the state is shown.
    ready = build(elaborate(component, name, sources=counts_coverage()), simulator,
                  shows_state=simulator != written)
    result = run(ready, module=module, seed=seed, testcase=testcase, environment=environment)
    if result.failures:
        lines = [f"{test}: {message}" for test, message in result.failures]
        raise AssertionError(
            f"{name} on {simulator}, seed {seed}, {len(lines)} of {len(result.tests)} failed:\n"
            + "\n".join(lines)
            + f"\nlog: {result.log}"
        )
    shutil.rmtree(result.directory)


def build(
    netlist: Netlist, simulator: str, shows_state: bool = False, waves: bool = False,
) -> Build:
    """Build a netlist, or take the build of an equal one made before.

    With ``shows_state`` tests can read and write every register and memory by its name, not the
    ports alone. Icarus always shows them, and every other signal. With ``waves``, or when the
    orders ask for them, its runs draw waves. Those of a netlist with sources count coverage.
    """
    check_simulator(simulator)
    variant = Variant(shows_state, waves or current().waves, netlist.sources)
    require_tools(simulator, variant.waves)
    root = cache_directory()
    root.mkdir(parents=True, exist_ok=True)
    directory = root / _key(netlist, simulator, variant)
    with locked(root / f"{directory.name}.lock"):
        if directory.is_dir():
            os.utime(directory)
        else:
            _remove_old(root)
            partial = root / f"{directory.name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            with naming(partial):
                BUILDERS[simulator](netlist, partial, variant)
                _rename(partial, directory)
    note_use(directory)
    return Build(netlist, simulator, directory, variant.waves)


def run(
    built: Build,
    *,
    module: str,
    seed: int,
    testcase: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Run:
    """Run the cocotb tests of ``module`` on a build, in a new directory."""
    seed = seed_for(seed)
    runs = cache_directory() / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=f"{built.netlist.top}-", dir=runs))
    log = directory / "run.log"
    results = directory / "results.xml"
    simulator = SIMULATORS[built.simulator](
        toplevel=built.netlist.top,
        module=module,
        work_dir=str(directory),
        sim_build=str(built.directory),
        waves=built.waves,
        testcase=rf"\.{re.escape(testcase)}$" if testcase else None,
        # The tests of a checkout lie there; an installed package is found without it.
        python_search=[str(PROJECT)] if in_checkout() else [],
    )
    settings = {
        **simulator.run_environment(),
        **(environment or {}),
        "COCOTB_RESULTS_FILE": str(results),
        "COCOTB_RANDOM_SEED": str(seed),
        "COCOTB_TRUST_INERTIAL_WRITES": "1" if built.simulator == "verilator" else "0",
        "COCOTB_LOG_LEVEL": "WARNING",
        "ESPNIC_INPUTS": ",".join(built.netlist.inputs),
        FOLDER_VARIABLE: str(current().folder or ""),
    }
    with naming(directory):
        simulator.execute_logged(simulator.simulation_command(), log, settings)
    cases = _results(results, log)
    if not cases:
        raise SimulationError(f"no cocotb test {testcase or ''} ran in {module}, log: {log}")
    done = Run(built, module, seed, directory, cases)
    current().watch(done)
    return done


def _rename(partial: Path, directory: Path) -> None:
    """Give a build its name."""
    try:
        partial.rename(directory)
    except OSError:
        # A network file system may show late what another machine has built.
        if not directory.is_dir():
            raise
        shutil.rmtree(partial)


def _key(netlist: Netlist, simulator: str, variant: Variant) -> str:
    parts = [netlist.text, simulator, *variant.parts(), *fingerprint()]
    return f"{netlist.top}-{simulator}-{digest(parts)}"


def _remove_old(root: Path) -> None:
    """Remove what nothing has used for ``KEPT_SECONDS``: builds, runs that failed, netlists."""
    limit = time.time() - KEPT_SECONDS
    for path in (*root.glob("*-*-*"), *root.glob("*-*.json")):
        if path.suffix != ".lock" and _is_older(path, limit):
            name = path.stem if path.suffix in (".json", ".partial") else path.name
            with lock_if_free(root / f"{name}.lock") as free:
                # Another process may have taken it up meanwhile.
                if free and _is_older(path, limit):
                    _remove(path)
    for path in (*root.glob("runs/*"), *root.glob(".*.partial")):
        if _is_older(path, limit):
            _remove(path)


def _is_older(path: Path, limit: float) -> bool:
    try:
        return path.stat().st_mtime < limit
    except FileNotFoundError:
        return False


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _results(path: Path, log: Path) -> tuple[Case, ...]:
    """The tests that ran."""
    if not path.is_file():
        raise SimulationError(f"the simulation wrote no results\n{tail(log)}")
    return tuple(_case(element) for element in ElementTree.parse(path).getroot().iter("testcase")
                 if element.find("skipped") is None)


def _case(element: ElementTree.Element) -> Case:
    problem = next(iter((*element.iter("failure"), *element.iter("error"))), None)
    properties = {each.get("name"): each.get("value", "0") for each in element.iter("property")}
    return Case(
        element.get("name", ""), float(element.get("time", 0)),
        round(float(properties.get("sim_time_duration", 0)) / CLOCK_NS),
        None if problem is None else problem.get("message") or problem.text or "")
