"""The stream agents on a register slice that can be told to break the rules."""

import os
import random

import cocotb
import pytest
from amaranth.hdl import Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.differences import check_items

WIDTH = 77


class Slice(wiring.Component):
    """One register between two streams; ``fault`` makes it break a rule while it waits."""

    i: In(stream.Signature(WIDTH))
    o: Out(stream.Signature(WIDTH))

    def __init__(self, fault=None):
        self.fault = fault
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        waits = Signal()
        m.d.comb += [
            waits.eq(self.o.valid & ~self.o.ready),
            self.i.ready.eq(1 if self.fault == "lost" else ~waits),
        ]
        with m.If(~waits):
            m.d.sync += [self.o.payload.eq(self.i.payload), self.o.valid.eq(self.i.valid)]
        with m.Elif(Const(self.fault == "payload")):
            m.d.sync += self.o.payload.eq(self.o.payload + 1)
        with m.Elif(Const(self.fault == "valid")):
            m.d.sync += self.o.valid.eq(0)
        return m


@cocotb.test()
async def everything_arrives_in_order(dut):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    source = StreamSource(dut, "i", seed=cocotb.RANDOM_SEED, idle=0.3)
    sink = StreamSink(dut, "o", seed=cocotb.RANDOM_SEED, stall=0.3)
    sent = [chance.getrandbits(WIDTH) for _ in range(200)]
    source.send(*sent)
    check_items(await sink.receive(len(sent), limit=100), sent)
    await source.drained()


@cocotb.test()
async def without_gaps_every_clock_transfers(dut):
    await start_clock_and_reset(dut)
    source = StreamSource(dut, "i")
    sink = StreamSink(dut, "o")
    start = cocotb.simtime.get_sim_time("ns")
    source.send(*range(100))
    check_items(await sink.receive(100), range(100))
    assert cocotb.simtime.get_sim_time("ns") - start <= 103 * 4
    assert os.environ["COLOUR"] == "green"


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_streams_transfer_in_order(simulator):
    simulate(
        Slice(), name="register_slice", module=__name__, simulator=simulator, seed=5,
        environment={"COLOUR": "green"},
    )


@pytest.mark.fixed_seed
@pytest.mark.parametrize("fault, message", [
    ("payload", "payload changed before ready"),
    ("valid", "valid fell before ready"),
    ("lost", "of 200 came, no more"),
])
def test_sink_finds_a_broken_rule(fault, message):
    with pytest.raises(AssertionError, match=rf"seed 5.*\n.*arrives_in_order.*{message}"):
        simulate(
            Slice(fault), name="register_slice", module=__name__, simulator="icarus", seed=5,
            testcase="everything_arrives_in_order",
        )
