"""The device's replay window: against the set of all numbers received, and in the device."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from espnic.model.esp import esn, esp
from espnic.model.esp.replay import Window
from espnic.model.host import stack
from espnic.model.host.receiver import Receiver
from espnic.model.interface.codes import (
    EventKind,
    ReplayWindow,
    RxStatus,
    SaDirection,
    SaOperation,
    SaResult,
)
from espnic.model.interface.features import WINDOWS
from espnic.model.sa.sa import command_values
from espnic.sim.traffic import frames
from tests.support.sas import device_with, make_sa

TWO_32 = 1 << 32
TEXT = bytes(13) + b"\x01\x01\x04"
SIZES = [packets for packets in WINDOWS if packets]
RX = SaDirection.RX
OK, LATE, REPLAYED = RxStatus.OK, RxStatus.LATE, RxStatus.REPLAYED

sizes = st.sampled_from(SIZES)


@st.composite
def journeys(draw):
    """A window's size and first top, and numbers near its end as it moves on."""
    packets = draw(sizes)
    extended = draw(st.booleans())
    last = (1 << (64 if extended else 32)) - 1
    near = st.sampled_from([0, 3, packets, TWO_32 - 5, TWO_32 - 1, last - 4] + (
        [TWO_32, TWO_32 + packets // 2, 5 * TWO_32 - 2] if extended else []))
    top = draw(near)
    steps = draw(st.lists(st.one_of(
        st.integers(-2 * packets, 3), st.integers(0, 3 * packets),
        st.sampled_from([1 << 31, TWO_32 - packets, TWO_32 - 1])), max_size=60))
    numbers, at = [], top
    for step in steps:
        numbers.append(min(max(at + step, 0), last))
        at = max(at, numbers[-1])
    return packets, extended, top, numbers


def device_of(sa, **change):
    """A device that keeps the window of ``sa``."""
    return device_with(replace(sa, device_window=True, **change))


@given(journeys())
def test_only_new_numbers_within_the_window_or_ahead_of_it_are_taken(journey):
    packets, extended, top, numbers = journey
    window = Window(packets, extended, top)
    received = set()
    for number in numbers:
        highest = max(received, default=top)
        bottom = highest - packets + 1
        if number == 0 or number < bottom or (extended and number >= bottom + TWO_32):
            expected = LATE
        else:
            expected = REPLAYED if number in received or number <= top else OK
        assert window.check(number) == expected, number
        if expected == OK:
            window.advance(number)
            received.add(number)
        assert window.top == max(received, default=top)


@given(journeys(), st.integers(0, TWO_32 - 1))
@example((32, True, TWO_32 + 3, []), TWO_32 - 28)
def test_high_half_is_that_of_appendix_a_whatever_the_low_half(journey, low):
    packets, _, top, numbers = journey
    window = Window(packets, True, max([top, *numbers]))
    for near in (low, window.bottom % TWO_32, (window.bottom - 1) % TWO_32, window.top % TWO_32):
        assert window.high(near) == esn.window_high(near, window.top, packets)
    assert Window(packets, False, top % TWO_32).high(low) == 0


@given(journeys())
def test_a_number_that_may_come_gets_its_high_half_back_from_its_low(journey):
    packets, _, top, numbers = journey
    window = Window(packets, True, top)
    for number in numbers:
        if window.check(number) == OK:
            assert window.high(number % TWO_32) << 32 | number % TWO_32 == number
            window.advance(number)


@pytest.mark.parametrize("packets", SIZES)
@pytest.mark.parametrize("extended", [False, True])
def test_device_takes_each_number_once_while_it_is_in_the_window(packets, extended):
    sa = make_sa(esn=extended, replay_window=packets)
    device = device_of(sa)
    given = [device.receive(frames.sealed(sa, TEXT, number)).status for number in (
        1, 1, 2 + packets, 2, 3, 3, 2 + packets, 3 + packets, 1, 0)]
    # Too old for the window is, with ESN, a number of the next half, whose ICV is wrong.
    late = RxStatus.AUTH_FAILED if extended else LATE
    assert given == [OK, REPLAYED, OK, late, OK, REPLAYED, REPLAYED, OK, late, late]
    assert device.read_sa(RX, 1)["sequence"] == 3 + packets


@pytest.mark.parametrize("packets", SIZES)
def test_device_follows_the_high_half_past_every_wrap_on_its_own(packets):
    first = 5 * TWO_32 - packets
    sa = make_sa(esn=True, initial_seq=first, replay_window=packets)
    device = device_of(sa)
    numbers = [first + 1, 5 * TWO_32 + 3, 5 * TWO_32 - 2, 5 * TWO_32, 5 * TWO_32 - 1,
               5 * TWO_32 + (1 << 31), 6 * TWO_32 - 9, 6 * TWO_32 + 7, 6 * TWO_32 - 1,
               7 * TWO_32 - packets]
    for number in numbers:
        assert device.receive(frames.sealed(sa, TEXT, number)).status == OK, number
        assert device.receive(frames.sealed(sa, TEXT, number)).status == REPLAYED, number


def test_p17_a_forged_frame_far_ahead_moves_nothing():
    sa = make_sa(esn=True)
    device = device_of(sa)
    for number in (1, 2):
        assert device.receive(frames.sealed(sa, TEXT, number)).status == OK
    before = device.read_sa(RX, 1)
    forged = bytearray(frames.sealed(sa, TEXT, TWO_32 - 1000))
    forged[-1] ^= 1
    assert device.receive(bytes(forged)).status == RxStatus.AUTH_FAILED
    assert device.read_sa(RX, 1) == before
    assert device.receive(frames.sealed(sa, TEXT, 3)).status == OK


def test_the_window_is_judged_before_the_icv_and_moved_by_a_bad_trailer():
    sa = make_sa()
    device = device_of(sa)
    bad = frames.sealed(sa, b"\x01\x02\x02\x04", 100)
    assert device.receive(bad).status == RxStatus.BAD_TRAILER
    forged = bad[:-1] + bytes([bad[-1] ^ 1])
    assert device.receive(forged).status == REPLAYED
    old = bytearray(frames.sealed(sa, TEXT, 100 - sa.replay_window))
    old[-1] ^= 1
    assert device.receive(bytes(old)).status == LATE


def test_frames_in_flight_do_not_count_for_the_high_half_but_for_the_verdict():
    sa = make_sa(esn=True, initial_seq=TWO_32 - 40)
    ahead, behind = TWO_32 + 2000, TWO_32 - 20
    # The window now gives the next half to a low half that was of the half before.
    for number, in_flight, status in (
            (behind, 0, RxStatus.AUTH_FAILED), (behind, 1, LATE),
            (ahead + 1, 0, OK), (ahead + 1, 1, OK), (ahead, 1, REPLAYED)):
        device = device_of(sa)
        assert device.receive(frames.sealed(sa, TEXT, ahead)).status == OK
        assert device.receive(frames.sealed(sa, TEXT, number), in_flight).status == status


def test_each_new_half_of_the_low_number_space_is_told_once():
    first = 2 * TWO_32 - 3
    sa = make_sa(esn=True, initial_seq=first)
    device = device_of(sa)
    halves = [2 * TWO_32 + 1, 2 * TWO_32 + (1 << 31) + 5, 3 * TWO_32]
    for number in [first, halves[0], first + 1, halves[1], halves[1] - 9, halves[2]]:
        assert device.receive(frames.sealed(sa, TEXT, number)).status == OK
    told = [device.events.pop() for _ in range(len(device.events))]
    assert told == [{"kind": EventKind.ESN_HALF, "direction": RX, "sa": 1, "sequence": number}
                    for number in halves]


def test_add_says_what_counts_as_received_and_read_tells_how_far_it_has_come():
    sa = make_sa(esn=True, initial_seq=3 * TWO_32, replay_window=64)
    device = device_of(sa)
    assert device.read_sa(RX, 1)["replay_window"] == ReplayWindow.W64
    assert device.read_sa(RX, 1)["sequence"] == 3 * TWO_32 - 1
    assert device.receive(frames.sealed(sa, TEXT, 3 * TWO_32 - 1)).status == REPLAYED
    assert device.receive(frames.sealed(sa, TEXT, 3 * TWO_32 + 8)).status == OK
    assert device.read_sa(RX, 1)["sequence"] == 3 * TWO_32 + 8
    assert device.read_sa(SaDirection.TX, 1)["sequence"] == 3 * TWO_32 - 1


@pytest.mark.parametrize(("change", "result"), [
    ({"replay_window": 9}, SaResult.EINVAL),
    ({"sequence": TWO_32 - 1}, SaResult.EINVAL),
    ({"sequence": TWO_32 - 2}, SaResult.OK),
    ({"esn": 1, "sequence": TWO_32}, SaResult.OK),
    ({"esn": 1, "sequence": (1 << 64) - 1}, SaResult.EINVAL),
    ({"replay_window": 0, "sequence": TWO_32}, SaResult.OK),
])
def test_add_refuses_a_window_behind_which_no_number_is_left(change, result):
    sa = make_sa(device_window=True)
    values = command_values(SaOperation.ADD, RX, 1, sa) | change
    assert device_with().command(values) == result


def test_modify_leaves_the_high_half_of_a_device_window_alone():
    sa = make_sa(esn=True, device_window=True)
    device = device_with(sa)
    assert device.command(command_values(SaOperation.MODIFY, RX, 1, sa)) == SaResult.EINVAL


def test_the_stack_drops_what_the_device_calls_replayed_or_did_not_judge():
    sa = make_sa(device_window=True)
    device, receiver = device_with(sa), Receiver([sa])
    clear = bytes.fromhex("4500001c000040004011") + bytes(2) + bytes.fromhex("0a0101020a010202")
    clear += bytes.fromhex("0001000200080000")
    wire = stack.software_frame(stack.Outgoing(sa, 1, clear))
    first, second = device.receive(wire), device.receive(wire)
    assert receiver.deliver(first.frame, first.completion) == clear
    assert second.frame == wire
    assert receiver.deliver(second.frame, second.completion) is None
    assert receiver.deliver(wire, {"status": RxStatus.NO_SA}) is None


def test_the_window_of_an_sa_added_again_starts_anew():
    sa = make_sa(device_window=True)
    device = device_with(sa)
    frame = frames.sealed(sa, TEXT, 5)
    assert device.receive(frame).status == OK
    handle = {"direction": int(RX), "sa": 1}
    for operation in (SaOperation.DELETE, SaOperation.FREE):
        assert device.command({"operation": int(operation)} | handle) == SaResult.OK
    assert device.command(command_values(SaOperation.ADD, RX, 1, sa)) == SaResult.OK
    assert device.receive(frame).status == OK
    assert device.receive(frame).status == REPLAYED


def test_a_packet_that_is_not_opened_leaves_the_window_alone():
    sa = make_sa(device_window=True)
    device = device_with(sa)
    whole = frames.sealed(sa, TEXT, 9)
    assert device.receive(whole[:-1]).status == RxStatus.TRUNCATED
    short = frames.carried(sa, esp.seal(sa, 9, TEXT).packet[:17])
    assert device.receive(short).status == RxStatus.SYNTAX
    assert device.receive(whole).status == OK
