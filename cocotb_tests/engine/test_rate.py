"""The engine's rate to the clock: one beat each clock on the busier side, both directions at once.

Sizes are those of clear packets, see ``sim.rate.traffic``.
"""

from dataclasses import replace
from random import Random

import pytest

from espnic.model.interface.codes import ESP_TRAILER_MIN_BYTES, IcvSize, TxOperation
from espnic.sim.clocks import CLOCKS_MHZ
from espnic.sim.rate.lso import Bursts, measure_bursts
from espnic.sim.rate.measure import (
    beat_count,
    build_rig,
    check_frames,
    measure_packets,
    steady,
)
from espnic.sim.rate.traffic import (
    Population,
    Traffic,
    Workload,
    make_job,
    make_sas,
    populate,
    warm_up,
)
from espnic.sim.rig.runs import Load, play
from espnic.sim.rig.sa_tables import table_files
from espnic.sim.traffic.steps import TxFrame
from tests.support.differences import check_items

pytestmark = pytest.mark.fixed_seed

SAS = 100
SEED = 1
LATENCY_MAX = 44
WORKLOADS = (
    Workload("64", (64,) * 60),
    Workload("90", (90,) * 60),
    Workload("1500", (1500,) * 12),
    Workload("9000", (9000,) * 6),
    Workload("mix", (1500, *(1 + 7 * n % 300 + 20 for n in range(60)))),
)
SHAPES = [(536, 2), (536, 20), (1460, 2), (1460, 20)]
"""MSS and segments of bursts."""
TURN_CLOCKS = 3
"""Clocks lost between the shortest packets and a burst, at 512 bits."""
BURSTS = [Bursts(mss, mss * segments, max(3, 40 // segments)) for mss, segments in SHAPES]


def test_no_clock_is_lost_between_packets_of_changing_sas(width):
    print(f"seed {SEED}")
    rig = build_rig(width, SAS)
    population = populate(rig, SAS, SEED)
    jobs = [make_job(workload, population, SEED) for workload in WORKLOADS]
    check_rows(measure_packets(rig, jobs, CLOCKS_MHZ[width]))


def test_no_clock_is_lost_between_segments_and_bursts_of_changing_sas(width):
    print(f"seed {SEED}")
    rig = build_rig(width, SAS)
    rows = measure_bursts(rig, BURSTS, populate(rig, SAS, SEED), CLOCKS_MHZ[width], SEED)
    assert [(row.mss, row.segments) for row in rows] == SHAPES
    check_limits(rows)


@pytest.mark.parametrize("sizes", [(64,) * 20, (1500,), (1500,) * 10])
def test_no_clock_is_lost_where_packets_and_bursts_take_turns(width, sizes):
    """The first segment of a burst is summed while packets leave that came before it.

    At 512 bits a packet of 3 beats is too short for the burst after it to get ready to be cut.
    """
    print(f"seed {SEED}")
    rig = build_rig(width, SAS)
    population = populate(rig, SAS, SEED)
    traffic = Traffic(population.sas, SEED)
    rounds = [[*(packet(traffic, size) for size in sizes), traffic.burst(1460, 2 * 1460)[:2]]
              for _ in range(12)]
    requests, sealed = zip(*(one for each in rounds for one in each), strict=True)
    played, = play(rig, [Load(requests, (), population.table)])
    frames = [frame for burst in sealed for frame in burst]
    check_items(played.sent, frames, width=width)
    start = len(frames) // len(rounds) * warm_up(len(rounds))
    left = played.left["tx"]
    clocks = left[-1][1] - left[start - 1][1]
    given = sum(beat_count(step.data, width) for step in requests)
    limit = sum(beat_count(frame, width) for frame in frames[start:])
    assert given < sum(beat_count(frame, width) for frame in frames)
    turns = len(rounds) - warm_up(len(rounds))
    lost = TURN_CLOCKS if (width, sizes[-1]) == (512, 64) else 0
    assert clocks == limit + lost * turns


def packet(traffic, size):
    """A request, and the frame that it leaves as."""
    request, sealed, _ = traffic.next(size)
    return request, [sealed]


@pytest.mark.parametrize("icv", IcvSize)
def test_no_clock_is_lost_at_any_length_of_text_and_icv(width, icv):
    """Texts of all lengths in the last of two beats, or of the beats that make as many bytes."""
    print(f"seed {SEED}")
    rig = build_rig(width, SAS)
    population = populate(rig, SAS, SEED, icv)
    jobs = [make_job(Workload(str(size), (size,) * 24), population, SEED)
            for size in (text - ESP_TRAILER_MIN_BYTES for text in range(68, 129, 4))]
    check_rows(measure_packets(rig, jobs, CLOCKS_MHZ[width]))


@pytest.mark.parametrize("sas", [1, 5])
def test_a_replay_window_costs_no_clock(width, sas):
    """Packets back to back, also all of one SA: each is judged by what the one before left."""
    print(f"seed {SEED}")
    rig = build_rig(width, SAS)
    kept = tuple(replace(sa, esn=True, device_window=True, replay_window=128)
                 for sa in make_sas(sas, SEED, IcvSize.ICV8))
    population = Population(kept, table_files(rig.width, rig.size, kept))
    for size in (64, 250):
        job = make_job(Workload(str(size), (size,) * 40), population, SEED)
        played, = play(rig, [job.load])
        check_frames(job, played)
        beats = [beat_count(frame, width) for frame in job.sent]
        passages = played.passages("rx")
        clocks, limit = steady(passages, beats, beats)
        assert clocks == limit
        first = passages[0]
        assert first.last_out - beats[0] - first.last_in <= LATENCY_MAX


def check_rows(rows):
    """Check that all are at the limit and none is late."""
    check_limits(rows)
    late = {(row.direction, row.size): row.latency_clocks
            for row in rows if row.latency_clocks > LATENCY_MAX}
    assert not late


def check_limits(rows):
    lost = [f"{row.direction} {row.size}: {row.clocks_per_packet:.3f} clocks a packet, "
            f"limit {row.limit_clocks:.3f}"
            for row in rows if row.clocks_per_packet != row.limit_clocks]
    assert not lost, "\n".join(lost)


def test_frames_leave_without_gaps(width):
    """tvalid never falls inside a frame: alone, back to back, and between gaps and stalls."""
    print(f"seed {SEED}")
    rig = build_rig(width, SAS)
    population = populate(rig, SAS, SEED)
    sizes = tuple(range(21, 400, 9))
    load = make_job(Workload("mix", sizes), population, SEED).load
    mixed = Load(with_bypass(load.tx), load.rx, load.table)
    loads = [Load([tx], [rx], load.table) for tx, rx in zip(load.tx, load.rx, strict=True)]
    loads += [load, mixed]
    loads += [replace(mixed, gap=gap, stall=stall)
              for gap in (0, 60, 180) for stall in (60, 120, 220)]
    gaps = {(len(load.tx), load.gap, load.stall, len(load.tx[0].data)): played.gaps
            for load, played in zip(loads, play(rig, loads, SEED), strict=True)}
    assert {name: found for name, found in gaps.items() if any(found.values())} == {}


def with_bypass(requests):
    """Frames that ask for nothing, of all lengths, among those that are to be sealed."""
    chance = Random(SEED)
    mixed = []
    for request in requests:
        mixed.append(request)
        for _ in range(chance.randrange(3)):
            frame = chance.randbytes(chance.choice((60, chance.randrange(14, 1500))))
            mixed.append(TxFrame({"operation": TxOperation.BYPASS}, frame))
    return mixed


@pytest.mark.parametrize("seed", [1, 2])
def test_played_frames_are_right_with_gaps_and_stalls(seed):
    print(f"seed {seed}")
    rig = build_rig(128, SAS)
    job = make_job(
        Workload("mix", tuple(range(21, 400, 3))), populate(rig, SAS, SEED), seed)
    slowed = replace(job.load, gap=60 * seed, stall=70 * seed)
    played, = play(rig, [slowed], seed)
    check_frames(job, played)
    beats = sum(-(-len(frame) // 16) for frame in job.sent)
    assert played.clocks > 1.2 * beats
