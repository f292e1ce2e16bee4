"""The AXI4-Stream agents on a register slice that can be told to break the rules."""

import random

import cocotb
import pytest
from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from espnic.sim.agents.axi_stream import AxisSink, AxisSource
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import simulate
from tests.support.differences import check_items

BYTES = 16
USER_BITS = 9
FRAMES = 60


class AxisSlice(wiring.Component):
    """One register between two AXI4-Stream ports; ``fault`` breaks a rule on the way."""

    def __init__(self, fault=None):
        self.fault = fault
        ports = {"tdata": 8 * BYTES, "tkeep": BYTES, "tlast": 1, "tuser": USER_BITS}
        members = {}
        for name, bits in ports.items():
            members[f"s_axis_{name}"] = In(bits)
            members[f"m_axis_{name}"] = Out(bits)
        super().__init__({
            **members,
            "s_axis_tvalid": In(1), "s_axis_tready": Out(1),
            "m_axis_tvalid": Out(1), "m_axis_tready": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        waits = Signal()
        m.d.comb += [
            waits.eq(self.m_axis_tvalid & ~self.m_axis_tready),
            self.s_axis_tready.eq(~waits),
        ]
        taken = Cat(self.s_axis_tdata, self.s_axis_tkeep, self.s_axis_tlast, self.s_axis_tuser)
        given = Cat(self.m_axis_tdata, self.m_axis_tkeep, self.m_axis_tlast, self.m_axis_tuser)
        with m.If(~waits):
            m.d.sync += [given.eq(taken), self.m_axis_tvalid.eq(self.s_axis_tvalid)]
            if self.fault == "early":
                m.d.sync += self.m_axis_tkeep.eq(1)
            if self.fault == "hole":
                m.d.sync += self.m_axis_tkeep.eq(self.s_axis_tkeep & ~Const(2, BYTES))
        with m.Elif(Const(self.fault == "data")):
            m.d.sync += self.m_axis_tdata.eq(~self.m_axis_tdata)
        with m.Elif(Const(self.fault == "valid")):
            m.d.sync += self.m_axis_tvalid.eq(0)
        return m


def random_frames(seed):
    chance = random.Random(seed)
    sizes = [1, 15, 16, 17, 32] + [chance.randrange(1, 200) for _ in range(FRAMES - 5)]
    return [(chance.randbytes(size), chance.getrandbits(USER_BITS)) for size in sizes]


@cocotb.test()
async def frames_arrive_whole(dut):
    await start_clock_and_reset(dut)
    source = AxisSource(dut, "s_axis", seed=cocotb.RANDOM_SEED, idle=0.3)
    sink = AxisSink(dut, "m_axis", seed=cocotb.RANDOM_SEED, stall=0.3)
    frames = random_frames(cocotb.RANDOM_SEED)
    for data, user in frames:
        source.send(data, user)
    await sink.reach(FRAMES, limit=1000)
    await source.drained()
    check_items([{"data": frame.data, "user": frame.user} for frame in sink.frames],
                [{"data": data, "user": user} for data, user in frames], port="m_axis")
    check_items([frame.data for frame in source.sent], [data for data, _ in frames],
                port="s_axis")


@cocotb.test()
async def without_gaps_a_beat_goes_every_clock(dut):
    await start_clock_and_reset(dut)
    source = AxisSource(dut, "s_axis")
    sink = AxisSink(dut, "m_axis")
    for _ in range(10):
        source.send(bytes(3 * BYTES + 1))
    await sink.reach(10)
    assert sink.frames[-1].last_clock - source.sent[0].first_clock == 10 * 4


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_frames_arrive_whole(simulator):
    simulate(AxisSlice(), name="axis_slice", module=__name__, simulator=simulator, seed=3)


@pytest.mark.fixed_seed
@pytest.mark.parametrize("fault, message", [
    ("early", "tkeep 0x1 before the last beat"),
    ("hole", "tkeep 0x.* has a hole|before the last beat"),
    ("data", "a beat changed before tready"),
    ("valid", "tvalid fell before tready"),
])
def test_sink_finds_a_broken_rule(fault, message):
    with pytest.raises(AssertionError, match=f"frames_arrive_whole.*({message})"):
        simulate(
            AxisSlice(fault), name="axis_slice", module=__name__, simulator="icarus",
            testcase="frames_arrive_whole",
        )
