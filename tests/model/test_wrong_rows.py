"""Wrong rows in the model: statuses, events, counts, and what makes them right."""

from random import Random

import pytest

from espnic.model.device.device import Device
from espnic.model.interface.codes import (
    EventKind,
    RxStatus,
    SaDirection,
    SaMemory,
    SaOperation,
    SaResult,
    SaSelect,
    TxStatus,
)
from espnic.model.interface.features import Features
from espnic.model.sa.sa import command_values
from tests.support.engine_steps import Traffic
from tests.support.sas import make_sa

RX, TX = SaDirection.RX, SaDirection.TX


class Bench:
    """A device with one SA of each direction, and frames for them."""

    def __init__(self, **kind):
        self.sa = make_sa(seed=3, **kind)
        self.device = Device(Features(sas=16))
        for direction in SaDirection:
            assert self.do(SaOperation.ADD, direction) == SaResult.OK
        self._traffic = Traffic([self.sa], Random(1))

    def do(self, operation, direction, **values):
        return self.device.command(
            command_values(operation, direction, 1, self.sa) | values)

    def receive(self):
        frame = self._traffic.wire_frame(0, 50)
        result = self.device.receive(frame)
        assert (result.frame == frame) == (result.status != RxStatus.OK)
        return result.status

    def transmit(self):
        request = self._traffic.request(0, 50, True)
        result = self.device.transmit(request.descriptor, request.data)
        assert bool(result.frames) == (result.status == TxStatus.SEALED)
        return result.status

    def events(self):
        told = []
        while len(self.device.events):
            event = self.device.events.pop()
            assert event["kind"] == EventKind.MEMORY_FAULT
            told.append((event["direction"], event["sequence"], event["sa"]))
        return told


@pytest.mark.parametrize("memory", [SaMemory.LOOKUP, SaMemory.STATE, SaMemory.SECRET])
def test_a_received_frame_of_a_wrong_sa_is_a_fault_and_told_once(memory):
    bench = Bench()
    bench.device.wrong_rows.turn(RX, memory, 1)
    assert [bench.receive() for _ in range(3)] == [RxStatus.FAULT] * 3
    assert bench.events() == [(RX, memory, 1)]
    assert bench.device.counters["memory_faults"] == bench.device.counters["rx_fault"] == 3
    assert bench.transmit() == TxStatus.SEALED
    assert bench.do(SaOperation.FLUSH, RX) == SaResult.OK
    assert bench.receive() == RxStatus.NO_SA
    assert bench.do(SaOperation.ADD, RX) == SaResult.OK
    assert bench.receive() == RxStatus.OK and not bench.events()


@pytest.mark.parametrize("memory", [SaMemory.STATE, SaMemory.SECRET])
def test_a_request_of_a_wrong_sa_is_dropped(memory):
    bench = Bench()
    bench.device.wrong_rows.turn(TX, memory, 1)
    assert [bench.transmit() for _ in range(2)] == [TxStatus.DROP_FAULT] * 2
    assert bench.events() == [(TX, memory, 1)]
    assert bench.device.counters["tx_drop_fault"] == 2
    assert bench.device.counters["tx_packets_out"] == 0
    assert bench.receive() == RxStatus.OK
    for operation in (SaOperation.DELETE, SaOperation.FREE, SaOperation.ADD):
        assert bench.do(operation, TX) == SaResult.OK
    assert bench.transmit() == TxStatus.SEALED and not bench.events()


@pytest.mark.parametrize("direction", list(SaDirection))
def test_commands_on_a_wrong_record_are_eio_but_for_flush(direction):
    bench = Bench()
    bench.device.wrong_rows.turn(direction, SaMemory.RECORD, 1)
    for operation in (SaOperation.ADD, SaOperation.READ, SaOperation.DELETE, SaOperation.FREE):
        assert bench.do(operation, direction) == SaResult.EIO
    assert bench.do(SaOperation.MODIFY, direction, select=SaSelect.SOFT) == SaResult.EIO
    assert bench.do(SaOperation.MODIFY, direction) == SaResult.EINVAL
    assert (bench.receive(), bench.transmit()) == (RxStatus.OK, TxStatus.SEALED)
    assert bench.events() == [(direction, SaMemory.RECORD, 1)]
    assert bench.do(SaOperation.FLUSH, direction) == SaResult.OK
    assert bench.do(SaOperation.ADD, direction) == SaResult.OK


def test_a_delete_whose_entry_is_wrong_is_eio_and_other_commands_are_not():
    bench = Bench()
    bench.device.wrong_rows.turn(RX, SaMemory.LOOKUP, 1)
    assert bench.do(SaOperation.READ, RX) == SaResult.OK
    assert bench.do(SaOperation.DELETE, RX) == SaResult.EIO
    assert bench.events() == [(RX, SaMemory.LOOKUP, 1)]


def test_a_change_of_esn_writes_the_state_anew():
    bench = Bench(esn=True)
    bench.device.wrong_rows.turn(RX, SaMemory.STATE, 1)
    assert bench.receive() == RxStatus.FAULT
    assert bench.do(SaOperation.MODIFY, RX, select=SaSelect.ESN) == SaResult.OK
    assert bench.receive() == RxStatus.OK
