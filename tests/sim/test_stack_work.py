"""Frames handed to a device that can do more: the stack's work, and the device seals the rest."""

import json
import shutil
from io import StringIO

import pytest
from rich.console import Console

from espnic.model.interface.codes import TxStatus
from espnic.sim.capture import handoff
from espnic.sim.problem import CaptureError, Mismatch
from espnic.sim.run import session
from espnic.sim.traffic.plan import plan_handoff
from tests.support.paths import CAPTURES, HANDOFFS, VXLAN

NAMES = [path.stem for path in VXLAN]
SAS = 16


def replayed(capture):
    """The frames that leave the model by request, and the statuses of the requests."""
    requests = [request for row in capture.handed_off for request in row.requests]
    outcome = plan_handoff(capture.sas, requests, SAS).outcome
    statuses = {record.fields["status"] for record in outcome.trace
                if record.point == "tx.verdict"}
    return outcome.sent_by_request(), statuses


@pytest.mark.parametrize("path", VXLAN, ids=NAMES)
def test_vxlan_that_the_stack_finishes_is_sealed_as_the_kernel_sent_it(path):
    capture = handoff.load(path)
    sent, statuses = replayed(capture)
    assert statuses == {TxStatus.SEALED.name}
    compared = handoff.compare_wire(capture.handed_off, sent)
    segments = sum(row.segments for row in capture.handed_off)
    assert compared.startswith(f"{segments} ")
    for row in capture.handed_off:
        for request in row.by_stack:
            assert request.descriptor.get("lso", 0) == request.descriptor.get("checksum", 0) == 0


@pytest.mark.parametrize("path, count", zip(VXLAN, (4, 5, 3), strict=True), ids=NAMES)
def test_one_line_says_of_how_many_packets_the_stack_does_work(path, count):
    [line] = handoff.done_by_stack(handoff.load(path).handed_off)
    assert line.startswith(f"the stack sums or cuts {count} packets ") and "VXLAN" in line


def test_the_command_ends_well_and_has_that_line(tmp_path):
    file = StringIO()
    request = session.Request(None, None, None, tmp_path, 1, CAPTURES / "vxlan" / "vxlan_trn6.json")
    session.run_model(request, Console(file=file, width=200))
    said = " ".join(file.getvalue().split())
    assert "as the kernel 9 frames byte for byte left the stack sums or cuts 5 packets" in said


@pytest.mark.parametrize("path", HANDOFFS, ids=lambda path: path.stem)
def test_of_plain_tcp_and_udp_no_work_is_left_to_the_stack(path):
    rows = handoff.load(path).handed_off
    assert not any(row.by_stack for row in rows) and handoff.done_by_stack(rows) == []


def test_frames_of_the_wrong_length_or_bytes_are_found_in_any_request_of_a_row():
    capture = handoff.load(CAPTURES / "vxlan" / "vxlan_trn6.json")
    sent, _statuses = replayed(capture)
    [place] = [place for place, row in enumerate(capture.handed_off) if len(row.by_stack) == 3
               and row.number == 3]
    last = sum(len(row.requests) for row in capture.handed_off[:place + 1])
    frame = sent[last][0]
    with pytest.raises(Mismatch, match="wire: frame 3 of handoff packet 3: byte 60 is"):
        handoff.compare_wire(capture.handed_off, sent | {
            last: [frame[:60] + bytes([frame[60] ^ 1]) + frame[61:]]})
    with pytest.raises(Mismatch, match="wire: 2 frames of handoff packet 3, expected 3"):
        handoff.compare_wire(capture.handed_off, sent | {last: []})


@pytest.mark.parametrize("where, name, value, said", [
    ("vnet_hdr", "gso_type", 3, "gso_type: 3, expected TCPV4, TCPV6 or UDP_L4 in its low bits"),
    ("vnet_hdr", "csum_start", 7, "csum_start: 7, expected"),
    ("tunnel", "inner_ip", 7, "inner_ip: 7, expected"),
    ("tunnel", "inner_ip", 101, "vnet_hdr: "),
])
def test_row_that_does_not_fit_its_frame_is_one_line(tmp_path, where, name, value, said):
    for path in (CAPTURES / "vxlan").glob("vxlan_trn6.*"):
        shutil.copy(path, tmp_path)
    path = tmp_path / "vxlan_trn6.json"
    document = json.loads(path.read_text())
    document["handoff"][2][where][name] = value
    path.write_text(json.dumps(document))
    with pytest.raises(CaptureError) as refused:
        handoff.load(path)
    assert said in str(refused.value) and "\n" not in str(refused.value)
