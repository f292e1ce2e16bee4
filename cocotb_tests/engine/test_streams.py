"""Bad frames among good ones, and sidebands in both directions."""

from dataclasses import replace
from random import Random

import cocotb
from cocotb.triggers import ClockCycles

from espnic.model.interface.codes import (
    FRAME_BYTES_MAX,
    SaDirection,
    SaOperation,
    SaResult,
    TxOperation,
)
from espnic.model.sa.lifetime import Limits
from espnic.model.sa.sa import command_values
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import run
from espnic.sim.rig.engine import Options, build_engine, replay
from espnic.sim.traffic import frames
from espnic.sim.traffic.steps import SIMULATED, RxFrame, TxFrame
from espnic.sim.traffic.super_frames import SuperTraffic
from tests.support.differences import check_items
from tests.support.engine_runs import compared, hold, statuses
from tests.support.engine_steps import BOTH, Traffic, add_commands, spoilt, with_sidebands
from tests.support.live_engine import ESP_OFFSET, Live, request
from tests.support.memory_faults import flip
from tests.support.open_engine import FEATURES, build_open
from tests.support.sas import all_kinds_of_sa, make_sa

ROUNDS, REQUESTS = 8, 40
LATENCY_MAX = 44
TEXT = bytes(64) + b"\1\2\2\4"


def test_random_mixes_with_bad_frames_bursts_and_sidebands_are_the_model(width):
    random = Random(width)
    sas = all_kinds_of_sa()
    sas[0] = replace(sas[0], replay_window=64, device_window=True)
    traffic = Traffic(sas, random)
    supers = SuperTraffic(sas, random, traffic)
    received = spoilt(traffic.mixed_receive(300), random, width)
    received += [RxFrame(bytes(FRAME_BYTES_MAX + 1), bad=True),
                 *(RxFrame(random.randbytes(random.randrange(1, width // 8 + 1)), bad=bad)
                   for bad in (False, True) for _ in range(80))]
    sent = traffic.mixed_transmit(150)
    for _ in range(40):
        cut = supers.request(segments_max=9)
        sent += [cut, TxFrame(cut.descriptor | {"mss": 0}, cut.data)]
    random.shuffle(sent)
    steps = with_sidebands([*received, *sent], random, SIMULATED.sideband)
    outcome = hold([*add_commands(sas, *BOTH), *steps], width, seed=width)
    given = statuses(outcome, "rx.verdict")
    assert given["BAD_FRAME"] > 120 and given["OK"] > 100 and given["OVERSIZE"] > 0
    assert statuses(outcome, "tx.verdict")["SEALED"] > 100
    assert any(len(left) > 1 for left in outcome.sent_by_request().values())
    assert len(set(outcome.sidebands["rx"])) > 300 and len(set(outcome.sidebands["tx"])) > 50


def test_bad_frames_change_nothing_of_their_sa(width):
    """Neither window nor lifetime, whatever number they name."""
    count, first = 40, 2**32 - 20
    sa = make_sa(esn=True, replay_window=64, device_window=True, initial_seq=first,
                 limits=Limits(hard_packets=count))
    steps = add_commands([sa], SaDirection.RX)
    for number in range(first, first + count):
        good = frames.sealed(sa, TEXT, number)
        steps += [RxFrame(good, bad=True),
                  RxFrame(frames.sealed(sa, TEXT, number + 3000), bad=True), RxFrame(good)]
    steps.append(RxFrame(frames.sealed(sa, TEXT, first + count)))
    for stall in (0.0, 0.3):
        outcome = hold(steps, width, stall=stall)
        assert statuses(outcome, "rx.verdict") == {
            "BAD_FRAME": 2 * count, "OK": count, "EXPIRED": 1}


def test_a_sideband_costs_no_clock_of_short_packets(width):
    sa, count = make_sa(seed=3), 150
    wire = [frames.sealed(sa, TEXT, number + 1) for number in range(count)]
    clear = frames.carried(sa, sa.spi.to_bytes(4, "big") + bytes(12) + TEXT + bytes(sa.icv.bytes))
    steps = [*map(RxFrame, wire), *(TxFrame(
        {"operation": int(TxOperation.ENCRYPT), "sa": 1, "sequence": number + 1,
         "esp_offset": ESP_OFFSET, "trailer": 1}, clear) for number in range(count))]
    steps = [*add_commands([sa], *BOTH), *with_sidebands(steps, Random(1), SIMULATED.sideband)]
    options = Options(width=width)
    replayed = replay(build_engine(options), steps, options)
    outcome = compared(replayed, steps, replace(SIMULATED, width=width), 1)
    check_items(outcome.sent, wire, port="tx", width=width)
    beats = -(-len(wire[0]) // (width // 8))
    assert replayed.clocks <= (count + 1) * beats + LATENCY_MAX


@cocotb.test()
async def frames_that_are_swallowed_take_their_sideband_with_them(dut):
    """A FLUSH among the requests, or a wrong row of the key of one of the two SAs."""
    await start_clock_and_reset(dut)
    random, live = Random(cocotb.RANDOM_SEED), Live(dut, cocotb.RANDOM_SEED)
    live.take(stall=0.2)
    sas = [make_sa(seed=seed, spi=0x7000 + seed) for seed in (1, 2)]
    given = {}
    for number in range(ROUNDS):
        for handle, sa in enumerate(sas, start=1):
            add = command_values(SaOperation.ADD, SaDirection.TX, handle, sa)
            assert await live.driver.command(add) == SaResult.OK
        for place in range(REQUESTS):
            index, sequence = random.randrange(2), 1 + number * REQUESTS + place
            step = request(sas[index], sequence, random.randbytes(random.randrange(1, 90)))
            given[sas[index].spi, sequence] = random.getrandbits(FEATURES.sideband)
            live.send(replace(
                step, descriptor=step.descriptor | {"sa": index + 1},
                sideband=given[sas[index].spi, sequence]))
        await ClockCycles(dut.clk, random.randrange(20, 200))
        if number % 2:
            await flip(dut.sas.tx.secret.ram, 1, random.randrange(128))
            await live.ended((number + 1) * REQUESTS)
        assert await live.driver.command({"operation": SaOperation.FLUSH}) == SaResult.OK
        await live.ended((number + 1) * REQUESTS)
    counters = await live.driver.counters()
    dropped = {name: counters[f"tx_drop_{name}"] for name in ("sa_gone", "fault")}
    assert all(dropped.values()), dropped
    left = live.sinks["tx"].frames
    assert counters["tx_packets_out"] == len(left) > ROUNDS
    check_items([frame.user for frame in left], [given[_named(frame.data)] for frame in left],
                port="sideband")


def _named(frame):
    """SPI and sequence number of a frame on the wire."""
    esp = frame[ESP_OFFSET:]
    return int.from_bytes(esp[:4], "big"), int.from_bytes(esp[4:8], "big")


def test_swallowed_frames_take_their_sideband_with_them():
    done = run(build_open(FEATURES), module=__name__, seed=1)
    assert not done.failures, f"seed 1: {done.failures}, log {done.log}"
