"""The patch path: headers written, frames without a gap, in order."""

import random

import cocotb
import pytest

from espnic.hdl.lso.patch_path import PATCHES, PatchOrder, PatchPath
from espnic.sim.agents.beats import pack, receive_packets, to_beats, to_packets
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.quick import simulate_quick
from tests.support.widths import NARROW_AND_WIDE

FRAMES = 60


def random_frame(chance):
    """A frame, its order, and what is to leave: in most a word is overwritten."""
    frame = chance.randbytes(chance.choice((1, 60, chance.randrange(2, 1500))))
    edited, word = chance.randrange(2), chance.randrange(150)
    value, enable = chance.getrandbits(16), chance.random() < 0.8
    order = {"enable": enable, "word": word, "value": value}
    layout = PatchOrder
    patch = pack(layout["patches"].shape.elem_shape, order)
    changed = bytearray(frame.ljust(2 * word + 2, b"\0"))
    if enable:
        changed[2 * word:2 * word + 2] = value.to_bytes(2, "big")
    return (frame, pack(layout, {"patches": patch, "edited": edited}), edited,
            bytes(changed[:len(frame)]))


@cocotb.test()
@cocotb.parametrize(width=bench_widths(), gaps=[(0.0, 0.0), (0.3, 0.3), (0.0, 0.6)])
async def frames_leave_in_order_with_their_words(dut, width, gaps):
    assert PATCHES == 1
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    ports = Ports(dut, width, idle=gaps[0], stall=gaps[1])
    beats, orders, out, edited = (
        ports.source("i"), ports.source("order"), ports.sink("o"), ports.sink("edited"))
    frames = [random_frame(chance) for _ in range(FRAMES)]
    start = ports.clock
    for frame, order, _, _ in frames:
        beats.send(*to_beats(width, frame, chance))
        orders.send(order)
    left = await receive_packets(out, width, FRAMES)
    check_items(left, [wanted for *_, wanted in frames], port="o", width=width)
    if gaps == (0.0, 0.0):
        count = sum(-(-len(frame) // (width // 8)) for frame, *_ in frames)
        assert ports.clock - start <= count + 6, "a gap between frames"
    check_items(to_packets(width, edited.items),
                [wanted for _, _, mark, wanted in frames if mark], port="edited", width=width)


@pytest.mark.quick
def test_frames_are_patched_in_short():
    simulate_quick(
        PatchPath(128), "frames_leave_in_order_with_their_words/width=128/gaps=1",
        name="patch_path", module=__name__, width=128)


def test_patch_path():
    simulate_widths(PatchPath, name="patch_path", module=__name__, widths=NARROW_AND_WIDE, seed=1)
