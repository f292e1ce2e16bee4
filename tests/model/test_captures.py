"""The model against the Linux kernel: every capture, both directions, byte for byte."""

import json
from dataclasses import replace
from functools import cache
from random import Random

import pytest

from espnic.model.host import safile, stack
from espnic.model.host.receiver import Receiver
from espnic.model.interface.codes import RxStatus
from espnic.model.net import ip
from espnic.sim.capture.archive import plain_packets
from espnic.sim.capture.pcap import read_capture
from tests.support.paths import CAPTURE_NAMES, CAPTURES
from tests.support.sas import device_with

SUPPORTED = [name for name in CAPTURE_NAMES if safile.load(CAPTURES / f"{name}.json").sas]
UNSUPPORTED = [name for name in CAPTURE_NAMES if name not in SUPPORTED]


class Capture:
    """Frames, what the kernel made of them, and the SAs, by name and by handle."""

    def __init__(self, name):
        self.frames = read_capture(CAPTURES / f"{name}.pcap").packets
        self.plain = plain_packets(CAPTURES / f"{name}.pcap")
        self.rows = json.loads((CAPTURES / f"{name}.json").read_text())["frames"]
        self.file = safile.load(CAPTURES / f"{name}.json")
        self.handles = {sa.name: handle for handle, sa in enumerate(self.file.sas, start=1)}
        self.sas = {sa.name: sa for sa in self.file.sas}

    def clear(self, row):
        """The clear packet that the kernel got from a frame, None for all but last fragments."""
        return self.plain[row["plain"] - 1] if row["plain"] else None

    def whole_frames(self):
        """Row and frame of those that are no outer fragment."""
        for row, frame in zip(self.rows, self.frames, strict=True):
            if not row.get("fragment"):
                yield row, frame


capture_of = cache(Capture)


def test_all_aes_gcm_captures_are_there():
    assert len(SUPPORTED) == 32
    assert sum(len(capture_of(name).frames) for name in SUPPORTED) == 4042


@pytest.mark.parametrize("name", SUPPORTED)
def test_what_the_device_opens_is_delivered_as_the_kernel_did(name):
    capture = capture_of(name)
    device = device_with(*capture.file.sas)
    receiver = Receiver(capture.file.sas)
    for row, frame in zip(capture.rows, capture.frames, strict=True):
        result = device.receive(frame)
        expected = RxStatus.FRAGMENT if row.get("fragment") else RxStatus.OK
        assert result.status == expected, row
        if result.status == RxStatus.OK:
            assert result.completion["next_header"] == row["next_header"]
            icv_bytes = capture.sas[row["sa"]].icv.bytes
            assert result.completion["trailer_bytes"] == row["pad_len"] + 2 + icv_bytes
        assert receiver.deliver(result.frame, result.completion) == capture.clear(row), row


@pytest.mark.parametrize("name", SUPPORTED)
def test_software_alone_delivers_the_same(name):
    capture = capture_of(name)
    receiver = Receiver(capture.file.sas)
    for row, frame in zip(capture.rows, capture.frames, strict=True):
        completion = {"status": RxStatus.NO_SA}
        assert receiver.deliver(frame, completion) == capture.clear(row), row


@pytest.mark.parametrize("name", SUPPORTED)
def test_the_device_seals_the_kernel_s_frame_from_its_plaintext(name):
    capture = capture_of(name)
    device = device_with(*capture.file.sas)
    random = Random(name)
    for row, frame in capture.whole_frames():
        sa = capture.sas[row["sa"]]
        request = stack.replay_request(frame, sa, capture.handles[sa.name], row["seq"], random)
        assert request.frame != frame
        assert device.transmit(request.descriptor, request.frame).frame == frame, row


@pytest.mark.parametrize("name", SUPPORTED)
def test_clear_packets_leave_as_the_kernel_s_frames_sealed_by_software_or_device(name):
    capture = capture_of(name)
    devices = {with_trailer: device_with(*capture.file.sas) for with_trailer in (True, False)}
    for row, frame in capture.whole_frames():
        sa = capture.sas[row["sa"]]
        # Linux takes the ID of a tunnel header without DF from a hashed counter.
        ip_id = int.from_bytes(frame[18:20], "big")
        outgoing = stack.Outgoing(sa, row["seq"], capture.clear(row), frame[:12], ip_id)
        assert stack.software_frame(outgoing) == frame, row
        for with_trailer, device in devices.items():
            request = stack.device_request(outgoing, capture.handles[sa.name], with_trailer)
            assert device.transmit(request.descriptor, request.frame).frame == frame, row


@pytest.mark.parametrize("name", [name for name in SUPPORTED if name.startswith("frag_outer")])
def test_datagrams_that_the_kernel_fragmented_are_sealed_the_same_before(name):
    capture = capture_of(name)
    reassembler = ip.Reassembler()
    compared = 0
    sas = dict(capture.sas)
    for row, frame in zip(capture.rows, capture.frames, strict=True):
        whole = reassembler.add(ip.split(frame[14:]))
        if whole is not None and row.get("fragment"):
            sa = sas[row["sa"]]
            if sa.seqiv_salt is None:
                # Not in the file: the first IV gives it, and the others must agree.
                iv = int.from_bytes(whole.payload[8:16], "big")
                sas[sa.name] = sa = replace(sa, seqiv_salt=(iv ^ row["seq"]).to_bytes(8, "big"))
            ip_id = int.from_bytes(frame[18:20], "big")
            outgoing = stack.Outgoing(sa, row["seq"], capture.clear(row), frame[:12], ip_id)
            assert stack.software_frame(outgoing)[14:] == whole.whole(), row
            compared += 1
    assert compared == sum(bool(row.get("fragments")) for row in capture.rows) > 0


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_frames_of_other_suites_pass_unmodified_and_the_reason_is_given(name):
    capture = capture_of(name)
    assert all("the engine does rfc4106(gcm(aes))" in sa.reason
               for sa in capture.file.unsupported)
    device = device_with(*capture.file.sas)
    for frame in capture.frames:
        result = device.receive(frame)
        assert (result.status, result.frame) == (RxStatus.NO_SA, frame)
