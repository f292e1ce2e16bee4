"""The table of proofs in docs/proofs.md."""

from collections import defaultdict
from pathlib import Path

from espnic.sim.files import PROJECT
from espnic.sim.markdown import table, with_parts
from espnic.sim.prove.collection import Job, all_jobs
from espnic.sim.prove.command import method

DOCUMENT = PROJECT / "docs" / "proofs.md"


def documents() -> dict[Path, str]:
    """The page with its table as it is now."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return {DOCUMENT: with_parts(text, {"proofs": _proofs})}


def _proofs() -> str:
    """A heading and a table for each block."""
    blocks = defaultdict(list)
    for job in all_jobs():
        blocks[job.block].append(job)
    return "\n".join(
        f"### {block}\n\n" + table(
            ("proof", "property", "method", "made with", "assumed"), map(_row, jobs))
        for block, jobs in blocks.items())


def _row(job: Job) -> tuple[str, ...]:
    proof = job.proof
    quick = ", quick" if proof.quick else ""
    return (f"`{proof.name}`", proof.says, f"{method(job)}{quick}", proof.small,
            "; ".join(proof.assumes) or "–")
