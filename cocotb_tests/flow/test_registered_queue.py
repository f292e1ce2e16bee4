"""The queue with a register at its output: order, capacity, latency and rate."""

import cocotb
import pytest
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.hdl.flow.registered_queue import RegisteredQueue
from espnic.sim.agents.side_by_side import Ports, SideBySide
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.differences import check_items
from tests.support.entries import check_order
from tests.support.quick import simulate_quick

WIDTH = 77
QUEUES = {
    **{f"deep{depth}": RegisteredQueue(WIDTH, depth) for depth in (3, 4, 6, 32)},
    "block40": RegisteredQueue(WIDTH, 40, block_ram=True),
}


@cocotb.test()
@cocotb.parametrize(name=list(QUEUES))
async def entries_leave_in_order(dut, name):
    await start_clock_and_reset(dut)
    ports = Ports(dut, name, idle=0.3, stall=0.3)
    await check_order(ports.source("i"), ports.sink("o"), WIDTH, port=name)


@cocotb.test()
@cocotb.parametrize(name=list(QUEUES))
async def it_holds_as_many_as_its_depth(dut, name):
    await start_clock_and_reset(dut)
    ports = Ports(dut, name)
    source = ports.source("i")
    source.send(*range(QUEUES[name].depth))
    await source.drained(limit=100)
    await ClockCycles(dut.clk, 1)
    assert not int(ports.handle("i__ready").value)


@cocotb.test()
@cocotb.parametrize(name=list(QUEUES))
async def an_entry_takes_a_clock(dut, name):
    await start_clock_and_reset(dut)
    ports = Ports(dut, name)
    ports.handle("o__ready").value = 1
    for entry in range(1, 4):
        ports.handle("i__payload").value = entry
        ports.handle("i__valid").value = 1
        for clock in range(3):
            await RisingEdge(dut.clk)
            ports.handle("i__valid").value = 0
            assert int(ports.handle("o__valid").value) == (clock == 1)
            assert clock != 1 or int(ports.handle("o__payload").value) == entry


@cocotb.test()
@cocotb.parametrize(name=list(QUEUES))
async def an_entry_goes_every_clock(dut, name):
    await start_clock_and_reset(dut)
    ports = Ports(dut, name)
    source, sink = ports.source("i"), ports.sink("o")
    start = ports.clock
    source.send(*range(100))
    check_items(await sink.receive(100), range(100), port=name)
    assert ports.clock - start <= 100 + 3


@pytest.mark.quick
def test_entries_leave_queues_with_a_register_in_short():
    simulate_quick(
        SideBySide(QUEUES),
        "entries_leave_in_order/name=deep6",
        "it_holds_as_many_as_its_depth/name=deep6",
        "entries_leave_in_order/name=block40",
        "an_entry_takes_a_clock/name=block40",
        name="registered_queue", module=__name__)


def test_registered_queue():
    simulate(SideBySide(QUEUES), name="registered_queue", module=__name__, seed=1)
