"""The end of SAs: delete, free, the device going down, and its reset."""

import errno
from dataclasses import replace

import pytest

from espnic.model.interface import registers
from espnic.model.interface.codes import (
    RxStatus,
    SaDirection,
    SaOperation,
    SaResult,
    TxStatus,
)
from espnic.model.interface.features import Features
from espnic.model.interface.registers import BY_NAME
from espnic.model.linux import xfrm_device
from espnic.model.linux.bus import run
from espnic.model.linux.errors import LinuxError
from espnic.model.linux.hardware import CommandTimeout
from espnic.model.linux.xfrm import KmState, Limits
from espnic.model.linux.xfrm_output import Way
from tests.support.clear_packets import clear_packet
from tests.support.linux_host import SAS, Bench, fence, inbound, outbound, pair, refused
from tests.support.sas import make_sa

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
    """Number of receive SAs that the device still takes."""
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


def test_p26_frames_that_were_queued_before_a_reset_are_refused_after_it():
    """The stack has numbered them, and a queue gives them to the device when it is there again."""
    sender, tx, receiver, _rx = pair(make_sa(esn=True, initial_seq=(1 << 32) - 3))
    for _ in range(2):
        assert receiver.receive(sender.send(tx, clear_packet(4))[0])
    queued = [sender.host.output.send(tx, clear_packet(4), sender.device).requests[0]
              for _ in range(4)]
    assert sender.transmit(queued[0]).status == TxStatus.SEALED
    reset(sender)
    run(sender.driver.restore())
    assert {sender.transmit(request).status for request in queued} == {TxStatus.DROP_REPEATED}
    assert receiver.receive(sender.send(tx, clear_packet(4))[0])
    values = run(sender.driver.hardware.read_sa(SaDirection.TX, tx.offload.handle))
    assert values["sequence"] == tx.oseq == (1 << 32) + 3


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
    """Flush the SAs, as a reset does."""
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


def test_p26_a_reset_whose_table_key_cannot_be_set_can_be_made_up_for_later():
    bench = Bench()
    x = bench.add(inbound())
    reset(bench)
    bench.registers.broken.add(registers.TABLE_KEY[0].offset)
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
