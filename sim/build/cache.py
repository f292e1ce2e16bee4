"""The folder in which builds, netlists and results are kept."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from espnic.sim.files import PROJECT, in_checkout, naming, try_lock
from espnic.sim.problem import InputError

USED_VARIABLE = "ESPNIC_USED"
"""Environment variable: a file that gets the name of each entry of the folder that is used."""


def cache_directory() -> Path:
    """The folder: ``ESPNIC_BUILD``, else ``build/sim`` in a checkout, else the user's cache.

    Raises ``InputError`` when ``ESPNIC_BUILD`` is a file.
    """
    given = os.environ.get("ESPNIC_BUILD")
    if given:
        if Path(given).is_file():
            raise InputError(f"ESPNIC_BUILD {given}: a file, expected a folder")
        return Path(given).absolute()
    return PROJECT / "build" / "sim" if in_checkout() else platformdirs.user_cache_path("espnic")


@contextlib.contextmanager
def work_folder() -> Iterator[Path]:
    """A new folder, for this user alone, for what is not to be kept, such as keys.

    It is removed at the end, also when this process is killed. The folders that are left when the
    machine breaks down are removed too.
    """
    root = cache_directory() / "work"
    root.mkdir(parents=True, exist_ok=True)
    # Nobody may take the folder for one that was left before it has its lock.
    with locked(root / "work.lock"):
        remove_left(root)
        folder = Path(tempfile.mkdtemp(dir=root))
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try_lock(held)
    try:
        with _removed_at_the_end(folder):
            yield folder
    finally:
        os.close(held)


@contextlib.contextmanager
def local_work_folder() -> Iterator[Path]:
    """The same on this machine's own disk.

    The workers of a cluster may share the other, and would wait for each other there.
    """
    folder = Path(tempfile.mkdtemp(prefix="espnic-"))
    with _removed_at_the_end(folder):
        yield folder


@contextlib.contextmanager
def _removed_at_the_end(folder: Path) -> Iterator[None]:
    # It waits for the end of its input, which comes at the latest when this process ends.
    guard = subprocess.Popen(["sh", "-c", 'read -r _; rm -rf -- "$1"', "sh", str(folder)],
                             stdin=subprocess.PIPE, start_new_session=True, cwd="/")
    try:
        with naming(folder):
            yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        guard.communicate()


def remove_left(root: Path) -> None:
    """Remove the folders in ``root`` that no living process has locked."""
    for folder in root.iterdir():
        # Its owner may be about to remove it.
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                if try_lock(held):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(held)


@contextlib.contextmanager
def lock_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock of ``locked`` if no process has it; gives whether it is held."""
    with path.open("w", encoding="utf-8") as lock:
        yield try_lock(lock.fileno()) is True


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that all processes respect, by the name of its file.

    Raises ``InputError`` on a file system without locks.
    """
    with path.open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            raise InputError(f"{path.parent}: no locks there ({error.strerror}), expected a file "
                             "system with flock; set ESPNIC_BUILD to a folder in one") from None
        yield


def note_use(entry: Path) -> None:
    """Tell whoever started this process, if it asks, which entry of the folder was used."""
    if asking := os.environ.get(USED_VARIABLE):
        with Path(asking).open("a", encoding="utf-8") as file:
            file.write(f"{entry.name}\n")
