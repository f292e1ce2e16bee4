"""All proofs, and the choice of some of them."""

import difflib
import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass

from espnic import proofs
from espnic.proofs.bench import Proof
from espnic.sim.problem import InputError

_PREFIX = f"{proofs.__name__}."


@dataclass(frozen=True)
class Job:
    """A proof of a block."""

    block: str
    """Path of the block's file in ``hdl`` without its ending, as ``flow/queue``."""
    proof: Proof

    def __str__(self) -> str:
        return f"{self.block}/{self.proof.name}"


def all_jobs() -> list[Job]:
    """The proofs of all blocks, in alphabetical order of the blocks."""
    names = sorted(source.name for source in pkgutil.walk_packages(proofs.__path__, _PREFIX))
    return [
        Job(name.removeprefix(_PREFIX).replace(".", "/"), proof)
        for name in names
        for proof in getattr(importlib.import_module(name), "PROOFS", ())
    ]


def select(names: Sequence[str], quick: bool) -> list[Job]:
    """The proofs of these names: a block's, a room's, or a proof's own; all if there is none.

    With ``quick`` only those that the tests run. Raises ``InputError`` for a name of none.
    """
    jobs = all_jobs()
    for name in names:
        if not any(_has(job, name) for job in jobs):
            raise InputError(f"proof {name}: expected {_like(name, jobs)}")
    return [job for job in jobs
            if (not names or any(_has(job, name) for name in names))
            and (job.proof.quick or not quick)]


def _has(job: Job, name: str) -> bool:
    return name == str(job) or str(job).startswith(f"{name}/")


def _like(name: str, jobs: Sequence[Job]) -> str:
    known = {*map(str, jobs), *(job.block for job in jobs)}
    near = difflib.get_close_matches(name, sorted(known))
    if not near:
        return "a block that espnic prove --list shows"
    return f"one such as {', '.join(near)}; espnic prove --list shows all"
