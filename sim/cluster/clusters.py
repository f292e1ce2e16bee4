"""Workers of a Dask cluster: one that runs, or one that is started for this call."""

import contextlib
import importlib
import importlib.util
import logging
import math
import shlex
import shutil
import signal
import socket
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from typing import Any

from espnic.sim.build.processes import Children
from espnic.sim.cluster.address import QUEUES, Address
from espnic.sim.cluster.call import Answer, Call, perform
from espnic.sim.files import PROJECT
from espnic.sim.problem import InputError, MissingTool, SimulationError

REMEDY = "run pip install -c constraints.txt -e '.[cluster]'"
try:
    import dask
    import distributed
except ImportError as error:
    raise MissingTool(f"--cluster: {error.name} not found; {REMEDY}") from None

CONNECT_SECONDS = 10
_KEEP_SECONDS = 10
_POLL_SECONDS = 0.2
_QUIET = """
import logging, signal
logging.getLogger("distributed").setLevel(logging.CRITICAL)
# The terminal interrupts all of its processes; it means the command.
signal.signal(signal.SIGINT, signal.SIG_IGN)
"""
"""First thing that a worker on this machine does."""
_NAME = "espnic"
_MEMORY = "4GB"
"""Memory of a job of one core, where neither the user nor Dask's configuration says another."""


class DaskCrew:
    """The workers of a Dask scheduler."""

    def __init__(self, client: "distributed.Client") -> None:
        self._client = client

    @property
    def workers(self) -> int:
        # The client asks every two seconds; scheduler_info would ask each time.
        return int(self._client._scheduler_identity.get("n_workers", 0))

    def submit(self, call: Call, lead: Any) -> Any:
        # Not pure: a shard that is given again is another task.
        return self._client.submit(_perform, call, lead, pure=False, key=None)

    def cancel(self, tasks: Iterable[Any]) -> None:
        self._client.cancel(list(tasks), force=True)

    def reason(self, error: Exception) -> str:
        if isinstance(error, distributed.KilledWorker):
            return (f"its worker died {error.allowed_failures + 1} times, "
                    f"the last time at {error.last_worker.address}")
        if isinstance(error, ModuleNotFoundError):
            return f"a worker has no {error.name}, expected espnic installed on all machines"
        if isinstance(error, CancelledError):
            return "the scheduler does not answer any more"
        return f"{type(error).__name__}: {error}"


def _perform(call: Call, lead: Answer | None) -> Answer:
    """On a worker: perform a call, and end it when nobody wants it any more."""
    worker = distributed.get_worker()
    key = worker.get_current_task()
    children = Children()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_POLL_SECONDS):
            task = worker.state.tasks.get(key)
            if task is None or task.state == "cancelled":
                children.stop()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        return perform(call, children, lead)
    except SimulationError:
        # Dask may take a shard back and want it again, as when a network was away for a while.
        return Answer(death=f"{socket.gethostname()}: it was taken back")
    finally:
        over.set()
        watcher.join()


@contextlib.contextmanager
def opened(address: Address, jobs: int | None) -> Iterator[DaskCrew]:
    """Workers of a cluster.

    Raises ``InputError`` when it cannot be had, and ``MissingTool`` when a package is missing.
    """
    needed = "dask_jobqueue" if address.kind in QUEUES else "asyncssh"
    if address.kind in (*QUEUES, "ssh") and not importlib.util.find_spec(needed):
        raise MissingTool(f"--cluster {address.text}: {needed} not found; {REMEDY}")
    with contextlib.ExitStack() as stack:
        # The pool tells what matters. Dask's configuration would silence the other machines too,
        # and SSHCluster reads what they say.
        for name in ("distributed", "distributed.client", "asyncssh"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            place: Any = address.text
            if address.kind != "scheduler":
                place = stack.enter_context(_cluster(address, jobs))
            client = stack.enter_context(distributed.Client(
                place, timeout=CONNECT_SECONDS, set_as_default=False))
        except OSError as error:
            raise InputError(f"--cluster {address.text}: {_cause(error)}, expected a Dask "
                             "scheduler that answers there") from None
        yield DaskCrew(client)


@contextlib.contextmanager
def _cluster(address: Address, jobs: int | None) -> Iterator[Any]:
    """Start a cluster, and end it."""
    begin = {"ssh": _over_ssh, "local": _on_this_machine}.get(address.kind, _of_jobs)
    try:
        cluster = begin(address, jobs or 1)
    except (InputError, MissingTool):
        raise
    except Exception as error:
        raise InputError(f"--cluster {address.text}: {_cause(error)}, expected "
                         f"{_EXPECTED.get(address.kind, _EXPECTED_OF_QUEUE)}") from None
    try:
        with _kept(cluster) if address.kind in QUEUES else contextlib.nullcontext():
            yield cluster
    finally:
        # Who has not ended by then ends when the scheduler is gone.
        with contextlib.suppress(TimeoutError):
            cluster.close(timeout=CONNECT_SECONDS)


_EXPECTED = {
    "ssh": "hosts on which ssh needs no password, with espnic in the same folder",
    "local": "processes that start",
}
_EXPECTED_OF_QUEUE = "a batch system that takes the job"


def _on_this_machine(address: Address, _jobs: int) -> Any:
    return distributed.LocalCluster(
        n_workers=address.workers, threads_per_worker=1, memory_limit=0,
        dashboard_address="127.0.0.1:0",
        preload=[_QUIET])


def _over_ssh(address: Address, jobs: int) -> Any:
    """The scheduler is on the first host, beside workers."""
    return distributed.SSHCluster(
        [address.hosts[0], *address.hosts],
        worker_options={"nthreads": 1, "n_workers": math.ceil(jobs / len(address.hosts)),
                        "memory_limit": 0},
        scheduler_options={"dashboard_address": ":0"})


def job_script(address: Address) -> str:
    """The script that is given to the batch system for each job."""
    with _queue(address) as cluster:
        return str(cluster.job_script())


def _of_jobs(address: Address, jobs: int) -> Any:
    cluster = _queue(address)
    try:
        command = cluster.job_cls.submit_command
        if not shutil.which(command):
            raise MissingTool(f"--cluster {address.text}: {command} not found, expected a machine "
                              "from which jobs are submitted")
        count = math.ceil(jobs / cluster._dummy_job.worker_processes)
        # scale would tell a log of a submission that fails, and nobody else.
        while len(cluster.worker_spec) < count:
            cluster.worker_spec.update(cluster.new_worker_spec())
        cluster.sync(cluster._correct_state)
    except BaseException:
        cluster._created.clear()  # close would wait for jobs that were never submitted
        cluster.close(timeout=CONNECT_SECONDS)
        raise
    return cluster


@contextlib.contextmanager
def _kept(cluster: Any) -> Iterator[None]:
    """Submit a job in place of each that ends, as at the end of its time."""
    arrivals = _Arrivals()
    cluster.scheduler.add_plugin(arrivals)
    over = threading.Event()

    def keep() -> None:
        while not over.wait(_KEEP_SECONDS):
            for name in _gone(cluster, arrivals.names):
                # First the new one: it would get the name that is free.
                cluster.worker_spec.update(cluster.new_worker_spec())
                del cluster.worker_spec[name]
            # What a batch system refuses now it may take later.
            with contextlib.suppress(Exception):
                cluster.sync(cluster._correct_state)

    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join(CONNECT_SECONDS)


class _Arrivals(distributed.SchedulerPlugin):
    """Names of all workers that have come, also of those that were gone soon."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def add_worker(self, scheduler: Any, worker: str) -> None:
        self.names.add(str(scheduler.workers[worker].name))


def _gone(cluster: Any, came: set[str]) -> list[str]:
    """The jobs that had workers and have none now; ``came`` has the names of all that have come."""
    here = {str(worker.name) for worker in list(cluster.scheduler.workers.values())}
    return [job for job in cluster.worker_spec
            if any(_is_of(name, job) for name in list(came))
            and not any(_is_of(name, job) for name in here)]


def _is_of(worker: str, job: str) -> bool:
    """Whether a worker belongs to a job: it has its name, with a number if there are several."""
    return worker == job or worker.startswith(f"{job}-")


def _queue(address: Address) -> Any:
    """A cluster whose workers are jobs of a batch system, without any yet."""
    jobqueue = _jobqueue()
    configured = dask.config.get(f"jobqueue.{address.kind}")
    options: dict[str, Any] = dict(address.options)
    for name, value in (("cores", 1), ("memory", _MEMORY)):
        if configured[name] is None:
            options.setdefault(name, value)
    # Each process performs one shard at a time.
    if configured["processes"] is None:
        options.setdefault("processes", options.get("cores", configured["cores"]))
    options["job_name"] = _NAME
    # The jobs find the checkout, whatever folder the batch system starts them in.
    options["job_script_prologue"] = [
        *configured["job-script-prologue"], f"cd {shlex.quote(str(PROJECT))}"]
    options["scheduler_options"] = {"dashboard_address": ":0", **configured["scheduler-options"]}
    make = {"slurm": jobqueue.SLURMCluster, "lsf": jobqueue.LSFCluster,
            "pbs": jobqueue.PBSCluster}[address.kind]
    return make(**options)


def _jobqueue() -> Any:
    """The module dask_jobqueue, which takes the signals for itself as it is imported."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    module = importlib.import_module("dask_jobqueue")
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
    return module


def _cause(error: BaseException) -> str:
    """The last line of what an error says, which is the nearest to its cause."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
