"""Child processes that end with the command, whatever ends it."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from types import FrameType
from typing import Any

from espnic.sim.problem import SimulationError


@dataclass(frozen=True)
class Ended:
    """A child that has ended."""

    failure: str | None
    """Exit code, or what else went wrong; None when all went well."""
    output: str
    errors: str


class Children:
    """Runs child processes, each in a session of its own, from any thread.

    A child never outlives the call that started it: when that call is left by an exception,
    the child is killed, and all that it has started. When this process is killed, the child is
    too, where the system has ``setpriv``.
    """

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, command: Sequence[str], limit: float | None = None, **settings: Any) -> Ended:
        """Run a command to its end, for ``limit`` seconds at most; no input.

        ``settings`` are those of ``Popen``. Output and errors are in the result, unless
        ``settings`` send them elsewhere. Raises ``SimulationError`` after ``stop``.
        """
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        child: subprocess.Popen[str] | None = None
        try:
            with _signals_held(), self._lock:
                if self._stopped:
                    raise SimulationError("interrupted")
                child = subprocess.Popen(
                    [*_dying_with_us(), *command], stdin=subprocess.DEVNULL,
                    start_new_session=True, text=True, errors="replace", **{**pipes, **settings})
                self._running.add(child)
            output, errors = child.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            return Ended(f"no end after {limit} s", "", "")
        finally:
            if child is not None:
                with self._lock:
                    self._running.discard(child)
                if child.poll() is None:
                    _end(child)
        return Ended(str(child.returncode) if child.returncode else None,
                     output or "", errors or "")

    def end(self) -> None:
        """End all children that run, in any thread."""
        with self._lock:
            running = tuple(self._running)
        for child in running:
            _end(child)

    def stop(self) -> None:
        """End all children that run, and start none from now on."""
        with self._lock:
            self._stopped = True
        self.end()


SIMULATIONS = Children()
"""The children of all builds and runs of simulations."""


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Hold what signals raise until the end: a child that is half started could not be ended."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Signals raise in the main thread alone.
        return
    held: list[tuple[int, FrameType | None]] = []
    handlers = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        handler = signal.getsignal(number)
        if callable(handler):
            handlers[number] = handler
            signal.signal(number, lambda *arguments: held.append(arguments))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for arguments in held:
            handlers[signal.Signals(arguments[0])](*arguments)


@cache
def _dying_with_us() -> tuple[str, ...]:
    """Command that runs another, to be killed when the thread that has started it is gone."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()


def _end(child: "subprocess.Popen[str]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
