"""Rates of the engine: clocks a packet and latency, measured on back-to-back frames.

Sizes are those of the clear IP packet. It travels in an IPv4 tunnel, AES-128, ICV of 16 bytes:
a frame on the wire is 54 bytes longer, and 2 to 5 bytes of trailer. Both directions run at
once, each packet on another SA than the one before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from random import Random

from espnic.model.host import stack
from espnic.model.interface.codes import (
    ESP_TEXT_OFFSET,
    IPPROTO_TCP,
    IPPROTO_UDP,
    IPV4_HEADER_BYTES,
    IcvSize,
    RxStatus,
)
from espnic.model.net import gso, ip
from espnic.model.sa.sa import SecurityAssociation
from espnic.sim.problem import SimulationError
from espnic.sim.rig.bare import play_bare
from espnic.sim.rig.engine import Options, build_engine
from espnic.sim.rig.runs import EngineRig, Load, Passage, Played, play
from espnic.sim.rig.sa_tables import table_files
from espnic.sim.traffic.steps import SIMULATED_SAS, RxFrame, TxFrame

SIZES = (64, 128, 256, 512, 1024, 1500, 4096, 9000)
IMIX_NAME = "IMIX"
IMIX = (64,) * 7 + (570,) * 4 + (1500,)
"""One round of the simple IMIX: 7 to 4 to 1."""
RANDOM_SIZES = (64, 1500)
"""Least and greatest of the random sizes."""
SA_COUNTS = (1, 1024, 16384)
ETHERNET_GBPS = (10, 25, 40, 100)
ETHERNET_OVERHEAD_BYTES = 24
"""Preamble, FCS and gap of a frame on the wire."""

SOURCE, DESTINATION = ip_address("192.0.2.1"), ip_address("198.51.100.1")
FIRST_SPI = 0x1000
_TCP_HEADER = bytes.fromhex("c350 0050 00010000 00020000 5018 ffff 0000 0000")
"""ACK and PSH, no options."""
_WARM_UP_SHARE = 4
"""One in so many packets is warm-up."""
_PACKETS_MIN = 12
_SPEED_ROUNDS = 3
_BEAT_BUDGET = {True: 800, False: 6000}
"""Beats of one workload in one direction, by ``quick``."""


@dataclass(frozen=True)
class Workload:
    """Sizes of clear packets, in order; the longest is among the warm-up."""

    name: str
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """What one direction did with one workload."""

    direction: str
    width: int
    size: str
    """Bytes of the clear packet, ``IMIX_NAME`` or ``random``."""
    sas: int
    frame_bytes: float
    """Mean length of a sealed frame, without FCS."""
    clocks_per_packet: float
    limit_clocks: float
    """Beats of the busier side, a packet."""
    latency_clocks: int
    """Beyond store and forward, of a lone frame: from its first beat in to its first beat out,
    less the clocks in which its beats came in. Gaps within the frame count as if it waited
    for them to pass, so that a MAC could send it."""
    first_beat_clocks: int
    """The same, with the first beat where it is."""
    clock_mhz: float

    @property
    def bytes_per_clock(self) -> float:
        return self.frame_bytes / self.clocks_per_packet

    @property
    def share(self) -> float:
        """Of the limit: 1 is one beat each clock."""
        return self.limit_clocks / self.clocks_per_packet

    @property
    def gbps(self) -> float:
        """Of sealed frames without FCS, at ``clock_mhz``."""
        return 8 * self.bytes_per_clock * self.clock_mhz / 1000

    @property
    def mpps(self) -> float:
        """Million packets a second, at ``clock_mhz``."""
        return self.clock_mhz / self.clocks_per_packet

    def line_mpps(self, gbps: int) -> float:
        """Million packets a second of such frames that Ethernet carries."""
        return gbps * 1000 / 8 / (self.frame_bytes + ETHERNET_OVERHEAD_BYTES)

    def as_json(self) -> dict:
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


def workloads(width: int, quick: bool, seed: int) -> list[Workload]:
    """All of them; ``quick`` takes fewer packets of each."""
    random = Random(f"sizes {seed}")
    budget = _BEAT_BUDGET[quick] * width // 8
    found = [Workload(str(size), (size,) * max(_PACKETS_MIN, budget // size)) for size in SIZES]
    mixed = list(IMIX) * max(2, budget // sum(IMIX))
    random.shuffle(mixed)
    found.append(Workload(IMIX_NAME, warmed_up(mixed)))
    least, greatest = RANDOM_SIZES
    count = max(_PACKETS_MIN, 2 * budget // (least + greatest))
    drawn = tuple(random.randint(least, greatest) for _ in range(count))
    found.append(Workload("random", warmed_up(drawn)))
    return found


def warmed_up(sizes: Sequence[int]) -> tuple[int, ...]:
    """The sizes behind so many others that they, and all of them, are what is measured.

    The first is the greatest, whose latency is measured.
    """
    before = max(1, len(sizes) // (_WARM_UP_SHARE - 1))
    return (max(sizes), *(sizes[index % len(sizes)] for index in range(before - 1)), *sizes)


def make_sas(
    count: int, seed: int, icv: IcvSize = IcvSize.ICV16,
) -> list[SecurityAssociation]:
    """Tunnel SAs between two hosts, told apart by their SPIs alone."""
    random = Random(f"SAs {seed}")
    return [
        SecurityAssociation(
            spi=FIRST_SPI + index, source=SOURCE, destination=DESTINATION,
            key=random.randbytes(16), salt=random.randbytes(4), seqiv_salt=random.randbytes(8),
            icv=icv)
        for index in range(count)
    ]


class Traffic:
    """Packets of SAs in turn, as the engine gets them and as it must give them.

    Every other SA is taken, by a stride that is prime to any power of two, so that
    neighbours lie far from each other in the tables.
    """

    _STRIDE = 641

    def __init__(self, sas: Sequence[SecurityAssociation], seed: int) -> None:
        self._sas = sas
        self._random = Random(f"packets {seed}")
        self._sequences = [0] * len(sas)
        self._taken = 0

    def next(self, size: int) -> tuple[TxFrame, bytes, bytes]:
        """Request, sealed frame, and the same frame opened in its place."""
        payload = self._random.randbytes(size - IPV4_HEADER_BYTES)
        index, sequence = self._take(1)
        outgoing = stack.Outgoing(self._sas[index], sequence, _clear(IPPROTO_UDP, payload))
        return _as_request(outgoing, index + 1), *_on_the_wire(outgoing)

    def burst(self, mss: int, payload_bytes: int) -> tuple[TxFrame, list[bytes], list[bytes]]:
        """Request to cut a TCP super-packet, and of its segments the same as of a packet."""
        payload = _TCP_HEADER + self._random.randbytes(payload_bytes)
        clear = gso.unfinished(_clear(IPPROTO_TCP, payload))
        segments = stack.clear_packets(clear, False, mss)
        index, sequence = self._take(len(segments))
        sa = self._sas[index]
        sealed, opened = zip(*(
            _on_the_wire(stack.Outgoing(sa, sequence + place, segment))
            for place, segment in enumerate(segments)), strict=True)
        request = _as_request(stack.Outgoing(sa, sequence, clear, mss=mss), index + 1)
        return request, list(sealed), list(opened)

    def _take(self, count: int) -> tuple[int, int]:
        """The next SA, and the first of so many sequence numbers that it gives away."""
        index = self._taken * self._STRIDE % len(self._sas)
        self._taken += 1
        first = self._sequences[index] + 1
        self._sequences[index] += count
        return index, first


def _clear(protocol: int, payload: bytes) -> bytes:
    header = (bytes([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0])
              + SOURCE.packed + DESTINATION.packed)
    return ip.fix_lengths(header, len(payload)) + payload


def _as_request(outgoing: stack.Outgoing, handle: int) -> TxFrame:
    request = stack.device_request(outgoing, handle)
    return TxFrame(request.descriptor, request.frame)


def _on_the_wire(outgoing: stack.Outgoing) -> tuple[bytes, bytes]:
    """The sealed frame of a packet, all made in software, and the same opened in its place."""
    sealed = stack.software_frame(outgoing)
    request = stack.device_request(outgoing, 1)
    start = request.descriptor["esp_offset"] + ESP_TEXT_OFFSET
    icv_at = len(sealed) - outgoing.sa.icv.bytes
    return sealed, sealed[:start] + request.frame[start:icv_at] + sealed[icv_at:]


@dataclass(frozen=True)
class Population:
    """The SAs of an engine, and the folder with its tables when they have been added."""

    sas: tuple[SecurityAssociation, ...]
    table: Path


def populate(
    rig: EngineRig, count: int, seed: int, icv: IcvSize = IcvSize.ICV16,
) -> Population:
    """Add so many SAs; kept, so done only once."""
    sas = tuple(make_sas(count, seed, icv))
    return Population(sas, table_files(rig.width, rig.size, sas))


@dataclass(frozen=True)
class Job:
    """One workload on so many SAs, with what must come out."""

    name: str
    """Of the workload."""
    sas: int
    load: Load
    sent: tuple[bytes, ...]
    opened: tuple[bytes, ...]


def make_job(workload: Workload, population: Population, seed: int) -> Job:
    """Frames of a workload for both directions."""
    traffic = Traffic(population.sas, seed)
    requests, sealed, opened = zip(*(traffic.next(size) for size in workload.sizes), strict=True)
    load = Load(requests, tuple(RxFrame(frame) for frame in sealed), population.table)
    return Job(workload.name, len(population.sas), load, sealed, opened)


def build_rig(width: int, sas: int) -> EngineRig:
    """The engine with tables for so many SAs, in its rig; kept, so built only once."""
    return build_engine(Options(width=width), table_size(sas))


def table_size(sas: int) -> int:
    """Least power of two that has so many handles besides 0, and no less than is usual."""
    return max(SIMULATED_SAS, 1 << sas.bit_length())


def measure(rig: EngineRig, jobs: Sequence[Job], clock_mhz: float) -> list[Row]:
    """Run the jobs; every frame that comes out is compared with what it must be.

    Before each runs its first frame alone, for the latency. Raises
    ``SimulationError`` when a frame is wrong.
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
    """The first frame of each side without the others."""
    return Load(load.tx[:1], load.rx[:1], load.table)


def _rows(
    width: int, job: Job, alone: Played, whole: Played, clock_mhz: float,
) -> list[Row]:
    rows = []
    for side, given, came in (
        ("tx", [step.data for step in job.load.tx], job.sent),
        ("rx", job.sent, job.opened),
    ):
        frames_in, frames_out = ([beats(frame, width) for frame in frames]
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
    """Clocks a passage behind the warm-up, and their limit: the beats of the busier side.

    ``given`` and ``came`` are the beats that each has on the way in and out.
    """
    start = warm_up(len(passages))
    count = len(passages) - start
    clocks = passages[-1].last_out - passages[start - 1].last_out
    return clocks / count, max(sum(given[start:]), sum(came[start:])) / count


def beats(frame: bytes, width: int) -> int:
    """That a frame has."""
    return -(-len(frame) // (width // 8))


def warm_up(passages: int) -> int:
    """How many of so many do not count."""
    return max(1, passages // _WARM_UP_SHARE)


@dataclass(frozen=True)
class Speed:
    """How fast the simulation is, with cocotb and without."""

    cosimulated: float
    """Clocks a second of the engine under cocotb, its frames played and recorded."""
    bare: float
    """Clocks a second of the same Verilated model in a C++ loop, on the same frames."""
    packets: float
    """A second, through the engine under cocotb."""

    @property
    def ratio(self) -> float:
        """How many times as long a clock takes under cocotb."""
        return self.bare / self.cosimulated


def measure_speed(rig: EngineRig, population: Population, seed: int) -> Speed:
    """Run IMIX both ways, in turn; the best of each counts, for other load disturbs even
    the processor time."""
    imix = next(each for each in workloads(rig.width, False, seed) if each.name == IMIX_NAME)
    job = make_job(imix, population, seed)
    runs = [(play(rig, [job.load])[0], play_bare(rig, job.load)) for _ in range(_SPEED_ROUNDS)]
    cosimulated = max(played.clocks / played.seconds for played, _ in runs)
    bare = max(clocks / seconds for _, (clocks, seconds) in runs)
    packets = max((len(played.sent) + len(played.received)) / played.seconds for played, _ in runs)
    return Speed(cosimulated, bare, packets)
