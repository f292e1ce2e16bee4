"""The engine while things change: commands among frames in flight, outputs that wait, reset.

The replays of ``test_traffic.py`` give a command when every earlier frame has left. Here
nobody waits, so what a frame meets is not known beforehand, but what may become of it is.
"""

from dataclasses import replace
from random import Random

import cocotb
from cocotb import start_soon
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.model.esp import esp
from espnic.model.interface.codes import (
    ESP_TEXT_OFFSET,
    FRAME_BYTES_MAX,
    IPPROTO_UDP,
    OPERATION_BITS,
    SIDES,
    Encapsulation,
    EventKind,
    RxStatus,
    SaDirection,
    SaOperation,
    SaResult,
    TxOperation,
)
from espnic.model.interface.features import Features
from espnic.model.interface.layouts import RX_COMPLETION, TX_DESCRIPTOR
from espnic.model.interface.registers import BY_NAME
from espnic.model.sa.sa import command_values
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import run
from espnic.sim.rig.engine import Options, build_engine
from espnic.sim.traffic import frames
from espnic.sim.traffic.golden import run_model
from espnic.sim.traffic.steps import SIMULATED_SAS as SAS
from espnic.sim.traffic.steps import Command, RxFrame, TxFrame
from espnic.sim.traffic.super_frames import SuperTraffic, to_be_sealed
from tests.support.differences import check_items
from tests.support.engine_steps import BOTH, Traffic, add_commands, bypass
from tests.support.live_engine import ESP_OFFSET, SEGMENT_CLOCKS, Live, request, wire_frame
from tests.support.sas import all_kinds_of_sa, device_with, make_sa

EVENT_PRESENT = 2
"""Bit of IRQ_STATUS and IRQ_ENABLE that says that an event waits."""


@cocotb.test()
async def a_frame_meets_one_sa_wholly_or_none(dut):
    """Two SAs take turns under one handle and one SPI while frames of both go by."""
    random = Random(cocotb.RANDOM_SEED)
    await start_clock_and_reset(dut)
    live = Live(dut, cocotb.RANDOM_SEED, idle=0.2)
    live.take(stall=0.2)
    one = make_sa(seed=11)
    sas = (one, replace(make_sa(key_bytes=32, seed=12), spi=one.spi))
    received, requests = [], []
    over = False

    async def feed():
        while not over:
            while len(received) < len(live.sources["rx"].sent) + 4:
                sa = random.choice(sas)
                text = random.randbytes(random.choice([2, 30, 200, 1000])) + b"\0\x04"
                received.append((sa, frames.sealed(sa, text, len(received) + 1)))
                live.send(RxFrame(received[-1][1]))
            while len(requests) < len(live.sources["tx"].sent) + 4:
                payload = random.randbytes(random.choice([0, 30, 200, 1000]))
                requests.append(request(one, len(requests) + 1, payload))
                live.send(requests[-1])
            await ClockCycles(dut.clk, 20)

    feeding = start_soon(feed())
    for _ in range(30):
        sa = random.choice(sas)
        for operation in (SaOperation.ADD, SaOperation.DELETE, SaOperation.FREE):
            for direction in BOTH:
                values = command_values(operation, direction, 1, sa)
                assert await live.driver.command(values) == SaResult.OK
            await ClockCycles(dut.clk, random.choice([1, 10, 300, 800]))
    over = True
    await feeding
    await live.sinks["rx"].reach(len(received))
    await live.ended(len(requests))

    found = set()
    for (sa, frame), got in zip(received, live.sinks["rx"].frames, strict=True):
        completion = RX_COMPLETION.unpack(got.user)
        found.add(completion["status"])
        if completion["status"] == RxStatus.OK:
            expected = device_with(sa).receive(frame)
            assert (got.data, completion) == (expected.frame, expected.completion)
        else:
            assert got.data == frame
    assert found == {RxStatus.OK, RxStatus.AUTH_FAILED, RxStatus.NO_SA}

    sealed = [got.data for got in live.sinks["tx"].frames]
    numbers = [int.from_bytes(frame[ESP_OFFSET + 4:ESP_OFFSET + 8], "big") for frame in sealed]
    assert numbers == sorted(set(numbers)) and 0 < len(numbers) < len(requests)
    by_sa = [sum(frame == wire_frame(sa, requests[number - 1])
                 for number, frame in zip(numbers, sealed, strict=True)) for sa in sas]
    assert sum(by_sa) == len(sealed) and all(by_sa)


@cocotb.test()
async def each_burst_leaves_under_one_sa_wholly_or_not_at_all(dut):
    """Two SAs take turns under one handle while super-frames for it are cut."""
    random = Random(cocotb.RANDOM_SEED)
    await start_clock_and_reset(dut)
    live = Live(dut, cocotb.RANDOM_SEED, idle=0.1)
    live.take(stall=0.2)
    one = make_sa(seed=11)
    sas = (one, replace(make_sa(key_bytes=32, seed=12), spi=one.spi))
    supers = SuperTraffic([one], random)
    requests = []
    over = False

    async def feed():
        while not over:
            while len(requests) < len(live.sources["tx"].sent) + 4:
                segments, mss = random.randrange(1, 9), random.choice([1, 40, 536])
                requests.append(supers.exact(segments, mss, to_be_sealed))
                live.send(requests[-1])
            await ClockCycles(dut.clk, 20)

    feeding = start_soon(feed())
    for _ in range(40):
        sa = random.choice(sas)
        for operation in (SaOperation.ADD, SaOperation.DELETE, SaOperation.FREE):
            values = command_values(operation, SaDirection.TX, 1, sa)
            assert await live.driver.command(values) == SaResult.OK
            await ClockCycles(dut.clk, random.choice([1, 10, 100, 500]))
    over = True
    await feeding
    await live.ended(len(requests))

    left = [got.data for got in live.sinks["tx"].frames]
    devices = [device_with(sa) for sa in sas]
    bursts, dropped = [0, 0], 0
    for step in requests:
        wires = [list(device.transmit(step.descriptor, step.data).frames) for device in devices]
        under = next((index for index, wire in enumerate(wires) if left[:len(wire)] == wire), None)
        if under is None:
            dropped += 1
        else:
            bursts[under] += 1
            del left[:len(wires[under])]
    assert not left, f"behind {bursts} bursts and {dropped} dropped"
    assert all(bursts) and dropped


def single_bytes(random):
    return [step for _ in range(200) for step in (RxFrame(random.randbytes(1)), bypass(b"\xAA"))]


def smallest_packets(random):
    sas = all_kinds_of_sa()
    traffic = Traffic(sas, random)
    return [step for index in range(150) for step in (
        RxFrame(traffic.wire_frame(index % len(sas), 1)),
        traffic.request(index % len(sas), index % 3, bool(index & 4)))]


def longest_frames(random):
    sas = all_kinds_of_sa()
    steps = []
    for index, sa in enumerate(sas):
        text = random.randbytes(9436) + bytes.fromhex("01020204")
        frame = frames.sealed(sa, text, index + 1)
        steps += [
            RxFrame(frame + bytes(FRAME_BYTES_MAX - len(frame))),
            RxFrame(frame + bytes(FRAME_BYTES_MAX + 1 - len(frame))), RxFrame(frame[:-1]),
            bypass(random.randbytes(FRAME_BYTES_MAX)), bypass(bytes(FRAME_BYTES_MAX + 1))]
    return steps


def bursts(random):
    supers = SuperTraffic(all_kinds_of_sa(), random)
    return [
        supers.exact(64, 1), *[bypass(b"\xAA") for _ in range(50)], supers.exact(7, 8960),
        supers.exact(45, 1460), *[supers.exact(1, 1) for _ in range(40)], supers.exact(64, 1),
        *some_bursts(supers, random, 10)]


def some_bursts(supers, random, count):
    """Super-frames, mostly with short frames after each."""
    steps = []
    for _ in range(count):
        steps.append(supers.exact(random.choice([1, 3, 8]), random.choice([1, 30, 536, 1460])))
        steps += [bypass(random.randbytes(random.randrange(1, 100)))
                  for _ in range(random.choice([0, 1, 3]))]
    return steps


async def all_comes_right(live, commands, steps):
    """Every frame that leaves, its completion and the counters are the model's."""
    expected = run_model([*commands, *steps], Features(sas=SAS))
    await live.sinks["rx"].reach(len(expected.received))
    await live.ended(sum(isinstance(step, TxFrame) for step in steps))
    live.check_received(expected.received)
    live.check_sent(expected.sent)
    check_items([await live.driver.counters()], [expected.counters], port="counters")


@cocotb.test()
@cocotb.parametrize(kind=["single_bytes", "smallest_packets", "longest_frames", "bursts"])
async def all_that_waits_for_the_outputs_comes_right(dut, kind):
    """The outputs stand still until every store and queue in front of them is full."""
    random = Random(cocotb.RANDOM_SEED)
    await start_clock_and_reset(dut)
    live = Live(dut, cocotb.RANDOM_SEED)
    commands = add_commands(all_kinds_of_sa(), *BOTH)
    for command in commands:
        assert await live.driver.command(command.values) == SaResult.OK
    steps = globals()[kind](random)
    for step in steps:
        live.send(step)
    await ClockCycles(dut.clk, 4000)
    live.take(stall=0.1)
    await all_comes_right(live, commands, steps)


@cocotb.test()
async def a_stop_lets_out_what_is_inside_and_loses_nothing(dut):
    """Frames, super-frames among them, wait at both inputs while the engine stops and goes on."""
    random = Random(cocotb.RANDOM_SEED)
    await start_clock_and_reset(dut)
    live = Live(dut, cocotb.RANDOM_SEED, idle=0.1)
    live.take(stall=0.2)
    sas = all_kinds_of_sa()
    traffic, supers = Traffic(sas, random), SuperTraffic(sas, random)
    commands = add_commands(sas, *BOTH)
    for command in commands:
        assert await live.driver.command(command.values) == SaResult.OK
    steps = []
    for _ in range(60):
        steps.append(RxFrame(traffic.wire_frame(
            random.randrange(len(sas)), random.choice([1, 30, 400, 2000]))))
        steps.append(random.choice([
            supers.request(), bypass(random.randbytes(random.choice([60, 1500, 9000])))]))
    for step in steps:
        live.send(step)
    inside = set()
    while sum(len(source.sent) for source in live.sources.values()) < len(steps):
        await live.driver.quiesce()
        left = {side: len(sink.frames) for side, sink in live.sinks.items()}
        inside |= left.items()
        counters = await live.driver.counters()
        assert left == {side: counters[f"{side}_packets_out"] for side in SIDES}
        await ClockCycles(dut.clk, random.randrange(500))
        assert left == {side: len(sink.frames) for side, sink in live.sinks.items()}
        await live.driver.start()
        await ClockCycles(dut.clk, random.randrange(1, 1000))
    assert len(inside) > 6, "the engine has hardly stopped"
    await all_comes_right(live, commands, steps)


@cocotb.test()
async def a_window_knows_nothing_of_the_one_that_had_its_handle(dut):
    """SAs take turns under one handle and one SPI, each with its key and the same numbers.

    Frames of an SA come before all of the next one: whatever meets a window is new to it.
    """
    random = Random(cocotb.RANDOM_SEED)
    await start_clock_and_reset(dut)
    live = Live(dut, cocotb.RANDOM_SEED, idle=0.1)
    live.take(stall=0.1)
    lanes = len(dut.s_axis_rx_tdata) // 128
    sent = 0
    for turn in range(40):
        sa = replace(make_sa(seed=turn, esn=bool(turn % 3), device_window=True), spi=77)
        values = command_values(SaOperation.ADD, SaDirection.RX, 1, sa)
        assert await live.driver.command(values) == SaResult.OK
        # Often more than pass by before the next SA is there.
        for number in range(1, 1 + lanes * random.choice([5, 40, 80])):
            live.send(RxFrame(frames.sealed(
                sa, random.randbytes(random.choice([2, 30, 90])) + b"\0\x04", number)))
            sent += 1
        await ClockCycles(dut.clk, random.choice([1, 300, 800]))
        for operation in (SaOperation.DELETE, SaOperation.FREE):
            values = command_values(operation, SaDirection.RX, 1, sa)
            assert await live.driver.command(values) == SaResult.OK
    await live.sinks["rx"].reach(sent)
    found = {RX_COMPLETION.unpack(got.user)["status"] for got in live.sinks["rx"].frames}
    assert found == {RxStatus.OK, RxStatus.AUTH_FAILED, RxStatus.NO_SA}


@cocotb.test()
async def a_window_that_passes_2_32_tells_it(dut):
    await start_clock_and_reset(dut)
    live = Live(dut, cocotb.RANDOM_SEED)
    live.take()
    first = 2**32 - 2
    sa = make_sa(seed=11, esn=True, device_window=True, initial_seq=first)
    for command in add_commands([sa], SaDirection.RX):
        assert await live.driver.command(command.values) == SaResult.OK
    numbers = [first, first + 3, first + 1, first + 2, first + 4]
    for number in numbers:
        live.send(RxFrame(frames.sealed(sa, bytes(30) + b"\0\x04", number)))
    await live.sinks["rx"].reach(len(numbers))
    event = await live.driver.fields("EVENT", "EVENT_SEQUENCE_0", "EVENT_SEQUENCE_1")
    assert (event["event_valid"], event["kind"]) == (1, EventKind.ESN_HALF)
    assert (event["direction"], event["sa"]) == (SaDirection.RX, 1)
    assert event["sequence"] == first + 3
    await live.driver.write(BY_NAME["EVENT_POP"], 1)
    assert not (await live.driver.fields("EVENT"))["event_valid"]


@cocotb.test()
async def forged_frames_tell_one_burst_by_the_interrupt(dut):
    random = Random(cocotb.RANDOM_SEED)
    await start_clock_and_reset(dut)
    live = Live(dut, cocotb.RANDOM_SEED)
    live.take()
    sa = make_sa(seed=11)
    for command in add_commands([sa], SaDirection.RX):
        assert await live.driver.command(command.values) == SaResult.OK
    await live.driver.detect_bursts(3, 1 << 20)
    await live.driver.write(BY_NAME["IRQ_ENABLE"], EVENT_PRESENT)
    for number in range(5):
        assert bool(dut.irq.value) == (number >= 3)
        good = frames.sealed(sa, random.randbytes(30) + b"\0\x04", number + 1)
        live.send(RxFrame(good[:-1] + bytes([good[-1] ^ 1])))
        await live.sinks["rx"].reach(number + 1)
        await ClockCycles(dut.clk, 8)
    event = await live.driver.fields("EVENT", "EVENT_COUNT")
    assert (event["event_valid"], event["event_count"]) == (1, 1)
    assert event["kind"] == EventKind.AUTH_BURST
    await live.driver.write(BY_NAME["EVENT_POP"], 1)
    await ClockCycles(dut.clk, 2)
    assert not int(dut.irq.value)


@cocotb.test()
async def a_port_of_esp_counts_for_the_frames_that_come_after_its_write(dut):
    """Frames before the write are still inside when it comes."""
    random = Random(cocotb.RANDOM_SEED)
    await start_clock_and_reset(dut)
    live = Live(dut, cocotb.RANDOM_SEED)
    live.take(stall=0.3)
    sas = [make_sa(family, seed=11, encapsulation=Encapsulation.UDP) for family in (4, 6)]
    device = device_with(*sas)
    for command in add_commands(sas, SaDirection.RX):
        assert await live.driver.command(command.values) == SaResult.OK
    choice, results = (4500, 4501, 500, 10_000), []
    for number in range(30):
        for _ in range(random.randrange(1, 8)):
            sa = random.choice(sas)
            text = random.randbytes(random.choice([2, 30, 400])) + b"\0\x04"
            datagram = frames.udp(esp.seal(sa, number + 1, text).packet, random.choice(choice))
            frame = frames.ethernet(frames.ip(sa, datagram, IPPROTO_UDP))
            live.send(RxFrame(frame))
            results.append(device.receive(frame))
        await live.sources["rx"].drained()
        ports = random.sample(choice, random.randrange(5))
        await live.driver.set_esp_ports(ports)
        device.esp_ports = tuple(ports)
    await live.sinks["rx"].reach(len(results))
    live.check_received(results)
    assert {result.status for result in results} == {RxStatus.OK, RxStatus.NOT_ESP}


@cocotb.test()
@cocotb.parametrize(clocks=[1, 40, 700, 1500, 0])
async def a_reset_leaves_nothing_of_what_was_before(dut, clocks):
    """Each round finds the engine as the one before left it, in the midst of its frames."""
    random = Random(clocks)
    await start_clock_and_reset(dut)
    live = Live(dut, clocks)
    live.take(stall=0.2)
    sa = make_sa(seed=11)

    def some(count):
        return [step for number in range(1, count + 1) for step in (
            RxFrame(frames.sealed(sa, random.randbytes(random.choice([2, 30, 1000])) + b"\0\x04")),
            request(sa, number, random.randbytes(random.choice([0, 30, 1000]))))]

    # The sweep of the SA table runs meanwhile.
    steps = [*some(5), *add_commands([sa], *BOTH), *some(8)]
    for step in steps:
        if isinstance(step, Command):
            await live.ended(5)
            await live.sinks["rx"].reach(5)
            assert await live.driver.command(step.values) == SaResult.OK
        else:
            live.send(step)
    expected = run_model(steps, Features(sas=SAS))
    await live.sinks["rx"].reach(len(expected.received))
    await live.ended(13)
    live.check_received(expected.received)
    live.check_sent(expected.sent)
    check_items([await live.driver.counters()], [expected.counters], port="counters")
    for step in some(40):
        live.send(step)
    await ClockCycles(dut.clk, clocks)


@cocotb.test()
@cocotb.parametrize(clocks=[3, 60, 150, 400, 777, 1200, 2000, 0])
async def a_reset_leaves_nothing_of_the_burst_that_it_broke_off(dut, clocks):
    """Each round finds the engine as the one before left it, in the midst of its bursts."""
    random = Random(clocks)
    await start_clock_and_reset(dut)
    live = Live(dut, clocks)
    live.take(stall=0.2)
    sas = all_kinds_of_sa()
    supers = SuperTraffic(sas, random)
    commands = add_commands(sas, SaDirection.TX)
    for command in commands:
        assert await live.driver.command(command.values) == SaResult.OK
    steps = some_bursts(supers, random, 6)
    for step in steps:
        live.send(step)
    expected = run_model([*commands, *steps], Features(sas=SAS))
    await live.ended(len(steps))
    live.check_sent(expected.sent)
    check_items([await live.driver.counters()], [expected.counters], port="counters")
    for step in some_bursts(supers, random, 12):
        live.send(step)
    await ClockCycles(dut.clk, clocks)


def pieces_of(dut, data):
    """The bytes of each beat of a frame."""
    size = len(dut.s_axis_tx_tkeep)
    return [data[at:at + size] for at in range(0, len(data), size)]


async def send_beats(dut, pieces, users, reset_at=None):
    """Send a frame beat by beat, its tuser one of ``users`` each; reset at one of its beats."""
    bus = (1 << len(dut.s_axis_tx_tdata)) - 1
    for number, piece in enumerate(pieces):
        # Ones where no byte is.
        dut.s_axis_tx_tdata.value = (
            int.from_bytes(piece, "little") | bus >> 8 * len(piece) << 8 * len(piece))
        dut.s_axis_tx_tkeep.value = (1 << len(piece)) - 1
        dut.s_axis_tx_tlast.value = number == len(pieces) - 1
        dut.s_axis_tx_tuser.value = users[number]
        dut.s_axis_tx_tvalid.value = 1
        dut.rst.value = number == reset_at
        await RisingEdge(dut.clk)
        while not int(dut.s_axis_tx_tready.value):
            await RisingEdge(dut.clk)
    dut.s_axis_tx_tvalid.value = 0
    dut.rst.value = 0


@cocotb.test()
async def nothing_of_a_frame_that_a_reset_cuts_leaves_in_clear(dut):
    """The source goes on with its frame after the reset; no SA is there any more."""
    chance = Random(cocotb.RANDOM_SEED)
    await start_clock_and_reset(dut)
    sa = make_sa(seed=12)
    live = Live(dut, 1)
    live.take()
    size = len(dut.s_axis_tx_tkeep)
    seen = set()
    for reset_at in range(6):
        step = request(sa, 1 + reset_at, chance.randbytes(12 * size))
        descriptor = TX_DESCRIPTOR.pack(step.descriptor)
        beats = -(-len(step.data) // size)
        junk = [chance.getrandbits(TX_DESCRIPTOR.bits) << OPERATION_BITS | TxOperation.BYPASS
                for _ in range(beats)]
        junk = [word % (1 << TX_DESCRIPTOR.bits) for word in junk]
        for rest in (beats * [0], beats * [descriptor], junk):
            for command in add_commands([sa], SaDirection.TX):
                assert await live.driver.command(command.values) == SaResult.OK
            await send_beats(
                dut, pieces_of(dut, step.data), [descriptor, *rest[1:]], reset_at)
            await ClockCycles(dut.clk, SEGMENT_CLOCKS)
            assert not live.sinks["tx"].frames
            counters = await live.driver.counters()
            assert counters["tx_packets_in"] == 1 and counters["tx_packets_out"] == 0
            seen |= {name for name, count in counters.items()
                     if name.startswith("tx_drop") and count}
    assert seen == {"tx_drop_operation", "tx_drop_reserved", "tx_drop_no_sa"}
    # The next frame is sealed as if nothing had been.
    for command in add_commands([sa], SaDirection.TX):
        assert await live.driver.command(command.values) == SaResult.OK
    live.send(request(sa, 1, b"next"))
    await live.sinks["tx"].reach(1)
    live.check_sent([wire_frame(sa, request(sa, 1, b"next"))])


@cocotb.test()
async def nothing_of_a_beat_without_bytes_is_sealed(dut):
    """AXI4-Stream lets a frame end with a beat whose tkeep is 0; the bus then holds anything."""
    await start_clock_and_reset(dut)
    sa = make_sa(seed=13)
    live = Live(dut, 1)
    live.take()
    for command in add_commands([sa], SaDirection.TX):
        assert await live.driver.command(command.values) == SaResult.OK
    size = len(dut.s_axis_tx_tkeep)
    before = ESP_OFFSET + ESP_TEXT_OFFSET
    steps = [request(sa, number, bytes(number * size - before)) for number in range(4, 10)]
    for step in steps:
        pieces, descriptor = pieces_of(dut, step.data), TX_DESCRIPTOR.pack(step.descriptor)
        await send_beats(dut, [*pieces, b""], [descriptor] * (len(pieces) + 1))
    await live.sinks["tx"].reach(len(steps))
    live.check_sent([wire_frame(sa, step) for step in steps])
    counters = await live.driver.counters()
    assert counters["tx_bytes_in"] == sum(len(step.data) for step in steps)
    # A frame of no byte at all is refused, and the next one is right.
    await send_beats(dut, [b""], [TX_DESCRIPTOR.pack(steps[0].descriptor)])
    live.send(request(sa, 20, b"next"))
    await live.sinks["tx"].reach(len(steps) + 1)
    live.check_sent([wire_frame(sa, step) for step in [*steps, request(sa, 20, b"next")]])
    assert (await live.driver.counters())["tx_drop_syntax"] == 1


def test_engine_holds_while_things_change(width):
    options = Options(width=width, seed=1)
    done = run(build_engine(options).built, module=__name__, seed=options.seed)
    assert not done.failures, f"seed {done.seed}: {done.failures}, log {done.log}"
