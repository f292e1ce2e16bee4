"""A build whose cores take two clocks a beat and have their S-boxes in block RAM.

It does what every build does, at half the rate in packets that are sealed or opened.
"""

from random import Random

import pytest

from espnic.model.host import safile
from espnic.model.host.receiver import Receiver
from espnic.model.interface.codes import (
    ESP_ALIGNMENT_BYTES,
    ESP_TRAILER_MIN_BYTES,
    TxOperation,
)
from espnic.sim import ethernet
from espnic.sim.capture.archive import plain_packets
from espnic.sim.capture.pcap import read_capture
from espnic.sim.clocks import CLOCKS_MHZ
from espnic.sim.rate.measure import beat_count, measure_packets
from espnic.sim.rate.traffic import Workload, make_job, populate
from espnic.sim.rig.engine import Options, build_engine
from espnic.sim.rig.runs import Load, play
from espnic.sim.soak.builds import BUILDS
from espnic.sim.traffic.plan import plan_receive
from espnic.sim.traffic.steps import RxFrame, TxFrame
from espnic.sim.traffic.super_frames import SuperTraffic
from tests.support.differences import check_items
from tests.support.engine_runs import hold_on, statuses
from tests.support.engine_steps import BOTH, Traffic, add_commands, alternate, bypass, flip
from tests.support.paths import CAPTURES
from tests.support.sas import all_kinds_of_sa

FOLDED = BUILDS["128-folded"]
FOLD = FOLDED.fold
WIDTH = FOLDED.width
CAPTURED = ("bulk_tun4_gcm128", "esn_hi_tun4_gcm256", "esn_wrap_trn4_gcm128")
SIZES = (21, 64, 90, 250, 1500, 9000)
"""Bytes of clear packets."""
SEED = 1
LATENCY_MAX = 44


def folded_rig():
    return build_engine(Options(width=WIDTH), FOLDED.sas, FOLDED)


def text_bytes(size):
    """Bytes of the text of a clear packet."""
    return -(-(size + ESP_TRAILER_MIN_BYTES) // ESP_ALIGNMENT_BYTES) * ESP_ALIGNMENT_BYTES


@pytest.mark.parametrize("name", CAPTURED)
def test_a_kernel_capture_is_opened(name):
    sas = safile.load(CAPTURES / f"{name}.json").sas
    captured = read_capture(CAPTURES / f"{name}.pcap").packets
    outcome = hold_on(plan_receive(captured, sas, FOLDED.sas).steps, FOLDED)
    receiver = Receiver(sas)
    delivered = [receiver.deliver(got.frame, got.completion) for got in outcome.received]
    check_items([packet for packet in delivered if packet is not None],
                plain_packets(CAPTURES / f"{name}.pcap"), port="delivered", width=WIDTH)


@pytest.mark.parametrize("stall", [0.0, 0.3])
def test_traffic_both_ways_is_the_model(stall):
    random = Random(SEED)
    sas = all_kinds_of_sa()
    traffic = Traffic(sas, random)
    supers = SuperTraffic(sas, random, traffic)
    good = [traffic.wire_frame(n % len(sas), random.randrange(1, 700)) for n in range(80)]
    received = alternate([RxFrame(frame) for frame in good], [
        RxFrame(flip(frame, 8 * len(frame) - 200)) for frame in good[1:]])
    sent = []
    for number in range(60):
        sent += [traffic.request(number % len(sas), random.randrange(1, 700), number % 2 == 0),
                 supers.request(segments_max=4, mss=random.randrange(50, 900)),
                 bypass(random.randbytes(random.randrange(60, 300)))]
    outcome = hold_on([*add_commands(sas, *BOTH), *received, *sent], FOLDED, stall=stall)
    given = statuses(outcome, "rx.verdict")
    assert given["OK"] >= len(good) and given["AUTH_FAILED"] > 0
    assert statuses(outcome, "tx.verdict")["SEALED"] > 100


@pytest.mark.fixed_seed
def test_packets_take_the_slots_of_the_core_and_no_clock_more():
    """Half the rate of a core that takes a slot in each clock."""
    rig = folded_rig()
    population = populate(rig, 100, SEED)
    jobs = [make_job(Workload(str(size), (size,) * (40 if size < 1000 else 8)), population, SEED)
            for size in SIZES]
    rows = measure_packets(rig, jobs, CLOCKS_MHZ[WIDTH])
    lost = [f"{row.direction} {row.size}: {row.clocks_per_packet} clocks" for row in rows
            if row.clocks_per_packet != max(
                row.limit_clocks, FOLD * ethernet.slots(text_bytes(int(row.size)), WIDTH))]
    assert len(rows) == 2 * len(SIZES) and not lost, lost


@pytest.mark.fixed_seed
def test_frames_that_are_not_sealed_go_back_to_back():
    chance = Random(SEED)
    plain = [chance.randbytes(size) for size in (60, 64, 300, 1514) * 10]
    load = Load(tuple(TxFrame({"operation": int(TxOperation.BYPASS)}, frame) for frame in plain),
                tuple(map(RxFrame, plain)))
    played, = play(folded_rig(), [load], SEED)
    check_items(played.sent, plain, port="tx", width=WIDTH)
    assert played.gaps == {"rx": 0, "tx": 0}
    start = len(plain) // 2
    for side in ("rx", "tx"):
        left = played.left[side]
        assert left[-1][1] - left[start - 1][1] == sum(
            beat_count(frame, WIDTH) for frame in plain[start:])


@pytest.mark.fixed_seed
def test_a_sealed_frame_leaves_soon_and_gives_a_beat_each_turn():
    """And an opened one leaves soon after the core has taken its text."""
    rig = folded_rig()
    population = populate(rig, 100, SEED)
    for size in SIZES:
        job = make_job(Workload(str(size), (size,)), population, SEED)
        played, = play(rig, [job.load], SEED)
        sealed, = job.sent
        sent, received = (played.passages(side)[0] for side in ("tx", "rx"))
        turns = beat_count(sealed, WIDTH) - 1
        assert sent.first_out - sent.last_in - 1 <= LATENCY_MAX, size
        assert sent.last_out - sent.first_out <= FOLD * turns, size
        # The frame came at a beat a clock, and the core was behind by half of its text.
        behind = (FOLD - 1) * -(-text_bytes(size) // (WIDTH // 8))
        assert received.first_out - received.last_in - 1 <= LATENCY_MAX + behind, size
        assert received.last_out - received.first_out == turns, size
