"""A call that a worker performs: what goes to it, what comes back, and how it is done there.

A worker performs each call in a child process. So the calls of one worker share nothing, a call
that is killed takes no other with it, and one that is no longer wanted can be ended.
"""

import os
import pickle
import socket
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnic.sim.build.cache import USED_VARIABLE, cache_directory, local_work_folder
from espnic.sim.build.processes import Children
from espnic.sim.cluster.checkout import sources_of
from espnic.sim.cluster.parcels import Parcel, pack_builds, unpack_builds
from espnic.sim.files import PROJECT, in_checkout
from espnic.sim.problem import BAD_INPUT, InputError, SimulationError

_CALL, _RESULT, _USED = "call", "result", "used"
_SHOWN_LINES = 10


@dataclass(frozen=True)
class Home:
    """The machine that gives the calls."""

    project: str
    """Its checkout."""
    sources: str
    """Hash of the sources there."""
    cache: str
    """Its folder of builds."""
    mark: str
    """Name of a file in that folder, by which a worker knows the folder for its own."""


@dataclass(frozen=True)
class Call:
    """A function and its argument, and where they come from."""

    name: str
    """Name of the shard, for messages."""
    work: bytes
    """Both, pickled."""
    home: Home
    leads: bool = False
    """Whether other calls wait for the builds of this one."""


@dataclass(frozen=True)
class Answer:
    """Outcome of a call."""

    outcome: bytes | None = None
    """Pickled: whether it went well, then the result or the exception. None when it died."""
    death: str = ""
    """All that is known of its death."""
    parcel: Parcel | None = None
    """Builds that it used, for calls that wait for them; None where the folder is shared."""

    def result(self) -> Any:
        """Result of the function. Raises what it raised."""
        assert self.outcome is not None
        went_well, value = pickle.loads(self.outcome)
        if not went_well:
            raise value
        return value


def perform(call: Call, children: Children, lead: Answer | None = None) -> Answer:
    """Perform a call in a child process, with the builds of a call before it.

    Raises ``SimulationError`` when ``children`` are stopped.
    """
    mark = Path(call.home.cache) / call.home.mark
    cache = Path(call.home.cache) if mark.is_file() else cache_directory()
    shared = mark.is_file()
    if lead is not None and lead.parcel and not shared:
        unpack_builds(lead.parcel, cache)
    with local_work_folder() as folder:
        (folder / _CALL).write_bytes(pickle.dumps((call.home, call.work)))
        ended = children.run(
            [sys.executable, "-m", "espnic.sim.cluster.call", str(folder)],
            cwd=PROJECT if in_checkout() else None,
            env={**os.environ, "ESPNIC_BUILD": str(cache), USED_VARIABLE: str(folder / _USED),
                 # It finds espnic as this process has found it.
                 "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
        if not (folder / _RESULT).is_file():
            last = "\n".join((ended.output + ended.errors).splitlines()[-_SHOWN_LINES:])
            return Answer(death=f"{socket.gethostname()}: its process ended with {ended.failure}"
                                + (f"\n{last}" if last else ""))
        used = folder / _USED
        names = set(used.read_text(encoding="utf-8").split()) if used.is_file() else set()
        return Answer((folder / _RESULT).read_bytes(),
                      parcel=pack_builds(cache, names) if call.leads and not shared else None)


def _perform_here(folder: Path) -> None:
    """Do the work that lies in a folder, and leave the result there."""
    home, work = pickle.loads((folder / _CALL).read_bytes())
    try:
        if sources_of(PROJECT) != home.sources:
            raise InputError(f"{socket.gethostname()}: {PROJECT} has other sources than "
                             f"{home.project} had at the start, expected the same on all machines "
                             "to the end")
        function, job = pickle.loads(work)
        outcome = True, function(job)
    except Exception as error:
        # Others may not be found, or not be made again, where the result is read.
        known = isinstance(error, (*BAD_INPUT, SimulationError))
        outcome = False, error if known else SimulationError(
            "".join(traceback.format_exception(error)).strip())
    partial = folder / f"{_RESULT}.partial"
    partial.write_bytes(pickle.dumps(outcome))
    partial.rename(folder / _RESULT)


if __name__ == "__main__":
    _perform_here(Path(sys.argv[1]))
