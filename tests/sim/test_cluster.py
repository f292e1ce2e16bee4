"""Pools of workers: addresses, results, deaths, interrupts; regressions on a cluster."""

import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from espnic.sim.build.processes import Children
from espnic.sim.cluster import clusters
from espnic.sim.cluster.address import Address
from espnic.sim.cluster.call import Answer, Call, Home, perform
from espnic.sim.cluster.checkout import sources_of
from espnic.sim.cluster.pool import Pool, pool
from espnic.sim.files import PROJECT
from espnic.sim.problem import InputError, MissingTool, SimulationError
from tests.support import cluster_jobs
from tests.support.cluster_jobs import Job, told

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]


@pytest.fixture(scope="module")
def two_workers():
    """Workers of Dask on this machine."""
    with pool("local:2") as workers:
        yield workers


@pytest.fixture(params=["processes", "dask"])
def workers(request):
    """Two workers, of each kind."""
    if request.param == "dask":
        yield request.getfixturevalue("two_workers")
    else:
        with pool(None, 2) as found:
            yield found


def pickled(function, job):
    return pickle.dumps((function, job))


def jobs(folder, *names):
    return [Job(name, folder) for name in names]



# Where a cluster is

@pytest.mark.parametrize("text, address", [
    ("tcp://head:8786", Address("tcp://head:8786", "scheduler")),
    ("tls://10.0.0.1:8786", Address("tls://10.0.0.1:8786", "scheduler")),
    ("ssh:one,me@two.lan", Address("ssh:one,me@two.lan", "ssh", ("one", "me@two.lan"))),
    ("local:3", Address("local:3", "local", workers=3)),
    ("lsf", Address("lsf", "lsf")),
    ("slurm:queue=short,cores=8,walltime=01:30:00", Address(
        "slurm:queue=short,cores=8,walltime=01:30:00", "slurm",
        options={"queue": "short", "cores": 8, "walltime": "01:30:00"})),
])
def test_address_is_read_as_the_user_means_it(text, address):
    assert Address.parse(text) == address


@pytest.mark.parametrize("text, said", [
    ("", "expected tcp://HOST:PORT, ssh:HOST,HOST, slurm, lsf, pbs"),
    ("head:8786", "expected tcp://HOST:PORT"), ("tcp://head", "expected tcp://HOST:PORT"),
    ("ssh:", "expected tcp://HOST:PORT"), ("ssh:one,,two", "expected tcp://HOST:PORT"),
    ("local:0", "expected tcp://HOST:PORT"), ("local:two", "expected tcp://HOST:PORT"),
    ("slurm:cores=many", "cores=many: expected a number from 1"),
    ("slurm:queue", "queue: expected OPTION=VALUE with one of queue, walltime, "),
    ("lsf:account=me", "account=me: expected OPTION=VALUE with one of "),
])
def test_address_of_nothing_is_one_line(text, said):
    with pytest.raises(InputError, match=re.escape(said)) as refused:
        Address.parse(text)
    assert str(refused.value).startswith(f"--cluster {text}: ")
    assert "\n" not in str(refused.value)


# What workers do

def test_results_come_with_their_jobs(workers, tmp_path):
    given = jobs(tmp_path, "a", "b", "c", "d", "e")
    found = list(workers.run(cluster_jobs.tell, given))
    assert sorted(found, key=lambda pair: pair[0].name) == [
        (job, job.name.upper()) for job in given]


def test_first_of_a_group_ends_before_the_others_start(workers, tmp_path):
    given = jobs(tmp_path, "x1", "x2", "x3", "y1", "y2")
    results = workers.run(cluster_jobs.tell, given, group=lambda job: (tmp_path, job.name[0]))
    assert sorted(result for _, result in results) == ["X1", "X2", "X3", "Y1", "Y2"]
    lines = told(tmp_path)
    for first, *others in (("x1", "x2", "x3"), ("y1", "y2")):
        assert all(lines.index(f"end {first}") < lines.index(f"start {other}") for other in others)


class Listed:
    """A crew that takes what it is given, and answers when it is asked to."""

    workers = 1

    def __init__(self):
        self.given = []

    def submit(self, call, lead):
        task = Future()
        self.given.append((call.name, lead, task))
        return task

    def cancel(self, tasks):
        pass

    def answer(self, place):
        self.given[place][2].set_result(Answer(pickle.dumps((True, self.given[place][0]))))


def test_group_that_the_pool_knows_waits_for_none(tmp_path):
    crew = Listed()
    workers = Pool(crew, Home("", "", "", ""))
    for first in (True, False):
        results = workers.run(cluster_jobs.tell, jobs(tmp_path, "1", "2", "3"), group=lambda _: 7)
        threading.Thread(target=answer_all, args=(crew, 3 if first else 6)).start()
        assert len(list(results)) == 3
    lead = crew.given[0][2]
    assert [given[1] for given in crew.given] == [None, lead, lead, lead, lead, lead]


def answer_all(crew, count):
    for place in range(count - 3, count):
        while len(crew.given) <= place:
            time.sleep(0.01)
        crew.answer(place)


def test_killed_worker_loses_nothing_and_nothing_counts_twice(two_workers, tmp_path):
    given = jobs(tmp_path, "a", "victim", "b", "c", "d")
    found = list(two_workers.run(cluster_jobs.kill_worker_once, given))
    assert sorted(result for _, result in found) == ["A", "B", "C", "D", "VICTIM"]
    lines = told(tmp_path)
    assert lines.count("start victim") == 2 and lines.count("end victim") == 1


def test_shard_that_kills_each_worker_is_given_up_by_name(two_workers, tmp_path):
    with pytest.raises(SimulationError, match=r"^job evil: its worker died 4 times, the last time "
                                              r"at tcp://127\.0\.0\.1:\d+$"):
        list(two_workers.run(cluster_jobs.kill_worker, jobs(tmp_path, "evil")))


def test_shard_that_dies_each_time_is_given_up_by_name(workers, tmp_path):
    with pytest.raises(SimulationError, match="^job weak: died 3 times, the last time on .*: its "
                                              "process ended with -9$"):
        list(workers.run(cluster_jobs.kill_itself, jobs(tmp_path, "weak")))
    assert told(tmp_path) == ["start weak"] * 3


def test_error_of_the_user_is_told_as_it_is(workers, tmp_path):
    with pytest.raises(InputError, match="^width: expected another$"):
        list(workers.run(cluster_jobs.refuse, jobs(tmp_path, "width")))


def test_other_error_comes_with_its_traceback(workers, tmp_path):
    with pytest.raises(SimulationError, match=r"(?s)in divide.*ZeroDivisionError: "):
        list(workers.run(cluster_jobs.divide, jobs(tmp_path, "x")))


def test_shards_that_run_end_when_the_caller_leaves(workers, tmp_path):
    results = workers.run(cluster_jobs.sleep, jobs(tmp_path, "a", "b", "c", "d"))
    started = [tmp_path / "a", tmp_path / "b"]

    def interrupt():
        while not all(path.is_file() and path.read_text() for path in started):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    # A shell lets what it starts in the background ignore SIGINT, and that is inherited.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            next(results)
    finally:
        signal.signal(signal.SIGINT, before)
    limit = time.monotonic() + 10
    pids = [int(path.read_text()) for path in started]
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < limit
        time.sleep(0.05)
    assert not (tmp_path / "c").exists() and not (tmp_path / "d").exists()
    # The workers go on.
    assert [result for _, result in workers.run(cluster_jobs.tell, jobs(tmp_path, "e"))] == ["E"]


# Builds and sources

def test_builds_are_sent_where_the_folder_is_not_shared(tmp_path, monkeypatch):
    """The second machine has none, and finds that of the first: its log says where it was made."""
    home = Home(str(PROJECT), sources_of(PROJECT), str(tmp_path / "elsewhere"), "mark")
    call = Call("x", pickled(cluster_jobs.build_inverter, Job("x", tmp_path)), home)
    answers = [None]
    for machine in ("first", "second"):
        monkeypatch.setenv("ESPNIC_BUILD", str(tmp_path / machine))
        answers.append(perform(call, Children(), answers[-1]))
    assert str(tmp_path / "first") in answers[1].result() == answers[2].result()
    assert len(list((tmp_path / "second").glob("inverter-icarus-*/inverter.vvp"))) == 1


def test_builds_are_found_where_the_folder_is_shared(tmp_path, monkeypatch):
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "mark").touch()
    monkeypatch.setenv("ESPNIC_BUILD", str(tmp_path / "own"))
    home = Home(str(PROJECT), sources_of(PROJECT), str(shared), "mark")
    call = Call("x", pickled(cluster_jobs.build_inverter, Job("x", tmp_path)), home)
    answer = perform(call, Children())
    assert str(shared) in answer.result() and answer.parcel is None


def test_machine_with_other_sources_is_refused_in_one_line(tmp_path):
    home = Home("/home/me/espnic", "0" * 64, str(tmp_path), "mark")
    call = Call("x", pickled(cluster_jobs.tell, Job("x", tmp_path)), home)
    with pytest.raises(InputError, match=r"^\S+: \S+ has other sources than /home/me/espnic had at "
                                         r"the start, expected the same on all machines to the end$"):
        perform(call, Children()).result()
    assert told(tmp_path) == []


def test_sources_are_told_apart_by_name_and_text(tmp_path):
    hashes = set()
    for name, text in (("a.py", "1"), ("a.py", "2"), ("b.py", "2"), ("a.v", "2")):
        folder = tmp_path / f"{name}{text}"
        (folder / "hdl").mkdir(parents=True)
        (folder / "hdl" / name).write_text(text)
        (folder / "hdl" / "notes.txt").write_text(name)
        hashes.add(sources_of(folder))
    assert len(hashes) == 4


# What is refused

@pytest.mark.parametrize("text, said", [
    ("tcp://127.0.0.1:9", "Timed out .* expected a Dask scheduler that answers there$"),
    ("ssh:no.such.host.invalid", "expected hosts on which ssh needs no password"),
])
def test_cluster_that_does_not_answer_is_one_line(text, said, monkeypatch):
    monkeypatch.setattr(clusters, "CONNECT_SECONDS", 1)
    with (pytest.raises(InputError, match=f"^--cluster {re.escape(text)}: [^\n]*{said}"),
          pool(text, 1)):
        pass


def test_machine_that_submits_no_jobs_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with (pytest.raises(MissingTool, match="^--cluster pbs: qsub not found, expected a machine "
                                           "from which jobs are submitted$"),
          pool("pbs", 1)):
        pass


def test_missing_dask_is_named_with_its_remedy(tmp_path):
    """Python takes a module that is None for one that is missing."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.modules['distributed'] = None\n"
         "from espnic.sim.cluster.pool import Pool, pool\nwith pool('local:1'): pass"],
        text=True, capture_output=True, check=False, cwd=PROJECT)
    assert done.stderr.splitlines()[-1].endswith(
        "MissingTool: --cluster: distributed not found; "
        "run pip install -c constraints.txt -e '.[cluster]'")
