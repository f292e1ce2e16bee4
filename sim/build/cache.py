"""The folder in which builds, netlists and results are kept."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from espnic.sim.files import PROJECT, in_checkout
from espnic.sim.problem import InputError


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
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that all processes respect, by the name of its file."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
