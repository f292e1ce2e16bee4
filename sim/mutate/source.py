"""A copy of the project in which a block has a fault."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from espnic.sim.files import PROJECT
from espnic.sim.problem import InputError

COPIED = ("espnic", "hdl", "model", "proofs", "sim", "tests", "cocotb_tests")
READ = ("captures", "docs", "registers")
"""Folders that benches read and nothing changes: the copy has links to them."""
SETTINGS = "pyproject.toml"


@dataclass(frozen=True)
class Mutant:
    """A block with a fault: what it does wrong, the right expression, and the wrong one."""

    fault: str
    right: str
    wrong: str


def mutated(block: str, mutant: Mutant) -> str:
    """The source of a block with a fault.

    The right expression is looked for whatever the indentation and the breaks of lines. Raises
    ``InputError`` when it is not there, or is there more than once.
    """
    source = PROJECT / "hdl" / f"{block}.py"
    if not source.is_file():
        raise InputError(f"hdl/{block}.py: no such file, but there is a mutant of it")
    text = source.read_text(encoding="utf-8")
    tokens = re.findall(r"\w+|[^\w\s]", mutant.right)
    pattern = re.compile(r"(?<!\w)" + r"\s*".join(map(re.escape, tokens)) + r"(?!\w)")
    places = len(pattern.findall(text))
    if places != 1:
        raise InputError(
            f"hdl/{block}.py: the mutant that {mutant.fault} changes {mutant.right!r}, "
            f"which is there {places} times, expected once")
    return pattern.sub(lambda _: mutant.wrong, text)


def project_with(block: str, mutant: Mutant, folder: Path) -> Path:
    """A copy of the project in ``folder`` in which the block has a fault."""
    text = mutated(block, mutant)
    for name in COPIED:
        shutil.copytree(PROJECT / name, folder / name, symlinks=True)
    for name in READ:
        (folder / name).symlink_to(PROJECT / name)
    shutil.copyfile(PROJECT / SETTINGS, folder / SETTINGS)
    (folder / "hdl" / f"{block}.py").write_text(text, encoding="utf-8")
    return folder
