"""Pools of workers: addresses, results, deaths, interrupts; regressions on a cluster."""

import contextlib
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
from tests.support import batch_systems, cluster_jobs, local_sshd
from tests.support.cluster_jobs import Job, told
from tests.support.regressions import project_with_benches

BENCHES = {
    "flow/skid": """
import cocotb
import pytest

from espnic.hdl.flow.skid import Skid
from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate


@cocotb.test()
async def an_entry_leaves(dut):
    await start_clock_and_reset(dut)
    source = StreamSource(dut, "i", seed=cocotb.RANDOM_SEED, idle=0.3)
    sink = StreamSink(dut, "o", seed=cocotb.RANDOM_SEED, stall=0.3)
    source.send(5)
    assert await sink.receive(1) == [5]


@cocotb.test()
async def an_entry_is_another(dut):
    await start_clock_and_reset(dut)
    StreamSource(dut, "i", seed=cocotb.RANDOM_SEED, idle=0.3).send(5)
    sink = StreamSink(dut, "o", seed=cocotb.RANDOM_SEED, stall=0.3)
    assert await sink.receive(1) == [6]


@pytest.mark.quick
def test_good():
    simulate(Skid(8), name="skid", module=__name__, simulator="icarus",
             testcase="an_entry_leaves")


@pytest.mark.quick
def test_bad():
    simulate(Skid(8), name="skid", module=__name__, simulator="icarus",
             testcase="an_entry_is_another")
""",
    "rx/fake": """
import pytest

from espnic.sim.build.orders import check_simulator


@pytest.mark.quick
@pytest.mark.parametrize("width", [128, 512])
def test_of_a_width(width):
    pass


@pytest.mark.quick
def test_left_out():
    check_simulator("verilator")
""",
}
DEADLY = """
import os
import signal
import time
from pathlib import Path

import pytest

from espnic.sim.build.orders import seed_for


def worker():
    # The worker runs a call, and that runs pytest.
    call = Path(f"/proc/{os.getppid()}/stat").read_text()
    return int(call.rpartition(")")[2].split()[1])


@pytest.mark.quick
def test_a_odd_seeds_fail():
    assert seed_for(2) % 2 == 0


@pytest.mark.quick
@pytest.mark.fixed_seed
def test_b_kills_its_worker_once():
    tries = Path(__file__).with_name("tries")
    with tries.open("a") as file:
        file.write("x")
    if len(tries.read_text()) == 1:
        os.kill(worker(), signal.SIGKILL)
        time.sleep(600)
"""
SLEEPING = """
import os
import time
from pathlib import Path

import pytest


@pytest.mark.quick
def test_a_ends():
    pass


@pytest.mark.quick
def test_b_sleeps():
    (Path(__file__).parent / f"pid{os.getpid()}").touch()
    time.sleep(600)
"""


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
        name, _, task = self.given[place]
        task.set_result(Answer(pickle.dumps((True, name)), parcel={"build": b""}))


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

    def pids():
        return [text for path in tmp_path.iterdir() if (text := path.read_text())]

    def interrupt():
        # A worker that another test has killed may not be back yet.
        while not any(pids()):
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
    assert ends(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids()))
    assert 1 <= len(pids()) <= 2
    # The workers go on.
    assert [result for _, result in workers.run(cluster_jobs.tell, jobs(tmp_path, "e"))] == ["E"]


# Builds and sources

def test_builds_are_sent_where_the_folder_is_not_shared(tmp_path, monkeypatch):
    """The second machine has none, and finds that of the first: its log says where it was made."""
    home = Home(str(PROJECT), sources_of(PROJECT), str(tmp_path / "elsewhere"), "mark")
    call = Call("x", pickled(cluster_jobs.build_inverter, Job("x", tmp_path)), home, leads=True)
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
    call = Call("x", pickled(cluster_jobs.build_inverter, Job("x", tmp_path)), home, leads=True)
    answer = perform(call, Children())
    assert str(shared) in answer.result() and answer.parcel is None


def test_machine_with_other_sources_is_refused_in_one_line(tmp_path):
    home = Home("/home/me/espnic", "0" * 64, str(tmp_path), "mark")
    call = Call("x", pickled(cluster_jobs.tell, Job("x", tmp_path)), home)
    with pytest.raises(InputError, match=r"^\S+: \S+ has other sources than /home/me/espnic had "
                                         r"at the start, expected the same on all machines to the "
                                         r"end$"):
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


# Batch systems and ssh

DIRECTIVES = {
    "slurm": ("slurm:queue=short,account=nic,cores=8,memory=32GiB,walltime=02:00:00", [
        "#SBATCH -J espnic", "#SBATCH -p short", "#SBATCH -A nic", "#SBATCH -n 1",
        "#SBATCH --cpus-per-task=8", "#SBATCH --mem=32G", "#SBATCH -t 02:00:00"]),
    "lsf": ("lsf:queue=short,project=nic,cores=8,memory=32GB,walltime=02:00", [
        "#BSUB -J espnic", "#BSUB -q short", '#BSUB -P "nic"', "#BSUB -n 8",
        '#BSUB -R "span[hosts=1]"', "#BSUB -M 32000000", "#BSUB -W 02:00"]),
    "pbs": ("pbs:queue=short,account=nic,cores=8,memory=32GiB,walltime=02:00:00", [
        "#PBS -N espnic", "#PBS -q short", "#PBS -A nic", "#PBS -l select=1:ncpus=8:mem=32GB",
        "#PBS -l walltime=02:00:00"]),
}


@pytest.mark.parametrize("system", DIRECTIVES)
def test_job_script_asks_for_what_the_user_says(system, monkeypatch):
    """A worker for each core, in the checkout, with this Python."""
    monkeypatch.setenv("LSF_ENVDIR", "/nowhere")
    text, directives = DIRECTIVES[system]
    lines = clusters.job_script(Address.parse(text)).splitlines()
    assert [line for line in lines if re.match("#(SBATCH|BSUB|PBS) ", line)] == directives
    assert lines[-2] == f"cd {PROJECT}"
    assert re.match(rf"{re.escape(sys.executable)} -m distributed\.cli\.dask_worker tcp://\S+:\d+ "
                    r"--name \S+ --nthreads 1 --memory-limit \S+ --nworkers 8 --nanny", lines[-1])


@pytest.mark.parametrize("system", DIRECTIVES)
def test_job_without_options_has_a_core_and_a_worker(system):
    lines = clusters.job_script(Address.parse(system)).splitlines()
    assert "--nthreads 1" in lines[-1] and "--nworkers" not in lines[-1]


@pytest.mark.parametrize("system", batch_systems.COMMANDS)
def test_jobs_are_submitted_and_cancelled(system, tmp_path, monkeypatch):
    """By stand-ins for the commands, which run the scripts on this machine."""
    batch_systems.stand_in(system, tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pool(system, 2) as workers:
        results = workers.run(cluster_jobs.tell, jobs(tmp_path, "a", "b", "c"))
        assert sorted(result for _, result in results) == ["A", "B", "C"]
    scripts = [path for path in tmp_path.glob("job.*") if path.suffix != ".log"]
    assert len(scripts) == 2
    assert ends(lambda: not any(pids_of(path.name) for path in scripts))


def test_job_that_ends_is_submitted_anew_and_its_shard_runs_again(tmp_path, monkeypatch):
    """Job with two workers, which a batch system ends in the middle of a shard."""
    monkeypatch.setattr(clusters, "_KEEP_SECONDS", 0.5)
    batch_systems.stand_in("slurm", tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pool("slurm:cores=2", 2) as workers:
        results = workers.run(cluster_jobs.kill_job_once, jobs(tmp_path, "a", "victim", "b"))
        assert sorted(result for _, result in results) == ["A", "B", "VICTIM"]
    assert told(tmp_path).count("end victim") == 1
    assert len([path for path in tmp_path.glob("job.*") if path.suffix != ".log"]) == 2


def test_job_that_the_batch_system_refuses_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition: x' >&2; "
                                     "exit 1\n")
    (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with (pytest.raises(InputError, match="^--cluster slurm:queue=x: [^\n]*invalid partition: x"
                                          "[^\n]*, expected a batch system that takes the job$"),
          pool("slurm:queue=x", 1)):
        pass


@pytest.mark.skipif(local_sshd.sshd_program() is None, reason="no sshd: Debian's openssh-server")
def test_workers_are_started_over_ssh_and_ended(tmp_path, monkeypatch):
    with local_sshd.local_sshd(tmp_path) as home:
        monkeypatch.setenv("HOME", str(home))
        before = pids_of("dask_spec")
        with pool(f"ssh:{','.join(local_sshd.NAMES)}", 2) as workers:
            results = workers.run(cluster_jobs.tell, jobs(tmp_path, "a", "b", "c"))
            assert sorted(result for _, result in results) == ["A", "B", "C"]
            assert ends(lambda: workers.workers == 2)
            # A scheduler, and on each host a nanny.
            started = pids_of("dask_spec") - before
            assert len(started) == 3
        assert ends(lambda: not started & pids_of("dask_spec"))


@pytest.mark.skipif(local_sshd.sshd_program() is None, reason="no sshd: Debian's openssh-server")
def test_host_that_ssh_does_not_know_is_one_line(tmp_path, monkeypatch):
    with local_sshd.local_sshd(tmp_path) as home:
        monkeypatch.setenv("HOME", str(home))
        (tmp_path / "known_hosts").write_text("")
        with (pytest.raises(InputError, match="^--cluster ssh:localhost: [^\n]*Host key is not "
                                              "trusted[^\n]*expected hosts on which ssh"),
              pool("ssh:localhost", 1)):
            pass


def ends(condition, seconds=20):
    """Whether a condition comes true in time."""
    limit = time.monotonic() + seconds
    while not condition() and time.monotonic() < limit:
        time.sleep(0.1)
    return condition()


def pids_of(text):
    """The processes that have a text in their arguments."""
    found = set()
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if text.encode() in process.read_bytes():
                found.add(process.parent.name)
    return found


# What is refused

def test_scheduler_that_goes_away_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(clusters, "CONNECT_SECONDS", 3)
    with subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0",
                           "--host", "127.0.0.1", "--no-dashboard"],
                          stderr=subprocess.PIPE, text=True) as scheduler:
        try:
            line = next(line for line in scheduler.stderr if "Scheduler at:" in line)
            with pool(line.split()[-1]) as workers:
                assert workers.workers == 0
                results = workers.run(cluster_jobs.tell, jobs(tmp_path, "a"))
                threading.Timer(1, scheduler.kill).start()
                with pytest.raises(SimulationError,
                                   match="^job a: the scheduler does not answer any more$"):
                    next(results)
        finally:
            scheduler.kill()


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


# Regressions

def test_report_is_that_of_a_run_without_a_cluster(tmp_path):
    """Failures, evidence, waves and what was left out: all but times and places is the same."""
    project = project_with_benches(tmp_path, BENCHES)
    reports = []
    for where in ([], ["--cluster", "local:2"]):
        code, shown, complaint = project.regress("--seed", 7, "--simulator", "icarus", *where)
        assert (code, complaint.startswith("espnic: 1 of 4 benches failed")) == (1, True), complaint
        assert shown.count("FAILED") == 1
        reports.append(without_times(project.results()))
        failed, = [each for each in project.results()["benches"] if "test_bad" in each["id"]]
        record = project.output / "record"
        drawn, = failed["drawn"]
        assert (record / drawn["wave"]).stat().st_size > 0
        assert (record / failed["runs"][0]["log"]).stat().st_size > 0
    assert reports[0] == reports[1]
    assert len(reports[0]["benches"]) == 5


def test_killed_worker_loses_no_seed(tmp_path):
    project = project_with_benches(tmp_path, {"flow/deadly": DEADLY})
    code, _, complaint = project.regress("--seeds", 4, "--wave", "none", "--cluster", "local:2")
    results = project.results()
    assert results["complete"] and code in (0, 1), complaint
    benches = results["benches"]
    assert len(benches) == len({each["id"] for each in benches}) == 5
    seeds = {each["seed"]: each["outcome"] for each in benches if "odd_seeds" in each["id"]}
    assert len(seeds) == 4
    assert all((outcome == "failed") == (seed % 2 == 1) for seed, outcome in seeds.items())
    assert code == (1 if "failed" in seeds.values() else 0)
    assert (tmp_path / "cocotb_tests" / "flow" / "tries").read_text() == "xx"


def test_interrupt_of_a_regression_leaves_what_was_done_and_no_process(tmp_path):
    project = project_with_benches(tmp_path, {"flow/sleeping": SLEEPING})
    call = subprocess.Popen(
        project.command("--cluster", "local:2"), cwd=project.folder, env=project.environment(),
        text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
        # A shell lets what it starts in the background ignore SIGINT, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    events = project.output / "record" / "events.jsonl"
    room = tmp_path / "cocotb_tests" / "flow"
    while not (list(room.glob("pid*")) and events.exists() and '"ended"' in events.read_text()):
        assert call.poll() is None, call.communicate()[1]
        time.sleep(0.1)
    os.killpg(call.pid, signal.SIGINT)  # as a terminal does, to the workers too
    assert call.communicate()[1] == "espnic: interrupted\n"
    assert call.returncode == 130
    results = project.results()
    assert not results["complete"]
    assert [each["outcome"] for each in results["benches"]] == ["passed"]
    sleeper, = room.glob("pid*")
    assert ends(lambda: not Path(f"/proc/{sleeper.name[3:]}").exists())


@pytest.mark.parametrize("where, said", [
    ("cloud", "--cluster cloud: expected tcp://HOST:PORT, ssh:HOST,HOST, slurm, lsf, pbs with or "
              "without :OPTION=VALUE,... or local:N"),
    ("slurm:nodes=3", "--cluster slurm:nodes=3: nodes=3: expected OPTION=VALUE with one of "),
])
def test_cluster_of_no_kind_ends_the_command_with_2(where, said):
    done = subprocess.run([sys.executable, "-m", "espnic.sim.cli", "regress", "--cluster", where],
                          cwd=PROJECT, text=True, capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"espnic: {said}") and done.stderr.count("\n") == 1


def without_times(value):
    """A report without what differs from run to run: times, and the names of run folders."""
    if isinstance(value, dict):
        return {name: without_times(part) for name, part in value.items()
                if name not in ("seconds", "started", "call")}
    if isinstance(value, list):
        return [without_times(part) for part in value]
    return re.sub(r"(?<=/runs/)[\w-]+", "", value) if isinstance(value, str) else value
