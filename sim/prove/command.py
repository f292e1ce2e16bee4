"""``espnic prove``: prove properties, show each result as it comes, and print a table."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from espnic.sim.files import own_folder
from espnic.sim.problem import Finding
from espnic.sim.prove.collection import Job
from espnic.sim.prove.prover import Result, prove
from espnic.sim.terminal import status

COLUMNS = ("block", "proof", "method", "seconds", "result")


def method(job: Job) -> str:
    """How a property is proved: for all time by induction, or for so many clocks."""
    proof = job.proof
    return f"induction {proof.induction}" if proof.induction else f"{proof.depth} clocks"


def list_proofs(jobs: Sequence[Job], console: Console) -> None:
    """Print what is proved and how, and prove nothing."""
    for job in jobs:
        console.print(f"{job} ({method(job)}): {job.proof.says}", highlight=False, markup=False,
                      soft_wrap=True)


def run(jobs: Sequence[Job], parallel: int, traces: Path, console: Console) -> None:
    """Prove, and print a table. Raises ``Finding`` when a property is not proved."""
    results: dict[Job, Result] = {}
    with own_folder(traces), status(console, "proving") as line:
        def ended(result: Result) -> None:
            results[result.job] = result
            line.update(f"proving: {len(results)} of {len(jobs)} done")
            if result.failure:
                console.print(result.failure, highlight=False, markup=False, soft_wrap=True)

        prove(jobs, parallel, traces, ended)
    console.print(_table([results[job] for job in jobs]))
    failures = [result.failure for result in results.values() if result.failure]
    if failures:
        raise Finding(f"{len(failures)} of {len(jobs)} not proved; the first: {failures[0]}")


def _table(results: Sequence[Result]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    for name in COLUMNS:
        table.add_column(name, justify="right" if name == "seconds" else "left", no_wrap=True)
    for result in results:
        table.add_row(
            result.job.block, result.job.proof.name, method(result.job), f"{result.seconds:.1f}",
            "FAILED" if result.failure else "proved" if result.job.proof.induction else "holds")
    return table
