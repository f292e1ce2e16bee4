"""The engine's rate to the clock: one beat each clock on the busier side, both directions at once.

Sizes are those of clear packets, see ``sim.rate.traffic``.
"""

from dataclasses import replace
from random import Random

import pytest

from espnic.model.device.device import Device
from espnic.model.interface.codes import (
    ESP_TRAILER_MIN_BYTES,
    IcvSize,
    RxStatus,
    SaDirection,
    SaResult,
    TxOperation,
)
from espnic.model.interface.features import Features
from espnic.model.sa.lifetime import Limits
from espnic.sim.clocks import CLOCKS_MHZ
from espnic.sim.rate.known_mixes import KNOWN
from espnic.sim.rate.lso import Bursts, measure_bursts
from espnic.sim.rate.measure import (
    beat_count,
    build_rig,
    check_frames,
    measure_packets,
    steady,
)
from espnic.sim.rate.mix import CUTS, KINDS, Kind, Mix, Stretch
from espnic.sim.rate.mix_rates import LONG, SHORT, MixRig
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
from espnic.sim.traffic import frames
from espnic.sim.traffic.steps import RxFrame, TxFrame
from tests.support.differences import check_items
from tests.support.engine_steps import add_commands

pytestmark = pytest.mark.fixed_seed

SAS = 100
SEED = 1
LATENCY_MAX = 44
BURST_LATENCY_MAX = 60
"""Latency of the first segment of a burst, in clocks."""
WORKLOADS = (
    Workload("64", (64,) * 60),
    Workload("90", (90,) * 60),
    Workload("1500", (1500,) * 12),
    Workload("9000", (9000,) * 6),
    Workload("mix", (1500, *(1 + 7 * n % 300 + 20 for n in range(60)))),
)
SHAPES = [(536, 2), (536, 20), (1460, 2), (1460, 20)]
"""MSS and segments of bursts."""
LONE_SHAPES = [(1, 3), (20, 3), (64, 100), (64, 1), (256, 255), (1460, 1), (1460, 44), (8960, 7)]
"""MSS and segments of bursts that come alone, some of more segments than are summed at ingress."""
MIXES = [(shape, small) for shape in ((8960, 2), (536, 2), (1460, 1)) for small in (1, 4, 40, 100)]
"""MSS and segments of bursts, and the number of small frames behind each."""
MIX_SHARE = 0.999
"""Part of the beats of the output that a mix reaches."""
LEAST_PER_CENT = 99.9
"""Least part of the limit that a known mix reaches."""
NOT_YET: dict[int, dict[str, float]] = {
    128: {},
    256: {},
    512: {"one-beat-sealed": 50.0},
}
"""The known mixes that do not reach it at a width, with what they reach."""
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


def test_the_first_segment_of_a_burst_does_not_wait_for_its_sum(width):
    print(f"seed {SEED}")
    rig = build_rig(width, SAS)
    shapes = LONE_SHAPES + SHAPES
    lone = [Bursts(mss, mss * segments, 3) for mss, segments in shapes]
    rows = measure_bursts(rig, lone, populate(rig, SAS, SEED), CLOCKS_MHZ[width], SEED)
    late = {(row.mss, row.segments): (row.first_beat_clocks, row.latency_clocks) for row in rows
            if max(row.first_beat_clocks, row.latency_clocks) > BURST_LATENCY_MAX}
    assert not late


@pytest.mark.parametrize("sizes", [(64,) * 20, (1500,), (1500,) * 10])
def test_no_clock_is_lost_where_packets_and_bursts_take_turns(width, sizes):
    """The first segment of a burst is cut while packets leave that came before it."""
    clocks, limit = take_turns(width, sizes, (1460, 2))
    assert clocks == limit


@pytest.mark.parametrize(("shape", "small"), MIXES)
def test_small_frames_behind_bursts_keep_the_rate(width, shape, small):
    clocks, limit = take_turns(width, (64,) * small, shape)
    assert limit >= MIX_SHARE * clocks


def take_turns(width, sizes, shape):
    """Send packets of these sizes and a burst, again and again.

    Gives the clocks of the turns after the warm-up, and the beats that left in them.
    """
    print(f"seed {SEED}")
    rig = build_rig(width, SAS)
    population = populate(rig, SAS, SEED)
    traffic = Traffic(population.sas, SEED)
    mss, segments = shape
    rounds = [[*(packet(traffic, size) for size in sizes), traffic.burst(mss, segments * mss)[:2]]
              for _ in range(12)]
    requests, sealed = zip(*(one for each in rounds for one in each), strict=True)
    played, = play(rig, [Load(requests, (), population.table)])
    leaving = [frame for burst in sealed for frame in burst]
    check_items(played.sent, leaving, width=width)
    start = len(leaving) // len(rounds) * warm_up(len(rounds))
    left = played.left["tx"]
    clocks = left[-1][1] - left[start - 1][1]
    given = sum(beat_count(step.data, width) for step in requests)
    limit = sum(beat_count(frame, width) for frame in leaving[start:])
    assert given <= sum(beat_count(frame, width) for frame in leaving)
    return clocks, limit


def test_the_known_mixes_reach_their_share_of_the_limit(width):
    """A mix that receives at the limit never lets its input wait."""
    print(f"seed {SEED}")
    rig = MixRig(build_rig(width, SAS), SEED)
    rates = rig.measure([known.mix for known in KNOWN], LONG)
    lost = []
    for known, rate in zip(KNOWN, rates, strict=True):
        found = rate.sides[known.side]
        least = NOT_YET[width].get(known.name, LEAST_PER_CENT)
        waits = known.side == "rx" and least == LEAST_PER_CENT and found.stalls
        if 100 * found.share < least or waits:
            lost.append(f"{known.name}: {100 * found.share:.2f} per cent, expected {least}; "
                        f"the input waits {found.stalls} clocks")
    assert not lost, "\n".join(lost)


def test_every_kind_of_frame_in_a_mix_has_its_fate(width):
    """Limits, windows and guards of all SAs are at work; what expires and repeats is refused."""
    print(f"seed {SEED}")
    rig = MixRig(build_rig(width, SAS), SEED)
    tx, rx = (tuple(
        Stretch(kind, 9601 if kind == Kind.OVERSIZE else 64, 30, mss=50 if kind in CUTS else 0,
                spread=200) for kind in KINDS[side]) for side in ("tx", "rx"))
    rate, = rig.measure([Mix(tx, rx, shuffled=True)], SHORT)
    few = 4  # clocks by which the latencies of two frames differ
    assert all(0 < each.limit <= each.clocks + few for each in rate.sides.values())


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


@pytest.mark.parametrize("forged", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("sas", [1, 5])
def test_frames_of_esp_of_one_beat_never_stall_the_input(sas, forged):
    """The shortest frames of ESP fill one beat at 512 bits, and a forger needs no key for them.

    They are of SAs with windows and limits, some of which are reached on the way.
    """
    print(f"seed {SEED}")
    chance = Random(f"{SEED} {sas} {forged}")
    rig = build_rig(512, SAS)
    kept = tuple(replace(sa, esn=True, device_window=True, replay_window=128,
                         limits=Limits(soft_packets=50, hard_packets=chance.randrange(100, 400)))
                 for sa in make_sas(sas, SEED, IcvSize.ICV8))
    device = Device(Features(width=512, sas=rig.size))
    commands = [command.values for command in add_commands(kept, SaDirection.RX)]
    for command in commands:
        assert device.command(command) == SaResult.OK
    wire = [short_frame(chance, chance.choice(kept), number, forged) for number in range(1, 1001)]
    played, = play(rig, [Load((), tuple(map(RxFrame, wire)), commands=commands)])
    assert set(played.results) == {SaResult.OK}
    expected = [device.receive(frame) for frame in wire]
    assert [(got.completion["status"], got.frame) for got in played.received] == [
        (received.completion["status"], received.frame) for received in expected]
    statuses = {RxStatus(got.completion["status"]) for got in played.received}
    assert statuses >= {RxStatus.AUTH_FAILED} if forged else {RxStatus.OK, RxStatus.EXPIRED}
    for side in (played.entered["rx"], played.left["rx"]):
        start = side[0][0]
        assert side == [(clock, clock) for clock in range(start, start + len(wire))]


def short_frame(chance, sa, sequence, forged):
    """A frame of ESP of 62 to 64 bytes, with a wrong bit in its ICV if it is ``forged``."""
    frame = frames.sealed(sa, chance.randbytes(2) + b"\0\x04", sequence)
    if chance.random() < forged:
        frame = frame[:-1] + bytes([frame[-1] ^ 1 << chance.randrange(8)])
    frame += bytes(chance.randrange(3))
    assert 62 <= len(frame) <= 64
    return frame


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
