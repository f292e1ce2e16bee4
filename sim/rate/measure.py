"""Rates of the engine: clocks a packet and latency, measured on back-to-back frames.

The frames are those of ``sim.rate.traffic``; both directions run at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from espnic.model.interface.codes import RxStatus
from espnic.sim import ethernet
from espnic.sim.problem import SimulationError
from espnic.sim.rate.traffic import IMIX_NAME, Job, Population, make_job, warm_up, workloads
from espnic.sim.rig.bare import play_bare
from espnic.sim.rig.engine import Options, build_engine
from espnic.sim.rig.runs import EngineRig, Load, Passage, Played, play
from espnic.sim.traffic.steps import SIMULATED_SAS

ETHERNET_GBPS = (10, 25, 40, 100)

_SPEED_ROUNDS = 3


@dataclass(frozen=True)
class Row:
    """The figures of one workload in one direction."""

    direction: str
    width: int
    size: str
    """Bytes of the clear packet, ``IMIX_NAME`` or ``random``."""
    sas: int
    frame_bytes: float
    """Mean length of a sealed frame, without FCS."""
    clocks_per_packet: float
    limit_clocks: float
    """Least clocks that a packet can take: its beats on the busier side."""
    latency_clocks: int
    """Latency of a lone frame beyond store and forward: the clocks from its first beat in to its
    first beat out, less the clocks in which its beats came in. Gaps in the frame that leaves count
    as if the frame waited for them to pass, so that a MAC could send it."""
    first_beat_clocks: int
    """Latency as above, but to the clock in which the first beat really leaves."""
    clock_mhz: float

    @property
    def bytes_per_clock(self) -> float:
        """Bytes of sealed frames without FCS."""
        return self.frame_bytes / self.clocks_per_packet

    @property
    def share(self) -> float:
        """Part of the limit that is reached: 1 is one beat each clock."""
        return self.limit_clocks / self.clocks_per_packet

    @property
    def gbps(self) -> float:
        """Rate of sealed frames without FCS in Gb/s, at ``clock_mhz``."""
        return 8 * self.bytes_per_clock * self.clock_mhz / 1000

    @property
    def mpps(self) -> float:
        """Millions of packets a second, at ``clock_mhz``."""
        return self.clock_mhz / self.clocks_per_packet

    def line_mpps(self, gbps: int) -> float:
        """Millions of these frames a second that Ethernet of this rate in Gb/s carries."""
        return ethernet.line_mpps(gbps, self.frame_bytes)

    def as_json(self) -> dict[str, Any]:
        """The figures by name, rounded, for ``--json``."""
        size: int | str = int(self.size) if self.size.isdigit() else self.size
        return {
            "direction": self.direction, "width": self.width, "size": size, "sas": self.sas,
            "frame_bytes": round(self.frame_bytes, 3),
            "clocks_per_packet": round(self.clocks_per_packet, 4),
            "limit_clocks": round(self.limit_clocks, 4),
            "share": round(self.share, 5),
            "bytes_per_clock": round(self.bytes_per_clock, 3),
            "latency_clocks": self.latency_clocks,
            "first_beat_clocks": self.first_beat_clocks,
            "gbps": round(self.gbps, 3),
            "mpps": round(self.mpps, 3),
            "clock_mhz": self.clock_mhz,
            "line_mpps": {str(rate): round(self.line_mpps(rate), 3) for rate in ETHERNET_GBPS},
        }


def build_rig(width: int, sas: int) -> EngineRig:
    """The engine in its rig, with tables for ``sas`` SAs. The build is kept and made only once."""
    return build_engine(Options(width=width), table_size(sas))


def table_size(sas: int) -> int:
    """Least power of two that has ``sas`` handles besides 0, but at least ``SIMULATED_SAS``."""
    return max(SIMULATED_SAS, 1 << sas.bit_length())


def measure_packets(rig: EngineRig, jobs: Sequence[Job], clock_mhz: float) -> list[Row]:
    """Run the jobs, and give the figures of each.

    The first frame of each job runs alone before it, for the latency. Raises
    ``SimulationError`` when a frame that comes out is not what it must be.
    """
    loads = [load for job in jobs for load in (first_alone(job.load), job.load)]
    played = play(rig, loads)
    rows = []
    for number, job in enumerate(jobs):
        alone, whole = played[2 * number:2 * number + 2]
        check_frames(job, whole)
        rows += _rows(rig.width, job, alone, whole, clock_mhz)
    return rows


def check_frames(job: Job, played: Played) -> None:
    """Raise ``SimulationError`` unless every frame that came out is right."""
    for number, (frame, expected) in enumerate(zip(played.sent, job.sent, strict=True)):
        if frame != expected:
            raise SimulationError(f"tx: frame {number} of {job.name} is not as sealed "
                                  "in software")
    for number, (got, expected) in enumerate(zip(played.received, job.opened, strict=True)):
        status = RxStatus(got.completion["status"])
        if (status, got.frame) != (RxStatus.OK, expected):
            raise SimulationError(f"rx: frame {number} of {job.name} is {status.name}, "
                                  "expected OK and the text in clear")


def first_alone(load: Load) -> Load:
    """The load with only the first frame of each side."""
    return Load(load.tx[:1], load.rx[:1], load.table)


def _rows(
    width: int, job: Job, alone: Played, whole: Played, clock_mhz: float,
) -> list[Row]:
    """The figures of a job in both directions, from its first frame alone and from all."""
    rows = []
    for side, given, came in (
        ("tx", [step.data for step in job.load.tx], job.sent),
        ("rx", job.sent, job.opened),
    ):
        frames_in, frames_out = ([beat_count(frame, width) for frame in frames]
                                 for frames in (given, came))
        clocks, limit = steady(whole.passages(side), frames_in, frames_out)
        frames = job.sent[warm_up(len(job.sent)):]
        first = alone.passages(side)[0]
        rows.append(Row(
            direction=side, width=width, size=job.name, sas=job.sas,
            frame_bytes=sum(map(len, frames)) / len(frames),
            clocks_per_packet=clocks, limit_clocks=limit,
            latency_clocks=first.last_out - frames_out[0] - first.last_in,
            first_beat_clocks=first.first_out - first.last_in - 1, clock_mhz=clock_mhz))
    return rows


def steady(
    passages: Sequence[Passage], given: Sequence[int], came: Sequence[int],
) -> tuple[float, float]:
    """Clocks a passage after the warm-up, and the least possible: the beats of the busier side.

    ``given`` and ``came`` are the numbers of beats of each passage on the way in and out.
    """
    start = warm_up(len(passages))
    count = len(passages) - start
    clocks = passages[-1].last_out - passages[start - 1].last_out
    return clocks / count, max(sum(given[start:]), sum(came[start:])) / count


def beat_count(frame: bytes, width: int) -> int:
    """Number of beats in a frame; ``width`` is the bits of a beat."""
    return -(-len(frame) // (width // 8))


@dataclass(frozen=True)
class Speed:
    """Speed of the simulation, with cocotb and without."""

    cosimulated: float
    """Clocks a second of the engine under cocotb, its frames played and recorded."""
    bare: float
    """Clocks a second of the same Verilated model in a C++ loop, on the same frames."""
    packets: float
    """Packets a second through the engine under cocotb."""

    @property
    def ratio(self) -> float:
        """Time of a clock under cocotb, divided by the time without."""
        return self.bare / self.cosimulated


def measure_speed(rig: EngineRig, population: Population, seed: int) -> Speed:
    """Measure the speed of the simulation on IMIX.

    It runs with and without cocotb in turn, several times. The best run of each counts, since
    other load on the machine disturbs even the processor time.
    """
    imix = next(each for each in workloads(rig.width, False, seed) if each.name == IMIX_NAME)
    job = make_job(imix, population, seed)
    runs = [(play(rig, [job.load])[0], play_bare(rig, job.load)) for _ in range(_SPEED_ROUNDS)]
    cosimulated = max(played.clocks / played.seconds for played, _ in runs)
    bare = max(clocks / seconds for _, (clocks, seconds) in runs)
    packets = max((len(played.sent) + len(played.received)) / played.seconds for played, _ in runs)
    return Speed(cosimulated, bare, packets)
