"""Builds that lack parts: what can be built, and what the model says to requests for the rest."""

from random import Random

import pytest

from cocotb_tests.super_frames import random_super_frame
from model.codes import FRAME_BYTES_MAX, TxStatus
from model.device import Device
from model.features import Features


@pytest.mark.parametrize("parts, said", [
    ({"width": 64}, "width: 64"),
    ({"sas": 1000}, "sas: 1000"),
    ({"replay_window": 100}, "replay_window: 100"),
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
