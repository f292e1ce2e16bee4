"""Lifetime limits: what is counted, which frame is the last, and which events tell."""

import pytest

from espnic.model.device.device import Device
from espnic.model.interface.codes import (
    ESP_TEXT_OFFSET,
    EventKind,
    RxStatus,
    SaDirection,
    SaOperation,
    SaSelect,
    TxOperation,
    TxStatus,
)
from espnic.model.sa.lifetime import Lifetime, Limits
from espnic.model.sa.sa import command_values
from espnic.sim.traffic import frames
from tests.support.sas import device_with, make_sa

RX, TX = SaDirection.RX, SaDirection.TX
TEXT = bytes(14) + b"\x00\x04"


def events(device: Device) -> list[tuple[EventKind, SaDirection, int, int]]:
    """All events in the queue: kind, direction, handle, sequence number."""
    return [(EventKind(event["kind"]), SaDirection(event["direction"]), event["sa"],
             event["sequence"]) for event in iter_events(device)]


def iter_events(device: Device):
    while len(device.events):
        yield device.events.pop()


def used(device: Device, direction: SaDirection) -> tuple[int, int]:
    """Packets and bytes of the SA with handle 1."""
    read = device.read_sa(direction, 1)
    return read["packets"], read["bytes"]


def seal(sa, sequence, payload, **fields):
    """A request to seal under handle 1, of a frame without trailer, IPv4 outside."""
    frame = frames.carried(sa, sa.spi.to_bytes(4, "big") + bytes(12) + payload)
    return {"operation": TxOperation.ENCRYPT, "sa": 1, "sequence": sequence, "esp_offset": 34,
            "next_header": 4} | fields, frame


@pytest.mark.parametrize("limits", [Limits(hard_packets=3), Limits(hard_bytes=33)])
def test_the_frame_that_reaches_a_hard_limit_is_the_last_that_is_served(limits):
    sa = make_sa(limits=limits)
    device = device_with(sa)
    received = [device.receive(frames.sealed(sa, TEXT, number)) for number in range(1, 6)]
    assert [result.status for result in received] == 3 * [RxStatus.OK] + 2 * [RxStatus.EXPIRED]
    assert received[-1].frame == frames.sealed(sa, TEXT, 5)
    sent = [device.transmit(*seal(sa, number, bytes(16))) for number in range(1, 6)]
    assert [result.status for result in sent] == (
        3 * [TxStatus.SEALED] + 2 * [TxStatus.DROP_EXPIRED])
    assert not sent[-1].frames
    assert events(device) == [(EventKind.HARD_LIMIT, direction, 1, 3) for direction in (RX, TX)]
    assert used(device, RX) == used(device, TX) == (3, 48)
    assert device.counters["rx_expired"] == device.counters["tx_drop_expired"] == 2


def test_an_event_tells_once_of_each_kind_of_limit_the_soft_one_first():
    lifetime = Lifetime(Limits(soft_packets=2, soft_bytes=100, hard_packets=9, hard_bytes=100))
    assert lifetime.count(1, 10) == []
    assert lifetime.count(1, 10) == [EventKind.SOFT_LIMIT]
    assert lifetime.count(1, 79) == []
    assert lifetime.count(1, 1) == [EventKind.HARD_LIMIT]
    assert lifetime.count(9, 9) == []
    both = Lifetime(Limits(soft_packets=5, hard_bytes=1))
    assert both.count(45, 1) == [EventKind.SOFT_LIMIT, EventKind.HARD_LIMIT]


def test_a_limit_of_0_is_none():
    lifetime = Lifetime(Limits())
    assert lifetime.count(1 << 40, 1 << 60) == []
    assert not lifetime.warned and not lifetime.expired


def test_received_bytes_are_those_of_the_text_of_frames_with_the_right_icv():
    sa = make_sa(esn=True, esn_high=7, limits=Limits(soft_packets=2))
    device = device_with(sa)
    good = frames.sealed(sa, TEXT, 7 << 32 | 5)
    bad_trailer = frames.sealed(sa, bytes(2) + b"\xff\x04", 7 << 32 | 6)
    forged = good[:-1] + bytes([good[-1] ^ 1])
    assert device.receive(forged).status == RxStatus.AUTH_FAILED
    assert device.receive(good + bytes(9)).status == RxStatus.OK
    assert used(device, RX) == (1, len(TEXT))
    assert device.receive(bad_trailer).status == RxStatus.BAD_TRAILER
    assert used(device, RX) == (2, len(TEXT) + 4)
    assert events(device) == [(EventKind.SOFT_LIMIT, RX, 1, 7 << 32 | 6)]


def test_sent_bytes_are_those_of_the_request_behind_the_iv():
    sa = make_sa()
    device = device_with(sa)
    assert device.transmit(*seal(sa, 1, bytes(13))).status == TxStatus.SEALED
    assert used(device, TX) == (1, 13)
    payload = TEXT + bytes(sa.icv.bytes)
    assert device.transmit(*seal(sa, 2, payload, trailer=1)).status == TxStatus.SEALED
    assert used(device, TX) == (2, 13 + len(TEXT))
    assert device.transmit(*seal(sa, 0, payload)).status == TxStatus.DROP_SEQUENCE
    bypass = seal(sa, 9, payload, operation=TxOperation.BYPASS)
    assert device.transmit(*bypass).status == TxStatus.BYPASSED
    assert used(device, TX) == (2, 13 + len(TEXT))


def test_a_burst_counts_its_segments_and_its_last_sequence_number_and_leaves_whole():
    sa = make_sa(esn=True, limits=Limits(soft_packets=1, hard_packets=3))
    device = device_with(sa)
    headers = bytes(20 + 20)
    burst = {"lso": 1, "outer_offset": 14, "l3_offset": 50, "l4_offset": 70, "l4_protocol": 6,
             "header_bytes": 90, "mss": 100}
    descriptor, frame = seal(sa, (1 << 32) - 2, headers + bytes(401), **burst)
    assert len(frame) == 14 + 20 + ESP_TEXT_OFFSET + 40 + 401
    assert len(device.transmit(descriptor, frame).frames) == 5
    assert used(device, TX) == (5, 441)
    assert events(device) == [
        (EventKind.SOFT_LIMIT, TX, 1, (1 << 32) + 2), (EventKind.HARD_LIMIT, TX, 1, (1 << 32) + 2)]
    assert device.transmit(descriptor, frame).status == TxStatus.DROP_EXPIRED


def test_what_is_wrong_with_a_request_is_told_before_that_its_sa_has_expired():
    sa = make_sa(limits=Limits(hard_packets=1))
    device = device_with(sa)
    device.transmit(*seal(sa, 1, TEXT))
    for fields, status in (
        ({"sa": 2}, TxStatus.DROP_NO_SA), ({"sequence": 0}, TxStatus.DROP_SEQUENCE),
        ({"esp_offset": 38}, TxStatus.DROP_SPI), ({}, TxStatus.DROP_EXPIRED),
    ):
        descriptor, frame = seal(sa, 2, TEXT)
        assert device.transmit(descriptor | fields, frame).status == status


def test_new_limits_count_from_what_was_served_and_raise_no_event_themselves():
    sa = make_sa(limits=Limits(hard_packets=2))
    device = device_with(sa)
    for number in (1, 2):
        device.transmit(*seal(sa, number, TEXT))
    assert device.transmit(*seal(sa, 3, TEXT)).status == TxStatus.DROP_EXPIRED
    events(device)
    for number, limits, status in (
        (3, Limits(hard_packets=4), TxStatus.SEALED),
        (4, Limits(hard_packets=3), TxStatus.DROP_EXPIRED),
        (4, Limits(hard_packets=1), TxStatus.DROP_EXPIRED),
        (4, Limits(), TxStatus.SEALED),
    ):
        device.command(command_values(
            SaOperation.MODIFY, TX, 1, make_sa(limits=limits), SaSelect.HARD))
        assert device.transmit(*seal(sa, number, TEXT)).status == status
    assert events(device) == []


def test_an_sa_added_again_has_served_nothing():
    sa = make_sa(limits=Limits(hard_packets=1))
    device = device_with(sa)
    device.transmit(*seal(sa, 1, TEXT))
    for operation in (SaOperation.DELETE, SaOperation.FREE, SaOperation.ADD):
        device.command(command_values(operation, TX, 1, sa))
    assert used(device, TX) == (0, 0)
    assert device.transmit(*seal(sa, 2, TEXT)).status == TxStatus.SEALED
