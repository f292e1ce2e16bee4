"""The life of SAs in the engine: limits to the very frame, and free and flush among frames."""

from dataclasses import replace
from random import Random

import cocotb
from cocotb.triggers import ClockCycles

from espnic.model.device.device import Device
from espnic.model.interface.codes import (
    EventKind,
    RxStatus,
    SaDirection,
    SaOperation,
    SaResult,
    SaSelect,
)
from espnic.model.interface.features import Features
from espnic.model.interface.layouts import RX_COMPLETION
from espnic.model.sa.lifetime import Limits
from espnic.model.sa.sa import command_values
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import run
from espnic.sim.rig.engine import Options, build_engine
from espnic.sim.traffic import frames
from espnic.sim.traffic.steps import SIMULATED_SAS as SAS
from espnic.sim.traffic.steps import RxFrame
from espnic.sim.traffic.super_frames import SuperTraffic, to_be_sealed
from tests.support.differences import check_items
from tests.support.engine_steps import BOTH, Traffic, add_commands
from tests.support.live_engine import Live, request, wire_frame
from tests.support.sas import all_kinds_of_sa, device_with, make_sa

TEXT = bytes(30) + b"\0\x04"
FLUSH_AFTER = (1, 100, 500, 1000)
"""Clocks of traffic before each flush, in turn; the first leaves frames that must miss their SA."""


async def started(dut, idle=0.0):
    """The engine's ports and what is random, after a reset."""
    await start_clock_and_reset(dut)
    return Live(dut, cocotb.RANDOM_SEED, idle=idle), Random(cocotb.RANDOM_SEED)


async def do(live, operation, direction=SaDirection.RX, handle=1, sa=None):
    """Do a command that must succeed."""
    values = command_values(operation, direction, handle, sa)
    assert await live.driver.command(values) == SaResult.OK, values


async def events_of(driver):
    """The events of each direction, in order."""
    found = {direction: [] for direction in SaDirection}
    while (event := await driver.next_event()) is not None:
        found[SaDirection(event["direction"])].append(event)
    return found


def check_events(found, expected):
    for direction in SaDirection:
        check_items(found[direction], expected[direction], port=f"{direction.name} event")


def events_of_model(device):
    found = {direction: [] for direction in SaDirection}
    while len(device.events):
        event = device.events.pop()
        found[SaDirection(event["direction"])].append(event)
    return found


@cocotb.test()
async def limits_are_reached_at_the_very_frame_that_the_model_says(dut):
    """Single frames and bursts of four SAs, whose hard limits are moved on as they are reached."""
    live, random = await started(dut, idle=0.1)
    live.take(stall=0.2)
    device = Device(Features(sas=SAS))
    sas = [replace(sa, limits=Limits(*(random.choice([0, random.randrange(1, most)])
                                       for most in (9, 3000, 20, 9000))))
           for sa in all_kinds_of_sa()]
    traffic = Traffic(sas, random)
    supers = SuperTraffic(sas, random, traffic)
    for command in add_commands(sas, *BOTH):
        assert await live.driver.command(command.values) == device.command(command.values)
    sent, received, requests, told = [], [], 0, []
    for _ in range(6):
        for _ in range(25):
            index = random.randrange(len(sas))
            step = random.choice([
                traffic.request(index, random.randrange(1, 300), random.random() < 0.5),
                supers.exact(random.randrange(1, 9), random.choice([1, 40, 536]))])
            frame = RxFrame(traffic.wire_frame(index, random.randrange(1, 300)))
            live.send(step)
            live.send(frame)
            requests += 1
            sent += device.transmit(step.descriptor, step.data).frames
            received.append(device.receive(frame.data))
        await live.sinks["rx"].reach(len(received))
        await live.ended(requests)
        found, expected = await events_of(live.driver), events_of_model(device)
        check_events(found, expected)
        told += [event["kind"] for events in found.values() for event in events]
        for handle in range(1, len(sas) + 1):
            for direction in BOTH:
                read = device.read_sa(direction, handle)
                assert await live.driver.read_sa(direction, handle) == read
                changed = replace(sas[handle - 1], limits=Limits(
                    soft_packets=read["packets"] + random.randrange(9),
                    hard_packets=read["packets"] + random.randrange(20)))
                values = command_values(
                    SaOperation.MODIFY, direction, handle, changed,
                    random.choice([SaSelect.SOFT, SaSelect.HARD, SaSelect.SOFT | SaSelect.HARD]))
                assert await live.driver.command(values) == device.command(values)
    live.check_sent(sent)
    live.check_received(received)
    counters = await live.driver.counters()
    check_items([counters], [device.counters], port="counters")
    assert counters["tx_drop_expired"] > 10 and counters["rx_expired"] > 10
    assert set(told) == {EventKind.SOFT_LIMIT, EventKind.HARD_LIMIT}


@cocotb.test()
async def all_that_one_frame_tells_comes_in_the_order_of_the_model(dut):
    """One frame moves its window across 2^31 and reaches both limits of its SA."""
    live, _ = await started(dut)
    live.take()
    device = Device(Features(sas=SAS))
    sa = make_sa(esn=True, device_window=True, initial_seq=2**31 - 1,
                 limits=Limits(soft_packets=2, hard_packets=2))
    values = command_values(SaOperation.ADD, SaDirection.RX, 1, sa)
    assert await live.driver.command(values) == device.command(values) == SaResult.OK
    for number in (2**31 - 1, 2**31):
        frame = frames.sealed(sa, TEXT, number)
        live.send(RxFrame(frame))
        device.receive(frame)
    await live.sinks["rx"].reach(2)
    found = await events_of(live.driver)
    assert [event["kind"] for event in found[SaDirection.RX]] == [
        EventKind.ESN_HALF, EventKind.SOFT_LIMIT, EventKind.HARD_LIMIT]
    check_events(found, events_of_model(device))


async def fill(dut, live, sa, random):
    """Add an SA for both directions, and frames of it until every store is full.

    No whole number of them fits a store at any width, so one is always on its way in.
    """
    for direction in BOTH:
        await do(live, SaOperation.ADD, direction, 1, sa)
    steps = [request(sa, number, random.randbytes(900)) for number in range(1, 150)]
    wire = [frames.sealed(sa, random.randbytes(900) + b"\0\x04", number)
            for number in range(1, 150)]
    for step, frame in zip(steps, wire, strict=True):
        live.send(step)
        live.send(RxFrame(frame))
    await ClockCycles(dut.clk, 8000)
    return steps, wire


async def opened_and_sealed(live, sa, steps, wire):
    """Let all leave; how many were opened and sealed with the SA. All others are as they came."""
    live.take(stall=0.1)
    await live.sinks["rx"].reach(len(wire))
    await live.ended(len(steps))
    device = device_with(sa)
    opened = 0
    for frame, got in zip(wire, live.sinks["rx"].frames, strict=True):
        if RX_COMPLETION.unpack(got.user)["status"] == RxStatus.OK:
            assert got.data == device.receive(frame).frame
            opened += 1
        else:
            assert got.data == frame
    sealed = len(live.sinks["tx"].frames)
    live.check_sent([wire_frame(sa, step) for step in steps[:sealed]])
    return opened, sealed


async def works_with(live, sa):
    """Add an SA under handle 1, and open and seal a frame with it."""
    for direction in BOTH:
        await do(live, SaOperation.ADD, direction, 1, sa)
    step, frame = request(sa, 7, bytes(50)), frames.sealed(sa, TEXT, 7)
    places = {side: len(sink.frames) for side, sink in live.sinks.items()}
    live.send(step)
    live.send(RxFrame(frame))
    for side, count in places.items():
        await live.sinks[side].reach(count + 1)
    assert live.sinks["tx"].frames[-1].data == wire_frame(sa, step)
    assert live.sinks["rx"].frames[-1].data == device_with(sa).receive(frame).frame
    for direction in BOTH:
        assert (await live.driver.read_sa(direction, 1))["packets"] == 1


@cocotb.test()
async def free_is_busy_while_the_outputs_stand_still_and_changes_nothing(dut):
    live, random = await started(dut)
    sa = make_sa(seed=11)
    steps, wire = await fill(dut, live, sa, random)
    for direction in BOTH:
        await do(live, SaOperation.DELETE, direction)
        free = command_values(SaOperation.FREE, direction, 1)
        assert await live.driver.command(free) == SaResult.EBUSY
        add = command_values(SaOperation.ADD, direction, 1, make_sa(seed=12))
        assert await live.driver.command(add) == SaResult.EEXIST
    opened, sealed = await opened_and_sealed(live, sa, steps, wire)
    assert 0 < opened < len(wire) and 0 < sealed < len(steps)
    for direction, count in zip(BOTH, (opened, sealed), strict=True):
        assert (await live.driver.read_sa(direction, 1))["packets"] == count
        await do(live, SaOperation.FREE, direction)
    await works_with(live, make_sa(key_bytes=32, seed=12))


@cocotb.test()
async def p26_flush_with_full_stores_and_a_wire_that_stands_still(dut):
    live, random = await started(dut)
    sa = make_sa(seed=11)
    steps, wire = await fill(dut, live, sa, random)
    flush = command_values(SaOperation.FLUSH, SaDirection.RX, 0)
    assert await live.driver.command(flush) == SaResult.EBUSY
    for direction in BOTH:
        assert (await live.driver.read_sa(direction, 1))["result"] == SaResult.ENOENT
        add = command_values(SaOperation.ADD, direction, 1, sa)
        assert await live.driver.command(add) == SaResult.EBUSY
    opened, sealed = await opened_and_sealed(live, sa, steps, wire)
    assert 0 < opened < len(wire) and 0 < sealed < len(steps)
    await do(live, SaOperation.FLUSH)
    await works_with(live, make_sa(key_bytes=32, seed=12))


@cocotb.test()
async def flush_under_traffic_leaves_each_frame_one_sa_or_none(dut):
    live, random = await started(dut, idle=0.1)
    live.take(stall=0.2)
    one = make_sa(seed=11, unguarded=True)
    sas = (one, replace(make_sa(key_bytes=32, seed=12), spi=one.spi, unguarded=True))
    supers = SuperTraffic([one], random)
    steps, wire = [], []
    for turn in range(8):
        for direction in BOTH:
            await do(live, SaOperation.ADD, direction, 1, sas[turn % 2])
        for _ in range(30):
            steps.append(random.choice([
                request(one, len(steps) + 1, random.randbytes(random.choice([0, 30, 900]))),
                supers.exact(random.randrange(1, 5), 100, to_be_sealed)]))
            wire.append(frames.sealed(random.choice(sas), TEXT, len(wire) + 1))
            live.send(steps[-1])
            live.send(RxFrame(wire[-1]))
        await ClockCycles(dut.clk, FLUSH_AFTER[turn % len(FLUSH_AFTER)])
        await do(live, SaOperation.FLUSH)
    await live.sinks["rx"].reach(len(wire))
    await live.ended(len(steps))
    devices = [device_with(sa) for sa in sas]
    statuses = set()
    for frame, got in zip(wire, live.sinks["rx"].frames, strict=True):
        statuses.add(RX_COMPLETION.unpack(got.user)["status"])
        assert got.data in (frame, *(device.receive(frame).frame for device in devices))
    assert statuses - {RxStatus.SA_GONE} == {RxStatus.OK, RxStatus.AUTH_FAILED, RxStatus.NO_SA}
    left = [got.data for got in live.sinks["tx"].frames]
    assert left
    for step in steps:
        # A flush may take the key from the last segments of a burst.
        del left[:max(common_start(left, device.transmit(step.descriptor, step.data).frames)
                      for device in devices)]
    assert not left, "frames that no SA seals so"


def common_start(left, made):
    """Number of frames that are the same from the start on."""
    same = [one == other for one, other in zip(left, made, strict=False)]
    return same.index(False) if False in same else len(same)


def test_engine_keeps_the_life_of_sas(width):
    options = Options(width=width, seed=1)
    done = run(build_engine(options).built, module=__name__, seed=options.seed)
    assert not done.failures, f"seed {done.seed}: {done.failures}, log {done.log}"
