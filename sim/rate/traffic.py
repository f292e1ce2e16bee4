"""Packets to measure rates with: workloads, the SAs that they are on, and what must come out.

Sizes are those of the clear IP packet. It travels in an IPv4 tunnel with AES-128 and an ICV of
16 bytes: a frame on the wire is 54 bytes longer, and 2 to 5 bytes of trailer. Each packet is on
another SA than the one before it.
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
)
from espnic.model.net import gso, ip
from espnic.model.sa.sa import SecurityAssociation
from espnic.sim.rig.runs import EngineRig, Load
from espnic.sim.rig.sa_tables import table_files
from espnic.sim.traffic.steps import RxFrame, TxFrame

SIZES = (64, 128, 256, 512, 1024, 1500, 4096, 9000)
IMIX_NAME = "IMIX"
IMIX = (64,) * 7 + (570,) * 4 + (1500,)
"""Sizes in one round of the simple IMIX: 7 to 4 to 1."""
RANDOM_SIZES = (64, 1500)
"""Least and greatest random size."""

SOURCE, DESTINATION = ip_address("192.0.2.1"), ip_address("198.51.100.1")
FIRST_SPI = 0x1000
TCP_HEADER = bytes.fromhex("c350 0050 00010000 00020000 5018 ffff 0000 0000")
"""A TCP header with ACK and PSH, without options."""
_WARM_UP_SHARE = 4
"""One packet in this number is warm-up."""
_PACKETS_MIN = 12
_BEAT_BUDGET = {True: 800, False: 6000}
"""Number of beats of one workload in one direction, by ``quick``."""


@dataclass(frozen=True)
class Workload:
    """Sizes of clear packets, in order; the greatest is in the warm-up."""

    name: str
    sizes: tuple[int, ...]


def workloads(width: int, quick: bool, seed: int) -> list[Workload]:
    """All workloads for a width, ``quick`` with fewer packets in each."""
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
    """The sizes with a warm-up before them, so that exactly the given sizes are measured.

    The warm-up begins with the greatest size, whose latency is measured.
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
    """Packets on the SAs in turn, as the engine gets them and as it must give them.

    The SAs are taken with a stride that is prime to any power of two, so that neighbours lie far
    from each other in the tables.
    """

    _STRIDE = 641

    def __init__(self, sas: Sequence[SecurityAssociation], seed: int) -> None:
        self._sas = sas
        self._random = Random(f"packets {seed}")
        self._sequences = [0] * len(sas)
        self._taken = 0

    def next(self, size: int) -> tuple[TxFrame, bytes, bytes]:
        """Request for the next packet, its sealed frame, and that frame with its text in clear."""
        payload = self._random.randbytes(size - IPV4_HEADER_BYTES)
        index, sequence = self._take(1)
        outgoing = stack.Outgoing(self._sas[index], sequence, clear_packet(IPPROTO_UDP, payload))
        return _as_request(outgoing, index + 1), *_on_the_wire(outgoing)

    def burst(self, mss: int, payload_bytes: int) -> tuple[TxFrame, list[bytes], list[bytes]]:
        """Request to cut a TCP super-packet, and the frames of each segment, as ``next`` has."""
        payload = TCP_HEADER + self._random.randbytes(payload_bytes)
        clear = gso.unfinished(clear_packet(IPPROTO_TCP, payload))
        segments = stack.clear_packets(clear, False, mss)
        index, sequence = self._take(len(segments))
        sa = self._sas[index]
        sealed, opened = zip(*(
            _on_the_wire(stack.Outgoing(sa, sequence + place, segment))
            for place, segment in enumerate(segments)), strict=True)
        request = _as_request(stack.Outgoing(sa, sequence, clear, mss=mss), index + 1)
        return request, list(sealed), list(opened)

    def _take(self, count: int) -> tuple[int, int]:
        """Index of the next SA, and the first of ``count`` sequence numbers taken from it."""
        index = self._taken * self._STRIDE % len(self._sas)
        self._taken += 1
        first = self._sequences[index] + 1
        self._sequences[index] += count
        return index, first


def clear_packet(protocol: int, payload: bytes) -> bytes:
    """An IPv4 packet between the two hosts."""
    header = (bytes([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0])
              + SOURCE.packed + DESTINATION.packed)
    return ip.fix_lengths(header, len(payload)) + payload


def _as_request(outgoing: stack.Outgoing, handle: int) -> TxFrame:
    request = stack.device_request(outgoing, handle)
    return TxFrame(request.descriptor, request.frame)


def _on_the_wire(outgoing: stack.Outgoing) -> tuple[bytes, bytes]:
    """The frame of a packet sealed in software, and that frame with its text in clear."""
    sealed = stack.software_frame(outgoing)
    request = stack.device_request(outgoing, 1)
    start = request.descriptor["esp_offset"] + ESP_TEXT_OFFSET
    icv_at = len(sealed) - outgoing.sa.icv.bytes
    return sealed, sealed[:start] + request.frame[start:icv_at] + sealed[icv_at:]


@dataclass(frozen=True)
class Population:
    """The SAs of an engine, and the folder with its tables after they were added."""

    sas: tuple[SecurityAssociation, ...]
    table: Path


def populate(
    rig: EngineRig, count: int, seed: int, icv: IcvSize = IcvSize.ICV16,
) -> Population:
    """Add ``count`` SAs to the tables of a rig. The tables are kept and made only once."""
    sas = tuple(make_sas(count, seed, icv))
    return Population(sas, table_files(rig.width, rig.size, sas))


@dataclass(frozen=True)
class Job:
    """One workload on a number of SAs, with the frames that must come out."""

    name: str
    """Name of the workload."""
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


def warm_up(passages: int) -> int:
    """Number of leading passages that are excluded as warm-up."""
    return max(1, passages // _WARM_UP_SHARE)
