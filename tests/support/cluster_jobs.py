"""Jobs that the workers of a pool perform: each is pickled and runs in a process of its own."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from espnic.sim.problem import InputError


@dataclass(frozen=True)
class Job:
    """A job of a name, with a folder for what it tells."""

    name: str
    folder: Path

    def __str__(self) -> str:
        return f"job {self.name}"


def told(folder: Path) -> list[str]:
    """Lines that the jobs have told, in their order."""
    path = folder / "told"
    return path.read_text().splitlines() if path.is_file() else []


def _tell(job: Job, what: str) -> None:
    with (job.folder / "told").open("a") as file:
        file.write(f"{what} {job.name}\n")


def tell(job: Job) -> str:
    """Tell start and end."""
    _tell(job, "start")
    time.sleep(0.2)
    _tell(job, "end")
    return job.name.upper()


def kill_worker_once(job: Job) -> str:
    """Kill the worker in the middle of the job that is called victim, the first time."""
    _tell(job, "start")
    if job.name == "victim" and told(job.folder).count("start victim") == 1:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    _tell(job, "end")
    return job.name.upper()


def kill_job_once(job: Job) -> str:
    """Kill the job of the batch system in the middle of the job that is called victim, once.

    It is the session of the worker.
    """
    _tell(job, "start")
    if job.name == "victim" and told(job.folder).count("start victim") == 1:
        os.killpg(os.getsid(os.getppid()), signal.SIGKILL)
        time.sleep(60)
    _tell(job, "end")
    return job.name.upper()


def kill_worker(job: Job) -> None:
    """Kill the worker each time."""
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


def kill_itself(job: Job) -> None:
    """Die each time."""
    _tell(job, "start")
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(job: Job) -> None:
    """Take long."""
    (job.folder / job.name).write_text(str(os.getpid()))
    time.sleep(600)


def refuse(job: Job) -> None:
    """Find that an argument is wrong."""
    raise InputError(f"{job.name}: expected another")


def divide(job: Job) -> float:
    """Fail in a way that nobody expects."""
    return 1 / (len(job.name) - len(job.name))


def build_inverter(job: Job) -> str:
    """Build; gives the first line of the log, which says where it was built."""
    # Imported here: the other jobs start in less time without Amaranth.
    from espnic.sim.build.builds import build
    from espnic.sim.build.netlist import Netlist

    text = "module inverter(input i, output o);\n  assign o = ~i;\nendmodule\n"
    ready = build(Netlist("inverter", text, {"i": 1}, {"o": 1}), "icarus")
    return (ready.directory / "build.log").read_text().splitlines()[0]
