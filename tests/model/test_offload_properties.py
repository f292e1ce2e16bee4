"""Stack and device together: either does the whole work, and the wire is the same."""

from dataclasses import replace
from random import Random

import pytest

from espnic.model.host import host_checksum, stack
from espnic.model.host.receiver import Receiver
from espnic.model.interface.codes import Encapsulation, RxChecksum, RxStatus, TxStatus
from espnic.model.net import gso, ip
from tests.support import offload_cases as cases
from tests.support.sas import device_with

SUPERS = 4000
SINGLES = 3000
SEEDS = (1, 2)


def seeds(function):
    return pytest.mark.parametrize("seed", SEEDS)(function)


@seeds
def test_software_and_device_make_the_same_frames_of_any_super_packet(seed):
    chance = Random(seed)
    kinds = set()
    for number in range(SUPERS // len(SEEDS)):
        outgoing = cases.random_super(chance)
        software = tuple(stack.software_frames(outgoing, udp6_checksum=False))
        request = stack.device_request(outgoing, 1)
        result = device_with(outgoing.sa).transmit(request.descriptor, request.frame)
        assert result.frames == software, f"case {number} of seed {seed}: {outgoing}"
        sa = outgoing.sa
        kinds.add((sa.mode, sa.outer_family, sa.inner_family, sa.encapsulation, sa.esn))
    assert len(kinds) == 2 * (6 + 6), "not every kind of SA has come"


@seeds
def test_software_and_device_put_the_same_checksum_in_any_packet(seed):
    chance = Random(seed)
    for number in range(SINGLES // len(SEEDS)):
        outgoing = cases.random_single(chance)
        if outgoing.sa.mode == "tunnel" and chance.random() < 0.3:
            outgoing = replace(outgoing, sa=replace(outgoing.sa, tfcpad=chance.randrange(1, 400)))
        software = stack.software_frames(outgoing, udp6_checksum=False)
        with_trailer = bool(outgoing.sa.tfcpad) or chance.random() < 0.5
        request = stack.device_request(outgoing, 1, with_trailer)
        result = device_with(outgoing.sa).transmit(request.descriptor, request.frame)
        assert [*result.frames] == software, f"case {number} of seed {seed}: {outgoing}"


@seeds
def test_software_and_device_finish_the_same_plain_packets(seed):
    chance = Random(seed)
    device = device_with()
    for number in range(SINGLES // len(SEEDS)):
        family = chance.choice((4, 6))
        ends = [cases.address(chance, family) for _ in range(2)]
        mss = chance.choice((0, 1, 7, 1460))
        clear = cases.clear_packet(chance, *ends, chance.randrange(1, 5 * max(mss, 20)))
        link = cases.random_link(chance)
        expected = [stack.plain_frame(link, packet)
                    for packet in stack.clear_packets(clear, True, mss)]
        request = stack.plain_request(link, clear, True, mss)
        result = device.transmit(request.descriptor, request.frame)
        assert result.status == TxStatus.BYPASSED
        assert [*result.frames] == expected, f"case {number} of seed {seed}: {clear.hex()}"
        assert device.receive(expected[0]).completion["checksum_status"] in (
            RxChecksum.GOOD, RxChecksum.NONE)


@seeds
def test_a_receiver_gets_every_segment_and_its_stack_finds_the_checksum_good(seed):
    chance = Random(seed)
    for number in range(200):
        outgoing = cases.random_super(chance)
        outgoing = replace(outgoing, sequence=1 + outgoing.sequence % (1 << 31))
        clear = stack.clear_packets(outgoing.clear, False, outgoing.mss)
        sa = outgoing.sa
        receiver, device = Receiver([sa]), device_with(sa)
        for packet, wire in zip(clear, stack.software_frames(outgoing), strict=True):
            result = device.receive(wire)
            context = f"case {number} of seed {seed}: {outgoing}"
            if result.status == RxStatus.OK:
                behind_nat = sa.mode == "transport" and sa.encapsulation == Encapsulation.UDP
                found = host_checksum.verify(
                    result.frame, result.completion, sa)
                assert found == (RxChecksum.NONE if behind_nat else RxChecksum.GOOD), context
            assert receiver.deliver(result.frame, result.completion) == packet, context


@seeds
def test_the_byte_stream_of_a_tcp_super_packet_comes_out_as_it_went_in(seed):
    chance = Random(seed)
    streams = 0
    while streams < 100:
        outgoing = cases.random_super(chance)
        packet = ip.split(outgoing.clear)
        if packet.protocol != cases.TCP:
            continue
        streams += 1
        whole = gso.layer4(packet)
        base = int.from_bytes(whole.header[4:8], "big")
        rebuilt = bytearray(len(whole.payload))
        for clear in gso.segments(outgoing.clear, outgoing.mss):
            part = gso.layer4(ip.split(clear))
            place = (int.from_bytes(part.header[4:8], "big") - base) % (1 << 32)
            rebuilt[place:place + len(part.payload)] = part.payload
        assert rebuilt == whole.payload
