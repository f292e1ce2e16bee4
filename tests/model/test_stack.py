"""The host's software where the captures do not reach: TFC, ECN, options, refusals, the device
doing less."""

from random import Random

import pytest

from espnic.model.device.device import Device
from espnic.model.host import stack
from espnic.model.host.receiver import Receiver
from espnic.model.interface.codes import Encapsulation, RxChecksum, RxStatus
from espnic.model.interface.features import Features
from espnic.model.net import checksum, ip
from espnic.sim.traffic import frames
from tests.support.clear_packets import NOT_OPENED, clear_packet
from tests.support.sas import all_kinds_of_sa, device_with, make_sa, sa_id


def transport(family=4, **change):
    return make_sa(family, mode="transport", **change)


def between(sa):
    return sa.source, sa.destination


@pytest.mark.parametrize("sa", all_kinds_of_sa(), ids=sa_id)
@pytest.mark.parametrize("inner", [4, 6])
def test_p24_any_family_inside_any_outside_by_software_and_by_device(sa, inner):
    sa = make_sa(sa.outer_family, len(sa.key), inner_family=inner, icv=sa.icv, esn=sa.esn,
                 encapsulation=sa.encapsulation)
    clear = clear_packet(inner)
    outgoing = stack.Outgoing(sa, 7, clear)
    wire = stack.software_frame(outgoing)
    device = device_with(sa)
    request = stack.device_request(outgoing, 1)
    assert device.transmit(request.descriptor, request.frame).frame == stack.software_frame(
        outgoing, udp6_checksum=False)
    result = device.receive(wire)
    assert result.completion["next_header"] == (4 if inner == 4 else 41)
    assert Receiver([sa]).deliver(result.frame, result.completion) == clear
    assert Receiver([sa]).deliver(wire, NOT_OPENED) == clear


def test_tfc_padding_is_added_in_tunnel_mode_and_cut_by_the_inner_length():
    sa = make_sa(tfcpad=200)
    clear = clear_packet(4)
    wire = stack.software_frame(stack.Outgoing(sa, 1, clear))
    assert len(wire) == 14 + 20 + 16 + 204 + 16
    assert Receiver([sa]).deliver(wire, NOT_OPENED) == clear
    result = device_with(sa).receive(wire)
    assert Receiver([sa]).deliver(result.frame, result.completion) == clear
    with pytest.raises(ValueError, match="^SA ab: tfcpad 200, expected a trailer from software$"):
        stack.device_request(stack.Outgoing(sa, 1, clear), 1, with_trailer=False)


@pytest.mark.parametrize("outer", [4, 6])
@pytest.mark.parametrize("inner", [4, 6])
def test_ecn_and_dscp_go_out_and_congestion_comes_back_in(outer, inner):
    sa = make_sa(outer, inner_family=inner)
    for inside, outside in ((0xB8, 0xB8), (0x02, 0x02), (0x01, 0x01), (0x03, 0x02)):
        clear = clear_packet(inner, traffic_class=inside)
        wire = stack.software_frame(stack.Outgoing(sa, 1, clear))
        assert ip.split(wire[14:]).traffic_class == outside
        marked = bytearray(wire)
        marked[15] |= 0x03 if outer == 4 else 0x30
        delivered = Receiver([sa]).deliver(bytes(marked), NOT_OPENED)
        capable = inside & 3
        expected = clear_packet(inner, traffic_class=inside | 3 if capable else inside)
        assert delivered == expected


def test_an_outer_id_counts_only_without_df():
    sa = make_sa()
    clear = bytearray(clear_packet(4))
    clear[6] = 0
    wire = stack.software_frame(stack.Outgoing(sa, 1, bytes(clear), ip_id=0x1234))
    assert wire[18:22].hex() == "12340000"
    wire = stack.software_frame(stack.Outgoing(sa, 1, clear_packet(4), ip_id=0x1234))
    assert wire[18:22].hex() == "00004000"


@pytest.mark.parametrize("family", [4, 6])
def test_transport_mode_puts_esp_behind_options_and_extension_headers(family):
    sa = transport(family)
    if family == 4:
        whole = clear_packet(4, between=between(sa))
        header = bytes([0x47]) + whole[1:20] + b"\x01" * 8
        clear = ip.fix_lengths(header, 7) + b"payload"
    else:
        hop_by_hop = bytes([60, 0]) + b"\x01\x04" + bytes(4)
        destination_options = bytes([17, 1]) + b"\x01\x0c" + bytes(12)
        clear = clear_packet(6, hop_by_hop + destination_options + b"payload", 0, 0, between(sa))
    wire = stack.software_frame(stack.Outgoing(sa, 1, clear))
    result = device_with(sa).receive(wire)
    assert result.status == (RxStatus.IP_OPTIONS if family == 4 else RxStatus.EXT_HEADER)
    assert Receiver([sa]).deliver(result.frame, result.completion) == clear
    request = stack.device_request(stack.Outgoing(sa, 1, clear), 1)
    assert device_with(sa).transmit(request.descriptor, request.frame).frame == wire


def test_udp_over_ipv6_has_a_checksum_from_software_and_none_from_the_device():
    sa = make_sa(6, encapsulation=Encapsulation.UDP)
    wire = stack.software_frame(stack.Outgoing(sa, 1, clear_packet(6)))
    datagram = ip.split(wire[14:])
    pseudo = sa.source.packed + sa.destination.packed + len(datagram.payload).to_bytes(4, "big")
    assert checksum.of(pseudo + bytes([0, 0, 0, 17]) + datagram.payload) == 0
    # A sum of zero would say "no checksum": with the port that makes it so, it is sent as ffff.
    port = sa.encap_source_port + int.from_bytes(datagram.payload[6:8], "big")
    sa = make_sa(6, encapsulation=Encapsulation.UDP, encap_source_port=port % 0xFFFF)
    wire = stack.software_frame(stack.Outgoing(sa, 1, clear_packet(6)))
    assert ip.split(wire[14:]).payload[6:8] == b"\xff\xff"
    request = stack.device_request(stack.Outgoing(sa, 1, clear_packet(6)), 1)
    device = device_with(sa)
    sent = device.transmit(request.descriptor, request.frame).frame
    assert sent == wire[:60] + bytes(2) + wire[62:]
    for frame, outer in ((wire, RxChecksum.GOOD), (sent, RxChecksum.NONE)):
        result = device.receive(frame)
        assert (result.status, result.completion["outer_checksum"]) == (RxStatus.OK, outer)
        assert Receiver([sa]).deliver(result.frame, result.completion) == clear_packet(6)


@pytest.mark.parametrize(("sa", "clear", "message"), [
    (make_sa(), clear_packet(6), "SA ab: packet is IPv6, expected IPv4 inside"),
    (transport(), clear_packet(4), "SA ab: packet to 10.1.2.2, expected 192.0.2.2"),
    (make_sa(), b"", "IP version 0, expected 4 or 6"),
    (make_sa(), clear_packet(4)[:25], "IPv4 total length 27, expected 20 to 25 bytes"),
    (make_sa(), b"\x44" + clear_packet(4)[1:], "IPv4 header of 16 bytes, expected 20 or more"),
    (make_sa(6), clear_packet(6)[:30], "IP packet of 30 bytes, expected 40 or more"),
])
def test_a_packet_that_the_sa_cannot_carry_is_refused_in_one_line(sa, clear, message):
    with pytest.raises(ValueError) as caught:
        stack.software_frame(stack.Outgoing(sa, 1, clear))
    assert str(caught.value) == message


def test_a_packet_that_grows_above_the_ip_length_is_refused():
    clear = clear_packet(4, bytes(65500))
    with pytest.raises(ValueError, match="expected 65535 or less$"):
        stack.software_frame(stack.Outgoing(make_sa(), 1, clear))


def test_a_fragment_is_refused_in_transport_mode_and_carried_in_tunnel_mode():
    fragment = bytearray(clear_packet(4, between=between(transport())))
    fragment[6:8] = b"\x20\x00"
    with pytest.raises(ValueError, match="^SA ab: fragment, expected a whole packet"):
        stack.software_frame(stack.Outgoing(transport(), 1, bytes(fragment)))
    wire = stack.software_frame(stack.Outgoing(make_sa(), 1, bytes(fragment)))
    assert Receiver([make_sa()]).deliver(wire, NOT_OPENED) == fragment


def test_sequence_numbers_end_where_the_counter_would_wrap():
    assert list(stack.sequence_numbers(make_sa(initial_seq=(1 << 32) - 2))) == [
        (1 << 32) - 2, (1 << 32) - 1]
    numbers = stack.sequence_numbers(make_sa(initial_seq=(1 << 32) - 1, esn=True))
    assert [next(numbers), next(numbers)] == [(1 << 32) - 1, 1 << 32]
    assert list(stack.sequence_numbers(make_sa(initial_seq=(1 << 64) - 1, esn=True))) == [
        (1 << 64) - 1]


@pytest.mark.parametrize("sa", all_kinds_of_sa(), ids=sa_id)
def test_nothing_is_delivered_of_what_was_refused_and_all_else_as_it_came(sa):
    device = device_with(sa)
    for kind in frames.kinds(sa):
        if kind.status == RxStatus.OVERSIZE:
            continue
        result = device.receive(kind.frame)
        delivered = Receiver([sa]).deliver(result.frame, result.completion)
        if kind.status in (RxStatus.NOT_ESP, RxStatus.NON_ESP_MARKER):
            assert delivered == ip.split(kind.frame[14:]).whole(), kind.name
        elif kind.status != RxStatus.OK:
            assert delivered is None, kind.name


@pytest.mark.parametrize("tags", [
    2 * frames.VLAN_TAG, frames.SERVICE_TAG, frames.SERVICE_TAG + 2 * frames.VLAN_TAG])
@pytest.mark.parametrize("sa", all_kinds_of_sa(), ids=sa_id)
def test_software_opens_what_stands_behind_more_tags_than_the_device_looks_behind(sa, tags):
    clear = clear_packet(sa.inner_family, bytes(30))
    wire = stack.software_frame(stack.Outgoing(sa, sa.initial_seq, clear))
    result = device_with(sa).receive(wire[:12] + tags + wire[12:])
    assert result.status == RxStatus.NOT_IP
    assert Receiver([sa]).deliver(result.frame, result.completion) == clear


def test_software_opens_ipv6_that_a_build_does_not_know():
    sa = make_sa(6)
    wire = stack.software_frame(stack.Outgoing(sa, sa.initial_seq, clear_packet(6)))
    result = Device(Features(ipv6=False)).receive(wire)
    assert result.status == RxStatus.NOT_IP
    assert Receiver([sa]).deliver(result.frame, result.completion) == clear_packet(6)


@pytest.mark.parametrize(("text", "why"), [
    (bytes(20) + bytes([0, 59]), "dummy packet"),
    (clear_packet(4) + bytes([1, 1, 41]), "next header of the other family"),
    (clear_packet(4) + bytes([1, 1, 6]), "next header that is no tunnel's"),
    (clear_packet(4)[:24] + bytes([0, 0, 0, 0, 4]), "inner packet cut short"),
])
def test_a_tunnel_delivers_whole_ip_packets_only(text, why):
    sa = make_sa()
    wire = frames.sealed(sa, text + bytes(-len(text) % 4))
    assert Receiver([sa]).deliver(wire, NOT_OPENED) is None, why


def test_the_receiver_follows_esn_across_the_wrap_without_a_device():
    sa = make_sa(esn=True, initial_seq=(1 << 32) - 2)
    receiver = Receiver([sa])
    for sequence in ((1 << 32) - 2, 1 << 32, (1 << 32) - 1, (1 << 32) + 1):
        clear = clear_packet(4, sequence.to_bytes(8, "big"))
        wire = stack.software_frame(stack.Outgoing(sa, sequence, clear))
        assert receiver.deliver(wire, NOT_OPENED) == clear


def test_an_old_packet_does_not_move_the_window_back():
    sa = make_sa(esn=True, initial_seq=1 << 32)
    receiver = Receiver([sa])
    for sequence in ((1 << 32) + 40, (1 << 32) + 10, (1 << 33) - 16):
        clear = clear_packet(4, sequence.to_bytes(8, "big"))
        wire = stack.software_frame(stack.Outgoing(sa, sequence, clear))
        assert receiver.deliver(wire, NOT_OPENED) == clear, hex(sequence)


def test_p17_a_forged_number_far_ahead_does_not_move_the_window():
    sa = make_sa(esn=True)
    receiver = Receiver([sa])
    clear = clear_packet(4)
    forged = bytearray(stack.software_frame(stack.Outgoing(sa, 0xF0000000, clear)))
    forged[-1] ^= 1
    assert receiver.deliver(bytes(forged), NOT_OPENED) is None
    wire = stack.software_frame(stack.Outgoing(sa, 1, clear))
    assert receiver.deliver(wire, NOT_OPENED) == clear


def test_fragments_in_any_order_and_twice_give_the_datagram_once():
    sa = make_sa()
    clear = clear_packet(4, Random(1).randbytes(100))
    wire = stack.software_frame(stack.Outgoing(sa, 1, clear))
    payload = wire[34:]
    pieces = [frames.ethernet(frames.ipv4(sa, payload[i:i + 48], fragment=i // 8 | (
        0x2000 if i + 48 < len(payload) else 0))) for i in range(0, len(payload), 48)]
    receiver = Receiver([sa])
    order = [pieces[2], pieces[0], pieces[2], *pieces[3:], pieces[1]]
    device = device_with(sa)
    delivered = []
    for piece in order:
        result = device.receive(piece)
        assert result.status == RxStatus.FRAGMENT
        delivered.append(receiver.deliver(result.frame, result.completion))
    assert delivered == [None] * (len(order) - 1) + [clear]


def test_a_replay_request_refuses_what_is_no_frame_of_the_sa():
    sa = make_sa()
    wire = stack.software_frame(stack.Outgoing(sa, 9, clear_packet(4)))
    random = Random(1)
    with pytest.raises(ValueError, match="^frame is NOT_ESP, expected ESP$"):
        stack.replay_request(frames.ethernet(frames.ipv4(sa, b"x", 6)), sa, 1, 9, random)
    with pytest.raises(ValueError, match="^frame is not of SA ab at sequence number 9$"):
        stack.replay_request(wire[:-1] + b"\0", sa, 1, 9, random)
    with pytest.raises(ValueError, match="^frame is not of SA other"):
        stack.replay_request(wire, make_sa(seed=2, name="other"), 1, 9, random)
