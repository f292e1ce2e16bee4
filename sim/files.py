"""Place of the project; folders to write to; files that appear only when complete."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from espnic.sim.problem import InputError

PROJECT = Path(__file__).resolve().parents[1]
"""The folder that holds ``hdl``, ``model`` and ``sim``: the checkout, or the installed package."""


def in_checkout() -> bool:
    """Whether this is a checkout of the project, not an installed package."""
    return (PROJECT / "pyproject.toml").is_file()


def make_folder(path: Path) -> None:
    """Make the folder, and see that it can be written to; else raise ``InputError``."""
    probe = path / ".espnic"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, expected a folder to write to") from None


def check_file(option: str, path: Path) -> None:
    """See that a file can be written, before work whose result goes there; else ``InputError``."""
    if not path.parent.is_dir():
        raise InputError(f"{option} {path}: no folder {path.parent}, expected one that exists")
    if path.is_dir():
        raise InputError(f"{option} {path}: Is a directory, expected a file to write")
    probe = _partial(path)
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"{option} {path}: {error.strerror}, expected a file to write") from None


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; rename it to ``path`` when all went well.

    An ``OSError`` names ``path``, which the user knows.
    """
    partial = _partial(path)
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        if error.filename is not None and Path(error.filename) == partial:
            error.filename = str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")
