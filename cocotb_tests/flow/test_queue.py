"""The queue: order, capacity, rate, and a ready that does not follow the output's."""

import cocotb
import pytest
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.hdl.flow.queue import Queue
from espnic.sim.agents.side_by_side import Ports, SideBySide
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.differences import check_items
from tests.support.entries import check_order
from tests.support.quick import simulate_quick

WIDTH = 77
QUEUES = {
    **{f"deep{depth}": Queue(WIDTH, depth) for depth in (1, 2, 5, 32)},
    "block40": Queue(WIDTH, 40, block_ram=True),
    **{f"through{depth}": Queue(WIDTH, depth, through=True) for depth in (1, 2, 5)},
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
    depth = QUEUES[name].depth
    ports = Ports(dut, name)
    source = ports.source("i")
    source.send(*range(depth))
    await source.drained(limit=100)
    await ClockCycles(dut.clk, 1)
    assert not int(ports.handle("i__ready").value)
    ports.handle("o__ready").value = 1
    await ClockCycles(dut.clk, 1)
    # In this clock an entry leaves: there is room in the next, not yet in this one.
    assert not int(ports.handle("i__ready").value)
    await ClockCycles(dut.clk, 1)
    assert int(ports.handle("i__ready").value)


@cocotb.test()
@cocotb.parametrize(name=[name for name, queue in QUEUES.items() if not queue.block_ram])
async def an_entry_takes_a_clock_or_none_when_it_goes_through(dut, name):
    await start_clock_and_reset(dut)
    ports = Ports(dut, name)
    through = QUEUES[name].through
    ports.handle("o__ready").value = 1
    for entry in range(1, 4):
        ports.handle("i__payload").value = entry
        ports.handle("i__valid").value = 1
        for clock in range(3):
            await RisingEdge(dut.clk)
            ports.handle("i__valid").value = 0
            comes = clock == (0 if through else 1)
            assert int(ports.handle("o__valid").value) == comes
            assert not comes or int(ports.handle("o__payload").value) == entry


@cocotb.test()
@cocotb.parametrize(name=[name for name, queue in QUEUES.items() if queue.depth > 1])
async def an_entry_goes_every_clock(dut, name):
    await start_clock_and_reset(dut)
    ports = Ports(dut, name)
    source, sink = ports.source("i"), ports.sink("o")
    start = ports.clock
    source.send(*range(100))
    check_items(await sink.receive(100), range(100), port=name)
    assert ports.clock - start <= 100 + 3


@pytest.mark.quick
def test_entries_leave_queues_in_short():
    simulate_quick(
        SideBySide(QUEUES),
        "entries_leave_in_order/name=deep5",
        "it_holds_as_many_as_its_depth/name=deep5",
        name="queue", module=__name__)


def test_queue():
    simulate(SideBySide(QUEUES), name="queue", module=__name__, seed=1)
