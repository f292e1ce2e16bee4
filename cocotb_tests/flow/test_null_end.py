"""Frames that end with a beat without bytes."""

import os
import random

import cocotb
import pytest

from espnic.hdl.flow.frame_ingress import axi_beat
from espnic.hdl.flow.null_end import NullEnd
from espnic.model.interface.layouts import Field, Layout
from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate
from espnic.sim.clocks import CLOCK_NS
from tests.support.differences import check_items
from tests.support.quick import simulate_quick

BYTES = 16
USER_BITS = 9
LAST_BIT = 3
SHAPE = axi_beat(8 * BYTES, USER_BITS)
BEAT = Layout("beat", (
    Field("tdata", 8 * BYTES, ""), Field("tkeep", BYTES, ""), Field("tlast", 1, ""),
    Field("tuser", USER_BITS, "")))


def beats_of(chance, data, null_end):
    """The beats of a frame, and those that must leave: the same without the null beat.

    Nobody looks at ``tkeep`` but on the last beat; those that leave before it are full.
    The bit of tuser that counts on the last beat, if the block has one, stays on the last.
    """
    pieces = [data[at:at + BYTES] for at in range(0, len(data), BYTES)]
    if null_end:
        pieces.append(b"")
    sent = []
    for place, piece in enumerate(pieces):
        noise = chance.randbytes(BYTES - len(piece))
        sent.append({
            "tdata": int.from_bytes(piece + noise, "little"), "tkeep": (1 << len(piece)) - 1,
            "tlast": place == len(pieces) - 1, "tuser": chance.getrandbits(USER_BITS)})
    left = [dict(beat) for beat in sent]
    for beat in sent[:-1]:
        beat["tkeep"] = chance.getrandbits(BYTES)
    if null_end and len(left) > 1:
        null = left.pop()
        left[-1]["tlast"] = True
        if "LAST_BIT" in os.environ:
            mask = 1 << LAST_BIT
            left[-1]["tuser"] = left[-1]["tuser"] & ~mask | null["tuser"] & mask
    elif null_end:
        left[0] |= {"tdata": left[0]["tdata"] >> 8 << 8, "tkeep": 1}
    return sent, left


async def pass_frames(dut, frames, *, idle=0.0, stall=0.0):
    source = StreamSource(dut, "i", seed=cocotb.RANDOM_SEED, idle=idle)
    sink = StreamSink(dut, "o", seed=cocotb.RANDOM_SEED, stall=stall)
    source.send(*(BEAT.pack(beat) for sent, _ in frames for beat in sent))
    expected = [BEAT.pack(beat) for _, left in frames for beat in left]
    check_items(await sink.receive(len(expected)), expected, layout=SHAPE)


@cocotb.test()
@cocotb.parametrize(idle=[0.0, 0.4], stall=[0.0, 0.4])
async def a_last_beat_without_bytes_is_taken_off(dut, idle, stall):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    frames = []
    for _ in range(300):
        null_end = chance.random() < 0.5
        length = chance.randrange(0 if null_end else 1, 5) * BYTES
        frames.append(beats_of(
            chance, chance.randbytes(length if null_end else length - chance.randrange(BYTES)),
            null_end))
    await pass_frames(dut, frames, idle=idle, stall=stall)


@cocotb.test()
async def a_beat_goes_every_clock_and_takes_one_clock(dut):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    frames = [beats_of(chance, chance.randbytes(chance.randrange(1, 80)), False)
              for _ in range(100)]
    start = cocotb.simtime.get_sim_time("ns")
    await pass_frames(dut, frames)
    clocks = (cocotb.simtime.get_sim_time("ns") - start) // CLOCK_NS
    assert clocks <= sum(len(sent) for sent, _ in frames) + 3


@pytest.mark.quick
def test_frames_end_with_a_byte_in_short():
    simulate_quick(NullEnd(SHAPE, LAST_BIT), "a_last_beat_without_bytes_is_taken_off",
                   name="null_end", module=__name__, environment={"LAST_BIT": ""})


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_frames_end_with_a_byte(simulator):
    simulate(NullEnd(SHAPE), name="null_end", module=__name__, simulator=simulator)


def test_a_bit_that_counts_on_the_last_beat_stays_on_the_last():
    simulate(NullEnd(SHAPE, LAST_BIT), name="null_end", module=__name__, simulator="icarus",
             seed=2, environment={"LAST_BIT": ""})
