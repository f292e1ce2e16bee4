"""ESP in UDP with a UDP checksum, which the device judges on the frame as it came."""

from dataclasses import replace
from random import Random

import pytest

from espnic.model.device.register_file import RegisterFile
from espnic.model.host import safile
from espnic.model.interface.codes import (
    ESP_TEXT_OFFSET,
    FRAME_BYTES_MAX,
    IPPROTO_UDP,
    Encapsulation,
    RxChecksum,
    RxStatus,
    SaDirection,
)
from espnic.model.linux.bus import ModelRegisters, run
from espnic.model.linux.hardware import Hardware
from espnic.model.sa.lifetime import Limits
from espnic.sim.capture.pcap import read_capture
from espnic.sim.traffic import frames
from tests.support.paths import CAPTURES
from tests.support.sas import device_with, make_sa
from tests.support.udp_checksums import in_udp

GOOD, BAD, NONE = RxChecksum.GOOD, RxChecksum.BAD, RxChecksum.NONE
FAMILIES = pytest.mark.parametrize("family", [4, 6])


def judged(device, frame):
    """The status of a frame and what is said of its outer UDP checksum."""
    result = device.receive(frame)
    return result.status, result.completion["outer_checksum"]


def test_frames_of_a_peer_that_fills_the_udp_checksum_are_opened_and_called_right():
    sas = safile.load(CAPTURES / "field" / "natt.json").sas
    device = device_with(*sas)
    packets = read_capture(CAPTURES / "field" / "natt.pcap").packets
    assert [judged(device, frame) for frame in packets] == [(RxStatus.OK, GOOD)] * 2


@FAMILIES
@pytest.mark.parametrize("behind", [b"\xa5", b"\xa5\x5a\x01", bytes(40)])
def test_bytes_behind_the_udp_datagram_take_no_checksum_away(family, behind):
    sa = make_sa(family, encapsulation=Encapsulation.UDP, device_window=True, replay_window=64)
    device = device_with(sa)
    assert judged(device, in_udp(sa, 9, "wrong", behind=behind)) == (
        RxStatus.BAD_UDP_CHECKSUM, BAD)
    assert judged(device, in_udp(sa, 9, "right", behind=behind)) == (RxStatus.OK, GOOD)
    assert judged(device, in_udp(sa, 10, "none", behind=behind)) == (RxStatus.OK, NONE)


@FAMILIES
def test_a_udp_checksum_is_right_wrong_or_none_and_a_wrong_one_leaves_the_frame_as_it_came(family):
    sa = make_sa(family, encapsulation=Encapsulation.UDP)
    device = device_with(sa)
    right = in_udp(sa, 1, "right")
    assert judged(device, right) == (RxStatus.OK, GOOD)
    assert judged(device, right + bytes(9)) == (RxStatus.OK, GOOD)
    assert judged(device, in_udp(sa, 1, "none")) == (RxStatus.OK, NONE)
    for byte in range(14 + (20 if family == 4 else 40), len(right)):
        broken = bytearray(right)
        broken[byte] ^= 1 << byte % 8
        result = device.receive(bytes(broken))
        assert result.status != RxStatus.OK
        assert result.frame == broken
    wrong = in_udp(sa, 1, "wrong")
    result = device.receive(wrong)
    assert (result.status, result.completion["outer_checksum"]) == (RxStatus.BAD_UDP_CHECKSUM, BAD)
    assert result.frame == wrong
    assert result.completion["checksum_status"] == BAD
    assert result.completion["sa"] == 1


@FAMILIES
def test_a_wrong_udp_checksum_changes_neither_window_nor_lifetime_nor_counts_a_forgery(family):
    sa = make_sa(family, encapsulation=Encapsulation.UDP, device_window=True, replay_window=64,
                 esn=True, limits=Limits(hard_packets=3))
    device = device_with(sa)
    before = device.read_sa(SaDirection.RX, 1)
    text = bytes(20)
    for number in (1, 5, 1 << 31, 1000):
        assert device.receive(in_udp(sa, number, "wrong")).status == RxStatus.BAD_UDP_CHECKSUM
        forged = bytearray(in_udp(sa, number, "wrong"))
        forged[-len(text)] ^= 1
        assert device.receive(bytes(forged)).status == RxStatus.BAD_UDP_CHECKSUM
    assert device.read_sa(SaDirection.RX, 1) == before
    assert not device.events.head["kind"] and len(device.events) == 0
    assert device.counters["rx_auth_failed"] == 0
    assert device.counters["rx_bad_udp_checksum"] == 8
    for number in (1, 5, 3):
        assert device.receive(in_udp(sa, number, "right")).status == RxStatus.OK
    assert device.receive(in_udp(sa, 6, "right")).status == RxStatus.EXPIRED
    assert device.receive(in_udp(sa, 6, "wrong")).status == RxStatus.BAD_UDP_CHECKSUM


@FAMILIES
def test_the_outer_checksum_is_told_of_every_frame_with_esp_in_udp_and_of_no_other(family):
    sa = make_sa(family, encapsulation=Encapsulation.UDP)
    unknown, device = replace(sa, spi=sa.spi ^ 1), device_with(sa)
    assert judged(device, in_udp(unknown, 1, "right")) == (RxStatus.NO_SA, GOOD)
    assert judged(device, in_udp(unknown, 1, "wrong")) == (RxStatus.NO_SA, BAD)
    forged = frames.udp(bytes(4) + Random(1).randbytes(30))
    good = frames.udp_checksum(sa, forged)
    ike = frames.udp(forged[8:], checksum=good)
    result = device.receive(frames.ethernet(frames.ip(sa, ike, IPPROTO_UDP)))
    assert result.status == RxStatus.NON_ESP_MARKER
    assert (result.completion["checksum_status"], result.completion["outer_checksum"]) == (
        GOOD, NONE)
    right = in_udp(sa, 1, "right")
    assert judged(device, right + bytes(FRAME_BYTES_MAX)) == (RxStatus.OVERSIZE, NONE)
    assert judged(device, right[:-1]) == (RxStatus.TRUNCATED, NONE)
    auth = bytearray(right)
    # Two bytes of text trade places a word apart: the sum stays, the ICV does not.
    at = len(right) - sa.icv.bytes - 8
    auth[at:at + 4] = auth[at + 2:at + 4] + auth[at:at + 2]
    assert auth != right and at > ESP_TEXT_OFFSET
    assert judged(device, bytes(auth)) == (RxStatus.AUTH_FAILED, GOOD)


def test_a_driver_sets_up_to_four_ports_of_esp_and_no_number_that_is_none():
    device = device_with()
    hardware = Hardware(ModelRegisters(RegisterFile(device)))
    for ports in ((), (4500,), (1, 65535, 500, 4501)):
        run(hardware.set_esp_ports(ports))
        assert device.esp_ports == (*ports, *[0] * (4 - len(ports)))
    for wrong in ((1, 2, 3, 4, 5), (4500, 0), (65536,), (-1,)):
        with pytest.raises(ValueError, match="^ESP_PORTS: .*, expected up to 4 UDP ports$"):
            run(hardware.set_esp_ports(wrong))
    assert device.esp_ports == (1, 65535, 500, 4501)
