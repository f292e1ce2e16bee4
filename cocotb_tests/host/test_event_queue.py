"""The event queue: order, capacity, and that what is lost is counted."""

import random

import cocotb
import pytest
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.hdl.host.event_queue import INPUT_DEPTH, EventQueue
from espnic.model.interface.codes import EVENT_QUEUE_DEPTH
from espnic.model.interface.layouts import EVENT
from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.differences import check_items
from tests.support.quick import simulate_quick

INPUTS = 4
SETTLED = INPUTS * INPUT_DEPTH + 4
"""Clocks after which nothing waits at an input."""


def event(place: int, number: int) -> int:
    """Events that tell where they came from."""
    return EVENT.pack({"kind": place % 4, "direction": place // 2 % 2, "sa": place,
                       "sequence": number})


class Losses:
    """Adds up what the queue says it has lost."""

    def __init__(self, dut):
        self.count = 0
        cocotb.start_soon(self._watch(dut))

    async def _watch(self, dut):
        while True:
            await RisingEdge(dut.clk)
            self.count += int(dut.lost.value)


@cocotb.test()
@cocotb.parametrize(idle=[0.5, 0.9], stall=[0.0, 0.3, 0.97])
async def each_event_comes_out_in_order_or_is_counted_as_lost(dut, idle, stall):
    await start_clock_and_reset(dut)
    losses = Losses(dut)
    seed = cocotb.RANDOM_SEED
    sources = [StreamSource(dut, f"i__{place}", seed=seed, idle=idle) for place in range(INPUTS)]
    sink = StreamSink(dut, "o", seed=seed, stall=stall)
    for place, source in enumerate(sources):
        source.send(*(event(place, number) for number in range(200)))
    for source in sources:
        await source.drained()
    await ClockCycles(dut.clk, SETTLED)
    for _ in range(EVENT_QUEUE_DEPTH):
        if not int(dut.count.value):
            break
        await ClockCycles(dut.clk, 100)
    assert not int(dut.count.value), "no event comes out, but some are counted"
    await ClockCycles(dut.clk, 2)
    came = [EVENT.unpack(word) for word in sink.items]
    assert len(came) + losses.count == INPUTS * 200
    for place in range(INPUTS):
        numbers = [one["sequence"] for one in came if one["sa"] == place]
        assert numbers == sorted(set(numbers))
        assert all(EVENT.pack(one) == event(place, one["sequence"]) for one in came
                   if one["sa"] == place)
    assert losses.count == 0 or idle == 0.5 or stall == 0.97


@cocotb.test()
async def it_holds_its_depth_and_drops_what_comes_then(dut):
    await start_clock_and_reset(dut)
    losses = Losses(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    sources = [StreamSource(dut, f"i__{place}") for place in range(INPUTS)]
    order = []
    for number in range(EVENT_QUEUE_DEPTH + 5):
        place = chance.randrange(INPUTS)
        sources[place].send(event(place, number))
        order.append(event(place, number))
        await ClockCycles(dut.clk, 4)
        assert int(dut.count.value) == min(number + 1, EVENT_QUEUE_DEPTH)
    assert losses.count == 5
    sink = StreamSink(dut, "o")
    check_items(await sink.receive(EVENT_QUEUE_DEPTH), order[:EVENT_QUEUE_DEPTH], layout=EVENT)
    sources[0].send(event(0, 1000))
    check_items(await sink.receive(1), [event(0, 1000)], layout=EVENT)
    assert losses.count == 5


@cocotb.test()
async def events_of_one_clock_all_stay_lowest_input_first(dut):
    await start_clock_and_reset(dut)
    losses = Losses(dut)
    sources = [StreamSource(dut, f"i__{place}") for place in range(INPUTS)]
    for place, source in enumerate(sources):
        source.send(event(place, 7))
    sink = StreamSink(dut, "o")
    check_items(await sink.receive(INPUTS), [event(place, 7) for place in range(INPUTS)],
                layout=EVENT)
    assert not losses.count


@pytest.mark.quick
def test_events_in_short():
    simulate_quick(
        EventQueue(INPUTS),
        "it_holds_its_depth_and_drops_what_comes_then",
        "events_of_one_clock_all_stay_lowest_input_first",
        name="event_queue", module=__name__)


def test_event_queue():
    simulate(EventQueue(INPUTS), name="event_queue", module=__name__, seed=2)
