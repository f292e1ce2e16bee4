"""Changes while an SA lives: ESN, limits, events, statistics."""

from dataclasses import replace

import pytest

from espnic.model.interface import registers
from espnic.model.interface.codes import (
    EventKind,
    SaDirection,
    SaOperation,
)
from espnic.model.interface.registers import BY_NAME
from espnic.model.linux.bus import run
from espnic.model.linux.xfrm import KmState, Limits, Usage
from espnic.sim.traffic import frames
from tests.support.clear_packets import clear_packet
from tests.support.linux_host import SAS, Bench, inbound, outbound, pair, refused
from tests.support.sas import make_sa

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


def test_a_repeated_number_is_counted_and_ends_no_sa():
    bench = Bench()
    x = bench.add(outbound())
    bench.engine.events.push(EventKind.REPEATED, SaDirection.TX, x.offload.handle, 5)
    run(bench.driver.handle_interrupt())
    assert bench.driver.noticed == {"repeated_numbers": 1}
    assert x.state == KmState.VALID and not bench.host.expired.told


def test_a_transmit_sa_is_added_with_the_number_that_was_sealed_last():
    bench = Bench()
    bench.add(outbound(make_sa(esn=True, initial_seq=(5 << 32) + 8)))
    written = dict(bench.registers.writes)
    parts = [written[BY_NAME[f"SA_SEQUENCE_{part}"].offset] for part in (0, 1)]
    assert parts == [7, 5]
