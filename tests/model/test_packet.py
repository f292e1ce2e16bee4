"""The receive rules: what each frame is, truncated anywhere, with tags and without."""

from collections import Counter

import pytest

from espnic.model.interface.codes import Encapsulation, RxStatus
from espnic.model.net import packet
from espnic.sim.traffic import frames
from tests.support.sas import all_kinds_of_sa, device_with, make_sa, sa_id

SAS = all_kinds_of_sa()


@pytest.mark.parametrize("sa", SAS, ids=sa_id)
def test_each_kind_of_frame_gets_its_status(sa):
    device = device_with(sa)
    for kind in frames.kinds(sa):
        assert device.receive(kind.frame).status == kind.status, kind.name


def test_every_status_has_a_frame():
    covered = Counter(kind.status for sa in SAS for kind in frames.kinds(sa))
    assert set(covered) == frames.OF_FRAMES


@pytest.mark.parametrize("sa", SAS, ids=sa_id)
@pytest.mark.parametrize("tags", [b"", frames.VLAN_TAG], ids=["untagged", "tagged"])
def test_a_frame_truncated_at_any_byte_is_truncated(sa, tags):
    frame = frames.sealed(sa, bytes(29) + b"\x01\x01\x04", tags=tags)
    device = device_with(sa)
    assert device.receive(frame).status == RxStatus.OK
    for length in range(len(frame)):
        result = device.receive(frame[:length])
        assert result.status == RxStatus.TRUNCATED, length
        assert result.frame == frame[:length]


@pytest.mark.parametrize("sa", SAS, ids=sa_id)
def test_p21_one_vlan_tag_is_looked_through_and_two_are_not(sa):
    text = bytes(13) + b"\x01\x01\x04"
    for tags, status in ((b"", RxStatus.OK), (frames.VLAN_TAG, RxStatus.OK),
                         (2 * frames.VLAN_TAG, RxStatus.NOT_IP),
                         (frames.SERVICE_TAG, RxStatus.NOT_IP),
                         (frames.SERVICE_TAG + frames.VLAN_TAG, RxStatus.NOT_IP)):
        result = device_with(sa).receive(frames.sealed(sa, text, tags=tags))
        assert result.status == status
        if status == RxStatus.OK:
            headers = 14 + len(tags) + (20 if sa.outer_family == 4 else 40)
            headers += 8 if sa.encapsulation == Encapsulation.UDP else 0
            assert result.completion["esp_offset"] == headers


@pytest.mark.parametrize("header", [0, 43, 44, 51, 60])
def test_p22_esp_behind_an_ipv6_extension_header_is_left_to_software(header):
    sa = make_sa(6)
    good = frames.sealed(sa, bytes(14) + b"\x00\x04")
    extended = frames.ethernet(frames.ipv6(sa, bytes([50, 0]) + bytes(6) + good[54:], header))
    result = device_with(sa).receive(extended)
    assert result.status == (RxStatus.FRAGMENT if header == 44 else RxStatus.EXT_HEADER)
    assert result.frame == extended


@pytest.mark.parametrize("family", [4, 6])
def test_p23_what_is_not_esp_on_port_4500_is_left_alone(family):
    sa = make_sa(family, encapsulation=Encapsulation.UDP)
    good = frames.sealed(sa, bytes(14) + b"\x00\x04")
    esp_packet = good[len(good) - 8 - 8 - 16 - sa.icv.bytes:]
    for payload, status in ((b"\xff", RxStatus.KEEPALIVE),
                            (bytes(4) + esp_packet, RxStatus.NON_ESP_MARKER),
                            (b"\xff\xff", RxStatus.NON_ESP_MARKER),
                            (esp_packet, RxStatus.OK)):
        frame = frames.ethernet(frames.ip(sa, frames.udp(payload), 17))
        result = device_with(sa).receive(frame)
        assert result.status == status
        assert (result.frame == frame) == (status != RxStatus.OK)


def test_p23_udp_length_and_not_ip_length_ends_the_esp_packet():
    sa = make_sa(4, encapsulation=Encapsulation.UDP)
    esp_packet = frames.sealed(sa, bytes(14) + b"\x00\x04")[42:]
    datagram = frames.udp(esp_packet) + b"\xee" * 5
    result = device_with(sa).receive(frames.ethernet(frames.ipv4(sa, datagram, 17)))
    assert result.status == RxStatus.OK
    assert result.frame.endswith(b"\xee" * 5)


def test_the_look_up_fields_are_those_of_the_frame():
    for sa in SAS:
        frame = frames.sealed(sa, bytes(14) + b"\x00\x04", sequence=0x01020304)
        status, parsed = packet.parse(frame)
        assert status == RxStatus.OK
        assert (parsed.destination, parsed.encapsulation, parsed.spi, parsed.sequence) == (
            sa.destination, sa.encapsulation, sa.spi, 0x01020304)
        assert parsed.esp_bytes == 32 + sa.icv.bytes


def test_an_sa_is_found_by_its_family_encapsulation_and_spi_only():
    plain, in_udp = make_sa(4), make_sa(4, encapsulation=Encapsulation.UDP, key=bytes(16))
    device = device_with(plain, in_udp)
    for handle, sa in ((1, plain), (2, in_udp)):
        result = device.receive(frames.sealed(sa, bytes(14) + b"\x00\x04"))
        assert (result.status, result.completion["sa"]) == (RxStatus.OK, handle)
    # The IPv6 address with the same number as an IPv4 one is another destination.
    mapped = type(make_sa(6).destination)(int(plain.destination))
    assert device.sas[0].look_up(mapped, Encapsulation.NONE, plain.spi) == 0
