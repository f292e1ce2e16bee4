"""The driver's errors: what state_add refuses and why, and the probe of a device."""

from dataclasses import replace
from ipaddress import ip_address
from random import Random

import pytest

from espnic.model.interface.codes import (
    Encapsulation,
    EventKind,
    IcvSize,
    SaDirection,
    SaOperation,
    SaResult,
)
from espnic.model.interface.features import Features
from espnic.model.interface.registers import BY_NAME
from espnic.model.linux import xfrm_device
from espnic.model.linux.bus import run
from espnic.model.linux.driver import EspnicDriver
from espnic.model.linux.hardware import Hardware
from espnic.model.linux.host import Host
from espnic.model.linux.netdev import NetDevice
from espnic.model.linux.xfrm import AF_INET6, Aead, KmState, Limits, OffloadFlags, UdpEncap
from espnic.sim.traffic import frames
from tests.support.clear_packets import clear_packet
from tests.support.linux_host import PACKET, SAS, Bench, fence, inbound, outbound, refused
from tests.support.sas import all_kinds_of_sa, make_sa, sa_id

KEY = bytes(range(20))


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


@pytest.mark.parametrize("make", [inbound, outbound])
def test_the_core_of_linux_6_1_refuses_encapsulation_and_later_ones_leave_it_to_the_driver(make):
    bench = Bench()
    x = make(make_sa(encapsulation=Encapsulation.UDP))
    error = refused(lambda: run(Host(encap_offload=False).add(x, bench.device)))
    assert error.name == "EINVAL" and "Encapsulation" in error.reason
    assert bench.add(make(make_sa(encapsulation=Encapsulation.UDP))).offload.handle


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


def test_udp_encapsulation_falls_back_only_where_the_port_is_not_one_of_the_device():
    bench = Bench()
    in_udp = {family: make_sa(family, encapsulation=Encapsulation.UDP) for family in (4, 6)}
    assert bench.add(inbound(in_udp[4])).offload
    assert bench.add(inbound(in_udp[6])).offload
    assert bench.add(outbound(in_udp[4])).offload
    assert bench.add(outbound(in_udp[6])).offload
    ports = (4501, 10_000, 65_535)
    others = [bench.add(inbound(make_sa(seed=9 + port), encap=UdpEncap(destination_port=port)))
              for port in ports]
    assert all(x.offload for x in others) and bench.engine.esp_ports == (4500, *ports)
    fifth = {"encap": UdpEncap(destination_port=7)}
    assert bench.add(inbound(make_sa(seed=8), **fifth)).offload is None
    assert bench.add(outbound(make_sa(seed=8), **fifth)).offload
    run(bench.host.delete(others[1]))
    assert bench.add(inbound(make_sa(seed=6), **fifth)).offload
    assert bench.engine.esp_ports == (4500, 4501, 65_535, 7)
    none = inbound(make_sa(seed=5), encap=UdpEncap(destination_port=0))
    assert bench.add(none).offload is None


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
    assert names == {"EINVAL", "EEXIST", "ENOSPC", "ENOENT", "EBUSY", "EIO"}


def test_p34_a_device_that_fails_gives_eio_and_one_that_never_ends_etimedout(monkeypatch):
    bench = Bench()
    bench.registers.broken.add(BY_NAME["SA_DOORBELL"].offset)
    assert refused(lambda: bench.add(inbound())).name == "EIO"
    bench.registers.broken.clear()
    monkeypatch.setattr("espnic.model.linux.hardware.POLLS", 0)
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
    """Every register reads all ones, as when the device is pulled out."""
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
    monkeypatch.setattr("espnic.model.linux.hardware.POLLS", 0)
    assert refused(lambda: run(driver.probe())).name == "ETIMEDOUT"
