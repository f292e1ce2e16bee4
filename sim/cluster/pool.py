"""A pool of workers: gives shards to them, and their results as they come.

The workers are processes of this machine or of a cluster. A shard whose worker dies runs again, so
that no shard is lost and none counts twice.
"""

import contextlib
import pickle
import uuid
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

from espnic.sim.build.cache import cache_directory
from espnic.sim.cluster.address import Address
from espnic.sim.cluster.call import Answer, Call, Home
from espnic.sim.cluster.checkout import sources_of
from espnic.sim.cluster.here import Processes
from espnic.sim.files import PROJECT
from espnic.sim.problem import BAD_INPUT, SimulationError

DEATHS_MAX = 3
"""Deaths after which a shard is given up."""

Job = TypeVar("Job")
Result = TypeVar("Result")


class Task(Protocol):
    """A call that has been given to a worker."""

    def add_done_callback(self, function: Callable[[Any], Any], /) -> Any:
        """Call the function, in any thread, when the task has ended or was cancelled."""

    def result(self) -> Answer:
        """The answer. Raises what kept the workers from giving one."""


class Crew(Protocol):
    """Workers that perform calls."""

    @property
    def workers(self) -> int:
        """Number of workers that are there now."""

    def submit(self, call: Call, lead: Any) -> Task:
        """Let a worker perform a call. ``lead`` is a task that has ended, or None: its builds
        go along."""

    def cancel(self, tasks: Iterable[Any]) -> None:
        """End these tasks."""

    def reason(self, error: Exception) -> str:
        """Why there is no answer, in words."""


@dataclass
class _Shard:
    place: int
    call: Call
    group: Hashable
    deaths: int = 0


class Pool:
    """Workers for shards."""

    def __init__(self, crew: Crew, home: Home) -> None:
        self._crew = crew
        self._home = home
        self._leads: dict[Hashable, Task | None] = {}
        """Tasks that have the builds of each group; None where all find them in a folder."""

    @property
    def workers(self) -> int:
        """Number of workers that are there now; those of a cluster may come late."""
        return self._crew.workers

    def run(
        self, function: Callable[[Job], Result], jobs: Iterable[Job],
        group: Callable[[Job], Hashable] = lambda _job: None,
    ) -> Iterator[tuple[Job, Result]]:
        """Let workers call ``function`` on each job; give jobs and results as they come.

        Function, jobs and results are pickled, so the function is one of a module. It runs in a
        process of its own, where the same checkout is. ``str(job)`` names a job in messages.

        Jobs of one ``group`` need the same builds. The first of a group goes ahead, in this or an
        earlier ``run`` of the pool; the others start when it has ended, and find its builds in the
        folder of builds, or get them sent where that is not shared. Jobs of the group None wait
        for none.

        Raises what the function raises, if it is an error of ``sim/problem.py``, else
        ``SimulationError`` with its traceback; and ``SimulationError`` when a shard has died
        ``DEATHS_MAX`` times. When left early, as by an interrupt, it ends the tasks that run.
        """
        given = list(jobs)
        waiting: dict[Hashable, list[_Shard]] = {}
        running: dict[Any, _Shard] = {}
        ended: SimpleQueue[Any] = SimpleQueue()

        def start(shard: _Shard) -> None:
            task = self._crew.submit(shard.call, self._leads.get(shard.group))
            running[task] = shard
            task.add_done_callback(ended.put)

        try:
            for place, job in enumerate(given):
                name = group(job)
                leads = name is not None and name not in self._leads and name not in waiting
                call = Call(str(job), pickle.dumps((function, job)), self._home, leads)
                if leads:
                    waiting[name] = []
                if name in waiting and not leads:
                    waiting[name].append(_Shard(place, call, name))
                else:
                    start(_Shard(place, call, name))
            while running:
                task = ended.get()
                shard = running.pop(task)
                answer = self._answer(task, shard)
                if answer.outcome is None:
                    start(shard)
                    continue
                result = answer.result()
                if shard.call.leads:
                    self._leads[shard.group] = task if answer.parcel else None
                    for other in waiting.pop(shard.group):
                        start(other)
                yield given[shard.place], result
        finally:
            self._crew.cancel(running)

    def _answer(self, task: Task, shard: _Shard) -> Answer:
        try:
            answer = task.result()
        except BAD_INPUT:
            raise
        except Exception as error:
            raise SimulationError(f"{shard.call.name}: {self._crew.reason(error)}") from None
        if answer.outcome is None:
            shard.deaths += 1
            if shard.deaths == DEATHS_MAX:
                raise SimulationError(f"{shard.call.name}: died {shard.deaths} times, "
                                      f"the last time on {answer.death}")
        return answer


@contextlib.contextmanager
def pool(cluster: str | None, jobs: int | None = None) -> Iterator[Pool]:
    """Workers for as long as it is entered.

    Parameters
    ----------
    cluster
        Where they are, as the user says it (``Address``); None: processes of this machine.
    jobs
        Number of shards to perform at once; a running scheduler has its own number of workers.

    Raises ``InputError`` for a cluster that is none or does not answer, and ``MissingTool`` when
    Dask is missing.
    """
    address = None if cluster is None else Address.parse(cluster)
    with _home() as home:
        if address is None:
            with Processes(jobs or 1) as crew:
                yield Pool(crew, home)
            return
        # Imported here: Dask is optional, and its import takes a while.
        from espnic.sim.cluster.clusters import opened

        with opened(address, jobs) as dask_crew:
            yield Pool(dask_crew, home)


@contextlib.contextmanager
def _home() -> Iterator[Home]:
    cache = cache_directory()
    mark = cache / "runs" / f"home-{uuid.uuid4().hex}"
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    try:
        yield Home(str(PROJECT), sources_of(PROJECT), str(cache), str(mark.relative_to(cache)))
    finally:
        mark.unlink(missing_ok=True)
