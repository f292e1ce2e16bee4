"""The device: what it refuses, what it leaves alone, and what it counts."""

from dataclasses import replace
from random import Random

import pytest

from espnic.model.device.device import Device
from espnic.model.esp import esp
from espnic.model.interface.codes import (
    FRAME_BYTES_MAX,
    Encapsulation,
    IcvSize,
    ReplayWindow,
    RxChecksum,
    RxStatus,
    SaDirection,
    SaOperation,
    SaResult,
    SaSelect,
    TxOperation,
    TxStatus,
)
from espnic.model.interface.features import Features
from espnic.model.interface.layouts import RX_COMPLETION, SA_COMMAND, SA_RESPONSE
from espnic.model.net import checksum
from espnic.model.sa.lifetime import Limits
from espnic.model.sa.sa import command_values
from espnic.sim.traffic import frames
from tests.support.sas import all_kinds_of_sa, device_with, make_sa, sa_id

SAS = all_kinds_of_sa()
RX, TX = SaDirection.RX, SaDirection.TX


def request(sa, /, **change):
    """A descriptor to seal the frames of ``tx_frame``."""
    headers = 14 + (20 if sa.outer_family == 4 else 40)
    headers += 8 if sa.encapsulation == Encapsulation.UDP else 0
    return {"operation": TxOperation.ENCRYPT, "sa": 1, "sequence": 1, "trailer": 1,
            "esp_offset": headers} | change


def tx_frame(sa, text, icv_room=True):
    """A frame to seal: its sequence number, IV and ICV room are garbage."""
    garbage = b"\x5a" * 12
    room = b"\xa5" * sa.icv.bytes if icv_room else b""
    return frames.carried(sa, sa.spi.to_bytes(4, "big") + garbage + text + room)


# Receive

@pytest.mark.parametrize("sa", SAS, ids=sa_id)
def test_only_an_ok_frame_is_changed_and_only_an_ok_completion_is_filled(sa):
    device = device_with(sa)
    for kind in frames.kinds(sa):
        result = device.receive(kind.frame)
        if kind.status == RxStatus.OK:
            assert result.frame != kind.frame
            assert result.completion["trailer_bytes"] >= 2 + sa.icv.bytes
            continue
        assert result.frame == (None if kind.status == RxStatus.OVERSIZE else kind.frame)
        filled = {name for name, value in result.completion.items() if value}
        sums = ({"checksum", "frame_checksum", "checksum_status", "outer_checksum"}
                if result.frame else set())
        assert filled <= {"status", "sa"} | sums


@pytest.mark.parametrize("sa", SAS, ids=sa_id)
def test_completion_has_the_handle_when_and_only_when_an_sa_was_found(sa):
    """P30: a miss leaves no metadata."""
    device = device_with(make_sa(seed=77, key_bytes=24), sa)
    found = {RxStatus.OK, RxStatus.AUTH_FAILED, RxStatus.BAD_TRAILER}
    for kind in frames.kinds(sa):
        result = device.receive(kind.frame)
        if kind.status in found:
            assert result.completion["sa"] == 2, kind.name
        if kind.status in (RxStatus.NO_SA, RxStatus.OVERSIZE):
            assert result.completion["sa"] == 0
    assert device.receive(frames.carried(sa, sa.spi.to_bytes(4, "big") + bytes(20))).completion[
        "sa"] == 2, "too short for its SA"


@pytest.mark.parametrize("sa", SAS, ids=sa_id)
def test_a_bad_frame_is_as_it_came_with_its_sums_and_names_no_sa(sa):
    device = device_with(sa)
    for kind in frames.kinds(sa):
        result = device.receive(kind.frame, bad=True)
        if kind.status == RxStatus.OVERSIZE:
            assert (result.status, result.frame) == (RxStatus.OVERSIZE, None)
            continue
        assert result.frame == kind.frame
        total = checksum.total(kind.frame[14:])
        assert result.completion == RX_COMPLETION.zeros | {
            "status": RxStatus.BAD_FRAME, "checksum": total, "frame_checksum": total}
        assert device.receive(kind.frame).status == kind.status
    assert device.counters["rx_bad_frame"] == sum(
        kind.status != RxStatus.OVERSIZE for kind in frames.kinds(sa))


def test_bad_frames_move_no_window_use_no_lifetime_and_tell_no_event():
    sa = make_sa(esn=True, replay_window=32, device_window=True, initial_seq=2**31 - 2,
                 limits=Limits(soft_packets=1, hard_packets=3))
    device = device_with(sa)
    text = bytes(18) + b"\0\4"
    read = device.read_sa(RX, 1)
    good = [frames.sealed(sa, text, 2**31 - 2 + number) for number in range(4)]
    for frame in (*good, frames.sealed(sa, text, 2**31 + 500)):
        assert device.receive(frame, bad=True).status == RxStatus.BAD_FRAME
    assert device.read_sa(RX, 1) == read and not len(device.events)
    assert device.counters["rx_packets_out"] == device.counters["rx_bad_frame"] == 5
    assert [device.receive(frame).status for frame in good] == [
        *[RxStatus.OK] * 3, RxStatus.EXPIRED]


def test_ok_frame_keeps_headers_iv_icv_and_what_stands_behind_the_packet():
    sa = make_sa()
    text = bytes(range(40)) + b"\x01\x02\x02\x04"
    padding = b"\xee" * 7
    frame = frames.sealed(sa, text) + padding
    result = device_with(sa).receive(frame)
    assert result.frame == frame[:50] + text + frame[50 + len(text):]
    assert result.completion == {
        "status": 0, "sa": 1, "esp_offset": 34, "next_header": 4, "trailer_bytes": 4 + 16,
        "checksum": checksum.total(frame[14:50] + text[:40]), "checksum_status": RxChecksum.NONE,
        "outer_checksum": RxChecksum.NONE, "frame_checksum": checksum.total(result.frame[14:])}
    assert RX_COMPLETION.unpack(RX_COMPLETION.pack(result.completion)) == result.completion


@pytest.mark.parametrize("icv", IcvSize)
def test_p35_every_pad_length_is_accepted_whatever_the_pad_holds(icv):
    sa = make_sa(icv=icv)
    device = device_with(sa)
    rng = Random(35)
    for pad_length in range(256):
        payload = rng.randbytes(1 + rng.randrange(8))
        text = payload + rng.randbytes(pad_length) + bytes([pad_length, 17])
        result = device.receive(frames.sealed(sa, text))
        assert result.status == RxStatus.OK
        assert result.completion["trailer_bytes"] == pad_length + 2 + icv.bytes
        end = len(result.frame) - result.completion["trailer_bytes"]
        assert result.frame[50:end] == payload
        nothing_left = frames.sealed(sa, text[len(payload):])
        assert device.receive(nothing_left).status == RxStatus.BAD_TRAILER


def test_p36_dummy_packets_are_ok_and_the_next_frame_comes_out_right():
    sa = make_sa()
    device = device_with(sa)
    good = frames.sealed(sa, bytes(14) + b"\x00\x04")
    dummy = device.receive(frames.sealed(sa, b"\x00" * 8 + bytes([0, 59]), sequence=2))
    assert (dummy.status, dummy.completion["next_header"]) == (RxStatus.OK, 59)
    for kind in frames.kinds(sa):
        device.receive(kind.frame)
        assert device.receive(good).frame[50:66] == bytes(14) + b"\x00\x04"


@pytest.mark.parametrize("icv", IcvSize)
def test_p36_esp_too_short_for_trailer_and_icv_is_syntax(icv):
    sa = make_sa(icv=icv)
    device = device_with(sa)
    for esp_bytes in range(8, 16 + 2 + icv.bytes):
        packet = sa.spi.to_bytes(4, "big") + bytes(esp_bytes - 4)
        assert device.receive(frames.carried(sa, packet)).status == RxStatus.SYNTAX, esp_bytes
    packet = sa.spi.to_bytes(4, "big") + bytes(16 - 4 + 2 + icv.bytes)
    assert device.receive(frames.carried(sa, packet)).status == RxStatus.AUTH_FAILED


def test_p5_short_packets_in_frames_of_the_ethernet_minimum():
    sa = make_sa(icv=IcvSize.ICV8)
    device = device_with(sa)
    for payload_bytes in range(1, 13):
        payload = b"\x77" * payload_bytes
        pad = -(payload_bytes + 2) % 4
        text = payload + bytes(range(1, pad + 1)) + bytes([pad, 1])
        frame = frames.sealed(sa, text).ljust(60, b"\xcc")
        result = device.receive(frame)
        assert result.status == RxStatus.OK
        assert result.frame[50:50 + payload_bytes] == payload
        assert result.frame[50 + len(text):] == frame[50 + len(text):]


# Transmit

@pytest.mark.parametrize("sa", SAS, ids=sa_id)
def test_p4_every_payload_length_is_sealed_with_its_own_trailer(sa):
    device = device_with(replace(sa, unguarded=True))
    for payload_bytes in range(71):
        payload = Random(payload_bytes).randbytes(payload_bytes)
        text = payload + bytes(range(1, -(payload_bytes + 2) % 4 + 1))
        text += bytes([-(payload_bytes + 2) % 4, 6])
        with_trailer = device.transmit(request(sa), tx_frame(sa, text))
        # Its lengths are those of the frame with trailer, as the descriptor says.
        cut = tx_frame(sa, text)[:-len(text) - sa.icv.bytes] + payload
        without = device.transmit(request(sa, trailer=0, next_header=6), cut)
        assert with_trailer.frame == without.frame == frames.sealed(sa, text)
        received = device.receive(with_trailer.frame)
        assert received.status == (RxStatus.OK if payload else RxStatus.BAD_TRAILER)


def test_bypass_leaves_any_frame_as_it_came():
    device = Device(Features(sas=4))
    for frame in (b"", b"\x01", bytes(60), bytes(FRAME_BYTES_MAX)):
        result = device.transmit({"operation": TxOperation.BYPASS, "sa": 9}, frame)
        assert (result.status, result.frame) == (TxStatus.BYPASSED, frame)


def test_what_cannot_be_sealed_is_dropped_and_never_leaves():
    """P31: no request to encrypt ever leaves in clear."""
    sa = make_sa()
    device = device_with(replace(sa, unguarded=True))
    good = tx_frame(sa, bytes(16))
    other_spi = good[:34] + bytes([good[34] ^ 1]) + good[35:]
    cases = [
        (TxStatus.DROP_NO_SA, {"sa": 0}, good),
        (TxStatus.DROP_NO_SA, {"sa": 2}, good),
        (TxStatus.DROP_NO_SA, {"sa": 65535}, good),
        (TxStatus.DROP_SEQUENCE, {"sequence": 0}, good),
        (TxStatus.DROP_SEQUENCE, {"sequence": 1 << 32}, good),
        (TxStatus.DROP_SYNTAX, {"esp_offset": 30}, good),
        (TxStatus.DROP_SYNTAX, {"esp_offset": 33}, good),
        (TxStatus.DROP_SYNTAX, {"esp_offset": 35}, good),
        (TxStatus.DROP_SYNTAX, {"esp_offset": 36}, good),
        (TxStatus.DROP_SYNTAX, {"esp_offset": 254}, good),
        (TxStatus.DROP_SYNTAX, {}, good[:49]),
        (TxStatus.DROP_SYNTAX, {"trailer": 0}, good[:49]),
        (TxStatus.DROP_SYNTAX, {}, good[:50]),
        (TxStatus.DROP_SYNTAX, {}, tx_frame(sa, b"")),
        (TxStatus.DROP_SYNTAX, {}, tx_frame(sa, bytes(3))),
        (TxStatus.DROP_SYNTAX, {}, tx_frame(sa, bytes(17))),
        (TxStatus.DROP_SPI, {}, other_spi),
        (TxStatus.DROP_OVERSIZE, {}, good + bytes(FRAME_BYTES_MAX + 1 - len(good))),
        (TxStatus.DROP_OVERSIZE, {"operation": TxOperation.BYPASS}, bytes(FRAME_BYTES_MAX + 1)),
        (TxStatus.SEALED, {"sequence": (1 << 32) - 1}, good),
        (TxStatus.SEALED, {"trailer": 0}, good[:50]),
        (TxStatus.SEALED, {}, tx_frame(sa, bytes(4))),
    ]
    for status, change, frame in cases:
        result = device.transmit(request(sa, **change), frame)
        assert result.status == status, (change, len(frame))
        assert (result.frame is None) == (status != TxStatus.SEALED)
    assert {status for status, *_ in cases} == {
        TxStatus.SEALED, *range(TxStatus.DROP_NO_SA, TxStatus.DROP_OVERSIZE + 1)}


def test_the_first_check_that_fails_gives_the_status():
    sa = make_sa()
    device = device_with(sa)
    wrong_spi = tx_frame(replace(sa, spi=1), bytes(16))
    everything = {"sa": 0, "sequence": 0, "esp_offset": 0}
    for fixed, status in (({}, TxStatus.DROP_NO_SA), ({"sa": 1}, TxStatus.DROP_SEQUENCE),
                          ({"sequence": 1}, TxStatus.DROP_SYNTAX),
                          ({"esp_offset": 34}, TxStatus.DROP_SPI)):
        everything |= fixed
        assert device.transmit(request(sa, **everything), wrong_spi).status == status


def test_p15_with_esn_only_a_whole_sequence_number_of_zero_is_refused():
    sa = make_sa(esn=True)
    device = device_with(sa)
    frame = tx_frame(sa, bytes(16))
    assert device.transmit(request(sa, sequence=0), frame).status == TxStatus.DROP_SEQUENCE
    for sequence in (1, 1 << 32, (1 << 64) - 1):
        result = device.transmit(request(sa, sequence=sequence), frame)
        assert result.frame[34:] == esp.seal(sa, sequence, bytes(16)).packet


def test_p31_a_receive_sa_does_not_send_and_a_transmit_sa_does_not_receive():
    sa = make_sa()
    device = Device(Features(sas=4))
    assert device.command(command_values(SaOperation.ADD, RX, 1, sa)) == SaResult.OK
    assert device.transmit(request(sa), tx_frame(sa, bytes(16))).status == TxStatus.DROP_NO_SA
    assert device.command(command_values(SaOperation.DELETE, RX, 1)) == SaResult.OK
    assert device.command(command_values(SaOperation.ADD, TX, 1, sa)) == SaResult.OK
    good = frames.sealed(sa, bytes(14) + b"\x00\x04")
    assert device.receive(good).status == RxStatus.NO_SA
    assert device.transmit(request(sa), tx_frame(sa, bytes(16))).status == TxStatus.SEALED


def test_the_sealed_frame_depends_on_no_garbage_in_it():
    sa = make_sa()
    device = device_with(replace(sa, unguarded=True))
    rng = Random(9)
    wires = set()
    for _ in range(5):
        start = sa.spi.to_bytes(4, "big") + rng.randbytes(12)
        packet = start + bytes(16) + rng.randbytes(sa.icv.bytes)
        wires.add(device.transmit(request(sa), frames.carried(sa, packet)).frame)
    assert len(wires) == 1


# Commands

def test_p13_every_command_succeeds_on_both_directions_and_read_shows_all_but_secrets():
    sa = make_sa(6, 32, esn=True, esn_high=3, esn_overlap=True, icv=IcvSize.ICV12,
                 limits=Limits(1, 2, 3, 1 << 63))
    for direction in SaDirection:
        device = Device(Features(sas=4))
        added = command_values(SaOperation.ADD, direction, 3, sa)
        assert device.command(SA_COMMAND.unpack(SA_COMMAND.pack(added))) == SaResult.OK
        shown = device.read_sa(direction, 3)
        assert set(shown) == {entry.name for entry in SA_RESPONSE.fields}
        assert shown == {name: added.get(name, 0) for name in shown}
        assert device.command(command_values(SaOperation.READ, direction, 3)) == SaResult.OK
        assert device.command(command_values(SaOperation.DELETE, direction, 3)) == SaResult.OK
        assert device.read_sa(direction, 3) == shown
        assert device.command(command_values(SaOperation.FREE, direction, 3)) == SaResult.OK
        assert device.read_sa(direction, 3) == dict.fromkeys(shown, 0) | {
            "result": SaResult.ENOENT}


def test_p18_handle_0_and_the_first_out_of_range_are_invalid_and_the_last_is_good():
    sa = make_sa(esn=True)
    for direction in SaDirection:
        device = Device(Features(sas=8))
        for operation in set(SaOperation) - {SaOperation.FLUSH}:
            for handle in (0, 8, 9, 65535):
                values = command_values(operation, direction, handle, sa)
                assert device.command(values) == SaResult.EINVAL
        assert device.command(command_values(SaOperation.ADD, direction, 7, sa)) == SaResult.OK


def test_p18_a_full_table_takes_no_more_until_one_is_freed():
    device = Device(Features(sas=8))
    for handle in range(1, 8):
        sa = make_sa(spi=handle)
        assert device.command(command_values(SaOperation.ADD, RX, handle, sa)) == SaResult.OK
    again = make_sa(spi=99)
    assert device.command(command_values(SaOperation.ADD, RX, 4, again)) == SaResult.EEXIST
    assert device.command(command_values(SaOperation.DELETE, RX, 4)) == SaResult.OK
    assert device.command(command_values(SaOperation.ADD, RX, 4, again)) == SaResult.EEXIST
    assert device.command(command_values(SaOperation.FREE, RX, 4)) == SaResult.OK
    assert device.command(command_values(SaOperation.ADD, RX, 4, again)) == SaResult.OK


def test_p27_a_second_receive_sa_with_the_same_look_up_key_is_refused():
    sa = make_sa()
    device = device_with(sa)
    other_key = make_sa(key=bytes(16))
    assert device.command(command_values(SaOperation.ADD, RX, 2, other_key)) == SaResult.EEXIST
    assert device.command(command_values(SaOperation.ADD, TX, 2, other_key)) == SaResult.OK
    in_udp = make_sa(encapsulation=Encapsulation.UDP)
    assert device.command(command_values(SaOperation.ADD, RX, 2, in_udp)) == SaResult.OK
    good = frames.sealed(sa, bytes(14) + b"\x00\x04")
    assert device.receive(good).status == RxStatus.OK


def test_an_add_of_what_is_no_sa_is_refused_with_einval():
    good = command_values(SaOperation.ADD, RX, 1, make_sa())
    six = command_values(SaOperation.ADD, RX, 1, make_sa(6))
    for change in ({"spi": 0}, {"destination": 1 << 32}, {"key_size": 3}, {"icv_size": 3}):
        for direction in SaDirection:
            values = good | change | {"direction": direction}
            assert Device().command(values) == SaResult.EINVAL, values
    assert Device().command(six | {"destination": 1 << 32}) == SaResult.OK
    assert Device().command(good | {"destination": (1 << 32) - 1}) == SaResult.OK


def test_bad_commands_have_their_results():
    plain, extended = make_sa(spi=1000), make_sa(spi=1001, esn=True)
    device = device_with(plain, extended)
    add = command_values(SaOperation.ADD, RX, 5, make_sa(spi=1002))
    assert device.command(add | {"operation": 0}) == SaResult.EINVAL
    assert device.command(add | {"operation": 7}) == SaResult.EINVAL
    assert device.command(add | {"key_size": 3}) == SaResult.EINVAL
    assert device.command(add | {"icv_size": 3}) == SaResult.EINVAL
    assert device.command(add | {"replay_window": 9}) == SaResult.EINVAL
    assert Device().command(add | {"replay_window": 8}) == SaResult.EOPNOTSUPP
    assert device.command(add | {"reserved": 1 << 25}) == SaResult.EINVAL
    unused = {"operation": SaOperation.MODIFY, "direction": RX, "sa": 5}
    for values in (
        command_values(SaOperation.DELETE, RX, 5), command_values(SaOperation.READ, RX, 5),
        command_values(SaOperation.FREE, RX, 5), *(
            unused | {"select": select} for select in SaSelect),
    ):
        assert device.command(values) == SaResult.ENOENT
    assert device.command(unused) == SaResult.EINVAL
    for select in range(8, 16):
        assert device.command(
            {"operation": SaOperation.MODIFY, "direction": RX, "sa": 1, "select": select}
        ) == SaResult.EINVAL
    esn = SaSelect.ESN
    for direction, handle, sa, select, result in (
        (RX, 1, plain, esn, SaResult.EINVAL), (TX, 2, extended, esn, SaResult.EINVAL),
        (RX, 2, extended, SaSelect.NOTHING, SaResult.EINVAL), (RX, 2, extended, esn, SaResult.OK),
        (RX, 1, plain, SaSelect.SOFT | SaSelect.HARD, SaResult.OK),
        (RX, 1, plain, SaSelect.SOFT | esn, SaResult.EINVAL),
        (TX, 2, extended, SaSelect.HARD, SaResult.OK),
    ):
        values = command_values(SaOperation.MODIFY, direction, handle, sa, select)
        assert device.command(values) == result, values
    assert device.command(add) == SaResult.OK


def test_a_replay_window_larger_than_the_device_has_is_not_supported():
    device = Device(Features(sas=8, replay_window=64))
    add = command_values(SaOperation.ADD, RX, 1, make_sa())
    large = add | {"replay_window": ReplayWindow.W128}
    assert device.command(large) == SaResult.EOPNOTSUPP
    assert device.command(large | {"spi": 0}) == SaResult.EINVAL
    assert device.command(large | {"sa": 0}) == SaResult.EINVAL
    assert device.command(large | {"direction": TX}) == SaResult.OK
    assert device.command(add | {"replay_window": ReplayWindow.W64}) == SaResult.OK


def test_flush_forgets_every_sa_of_both_directions_deleted_or_not():
    sas = [make_sa(spi=spi) for spi in range(1, 4)]
    device = device_with(*sas)
    device.command(command_values(SaOperation.DELETE, RX, 2))
    assert device.command({"operation": SaOperation.FLUSH, "sa": 0xFFFF}) == SaResult.OK
    good = frames.sealed(sas[0], bytes(14) + b"\x00\x04")
    assert device.receive(good).status == RxStatus.NO_SA
    assert device.transmit(request(sas[0]), tx_frame(sas[0], b"")).status == TxStatus.DROP_NO_SA
    for handle, sa in enumerate(sas, start=1):
        for direction in SaDirection:
            assert device.read_sa(direction, handle)["result"] == SaResult.ENOENT
            values = command_values(SaOperation.ADD, direction, handle, sa)
            assert device.command(values) == SaResult.OK


def test_p12_modify_changes_exactly_the_selected_limits():
    sa = make_sa(esn=True, limits=Limits(1, 2, 3, 4))
    other = make_sa(esn=True, esn_high=9, esn_overlap=True, limits=Limits(5, 6, 7, 8), seed=9)
    esn = {"esn_high": 9, "esn_overlap": 1}
    soft = {"soft_packets": 5, "soft_bytes": 6}
    hard = {"hard_packets": 7, "hard_bytes": 8}
    for direction in SaDirection:
        for select in range(1, 8):
            if direction == TX and select & SaSelect.ESN:
                continue
            device = device_with(sa)
            before = device.read_sa(direction, 1)
            values = command_values(SaOperation.MODIFY, direction, 1, other, SaSelect(select))
            assert device.command(values) == SaResult.OK
            expected = dict(before)
            for group, fields in ((SaSelect.ESN, esn), (SaSelect.SOFT, soft),
                                  (SaSelect.HARD, hard)):
                if group & select:
                    expected |= fields
            assert device.read_sa(direction, 1) == expected


def test_a_reused_handle_works_with_the_new_key_only():
    old, new = make_sa(seed=1), make_sa(seed=2)
    device = device_with(old)
    device.command(command_values(SaOperation.DELETE, RX, 1))
    device.command(command_values(SaOperation.FREE, RX, 1))
    device.command(command_values(SaOperation.ADD, RX, 1, new))
    text = bytes(14) + b"\x00\x04"
    assert device.receive(frames.sealed(old, text)).status == RxStatus.NO_SA
    assert device.receive(frames.sealed(new, text)).status == RxStatus.OK


# Counters and traces

def test_counters_count_each_frame_once_by_status_and_its_bytes_in_and_out():
    sa = make_sa()
    device = device_with(sa)
    kinds = frames.kinds(sa)
    for kind in kinds:
        device.receive(kind.frame)
    for status in RxStatus:
        count = sum(kind.status == status for kind in kinds)
        assert device.counters[f"rx_{status.name.lower()}"] == count
    kept = [kind.frame for kind in kinds if kind.status != RxStatus.OVERSIZE]
    assert device.counters["rx_packets_in"] == len(kinds)
    assert device.counters["rx_packets_out"] == len(kept)
    assert device.counters["rx_bytes_out"] == sum(map(len, kept))
    oversize = len(kinds) - len(kept)
    assert device.counters["rx_bytes_in"] == sum(map(len, kept)) + oversize * FRAME_BYTES_MAX > 0
    good = tx_frame(sa, bytes(16))
    device.transmit(request(sa, trailer=0), good)
    device.transmit(request(sa, sa=0), good)
    assert device.counters["tx_sealed"] == device.counters["tx_drop_no_sa"] == 1
    assert device.counters["tx_packets_in"] == 2
    assert device.counters["tx_packets_out"] == 1
    assert device.counters["tx_bytes_out"] == len(good) + 4 + sa.icv.bytes


def test_trace_has_the_points_that_the_frame_reached():
    sa = make_sa()
    device = device_with(sa)
    ends = ["rx.verdict", "rx.out"]
    looked_up = ["rx.in", "rx.parse", "rx.lookup"]
    decrypted = looked_up + ["rx.open", "rx.icv"]
    reached = dict.fromkeys(RxStatus, ["rx.in", "rx.parse"] + ends) | {
        RxStatus.OK: decrypted + ends,
        RxStatus.AUTH_FAILED: decrypted + ends,
        RxStatus.BAD_TRAILER: decrypted + ends,
        RxStatus.NO_SA: looked_up + ends,
        RxStatus.OVERSIZE: looked_up + ["rx.verdict"],
    }
    for kind in frames.kinds(sa):
        points = [point for point, _ in device.receive(kind.frame).trace]
        if kind.status in (RxStatus.SYNTAX, RxStatus.TRUNCATED):
            assert points in (reached[RxStatus.NO_SA], ["rx.in", "rx.parse"] + ends)
        else:
            assert points == reached[kind.status], kind.name
    sealed = device.transmit(request(sa), tx_frame(sa, bytes(16)))
    assert [point for point, _ in sealed.trace] == [
        "tx.in", "tx.verdict", "tx.trailer", "tx.seqiv", "tx.seal", "tx.icv", "tx.out"]
    dropped = device.transmit(request(sa, sa=0), tx_frame(sa, bytes(16)))
    assert [point for point, _ in dropped.trace] == ["tx.in", "tx.verdict"]


def test_trace_values_are_those_of_the_frame():
    sa = make_sa(6, 32, esn=True, esn_high=2)
    sequence = 0x2_00000005
    text = bytes(30) + b"\x00\x04"
    frame = frames.sealed(sa, text, sequence)
    trace = dict(device_with(sa).receive(frame).trace)
    sealed = esp.seal(sa, sequence, text)
    assert trace["rx.parse"] == {
        "status": "OK", "esp_offset": 54, "esp_bytes": len(sealed.packet), "sequence": 5,
        "destination": "2001:db8:0:1::2", "ipv6": 1, "encapsulation": 0, "spi": sa.spi}
    assert trace["rx.lookup"] == {"hit": 1, "sa": 1}
    assert trace["rx.open"] == {"text": text.hex()}
    assert trace["rx.icv"] == {"tag": sealed.tag.hex()}
    assert trace["rx.verdict"]["status"] == "OK"
    descriptor = request(sa, sequence=sequence)
    trace = dict(device_with(sa).transmit(descriptor, tx_frame(sa, text)).trace)
    assert trace["tx.verdict"] == {"status": "SEALED", "sa": 1}
    assert trace["tx.trailer"] == {"text": text.hex()}
    assert trace["tx.seqiv"] == {"spi": sa.spi, "sequence": sequence, "iv": sealed.iv.hex()}
    assert trace["tx.seal"] == {"text": sealed.ciphertext.hex()}
    assert trace["tx.icv"] == {"tag": sealed.tag.hex()}
    assert trace["tx.out"] == {"frame": frame.hex()}


# Self-test

@pytest.mark.parametrize("failing", list(SaDirection))
def test_a_direction_that_has_failed_does_no_crypto_and_all_else_goes_on(failing):
    sa = SAS[0]
    device, right = device_with(sa), device_with(sa)
    device.broken = {failing}
    device.self_test()
    wire = frames.sealed(sa, bytes(8) + bytes([0, 59]))
    clear = tx_frame(sa, bytes(40), icv_room=False)
    other = frames.carried(sa, b"\0" * 40)
    opened = device.receive(wire)
    sealed = device.transmit(request(sa, trailer=0, next_header=4), clear)
    if failing == RX:
        assert (opened.status, opened.frame) == (RxStatus.FAULT, wire)
        assert opened.completion["sa"] == 0
        assert sealed.status == TxStatus.SEALED
    else:
        assert opened.status == RxStatus.OK
        assert (sealed.status, sealed.frames) == (TxStatus.DROP_FAULT, ())
    assert device.transmit({"operation": TxOperation.BYPASS}, clear).frames == (clear,)
    assert device.receive(other).completion == right.receive(other).completion
    for direction in SaDirection:
        values = command_values(SaOperation.ADD, direction, 2, replace(sa, spi=77))
        assert device.command(values) == (
            SaResult.EIO if direction == failing else SaResult.OK)
        for operation in (SaOperation.READ, SaOperation.DELETE, SaOperation.FREE):
            assert device.command(command_values(operation, direction, 1, sa)) == SaResult.OK


def test_a_direction_that_is_not_there_cannot_fail():
    device = Device(Features(sas=16, transmit=False, lso=False), broken=list(SaDirection))
    assert device.failed == {RX}
    assert len(device.events) == 1
    values = command_values(SaOperation.ADD, TX, 1, SAS[0])
    assert device.command(values) == SaResult.EOPNOTSUPP
