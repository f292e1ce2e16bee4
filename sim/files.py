"""Place of the project; folders to write to; files that appear only when complete."""

import contextlib
import errno
import fcntl
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

from espnic.sim.problem import InputError

PROJECT = Path(__file__).resolve().parents[1]
"""The folder that holds ``hdl``, ``model`` and ``sim``: the checkout, or the installed package."""


_FREE_BYTES_MIN = 1 << 16
_PARTIAL = re.compile(r"\..+\.\d+\.partial")


def in_checkout() -> bool:
    """Whether this is a checkout of the project, not an installed package."""
    return (PROJECT / "pyproject.toml").is_file()


@contextlib.contextmanager
def own_folder(path: Path) -> Iterator[None]:
    """Make the folder, and keep other calls out of it, so that their results never mix.

    Raises ``InputError`` when it cannot be written to or another call has it.
    """
    _make_folder(path)
    held = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if try_lock(held) is False:
            raise InputError(f"{path}: another espnic writes there, expected a folder of its own")
        for left in path.glob(".*"):
            if _PARTIAL.fullmatch(left.name):  # of a call that crashed
                left.unlink(missing_ok=True)
        yield
    finally:
        os.close(held)


def try_lock(held: int) -> bool | None:
    """Lock an open file or folder until it is closed; False when another call has locked it.

    None on a file system without locks: nothing is known of other calls.
    """
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _make_folder(path: Path) -> None:
    probe = path / f".espnic.{os.getpid()}"
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

    The name is that of this thread alone. An ``OSError`` names ``path``, which the user knows.
    """
    partial = _partial(path)
    try:
        with naming(path):
            yield partial
            partial.replace(path)
    except OSError as error:
        if error.filename is not None and Path(error.filename) == partial:
            error.filename = str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let each ``OSError`` name a file: ``path`` where it names none, as when a disk is full."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def refuse_full(folder: Path) -> None:
    """Raise the ``OSError`` of a full disk when what a tool writes into the folder may be cut."""
    disk = os.statvfs(folder)
    free = (disk.f_bavail if os.geteuid() else disk.f_bfree) * disk.f_frsize
    if free < _FREE_BYTES_MIN:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.{threading.get_native_id()}.partial")
