"""ESP in UDP whose UDP checksum is right, wrong or none, in the whole engine."""

from random import Random

import pytest

from espnic.model.host import safile
from espnic.model.interface.codes import (
    UDP_PORT_ESP,
    Encapsulation,
    RxChecksum,
    RxStatus,
    SaDirection,
)
from espnic.model.interface.features import Features
from espnic.model.sa.lifetime import Limits
from espnic.sim.capture.pcap import read_capture
from espnic.sim.traffic import frames
from espnic.sim.traffic.plan import plan_receive
from espnic.sim.traffic.steps import Ports, RxFrame
from tests.support.engine_runs import hold, hold_small, statuses
from tests.support.engine_steps import Traffic, add_commands, alternate, flip
from tests.support.paths import CAPTURES
from tests.support.sas import all_kinds_of_sa, make_sa
from tests.support.udp_checksums import CHECKSUMS, in_udp

BAD_UDP, OK = RxStatus.BAD_UDP_CHECKSUM.name, RxStatus.OK.name
SMALL = Features(128, 16, lso=False, transmit=False, replay_window=64)


def windowed(family, packets):
    """An SA in UDP with a window in the engine that may serve so many packets."""
    return make_sa(family, seed=family, encapsulation=Encapsulation.UDP, device_window=True,
                   replay_window=64, esn=True, limits=Limits(hard_packets=packets))


def frames_with_wrong_ones_among(sas, random, count):
    """Frames of each SA with numbers from 1 on, and before each of them wrong ones.

    The wrong ones have a number that is to come, one far ahead, or one that was there.
    """
    steps, wanted = [], []
    for number in range(1, count + 1):
        for sa in sas:
            for _ in range(random.randrange(3)):
                other = random.choice((number, number + 1, number + 5000, 1))
                frame = in_udp(sa, other, "wrong", random.randbytes(random.randrange(3, 90)),
                               behind=random.choice((b"", random.randbytes(random.randrange(9)))))
                steps.append(RxFrame(random.choice((frame, flip(frame, 8 * len(frame) - 1)))))
                wanted.append(BAD_UDP)
            text = random.randbytes(random.choice((1, 40, 300))) + b"\0\x04"
            tags = random.choice((b"", frames.VLAN_TAG))
            steps.append(RxFrame(in_udp(sa, number, random.choice(("right", "none")), text, tags)
                                 + bytes(random.choice((0, 0, 11)))))
            wanted.append(OK)
    return steps, wanted


def hold_wrong_ones(holds):
    """Wrong checksums cost neither a place in the window nor a packet of the lifetime."""
    sas, count = [windowed(family, 20) for family in (4, 6)], 20
    random = Random(1)
    steps, wanted = frames_with_wrong_ones_among(sas, random, count)
    # Each has served what it may.
    steps += [RxFrame(in_udp(sa, count + 1, "right")) for sa in sas]
    wanted += [RxStatus.EXPIRED.name] * len(sas)
    outcome = holds([*add_commands(sas, SaDirection.RX), *steps])
    given = [record.fields["status"] for record in outcome.trace if record.point == "rx.verdict"]
    assert given == wanted
    assert outcome.counters["rx_bad_udp_checksum"] == wanted.count(BAD_UDP) > count
    assert outcome.counters["rx_auth_failed"] == 0


@pytest.mark.parametrize("width", [128, 512])
def test_a_wrong_udp_checksum_changes_neither_window_nor_lifetime(width):
    hold_wrong_ones(lambda steps: hold(steps, width))


def test_a_wrong_udp_checksum_changes_neither_window_nor_lifetime_in_a_small_build():
    hold_wrong_ones(lambda steps: hold_small(steps, SMALL))


def test_udp_checksums_are_told_and_decide_among_other_frames(width):
    sas = all_kinds_of_sa()
    random = Random(2)
    traffic = Traffic(sas, random)
    encapsulated = [sa for sa in sas if sa.encapsulation == Encapsulation.UDP]
    others = [RxFrame(in_udp(sa, 1, checksum, random.randbytes(length) + b"\0\x04", tags,
                             behind=random.choice((b"", random.randbytes(length)))))
              for sa in encapsulated for checksum in CHECKSUMS for tags in (b"", frames.VLAN_TAG)
              for length in (*range(1, 40), 1400)]
    random.shuffle(others)
    plain = [RxFrame(traffic.wire_frame(number % len(sas), 1 + number % 70))
             for number in range(len(others) + 1)]
    outcome = hold([*add_commands(sas, SaDirection.RX), *alternate(plain, others)], width)
    third = len(others) // 3
    found = [got.completion["outer_checksum"] for got in outcome.received[1::2]]
    assert [found.count(status) for status in RxChecksum] == [third] * 3
    assert statuses(outcome, "rx.verdict") == {OK: len(plain) + 2 * third, BAD_UDP: third}
    for step, got in zip(others, outcome.received[1::2], strict=True):
        if got.completion["outer_checksum"] == RxChecksum.BAD:
            assert got.frame == step.data


def test_a_capture_to_other_ports_is_opened_on_the_ports_of_its_sas():
    ports = (4600, 10_000, 1, 65_535)
    sas = tuple(make_sa(number % 2 * 2 + 4, seed=number, encapsulation=Encapsulation.UDP,
                        encap_destination_port=port) for number, port in enumerate(ports))
    packets = [in_udp(sa, 1, checksum, port=port) for sa in sas for checksum in ("right", "none")
               for port in (*ports, UDP_PORT_ESP)]
    steps = plan_receive(packets, sas, SMALL.sas).steps
    outcome = hold_small([*steps, Ports((UDP_PORT_ESP,)), *map(RxFrame, packets)], SMALL)
    assert statuses(outcome, "rx.verdict") == {
        OK: 32 + 8, RxStatus.NOT_ESP.name: 8 + 32}


def test_frames_of_a_peer_that_fills_the_udp_checksum_are_opened_and_called_right():
    sas = safile.load(CAPTURES / "field" / "natt.json").sas
    packets = read_capture(CAPTURES / "field" / "natt.pcap").packets
    outcome = hold_small([*add_commands(sas, SaDirection.RX), *map(RxFrame, packets)], SMALL)
    assert [(got.completion["status"], got.completion["outer_checksum"])
            for got in outcome.received] == [(RxStatus.OK, RxChecksum.GOOD)] * 2
