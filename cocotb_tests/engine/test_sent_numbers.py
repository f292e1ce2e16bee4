"""No number is sealed twice by the whole engine, whatever it is asked and in whatever order."""

from collections import Counter
from random import Random

import cocotb
import pytest
from cocotb.triggers import ClockCycles

from espnic.model.device.device import Device
from espnic.model.interface.codes import (
    EventKind,
    SaDirection,
    SaOperation,
    SaResult,
    SaSelect,
    TxOperation,
    TxStatus,
)
from espnic.model.interface.features import Features
from espnic.model.sa.lifetime import Limits
from espnic.model.sa.sa import command_values
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import run
from espnic.sim.rig.engine import Options, build_engine
from espnic.sim.traffic.steps import SIMULATED_SAS as SAS
from espnic.sim.traffic.steps import TxFrame
from espnic.sim.traffic.super_frames import random_super_frame, super_frame, to_be_sealed
from tests.support.differences import check_items
from tests.support.engine_runs import hold, statuses
from tests.support.engine_steps import add_commands
from tests.support.live_engine import Live, request
from tests.support.sas import make_sa

TX = SaDirection.TX
SEALED, REPEATED, LATE = (status.name for status in (
    TxStatus.SEALED, TxStatus.DROP_REPEATED, TxStatus.DROP_LATE))
QUEUES = 8
SUPER_BYTES = 65000


def burst(sa, chance, handle, first, segments, mss):
    """A super-frame to be sealed, with the numbers from ``first`` on."""
    fields = {"operation": TxOperation.BYPASS}
    while not to_be_sealed(fields):
        fields, _ = random_super_frame(chance, 1, 1)
    fields, frame = super_frame(chance, fields, segments, mss)
    at = fields["esp_offset"]
    frame = frame[:at] + sa.spi.to_bytes(4, "big") + frame[at + 4:]
    return TxFrame(fields | {"sa": handle, "sequence": first, "next_header": 4}, frame)


def single(sa, chance, handle, number):
    """A frame to be sealed."""
    step = request(sa, number, chance.randbytes(chance.randrange(1, 90)))
    return TxFrame(step.descriptor | {"sa": handle}, step.data)


def numbers_given(step):
    fields = step.descriptor
    count = 1
    if fields.get("lso"):
        count = -(-(len(step.data) - fields["header_bytes"]) // fields["mss"])
    return range(fields["sequence"], fields["sequence"] + count)


def verdicts(outcome):
    """The status of each request."""
    told = {record.packet: record.fields["status"]
            for record in outcome.trace if record.point == "tx.verdict"}
    return [told[number] for number in sorted(told)]


@pytest.mark.parametrize(("width", "seed", "stall"), [(128, 1, 0.1), (512, 2, 0.0), (512, 3, 0.4)])
def test_every_repeat_is_refused_whatever_the_order(width, seed, stall):
    chance = Random(seed)
    sas = [make_sa(seed=1), make_sa(seed=2, esn=True, initial_seq=2**32 - 700),
           make_sa(seed=3, esn=True)]
    tops = [sa.initial_seq for sa in sas]
    steps = []
    for _ in range(150):
        index = chance.randrange(3)
        first = max(1, tops[index] + chance.choice((
            1, 0, -chance.randrange(60), chance.randrange(60), -chance.randrange(1300),
            chance.randrange(900))))
        segments = chance.choice((1, 1, chance.randrange(2, 40), chance.randrange(2, 300)))
        steps.append(single(sas[index], chance, index + 1, first) if segments == 1 else
                     burst(sas[index], chance, index + 1, first, segments, 1))
        tops[index] = max(tops[index], first + segments - 1)
        if chance.random() < 0.2:
            steps.append(steps[-1 - chance.randrange(min(len(steps), 30))])
    outcome = hold([*add_commands(sas, TX), *steps], width, seed=seed, stall=stall)
    found = Counter(verdicts(outcome))
    assert found[SEALED] > 40 and found[REPEATED] > 30 and found[LATE] > 5
    used = [(step.descriptor["sa"], number)
            for step, status in zip(steps, verdicts(outcome), strict=True) if status == SEALED
            for number in numbers_given(step)]
    assert len(used) == len(set(used)) == len(outcome.sent)


@pytest.mark.parametrize("mss", [1448, 8948])
def test_eight_queues_of_super_frames_in_any_order_lose_nothing(mss):
    """Numbers are given out as the queues are filled; what waits in them fits the window."""
    chance = Random(mss)
    sa = make_sa()
    segments = -(-SUPER_BYTES // mss)
    waiting = min(2, Features().sent_window // (QUEUES * segments))
    queues, first = [[] for _ in range(QUEUES)], 1
    for _ in range(waiting):
        for queue in chance.sample(queues, QUEUES):
            queue.append(burst(sa, chance, 1, first, segments, mss))
            first += segments
    steps = []
    while left := [queue for queue in queues if queue]:
        steps.append(chance.choice(left).pop(0))
    assert [step.descriptor["sequence"] for step in steps] != sorted(
        step.descriptor["sequence"] for step in steps)
    outcome = hold([*add_commands([sa], TX), *steps], 512, stall=0.0)
    assert set(statuses(outcome, "tx.verdict")) == {SEALED}
    assert len(outcome.sent) == waiting * QUEUES * segments


def test_a_burst_longer_than_the_window_is_one_request_for_the_guard_too():
    chance, sa = Random(5), make_sa(esn=True)
    most = 2 * Features().sent_window + 300
    steps = [burst(sa, chance, 1, 7, most, 1), burst(sa, chance, 1, 7, most, 1),
             single(sa, chance, 1, most + 6), single(sa, chance, 1, most + 7),
             single(sa, chance, 1, most + 6 - 1024), burst(sa, chance, 1, most + 5, 8, 10)]
    outcome = hold([*add_commands([sa], TX), *steps], 512, stall=0.0)
    assert verdicts(outcome) == [SEALED, LATE, REPEATED, SEALED, LATE, REPEATED]


def test_an_unguarded_sa_seals_again_beside_one_that_does_not():
    chance = Random(6)
    sas = [make_sa(seed=1, unguarded=True), make_sa(seed=2)]
    steps = [single(sas[handle - 1], chance, handle, number)
             for number in (9, 9, 2000, 3, 9) for handle in (1, 2)]
    steps += [burst(sas[0], chance, 1, 5, 30, 4), burst(sas[1], chance, 2, 5, 30, 4)]
    outcome = hold([*add_commands(sas, TX), *steps], 128)
    told = verdicts(outcome)
    assert told[0::2] == [SEALED] * 6
    assert told[1::2] == [SEALED, REPEATED, SEALED, LATE, LATE, LATE]


@cocotb.test()
async def refusals_are_counted_and_told_and_read_shows_how_far_an_sa_has_come(dut):
    """A request that another check or the guard refuses uses no number and no lifetime."""
    chance = Random(cocotb.RANDOM_SEED)
    await start_clock_and_reset(dut)
    live, device = Live(dut, cocotb.RANDOM_SEED), Device(Features(sas=SAS))
    live.take(stall=0.1)
    sa = make_sa(esn=True, initial_seq=2**32 - 20, limits=Limits(hard_packets=60))
    other = make_sa(seed=2, unguarded=True)
    for command in add_commands([sa, other], TX):
        assert await live.driver.command(command.values) == device.command(command.values)
    sent, requests = [], 0

    async def do(*steps):
        nonlocal requests
        for step in steps:
            live.send(step)
            sent.extend(device.transmit(step.descriptor, step.data).frames)
        requests += len(steps)
        await live.ended(requests)
        for handle in (1, 2):
            read = await live.driver.read_sa(TX, handle)
            check_items([read], [device.read_sa(TX, handle)], port="READ")

    first = 2**32 - 20
    good = single(sa, chance, 1, first)
    await do(good, good, single(sa, chance, 1, first - 1), burst(sa, chance, 1, first, 9, 7))
    await do(TxFrame(good.descriptor | {"sequence": first + 5, "esp_offset": 30}, good.data))
    await do(burst(sa, chance, 1, first + 1, 40, 5), burst(sa, chance, 1, first + 40, 2, 5))
    await do(*(single(other, chance, 2, number) for number in (5, 5, 3)))
    changed = command_values(SaOperation.MODIFY, TX, 1, sa, SaSelect.SOFT)
    assert await live.driver.command(changed) == device.command(changed) == SaResult.OK
    await do(*(single(sa, chance, 1, first + 41 + number) for number in range(25)))
    live.check_sent(sent)
    check_items([await live.driver.counters()], [device.counters], port="counters")
    assert (device.counters["tx_drop_repeated"], device.counters["tx_drop_expired"]) == (4, 6)
    event = await live.driver.next_event()
    assert event == device.events.pop() == {
        "kind": EventKind.REPEATED, "direction": TX, "sa": 1, "sequence": first}


@cocotb.test()
async def frames_queued_before_a_reset_are_refused_after_the_restore(dut):
    """Software gives the SA again with the last number that the stack has taken."""
    chance = Random(cocotb.RANDOM_SEED)
    sa = make_sa()
    queued = [single(sa, chance, 1, number) for number in range(1, 60)]
    await start_clock_and_reset(dut)
    for last, count in ((0, 30), (59, 0)):
        dut.rst.value = 1
        await ClockCycles(dut.clk, 4)
        dut.rst.value = 0
        await ClockCycles(dut.clk, 2 * SAS)
        live = Live(dut, cocotb.RANDOM_SEED)
        live.take()
        restored = command_values(SaOperation.ADD, TX, 1, make_sa(initial_seq=last + 1))
        assert await live.driver.command(restored) == SaResult.OK
        given = queued[:30] if count else queued[20:]
        for step in given:
            live.send(step)
        await live.ended(len(given))
        counters = await live.driver.counters()
        assert (counters["tx_sealed"], counters["tx_drop_repeated"]) == (
            count, len(given) - count)
    fresh = single(sa, chance, 1, 60)
    live.send(fresh)
    await live.ended(len(given) + 1)
    assert (await live.driver.counters())["tx_sealed"] == 1


def test_refusals_and_restore_on_the_registers():
    done = run(build_engine(Options(width=128)).built, module=__name__, seed=1)
    assert not done.failures, f"seed {done.seed}: {done.failures}, log {done.log}"
