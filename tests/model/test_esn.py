"""High halves of sequence numbers: the device's rule, the host's window, the driver between."""

from random import Random

from espnic.model.esp import esn
from espnic.model.interface.codes import RxStatus, SaDirection, SaOperation, SaResult, SaSelect
from espnic.model.sa.sa import command_values
from espnic.sim.traffic import frames
from tests.support.sas import device_with, make_sa

TWO_31, TWO_32 = 1 << 31, 1 << 32
TEXT = bytes(13) + b"\x01\x01\x04"


def test_device_rule_takes_the_next_half_only_for_low_numbers_in_the_overlap():
    assert esn.device_high(0, 7, False) == 7
    assert esn.device_high(TWO_32 - 1, 7, False) == 7
    assert esn.device_high(TWO_31 - 1, 7, True) == 8
    assert esn.device_high(TWO_31, 7, True) == 7
    assert esn.device_high(0, TWO_32 - 1, True) == 0


def test_window_rule_follows_rfc_4303_appendix_a():
    window, top = 32, 5 * TWO_32 + 1000
    assert esn.window_high(1000, top, window) == 5
    assert esn.window_high(969, top, window) == 5
    assert esn.window_high(968, top, window) == 6
    # The window's bottom is just at the wrap: nothing of the half before is in it.
    top = 5 * TWO_32 + 31
    assert esn.window_high(0, top, window) == 5
    assert esn.window_high(TWO_32 - 1, top, window) == 5
    top = 5 * TWO_32 + 3
    assert esn.window_high(4, top, window) == 5
    assert esn.window_high(TWO_32 - 28, top, window) == 4
    assert esn.window_high(TWO_32 - 29, top, window) == 5


def test_driver_modifies_once_every_2_31_packets_with_the_bottom_of_the_window():
    window = 64
    seen, state = [], esn.driver_state(0, window)
    bottoms = sorted({b for edge in range(0, 4 * TWO_31, TWO_31) for b in range(edge, edge + 3)}
                     | {b - 1 for b in range(TWO_31, 5 * TWO_31, TWO_31)})
    for bottom in bottoms:
        new = esn.driver_state(bottom + window - 1, window)
        if new != state:
            seen.append((bottom, new.high, new.overlap))
            state = new
    assert seen == [(TWO_31, 0, True), (TWO_32, 1, False), (TWO_32 + TWO_31, 1, True)]


def test_device_and_window_agree_for_every_number_in_the_window_or_ahead_of_it():
    rng = Random(3)
    for _ in range(3000):
        window = rng.choice([32, 64, 128, 256])
        edge = rng.choice([TWO_31, TWO_32, 7 * TWO_31, 6 * TWO_32])
        top = max(edge + rng.randrange(-400, 400), 0)
        state = esn.driver_state(top, window)
        number = max(top + rng.randrange(-window + 1, 1000), 1)
        low = number % TWO_32
        assert esn.device_high(low, state.high, state.overlap) == number >> 32, (top, number)
        assert esn.window_high(low, top, window) == number >> 32, (top, number)


def test_p17_reordered_frames_around_the_wrap_open_with_the_driver_s_state():
    sa = make_sa(esn=True, initial_seq=TWO_32 - 4)
    state = esn.driver_state(sa.initial_seq - 1, sa.replay_window)
    device = device_with(make_sa(esn=True, esn_high=state.high, esn_overlap=state.overlap))
    numbers = list(range(TWO_32 - 4, TWO_32 + 4))
    Random(5).shuffle(numbers)
    for number in numbers:
        assert device.receive(frames.sealed(sa, TEXT, number)).status == RxStatus.OK, number


def test_a_frame_of_the_wrong_half_is_refused():
    device = device_with(make_sa(esn=True, esn_high=1))
    sa = make_sa(esn=True)
    assert device.receive(frames.sealed(sa, TEXT, TWO_32 + 9)).status == RxStatus.OK
    assert device.receive(frames.sealed(sa, TEXT, 9)).status == RxStatus.AUTH_FAILED
    assert device.receive(frames.sealed(sa, TEXT, 2 * TWO_32 + 9)).status == RxStatus.AUTH_FAILED


def test_p12_modify_changes_high_half_and_overlap_and_nothing_else():
    sa = make_sa(esn=True)
    device = device_with(sa)
    before = device.read_sa(SaDirection.RX, 1)
    modified = make_sa(esn=True, esn_high=0x89ABCDEF, esn_overlap=True, seed=99, key_bytes=32)
    values = command_values(SaOperation.MODIFY, SaDirection.RX, 1, modified, SaSelect.ESN)
    assert device.command(values) == SaResult.OK
    after = device.read_sa(SaDirection.RX, 1)
    assert after == before | {"esn_high": 0x89ABCDEF, "esn_overlap": 1}
    frame = frames.sealed(sa, TEXT, 0x89ABCDEF_80000000)
    assert device.receive(frame).status == RxStatus.OK
    assert device.receive(frames.sealed(sa, TEXT, 0x89ABCDF0_00000001)).status == RxStatus.OK


def test_esn_fields_do_not_matter_without_esn():
    sa = make_sa(esn_high=5, esn_overlap=True)
    assert device_with(sa).receive(frames.sealed(sa, TEXT, 9)).status == RxStatus.OK
