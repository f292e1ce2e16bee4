"""One AES round against the steps of FIPS 197."""

import random

import cocotb
import pytest
from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In

from espnic.hdl.gcm.aes_round import AesRound
from espnic.hdl.layouts import BLOCK_BITS
from espnic.model.crypto import aes
from espnic.model.interface.codes import AES_BLOCK_BYTES
from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.differences import check_items
from tests.support.gcm_packets import number
from tests.support.quick import simulate_quick

ROUND_INPUT = data.StructLayout({"block": BLOCK_BITS, "key": BLOCK_BITS, "skip": 1})


class KeyedRound(wiring.Component):
    """A round whose key comes with its state."""

    def __init__(self, **options):
        self.round = AesRound(**options)
        outputs = {name: member for name, member in self.round.signature.members.items()
                   if name in ("o", "last")}
        super().__init__({"i": In(stream.Signature(ROUND_INPUT, always_ready=True)), **outputs})

    def elaborate(self, platform):
        m = Module()
        m.submodules.round = self.round
        job = self.i.payload
        m.d.comb += [self.round.i.payload.eq(job.block), self.round.i.valid.eq(self.i.valid)]
        m.d.sync += [self.round.key.eq(job.key), self.round.skip.eq(job.skip)]
        for name in self.signature.members.keys() - {"i"}:
            wiring.connect(m, getattr(self.round, name), wiring.flipped(getattr(self, name)))
        return m


def packed(block, key, skip):
    return ROUND_INPUT.const({
        "block": number(block),
        "key": number(key),
        "skip": skip,
    }).as_bits()


def expected(block, key, *, last=False):
    state = aes.shift_rows(aes.sub_bytes(block))
    if not last:
        state = aes.mix_columns(state)
    return number(state) ^ number(key)


async def run_jobs(dut, jobs, output="o"):
    """Send (block, key, skip) with gaps; give what comes out."""
    await start_clock_and_reset(dut)
    source = StreamSource(dut, "i", seed=cocotb.RANDOM_SEED, idle=0.2)
    sink = StreamSink(dut, output)
    source.send(*(packed(*job) for job in jobs))
    return await sink.receive(len(jobs))


def random_jobs():
    """Jobs in which every byte of the block takes every value."""
    chance = random.Random(cocotb.RANDOM_SEED)
    columns = [chance.sample(range(256), 256) for _ in range(AES_BLOCK_BYTES)]
    return [
        (bytes(block), chance.randbytes(AES_BLOCK_BYTES), chance.randrange(2))
        for block in zip(*columns, strict=True)
    ]


@cocotb.test()
async def inner_round(dut):
    jobs = random_jobs()
    check_items(await run_jobs(dut, jobs), [expected(block, key) for block, key, _ in jobs])


@cocotb.test()
async def last_round(dut):
    jobs = random_jobs()
    check_items(await run_jobs(dut, jobs, "last"),
                [expected(block, key, last=True) for block, key, _ in jobs])


@cocotb.test()
async def skipped_round(dut):
    jobs = random_jobs()
    check_items(await run_jobs(dut, jobs), [
        number(block) if skip else expected(block, key)
        for block, key, skip in jobs
    ])


@pytest.mark.quick
def test_a_round_in_short():
    simulate_quick(
        KeyedRound(skippable=True), "skipped_round",
        name="aes_skipped_round", module=__name__)


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
@pytest.mark.parametrize("testcase, options", [
    ("inner_round", {}), ("last_round", {"inner": False, "last": True}),
    ("skipped_round", {"skippable": True}),
])
def test_aes_round(testcase, options, simulator):
    simulate(
        KeyedRound(**options), name=f"aes_{testcase}", module=__name__, simulator=simulator,
        testcase=testcase,
    )


@pytest.mark.parametrize("testcase", ["inner_round", "last_round", "skipped_round"])
def test_aes_round_in_block_ram(testcase):
    options = {"last": testcase == "last_round", "skippable": testcase == "skipped_round"}
    simulate(
        KeyedRound(block_ram=True, **options), name=f"aes_ram_{testcase}", module=__name__,
        simulator="icarus", testcase=testcase)
