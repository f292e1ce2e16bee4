"""The seqiv unit against the model."""

import random

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from espnic.hdl.tx.seqiv import SeqIv
from espnic.model.esp import seqiv
from espnic.sim.agents.side_by_side import Ports, SideBySide
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.differences import check_items
from tests.support.quick import simulate_quick


@cocotb.test()
async def iv_is_that_of_the_model(dut):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    ports = Ports(dut, "unit")
    sequence, salt, iv = map(ports.handle, ("sequence", "salt", "iv"))
    numbers = [1, 2**32 - 1, 2**32, 2**64 - 1, *(chance.getrandbits(64) for _ in range(200))]
    seen, wanted = [], []
    for number in numbers:
        octets = chance.randbytes(8)
        sequence.value = number
        salt.value = int.from_bytes(octets, "big")
        await RisingEdge(dut.clk)
        seen.append(int(iv.value).to_bytes(8, "big"))
        wanted.append(seqiv.iv(number, octets))
    check_items(seen, wanted)


@pytest.mark.quick
def test_ivs_in_short():
    simulate_quick(
        SideBySide({"unit": SeqIv()}), "iv_is_that_of_the_model",
        name="seqiv", module=__name__)


def test_iv_is_that_of_the_model():
    simulate(SideBySide({"unit": SeqIv()}), name="seqiv", module=__name__, seed=1)


def test_iv_is_that_of_the_model_on_icarus():
    simulate(SideBySide({"unit": SeqIv()}), name="seqiv", module=__name__, simulator="icarus",
             seed=2)
