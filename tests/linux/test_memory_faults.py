"""Wrong rows in the device's memories: what the driver does, and what packets meet meanwhile."""

import pytest

from espnic.model.interface.codes import (
    EVENT_QUEUE_DEPTH,
    EventKind,
    RxStatus,
    SaDirection,
    SaMemory,
    TxStatus,
)
from espnic.model.linux import xfrm_device
from espnic.model.linux.bus import run
from espnic.model.linux.driver import MENDS_MAX
from espnic.model.linux.netdev import Feature
from espnic.model.linux.xfrm import KmState, Limits
from tests.support.clear_packets import clear_packet
from tests.support.linux_host import Bench, fence, inbound, outbound, pair, refused
from tests.support.sas import make_sa

RX, TX = SaDirection.RX, SaDirection.TX
CLEAR = clear_packet(4)


def turn(bench, direction, memory, x) -> None:
    bench.engine.wrong_rows.turn(direction, memory, x.offload.handle)


@pytest.mark.parametrize("memory", [SaMemory.LOOKUP, SaMemory.STATE, SaMemory.SECRET])
def test_the_stack_opens_what_the_device_does_not_until_the_driver_has_mended_it(memory):
    sender, tx, receiver, rx = pair(make_sa(esn=True, replay_window=64))
    turn(receiver, RX, memory, rx)
    wire, = sender.send(tx, CLEAR)
    result = receiver.engine.receive(wire)
    assert (result.status, result.frame, result.completion["sa"]) == (RxStatus.FAULT, wire, 0)
    skb = receiver.driver.receive(result.frame, result.completion)
    assert receiver.host.input.receive(skb) == CLEAR
    run(receiver.driver.handle_interrupt())
    assert receiver.driver.noticed == {"memory_faults": 1, "memories_mended": 1}
    assert receiver.receive(wire) is None, "a replay from before"
    assert receiver.receive(sender.send(tx, CLEAR)[0]) == CLEAR
    assert receiver.engine.counters["rx_ok"] == 1
    assert receiver.engine.counters["memory_faults"] == 1


@pytest.mark.parametrize("memory", [SaMemory.STATE, SaMemory.SECRET])
def test_nothing_of_a_wrong_transmit_sa_leaves_until_the_driver_has_mended_it(memory):
    sender, tx, receiver, rx = pair(make_sa())
    turn(sender, TX, memory, tx)
    sent = sender.host.output.send(tx, CLEAR, sender.device)
    assert [sender.transmit(one).status for one in sent.requests] == [TxStatus.DROP_FAULT]
    run(sender.driver.handle_interrupt())
    wire, = sender.send(tx, CLEAR)
    assert receiver.receive(wire) == CLEAR
    assert (sender.engine.counters["tx_sealed"], sender.engine.counters["tx_drop_fault"]) == (1, 1)


@pytest.mark.parametrize("memory", [SaMemory.RECORD, SaMemory.LOOKUP])
def test_an_sa_that_cannot_be_deleted_goes_with_the_next_work_and_no_other_goes(memory):
    sender, tx, receiver, rx = pair(make_sa())
    other = receiver.add(inbound(make_sa(seed=5)))
    turn(receiver, RX, memory, rx)
    assert refused(lambda: run(xfrm_device.state_delete(rx))).name == "EIO"
    rx.state = KmState.DEAD
    run(receiver.driver.handle_interrupt())
    table = receiver.engine.sas[RX]
    assert table.get(other.offload.handle) is not None
    assert table.get(rx.offload.handle) is None
    receiver.receive(sender.send(tx, CLEAR)[0])
    assert receiver.engine.counters["rx_no_sa"] == 1
    run(xfrm_device.state_free(rx))
    assert not receiver.engine.events.overflowed


def test_what_the_device_has_counted_is_not_lost():
    sender = Bench()
    receiver = Bench()
    tx = sender.add(outbound(make_sa()))
    rx = receiver.add(inbound(make_sa(), limits=Limits(hard_packets=10)))
    for _ in range(4):
        receiver.skb(sender.send(tx, CLEAR)[0])
    turn(receiver, RX, SaMemory.STATE, rx)
    receiver.skb(sender.send(tx, CLEAR)[0])
    run(receiver.driver.handle_interrupt())
    values = run(receiver.driver.hardware.read_sa(RX, rx.offload.handle))
    assert values["hard_packets"] == 6


def test_with_frames_inside_memories_are_mended_later(monkeypatch):
    sender, tx, receiver, rx = pair(make_sa())
    turn(receiver, RX, SaMemory.STATE, rx)
    receiver.skb(sender.send(tx, CLEAR)[0])
    inside = fence(receiver, monkeypatch)
    run(receiver.driver.handle_interrupt())
    assert not receiver.driver.noticed["memories_mended"]
    inside.clear()
    run(receiver.driver.run_work())
    assert receiver.driver.noticed["memories_mended"] == 1
    assert receiver.receive(sender.send(tx, CLEAR)[0]) == CLEAR
    assert receiver.engine.counters["rx_ok"] == 1


def fill_the_queue_of_events(bench):
    for _ in range(EVENT_QUEUE_DEPTH):
        bench.engine.events.push(EventKind.ESN_HALF, RX)


def test_a_wrong_row_whose_event_was_lost_is_mended_and_an_overflow_alone_mends_nothing():
    sender, tx, receiver, rx = pair(make_sa())
    noticed = receiver.driver.noticed
    for lost in (1, 2):
        fill_the_queue_of_events(receiver)
        turn(receiver, RX, SaMemory.STATE, rx)
        receiver.skb(sender.send(tx, CLEAR)[0])
        run(receiver.driver.handle_interrupt())
        assert (noticed["memory_faults"], noticed["memories_mended"]) == (0, lost)
        assert receiver.receive(sender.send(tx, CLEAR)[0]) == CLEAR
        fill_the_queue_of_events(receiver)
        receiver.engine.events.push(EventKind.ESN_HALF, RX)
        run(receiver.driver.handle_interrupt())
        assert (noticed["events_overflow"], noticed["memories_mended"]) == (2 * lost, lost)


@pytest.mark.parametrize("make", [inbound, outbound])
@pytest.mark.parametrize("memory", SaMemory)
def test_lost_events_of_an_sa_that_cannot_be_read_keep_nobody_from_mending_it(memory, make):
    bench = Bench()
    states = [bench.add(make(make_sa(seed=seed), limits=Limits(hard_packets=9)))
              for seed in range(3)]
    side = RX if make is inbound else TX
    # Another SA has reached its limit, and the event of that is lost too.
    bench.engine.sas[side].lifetime(states[2].offload.handle).packets = 9
    turn(bench, side, memory, states[0])
    fill_the_queue_of_events(bench)
    bench.engine.counters["memory_faults"] += 1
    bench.engine.events.push(EventKind.ESN_HALF, RX)
    run(bench.driver.handle_interrupt())
    assert bench.driver.noticed["memories_mended"] == 1
    assert bench.host.expired.told == [(states[2], True)]
    for x in states[:2]:
        run(bench.driver.update_stats(x))
    assert not len(bench.engine.events)


def test_a_memory_that_fails_again_and_again_is_left_to_software():
    sender, tx, receiver, rx = pair(make_sa())
    back = receiver.add(outbound(make_sa(seed=9)))
    for _ in range(MENDS_MAX + 1):
        turn(receiver, RX, SaMemory.STATE, rx)
        receiver.receive(sender.send(tx, CLEAR)[0])
        run(receiver.driver.handle_interrupt())
    assert receiver.driver.noticed["memories_mended"] == MENDS_MAX
    assert receiver.device.features == set()
    assert rx.offload.handle == back.offload.handle == 0
    assert receiver.receive(sender.send(tx, CLEAR)[0]) == CLEAR, "the stack opens it"
    assert receiver.engine.counters["rx_no_sa"] == 1
    sent = receiver.host.output.send(back, CLEAR, receiver.device)
    assert all(not one.descriptor.get("sa") for one in sent.requests), "the stack seals it"
    assert receiver.add(inbound(make_sa(seed=7))).offload is None
    for x in (rx, back):
        run(receiver.host.delete(x))
    run(receiver.driver.set_features({Feature.HW_ESP}))
    assert receiver.driver.noticed["memory_faults"] == MENDS_MAX + 1
