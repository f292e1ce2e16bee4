"""Frame ingress: frames of all lengths pass, those that are too long are cut and marked."""

import random

import cocotb
import pytest

from espnic.hdl.flow.frame_ingress import FrameIngress, ReceivedEnd, axi_beat, frame_end
from espnic.hdl.layouts import SUPER_LENGTH_BITS, beat
from espnic.model.interface.codes import FRAME_BYTES_MAX, SUPER_FRAME_BYTES_MAX
from espnic.sim.agents.beats import pack, to_packets, unpack
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.quick import simulate_quick

USER_BITS = 11
SUPER_BIT = 3
BAD_BIT = 5
RECEIVING = "frame_ingress_of_receive"
"""Name of the top with blocks that are told of bad frames, and of no super-frames."""


def bytes_max(user, receives):
    """The limit of a frame whose first beat has that tuser."""
    return SUPER_FRAME_BYTES_MAX if user >> SUPER_BIT & 1 and not receives else FRAME_BYTES_MAX


def end_of(frame, users, receives):
    """Facts that must be told of a frame, but for a bit that means nothing in one too long."""
    limit = bytes_max(users[0], receives)
    end = {"bytes": min(len(frame), limit), "oversize": len(frame) > limit}
    if receives and not end["oversize"]:
        end["bad"] = users[-1] >> BAD_BIT & 1
    return end


def transfers(width, frame, users, noise):
    """A frame as AXI4-Stream transfers, with a value of tuser for each of them."""
    size = width // 8
    words = []
    for number, start in enumerate(range(0, len(frame), size)):
        piece = frame[start:start + size]
        padding = noise.randbytes(size - len(piece))
        words.append(pack(axi_beat(width, USER_BITS), {
            "tdata": int.from_bytes(piece + padding, "little"),
            "tkeep": (1 << len(piece)) - 1,
            "tlast": start + size >= len(frame),
            "tuser": users[number],
        }))
    return words


def frames_of_all_lengths(chance, width):
    lengths = [*range(1, 2 * width // 8 + 2), *(chance.randrange(1, 1500) for _ in range(30))]
    chance.shuffle(lengths)
    return [chance.randbytes(length) for length in lengths]


def frames_around_the_limit(chance, width):
    """Frames at the limit, a byte over it and far over it, with good ones in between."""
    size = width // 8
    lengths = (FRAME_BYTES_MAX - 1, FRAME_BYTES_MAX, FRAME_BYTES_MAX, 1, FRAME_BYTES_MAX + 1,
               60, FRAME_BYTES_MAX + size, size, FRAME_BYTES_MAX + size + 1,
               2 * FRAME_BYTES_MAX, 3 * FRAME_BYTES_MAX + 5, FRAME_BYTES_MAX, 1, 1500,
               *(SUPER_FRAME_BYTES_MAX + over for over in (0, 0, 0, 1, 1, 1, size)), 60)
    return [chance.randbytes(length) for length in lengths]


async def check(dut, width, frames, *, idle=0.0, stall=0.0):
    """Send the frames and compare beats, tuser and ends; returns the clocks it took."""
    chance = random.Random(cocotb.RANDOM_SEED)
    ports = Ports(dut, width, idle=idle, stall=stall)
    receives = dut._name == RECEIVING
    source, beats, ends = ports.source("i"), ports.sink("o"), ports.sink("end")
    size = width // 8
    cut = []
    users = []
    ended = []
    start = ports.clock
    for frame in frames:
        frame_users = [chance.getrandbits(USER_BITS) for _ in range(-(-len(frame) // size))]
        cut.append(frame[:bytes_max(frame_users[0], receives)])
        ended.append(end_of(frame, frame_users, receives))
        users += frame_users[:-(-len(cut[-1]) // size)]
        source.send(*transfers(width, frame, frame_users, chance))
    layout = FrameIngress(width, USER_BITS, SUPER_BIT).o.payload.shape()
    passed = [unpack(layout, word) for word in await beats.receive(len(users))]
    await source.drained()
    words = [pack(beat(width), fields["beat"]) for fields in passed]
    check_items(to_packets(width, words), cut, port="o", width=width)
    check_items([fields["user"] for fields in passed], users, port="user", width=width)
    check_items(ends.items, ended, port="end", width=width,
                layout=ReceivedEnd if receives else frame_end(SUPER_LENGTH_BITS))
    assert not beats.items
    return ports.clock - start


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def frames_of_all_lengths_pass(dut, width):
    await start_clock_and_reset(dut)
    frames = frames_of_all_lengths(random.Random(cocotb.RANDOM_SEED), width)
    await check(dut, width, frames, idle=0.3, stall=0.3)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def frames_that_are_too_long_are_cut_and_spare_the_next(dut, width):
    await start_clock_and_reset(dut)
    frames = frames_around_the_limit(random.Random(cocotb.RANDOM_SEED), width)
    await check(dut, width, frames, idle=0.1, stall=0.1)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def a_beat_goes_every_clock(dut, width):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    frames = [*frames_of_all_lengths(chance, width), *frames_around_the_limit(chance, width)]
    beats = sum(-(-len(frame) // (width // 8)) for frame in frames)
    assert await check(dut, width, frames) <= beats + 3


@pytest.mark.quick
def test_frames_pass_in_short():
    simulate_quick(
        FrameIngress(128, USER_BITS, SUPER_BIT), "frames_of_all_lengths_pass",
        name="frame_ingress", module=__name__, width=128)


def test_frames_pass_or_are_cut():
    simulate_widths(lambda width: FrameIngress(width, USER_BITS, SUPER_BIT), name="frame_ingress",
                    module=__name__, seed=1)


def test_frames_pass_or_are_cut_with_what_the_mac_says_of_them():
    simulate_widths(lambda width: FrameIngress(width, USER_BITS, bad_bit=BAD_BIT),
                    name=RECEIVING, module=__name__, seed=2)
