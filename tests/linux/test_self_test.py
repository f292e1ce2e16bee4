"""A device whose ciphers fail their self-test: software seals and opens, and frames pass."""

from contextlib import suppress

import pytest

from espnic.model.device.device import Device
from espnic.model.device.register_file import RegisterFile
from espnic.model.interface.codes import EVENT_QUEUE_DEPTH, EventKind, SaDirection, SaMemory
from espnic.model.interface.features import Features
from espnic.model.interface.registers import BY_NAME
from espnic.model.linux import xfrm_device
from espnic.model.linux.bus import run
from espnic.model.linux.driver import EspnicDriver
from espnic.model.linux.errors import LinuxError
from espnic.model.linux.hardware import CommandTimeout, Hardware
from espnic.model.linux.netdev import Feature
from tests.support.clear_packets import clear_packet
from tests.support.linux_host import SAS, Bench, inbound, outbound, pair, refused
from tests.support.sas import make_sa

SIDES = list(SaDirection)


def fail(bench, direction):
    """Let the cipher of a direction fail a self-test that someone asks for."""
    bench.engine.broken.add(direction)
    bench.engine.self_test()


class BrokenBench(Bench):
    """A device that has failed the test after its reset."""

    def __init__(self, direction):
        super().__init__()
        self.engine = Device(Features(sas=SAS), broken=[direction])
        self.registers = self.Registers(RegisterFile(self.engine))
        self.driver = EspnicDriver(
            Hardware(self.registers), self.driver._secrets, self.host.expired)
        run(self.driver.probe())
        self.device = self.driver.device


@pytest.mark.parametrize("direction", SIDES)
def test_a_device_that_failed_after_reset_offers_no_offload(direction):
    bench = BrokenBench(direction)
    assert not bench.device.features
    for x in (inbound(), outbound(make_sa(seed=2))):
        assert bench.add(x).offload is None
    run(xfrm_device.set_features(bench.device, set(Feature)))
    assert not bench.device.features
    run(bench.driver.handle_interrupt())
    assert bench.driver.noticed["self_tests_failed"] == 1


@pytest.mark.parametrize("direction", SIDES)
def test_an_add_before_the_driver_knows_fails_with_eio_and_keeps_no_handle(direction):
    bench = Bench()
    fail(bench, direction)
    make = inbound if direction == SaDirection.RX else outbound
    assert refused(lambda: bench.add(make())).name == "EIO"
    other = outbound if direction == SaDirection.RX else inbound
    assert bench.add(other(make_sa(seed=2))).offload
    bench.engine.broken.clear()
    bench.engine.self_test()
    run(bench.driver.run_work())
    sas = [bench.add(make(make_sa(seed=seed))) for seed in range(3, 3 + SAS - 1)]
    assert all(x.offload for x in sas)


def test_when_a_test_fails_the_driver_hands_over_to_software_and_no_packet_of_the_host_is_lost():
    sender, out, receiver, into = pair(make_sa())
    for bench, direction in ((sender, SaDirection.TX), (receiver, SaDirection.RX)):
        fail(bench, direction)
    # What is sent before the event is handled does not leave, and least of all in clear.
    assert sender.send(out, clear_packet(4)) == []
    assert sender.engine.counters["tx_drop_fault"] == 1
    run(sender.driver.handle_interrupt())
    assert sender.driver.noticed["self_tests_failed"] == 1
    for number in range(2, 6):
        clear = clear_packet(4, bytes([number]))
        [request] = sender.host.output.send(out, clear, sender.device).requests
        [frame] = sender.transmit(request).frames
        assert receiver.receive(frame) == clear, "software opens what the device has not"
        if number == 3:
            run(receiver.driver.handle_interrupt())
    assert receiver.engine.counters["rx_fault"] == 2
    assert sender.add(outbound(make_sa(seed=9))).offload is None


@pytest.mark.parametrize("direction", SIDES)
@pytest.mark.parametrize("memory", [SaMemory.RECORD, SaMemory.STATE, SaMemory.USAGE])
def test_software_takes_over_though_a_row_of_an_sa_is_wrong_too(direction, memory):
    bench = Bench()
    states = [bench.add(inbound(make_sa(seed=seed))) for seed in range(3)]
    bench.engine.wrong_rows.turn(SaDirection.RX, memory, states[0].offload.handle)
    run(bench.driver.hardware.read_sa(SaDirection.RX, states[0].offload.handle))
    fail(bench, direction)
    for _ in range(2):
        with suppress(LinuxError):
            run(bench.driver.handle_interrupt())
    run(bench.driver.run_work())
    assert not bench.device.features and all(x.offload.handle == 0 for x in states)
    assert all(bench.engine.sas[SaDirection.RX].get(handle) is None for handle in range(1, SAS))


def test_a_failed_test_whose_event_was_lost_is_found():
    bench = Bench()
    x = bench.add(inbound())
    for _ in range(EVENT_QUEUE_DEPTH):
        bench.engine.events.push(EventKind.ESN_HALF, SaDirection.RX)
    fail(bench, SaDirection.RX)
    run(bench.driver.handle_interrupt())
    assert bench.driver.noticed["self_tests_failed"] == 0
    assert x.offload.handle == 0
    assert not bench.device.features


def test_when_a_later_test_passes_a_user_may_switch_the_offload_on_again():
    bench = Bench()
    x = bench.add(inbound())
    fail(bench, SaDirection.RX)
    run(bench.driver.handle_interrupt())
    assert x.offload.handle == 0
    assert not run(bench.driver.self_test())
    bench.engine.broken.clear()
    assert run(bench.driver.self_test())
    run(bench.driver.handle_interrupt())
    assert not bench.device.features
    run(xfrm_device.set_features(bench.device, set(Feature)))
    assert Feature.HW_ESP in bench.device.features
    assert bench.engine.sas[SaDirection.RX].get(x.offload.handle)
    assert bench.add(outbound(make_sa(seed=2))).offload


def test_a_test_that_never_ends_gives_etimedout(monkeypatch):
    bench = Bench()

    async def never(_self):
        raise CommandTimeout("STATUS")
    monkeypatch.setattr(Hardware, "ciphers_good", never)
    assert refused(lambda: run(bench.driver.self_test())).name == "ETIMEDOUT"


def test_a_test_of_a_device_that_is_down_lets_no_frame_in():
    bench = Bench()
    run(xfrm_device.netdev_down(bench.device, []))
    run(bench.driver.down())
    assert run(bench.driver.self_test())
    assert run(bench.registers.read(BY_NAME["STATUS"].offset)) == 0x303


def test_a_stop_does_not_ask_for_a_test_and_goes_by_frames_alone():
    bench = Bench()
    fail(bench, SaDirection.RX)
    run(bench.driver.down())
    assert not bench.driver.noticed["stopped_with_frames"]
