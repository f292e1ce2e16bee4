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

from espnic.sim.build.cache import cache_directory, lock_if_free, locked
from espnic.sim.build.netlist import Netlist, elaborate
from espnic.sim.build.simulators import (
    BUILDERS,
    SIMULATORS,
    digest,
    fingerprint,
    require_tools,
    tail,
)
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


@dataclass(frozen=True)
class Run:
    """One run of the cocotb tests of a module."""

    directory: Path
    log: Path
    tests: tuple[str, ...]
    """Names of the tests that ran."""
    failures: tuple[tuple[str, str], ...]
    """Name and message of each failed test."""


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
    print(f"{name} on {simulator}, seed {seed}")
    ready = build(elaborate(component, name), simulator)
    result = run(ready, module=module, seed=seed, testcase=testcase, environment=environment)
    if result.failures:
        lines = [f"{test}: {message}" for test, message in result.failures]
        raise AssertionError(
            f"{name} on {simulator}, seed {seed}, {len(lines)} of {len(result.tests)} failed:\n"
            + "\n".join(lines)
            + f"\nlog: {result.log}"
        )
    shutil.rmtree(result.directory)


def build(netlist: Netlist, simulator: str, shows_state: bool = False) -> Build:
    """Build a netlist, or take the build of an equal one made before.

    With ``shows_state`` tests can read and write every register and memory by its name, not the
    ports alone. Icarus always shows them, and every other signal.
    """
    require_tools(simulator)
    root = cache_directory()
    root.mkdir(parents=True, exist_ok=True)
    directory = root / _key(netlist, simulator, shows_state)
    with locked(root / f"{directory.name}.lock"):
        if directory.is_dir():
            os.utime(directory)
        else:
            _remove_old(root)
            partial = root / f"{directory.name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            with naming(partial):
                BUILDERS[simulator](netlist, partial, shows_state)
                partial.rename(directory)
    return Build(netlist, simulator, directory)


def run(
    built: Build,
    *,
    module: str,
    seed: int,
    testcase: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Run:
    """Run the cocotb tests of ``module`` on a build, in a new directory."""
    runs = cache_directory() / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=f"{built.netlist.top}-", dir=runs))
    log = directory / "run.log"
    results = directory / "results.xml"
    settings = {
        **(environment or {}),
        "COCOTB_RESULTS_FILE": str(results),
        "COCOTB_RANDOM_SEED": str(seed),
        "COCOTB_TRUST_INERTIAL_WRITES": "1" if built.simulator == "verilator" else "0",
        "COCOTB_LOG_LEVEL": "WARNING",
        "ESPNIC_INPUTS": ",".join(built.netlist.inputs),
    }
    simulator = SIMULATORS[built.simulator](
        toplevel=built.netlist.top,
        module=module,
        work_dir=str(directory),
        sim_build=str(built.directory),
        testcase=rf"\.{re.escape(testcase)}$" if testcase else None,
        # The tests of a checkout lie there; an installed package is found without it.
        python_search=[str(PROJECT)] if in_checkout() else [],
    )
    with naming(directory):
        simulator.execute_logged(simulator.simulation_command(), log, settings)
    tests, failures = _results(results, log)
    if not tests:
        raise SimulationError(f"no cocotb test {testcase or ''} ran in {module}, log: {log}")
    return Run(directory, log, tests, failures)


def _key(netlist: Netlist, simulator: str, shows_state: bool) -> str:
    parts = [netlist.text, simulator, *(["state"] if shows_state else ()), *fingerprint()]
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


def _results(path: Path, log: Path) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Names of the tests that ran, and name and message of each that failed."""
    if not path.is_file():
        raise SimulationError(f"the simulation wrote no results\n{tail(log)}")
    tests, failures = [], []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("skipped") is not None:
            continue
        tests.append(case.get("name", ""))
        for problem in (*case.iter("failure"), *case.iter("error")):
            failures.append((case.get("name", ""), problem.get("message") or problem.text or ""))
    return tuple(tests), tuple(failures)
