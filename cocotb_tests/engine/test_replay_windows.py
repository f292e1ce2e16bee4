"""Replay windows of the whole engine against the model's, with frames in flight."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from espnic.model.host import safile
from espnic.model.host.receiver import Receiver
from espnic.model.interface.codes import FRAME_BYTES_MAX, Encapsulation, RxStatus, SaDirection
from espnic.model.net.packet import parse
from espnic.sim.capture.archive import plain_packets
from espnic.sim.capture.pcap import read_capture
from espnic.sim.traffic import frames
from espnic.sim.traffic.plan import plan_receive
from espnic.sim.traffic.steps import SIMULATED, Command, RxFrame
from espnic.sim.traffic.steps import SIMULATED_SAS as SAS
from tests.support.differences import check_items
from tests.support.engine_runs import hold, hold_small, statuses
from tests.support.engine_steps import add_commands, flip
from tests.support.paths import CAPTURES
from tests.support.sas import make_sa

TWO_32 = 1 << 32
TEXT = bytes(29) + b"\x01\x01\x04"
OK, LATE, REPLAYED = RxStatus.OK.name, RxStatus.LATE.name, RxStatus.REPLAYED.name
FORGED = RxStatus.AUTH_FAILED.name


@pytest.fixture(params=[128, 512])
def width(request):
    """Bits of a beat."""
    return request.param


def captured(name):
    """The SAs of a capture, their windows in the device, and the capture's frames."""
    sas = tuple(replace(sa, device_window=True)
                for sa in safile.load(CAPTURES / f"{name}.json").sas)
    return sas, read_capture(CAPTURES / f"{name}.pcap").packets


def verdicts(outcome):
    """The status of each frame from the wire."""
    return [record.fields["status"] for record in outcome.trace if record.point == "rx.verdict"]


def given(sa, numbers):
    """Steps that add an SA whose window the device keeps, and frames with these numbers."""
    return [*add_commands([replace(sa, device_window=True)], SaDirection.RX),
            *(RxFrame(frames.sealed(sa, TEXT, number)) for number in numbers)]


@pytest.mark.parametrize("name", ["esn_wrap_tun4_gcm128", "esn_wrap_trn4_gcm128"])
def test_kernel_capture_past_2_32_needs_no_help_of_the_driver(width, name):
    sas, packets = captured(name)
    steps = plan_receive(packets, sas, SAS).steps
    assert sum(isinstance(step, Command) for step in steps) == len(sas)
    outcome = hold(steps, width)
    assert set(statuses(outcome, "rx.verdict")) == {OK}
    receiver = Receiver(sas)
    delivered = [receiver.deliver(got.frame, got.completion) for got in outcome.received]
    check_items(delivered, plain_packets(CAPTURES / f"{name}.pcap"), port="delivered", width=width)


@pytest.mark.parametrize("name", ["esn_wrap_tun4_gcm128", "tun4_gcm128"])
def test_replays_late_and_forged_frames_among_a_capture_change_nothing_for_the_rest(width, name):
    sas, packets = captured(name)
    random = Random(1)
    mixed = []
    for place, packet in enumerate(packets):
        mixed.append((packet, True))
        forged = bytearray(packet)
        # The low half of the sequence number, far ahead: only the ICV tells.
        forged[parse(packet)[1].esp_offset + 4] ^= 0x40
        mixed += random.sample([
            (packet, False), (packets[random.randrange(place + 1)], False), (packets[0], False),
            (flip(packet, 8 * len(packet) - 1), False), (bytes(forged), False)], 2)
    outcome = hold([*add_commands(sas, SaDirection.RX),
                    *(RxFrame(frame) for frame, _ in mixed)], width)
    told = verdicts(outcome)
    assert {status for status, (_, good) in zip(told, mixed, strict=True) if good} == {OK}
    others = {status for status, (_, good) in zip(told, mixed, strict=True) if not good}
    assert OK not in others
    assert {REPLAYED, FORGED} <= others


def test_of_copies_in_flight_the_first_is_taken_and_the_others_are_replayed(width):
    sa = make_sa(esn=True)
    outcome = hold(given(sa, [1, 1, 2, 2, 2, 1]), width, stall=0.0)
    assert max(outcome.in_flight) > 1
    assert verdicts(outcome) == [OK, REPLAYED, OK, REPLAYED, REPLAYED, REPLAYED]


def test_copy_behind_a_forged_one_in_flight_is_taken(width):
    sa = make_sa()
    steps = given(sa, [1, 2, 2, 3])
    steps[2] = RxFrame(flip(steps[2].data, 8 * len(steps[2].data) - 1))
    outcome = hold(steps, width, stall=0.0)
    assert verdicts(outcome) == [OK, FORGED, OK, OK]


def test_frame_behind_one_that_is_too_long_is_opened_with_the_right_high_half(width):
    """A frame that is too long is looked up too, before anybody knows its length."""
    sa = make_sa(esn=True, initial_seq=TWO_32 + 5)
    steps = given(sa, [TWO_32 + 5, TWO_32 + 6, TWO_32 + 7])
    steps[2] = RxFrame(steps[2].data.ljust(FRAME_BYTES_MAX + 100, b"\0"))
    outcome = hold(steps, width, stall=0.0)
    assert outcome.in_flight[2] == 1
    assert verdicts(outcome) == [OK, RxStatus.OVERSIZE.name, OK]


@pytest.mark.parametrize("seed", [1, 2])
def test_frames_behind_others_that_end_in_any_way_get_the_right_high_half(width, seed):
    random = Random(seed)
    sa = make_sa(esn=True, initial_seq=TWO_32 + 5, device_window=True)
    bad = [kind.frame for kind in frames.kinds(sa) if kind.frame]
    sealed = frames.sealed(sa, TEXT, TWO_32 + 5)
    bad += [sealed.ljust(FRAME_BYTES_MAX + random.choice([1, 100, 4000]), b"\0"), sealed[:-1]] * 4
    steps = given(sa, range(TWO_32 + 6, TWO_32 + 206))
    good = len(steps) - 1
    for _ in range(good):
        steps.insert(random.randrange(1, len(steps) + 1), RxFrame(random.choice(bad)))
    outcome = hold(steps, width, seed=seed, stall=random.choice([0.0, 0.2]))
    assert {OK, "OVERSIZE", "TRUNCATED", FORGED} <= set(verdicts(outcome))
    assert verdicts(outcome).count(OK) >= good


def test_frame_opened_with_a_high_half_that_the_window_has_left_is_late(width):
    sa = make_sa(esn=True, initial_seq=TWO_32 - 40)
    numbers = [TWO_32 + 2000, TWO_32 - 20, TWO_32 + 2001]
    outcome = hold(given(sa, numbers), width, stall=0.0)
    assert outcome.in_flight[1] == 1
    assert verdicts(outcome) == [OK, LATE, OK]


def test_numbers_at_both_edges_of_each_size_of_window(width):
    sas = [make_sa(seed=seed, esn=esn, replay_window=packets, device_window=True,
                   encapsulation=Encapsulation(seed % 2))
           for seed, (packets, esn) in enumerate(
               ((packets, esn) for packets in (32, 64, 128) for esn in (False, True)), start=1)]
    steps = add_commands(sas, SaDirection.RX)
    for sa in sas:
        top = sa.replay_window + 5
        for number in (1, top, 6, 5, 6, 7, top, top + 1, 0):
            steps.append(RxFrame(frames.sealed(sa, TEXT, number)))
    found = Counter(verdicts(hold(steps, width, stall=0.0)))
    # Of 9 numbers of each SA 5 are new; what is left of the window, with ESN, is not authentic.
    assert found[OK] == 5 * len(sas)
    assert found[REPLAYED] == 2 * len(sas)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_order_copies_and_losses_on_many_sas(width, seed):
    random = Random(seed)
    sas = [make_sa(seed=index, esn=bool(index % 3), device_window=index != 4,
                   replay_window=random.choice([32, 64, 128]),
                   initial_seq=random.choice([1, TWO_32 - 200]) if index % 3 else 1)
           for index in range(1, 6)]
    tops = [sa.initial_seq - 1 for sa in sas]
    steps = add_commands(sas, SaDirection.RX)
    place = 0
    for _ in range(600):
        if random.random() < 0.4:
            place = random.randrange(len(sas))
        step = random.choice([1, 1, 1, 2, 0, -random.randrange(80), -random.randrange(9),
                              random.randrange(300)])
        number = max(tops[place] + step, 1)
        tops[place] = max(tops[place], number)
        frame = frames.sealed(sas[place], bytes(random.randrange(4, 64)) + b"\0\x04", number)
        if random.random() < 0.1:
            frame = flip(frame, 8 * len(frame) - 1 - random.randrange(64))
        steps.append(RxFrame(frame))
    outcome = hold(steps, width, seed=seed, stall=random.choice([0.0, 0.1, 0.4]))
    found = statuses(outcome, "rx.verdict")
    assert {OK, LATE, REPLAYED, FORGED} <= set(found)
    assert max(outcome.in_flight) > 1


def test_kernels_largest_window_is_exact_at_both_edges():
    numbers = [1, 4101, 6, 6, 7, 4101, 4102, 134, 5000, 1000, 905, 4103]
    steps = given(make_sa(esn=True, replay_window=4096), numbers)
    outcome = hold_small(steps, replace(SIMULATED, sas=16, replay_window=4096))
    assert verdicts(outcome) == [
        OK, OK, OK, REPLAYED, OK, REPLAYED, OK, OK, OK, OK, OK, OK]


def test_windows_work_on_icarus_too():
    """Run on a simulator that shows as unknown what was never written."""
    numbers = [TWO_32 - 1, TWO_32, TWO_32, TWO_32 - 1, TWO_32 + 500]
    steps = given(make_sa(esn=True, initial_seq=TWO_32 - 1), numbers)
    outcome = hold_small(steps, replace(SIMULATED, sas=16))
    assert verdicts(outcome) == [OK, OK, REPLAYED, REPLAYED, OK]
