"""The engine's rate to the clock: one beat each clock on the busier side, both directions at once.

Sizes are those of clear packets, see ``sim.rate``.
"""

from dataclasses import replace

import pytest

from sim import rate
from sim.play import play
from sim.rate import Workload

SAS = 100
SEED = 1
LATENCY_MAX = 40
WORKLOADS = (
    Workload("64", (64,) * 60),
    Workload("90", (90,) * 60),
    Workload("1500", (1500,) * 12),
    Workload("9000", (9000,) * 6),
    Workload("mix", (1500, *(1 + 7 * n % 300 + 20 for n in range(60)))),
)


@pytest.mark.parametrize("width", [128, 256, 512])
def test_no_clock_is_lost_between_packets_of_changing_sas(width):
    print(f"seed {SEED}")
    rig = rate.build_rig(width, SAS)
    population = rate.populate(rig, SAS, SEED)
    jobs = [rate.make_job(workload, population, SEED) for workload in WORKLOADS]
    rows = rate.measure(rig, jobs, rate.CLOCKS_MHZ[width])
    lost = [f"{row.direction} {row.size}: {row.clocks_per_packet:.3f} clocks a packet, "
            f"limit {row.limit_clocks:.3f}"
            for row in rows if row.clocks_per_packet != row.limit_clocks]
    assert not lost, "\n".join(lost)
    late = {(row.direction, row.size): row.latency_clocks
            for row in rows if row.latency_clocks > LATENCY_MAX}
    assert not late


@pytest.mark.parametrize("seed", [1, 2])
def test_played_frames_are_right_with_gaps_and_stalls(seed):
    print(f"seed {seed}")
    rig = rate.build_rig(128, SAS)
    job = rate.make_job(
        Workload("mix", tuple(range(21, 400, 3))), rate.populate(rig, SAS, SEED), seed)
    slowed = replace(job.load, gap=60 * seed, stall=70 * seed)
    played, = play(rig, [slowed], seed)
    rate.check_frames(job, played)
    beats = sum(-(-len(frame) // 16) for frame in job.sent)
    assert played.clocks > 1.2 * beats
