"""The receive path in the smallest engines that have it, against the golden model."""

from dataclasses import replace
from random import Random

import pytest

from espnic.model.interface.codes import FRAME_BYTES_MAX, RxChecksum, SaDirection
from espnic.model.interface.features import Features
from espnic.model.sa.lifetime import Limits
from espnic.sim.traffic import frames
from espnic.sim.traffic.plain_frames import good_frame, headers, l4_bit_wrong
from espnic.sim.traffic.steps import RxFrame
from tests.support.differences import check_items
from tests.support.engine_runs import hold_on, hold_small, statuses
from tests.support.engine_steps import Traffic, add_commands, flip, spoilt, with_sidebands
from tests.support.sas import all_kinds_of_sa, make_sa

SIDEBAND_BITS = 9
FEATURES = Features(128, 16, lso=False, ipv6=False, transmit=False, replay_window=0,
                    sideband=SIDEBAND_BITS)
WINDOWED = Features(128, 16, lso=False, transmit=False, replay_window=32,
                    sideband=SIDEBAND_BITS)
TEXT = bytes(18) + b"\0\x04"


@pytest.mark.quick
def test_frames_are_opened_passed_and_counted_in_short():
    chance = Random(1)
    sas = [sa for sa in all_kinds_of_sa() if sa.outer_family == 4]
    traffic = Traffic(sas, chance)
    steps = add_commands(sas, SaDirection.RX)
    for index in range(len(sas)):
        good = RxFrame(traffic.wire_frame(index, 40 + index))
        steps += [replace(good, bad=True), good,
                  RxFrame(flip(traffic.wire_frame(index, 20), 500)),
                  RxFrame(chance.randbytes(61))]
    outcome = hold_small(with_sidebands(steps, chance, SIDEBAND_BITS), FEATURES)
    assert statuses(outcome, "rx.verdict") == {
        "OK": 2, "AUTH_FAILED": 2, "NOT_IP": 2, "BAD_FRAME": 2}


def verdicts(outcome):
    return [record.fields["status"] for record in outcome.trace if record.point == "rx.verdict"]


@pytest.mark.parametrize("stall", [0.0, 0.3])
def test_bad_frames_change_nothing_of_their_sa(stall):
    """Neither the window nor the lifetime: each good frame is the first with its number."""
    count = 12
    sa = make_sa(esn=True, replay_window=32, device_window=True, initial_seq=2**32 - 5,
                 limits=Limits(hard_packets=count))
    numbers = range(2**32 - 5, 2**32 - 5 + count)
    steps = add_commands([sa], SaDirection.RX)
    for number in numbers:
        ahead = frames.sealed(sa, TEXT, number + 2000)
        good = frames.sealed(sa, TEXT, number)
        steps += [RxFrame(good, bad=True), RxFrame(ahead, bad=True), RxFrame(good)]
    steps.append(RxFrame(frames.sealed(sa, TEXT, numbers.stop)))
    outcome = hold_on(steps, WINDOWED, stall=stall)
    check_items(verdicts(outcome), [*["BAD_FRAME", "BAD_FRAME", "OK"] * count, "EXPIRED"],
                port="status")


def test_a_bad_frame_is_bad_whatever_else_it_is_but_too_long():
    chance = Random(3)
    sas = [make_sa(seed=1), make_sa(seed=2, encapsulation=1),
           make_sa(6, seed=3, replay_window=32, device_window=True)]
    kinds = [kind.frame for sa in sas for kind in frames.kinds(sa) if kind.frame]
    plain = [frame for kind in headers() for frame in (
        good_frame(chance, 40, kind=kind), l4_bit_wrong(chance, kind, 40))]
    short = [chance.randbytes(count) for count in (1, 14, 15, 16, 17, 31, 32, 33)]
    long = bytes(FRAME_BYTES_MAX)
    steps = [RxFrame(frame, bad=True) for frame in (*kinds, *plain, *short, long)
             if len(frame) <= FRAME_BYTES_MAX]
    bad = len(steps)
    steps += [RxFrame(long + bytes(count), bad=True) for count in (1, 16, 17)]
    steps += [RxFrame(long, bad=True, null_end=True), RxFrame(long, null_end=True),
              RxFrame(long + bytes(16), bad=True, null_end=True)]
    chance.shuffle(steps)
    outcome = hold_on([*add_commands(sas, SaDirection.RX), *steps], WINDOWED)
    assert statuses(outcome, "rx.verdict") == {"BAD_FRAME": bad + 1, "OVERSIZE": 4, "NOT_IP": 1}
    assert outcome.counters["rx_bad_frame"] == bad + 1
    told = {name: {got.completion[name] for got in outcome.received}
            for name in ("sa", "checksum_status", "outer_checksum")}
    assert told == {"sa": {0}, "checksum_status": {RxChecksum.NONE},
                    "outer_checksum": {RxChecksum.NONE}}


@pytest.mark.parametrize("seed", [1, 2])
def test_random_mixes_with_bad_frames_and_beats_without_bytes_are_the_model(seed):
    chance = Random(seed)
    sas = all_kinds_of_sa()
    sas[0] = replace(sas[0], replay_window=32, device_window=True)
    traffic = Traffic(sas, chance)
    steps = spoilt(traffic.mixed_receive(90), chance, WINDOWED.width)
    outcome = hold_on([*add_commands(sas, SaDirection.RX), *steps], WINDOWED, seed=seed)
    found = statuses(outcome, "rx.verdict")
    assert found["BAD_FRAME"] > 15 and found["OK"] > 30


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_a_sideband_leaves_with_its_frame_and_is_lost_with_one_that_does_not_leave(stall):
    chance = Random(4)
    sas = [sa for sa in all_kinds_of_sa() if sa.outer_family == 4]
    traffic = Traffic(sas, chance)
    steps = traffic.mixed_receive(60)
    for place in (3, 20, 21, 40):
        steps.insert(place, RxFrame(bytes(FRAME_BYTES_MAX + 100 * place)))
    # More frames of a beat than may be without a verdict.
    steps += [RxFrame(chance.randbytes(16)) for _ in range(200)]
    steps = with_sidebands(spoilt(steps, chance, WINDOWED.width), chance, SIDEBAND_BITS)
    outcome = hold_on([*add_commands(sas, SaDirection.RX), *steps], WINDOWED, stall=stall)
    found = statuses(outcome, "rx.verdict")
    assert found["OVERSIZE"] >= 4 and found["OK"] > 10 and found["BAD_FRAME"] > 40
    given = [step.sideband for step in steps
             if len(step.data) <= FRAME_BYTES_MAX]
    check_items(outcome.sidebands["rx"], given, port="sideband")
    assert len(set(given)) > 150
