"""Child processes: what they give, and that they end with the call that started them."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from espnic.sim.build.processes import Children
from espnic.sim.problem import SimulationError

FOREVER = ["sh", "-c", "echo $$ >pid; sleep 1000 & echo $! >grandchild; wait"]


@pytest.fixture
def children():
    return Children()


def wait_for(path):
    while not (path.is_file() and path.read_text().strip()):
        time.sleep(0.01)
    return Path("/proc") / path.read_text().strip()


def is_running(process):
    try:
        return " Z " not in (process / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def ends(process, seconds=10):
    """Whether a process ends in time: one that was killed runs until the kernel has reached it."""
    limit = time.monotonic() + seconds
    while is_running(process) and time.monotonic() < limit:
        time.sleep(0.01)
    return not is_running(process)


def in_thread(children, folder):
    """Run what never ends; gives the thread, the list of its results, and the two processes."""
    ended = []
    thread = threading.Thread(target=lambda: ended.append(children.run(FOREVER, cwd=folder)))
    thread.start()
    return thread, ended, [wait_for(folder / name) for name in ("pid", "grandchild")]


def test_output_errors_and_exit_code_are_given(children):
    ended = children.run(["sh", "-c", "echo out; echo wrong >&2; exit 3"])
    assert (ended.failure, ended.output, ended.errors) == ("3", "out\n", "wrong\n")
    assert children.run(["true"]).failure is None


def test_child_beyond_its_limit_is_ended_with_what_it_has_started(children, tmp_path):
    ended = children.run(FOREVER, 0.5, cwd=tmp_path)
    assert ended.failure == "no end after 0.5 s"
    assert all(ends(wait_for(tmp_path / name)) for name in ("pid", "grandchild"))


@pytest.mark.parametrize("end", ["end", "stop"])
def test_children_of_another_thread_are_ended(children, tmp_path, end):
    thread, ended, processes = in_thread(children, tmp_path)
    getattr(children, end)()
    thread.join(10)
    assert ended[0].failure == "-9"
    assert all(map(ends, processes))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_child_is_ended_by_a_signal_that_comes_while_it_starts(
        children, tmp_path, monkeypatch, number):
    """A loaded machine may run the child long before its parent."""
    started = []
    start = subprocess.Popen

    def start_slowly(*arguments, **settings):
        child = start(*arguments, **settings)
        started.append(wait_for(tmp_path / "grandchild"))
        os.kill(os.getpid(), number)
        return child

    monkeypatch.setattr(subprocess, "Popen", start_slowly)
    before = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            children.run(FOREVER, cwd=tmp_path)
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)
    assert ends(started[0]) and ends(wait_for(tmp_path / "pid"))


def test_no_child_starts_after_stop(children, tmp_path):
    children.end()
    children.run(["true"])
    children.stop()
    with pytest.raises(SimulationError, match="interrupted"):
        children.run(["touch", "started"], cwd=tmp_path)
    assert not (tmp_path / "started").exists()
