"""Packets through driver and xfrm core: features, fallback, rerouting, super-packets."""

from dataclasses import replace

import pytest

from espnic.model.interface.codes import (
    Encapsulation,
    RxStatus,
    SaDirection,
    TxOperation,
    TxStatus,
)
from espnic.model.interface.features import Features
from espnic.model.interface.layouts import RX_COMPLETION
from espnic.model.linux import xfrm_device
from espnic.model.linux.bus import run
from espnic.model.linux.netdev import Feature, NetDevice
from espnic.model.linux.skb import XfrmStatus
from espnic.model.linux.tx_skb import TxSkb
from espnic.model.linux.xfrm_output import Way
from espnic.model.net import gso
from espnic.model.sa.sa import ANY_FAMILY
from espnic.sim.traffic import frames
from espnic.sim.traffic.frames import OF_FRAMES
from tests.support.clear_packets import clear_packet
from tests.support.linux_host import SAS, Bench, inbound, outbound, pair, refused
from tests.support.sas import all_kinds_of_sa, make_sa, sa_id


def receiving(sa) -> Bench:
    """A host whose device has the SA to receive."""
    bench = Bench()
    bench.add(inbound(sa))
    return bench


# Features

def test_features_are_told_only_as_far_as_they_hold_together():
    assert Bench().device.features == set(Feature)
    assert Bench(Features(sas=SAS, lso=False)).device.features == {
        Feature.HW_ESP, Feature.HW_ESP_TX_CSUM}
    assert not Bench(Features(sas=SAS, lso=False, transmit=False)).device.features
    device = NetDevice("odd", features={Feature.HW_ESP_TX_CSUM}, ops=Bench().driver)
    assert refused(lambda: xfrm_device.api_check(device)).name == "EINVAL"
    assert refused(lambda: xfrm_device.api_check(
        NetDevice("bare", features={Feature.HW_ESP}))).name == "EINVAL"


# Traffic

@pytest.mark.parametrize("sa", all_kinds_of_sa(), ids=sa_id)
def test_packets_pass_from_host_to_host_whoever_does_the_work(sa):
    clear = clear_packet(sa.inner_family, bytes(100))
    for by_device in (True, False):
        sender, tx, receiver, rx = pair(sa)
        if not by_device:
            tx.offload = rx.offload = None
        for number in range(1, 4):
            wire, = sender.send(tx, clear)
            assert tx.oseq == number and receiver.receive(wire) == clear
        assert rx.current.packets == tx.current.packets == 3
        assert not sender.host.mib and not receiver.host.mib


@pytest.mark.parametrize("status, mark, counter", [
    (RxStatus.OK, XfrmStatus.CRYPTO_SUCCESS, None),
    (RxStatus.AUTH_FAILED, XfrmStatus.CRYPTO_TUNNEL_ESP_AUTH_FAILED, "XfrmInStateProtoError"),
    (RxStatus.BAD_TRAILER, XfrmStatus.CRYPTO_INVALID_PACKET_SYNTAX, "XfrmInBufferError"),
    (RxStatus.SYNTAX, XfrmStatus.CRYPTO_INVALID_PACKET_SYNTAX, "XfrmInBufferError"),
])
def test_statuses_that_the_device_judges_go_up_as_linux_names_them(status, mark, counter):
    sa = make_sa()
    judged = [kind for kind in frames.kinds(sa) if kind.status == status
              if receiving(sa).engine.receive(kind.frame).completion["sa"]]
    assert judged
    for kind in judged:
        bench = receiving(sa)
        skb = bench.skb(kind.frame)
        assert (skb.sec_path.state, skb.sec_path.status) == (bench.host.states[0], mark), kind.name
        bench.host.input.receive(skb)
        assert dict(bench.host.mib) == ({counter: 1} if counter else {}), kind.name


def test_p30_a_frame_that_the_device_has_not_opened_carries_no_mark_and_is_as_it_came():
    seen = set()
    for sa in (make_sa(4), make_sa(6), make_sa(4, encapsulation=Encapsulation.UDP)):
        bench = receiving(sa)
        for kind in frames.kinds(sa):
            if not kind.frame or kind.status == RxStatus.OVERSIZE:
                continue
            not_opened = (RxStatus.TRUNCATED, RxStatus.BAD_UDP_CHECKSUM)
            if kind.status in not_opened or not bench.engine.receive(
                    kind.frame).completion["sa"]:
                skb = bench.skb(kind.frame)
                assert (skb.sec_path, skb.checksum, skb.data) == (None, None, kind.frame)
                seen.add(kind.status)
    assert seen == OF_FRAMES - {
        RxStatus.OK, RxStatus.AUTH_FAILED, RxStatus.BAD_TRAILER, RxStatus.OVERSIZE}


@pytest.mark.parametrize("device_window", [True, False])
def test_a_frame_that_the_mac_found_bad_is_counted_and_does_not_go_up(device_window):
    sa = make_sa(replay_window=32)
    sender, receiver = Bench(), Bench(device_window=device_window)
    tx, rx = sender.add(outbound(sa)), receiver.add(inbound(sa))
    clear = clear_packet(4)
    wires = [sender.send(tx, clear)[0] for _ in range(3)]
    for wire in (*wires, bytes(60)):
        result = receiver.engine.receive(wire, bad=True)
        assert result.frame == wire
        assert receiver.driver.receive(result.frame, result.completion) is None
    assert receiver.device.stats == {"rx_errors": 4, "rx_crc_errors": 4}
    assert not receiver.driver.dropped and not receiver.host.mib
    assert [receiver.receive(wire) for wire in wires] == [clear] * 3
    assert rx.current.packets == 3 and receiver.device.stats["rx_errors"] == 4
    counted = run(receiver.driver.ethtool_statistics())
    assert counted["ipsec_dec_bypass_packets"] == 4 and counted["ipsec_rx_pkts"] == 3


@pytest.mark.parametrize("device_window", [True, False])
def test_replayed_and_late_packets_are_sequence_errors_whoever_keeps_the_window(device_window):
    sa = make_sa(replay_window=32)
    sender, receiver = Bench(), Bench(device_window=device_window)
    tx, rx = sender.add(outbound(sa)), receiver.add(inbound(sa))
    clear = clear_packet(4)
    wires = [sender.send(tx, clear)[0] for _ in range(40)]
    for wire in wires[1:]:
        assert receiver.receive(wire) == clear
    assert receiver.receive(wires[39]) is None and receiver.receive(wires[0]) is None
    assert dict(receiver.host.mib) == {"XfrmInStateSeqError": 2} and rx.replay_failures == 2
    counters = receiver.engine.counters
    assert (counters["rx_replayed"], counters["rx_late"]) == ((1, 1) if device_window else (0, 0))


def test_p17_a_forged_packet_far_ahead_moves_no_window():
    sa = make_sa(esn=True)
    for device_window in (True, False):
        sender, receiver = Bench(), Bench(device_window=device_window)
        tx, rx = sender.add(outbound(sa)), receiver.add(inbound(sa))
        clear = clear_packet(4)
        assert receiver.receive(sender.send(tx, clear)[0]) == clear
        forged = bytearray(sender.send(tx, clear)[0])
        forged[38:42] = (0xFFFFFF00).to_bytes(4, "big")
        assert receiver.receive(bytes(forged)) is None
        assert rx.window.top == 1 and rx.integrity_failures == 1
        assert receiver.receive(sender.send(tx, clear)[0]) == clear


@pytest.mark.parametrize("device_window", [True, False])
def test_p17_a_packet_from_before_the_wrap_sent_again_behind_it_moves_no_window(device_window):
    """The packet is genuine under its old high half, which the stack does not think of."""
    sa = make_sa(esn=True, initial_seq=(1 << 32) - 60)
    sender, receiver = Bench(), Bench(device_window=device_window)
    tx, rx = sender.add(outbound(sa)), receiver.add(inbound(sa))
    wires = [sender.send(tx, clear_packet(4))[0] for _ in range(120)]
    for number, wire in enumerate(wires, start=1):
        assert receiver.receive(wire)
        for old in wires[:min(number, 60)]:
            top = rx.window.top
            assert receiver.receive(old) is None and rx.window.top == top, number
    tx.oseq = (3 << 31) - 100
    for _ in range(200):
        assert receiver.receive(sender.send(tx, clear_packet(4))[0])


def test_p17_a_frame_opened_before_esn_was_changed_comes_up_behind_the_change():
    sa = make_sa(esn=True, initial_seq=(1 << 32) - 60)
    sender, receiver = Bench(), Bench(device_window=False)
    tx, rx = sender.add(outbound(sa)), receiver.add(inbound(sa))
    wires = [sender.send(tx, clear_packet(4))[0] for _ in range(120)]
    for wire in wires[:80]:
        assert receiver.receive(wire)
    late = receiver.skb(wires[0])
    for wire in wires[80:]:
        assert receiver.receive(wire)
    result = receiver.engine.receive(wires[0])
    assert result.status == RxStatus.AUTH_FAILED, "the device has been told of the change"
    opened = RX_COMPLETION.zeros | {
        "status": RxStatus.OK, "sa": rx.offload.handle, "esp_offset": 34}
    skb = receiver.driver.receive(late.data, opened)
    assert skb.sec_path.status != XfrmStatus.CRYPTO_SUCCESS


def test_offload_is_refused_for_a_packet_with_options_and_it_leaves_sealed_by_software():
    sa = make_sa()
    sender, tx, receiver, rx = pair(sa)
    plain = clear_packet(4, bytes(20))
    header = bytes([0x46]) + plain[1:2] + (len(plain) + 4).to_bytes(2, "big") + plain[4:20]
    with_options = header + bytes([1, 1, 1, 0]) + plain[20:]
    assert not sender.driver.offload_ok(tx, TxSkb(with_options))
    assert sender.driver.offload_ok(tx, TxSkb(plain))
    wire, = sender.send(tx, with_options)
    assert sender.engine.counters["tx_bypassed"] == 1 and not sender.engine.counters["tx_sealed"]
    assert receiver.receive(wire) is not None


def test_a_packet_longer_than_the_mtu_of_the_sa_is_sealed_by_software():
    sender, tx, _, _ = pair(make_sa())
    most = xfrm_device.state_mtu(tx, sender.device.mtu)
    wire, = sender.send(tx, clear_packet(4, bytes(most - 20)))
    assert len(wire) - 14 <= sender.device.mtu < len(wire) - 14 + 4
    sender.send(tx, clear_packet(4, bytes(most - 19)))
    assert (sender.engine.counters["tx_sealed"], sender.engine.counters["tx_bypassed"]) == (1, 1)


def test_a_packet_that_another_sa_takes_next_is_sealed_by_software():
    sender = Bench()
    tx = sender.add(outbound(nested=True))
    sent = sender.host.output.send(tx, clear_packet(4), sender.device)
    assert tx.offload and sent.way == Way.SOFTWARE


def test_p25_rerouted_to_another_device_the_packet_is_sealed_by_software():
    sender, tx, receiver, rx = pair(make_sa())
    clear = clear_packet(4, bytes(40))
    other = NetDevice("eth1")
    sent = sender.host.output.send(tx, clear, other)
    assert [request.descriptor for request in sent.requests] == [
        {"operation": TxOperation.BYPASS}]
    assert receiver.receive(sent.requests[0].frame) == clear


def test_p25_a_rerouted_super_packet_is_cut_and_sealed_by_software():
    sender, tx, receiver, rx = pair(make_sa())
    sent = sender.host.output.send(tx, tcp_packet(350), NetDevice("eth1"), mss=100)
    assert sent.way == Way.SOFTWARE and len(sent.requests) == 4
    assert all(receiver.receive(request.frame) for request in sent.requests)
    assert receiver.engine.counters["rx_ok"] == 4


def test_p25_handles_are_per_device():
    first, second = Bench(), Bench()
    for seed in (5, 6, 7):
        second.add(inbound(make_sa(seed=seed)))
    sa = make_sa(seed=1)
    x, y = first.add(inbound(sa)), second.add(inbound(sa))
    assert (x.offload.handle, y.offload.handle) == (1, 4)
    assert refused(lambda: run(second.driver.state_delete(x))).name == "EINVAL"
    assert second.engine.sas[SaDirection.RX].get(1) is not None


@pytest.mark.parametrize("spi, reason", [(0, "SPI 0"), (1 << 32, "SPI above 32 bits")])
def test_a_refusal_of_an_spi_says_what_is_wrong_with_it(spi, reason):
    assert refused(lambda: Bench().add(outbound(spi=spi))).reason == reason


def test_p31_a_receive_sa_never_sends_and_nothing_leaves_in_clear():
    bench = Bench()
    x = bench.add(inbound())
    assert refused(lambda: bench.send(x, clear_packet(4))).name == "EINVAL"
    assert bench.host.mib == {"XfrmOutError": 1}
    # A descriptor with a receive SA's handle is dropped by the device.
    tx = outbound(make_sa(seed=3))
    tx.offload = replace(x.offload)
    sent = bench.host.output.send(tx, clear_packet(4), bench.device)
    assert bench.transmit(sent.requests[0]).status == TxStatus.DROP_NO_SA
    assert bench.engine.counters["tx_packets_out"] == 0


@pytest.mark.parametrize("esn, last", [(False, (1 << 32) - 1), (True, (1 << 64) - 1)])
def test_a_counter_that_would_wrap_gives_eoverflow_and_is_not_committed(esn, last):
    bench = Bench()
    x = bench.add(outbound(make_sa(esn=esn, initial_seq=last - 1)))
    assert bench.send(x, clear_packet(4)) and x.oseq == last - 1
    burst = {"mss": 10}
    tcp = tcp_packet(25)
    assert refused(lambda: bench.send(x, tcp, **burst)).name == "EOVERFLOW"
    assert x.oseq == last - 1 and bench.host.mib == {"XfrmOutStateSeqError": 1}


@pytest.mark.parametrize(
    "clear", [b"", b"\x45" + bytes(9), b"\x55" + bytes(40), clear_packet(4)[:-1]])
def test_what_is_no_ip_packet_is_counted_and_takes_no_number(clear):
    bench = Bench()
    x = bench.add(outbound())
    assert refused(lambda: bench.host.output.send(x, clear, bench.device)).name == "EINVAL"
    assert bench.host.mib == {"XfrmOutError": 1} and x.oseq == 0


def tcp_packet(payload_bytes):
    """A super-packet whose checksum is left to the device."""
    header = bytes(12) + bytes([0x50, 0x18]) + bytes(6)
    return gso.unfinished(clear_packet(4, header + bytes(range(payload_bytes % 256)) + bytes(
        payload_bytes - payload_bytes % 256), protocol=6))


# GSO

@pytest.mark.parametrize("features, first, way", [
    (set(Feature), 1, "DEVICE"),
    ({Feature.HW_ESP, Feature.HW_ESP_TX_CSUM}, 1, "SEGMENTS"),
    ({Feature.HW_ESP}, 1, "SEGMENTS"),
    (set(Feature), (1 << 32) - 5, "DEVICE"),
    (set(Feature), (1 << 32) - 4, "SEGMENTS"),
    (set(Feature), (1 << 32) - 2, "SEGMENTS"),
])
def test_p1_who_segments_makes_no_difference_on_the_wire(features, first, way):
    sa = make_sa(esn=True, initial_seq=first)
    clear = tcp_packet(350)
    sender, tx, receiver, rx = pair(sa)
    sender.device.features = features
    sent = sender.host.output.send(tx, clear, sender.device, mss=100)
    assert sent.way.name == way
    wires = [frame for request in sent.requests for frame in sender.transmit(request).frames]
    plain, y = Bench(), outbound(sa)
    plain.host.states.append(y)
    assert wires == plain.send(y, clear, mss=100) and len(wires) == 4
    numbers = [int.from_bytes(wire[38:42], "big") for wire in wires]
    assert numbers == [(first + index) % (1 << 32) for index in range(4)]
    for wire in wires:
        assert receiver.receive(wire) is not None


def test_a_single_packet_whose_checksum_is_left_is_finished_by_whoever_can():
    clear = tcp_packet(50)
    for features in (set(Feature), {Feature.HW_ESP}):
        sender, tx, receiver, rx = pair(make_sa())
        sender.device.features = features
        wire, = sender.send(tx, clear, checksum=True)
        assert receiver.receive(wire) == gso.with_checksum(clear)


# One SA for both families (af-unspec)

@pytest.mark.parametrize("family", [4, 6])
def test_one_sa_carries_ipv4_and_ipv6_whoever_does_the_work(family):
    sa = make_sa(family, inner_family=ANY_FAMILY)
    for by_device in (True, False):
        sender, tx, receiver, rx = pair(sa)
        assert tx.offload.handle and rx.offload.handle
        if not by_device:
            tx.offload = rx.offload = None
        for clear in (clear_packet(4), clear_packet(6), tcp_packet(90)):
            wire, = sender.send(tx, clear)
            assert receiver.receive(wire) == clear
        assert not sender.host.mib and not receiver.host.mib


@pytest.mark.parametrize("tags", [
    2 * frames.VLAN_TAG, frames.SERVICE_TAG, frames.SERVICE_TAG + 2 * frames.VLAN_TAG])
@pytest.mark.parametrize("sa", all_kinds_of_sa(), ids=sa_id)
def test_p21_the_stack_opens_what_stands_behind_more_tags_than_the_device_looks_behind(sa, tags):
    sender, tx, receiver, _rx = pair(sa)
    clear = clear_packet(sa.inner_family, bytes(100))
    wire, = sender.send(tx, clear)
    assert receiver.receive(wire[:12] + tags + wire[12:]) == clear
    assert receiver.engine.counters["rx_not_ip"] == 1 and not receiver.host.mib


def test_the_stack_opens_ipv6_that_the_build_does_not_know():
    sa = make_sa(6)
    sender, receiver = Bench(), Bench(Features(sas=SAS, ipv6=False))
    tx, rx = sender.add(outbound(sa)), receiver.add(inbound(sa))
    assert rx.offload is None
    assert receiver.receive(sender.send(tx, clear_packet(6))[0]) == clear_packet(6)
    assert receiver.engine.counters["rx_not_ip"] == 1


def test_transport_mode_cannot_carry_both_families():
    x = outbound(mode="transport", inner_family=ANY_FAMILY)
    assert refused(lambda: Bench().add(x)).name == "EINVAL"
