"""Rates of segmentation: clocks a burst, measured on super-frames back to back.

A burst is the segments of one TCP super-packet, in an IPv4 tunnel as ``sim.rate.traffic`` has it:
the frames on the wire have 40 bytes of TCP/IP headers, 54 bytes of tunnel, and a trailer of 2 to 5
bytes. The engine receives the segments at the same time. Each burst is on another SA than the one
before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from espnic.sim.rate.measure import Row, beat_count, check_frames, first_alone, steady
from espnic.sim.rate.traffic import Job, Population, Traffic, warm_up
from espnic.sim.rig.runs import EngineRig, Load, Played, play
from espnic.sim.traffic.steps import RxFrame

DIRECTION = "lso"
MSS = (536, 1460, 8960)
SEGMENTS = (2, 8, 45)
SMALL_MSS = (1, 64, 256)
"""MSS of segments that are headers for a great part; measured with the most segments only."""
QUICK = ((536, 8), (1460, 2), (1460, 45), (64, 45))
"""MSS and segments of the short set."""
PAYLOAD_BYTES_MAX = 65400
"""Most payload of a super-packet: its tunnel header counts to 65,535 with headers and trailer."""
_HEADER_BYTES = 40
_BURSTS_MIN = {True: 3, False: 5}
_BEAT_BUDGET = {True: 600, False: 3000}
"""Number of beats of payload of one workload, by ``quick``."""


@dataclass(frozen=True)
class Bursts:
    """A workload of super-packets that are all alike."""

    mss: int
    payload_bytes: int
    """Bytes of TCP payload in each."""
    count: int

    @property
    def segments(self) -> int:
        """Segments of each; the last may be short."""
        return -(-self.payload_bytes // self.mss)

    @property
    def name(self) -> str:
        return f"{self.segments} segments of {self.mss}"


@dataclass(frozen=True)
class BurstRow(Row):
    """The figures of one workload of bursts.

    A packet, in the figures of ``Row``, is a segment, but ``size`` is that of the super-packet.
    """

    mss: int
    segments: int
    """Segments of a burst."""
    payload_bytes: int
    """Bytes of TCP payload in a burst."""

    @property
    def clocks_per_burst(self) -> float:
        return self.clocks_per_packet * self.segments

    @property
    def limit_per_burst(self) -> float:
        """Least clocks that a burst can take: the beats of the frames that leave."""
        return self.limit_clocks * self.segments

    @property
    def payload_gbps(self) -> float:
        """Rate of TCP payload in Gb/s, at ``clock_mhz``."""
        return 8 * self.payload_bytes / self.clocks_per_burst * self.clock_mhz / 1000

    def as_json(self) -> dict[str, Any]:
        return super().as_json() | {
            "mss": self.mss, "segments": self.segments,
            "clocks_per_burst": round(self.clocks_per_burst, 4),
            "limit_per_burst": round(self.limit_per_burst, 4),
            "payload_gbps": round(self.payload_gbps, 3),
        }


def burst_workloads(width: int, quick: bool) -> list[Bursts]:
    """All workloads for a width; with ``quick`` fewer, and fewer bursts in each."""
    shapes = QUICK if quick else (
        *((mss, segments) for mss in MSS for segments in SEGMENTS),
        *((mss, max(SEGMENTS)) for mss in SMALL_MSS))
    sizes = dict.fromkeys((mss, min(mss * segments, PAYLOAD_BYTES_MAX))
                          for mss, segments in shapes)
    budget = _BEAT_BUDGET[quick] * width // 8
    return [Bursts(mss, payload, max(_BURSTS_MIN[quick], budget // (payload + _HEADER_BYTES)))
            for mss, payload in sizes]


def burst_job(bursts: Bursts, population: Population, seed: int) -> Job:
    """A job with super-frames to send, and their segments to receive."""
    traffic = Traffic(population.sas, seed)
    requests, sealed, opened = zip(
        *(traffic.burst(bursts.mss, bursts.payload_bytes) for _ in range(bursts.count)),
        strict=True)
    sent = tuple(frame for burst in sealed for frame in burst)
    load = Load(requests, tuple(RxFrame(frame) for frame in sent), population.table)
    return Job(bursts.name, len(population.sas), load, sent,
               tuple(frame for burst in opened for frame in burst))


def measure_bursts(
    rig: EngineRig, workloads: Sequence[Bursts], population: Population, clock_mhz: float,
    seed: int,
) -> list[BurstRow]:
    """Run the workloads, and give the figures of each.

    The first burst of each workload runs alone before it, for the latency. Raises
    ``SimulationError`` when a frame that comes out is not what it must be.
    """
    jobs = [burst_job(bursts, population, seed) for bursts in workloads]
    played = play(rig, [load for job in jobs for load in (first_alone(job.load), job.load)])
    rows = []
    for number, (bursts, job) in enumerate(zip(workloads, jobs, strict=True)):
        alone, whole = played[2 * number:2 * number + 2]
        check_frames(job, whole)
        rows.append(_row(rig.width, bursts, job, alone, whole, clock_mhz))
    return rows


def _row(
    width: int, bursts: Bursts, job: Job, alone: Played, whole: Played, clock_mhz: float,
) -> BurstRow:
    segments = bursts.segments
    given = [beat_count(step.data, width) for step in job.load.tx]
    came = [sum(beat_count(frame, width) for frame in job.sent[start:start + segments])
            for start in range(0, len(job.sent), segments)]
    clocks, limit = steady(whole.passages("tx", segments), given, came)
    frames = job.sent[warm_up(bursts.count) * segments:]
    first, = alone.passages("tx", segments)
    return BurstRow(
        direction=DIRECTION, width=width, size=str(_HEADER_BYTES + bursts.payload_bytes),
        sas=job.sas, frame_bytes=sum(map(len, frames)) / len(frames),
        clocks_per_packet=clocks / segments, limit_clocks=limit / segments,
        latency_clocks=first.last_out - came[0] - first.last_in,
        first_beat_clocks=first.first_out - first.last_in - 1, clock_mhz=clock_mhz,
        mss=bursts.mss, segments=segments, payload_bytes=bursts.payload_bytes)
