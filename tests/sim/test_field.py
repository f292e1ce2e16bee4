"""Inputs that were reported from outside: what the command makes of each, on the model."""

import json

import pytest

from espnic.model.host import safile
from espnic.model.interface.codes import RxStatus
from espnic.sim.capture.pcap import read_capture
from tests.support.field_inputs import FIELD, INPUTS
from tests.support.sas import device_with


@pytest.mark.parametrize("name", INPUTS)
def test_input_is_replayed_as_it_must_be(espnic, tmp_path, name):
    code, shown, complaint = espnic(*INPUTS[name].arguments("model", tmp_path / "out"))
    assert (code, complaint) == (0, "")
    shown = " ".join(shown.split())
    assert all(words in shown for words in INPUTS[name].says), shown


def test_every_capture_of_the_folder_is_replayed():
    there = {path.name for path in FIELD.iterdir() if ".pcap" in path.name}
    assert there == {given.capture for given in INPUTS.values()}


def test_both_captures_with_simple_packet_blocks_have_the_same_packets():
    packets = [read_capture(FIELD / f"spb_snaplen{limit}.pcapng").packets for limit in (0, 262144)]
    assert packets[0] == packets[1] and all(packets[0]) and len(packets[0]) == 2


def test_a_device_with_so_large_a_window_takes_each_number_once():
    """The file says of each frame its number and whether it is forged."""
    [sa] = safile.load(FIELD / "r_w1024.json").sas
    given = json.loads((FIELD / "r_w1024.json").read_text())["sequences"]
    device, seen, top, found = device_with(sa), set(), sa.initial_seq - 1, set()
    for frame, (number, forged) in zip(
            read_capture(FIELD / "r_w1024.pcap").packets, given, strict=True):
        if number <= top - sa.replay_window:
            expected = RxStatus.LATE
        elif number in seen or number < sa.initial_seq:
            expected = RxStatus.REPLAYED
        else:
            expected = RxStatus.AUTH_FAILED if forged else RxStatus.OK
        assert device.receive(frame).status == expected, number
        found.add(expected)
        if expected == RxStatus.OK:
            seen.add(number)
            top = max(top, number)
    assert found == {RxStatus.OK, RxStatus.LATE, RxStatus.REPLAYED, RxStatus.AUTH_FAILED}
