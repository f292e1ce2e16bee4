"""The pad length of frames that bring their trailers, back to back and with gaps."""

import random

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from espnic.hdl.tx.pad_capture import PadCapture
from espnic.model.interface.codes import ESP_TRAILER_MIN_BYTES, IcvSize
from espnic.sim.agents.beats import to_beats
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.quick import simulate_quick

FRAMES = 120
SHORTEST = 54


async def capture(dut, width, frames, chance, idle):
    """The output in the clock after each frame's last beat: a byte for each size of ICV."""
    ports = Ports(dut, width)
    edge = RisingEdge(dut.clk)
    valid, payload, out = (ports.handle(name) for name in ("i__valid", "i__payload", "o"))
    seen = []
    ended = False

    async def clock(is_valid, word):
        nonlocal ended
        valid.value, payload.value = is_valid, word
        await edge
        if ended:
            seen.append(int(out.value).to_bytes(len(IcvSize), "little"))
        ended = False

    for frame in frames:
        for word in to_beats(width, frame, chance):
            while chance.random() < idle:
                await clock(0, chance.getrandbits(len(payload)))
            await clock(1, word)
        ended = True
    await clock(0, 0)
    return seen


@cocotb.test()
@cocotb.parametrize(width=bench_widths(), idle=(0, 0.3))
async def pad_length_is_the_byte_before_next_header_and_icv(dut, width, idle):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    frames = [chance.randbytes(SHORTEST + 4 * (n if n < FRAMES // 2 else chance.randrange(400)))
              for n in range(FRAMES)]
    check_items(await capture(dut, width, frames, chance, idle), [
        bytes(frame[-size.bytes - ESP_TRAILER_MIN_BYTES] for size in IcvSize)
        for frame in frames], width=width)


@pytest.mark.quick
def test_pad_length_is_caught_in_short():
    simulate_quick(
        PadCapture(128), "pad_length_is_the_byte_before_next_header_and_icv/width=128/idle=0",
        name="pad_capture", module=__name__, width=128)


def test_pad_length_is_caught():
    simulate_widths(PadCapture, name="pad_capture", module=__name__, seed=1)
