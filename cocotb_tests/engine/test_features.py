"""Builds of the engine that lack parts, against the golden model of the same builds.

Two builds, each of one direction: between them they lack every part that a build may lack.
"""

from collections import Counter
from random import Random

import pytest

from espnic.model.interface.codes import (
    FRAME_BYTES_MAX,
    RxStatus,
    SaDirection,
    SaOperation,
    SaResult,
    TxOperation,
    TxStatus,
)
from espnic.model.interface.features import Features
from espnic.model.sa.sa import command_values
from espnic.sim.rig.engine import Options, build_engine, replay
from espnic.sim.traffic import frames
from espnic.sim.traffic.steps import Command, RxFrame, TxFrame
from espnic.sim.traffic.super_frames import SuperTraffic, to_be_sealed
from tests.support.differences import check_items
from tests.support.engine_runs import compared, statuses
from tests.support.engine_steps import Traffic, add_commands, alternate, bypass, flip
from tests.support.sas import all_kinds_of_sa, make_sa

SAS = 64
WIDTH = 128
RECEIVE = Features(WIDTH, SAS, lso=False, ipv6=False, transmit=False, replay_window=32)
TRANSMIT = Features(WIDTH, SAS, lso=False, receive=False, replay_window=0)
BEATS_64 = 9
"""Beats of a 64-byte packet in an IPv4 tunnel, at 128 bits: the clocks it takes at the limit."""
LATENCY_MAX = 44


def hold(steps, features, *, seed=1, stall=0.15):
    """Let RTL and model of a build take the steps; return what both made of them."""
    __tracebackhide__ = True
    print(f"{features}, seed {seed}")
    options = Options(width=WIDTH, seed=seed, stall=stall)
    replayed = replay(build_engine(options, SAS, features), steps, options)
    return compared(replayed, steps, features, seed), replayed.clocks


def ipv4_sas():
    return [sa for sa in all_kinds_of_sa() if sa.outer_family == 4]


def test_receive_only_without_ipv6_is_the_model():
    random = Random(1)
    windowed = make_sa(seed=20, device_window=True, replay_window=32)
    too_wide = make_sa(seed=21, device_window=True, replay_window=64)
    six = make_sa(6, seed=22)
    sas = [*ipv4_sas(), windowed]
    refused = [Command(command_values(SaOperation.ADD, direction, SAS - 1, sa))
               for direction, sa in ((SaDirection.RX, six), (SaDirection.RX, too_wide),
                                     (SaDirection.TX, windowed))]
    absent = [Command(command_values(operation, SaDirection.TX, 1)) for operation in (
        SaOperation.DELETE, SaOperation.READ, SaOperation.FREE)]
    traffic = Traffic(sas, random)
    steps = [*add_commands(sas, SaDirection.RX), *refused, *absent]
    good = [traffic.wire_frame(n % len(sas), random.randrange(1, 300)) for n in range(60)]
    bad = [flip(frame, 8 * len(frame) - 200) for frame in good]
    again = [frame for n, frame in enumerate(good) if n % len(sas) == len(sas) - 1]
    ipv6 = [kind.frame for kind in frames.kinds(six) if kind.frame]
    steps += alternate([RxFrame(frame) for frame in good], [RxFrame(frame) for frame in bad][1:])
    steps += [RxFrame(frame) for frame in [*again, *ipv6]]
    flush = Command(command_values(SaOperation.FLUSH, SaDirection.RX, 0))
    steps += [flush, *(RxFrame(frame) for frame in good[:4])]
    outcome, _ = hold(steps, RECEIVE)
    assert outcome.results[len(sas):-1] == [
        *[SaResult.EOPNOTSUPP] * 3, *[SaResult.ENOENT] * 3]
    given = statuses(outcome, "rx.verdict")
    assert given["OK"] >= len(good) and given["REPLAYED"] >= len(again)
    assert given["AUTH_FAILED"] > 0 and given["NOT_IP"] > 0 and given["NO_SA"] >= 4


def test_transmit_only_without_segmentation_is_the_model():
    random = Random(2)
    sas = all_kinds_of_sa()
    traffic = Traffic(sas, random)
    supers = SuperTraffic(sas, random, traffic)
    steps = [*add_commands(sas, SaDirection.TX),
             Command(command_values(SaOperation.ADD, SaDirection.RX, 1, sas[0])),
             Command(command_values(SaOperation.READ, SaDirection.RX, 1))]
    for number in range(40):
        steps.append(traffic.request(number % len(sas), random.randrange(1, 400), number % 2 == 0))
        cut = supers.request(segments_max=3, mss=random.randrange(200, 3000))
        steps.append(cut)
        if len(cut.data) <= FRAME_BYTES_MAX:
            l4_bytes = len(cut.data) - cut.descriptor["l4_offset"]
            steps.append(TxFrame(
                cut.descriptor | {"lso": 0, "checksum": 1, "l4_bytes": l4_bytes}, cut.data))
        steps.append(bypass(random.randbytes(random.randrange(60, 200))))
    steps += [supers.request(segments_max=8, mss=9000), bypass(bytes(FRAME_BYTES_MAX + 1)),
              Command(command_values(SaOperation.FLUSH, SaDirection.TX, 0)),
              traffic.request(0, 100, True)]
    outcome, _ = hold(steps, TRANSMIT)
    assert outcome.results[-3:] == [SaResult.EOPNOTSUPP, SaResult.ENOENT, SaResult.OK]
    given = Counter({TxStatus[name]: count
                     for name, count in statuses(outcome, "tx.verdict").items()})
    assert given[TxStatus.DROP_UNSUPPORTED] == 41
    assert given[TxStatus.DROP_NO_SA] == 1
    assert given[TxStatus.SEALED] > 60 and given[TxStatus.BYPASSED] >= 40
    summed = [step for step in steps if isinstance(step, TxFrame)
              and step.descriptor.get("checksum") and to_be_sealed(step.descriptor)]
    assert len(summed) > 10


@pytest.mark.parametrize("features", [RECEIVE, TRANSMIT], ids=["receive", "transmit"])
def test_short_packets_go_back_to_back_as_in_the_whole_engine(features):
    sa = make_sa(seed=3, replay_window=32, device_window=features.receive)
    count = 100
    text = bytes(64) + b"\1\2\2\4"
    wire = [frames.sealed(sa, text, number + 1) for number in range(count)]
    assert {-(-len(frame) // (WIDTH // 8)) for frame in wire} == {BEATS_64}
    if features.receive:
        steps = [*add_commands([sa], SaDirection.RX), *map(RxFrame, wire)]
    else:
        clear = frames.carried(
            sa, sa.spi.to_bytes(4, "big") + bytes(12) + text + bytes(sa.icv.bytes))
        steps = [*add_commands([sa], SaDirection.TX), *(TxFrame(
            {"operation": int(TxOperation.ENCRYPT), "sa": 1, "sequence": number + 1,
             "esp_offset": 34, "trailer": 1},
            clear) for number in range(count))]
    outcome, clocks = hold(steps, features, stall=0.0)
    if features.receive:
        check_items([got.completion["status"] for got in outcome.received],
                    count * [RxStatus.OK], port="status", width=WIDTH)
    else:
        check_items(outcome.sent, wire, port="tx", width=WIDTH)
    assert clocks <= (count + 1) * BEATS_64 + LATENCY_MAX
