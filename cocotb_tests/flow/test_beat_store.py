"""The packet memory: packets that leave or are forgotten, at any level of filling."""

import random

import cocotb
import pytest
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.hdl.flow.beat_store import BeatStore
from espnic.sim.agents.beats import pack
from espnic.sim.agents.side_by_side import Ports, SideBySide
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.differences import check_items
from tests.support.quick import simulate_quick

WIDTH = 40
DEPTHS = {0: 16, 1: 13, 3: 16}
"""Depth of the store with each margin."""
MARGINS = tuple(DEPTHS)
LATENCY = 2
STORES = {f"margin{margin}": BeatStore(WIDTH, depth, margin) for margin, depth in DEPTHS.items()}


class Bench:
    """Writes beats, and gives the command of a packet once all its beats have been written."""

    def __init__(self, dut, margin, *, idle=0.0, stall=0.0):
        self.clk = dut.clk
        self.name = f"margin{margin}"
        self.ports = Ports(dut, self.name, idle=idle, stall=stall)
        self.beats = self.ports.source("i")
        self.commands = self.ports.source("command")
        self.kept = self.ports.sink("o")
        self.written = 0
        cocotb.start_soon(self.count())

    async def count(self):
        valid, ready = self.ports.handle("i__valid"), self.ports.handle("i__ready")
        while True:
            await RisingEdge(self.clk)
            self.written += int(valid.value) and int(ready.value)

    async def command(self, packets):
        end = 0
        for beats, keep in packets:
            end += len(beats)
            while self.written < end:
                await RisingEdge(self.clk)
            self.give(beats, keep)

    def give(self, beats, keep):
        layout = STORES[self.name].command.payload.shape()
        self.commands.send(pack(layout, {"beats": len(beats), "keep": keep}))


def random_packets(chance, longest, count):
    return [([chance.getrandbits(WIDTH) for _ in range(chance.randrange(1, longest + 1))],
             chance.random() < 0.7) for _ in range(count)]


def kept_beats(packets):
    return [beat for beats, keep in packets if keep for beat in beats]


@cocotb.test()
@cocotb.parametrize(margin=MARGINS, gaps=[(0.3, 0.3), (0.0, 0.6), (0.6, 0.0)])
async def kept_packets_leave_whole_and_in_order(dut, margin, gaps):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    idle, stall = gaps
    bench = Bench(dut, margin, idle=idle, stall=stall)
    packets = random_packets(chance, DEPTHS[margin] - margin, 150)
    bench.beats.send(*(beat for beats, _ in packets for beat in beats))
    await bench.command(packets)
    wanted = kept_beats(packets)
    check_items(await bench.kept.receive(len(wanted)), wanted, port=bench.name)
    await bench.commands.drained()
    await ClockCycles(dut.clk, 2 * LATENCY)
    assert not bench.kept.items


@cocotb.test()
@cocotb.parametrize(margin=MARGINS)
async def it_fills_up_to_its_margin(dut, margin):
    await start_clock_and_reset(dut)
    bench = Bench(dut, margin)
    depth = DEPTHS[margin]
    room = depth - margin
    bench.beats.send(*range(2 * depth))
    await ClockCycles(dut.clk, 3 * depth)
    assert bench.written == room
    bench.give(range(room), keep=False)
    await ClockCycles(dut.clk, 3 * depth)
    assert bench.written == 2 * room
    bench.give(range(room), keep=True)
    check_items(await bench.kept.receive(room), range(room, 2 * room), port=bench.name)


@cocotb.test()
@cocotb.parametrize(margin=MARGINS)
async def a_beat_leaves_every_clock_across_packets(dut, margin):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    bench = Bench(dut, margin)
    longest = 4
    packets = [(beats, True) for beats, _ in random_packets(chance, longest, 60)]
    wanted = kept_beats(packets)
    bench.beats.send(*wanted)
    start = bench.ports.clock
    await bench.command(packets)
    check_items(await bench.kept.receive(len(wanted)), wanted, port=bench.name)
    # The last packet leaves when all of it has been written; the agents take 3 clocks.
    assert bench.ports.clock - start <= len(wanted) + longest + LATENCY + 3


@cocotb.test()
@cocotb.parametrize(margin=MARGINS)
async def the_first_beat_leaves_2_clocks_after_its_command(dut, margin):
    await start_clock_and_reset(dut)
    bench = Bench(dut, margin)
    bench.beats.send(1, 2)
    await bench.beats.drained()
    await ClockCycles(dut.clk, 3)
    bench.give([1, 2], keep=True)
    while not (int(bench.ports.handle("command__valid").value)
               and int(bench.ports.handle("command__ready").value)):
        await RisingEdge(dut.clk)
    command = bench.ports.clock
    await bench.kept.receive(1)
    assert bench.ports.clock - command == LATENCY


@cocotb.test()
@cocotb.parametrize(margin=MARGINS)
async def a_packet_is_forgotten_in_one_clock(dut, margin):
    await start_clock_and_reset(dut)
    bench = Bench(dut, margin)
    bench.beats.send(*range(12))
    await bench.beats.drained()
    await ClockCycles(dut.clk, 3)
    start = bench.ports.clock
    for _ in range(5):
        bench.give(range(2), keep=False)
    bench.give(range(2), keep=True)
    check_items(await bench.kept.receive(2), [10, 11], port=bench.name)
    assert bench.ports.clock - start <= 6 + LATENCY + 3


@pytest.mark.quick
def test_packets_are_stored_in_short():
    simulate_quick(
        SideBySide(STORES), "kept_packets_leave_whole_and_in_order/margin=1/gaps=0",
        name="beat_store", module=__name__)


def test_packets_are_stored():
    simulate(SideBySide(STORES), name="beat_store", module=__name__, seed=1)
