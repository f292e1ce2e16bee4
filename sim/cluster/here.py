"""Workers that are processes of this machine."""

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType

from espnic.sim.build.processes import Children
from espnic.sim.cluster.call import Answer, Call, perform

_POLL_SECONDS = 0.1


class Processes:
    """A crew of this machine: a thread each, with a child process for each call."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._children = Children()
        self._threads = ThreadPoolExecutor(workers)

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, _type: type[BaseException] | None, _value: BaseException | None,
                 _traceback: TracebackType | None) -> None:
        self._children.stop()
        self._threads.shutdown(cancel_futures=True)

    def submit(self, call: Call, lead: "Future[Answer] | None") -> "Future[Answer]":
        before = None if lead is None else lead.result()
        return self._threads.submit(perform, call, self._children, before)

    def cancel(self, tasks: "Iterable[Future[Answer]]") -> None:
        # Those that wait first: one of them would start when another has ended.
        running = [task for task in tasks if not task.cancel()]
        while wait(running, _POLL_SECONDS).not_done:
            self._children.end()

    def reason(self, error: Exception) -> str:
        return str(error)
