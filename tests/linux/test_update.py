"""Updates of an offloaded SA, its twins by mark, and the switches of the offload."""

from dataclasses import replace

import pytest

from espnic.model.interface.codes import (
    Encapsulation,
    IcvSize,
    RxStatus,
    SaDirection,
    SaOperation,
    SaResult,
    TxOperation,
)
from espnic.model.interface.features import Features
from espnic.model.interface.registers import BY_NAME
from espnic.model.linux import xfrm_device
from espnic.model.linux.bus import run
from espnic.model.linux.netdev import Feature
from espnic.model.linux.xfrm import KmState, Limits, UdpEncap
from espnic.model.linux.xfrm_output import Way
from tests.support.clear_packets import clear_packet
from tests.support.linux_host import SAS, Bench, inbound, outbound, pair, refused
from tests.support.sas import make_sa

CLEAR = clear_packet(4, bytes(60))


def limits_of(bench, x):
    side = SaDirection.RX if x.direction == 1 else SaDirection.TX
    values = run(bench.driver.hardware.read_sa(side, x.offload.handle))
    return [values[name] for name in ("soft_packets", "soft_bytes", "hard_packets", "hard_bytes")]


def update(bench, x, **more):
    run(bench.host.update(x, bench.device, **more))


def taken(bench):
    """Handles that the device has SAs under."""
    return [(side, handle) for side in SaDirection for handle in range(1, SAS)
            if bench.engine.sas[side].get(handle) is not None]


# ip xfrm state update

@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_an_event_of_a_limit_that_has_been_raised_meanwhile_ends_no_sa(kind, told):
    """Events wait in the queue while the update is told to the device, or told to nobody."""
    sender, tx, receiver, rx = pair(make_sa())
    update(receiver, inbound(limits=Limits(**{f"{kind}_packets": 3})))
    run(receiver.driver.run_work())
    for _ in range(3):
        assert receiver.receive(sender.send(tx, CLEAR)[0]) == CLEAR
    before = list(receiver.host.expired.told)
    assert len(receiver.engine.events) == 1
    new = inbound(limits=Limits(**{f"{kind}_packets": 1000}))
    run(receiver.host.update(new, receiver.device if told else None))
    run(receiver.driver.run_work())
    run(receiver.driver.handle_interrupt())
    assert rx.state == KmState.VALID and receiver.host.expired.told == before
    assert limits_of(receiver, rx)[2 if kind == "hard" else 0] == 1000
    assert receiver.receive(sender.send(tx, CLEAR)[0]) == CLEAR


@pytest.mark.parametrize("make", [inbound, outbound])
def test_an_update_gives_the_device_the_new_limits_and_takes_no_handle(make):
    bench = Bench()
    x = bench.add(make(limits=Limits(soft_packets=5, hard_packets=9)))
    before = taken(bench)
    new = Limits(soft_packets=50, soft_bytes=1 << 33, hard_packets=90, hard_bytes=1 << 40)
    update(bench, make(limits=new))
    assert taken(bench) == before and limits_of(bench, x) == [5, 0, 9, 0]
    run(bench.driver.run_work())
    assert taken(bench) == before and limits_of(bench, x) == [50, 1 << 33, 90, 1 << 40]
    update(bench, make())
    run(bench.driver.run_work())
    assert limits_of(bench, x) == [0, 0, 0, 0]
    assert len(bench.host.states) == 1


def test_an_sa_serves_on_through_updates_and_ends_at_its_new_limits():
    sa = make_sa()
    sender, tx, receiver, rx = pair(sa)
    for _ in range(4):
        assert receiver.receive(sender.send(tx, CLEAR)[0]) == CLEAR
    update(receiver, inbound(sa, limits=Limits(soft_packets=6, hard_packets=8)))
    for count in range(5, 11):
        got = receiver.receive(sender.send(tx, CLEAR)[0])
        assert (got == CLEAR) == (count <= 8)
    run(receiver.driver.handle_interrupt())
    assert receiver.host.expired.told == [(rx, False), (rx, True)]
    assert receiver.engine.counters["rx_expired"] == 2


@pytest.mark.parametrize("limits, told", [
    (Limits(soft_packets=3), [False]), (Limits(soft_packets=2, hard_packets=4), [True]),
])
def test_a_limit_that_only_the_device_has_reached_is_told_with_the_update(limits, told):
    sa = make_sa()
    sender, tx, receiver, rx = pair(sa)
    for _ in range(4):
        receiver.skb(sender.send(tx, CLEAR)[0])
    assert rx.current.packets == 0
    update(receiver, inbound(sa, limits=limits))
    run(receiver.driver.run_work())
    assert receiver.host.expired.told == [(rx, hard) for hard in told]
    status = receiver.engine.receive(sender.send(tx, CLEAR)[0]).status
    assert status == (RxStatus.EXPIRED if told == [True] else RxStatus.OK)


def test_frames_that_reach_a_limit_while_it_is_told_are_not_missed(monkeypatch):
    """Two frames come between the reading of the counts and the command."""
    sa = make_sa()
    sender, tx, receiver, rx = pair(sa)
    frames = [sender.send(tx, CLEAR)[0] for _ in range(3)]
    command = receiver.driver.hardware.command

    async def with_frames(values):
        if values["operation"] == SaOperation.MODIFY:
            for frame in frames:
                receiver.skb(frame)
        return await command(values)
    monkeypatch.setattr(receiver.driver.hardware, "command", with_frames)
    update(receiver, inbound(sa, limits=Limits(soft_packets=2)))
    run(receiver.driver.run_work())
    assert receiver.host.expired.told == [(rx, False)]


def test_an_update_that_changes_nothing_gives_the_device_no_command_but_a_read():
    bench = Bench()
    bench.add(inbound(limits=Limits(soft_packets=5)))
    commands = []
    command = bench.engine.command
    bench.engine.command = lambda values: commands.append(values["operation"]) or command(values)
    update(bench, inbound(limits=Limits(soft_packets=5)))
    run(bench.driver.run_work())
    assert set(commands) == {SaOperation.READ}


def test_an_update_of_what_is_not_there_or_is_encapsulated_otherwise_changes_nothing():
    bench = Bench()
    assert refused(lambda: update(bench, inbound())).name == "ESRCH"
    assert taken(bench) == []
    x = bench.add(inbound(limits=Limits(soft_packets=5)))
    other = inbound(encap=UdpEncap(), limits=Limits(soft_packets=7))
    assert refused(lambda: update(bench, other)).name == "EINVAL"
    run(bench.driver.run_work())
    assert limits_of(bench, x)[0] == 5 and len(taken(bench)) == 1


def test_a_port_that_an_update_has_changed_is_one_that_the_device_looks_at():
    """A NAT that maps anew, or MOBIKE: the kernel copies the ports of the encapsulation too."""
    sa, other = (make_sa(encapsulation=Encapsulation.UDP, encap_destination_port=port)
                 for port in (4501, 4502))
    sender, tx, receiver, rx = pair(sa)
    update(receiver, inbound(other))
    assert rx.encap.destination_port == 4502
    tx.encap = UdpEncap(destination_port=4502)
    assert receiver.receive(sender.send(tx, CLEAR)[0]) == CLEAR
    assert receiver.engine.counters["rx_ok"] == 1
    for port in (4502, 4600, 4601):
        receiver.add(inbound(make_sa(spi=port, encapsulation=Encapsulation.UDP,
                                     encap_destination_port=port)))
    # A port for which there is no room: software serves, as it does such an SA from the start.
    update(receiver, inbound(sa))
    tx.encap = UdpEncap(destination_port=4501)
    assert receiver.receive(sender.send(tx, CLEAR)[0]) == CLEAR
    assert receiver.engine.counters["rx_ok"] == 1


def test_an_update_with_another_key_is_refused_for_the_device_has_the_old_one():
    bench = Bench()
    x = bench.add(inbound(make_sa(seed=1)))
    other = inbound(replace(make_sa(seed=2), spi=x.spi))
    assert refused(lambda: update(bench, other)).name == "EEXIST"
    assert x.state == KmState.VALID and len(taken(bench)) == 1


def test_adding_what_is_there_is_eexist_and_leaves_the_sa_as_it_was():
    for make in (inbound, outbound):
        bench = Bench()
        x = bench.add(make(limits=Limits(soft_packets=5)))
        assert refused(lambda bench=bench, make=make: bench.add(make())).name == "EEXIST"
        run(bench.driver.run_work())
        assert limits_of(bench, x)[0] == 5 and len(taken(bench)) == 1


def test_the_sa_may_go_before_the_temporary_state_of_its_update():
    bench = Bench()
    x = bench.add(inbound())
    temporary = inbound(limits=Limits(soft_packets=5))
    run(xfrm_device.state_add(temporary, bench.device, 2))
    run(bench.host.delete(x))
    successor = bench.add(inbound(make_sa(seed=7)))
    run(xfrm_device.state_free(temporary))
    run(bench.driver.run_work())
    assert limits_of(bench, successor) == [0, 0, 0, 0]


def test_an_update_across_a_reset_still_reaches_the_device():
    bench = Bench()
    x = bench.add(inbound())
    temporary = inbound(limits=Limits(soft_packets=5))
    run(xfrm_device.state_add(temporary, bench.device, 2))
    bench.engine.command({"operation": int(SaOperation.FLUSH)})
    run(bench.driver.restore())
    x.limits = temporary.limits
    run(xfrm_device.state_free(temporary))
    run(bench.driver.run_work())
    assert limits_of(bench, x)[0] == 5


def test_an_update_that_asks_for_no_offload_reaches_the_device_with_its_next_event():
    """The kernel tells the driver nothing of it."""
    sa = make_sa()
    sender, tx, receiver, rx = pair(sa)
    update(receiver, inbound(sa, limits=Limits(soft_packets=1, hard_packets=3)))
    run(receiver.driver.run_work())
    run(receiver.host.update(inbound(sa, limits=Limits(hard_packets=6))))
    for count in range(1, 9):
        got = receiver.receive(sender.send(tx, CLEAR)[0])
        assert (got == CLEAR) == (count <= 6)
        run(receiver.driver.handle_interrupt())
    assert receiver.host.expired.told == [(rx, True)]
    assert receiver.engine.counters["rx_ok"] == 6


# Twins by mark

def twins(first_in_device=True):
    """A sender of two SAs of one destination and SPI, and a receiver that has both by mark."""
    kinds = [make_sa(seed=1), replace(make_sa(seed=2), spi=make_sa(seed=1).spi)]
    senders = [Bench() for _ in kinds]
    txs = [sender.add(outbound(sa)) for sender, sa in zip(senders, kinds, strict=True)]
    receiver = Bench()
    marks = {"mark_mask": 0xFF}
    first = receiver.add(inbound(kinds[0], mark=5, **marks),
                         "own" if first_in_device else None)
    second = receiver.add(inbound(kinds[1], mark=6, **marks))
    return list(zip(senders, txs, strict=True)), receiver, first, second


def give(receiver, frame, mark):
    skb = receiver.skb(frame)
    return receiver.host.input.receive(replace(skb, mark=mark))


def test_a_twin_that_differs_by_its_mark_is_left_to_software_and_both_serve():
    senders, receiver, first, second = twins()
    assert first.offload.handle and second.offload is None
    for _ in range(3):
        for (sender, tx), mark in zip(senders, (5, 6), strict=True):
            assert give(receiver, sender.send(tx, CLEAR)[0], mark) == CLEAR
    assert not receiver.host.mib
    assert first.current.packets == second.current.packets == 3


def test_a_twin_that_software_had_before_is_served_too():
    senders, receiver, first, second = twins(first_in_device=False)
    assert first.offload is None and second.offload.handle
    for (sender, tx), mark in zip(senders, (5, 6), strict=True):
        assert give(receiver, sender.send(tx, CLEAR)[0], mark) == CLEAR
    assert not receiver.host.mib


def test_a_short_frame_of_a_twin_with_a_shorter_icv_is_no_syntax_error():
    kinds = [make_sa(seed=1), replace(make_sa(seed=2), spi=make_sa(seed=1).spi, icv=IcvSize.ICV8)]
    sender, receiver = Bench(), Bench()
    tx = sender.add(outbound(replace(kinds[1], mode="transport")))
    receiver.add(inbound(kinds[0], mark=5, mark_mask=0xFF))
    x = receiver.add(inbound(replace(kinds[1], mode="transport"), mark=6, mark_mask=0xFF))
    assert x.offload is None
    clear = clear_packet(4, b"\x01\x02", protocol=253, between=(x.source, x.destination))
    frame, = sender.send(tx, clear)
    assert receiver.engine.receive(frame).status == RxStatus.SYNTAX
    assert give(receiver, frame, 6) == clear


def test_a_forged_frame_of_marked_sas_is_still_counted_as_what_it_is():
    senders, receiver, first, _second = twins()
    forged = bytearray(senders[0][0].send(senders[0][1], CLEAR)[0])
    forged[-1] ^= 1
    skb = receiver.skb(bytes(forged))
    assert (skb.sec_path, skb.data) == (None, bytes(forged))
    assert receiver.host.input.receive(replace(skb, mark=5)) is None
    assert receiver.host.mib == {"XfrmInStateProtoError": 1} and first.integrity_failures == 1


def test_a_twin_stays_known_when_the_offload_is_switched_off_and_on():
    senders, receiver, first, _second = twins()
    first.mark_mask = first.mark = 0
    switch(receiver)
    switch(receiver, *Feature)
    assert first.offload.handle
    skb = receiver.skb(senders[1][0].send(senders[1][1], CLEAR)[0])
    assert skb.sec_path is None


def test_an_unmarked_sa_has_its_failures_judged_by_the_device_until_a_twin_is_offered():
    sa = make_sa()
    sender, tx, receiver, rx = pair(sa)
    forged = bytearray(sender.send(tx, CLEAR)[0])
    forged[-1] ^= 1
    assert receiver.skb(bytes(forged)).sec_path
    twin = inbound(replace(make_sa(seed=9), spi=sa.spi), mark=5, mark_mask=0xFF)
    assert refused(lambda: receiver.add(twin)).name == "EEXIST", "the kernel finds the first"
    assert receiver.skb(bytes(forged)).sec_path


def test_marks_that_the_kernel_takes_for_one_sa_are_eexist():
    receiver = Bench()
    receiver.add(inbound(make_sa(seed=1), mark=5, mark_mask=0xFF))
    wider = inbound(replace(make_sa(seed=2), spi=make_sa(seed=1).spi), mark=0x105, mark_mask=0xFFF)
    assert refused(lambda: receiver.add(wider)).name == "EEXIST"


# ethtool -K

def switch(bench, *features):
    run(xfrm_device.set_features(bench.device, set(features)))


def test_offload_off_is_obeyed_at_once_in_both_directions_and_nothing_is_lost():
    sender, tx, receiver, rx = pair(make_sa(esn=True))
    assert receiver.receive(sender.send(tx, CLEAR)[0]) == CLEAR
    late = receiver.skb(sender.send(tx, CLEAR)[0])
    queued = sender.host.output.send(tx, CLEAR, sender.device)
    for bench in (sender, receiver):
        switch(bench)
        assert bench.device.features == set()
    assert receiver.host.input.receive(late) == CLEAR, "opened before"
    assert receiver.receive(sender.transmit(queued.requests[0]).frame) == CLEAR, "queued before"
    sent = sender.host.output.send(tx, CLEAR, sender.device)
    assert sent.way == Way.SOFTWARE and sent.requests[0].descriptor == {
        "operation": TxOperation.BYPASS}
    result = receiver.engine.receive(sent.requests[0].frame)
    assert result.status == RxStatus.NO_SA
    assert receiver.receive(sent.requests[0].frame) == CLEAR
    assert not receiver.host.mib and rx.current.packets == 4
    assert receiver.add(inbound(make_sa(seed=5))).offload is None
    run(receiver.driver.run_work())
    assert taken(receiver) == []


def test_offload_on_again_takes_the_living_sas_back_as_they_are_now():
    sender, tx, receiver, rx = pair(make_sa(esn=True))
    rx.limits = Limits(soft_packets=6, hard_packets=8)
    gone = receiver.add(inbound(make_sa(seed=5)))
    frames = [sender.send(tx, CLEAR)[0] for _ in range(11)]
    for frame in frames[:2]:
        assert receiver.receive(frame)
    switch(receiver)
    for frame in frames[2:4]:
        assert receiver.receive(frame)
    run(receiver.host.delete(gone))
    switch(receiver, *Feature)
    assert len(taken(receiver)) == 1 and rx.offload.handle
    assert receiver.engine.receive(frames[3]).status == RxStatus.REPLAYED
    assert limits_of(receiver, rx) == [2, 0, 4, 0]
    for frame in frames[4:10]:
        receiver.receive(frame)
    assert receiver.engine.counters["rx_ok"] == 6 and rx.current.packets == 8


def test_a_feature_goes_with_those_that_it_needs():
    bench = Bench()
    switch(bench, Feature.HW_ESP, Feature.GSO_ESP)
    assert bench.device.features == {Feature.HW_ESP}
    switch(bench, Feature.HW_ESP_TX_CSUM, Feature.GSO_ESP)
    assert bench.device.features == set()
    switch(bench, *Feature)
    assert bench.device.features == set(Feature)


def test_offload_that_cannot_be_switched_off_in_the_device_stays_on(monkeypatch):
    bench = Bench()
    x = bench.add(inbound())
    monkeypatch.setattr("espnic.model.linux.hardware.POLLS", 0)
    assert refused(lambda: switch(bench)).name == "ETIMEDOUT"
    assert bench.device.features == set(Feature) and x.offload.handle


def test_an_sa_that_is_parked_in_software_lives_through_a_reset_and_ends_as_any_other():
    bench = Bench()
    x, y = bench.add(inbound()), bench.add(inbound(make_sa(seed=4)))
    switch(bench)
    bench.engine.command({"operation": int(SaOperation.FLUSH)})
    run(bench.driver.restore())
    assert taken(bench) == []
    run(bench.host.delete(y))
    switch(bench, *Feature)
    assert len(taken(bench)) == 1 and x.offload.handle
    run(bench.host.delete(x))
    assert taken(bench) == []
    for number in range(SAS - 1):
        bench.add(inbound(make_sa(seed=100 + number)))
    assert bench.engine.command({"operation": int(SaOperation.READ), "sa": 1}) == SaResult.OK


def test_limits_that_could_not_be_told_are_told_later():
    bench = Bench()
    x = bench.add(inbound())
    update(bench, inbound(limits=Limits(soft_packets=5)))
    bench.registers.broken.add(BY_NAME["SA_DOORBELL"].offset)
    assert refused(lambda: run(bench.driver.run_work())).name == "EIO"
    bench.registers.broken.clear()
    run(bench.driver.run_work())
    assert limits_of(bench, x)[0] == 5


def test_an_sa_under_the_handle_of_a_parked_one_is_not_taken_for_it():
    """The parked SA has ESN, and a window in software that has moved far."""
    bench, sender = Bench(Features(sas=2), device_window=False), Bench()
    parked = bench.add(inbound(make_sa(esn=True, initial_seq=(1 << 32) + 5)))
    switch(bench)
    run(bench.driver.run_work())
    switch(bench, *Feature)
    run(bench.host.delete(parked))
    sa = make_sa(seed=2)
    tx, rx = sender.add(outbound(sa)), bench.add(inbound(sa))
    assert rx.offload.handle == 1
    assert bench.receive(sender.send(tx, CLEAR)[0]) == CLEAR


def test_an_sa_that_the_device_does_not_take_back_leaves_its_handle_to_another(monkeypatch):
    bench, sender = Bench(Features(sas=2), device_window=False), Bench()
    left = bench.add(inbound(make_sa(esn=True, initial_seq=(1 << 32) + 5)))
    switch(bench)
    run(bench.driver.run_work())
    with monkeypatch.context() as full:
        full.setattr(bench.engine, "command", lambda _values: SaResult.ENOSPC)
        switch(bench, *Feature)
    assert left.offload.handle == 0
    sa = make_sa(seed=2)
    tx, rx = sender.add(outbound(sa)), bench.add(inbound(sa))
    assert rx.offload.handle == 1
    assert bench.receive(sender.send(tx, CLEAR)[0]) == CLEAR
