"""The record of sealed numbers: against the set of all that were ever sealed, and in the device."""

import random
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from espnic.model.esp.sent import SENT_WINDOW_MIN, SentNumbers
from espnic.model.interface.codes import (
    EventKind,
    SaDirection,
    SaOperation,
    SaResult,
    SaSelect,
    TxOperation,
    TxStatus,
)
from espnic.model.sa.lifetime import Limits
from espnic.model.sa.sa import command_values
from espnic.sim.traffic import frames
from tests.support.sas import device_with, make_sa

TX = SaDirection.TX
SEALED, REPEATED, LATE = TxStatus.SEALED, TxStatus.DROP_REPEATED, TxStatus.DROP_LATE
TWO_32 = 1 << 32
BURST_MAX = 65535

windows = st.sampled_from([SENT_WINDOW_MIN, 2 * SENT_WINDOW_MIN])


@st.composite
def journeys(draw):
    """A window, its first top, and requests whose numbers lie around its end as it moves on."""
    window = draw(windows)
    top = at = draw(st.sampled_from([0, 1, 5, window, TWO_32 - 3, 2**64 - 3 * BURST_MAX]))
    requests = []
    for _ in range(draw(st.integers(0, 30))):
        step = draw(st.one_of(
            st.integers(-window - 2, 3), st.integers(0, 3 * window),
            st.sampled_from([-window, 1 - window, 1])))
        count = draw(st.one_of(st.just(1), st.integers(1, 60), st.integers(1, 3 * window)))
        first = max(1, at + step)
        requests.append((first, min(count, 2**64 - first)))
        at = max(at, first + requests[-1][1] - 1) if draw(st.booleans()) else at
    return window, top, requests


@given(journeys())
@example((1024, 0, [(1, BURST_MAX), (1, 1), (BURST_MAX, 1), (BURST_MAX + 1, BURST_MAX)]))
def test_no_number_is_sealed_twice_and_none_is_refused_but_for_a_reason(journey):
    window, top, requests = journey
    sent = SentNumbers(window, top)
    ever = set()
    for first, count in requests:
        numbers = set(range(first, first + count))
        highest = max(ever, default=top)
        if first <= highest - window:
            expected = LATE
        else:
            expected = REPEATED if first <= top or numbers & ever else SEALED
        assert sent.check(first, count) == expected, (first, count)
        if expected == SEALED:
            sent.seal(first, count)
            ever |= numbers
        assert sent.top == max(ever, default=top)


@pytest.mark.parametrize("window", [1024, 4096])
def test_both_edges_of_the_window_are_exact(window):
    sent = SentNumbers(window)
    sent.seal(5000)
    assert sent.check(5000 - window) == LATE
    assert sent.check(5000 - window + 1) == SEALED
    assert sent.check(5000) == REPEATED
    assert sent.check(5001) == SEALED


def test_a_burst_passes_whole_or_not_at_all():
    sent = SentNumbers(1024)
    sent.seal(100)
    assert sent.check(50, 50) == SEALED
    assert sent.check(50, 51) == REPEATED
    assert sent.check(101, BURST_MAX) == SEALED
    assert sent.top == 100
    sent.seal(101, BURST_MAX)
    assert sent.top == 100 + BURST_MAX
    assert sent.check(100 + BURST_MAX - 1023) == REPEATED
    assert sent.check(100 + BURST_MAX - 1024) == LATE


def test_all_numbers_up_to_the_first_top_count_as_sealed():
    sent = SentNumbers(1024, 3 * TWO_32)
    assert sent.check(3 * TWO_32) == REPEATED
    assert sent.check(3 * TWO_32 - 1023) == REPEATED
    assert sent.check(3 * TWO_32 - 1023, 2000) == REPEATED
    assert sent.check(3 * TWO_32 - 1024) == LATE
    assert sent.check(3 * TWO_32 + 1) == SEALED


def _super_frames(chance, queues, segments, waiting):
    """Super-frames in the order in which queues that hold ``waiting`` each send them at random.

    The stack gives out numbers as it fills the queues.
    """
    filled = [[] for _ in range(queues)]
    number = 1
    for _ in range(2000):
        for queue in chance.sample(filled, queues):
            while len(queue) < waiting:
                queue.append(number)
                number += segments
        for queue in chance.sample(filled, queues):
            yield queue.pop(0)


@pytest.mark.parametrize(("mss", "waiting"), [(1448, 2), (536, 1), (8948, 14)])
def test_eight_queues_of_64_kb_in_any_order_lose_nothing(mss, waiting):
    """Each queue sends once in a round; so much may wait in it at this MSS."""
    segments = -(-65536 // mss)
    sent = SentNumbers(1024)
    for first in _super_frames(random.Random(1), 8, segments, waiting):
        assert sent.check(first, segments) == SEALED
        sent.seal(first, segments)


# In the device

def send(device, sa, sequence, /, **change):
    """Have a frame sealed under handle 1."""
    frame = frames.carried(sa, sa.spi.to_bytes(4, "big") + bytes(12) + b"payload")
    return device.transmit({"operation": TxOperation.ENCRYPT, "sa": 1, "sequence": sequence,
                            "esp_offset": 34, "next_header": 4} | change, frame)


def send_burst(device, sa, first, segments):
    """Have a super-frame sealed under handle 1, a TCP packet cut at every byte."""
    headers = bytes([0x45]) + bytes(19) + bytes(12) + b"\x50" + bytes(7)
    frame = frames.carried(sa, sa.spi.to_bytes(4, "big") + bytes(12) + headers + bytes(segments))
    return device.transmit({
        "operation": TxOperation.ENCRYPT, "sa": 1, "sequence": first, "lso": 1, "mss": 1,
        "outer_offset": 14, "esp_offset": 34, "l3_offset": 50, "l4_offset": 70,
        "l4_protocol": 6, "header_bytes": 90}, frame)


def command(device, operation, sa=None, select=SaSelect.NOTHING):
    return device.command(command_values(operation, TX, 1, sa, select))


def events(device):
    return [device.events.pop() for _ in range(len(device.events))]


def test_a_number_given_again_is_refused_counted_and_told_once():
    sa = make_sa()
    device = device_with(sa)
    statuses = [send(device, sa, number).status for number in (1, 1, 5, 3, 3, 1030, 7, 6, 1030)]
    assert statuses == [SEALED, REPEATED, SEALED, SEALED, REPEATED, SEALED, SEALED, LATE, REPEATED]
    assert not send(device, sa, 3).frames
    assert (device.counters["tx_drop_repeated"], device.counters["tx_drop_late"]) == (3, 2)
    assert (device.counters["tx_sealed"], device.counters["tx_packets_out"]) == (5, 5)
    assert events(device) == [
        {"kind": EventKind.REPEATED, "direction": TX, "sa": 1, "sequence": 1}]


def test_no_segment_of_a_burst_leaves_when_one_of_its_numbers_was_sealed():
    sa = make_sa()
    device = device_with(sa)
    assert send(device, sa, 40).status == SEALED
    result = send_burst(device, sa, 10, 31)
    assert (result.status, result.frames) == (REPEATED, ())
    assert len(send_burst(device, sa, 10, 30).frames) == 30
    assert len(send_burst(device, sa, 41, 300).frames) == 300
    assert send_burst(device, sa, 340, 5).status == REPEATED
    assert device.read_sa(TX, 1)["sequence"] == 340


def test_a_request_that_is_dropped_for_another_reason_uses_no_number():
    sa = make_sa(limits=Limits(hard_packets=1))
    device = device_with(sa)
    for change in ({"sa": 9}, {"esp_offset": 30}, {"esp_offset": 254}, {"operation": 0}):
        assert send(device, sa, 7, **change).status not in (SEALED, REPEATED, LATE)
    assert device.read_sa(TX, 1)["sequence"] == 0
    assert send(device, sa, 7).status == SEALED
    assert send(device, sa, 8).status == TxStatus.DROP_EXPIRED
    assert send(device, sa, 7).status == TxStatus.DROP_EXPIRED
    assert device.read_sa(TX, 1)["sequence"] == 7


def test_a_request_that_is_refused_for_its_number_uses_no_lifetime():
    sa = make_sa(limits=Limits(hard_packets=3))
    device = device_with(sa)
    for number in (1, 1, 1, 1, 2, 2):
        send(device, sa, number)
    assert device.read_sa(TX, 1)["packets"] == 2
    assert send(device, sa, 3).status == SEALED


def test_an_unguarded_sa_seals_a_number_twice_and_read_shows_both():
    sa = make_sa(unguarded=True)
    device = device_with(sa)
    first, again = send(device, sa, 2000), send(device, sa, 2000)
    assert first.frames == again.frames != ()
    assert send(device, sa, 1).status == SEALED
    shown = device.read_sa(TX, 1)
    assert (shown["unguarded"], shown["sequence"]) == (1, 2000)
    # The guard is taken off with ADD alone.
    device = device_with(make_sa())
    assert command(device, SaOperation.MODIFY, sa, SaSelect.SOFT | SaSelect.HARD) == SaResult.OK
    assert send(device, sa, 1).status == SEALED
    assert send(device, sa, 1).status == REPEATED


def test_read_tells_how_far_an_sa_has_come_and_modify_leaves_that_alone():
    sa = make_sa(esn=True, initial_seq=TWO_32)
    device = device_with(sa)
    assert device.read_sa(TX, 1)["sequence"] == TWO_32 - 1
    assert send(device, sa, TWO_32 + 9).status == SEALED
    assert send(device, sa, TWO_32 + 2).status == SEALED
    assert command(device, SaOperation.MODIFY, sa, SaSelect.SOFT) == SaResult.OK
    assert device.read_sa(TX, 1)["sequence"] == TWO_32 + 9
    assert send(device, sa, TWO_32 + 2).status == REPEATED


def test_frames_queued_before_a_reset_are_refused_after_the_restore():
    sa = make_sa()
    before = device_with(sa)
    for number in range(1, 100):
        assert send(before, sa, number).status == SEALED
    # The kernel has given out 120 numbers: 20 frames wait in the queues.
    after = device_with(replace(sa, initial_seq=121))
    assert {send(after, sa, number).status for number in range(90, 121)} == {REPEATED}
    assert send(after, sa, 121).status == SEALED


def test_an_sa_that_is_added_again_begins_with_the_numbers_of_its_add():
    sa = make_sa()
    device = device_with(sa)
    assert [send(device, sa, 5).status for _ in range(2)] == [SEALED, REPEATED]
    for operation in (SaOperation.DELETE, SaOperation.FREE):
        assert command(device, operation) == SaResult.OK
    assert command(device, SaOperation.ADD, replace(sa, initial_seq=4)) == SaResult.OK
    assert [send(device, sa, number).status for number in (3, 5, 5)] == [
        REPEATED, SEALED, REPEATED]
    assert len(events(device)) == 2


@pytest.mark.parametrize(("change", "result"), [
    ({"sequence": TWO_32 - 1}, SaResult.EINVAL),
    ({"sequence": TWO_32 - 2}, SaResult.OK),
    ({"esn": 1, "sequence": TWO_32}, SaResult.OK),
    ({"esn": 1, "sequence": 2**64 - 1}, SaResult.EINVAL),
])
def test_add_refuses_a_number_after_which_none_is_left(change, result):
    values = command_values(SaOperation.ADD, TX, 1, make_sa()) | change
    assert device_with().command(values) == result
