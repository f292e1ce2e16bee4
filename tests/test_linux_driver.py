"""The driver and the xfrm core around it: errors, life of an SA, ESN, events, down and reset."""

import errno
from dataclasses import replace
from ipaddress import ip_address
from random import Random

import pytest

from model import gso, registers
from model.codes import (
    Encapsulation,
    EventKind,
    IcvSize,
    RxStatus,
    SaDirection,
    SaOperation,
    SaResult,
    TxStatus,
)
from model.features import Features
from model.linux import xfrm_device
from model.linux.bus import run
from model.linux.driver import EspnicDriver
from model.linux.errors import LinuxError
from model.linux.hardware import CommandTimeout, Hardware
from model.linux.host import Host
from model.linux.netdev import Feature, NetDevice
from model.linux.skb import XfrmStatus
from model.linux.xfrm import AF_INET6, Aead, KmState, Limits, OffloadFlags, UdpEncap, Usage
from model.linux.xfrm_output import Way
from model.registers import BY_NAME
from sim import frames
from sim.frames import OF_FRAMES
from tests.linux_bench import PACKET, SAS, Bench, inbound, outbound, pair
from tests.sas import all_kinds_of_sa, make_sa, sa_id
from tests.test_stack import clear_packet

KEY = bytes(range(20))


def refused(call) -> LinuxError:
    with pytest.raises(LinuxError) as caught:
        call()
    return caught.value


def receiving(sa) -> Bench:
    """A host whose device has the SA to receive."""
    bench = Bench()
    bench.add(inbound(sa))
    return bench


# Errors of state_add

@pytest.mark.parametrize("flags, change, reason", [
    (8, {}, "unrecognized flags"),
    (OffloadFlags.INBOUND, {}, "direction"),
    (0, {"tfcpad": 100}, "TFC"),
    (0, {"protocol": 51}, "type doesn't support"),
])
def test_the_core_refuses_with_einval(flags, change, reason):
    bench = Bench()
    error = refused(lambda: run(xfrm_device.state_add(outbound(**change), bench.device, flags)))
    assert error.name == "EINVAL" and reason in error.reason


def test_the_core_refuses_an_interface_id_and_esn_without_window_on_receive():
    bench = Bench()
    assert refused(lambda: bench.add(inbound(if_id=1))).name == "EINVAL"
    assert bench.add(outbound(if_id=1)).offload
    assert refused(lambda: bench.add(inbound(make_sa(esn=True, replay_window=0)))).name == "EINVAL"


CONTRADICTIONS = {
    "family": {"family": 1},
    "compression": {"compression": "deflate"},
    "authentication beside an AEAD": {"authentication": "hmac(sha1)"},
    "key without salt": {"aead": Aead(bytes(4))},
    "ICV of 13 bytes": {"aead": Aead(KEY, icv_bits=104)},
    "SPI 0": {"spi": 0},
    "hard limit 0": {"limits": Limits(hard_packets=0)},
    "IPv6 addresses under AF_INET": {"source": ip_address("::1"), "destination": ip_address("::2")},
    "IPv4 addresses under AF_INET6": {"family": AF_INET6},
    "addresses of two families": {"source": ip_address("::1")},
    "transport mode with the other family inside": {"mode": "transport", "inner_family": 6},
    "family inside": {"inner_family": 5},
    "SPI above 32 bits": {"spi": 1 << 32},
    "UDP port above 16 bits": {"encap": UdpEncap(source_port=1 << 16)},
    "window above 4,096 packets": {"replay_window": 4097},
    "TFC padding above 16 bits": {"tfcpad": 1 << 16},
    "first sequence number 0": {"initial_seq": 0},
    "first sequence number above 32 bits": {"initial_seq": 1 << 32},
    "first sequence number above 64 bits": {"initial_seq": 1 << 64, "esn": True},
    "limit above 64 bits": {"limits": Limits(hard_bytes=1 << 64)},
    "limit below 0": {"limits": Limits(soft_packets=-1)},
    "soft above hard packets": {"limits": Limits(soft_packets=10, hard_packets=10)},
    "soft above hard bytes": {"limits": Limits(soft_bytes=11, hard_bytes=10)},
}


@pytest.mark.parametrize("change", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_what_contradicts_itself_fails_with_einval(change):
    bench = Bench()
    x = outbound(**change)
    assert refused(lambda: bench.add(x)).name == "EINVAL"
    assert x.offload is None and x not in bench.host.states
    x.offload = xfrm_device.Offload(bench.device)
    assert refused(lambda: run(bench.driver.state_add(x))).name == "EINVAL"


NOT_OFFLOADED = {
    "no AEAD": {"aead": None, "encryption": "cbc(aes)", "authentication": "hmac(sha1)"},
    "other AEAD": {"aead": Aead(KEY + bytes(16), "rfc7539esp(chacha20,poly1305)")},
    "GMAC": {"aead": Aead(KEY, "rfc4543(gcm(aes))")},
    "key of 20 bytes": {"aead": Aead(bytes(24))},
    "IV generator": {"geniv": "echainiv"},
    "no IV generator": {"geniv": None},
    "BEET mode": {"mode": "beet"},
    "ESP in UDP with a non-IKE marker": {"encap": UdpEncap(type=1)},
    "ESP in TCP": {"encap": UdpEncap(type=7)},
}


@pytest.mark.parametrize("change", NOT_OFFLOADED.values(), ids=NOT_OFFLOADED)
def test_what_only_software_can_do_falls_back_to_it(change):
    bench = Bench()
    x = bench.add(outbound(**change))
    assert x.offload is None and x in bench.host.states
    with_device = outbound(**change)
    with_device.offload = xfrm_device.Offload(bench.device)
    assert refused(lambda: run(bench.driver.state_add(with_device))).name == "EOPNOTSUPP"


def test_ports_and_families_of_udp_encapsulation_that_the_device_cannot_do_fall_back():
    bench = Bench()
    in_udp = {family: make_sa(family, encapsulation=Encapsulation.UDP) for family in (4, 6)}
    assert bench.add(inbound(in_udp[4])).offload
    assert bench.add(inbound(in_udp[6])).offload
    assert bench.add(outbound(in_udp[4])).offload
    assert bench.add(outbound(in_udp[6])).offload is None
    other = inbound(make_sa(seed=9), encap=UdpEncap(destination_port=4501))
    assert bench.add(other).offload is None


@pytest.mark.parametrize("sa", all_kinds_of_sa(), ids=sa_id)
@pytest.mark.parametrize("icv", IcvSize)
def test_p13_every_key_and_icv_size_that_the_device_tells_is_taken(sa, icv):
    bench = Bench()
    for key_bytes in (16, 24, 32):
        other = replace(sa, spi=sa.spi ^ key_bytes, key=bytes(key_bytes), icv=icv)
        assert bench.add(inbound(other)).offload


def test_packet_offload_never_falls_back():
    bench = Bench()
    assert refused(lambda: bench.add(outbound(), flags=PACKET)).name == "EINVAL"
    plain = NetDevice("eth0")
    assert refused(lambda: bench.add(outbound(), plain, PACKET)).name == "EINVAL"
    assert not bench.host.states


def test_a_device_without_offload_leaves_the_sa_to_software():
    bench = Bench()
    assert bench.add(outbound(), NetDevice("eth0")).offload is None


def test_p19_a_device_that_lacks_a_capability_says_so_and_software_does_the_sa():
    bench = Bench(Features(sas=SAS, ipv6=False, replay_window=0))
    x = outbound(make_sa(6), family=AF_INET6)
    assert bench.add(x).offload is None
    bench.device.has_advance_esn = False
    assert refused(lambda: bench.add(inbound(make_sa(esn=True)))).name == "EINVAL"
    bench.device.has_advance_esn = True
    bench.driver.identity = replace(bench.driver.identity, esn=False)
    assert bench.add(inbound(make_sa(esn=True))).offload is None
    window = bench.add(inbound(make_sa(seed=3, replay_window=128)))
    assert window.offload, "software keeps the window that the device has not"


@pytest.mark.parametrize("parts, direction", [
    ({"receive": False, "replay_window": 0}, inbound),
    ({"transmit": False, "lso": False}, outbound),
])
def test_p19_a_direction_that_the_build_has_not_falls_back(parts, direction):
    assert Bench(Features(sas=SAS, **parts)).add(direction()).offload is None


def test_p27_an_sa_that_is_there_is_refused_with_eexist():
    bench = Bench()
    bench.add(inbound(make_sa(seed=1)))
    again = inbound(replace(make_sa(seed=2), spi=make_sa(seed=1).spi))
    assert refused(lambda: bench.add(again)).name == "EEXIST"
    with_device = inbound(replace(make_sa(seed=2), spi=make_sa(seed=1).spi))
    with_device.offload = xfrm_device.Offload(bench.device)
    assert refused(lambda: run(bench.driver.state_add(with_device))).name == "EEXIST"
    # The handle that the refused SA would have got is still there for others.
    for seed in range(2, SAS):
        assert bench.add(inbound(make_sa(seed=10 + seed))).offload


def test_p18_every_handle_from_the_first_to_the_last_serves_and_then_enospc():
    bench = Bench()
    states = [bench.add(inbound(make_sa(seed=10 + seed))) for seed in range(SAS - 1)]
    assert sorted(x.offload.handle for x in states) == list(range(1, SAS))
    assert refused(lambda: bench.add(inbound(make_sa(seed=99)))).name == "ENOSPC"
    assert bench.add(outbound()).offload.handle, "the other direction has room"
    run(bench.host.delete(states[7]))
    assert bench.add(inbound(make_sa(seed=99))).offload.handle == 8
    for x in states[:7]:
        wire = frames.sealed(x.association, clear_packet(4) + bytes.fromhex("010200" "04"))
        assert bench.skb(wire).sec_path.state is x


def test_p18_handle_0_and_the_one_behind_the_last_are_refused():
    bench = Bench()
    for handle in (0, SAS, 0xFFFF):
        for operation in (SaOperation.ADD, SaOperation.DELETE, SaOperation.READ, SaOperation.FREE):
            result = run(bench.driver.hardware.command(
                {"operation": int(operation), "sa": handle, "spi": 1}))
            assert result == SaResult.EINVAL, (handle, operation)


def test_p34_each_refusal_of_the_device_has_its_own_errno(monkeypatch):
    bench = Bench()
    names = set()
    for result in SaResult:
        if result in (SaResult.OK, SaResult.EOPNOTSUPP):
            continue

        async def answer(_values, result=result):
            return result
        monkeypatch.setattr(bench.driver.hardware, "command", answer)
        names.add(refused(lambda: bench.add(inbound())).name)
    assert names == {"EINVAL", "EEXIST", "ENOSPC", "ENOENT", "EBUSY"}


def test_p34_a_device_that_fails_gives_eio_and_one_that_never_ends_etimedout(monkeypatch):
    bench = Bench()
    bench.registers.broken.add(BY_NAME["SA_DOORBELL"].offset)
    assert refused(lambda: bench.add(inbound())).name == "EIO"
    bench.registers.broken.clear()
    monkeypatch.setattr("model.linux.hardware.POLLS", 0)
    assert refused(lambda: bench.add(inbound())).name == "ETIMEDOUT"


def test_probe_refuses_what_is_no_such_device():
    bench = Bench()
    bench.registers.broken.add(0)
    assert refused(lambda: run(bench.driver.probe())).name == "ENODEV"


@pytest.mark.parametrize("broken", ["EVENT", "IRQ_STATUS", "SA_DOORBELL", "RX_OK_LOW", "CONTROL"])
def test_p34_whatever_register_fails_the_driver_says_eio(broken):
    bench = Bench()
    x = bench.add(inbound())
    asked = {
        "EVENT": bench.driver.handle_interrupt, "IRQ_STATUS": bench.driver.handle_interrupt,
        "SA_DOORBELL": lambda: bench.driver.update_stats(x),
        "RX_OK_LOW": bench.driver.ethtool_statistics, "CONTROL": bench.driver.up}
    bench.registers.broken.add(BY_NAME[broken].offset)
    error = refused(lambda: run(asked[broken]()))
    assert error.name == "EIO" and broken in error.reason
    if broken == "CONTROL":
        assert refused(lambda: run(bench.driver.down())).name == "EIO"


def test_p34_a_result_that_the_map_does_not_know_gives_eio(monkeypatch):
    """As when the device is pulled out: then every register reads all ones."""
    bench = Bench()

    async def ones(_offset):
        return 0xFFFFFFFF
    monkeypatch.setattr(bench.registers, "read", ones)
    assert refused(lambda: bench.add(inbound())).name == "EIO"


def left_behind() -> tuple[Bench, EspnicDriver]:
    """A device whose driver is gone without a word, and the next driver."""
    bench = Bench()
    bench.add(inbound(make_sa(seed=1), limits=Limits(hard_packets=5)))
    bench.add(outbound(make_sa(seed=2)))
    return bench, EspnicDriver(Hardware(bench.registers), Random(2), bench.host.expired)


def test_p26_probe_takes_a_device_that_has_sas_of_a_driver_before():
    bench, driver = left_behind()
    run(driver.probe())
    assert all(bench.engine.sas[side].get(1) is None for side in SaDirection)
    host = Host()
    for x in (inbound(make_sa(seed=1)), outbound(make_sa(seed=2))):
        run(host.add(x, driver.device))
        assert x.offload.handle == 1


def test_p26_probe_starts_a_device_that_was_stopped():
    bench, driver = left_behind()
    run(bench.driver.down())
    run(driver.probe())
    assert driver.device.up
    assert run(bench.registers.read(BY_NAME["CONTROL"].offset)) == 0


def test_p26_an_event_of_a_driver_before_ends_no_sa():
    bench, driver = left_behind()
    bench.engine.events.push(EventKind.HARD_LIMIT, SaDirection.RX, 1)
    run(driver.probe())
    x = inbound(make_sa(seed=3))
    run(Host().add(x, driver.device))
    run(driver.handle_interrupt())
    assert x.offload.handle == 1 and x.state == KmState.VALID


def test_p26_probe_succeeds_with_frames_inside_that_keep_new_sas_out(monkeypatch):
    bench, driver = left_behind()
    inside = fence(bench, monkeypatch)
    run(driver.probe())
    assert bench.engine.sas[SaDirection.RX].empty
    assert refused(lambda: run(Host().add(inbound(), driver.device))).name == "EBUSY"
    inside.clear()
    run(Host().add(inbound(), driver.device))


def test_p34_probe_of_a_device_that_fails_behind_its_identity_gives_eio_or_etimedout(monkeypatch):
    bench, driver = left_behind()
    bench.registers.broken.add(BY_NAME["SA_DOORBELL"].offset)
    assert refused(lambda: run(driver.probe())).name == "EIO"
    bench.registers.broken.clear()
    monkeypatch.setattr("model.linux.hardware.POLLS", 0)
    assert refused(lambda: run(driver.probe())).name == "ETIMEDOUT"


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
    for sa in (make_sa(4), make_sa(6)):
        bench = receiving(sa)
        for kind in frames.kinds(sa):
            if not kind.frame or kind.status == RxStatus.OVERSIZE:
                continue
            if kind.status == RxStatus.TRUNCATED or not bench.engine.receive(
                    kind.frame).completion["sa"]:
                skb = bench.skb(kind.frame)
                assert (skb.sec_path, skb.checksum, skb.data) == (None, None, kind.frame)
                seen.add(kind.status)
    assert seen == OF_FRAMES - {
        RxStatus.OK, RxStatus.AUTH_FAILED, RxStatus.BAD_TRAILER, RxStatus.OVERSIZE}


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
    """It is genuine under the high half that it had, which the stack does not think of."""
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
    opened = {"status": RxStatus.OK, "sa": rx.offload.handle, "checksum": 0}
    assert receiver.driver.receive(late.data, opened).sec_path.status != XfrmStatus.CRYPTO_SUCCESS


def test_offload_is_refused_for_a_packet_with_options_and_it_leaves_sealed_by_software():
    sa = make_sa()
    sender, tx, receiver, rx = pair(sa)
    plain = clear_packet(4, bytes(20))
    header = bytes([0x46]) + plain[1:2] + (len(plain) + 4).to_bytes(2, "big") + plain[4:20]
    with_options = header + bytes([1, 1, 1, 0]) + plain[20:]
    assert not sender.driver.offload_ok(tx, with_options) and sender.driver.offload_ok(tx, plain)
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
    assert [request.descriptor for request in sent.requests] == [{}]
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


# ESN

def test_p12_a_change_of_esn_changes_nothing_else():
    bench = Bench(device_window=False)
    limits = Limits(soft_packets=50, soft_bytes=6000, hard_packets=90, hard_bytes=1 << 40)
    x = bench.add(inbound(make_sa(esn=True, key_bytes=32), limits=limits))
    before = run(bench.driver.hardware.read_sa(SaDirection.RX, x.offload.handle))
    x.window.advance((1 << 31) + 100)
    bench.driver.advance_esn(x)
    run(bench.driver.run_work())
    after = run(bench.driver.hardware.read_sa(SaDirection.RX, x.offload.handle))
    assert after == before | {"esn_overlap": 1}
    assert after["hard_bytes"] == 1 << 40


def test_a_change_of_esn_that_failed_is_made_with_the_next_packet():
    bench = Bench(device_window=False)
    x = bench.add(inbound(make_sa(esn=True, replay_window=64)))
    x.window.advance((1 << 32) + 100)
    bench.driver.advance_esn(x)
    bench.registers.broken.add(BY_NAME["SA_DOORBELL"].offset)
    assert refused(lambda: run(bench.driver.run_work())).name == "EIO"
    bench.registers.broken.clear()
    handle = x.offload.handle
    assert run(bench.driver.hardware.read_sa(SaDirection.RX, handle))["esn_high"] == 0
    bench.driver.advance_esn(x)
    run(bench.driver.run_work())
    assert run(bench.driver.hardware.read_sa(SaDirection.RX, handle))["esn_high"] == 1


def test_p14_esn_told_twice_is_done_once():
    bench = Bench(device_window=False)
    x = bench.add(inbound(make_sa(esn=True, replay_window=64)))
    x.window.advance((1 << 32) + 100)
    bench.driver.advance_esn(x)
    bench.driver.advance_esn(x)
    run(bench.driver.run_work())
    bench.registers.writes.clear()
    bench.driver.advance_esn(x)
    run(bench.driver.run_work())
    assert not bench.registers.writes
    handle = x.offload.handle
    assert run(bench.driver.hardware.read_sa(SaDirection.RX, handle))["esn_high"] == 1


def test_esn_told_of_an_sa_that_is_deleted_or_freed_changes_nothing():
    bench = Bench(device_window=False)
    x = bench.add(inbound(make_sa(esn=True, replay_window=64)))
    run(bench.driver.state_delete(x))
    x.window.advance((1 << 32) + 100)
    bench.driver.advance_esn(x)
    run(bench.driver.run_work())
    x.window.advance((1 << 33) + 100)
    bench.driver.advance_esn(x)
    run(bench.driver.state_free(x))
    run(bench.driver.run_work())


def test_p14_the_same_event_twice_changes_nothing_more():
    bench = Bench()
    x = bench.add(inbound(make_sa(esn=True, initial_seq=(1 << 31) - 1)))
    tx = Bench()
    y = tx.add(outbound(make_sa(esn=True, initial_seq=(1 << 31) - 1)))
    for _ in range(2):
        assert bench.receive(tx.send(y, clear_packet(4))[0])
    head = bench.engine.events.head
    assert head["kind"] == EventKind.ESN_HALF
    for _ in range(3):
        bench.engine.events.push(EventKind(head["kind"]), SaDirection.RX, head["sa"])
    writes = len(bench.registers.writes)
    run(bench.driver.handle_interrupt())
    pops = [offset for offset, _ in bench.registers.writes[writes:]
            if offset == registers.EVENT_POP.offset]
    assert len(pops) == 4 and x.window.top == 1 << 31 and x.state == KmState.VALID


@pytest.mark.parametrize("device_window", [True, False])
def test_p16_esn_goes_on_across_2_to_the_32_in_both_directions(device_window):
    first = (1 << 31) - 3
    sa = make_sa(esn=True, initial_seq=first, replay_window=64)
    sender, receiver = Bench(device_window=device_window), Bench(device_window=device_window)
    tx = sender.add(outbound(sa))
    receiver.add(inbound(sa))
    clear = clear_packet(4)
    for boundary in (1 << 31, 1 << 32, 3 << 31, 1 << 33):
        tx.oseq = boundary - 3
        for _ in range(80):
            assert receiver.receive(sender.send(tx, clear)[0]) == clear
    assert receiver.engine.counters["rx_ok"] == 320 and not receiver.host.mib
    run(receiver.driver.handle_interrupt())


def test_p15_the_first_sequence_number_is_1():
    sender, tx, receiver, rx = pair(make_sa())
    wire, = sender.send(tx, clear_packet(4))
    assert wire[38:42] == (1).to_bytes(4, "big") and receiver.receive(wire)
    zero = frames.sealed(make_sa(), clear_packet(4) + bytes.fromhex("01020204"), sequence=0)
    assert receiver.receive(zero) is None and receiver.host.mib["XfrmInStateSeqError"] == 1


# Limits and events

def test_limits_are_told_once_and_end_the_sa():
    sender, receiver = Bench(), Bench()
    sa = make_sa()
    tx = sender.add(outbound(sa))
    rx = receiver.add(inbound(sa, limits=Limits(soft_packets=3, hard_packets=5)))
    results = [receiver.receive(sender.send(tx, clear_packet(4))[0]) for _ in range(7)]
    assert [packet is not None for packet in results] == [True] * 5 + [False] * 2
    run(receiver.driver.handle_interrupt())
    assert receiver.host.expired.told == [(rx, False), (rx, True)]
    assert receiver.engine.counters["rx_expired"] == 2
    assert receiver.host.mib["XfrmInStateExpired"] + receiver.host.mib["XfrmInStateInvalid"] == 2
    run(receiver.host.expire())
    assert rx not in receiver.host.states and rx.offload is None


def test_the_device_tells_limits_that_software_has_not_seen():
    bench = Bench()
    tx = bench.add(outbound(limits=Limits(soft_packets=2, hard_packets=4)))
    sent = [bench.host.output.send(tx, clear_packet(4), bench.device) for _ in range(4)]
    tx.current.packets = 0
    for each in sent[:2]:
        bench.transmit(each.requests[0])
    run(bench.driver.handle_interrupt())
    assert bench.host.expired.told == [(tx, False)]
    for each in sent[2:]:
        bench.transmit(each.requests[0])
    run(bench.driver.handle_interrupt())
    assert bench.host.expired.told == [(tx, False), (tx, True)]
    assert refused(lambda: bench.send(tx, clear_packet(4))).name == "EINVAL"
    assert bench.host.mib == {"XfrmOutStateInvalid": 1}


def test_lost_events_are_made_up_for_by_reading_every_sa():
    bench = Bench()
    tx = bench.add(outbound(limits=Limits(soft_packets=1)))
    other = bench.add(inbound(make_sa(seed=5)))
    for _ in range(70):
        bench.engine.events.push(EventKind.ESN_HALF, SaDirection.RX, other.offload.handle)
    sent = bench.host.output.send(tx, clear_packet(4), bench.device)
    bench.transmit(sent.requests[0])
    assert bench.engine.events.overflowed
    run(bench.driver.handle_interrupt())
    assert bench.host.expired.told == [(tx, False)]
    assert bench.driver.noticed["events_overflow"] == 1
    run(bench.driver.handle_interrupt())
    assert bench.driver.noticed["events_overflow"] == 1


def test_p25_an_event_of_an_sa_that_is_gone_does_not_end_its_successor():
    bench = Bench()
    old = bench.add(inbound(make_sa(seed=1)))
    handle = old.offload.handle
    bench.engine.events.push(EventKind.HARD_LIMIT, SaDirection.RX, handle)
    run(bench.host.delete(old))
    assert not len(bench.engine.events)
    states = [bench.add(inbound(make_sa(seed=20 + seed))) for seed in range(SAS - 1)]
    assert handle in [x.offload.handle for x in states]
    run(bench.driver.handle_interrupt())
    assert all(x.state == KmState.VALID for x in states)
    assert bench.driver.noticed["events_of_no_sa"] == 1


def test_ethtool_statistics_have_what_the_device_and_the_driver_count():
    sender, tx, receiver, rx = pair(make_sa())
    wire = sender.send(tx, clear_packet(4))[0]
    receiver.receive(wire)
    strange = {"status": 31, "sa": rx.offload.handle, "checksum": 0}
    assert receiver.driver.receive(wire, strange) is None
    found = run(receiver.driver.ethtool_statistics())
    expected = {"ipsec_dec_in_packets": 1, "ipsec_rx_pkts": 1, "ipsec_rx_bytes": len(wire),
                "ipsec_add_sa_success": 1, "ipsec_rx_drop_syndrome": 1, "ipsec_tx_pkts": 0}
    assert {name: found[name] for name in expected} == expected


def test_statistics_of_an_sa_are_those_of_the_device():
    sender, tx, receiver, rx = pair(make_sa())
    for _ in range(3):
        receiver.receive(sender.send(tx, clear_packet(4))[0])
    for bench, x in ((sender, tx), (receiver, rx)):
        run(bench.driver.update_stats(x))
        assert x.offload.usage.packets == x.current.packets == 3
        assert x.offload.usage.bytes > 0
    assert tx.offload.usage == rx.offload.usage


def test_p26_statistics_stay_as_they_were_when_a_reset_has_taken_the_sa():
    sender, tx, receiver, rx = pair(make_sa())
    receiver.receive(sender.send(tx, clear_packet(4))[0])
    run(receiver.driver.update_stats(rx))
    before = replace(rx.offload.usage)
    receiver.engine.command({"operation": int(SaOperation.FLUSH)})
    run(receiver.driver.update_stats(rx))
    assert rx.offload.usage == before and before.packets == 1


def test_p25_statistics_of_an_sa_that_is_gone_are_not_those_of_its_successor():
    sender, tx, receiver, rx = pair(make_sa())
    offload = replace(rx.offload)
    run(receiver.driver.down())
    run(receiver.driver.up())
    receiver.add(inbound(replace(make_sa(), spi=99)))
    rx.offload = replace(offload, usage=Usage(packets=7, bytes=700))
    run(receiver.driver.update_stats(rx))
    assert rx.offload.usage == Usage(packets=7, bytes=700)


# Delete, free, down, reset

def test_p25_frames_of_a_deleted_sa_that_are_still_on_their_way_up_are_dropped():
    sender, tx, receiver, rx = pair(make_sa())
    skb = receiver.skb(sender.send(tx, clear_packet(4))[0])
    receiver.host.states.remove(rx)
    run(xfrm_device.state_delete(rx))
    assert receiver.host.input.receive(skb) is None
    assert receiver.host.mib == {"XfrmInStateInvalid": 1}
    completion = receiver.engine.receive(sender.send(tx, clear_packet(4))[0]).completion
    assert completion["status"] == RxStatus.NO_SA


def test_p25_an_opened_frame_whose_handle_the_driver_no_longer_knows_is_dropped():
    sender, tx, receiver, rx = pair(make_sa())
    result = receiver.engine.receive(sender.send(tx, clear_packet(4))[0])
    run(receiver.host.delete(rx))
    assert receiver.driver.receive(result.frame, result.completion) is None
    assert receiver.driver.dropped["ipsec_rx_drop_sadb_miss"] == 1


def test_p25_a_frame_said_to_be_opened_of_no_sa_is_dropped_for_it_may_be_in_clear():
    sender, tx, receiver, rx = pair(make_sa())
    result = receiver.engine.receive(sender.send(tx, clear_packet(4))[0])
    assert receiver.driver.receive(result.frame, result.completion | {"sa": 0}) is None
    assert receiver.driver.dropped["ipsec_rx_drop_sadb_miss"] == 1


def test_p25_free_waits_while_frames_are_in_flight_and_the_handle_stays_taken(monkeypatch):
    bench = Bench(Features(sas=2))
    x = bench.add(inbound(make_sa(seed=1)))
    command, busy = bench.engine.command, [True]

    def with_frames_in_flight(values):
        if values["operation"] == SaOperation.FREE and busy[0]:
            return SaResult.EBUSY
        return command(values)
    monkeypatch.setattr(bench.engine, "command", with_frames_in_flight)
    run(bench.host.delete(x))
    assert x.offload is None
    assert refused(lambda: bench.add(inbound(make_sa(seed=2)))).name == "ENOSPC"
    busy[0] = False
    assert bench.add(inbound(make_sa(seed=2))).offload.handle == 1


def lose_answers(bench, monkeypatch, *operations, does=True) -> list[bool]:
    """Let commands time out, though the device does them if ``does``, until the list is empty."""
    command, lost = bench.driver.hardware.command, [True]

    async def without_answer(values):
        if not lost or values["operation"] not in operations:
            return await command(values)
        if does:
            await command(values)
        raise CommandTimeout("SA_STATUS")
    monkeypatch.setattr(bench.driver.hardware, "command", without_answer)
    return lost


def free_handles(bench) -> int:
    """How many more receive SAs the device takes."""
    for number in range(SAS):
        try:
            bench.add(inbound(make_sa(seed=5000 + number)))
        except LinuxError as error:
            assert error.name == "ENOSPC"
            return number
    raise AssertionError("more SAs than handles")


@pytest.mark.parametrize("does", [True, False])
def test_p25_a_handle_whose_add_timed_out_is_deleted_and_freed_before_another_has_it(
        monkeypatch, does):
    bench = Bench()
    lost = lose_answers(bench, monkeypatch, SaOperation.ADD, does=does)
    sa = make_sa(seed=1)
    assert refused(lambda: bench.add(inbound(sa))).name == "ETIMEDOUT"
    lost.clear()
    assert bench.add(inbound(replace(sa, key=bytes(16)))).offload.handle == 2
    assert bench.engine.sas[SaDirection.RX].get(1) is None
    assert free_handles(bench) == SAS - 2


def test_p25_while_an_add_that_timed_out_cannot_be_undone_others_get_other_handles(monkeypatch):
    bench = Bench()
    lose_answers(bench, monkeypatch, SaOperation.DELETE)
    added = lose_answers(bench, monkeypatch, SaOperation.ADD)
    assert refused(lambda: bench.add(inbound(make_sa(seed=1)))).name == "ETIMEDOUT"
    added.clear()
    assert [bench.add(inbound(make_sa(seed=seed))).offload.handle for seed in (2, 3)] == [2, 3]


def test_p25_free_before_delete_ends_the_sa_all_the_same():
    bench = Bench()
    x = bench.add(inbound())
    run(bench.driver.state_free(x))
    table = bench.engine.sas[SaDirection.RX]
    assert table.empty and table.get(1) is None
    run(bench.driver.state_delete(x))
    assert free_handles(bench) == SAS - 1


def test_p25_the_handle_of_a_deleted_sa_comes_back_when_the_device_answers_again(monkeypatch):
    bench = Bench()
    x, y = bench.add(inbound(make_sa(seed=1))), bench.add(inbound(make_sa(seed=2)))
    lost = lose_answers(bench, monkeypatch, SaOperation.DELETE, SaOperation.FREE, does=False)
    for each in (x, y):
        assert refused(lambda each=each: run(bench.host.delete(each))).name == "ETIMEDOUT"
        assert each.offload is None and each not in bench.host.states
    assert refused(lambda: run(bench.driver.run_work())).name == "ETIMEDOUT"
    lost.clear()
    run(bench.driver.run_work())
    assert bench.engine.sas[SaDirection.RX].empty
    assert free_handles(bench) == SAS - 1


def test_p26_down_with_a_device_that_does_not_answer_lets_go_of_every_sa(monkeypatch):
    bench = Bench()
    states = [bench.add(inbound(make_sa(seed=seed))) for seed in range(3)]
    lost = lose_answers(bench, monkeypatch, *SaOperation, does=False)
    down = xfrm_device.netdev_down(bench.device, states)
    assert refused(lambda: run(down)).name == "ETIMEDOUT"
    assert all(x.offload is None and x.state == KmState.DEAD for x in states)
    assert refused(lambda: run(bench.driver.down())).name == "ETIMEDOUT"
    lost.clear()
    run(bench.driver.up())
    assert free_handles(bench) == SAS - 1


def test_p25_a_delete_that_comes_after_a_reset_is_ignored():
    bench = Bench()
    x, y = bench.add(inbound(make_sa(seed=1))), bench.add(inbound(make_sa(seed=2)))
    bench.engine.command({"operation": int(SaOperation.FLUSH)})
    run(bench.host.delete(x))
    assert x.offload is None and y in bench.host.states


def test_p25_what_comes_late_for_an_sa_does_not_touch_the_one_that_has_its_handle_now():
    bench = Bench()
    old = bench.add(inbound(make_sa(seed=1)))
    offload = replace(old.offload)
    bench.host.states.remove(old)
    run(bench.driver.down())
    run(bench.driver.up())
    new = bench.add(inbound(make_sa(seed=2)))
    assert new.offload.handle == offload.handle
    for _ in range(2):
        run(xfrm_device.state_delete(old))
        old.offload = offload
        run(xfrm_device.state_free(old))
        old.offload = offload
    assert bench.engine.sas[SaDirection.RX].get(offload.handle) is not None


def test_p26_down_leaves_no_sa_in_the_device():
    bench = Bench()
    states = [bench.add(inbound(make_sa(seed=seed))) for seed in range(5)]
    run(xfrm_device.netdev_down(bench.device, states))
    run(bench.driver.down())
    for side in SaDirection:
        for handle in range(1, SAS):
            result = bench.engine.command(
                {"operation": int(SaOperation.READ), "direction": int(side), "sa": handle})
            assert result == SaResult.ENOENT
    assert all(x.offload is None and x.state == KmState.DEAD for x in states)
    assert bench.add(inbound(make_sa(seed=1, spi=77)), "own").offload is None, "device is down"


def test_p26_an_sa_that_went_down_with_its_device_can_be_added_again():
    bench = Bench()
    bench.add(inbound())
    run(xfrm_device.netdev_down(bench.device, bench.host.states))
    run(bench.driver.down())
    run(bench.driver.up())
    assert bench.add(inbound()).offload.handle


def test_p26_with_frames_that_cannot_leave_the_device_goes_down_all_the_same(monkeypatch):
    bench = Bench()
    x = bench.add(inbound())
    read = bench.registers.read

    async def never_idle(offset):
        value = await read(offset)
        return 0 if offset == BY_NAME["STATUS"].offset else value
    monkeypatch.setattr(bench.registers, "read", never_idle)
    run(xfrm_device.netdev_down(bench.device, [x]))
    run(bench.driver.down())
    assert bench.driver.noticed == {"stopped_with_frames": 1}
    assert bench.engine.sas[SaDirection.RX].empty
    run(bench.driver.up())
    assert bench.add(inbound(make_sa(seed=7))).offload.handle == 1


def fence(bench, monkeypatch) -> list[bool]:
    """Let flushes find frames inside, until the list is empty."""
    command, inside, fenced = bench.engine.command, [True], [False]

    def with_frames_in_flight(values):
        if values["operation"] == SaOperation.FLUSH:
            fenced[0] = bool(inside)
        result = command(values)
        kept_out = (SaOperation.FLUSH, SaOperation.ADD)
        return SaResult.EBUSY if fenced[0] and values["operation"] in kept_out else result
    monkeypatch.setattr(bench.engine, "command", with_frames_in_flight)
    return inside


def test_p26_frames_that_outlast_the_flush_keep_new_sas_out_until_they_have_left(monkeypatch):
    bench = Bench()
    x = bench.add(inbound())
    inside = fence(bench, monkeypatch)
    run(xfrm_device.netdev_down(bench.device, [x]))
    run(bench.driver.down())
    assert bench.engine.sas[SaDirection.RX].empty
    run(bench.driver.up())
    assert refused(lambda: bench.add(inbound(make_sa(seed=7)))).name == "EBUSY"
    inside.clear()
    for seed in (7, 8):
        bench.add(inbound(make_sa(seed=seed)))
    assert all(bench.engine.sas[SaDirection.RX].get(handle) for handle in (1, 2))


def test_p26_after_a_reset_the_living_sas_are_there_again_with_their_windows():
    sa = make_sa(esn=True, initial_seq=(1 << 32) - 2)
    sender, tx, receiver, rx = pair(sa)
    wires = [sender.send(tx, clear_packet(4))[0] for _ in range(6)]
    for wire in wires[:4]:
        assert receiver.receive(wire)
    receiver.engine.command({"operation": int(SaOperation.FLUSH)})
    run(receiver.driver.restore())
    assert receiver.receive(wires[3]) is None, "a replay from before the reset"
    for wire in wires[4:]:
        assert receiver.receive(wire)
    assert receiver.engine.counters["rx_ok"] == 6
    assert receiver.add(inbound(make_sa(seed=5))).offload.handle != rx.offload.handle


def test_p26_a_reset_does_not_bring_deleted_sas_back():
    bench = Bench()
    x, y = bench.add(inbound(make_sa(seed=1))), bench.add(inbound(make_sa(seed=2)))
    run(xfrm_device.state_delete(x))
    bench.engine.command({"operation": int(SaOperation.FLUSH)})
    run(bench.driver.restore())
    table = bench.engine.sas[SaDirection.RX]
    assert table.get(x.offload.handle) is None and table.get(y.offload.handle) is not None
    handle = x.offload.handle
    assert bench.add(inbound(make_sa(seed=3))).offload.handle != handle
    run(xfrm_device.state_free(x))
    handles = {bench.add(inbound(make_sa(seed=20 + seed))).offload.handle
               for seed in range(SAS - 3)}
    assert handle in handles


def reset(bench) -> None:
    """What a reset does to SAs."""
    bench.engine.command({"operation": int(SaOperation.FLUSH)})


def test_p26_after_resets_an_sa_goes_on_with_what_is_left_of_its_limits():
    sa = make_sa()
    sender, receiver = Bench(), Bench()
    tx = sender.add(outbound(sa))
    rx = receiver.add(inbound(sa, limits=Limits(soft_packets=8, hard_packets=10)))
    for seen in (3, 6):
        for _ in range(3):
            assert receiver.receive(sender.send(tx, clear_packet(4))[0])
        reset(receiver)
        run(receiver.driver.restore())
        values = run(receiver.driver.hardware.read_sa(SaDirection.RX, 1))
        assert (values["soft_packets"], values["hard_packets"]) == (8 - seen, 10 - seen)
        run(receiver.driver.update_stats(rx))
        assert rx.offload.usage.packets == seen
    assert sum(bool(receiver.receive(sender.send(tx, clear_packet(4))[0])) for _ in range(6)) == 4
    assert receiver.host.expired.told == [(rx, False), (rx, True)]


def test_p26_what_only_the_device_has_counted_is_counted_after_a_reset_if_it_was_asked():
    sender, receiver = Bench(), Bench()
    tx = sender.add(outbound(make_sa()))
    rx = receiver.add(inbound(make_sa(), limits=Limits(soft_bytes=90, hard_packets=5)))
    for _ in range(3):
        receiver.skb(sender.send(tx, clear_packet(4))[0])
    run(receiver.driver.update_stats(rx))
    assert rx.current.packets == 0 and rx.offload.usage.packets == 3
    reset(receiver)
    run(receiver.driver.restore())
    values = run(receiver.driver.hardware.read_sa(SaDirection.RX, 1))
    assert (values["hard_packets"], values["soft_bytes"]) == (2, 0)
    assert receiver.host.expired.told == [(rx, False)]


def test_p26_an_sa_with_nothing_left_has_expired_and_is_not_added_again():
    bench = Bench()
    x = bench.add(inbound(make_sa(seed=1), limits=Limits(hard_packets=5)))
    y = bench.add(inbound(make_sa(seed=2)))
    x.offload.usage.packets = 5
    reset(bench)
    run(bench.driver.restore())
    table = bench.engine.sas[SaDirection.RX]
    assert table.get(1) is None and table.get(2) is not None
    assert bench.host.expired.told == [(x, True)] and y.state == KmState.VALID
    run(bench.host.expire())
    assert free_handles(bench) == SAS - 2


def test_an_sa_that_has_reached_its_hard_limit_is_not_offloaded():
    bench = Bench()
    x = inbound(limits=Limits(hard_packets=5))
    x.current.packets = 5
    assert refused(lambda: bench.add(x)).name == "EINVAL"


@pytest.mark.parametrize("result", [SaResult.ENOSPC, None])
def test_p26_an_sa_that_the_device_does_not_take_after_a_reset_is_left_to_software(
        monkeypatch, result):
    """None: the command times out, and the device has done it."""
    there, here = Bench(), Bench(device_window=False)
    kinds = [make_sa(seed=seed, esn=True, replay_window=64) for seed in range(4)]
    ins = [here.add(inbound(sa)) for sa in kinds[:3]]
    out = here.add(outbound(kinds[3]))
    first = [there.add(outbound(sa)) for sa in kinds[:3]]
    there.add(inbound(kinds[3]))
    reset(here)
    command, refusing = here.driver.hardware.command, [True]

    async def refuse_some(values):
        refused_now = refusing and values["operation"] == SaOperation.ADD and (
            values["sa"] == 2 or values["direction"] == SaDirection.TX)
        if refused_now and result is not None:
            return result
        found = await command(values)
        if refused_now:
            raise CommandTimeout("SA_STATUS")
        return found
    monkeypatch.setattr(here.driver.hardware, "command", refuse_some)
    error = refused(lambda: run(here.driver.restore()))
    assert error.name == ("ETIMEDOUT" if result is None else "ENOSPC")
    assert error.reason.startswith("2 SAs are left to software")
    refusing.clear()
    run(here.driver.run_work())

    clear = clear_packet(4)
    assert [x.offload.handle for x in ins] == [1, 0, 3]
    for x in first:
        assert here.receive(there.send(x, clear)[0]) == clear
    assert here.engine.counters["rx_ok"] == 2 and here.engine.counters["rx_no_sa"] == 1
    sent = here.host.output.send(out, clear, here.device)
    assert sent.way == Way.SOFTWARE and there.receive(sent.requests[0].frame) == clear
    assert not here.host.mib
    run(here.driver.update_stats(out))
    for x in (*ins, out):
        run(here.host.delete(x))
    assert free_handles(here) == SAS - 1


def test_p26_until_an_sa_is_left_to_software_for_good_nothing_goes_up_in_clear_without_a_mark(
        monkeypatch):
    """The device has added it, and has given no answer."""
    there, here = Bench(), Bench()
    tx, rx = there.add(outbound()), here.add(inbound())
    reset(here)
    lost = lose_answers(here, monkeypatch, SaOperation.ADD)
    assert refused(lambda: run(here.driver.restore())).name == "ETIMEDOUT"
    lost.clear()
    result = here.engine.receive(there.send(tx, clear_packet(4))[0])
    assert result.status == RxStatus.OK
    assert here.driver.receive(result.frame, result.completion) is None
    run(here.driver.run_work())
    assert here.receive(there.send(tx, clear_packet(4))[0]) and rx.current.packets == 1


def test_p26_a_reset_whose_hash_key_cannot_be_set_can_be_made_up_for_later():
    bench = Bench()
    x = bench.add(inbound())
    reset(bench)
    bench.registers.broken.add(registers.HASH_KEY[0].offset)
    assert refused(lambda: run(bench.driver.restore())).name == "EIO"
    bench.registers.broken.clear()
    run(bench.driver.restore())
    assert bench.engine.sas[SaDirection.RX].get(x.offload.handle) is not None


def test_an_sa_that_could_not_be_added_leaves_nothing_to_the_next_with_its_handle():
    bench = Bench(device_window=False)
    first = make_sa(seed=1)
    bench.add(inbound(first))
    esn = inbound(make_sa(seed=2, esn=True, initial_seq=5 << 32, spi=first.spi))
    esn.offload = xfrm_device.Offload(bench.device)
    assert refused(lambda: run(bench.driver.state_add(esn))).name == "EEXIST"
    sender = Bench()
    sa = make_sa(seed=3)
    tx, rx = sender.add(outbound(sa)), bench.add(inbound(sa))
    assert rx.offload.handle == 2
    assert bench.receive(sender.send(tx, clear_packet(4))[0])


def test_p14_an_esn_event_is_no_reason_to_drop_what_is_still_on_its_way_up():
    sa = make_sa(esn=True, initial_seq=(1 << 31) - 5)
    sender, tx, receiver, rx = pair(sa)
    wires = [sender.send(tx, clear_packet(4))[0] for _ in range(10)]
    skbs = [receiver.skb(wire) for wire in wires]
    run(receiver.driver.handle_interrupt())
    assert receiver.driver.noticed == {"esn_halves": 1}
    assert all(receiver.host.input.receive(skb) for skb in skbs)


def test_an_upcall_names_an_errno_as_the_kernel_does():
    error = LinuxError(errno.ENOSPC, "table is full")
    assert str(error) == "-ENOSPC: table is full" and error.name == "ENOSPC"
