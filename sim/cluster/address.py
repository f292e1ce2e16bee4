"""Place of a cluster, as the user says it."""

import re
from dataclasses import dataclass, field

from espnic.sim.problem import InputError

FORMS = ("tcp://HOST:PORT, ssh:HOST,HOST, slurm, lsf, pbs with or without :OPTION=VALUE,... "
         "or local:N")
QUEUES = ("slurm", "lsf", "pbs")
_SCHEDULER = re.compile(r"(tcp|tls)://\S+:\d+")
_HOST = re.compile(r"([\w.-]+@)?[\w.:-]+")
_COMMON: dict[str, type] = {
    "queue": str, "walltime": str, "memory": str, "cores": int, "processes": int,
    "interface": str, "local_directory": str, "log_directory": str}
QUEUE_OPTIONS: dict[str, dict[str, type]] = {
    "slurm": {**_COMMON, "account": str}, "pbs": {**_COMMON, "account": str},
    "lsf": {**_COMMON, "project": str}}
"""Options of each batch system that ``--cluster`` takes, and their types; Dask's configuration
takes all."""


@dataclass(frozen=True)
class Address:
    """A cluster."""

    text: str
    """Text of the user."""
    kind: str
    """scheduler, ssh, local or one of ``QUEUES``."""
    hosts: tuple[str, ...] = ()
    """Machines of ssh."""
    workers: int = 0
    """Number of processes of local."""
    options: dict[str, str | int] = field(default_factory=dict)
    """Options of a job of a batch system."""

    @staticmethod
    def parse(text: str) -> "Address":
        """Raises ``InputError`` for what is no cluster."""
        if _SCHEDULER.fullmatch(text):
            return Address(text, "scheduler")
        kind, _, rest = text.partition(":")
        if kind == "local" and rest.isascii() and rest.isdecimal() and int(rest):
            return Address(text, kind, workers=int(rest))
        hosts = tuple(rest.split(","))
        if kind == "ssh" and all(map(_HOST.fullmatch, hosts)):
            return Address(text, kind, hosts)
        if kind in QUEUES:
            return Address(text, kind, options=_options(text, kind, rest))
        raise InputError(f"--cluster {text}: expected {FORMS}")


def _options(text: str, kind: str, rest: str) -> dict[str, str | int]:
    known = QUEUE_OPTIONS[kind]
    options: dict[str, str | int] = {}
    for part in filter(None, rest.split(",")):
        name, equals, value = part.partition("=")
        if name not in known or not value:
            raise InputError(f"--cluster {text}: {part}: expected OPTION=VALUE with one of "
                             f"{', '.join(known)}; others go into Dask's configuration")
        if known[name] is int:
            if not (value.isascii() and value.isdecimal() and int(value)):
                raise InputError(f"--cluster {text}: {part}: expected a number from 1")
            options[name] = int(value)
        else:
            options[name] = value
    return options
