"""The SPI of frames that pass back to back and with gaps, at every ESP offset."""

import random

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from espnic.hdl.tx.spi_capture import SpiCapture
from espnic.model.interface.codes import ESP_HEADER_BYTES
from espnic.sim.agents.beats import to_beats
from espnic.sim.agents.side_by_side import Ports, bench_widths, simulate_widths
from espnic.sim.agents.stream import start_clock_and_reset
from tests.support.differences import check_items
from tests.support.quick import simulate_quick

OFFSETS = range(34, 256, 4)


def frames(chance):
    """Frames that end right after the SPI or later, with their ESP offsets."""
    cases = [(chance.randbytes(offset + behind), offset) for offset in OFFSETS
             for behind in (4, ESP_HEADER_BYTES, chance.randrange(8, 300))]
    cases += [(chance.randbytes(9000), 34), (chance.randbytes(9000), 254)]
    # Too short for an SPI: what is caught then does not matter, but the next must be right.
    cases += [(chance.randbytes(chance.randrange(1, offset)), offset) for offset in OFFSETS]
    chance.shuffle(cases)
    return cases


async def capture(dut, width, cases, idle):
    """The SPI output in the clock after each frame's last beat."""
    chance = random.Random(cocotb.RANDOM_SEED)
    ports = Ports(dut, width)
    edge = RisingEdge(dut.clk)
    valid, payload = ports.handle("i__valid"), ports.handle("i__payload")
    esp_offset, spi = ports.handle("esp_offset"), ports.handle("spi")
    seen = []
    ended = False

    async def clock():
        await edge
        if ended:
            seen.append(int(spi.value))

    for frame, offset in cases:
        for word in to_beats(width, frame, chance):
            while chance.random() < idle:
                valid.value = 0
                payload.value = chance.getrandbits(len(payload))
                await clock()
                ended = False
            valid.value = 1
            payload.value = word
            esp_offset.value = offset
            await clock()
            ended = False
        ended = True
    valid.value = 0
    await clock()
    return seen


async def check(dut, width, idle):
    await start_clock_and_reset(dut)
    cases = frames(random.Random(cocotb.RANDOM_SEED))
    spis = await capture(dut, width, cases, idle)
    wanted = [int.from_bytes(frame[offset:offset + 4], "big") if len(frame) >= offset + 4 else spi
              for (frame, offset), spi in zip(cases, spis, strict=True)]
    check_items(spis, wanted, width=width)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def spi_is_caught_at_every_offset(dut, width):
    await check(dut, width, idle=0.3)


@cocotb.test()
@cocotb.parametrize(width=bench_widths())
async def spi_is_caught_with_a_beat_each_clock(dut, width):
    await check(dut, width, idle=0)


@pytest.mark.quick
def test_spi_is_caught_in_short():
    simulate_quick(
        SpiCapture(128), "spi_is_caught_at_every_offset",
        name="spi_capture", module=__name__, width=128)


def test_spi_is_caught():
    simulate_widths(SpiCapture, name="spi_capture", module=__name__, seed=1)
