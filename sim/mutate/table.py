"""The table of mutations, and the choice of some."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from espnic.sim.files import PROJECT
from espnic.sim.mutate.source import Mutant
from espnic.sim.problem import InputError

TABLE = PROJECT / "cocotb_tests" / "mutations.toml"
NAME = "cocotb_tests/mutations.toml"
_BENCHES = "cocotb_tests"
_NEEDED = {"block", "fault", "right", "wrong"}
_KNOWN = _NEEDED | {"bench", "then"}


@dataclass(frozen=True)
class Mutation:
    """A row of the table."""

    block: str
    """File in ``hdl``, without its ending."""
    mutant: Mutant
    bench: str
    """File of its bench, from the project's folder."""
    then: tuple[str, ...] = ()
    """Tests of pytest to try when the bench finds nothing."""

    @property
    def area(self) -> str:
        """Room of the block; that of a file on top is its name."""
        return self.block.split("/")[0]

    @property
    def key(self) -> tuple[str, str, str]:
        """Block and change, which no other has."""
        return self.block, self.mutant.right, self.mutant.wrong


def load() -> tuple[Mutation, ...]:
    """Read the table. Raises ``InputError`` for one that is wrong."""
    try:
        rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["mutation"]
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise InputError(f"{NAME}: {error}, expected a table of mutations") from None
    mutations = tuple(_mutation(row) for row in rows)
    for number, mutation in enumerate(mutations):
        if mutation.key in (other.key for other in mutations[:number]):
            raise InputError(f"{NAME}: two times {mutation.block}: {mutation.mutant.right!r} "
                             f"to {mutation.mutant.wrong!r}, expected each change once")
    return mutations


def _mutation(row: dict[str, object]) -> Mutation:
    wrong = sorted((_NEEDED - row.keys()) | (row.keys() - _KNOWN))
    if wrong:
        raise InputError(f"{NAME}: {row.get('block')}: {', '.join(wrong)}; expected "
                         f"{', '.join(sorted(_NEEDED))} and maybe bench and then")
    block = str(row["block"])
    room, _, name = str(row.get("bench", block)).rpartition("/")
    bench = f"{_BENCHES}/{room}/test_{name}.py"
    if not (PROJECT / bench).is_file():
        raise InputError(f"{NAME}: {block}: no {bench}, expected bench to name another")
    then = row.get("then", ())
    return Mutation(
        block, Mutant(str(row["fault"]), str(row["right"]), str(row["wrong"])), bench,
        tuple(f"{_BENCHES}/{test}" for test in then) if isinstance(then, list) else ())


def select(areas: Sequence[str], blocks: Sequence[str]) -> tuple[Mutation, ...]:
    """The mutations of rooms and of blocks; all without either.

    A block is named as ``queue`` or ``flow/queue``. Raises ``InputError`` for a name that no
    mutation has.
    """
    every = load()
    for area in areas:
        if area not in (known := sorted({each.area for each in every})):
            raise InputError(f"--area {area}: expected one of {', '.join(known)}")
    for block in blocks:
        if not any(_is_named(each, block) for each in every):
            raise InputError(f"--block {block}: no mutation of that block, "
                             "expected one that --list shows")
    if not areas and not blocks:
        return every
    return tuple(each for each in every if each.area in areas
                 or any(_is_named(each, block) for block in blocks))


def _is_named(mutation: Mutation, block: str) -> bool:
    return block in (mutation.block, Path(mutation.block).name)
