"""Ciphertext and ICV parted, against slices; the ICV at every place in a beat."""

import random
from itertools import product

import cocotb
import pytest

from espnic.hdl.rx.icv_split import IcvSplit, ReceivedIcv
from espnic.model.interface.codes import IcvSize
from espnic.sim.agents.beats import receive_packets, to_beats, unpack
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.quick import simulate_quick


def sealed_texts(chance, width):
    """Text and ICV of each size, the text from 1 byte to 3 beats."""
    sizes = [size.bytes for size in IcvSize]
    cases = [(length, chance.choice(sizes)) for length in range(1, 3 * width // 8 + 1)]
    cases += product(range(width // 8 - 17, width // 8 + 2), sizes)
    cases = [(length, size) for length, size in cases if length > 0]
    chance.shuffle(cases)
    return [(chance.randbytes(length), chance.randbytes(size)) for length, size in cases]


def unrotated(word, count):
    """The ICV in its order: byte i lies at byte ``rotation + i``, modulo a block."""
    fields = unpack(ReceivedIcv, word)
    octets = fields["rotated"].to_bytes(16, "little")
    return bytes(octets[(fields["rotation"] + index) % 16] for index in range(count))


async def split(dut, width, packets, lengths, *, idle=0.0, stall=0.0):
    """Texts and ICVs of packets with that many bytes of text."""
    noise = random.Random(cocotb.RANDOM_SEED)
    ports = Ports(dut, width, idle=idle, stall=stall)
    source, text_bytes = ports.source("i"), ports.source("text_bytes")
    texts, icvs = ports.sink("o"), ports.sink("icv")
    for packet in packets:
        source.send(*to_beats(width, packet, noise))
    text_bytes.send(*lengths)
    return (await receive_packets(texts, width, len(packets)), await icvs.receive(len(packets)))


async def check(dut, width, sealed, **gaps):
    texts, icvs = await split(
        dut, width, [text + icv for text, icv in sealed], [len(text) for text, _ in sealed], **gaps)
    check_items(texts, [text for text, _ in sealed], port="o", width=width)
    check_items([unrotated(word, len(icv)) for word, (_, icv) in zip(icvs, sealed, strict=True)],
                [icv for _, icv in sealed], port="icv", width=width)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def icv_of_each_size_is_caught_at_every_place(dut, width):
    await start_clock_and_reset(dut)
    await check(dut, width, sealed_texts(random.Random(cocotb.RANDOM_SEED), width),
                idle=0.3, stall=0.3)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_beat_goes_in_every_clock(dut, width):
    await start_clock_and_reset(dut)
    sealed = sealed_texts(random.Random(cocotb.RANDOM_SEED), width)
    start = Ports(dut, width).clock
    await check(dut, width, sealed)
    beats = sum(len(to_beats(width, text + icv)) for text, icv in sealed)
    assert Ports(dut, width).clock - start <= beats + 4


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_packet_that_ends_early_spares_the_next(dut, width):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    packets, lengths = [], []
    for end in range(1, 2 * width // 8):
        packets += [chance.randbytes(end), chance.randbytes(end + 16)]
        lengths += [chance.randrange(end, 3 * width // 8), end]
    texts, icvs = await split(dut, width, packets, lengths, idle=0.2, stall=0.2)
    ends = [packet[:length] for packet, length in zip(packets, lengths, strict=True)]
    check_items([text[:len(end)] for text, end in zip(texts, ends, strict=True)], ends,
                port="o", width=width)
    assert all(len(text) <= length for text, length in zip(texts, lengths, strict=True))
    check_items([unrotated(icv, 16) for icv in icvs[1::2]],
                [packet[length:] for packet, length in zip(packets, lengths, strict=True)][1::2],
                port="icv", width=width)


@pytest.mark.quick
def test_icv_is_split_in_short():
    simulate_quick(
        IcvSplit(128), "icv_of_each_size_is_caught_at_every_place",
        name="icv_split", module=__name__, width=128)


def test_icv_is_split():
    simulate_widths(IcvSplit, name="icv_split", module=__name__, seed=1)
