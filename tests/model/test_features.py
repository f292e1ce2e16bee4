"""Builds that lack parts: what can be built, and what the model says to requests for the rest."""

from random import Random

import pytest

from espnic.model.device.device import Device
from espnic.model.interface.codes import (
    FRAME_BYTES_MAX,
    RxStatus,
    SaDirection,
    SaOperation,
    SaResult,
    TxStatus,
)
from espnic.model.interface.features import Features
from espnic.model.sa.sa import command_values
from espnic.sim.traffic import frames
from espnic.sim.traffic.super_frames import random_super_frame
from tests.support.sas import make_sa

TEXT = b"payload" + bytes((1, 2, 3, 4, 5, 5, 4))


@pytest.mark.parametrize("parts, said", [
    ({"width": 64}, "width: 64"),
    ({"sas": 1000}, "sas: 1000"),
    ({"replay_window": 100}, "replay_window: 100"),
    ({"sideband": -1}, "sideband: -1, expected 0 to 256"),
    ({"sideband": 257}, "sideband: 257, expected 0 to 256"),
    ({"receive": False, "transmit": False}, "neither"),
    ({"transmit": False}, "lso: without transmit"),
    ({"receive": False}, "replay_window: without receive"),
])
def test_what_cannot_be_built_is_refused_by_name(parts, said):
    with pytest.raises(ValueError, match=said):
        Features(**parts)


def test_without_segmentation_a_super_frame_is_dropped_and_cut_at_a_frame_s_length():


    values, frame = random_super_frame(Random(1), 8)
    frame = frame.ljust(FRAME_BYTES_MAX + 1, b"\0")
    device = Device(Features(lso=False))
    result = device.transmit(values, frame)
    assert (result.status, result.frames) == (TxStatus.DROP_UNSUPPORTED, ())
    assert device.counters["tx_drop_unsupported"] == 1
    assert device.counters["tx_bytes_in"] == FRAME_BYTES_MAX
    assert Device().transmit(values, frame).status != TxStatus.DROP_UNSUPPORTED


@pytest.mark.parametrize("parts, refused", [
    ({}, set()),
    ({"ipv6": False}, {("RX", 6), ("TX", 6)}),
    ({"transmit": False, "lso": False}, {("TX", 4), ("TX", 6)}),
    ({"receive": False, "replay_window": 0}, {("RX", 4), ("RX", 6)}),
])
def test_an_sa_that_a_build_cannot_serve_is_refused(parts, refused):
    device = Device(Features(**parts))
    given = {
        (direction.name, sa.outer_family): device.command(
            command_values(SaOperation.ADD, direction, handle, sa))
        for direction in SaDirection
        for handle, sa in enumerate((make_sa(4, 16), make_sa(6, 16)), start=1)}
    assert given == {
        name: SaResult.EOPNOTSUPP if name in refused else SaResult.OK for name in given}


def test_without_ipv6_its_frames_are_not_ip_and_ipv4_is_opened():
    device = Device(Features(ipv6=False))
    for handle, sa in enumerate((make_sa(4, 16), make_sa(6, 16)), start=1):
        device.command(command_values(SaOperation.ADD, SaDirection.RX, handle, sa))
        status = device.receive(frames.sealed(sa, TEXT)).status
        assert status == (RxStatus.OK if sa.outer_family == 4 else RxStatus.NOT_IP)
