"""Segmentation and checksums of the model against the Linux kernel, byte for byte."""

from collections import Counter
from functools import cache

import pytest

from espnic.model.device.device import Device
from espnic.model.esp import esp
from espnic.model.host import stack
from espnic.model.interface.codes import SaDirection, SaOperation, SaResult, TxStatus
from espnic.model.interface.features import Features
from espnic.model.net import gso, packet
from espnic.model.sa.sa import command_values
from espnic.sim.capture import handoff
from tests.support.paths import CAPTURES, HANDOFFS
from tests.support.sas import device_with

SUPERS = [*HANDOFFS, *sorted((CAPTURES / "gso").glob("*.json"))]
WRAP = CAPTURES / "handoff" / "ho_esn_wrap_tun4_gcm128.json"

load = cache(handoff.load)


def by_name(paths):
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.stem)


def sending_device(sas):
    """A device with the SAs that can send, under handles 1 and up."""
    device = Device(Features(sas=16))
    for handle, sa in enumerate(sas, start=1):
        values = command_values(SaOperation.ADD, SaDirection.TX, handle, sa)
        assert device.command(values) == SaResult.OK
    return device


def test_all_captures_of_the_kernel_are_there():
    handed = [row for path in HANDOFFS for row in load(path).handed_off]
    supers = [row for path in SUPERS for row in load(path).superframes]
    assert (len(HANDOFFS), len(SUPERS)) == (12, 22)
    assert len(handed) == 562
    assert sum(bool(row.request.descriptor.get("lso")) for row in handed) == 105
    assert sum(bool(row.request.descriptor.get("checksum")) for row in handed) == 366
    assert len(supers) == 2194
    assert sum(bool(row.outgoing.mss) for row in supers) == 331


@by_name(HANDOFFS)
def test_device_makes_the_kernel_s_wire_frames_of_what_linux_hands_it(path):
    capture = load(path)
    device = device_with(*capture.sas)
    for row in capture.handed_off:
        result = device.transmit(row.request.descriptor, row.request.frame)
        if row.encrypted:
            assert (result.status, result.frame) == (TxStatus.BYPASSED, row.request.frame)
            continue
        assert result.status == TxStatus.SEALED, row.number
        if row.outer_id_differs:
            assert [*map(handoff.without_outer_id, result.frames)] == [
                *map(handoff.without_outer_id, row.wire)], row.number
        elif row.wire:
            assert result.frames == row.wire, row.number


@by_name(HANDOFFS)
def test_packets_without_a_twin_are_sealed_so_that_a_receiver_opens_them(path):
    capture = load(path)
    device = device_with(*capture.sas)
    for row in capture.handed_off:
        if row.wire:
            continue
        [frame] = device.transmit(row.request.descriptor, row.request.frame).frames
        _, parsed = packet.parse(frame)
        esp_packet = frame[parsed.esp_offset:parsed.esp_offset + parsed.esp_bytes]
        high = row.request.descriptor["sequence"] >> 32
        assert esp.open(capture.sas[0], high, esp_packet).authentic


@by_name(SUPERS)
def test_software_segments_and_sums_as_the_kernel_does(path):
    for row in load(path).superframes:
        outgoing = row.outgoing
        clear = stack.clear_packets(outgoing.clear, outgoing.checksum, outgoing.mss)
        assert tuple(clear) == row.plain, row.number


@by_name([path for path in SUPERS if load(path).sas[0].seqiv_salt])
def test_software_and_device_make_the_kernel_s_wire_frames_of_its_clear_packets(path):
    capture = load(path)
    device = sending_device(capture.sas)
    for row in capture.superframes:
        assert tuple(stack.software_frames(row.outgoing)) == row.wire, row.number
        handle = capture.sas.index(row.outgoing.sa) + 1
        request = stack.device_request(row.outgoing, handle)
        assert device.transmit(request.descriptor, request.frame).frames == row.wire, row.number


def test_sums_that_the_kernel_left_in_the_checksum_field_are_those_of_the_pseudo_header():
    """The length is that of the whole, in super-packets too; the device rests on it."""
    for path in SUPERS:
        for row in load(path).superframes:
            if row.outgoing.checksum:
                assert gso.unfinished(row.outgoing.clear) == row.outgoing.clear, row.number


def test_a_burst_across_2_32_is_right_where_linux_6_1_authenticates_with_the_next_high_half():
    """P1: the stack's frame with sequence number 2^32 - 1 cannot be opened by any receiver; the
    device's frame of the same burst is that of the kernel that was right."""
    capture = load(WRAP)
    [sa] = capture.sas
    [wrong] = [row for row in capture.handed_off if row.kernel_bug]
    assert wrong.kernel_bug == "authenticated with high half 1, not 0"
    [burst] = [row for row in capture.superframes if row.number == wrong.superframe]
    first = burst.outgoing.sequence
    assert first < (1 << 32) - 1 < first + len(burst.wire) - 1
    place = (1 << 32) - 1 - first
    assert wrong.wire == (burst.wire[place],)

    def opened(frame, high):
        return esp.open(sa, high, frame[34:])

    assert not opened(wrong.request.frame, 0).authentic
    assert opened(wrong.request.frame, 1).authentic
    request = stack.device_request(burst.outgoing, 1)
    frames = device_with(sa).transmit(request.descriptor, request.frame).frames
    assert frames == burst.wire
    assert opened(frames[place], 0).authentic
    assert opened(frames[place + 1], 1).authentic
    assert opened(frames[place], 0).text == opened(wrong.request.frame, 1).text


def numbered_as_from_tun(sas, rows):
    """Hand-offs with the numbers that Linux 6.1 gives when TUN has made the super-frames.

    Such a super-frame has ``gso_segs`` 0 and counts as no packet, so what follows it gets its
    numbers again (P38). Gives each request and its numbers.
    """
    taken = Counter({handle: sa.initial_seq - 1 for handle, sa in enumerate(sas, start=1)})
    for row in rows:
        handle = row.request.descriptor["sa"]
        first = taken[handle] + 1
        yield (row.request.descriptor | {"sequence": first}, row.request.frame,
               {(handle, first + index) for index in range(row.segments)})
        taken[handle] += not row.request.descriptor.get("lso")


@by_name(HANDOFFS)
def test_p38_numbers_that_linux_gives_again_after_super_frames_of_tun_are_not_sealed_again(path):
    capture = load(path)
    device = device_with(*capture.sas)
    rows = [row for row in capture.handed_off if not row.encrypted]
    used, asked = set(), Counter()
    for descriptor, frame, numbers in numbered_as_from_tun(capture.sas, rows):
        asked.update(numbers)
        result = device.transmit(descriptor, frame)
        assert result.status == (
            TxStatus.DROP_REPEATED if numbers & used else TxStatus.SEALED), descriptor
        assert len(result.frames) == (0 if numbers & used else len(numbers))
        used |= numbers if result.status == TxStatus.SEALED else set()
    again = sum(count > 1 for count in asked.values())
    assert (again > 0) == any(row.request.descriptor.get("lso") for row in rows)
    assert device.counters["tx_packets_out"] == len(used)
