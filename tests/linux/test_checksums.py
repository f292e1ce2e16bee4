"""CHECKSUM_COMPLETE through Linux's receive path: the trailer and all else is taken out of it."""


import pytest

from espnic.model.esp import esp, trailer
from espnic.model.interface.codes import Encapsulation, IcvSize, RxChecksum, RxStatus
from espnic.model.interface.layouts import RX_COMPLETION
from espnic.model.linux.bus import run
from espnic.model.linux.rx_checksum import FAULT, HARDWARE, NONE, SOFTWARE, UDP_ERROR, WRONG
from espnic.model.linux.skb import SecPath, SkBuff, XfrmStatus
from espnic.model.net import checksum, gso, ip
from tests.support.clear_packets import INSIDE, clear_packet
from tests.support.linux_host import Bench, inbound, pair
from tests.support.sas import ADDRESSES, make_sa
from tests.support.udp_checksums import in_udp

VLAN = bytes.fromhex("81000042")


def tcp(family, payload, between=None):
    header = bytes(12) + bytes([0x50, 0x18]) + bytes(6)
    return gso.with_checksum(clear_packet(family, header + payload, protocol=6, between=between))


def carried(sa, esp_packet, tags):
    """An ESP packet in a frame with right header checksums."""
    family, protocol = sa.outer_family, 50
    if sa.encapsulation == Encapsulation.UDP:
        protocol = 17
        length = 8 + len(esp_packet)
        esp_packet = bytes.fromhex("11941194") + length.to_bytes(2, "big") + bytes(2) + esp_packet
    whole = clear_packet(family, esp_packet, protocol, between=ADDRESSES[family])
    return bytes(12) + tags + {4: b"\x08\x00", 6: b"\x86\xdd"}[family] + whole


def opened_frame(sa, clear, tags=b"", padding=b"", tfc=0, pad=0):
    """A frame as a device hands it up that has opened it, and its sum by RFC 1071.

    ``pad`` more bytes of pad are in the trailer than are needed.
    """
    packet = ip.split(clear)
    inside = clear if sa.mode == "tunnel" else packet.payload
    next_header = {4: 4, 6: 41}[packet.version] if sa.mode == "tunnel" else packet.protocol
    made = trailer.build(len(inside), next_header, tfc)
    if pad:
        count = made[-2] + pad
        made = made[:len(made) - 2 - made[-2]] + bytes(range(1, count + 1)) + bytes(
            [count, next_header])
    text = inside + made
    wire = carried(sa, esp.seal(sa, 1, text).packet, tags)
    at = len(wire) - len(text) - sa.icv.bytes
    frame = wire[:at] + text + wire[at + len(text):] + padding
    return frame, checksum.total(frame[14:])


def give(sa, frame, value, **more):
    """Let a host take a frame that its device has opened; the packet, and what it counts."""
    bench = Bench()
    x = bench.add(inbound(sa))
    skb = SkBuff(frame, SecPath(x, XfrmStatus.CRYPTO_SUCCESS), value, **more)
    return bench.host.input.receive(skb), bench.host.input.checksums, bench.host.mib


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("inner", [4, 6])
@pytest.mark.parametrize("icv", IcvSize)
@pytest.mark.parametrize("tags", [b"", VLAN], ids=["", "VLAN"])
def test_p39_linux_takes_the_trailer_out_of_the_sum_at_every_length(family, inner, icv, tags):
    sa = make_sa(family, inner_family=inner, icv=icv)
    for count in range(34):
        clear = tcp(inner, bytes(range(1, count + 1)))
        for padding in (b"", b"\x01", b"\x01\x02\x03"):
            frame, value = opened_frame(sa, clear, tags, padding)
            packet, counts, _mib = give(sa, frame, value)
            assert packet == clear and counts == {HARDWARE: 1}, (count, padding)


@pytest.mark.parametrize("family", [4, 6])
def test_p32_in_transport_mode_odd_lengths_are_right_too(family):
    sa = make_sa(family, mode="transport")
    for count in range(34):
        clear = tcp(family, bytes(range(1, count + 1)), between=ADDRESSES[family])
        for pad in (0, 4, 248 - 248 % 4):
            frame, value = opened_frame(sa, clear, padding=b"\xfe" * (count % 5), pad=pad)
            packet, counts, _mib = give(sa, frame, value)
            assert packet == clear and counts == {HARDWARE: 1}, (count, pad)


def test_p32_padding_of_traffic_flow_confidentiality_is_taken_out_at_odd_offsets():
    sa = make_sa()
    for count in range(20):
        clear = tcp(4, bytes(range(1, count + 1)))
        frame, value = opened_frame(sa, clear, tfc=7)
        assert give(sa, frame, value)[1] == {HARDWARE: 1}


def test_p39_the_sum_that_ends_before_the_trailer_is_a_fault_of_the_hardware():
    sa = make_sa()
    clear = tcp(4, bytes(range(1, 30)))
    frame, _value = opened_frame(sa, clear)
    at = 14 + 20 + 16
    packet, counts, mib = give(sa, frame, checksum.total(frame[14:at + len(clear)]))
    assert packet == clear and counts == {FAULT: 1} and not mib


def test_a_wrong_inner_checksum_is_wrong_whoever_sums_and_no_fault():
    sa = make_sa()
    clear = bytearray(tcp(4, bytes(30)))
    clear[-1] ^= 1
    frame, value = opened_frame(sa, bytes(clear))
    assert give(sa, frame, value)[1] == {WRONG: 1}
    assert give(sa, frame, None)[1] == {WRONG: 1}


def test_without_a_sum_software_sums_and_without_a_checksum_nobody():
    sa = make_sa()
    frame, value = opened_frame(sa, tcp(4, bytes(30)))
    assert give(sa, frame, None)[1] == {SOFTWARE: 1}
    icmp = clear_packet(4, bytes(20), protocol=1)
    assert give(sa, *opened_frame(sa, icmp))[1] == {NONE: 1}


# The driver

def completion(sa, frame, **more):
    made = {"status": RxStatus.OK, "sa": 1, "checksum": 0xBAD,
            "frame_checksum": checksum.total(frame[14:])}
    return RX_COMPLETION.zeros | made | more


def test_p39_the_driver_hands_up_the_sum_to_the_end_of_the_frame():
    sa = make_sa()
    bench = Bench()
    bench.add(inbound(sa))
    clear = tcp(4, bytes(range(1, 30)))
    frame, value = opened_frame(sa, clear, padding=b"\x07")
    skb = bench.driver.receive(frame, completion(sa, frame))
    assert (skb.checksum, skb.csum_level) == (value, None)
    assert bench.host.input.receive(skb) == clear
    assert bench.host.input.checksums == {HARDWARE: 1}


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("mode", ["tunnel", "transport"])
def test_p40_behind_a_right_udp_checksum_linux_does_not_sum_over_what_the_device_has_changed(
        family, mode):
    sa = make_sa(family, mode=mode, encapsulation=Encapsulation.UDP)
    clear = tcp(family, bytes(range(1, 30)), INSIDE[family] if mode == "tunnel" else
                ADDRESSES[family])
    frame, value = opened_frame(sa, clear)
    at = 14 + {4: 20, 6: 40}[family] + 6
    frame = frame[:at] + b"\x12\x34" + frame[at + 2:]
    bench = Bench()
    bench.add(inbound(sa))
    skb = bench.driver.receive(frame, completion(sa, frame, outer_checksum=RxChecksum.GOOD))
    assert (skb.checksum, skb.csum_level) == (None, 0)
    assert bench.host.input.receive(skb) == clear and not bench.host.mib
    assert bench.host.input.checksums == {SOFTWARE if mode == "tunnel" else NONE: 1}
    # Without the device's word the packet is lost, and no xfrm counter says why.
    skb = bench.driver.receive(frame, completion(sa, frame))
    assert bench.host.input.receive(skb) is None
    assert bench.host.mib == {UDP_ERROR: 1}


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("behind", [b"\xa5", bytes(range(1, 8))])
def test_p40_bytes_behind_the_udp_datagram_change_neither_the_device_s_word_nor_linux_s(
        family, behind):
    sa = make_sa(family, encapsulation=Encapsulation.UDP)
    clear = tcp(family, bytes(range(1, 30)))
    text = clear + trailer.build(len(clear), {4: 4, 6: 41}[family])
    for offloaded in (True, False):
        bench = Bench()
        bench.add(inbound(sa), "own" if offloaded else None)
        assert bench.receive(in_udp(sa, 1, "right", text, behind=behind)) == clear
        assert bench.receive(in_udp(sa, 2, "wrong", text, behind=behind)) is None
        assert bench.receive(in_udp(sa, 3, "none", text, behind=behind)) == clear
        assert bench.engine.counters["rx_ok"] == (2 if offloaded else 0)
        assert bench.host.mib == {UDP_ERROR: 1} and bench.host.input.checksums == {SOFTWARE: 2}


@pytest.mark.parametrize("family", [4, 6])
def test_a_udp_datagram_inside_that_is_shorter_than_its_packet_is_right_by_the_device_s_sum(
        family):
    sa = make_sa(family, inner_family=family)
    for count in range(1, 9):
        header = bytes(4) + (8 + 11).to_bytes(2, "big") + bytes(2)
        udp = ip.split(gso.with_checksum(clear_packet(family, header + bytes(range(11)), 17)))
        clear = udp.with_payload(17, udp.payload + bytes(range(1, 1 + count)))
        frame, value = opened_frame(sa, clear)
        assert give(sa, frame, value)[:2] == (clear, {HARDWARE: 1})


@pytest.mark.parametrize("family", [4, 6])
def test_p40_without_a_udp_checksum_the_packet_is_taken_and_summed_in_software(family):
    sa = make_sa(family, encapsulation=Encapsulation.UDP)
    clear = tcp(family, bytes(range(1, 30)))
    frame, _value = opened_frame(sa, clear)
    at = 14 + {4: 20, 6: 40}[family] + 6
    frame = frame[:at] + bytes(2) + frame[at + 2:]
    bench = Bench()
    bench.add(inbound(sa))
    skb = bench.driver.receive(frame, completion(sa, frame))
    assert (skb.checksum, skb.csum_level) == (None, None)
    assert bench.host.input.receive(skb) == clear
    assert bench.host.input.checksums == {SOFTWARE: 1} and not bench.host.mib


def test_p40_a_sum_over_a_udp_header_would_be_a_fault_for_linux_leaves_that_header_in():
    sa = make_sa(encapsulation=Encapsulation.UDP)
    clear = tcp(4, bytes(range(1, 30)))
    frame, _value = opened_frame(sa, clear)
    frame = frame[:40] + bytes(2) + frame[42:]
    assert give(sa, frame, checksum.total(frame[14:]))[1] == {FAULT: 1}


def test_packets_that_software_opens_are_summed_in_software():
    sender, tx, receiver, rx = pair(make_sa())
    rx.offload = None
    clear = tcp(4, bytes(range(1, 30)))
    result = receiver.host.input.receive(SkBuff(sender.send(tx, clear)[0]))
    assert result == clear and receiver.host.input.checksums == {SOFTWARE: 1}




def test_p40_a_frame_whose_udp_checksum_the_device_has_found_wrong_is_dropped_by_udp():
    sa = make_sa(encapsulation=Encapsulation.UDP)
    frame, _value = opened_frame(sa, tcp(4, bytes(30)))
    frame = frame[:40] + b"\x12\x34" + frame[42:]
    bench = Bench()
    bench.add(inbound(sa))
    skb = bench.driver.receive(frame, completion(
        sa, frame, status=RxStatus.BAD_UDP_CHECKSUM, outer_checksum=RxChecksum.BAD))
    assert (skb.sec_path, skb.checksum, skb.csum_level) == (None, None, None)
    assert bench.host.input.receive(skb) is None and bench.host.mib == {UDP_ERROR: 1}


def test_a_frame_whose_sa_went_while_it_was_inside_goes_up_as_it_came():
    sender, tx, receiver, _rx = pair(make_sa())
    frame, = sender.send(tx, tcp(4, bytes(30)))
    skb = receiver.driver.receive(frame, completion(make_sa(), frame, status=RxStatus.SA_GONE))
    assert skb.sec_path is None and receiver.host.input.receive(skb) == tcp(4, bytes(30))


# With the device

@pytest.mark.parametrize("mode", ["tunnel", "transport"])
@pytest.mark.parametrize("family", [4, 6])
def test_p39_every_opened_tcp_packet_is_right_by_the_device_s_sum(family, mode):
    sender, tx, receiver, _rx = pair(make_sa(family, mode=mode))
    between = ADDRESSES[family] if mode == "transport" else None
    for count in range(40):
        clear = tcp(family, bytes(range(1, count + 1)), between)
        wire, = sender.send(tx, clear)
        assert receiver.receive(wire + b"\x01" * (count % 7)) == clear
    assert receiver.host.input.checksums == {HARDWARE: 40} and not receiver.host.mib


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("port", [4500, 4501])
def test_p40_nat_traversal_works_on_any_port_with_and_without_a_udp_checksum(family, port):
    sa = make_sa(family, encapsulation=Encapsulation.UDP, encap_destination_port=port)
    clear = tcp(family, bytes(range(1, 30)))
    for by_device in (True, False):
        sender, tx, receiver, rx = pair(sa)
        assert tx.offload.handle and rx.offload.handle
        if not by_device:
            tx.offload = None
        wire, = sender.send(tx, clear)
        at = 14 + {4: 20, 6: 40}[family] + 6
        summed = wire[at:at + 2] != bytes(2)
        assert summed == (family == 6 and not by_device)
        assert receiver.receive(wire) == clear and not receiver.host.mib
        assert receiver.engine.counters["rx_ok"] == 1
        assert receiver.host.input.checksums == {SOFTWARE: 1}
    bad = wire[:at] + bytes([wire[at] ^ 1, wire[at + 1] | 1]) + wire[at + 2:]
    assert receiver.receive(bad) is None and receiver.host.mib == {UDP_ERROR: 1}


def test_the_udp_ports_are_there_again_after_a_reset():
    sa = make_sa(encapsulation=Encapsulation.UDP, encap_destination_port=4501)
    sender, tx, receiver, rx = pair(sa)
    receiver.engine.command({"operation": 6})
    receiver.engine.esp_ports = (4500, 0, 0, 0)
    run(receiver.driver.restore())
    clear = tcp(4, bytes(9))
    assert receiver.receive(sender.send(tx, clear)[0]) == clear
    assert receiver.engine.counters["rx_ok"] == 1 and rx.current.packets == 1
