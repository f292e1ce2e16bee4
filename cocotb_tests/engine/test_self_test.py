"""The self-test of the ciphers in the engine: with good cores, and with a fault put into one."""

import os
import re
from dataclasses import dataclass
from functools import reduce
from random import Random

import cocotb
import pytest
from cocotb import start_soon
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge

from espnic.hdl.sa.commands import reset_clocks
from espnic.model.device.device import Device
from espnic.model.interface.codes import SIDES, SaDirection, SaOperation, SaResult
from espnic.model.interface.features import Features
from espnic.model.interface.registers import BY_NAME
from espnic.model.sa.sa import command_values
from espnic.sim.agents.axi_stream import AxisSink
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import build, run
from espnic.sim.rig.engine import engine_netlist
from espnic.sim.traffic.steps import RxFrame
from tests.support.engine_steps import BOTH, Traffic, bypass
from tests.support.live_engine import Live
from tests.support.open_engine import FEATURES, build_open
from tests.support.sas import all_kinds_of_sa

SAS = all_kinds_of_sa()
SMALL = Features(128, 16, lso=False, ipv6=False, replay_window=0)
SPARE = len(SAS) + 1
"""A handle that no SA has yet."""


class Twins:
    """The engine and the model, which get the same commands, tests and frames."""

    @classmethod
    async def start(cls, dut, idle=0.0, stall=0.0, sides=SIDES):
        """Reset the engine, and give both the SAs; only the outputs of ``sides`` are taken."""
        await start_clock_and_reset(dut)
        self = cls(dut, idle)
        self.take(stall, *sides)
        for direction in BOTH:
            for handle, sa in enumerate(SAS, 1):
                await self.command(SaOperation.ADD, direction, handle, sa)
        return self

    def __init__(self, dut, idle=0.0):
        self.dut = dut
        self.random = Random(cocotb.RANDOM_SEED)
        self.live = Live(dut, cocotb.RANDOM_SEED, idle)
        self.model = Device(FEATURES)
        self.traffic = {side: Traffic(SAS, self.random) for side in ("rx", "tx")}
        self.received, self.sent = [], []

    def take(self, stall, *sides):
        """Take what leaves at these outputs from now on."""
        for side in sides:
            self.live.sinks[side] = AxisSink(
                self.dut, f"m_axis_{side}", seed=cocotb.RANDOM_SEED, stall=stall)

    async def command(self, operation, direction, handle, sa):
        """Do a command; both give the same result."""
        values = command_values(operation, direction, handle, sa)
        result = await self.live.driver.command(values)
        assert result == self.model.command(values)
        return result

    def send(self, *steps):
        """Send frames either way, and keep what must become of them."""
        for step in steps:
            self.live.send(step)
            if isinstance(step, RxFrame):
                self.received.append(self.model.receive(step.data))
            else:
                self.sent += self.model.transmit(step.descriptor, step.data).frames

    def send_some(self, count):
        """Send good frames of every SA, bad ones, and frames to pass, both ways."""
        for index in range(len(SAS)):
            self.send(RxFrame(self.traffic["rx"].wire_frame(index, 90)),
                      self.traffic["tx"].request(index, 90, bool(index % 2)))
        self.send(bypass(self.random.randbytes(99)), RxFrame(self.random.randbytes(99)))
        self.send(*self.traffic["rx"].mixed_receive(count),
                  *self.traffic["tx"].mixed_transmit(count))

    async def check(self):
        """All has left, and is what the model makes of it; so are the events."""
        for source in self.live.sources.values():
            await source.drained()
        left = [result for result in self.received if result.frame is not None]
        await self.live.sinks["rx"].reach(len(left))
        await self.live.sinks["tx"].reach(len(self.sent))
        await ClockCycles(self.dut.clk, 300)
        self.live.check_sent(self.sent)
        self.live.check_received(left)
        while (event := await self.live.driver.next_event()) is not None:
            wanted = self.model.events.pop()
            assert event == wanted
        assert not len(self.model.events)

    async def check_counters(self):
        """Both have counted the same; reading all takes longer than the frames."""
        assert await self.live.driver.counters() == self.model.counters

    async def self_test(self):
        """Ask for a test of both; all of STATUS that it sets is then the same."""
        self.model.self_test()
        assert await self.live.driver.self_test() == (not self.model.failed)
        status = await self.live.driver.fields("STATUS")
        for direction, name in ((SaDirection.RX, "rx_failed"), (SaDirection.TX, "tx_failed")):
            assert status[name] == (direction in self.model.failed)


def register_named(block, name):
    """The register of this name in a block.

    Amaranth ends the name with ``$`` and a number when a wire has it first; in an open build no
    wire can be seen.
    """
    register, = (child for child in block
                 if re.fullmatch(rf"{name}(\$\d+)?", child._name.strip("\\ ")))
    return register


@dataclass(frozen=True)
class Fault:
    """A bit of a register that is always the other way round; or all of it, stuck at a value."""

    path: str
    bit: int
    directions: tuple[SaDirection, ...]
    stuck: int | None = None

    def put(self, dut):
        """Begin; return what ends it, and turns the bit back that stands in the register."""
        *blocks, name = self.path.split(".")
        register = register_named(reduce(getattr, blocks, dut), name)
        keeping = start_soon(self._keep_wrong(dut, register))

        def mend():
            keeping.cancel()
            if self.stuck is None:
                register.value = int(register.value) ^ 1 << self.bit
        return mend

    async def _keep_wrong(self, dut, register):
        """Change each value that is written, once, before another register takes it."""
        wrong = None
        while True:
            await FallingEdge(dut.clk)
            if int(register.value) != wrong:
                wrong = int(register.value) ^ 1 << self.bit if self.stuck is None else self.stuck
                register.value = wrong


RX, TX = (SaDirection.RX,), (SaDirection.TX,)
FAULTS = {
    "a round of AES, receive": Fault("rx.core.aes.round1_lane0.block", 3, RX),
    "the last round of AES, transmit": Fault("tx.gcm.core.aes.o__payload", 127, TX),
    "a step of the key, transmit": Fault("tx.gcm.core.aes.key_step7.held", 40, TX),
    "the counter block, receive": Fault("rx.core.nonce", 50, RX),
    "GHASH, receive": Fault("rx.core.ghash.total", 77, RX),
    "GHASH, transmit": Fault("tx.gcm.core.ghash.total", 0, TX),
    "the tag, transmit": Fault("tx.gcm.core.tag__payload", 9, TX),
    "no tag, receive": Fault("rx.core.tag__valid", 0, RX, stuck=0),
    "no text, transmit": Fault("tx.gcm.core.aes.o__valid", 0, TX, stuck=0),
    "the hash subkey": Fault("sas.commands.hash_subkey.product", 64, RX + TX),
}
FAULT = FAULTS[os.environ.get("FAULT", "GHASH, receive")]
"""The fault of this run."""


@cocotb.test()
async def a_fault_stops_the_crypto_of_its_direction_until_a_test_passes(dut):
    fault = FAULT
    twins = await Twins.start(dut, idle=0.1, stall=0.1)
    twins.send_some(2)
    await twins.check()
    mend = fault.put(dut)
    twins.model.broken = set(fault.directions)
    await twins.self_test()
    twins.send_some(2)
    await twins.check()
    for direction in BOTH:
        result = await twins.command(SaOperation.ADD, direction, SPARE, SAS[0])
        assert (result == SaResult.EIO) == (direction in fault.directions)
        await twins.command(SaOperation.READ, direction, 1, SAS[0])
    await twins.self_test()
    mend()
    twins.model.broken = set()
    await twins.self_test()
    twins.send_some(2)
    await twins.check()
    await twins.check_counters()


@cocotb.test()
async def a_fault_at_reset_is_found_before_the_first_sa(dut):
    fault = FAULTS["GHASH, receive"]
    mend = fault.put(dut)
    await start_clock_and_reset(dut)
    twins = Twins(dut)
    twins.take(0.0, *SIDES)
    twins.model = Device(FEATURES, broken=fault.directions)
    twins.send(bypass(bytes(100)), RxFrame(bytes(100)))
    results = [await twins.command(SaOperation.ADD, direction, 1, SAS[0]) for direction in BOTH]
    assert results == [SaResult.EIO, SaResult.OK]
    await twins.check()
    mend()
    twins.model.broken = set()
    await twins.self_test()
    assert await twins.command(SaOperation.ADD, SaDirection.RX, 1, SAS[0]) == SaResult.OK


@cocotb.test()
@cocotb.parametrize(gaps=[(0.0, 0.0), (0.2, 0.3)])
async def tests_under_traffic_change_and_lose_no_frame(dut, gaps):
    twins = await Twins.start(dut, *gaps)
    for _ in range(2):
        twins.send_some(30)
        for _ in range(3):
            await ClockCycles(dut.clk, twins.random.randrange(400))
            await twins.self_test()
        assert twins.live.sources["rx"].sent
    await twins.check()
    await twins.check_counters()


@cocotb.test()
async def with_an_output_blocked_the_test_waits_and_the_other_direction_goes_on(dut):
    twins = await Twins.start(dut, sides=["rx"])
    twins.send(*(twins.traffic["tx"].request(0, 90, False) for _ in range(3)))
    await ClockCycles(dut.clk, 500)
    await twins.live.driver.write(BY_NAME["CONTROL"], 2)
    for _ in range(5):
        before = len(twins.received)
        twins.send(*(RxFrame(twins.traffic["rx"].wire_frame(0, 90)) for _ in range(5)))
        await twins.live.sinks["rx"].reach(before + 5)
        assert (await twins.live.driver.fields("STATUS"))["self_testing"]
    twins.take(0.0, "tx")
    assert await twins.live.driver.ciphers_good()
    await twins.check()


@cocotb.test()
async def the_test_after_reset_takes_the_clocks_that_are_told(dut):
    await start_clock_and_reset(dut)
    clocks = 0
    while not int(dut.sas.swept.value):
        await RisingEdge(dut.clk)
        clocks += 1
    assert clocks == reset_clocks(SMALL)


def simulate(*tests, built=None, **environment):
    """Run the tests of these names."""
    names = rf"\.({'|'.join(tests)})(/|$)"
    done = run(built or build_open(FEATURES), module=__name__, seed=1,
               environment={"COCOTB_TEST_FILTER": names, **environment})
    assert done.tests and not done.failures, f"seed {done.seed}: {done.failures}, log {done.log}"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_cipher_is_found(fault):
    simulate("a_fault_stops_the_crypto_of_its_direction_until_a_test_passes", FAULT=fault)


def test_tests_under_traffic():
    simulate("tests_under_traffic_change_and_lose_no_frame",
             "with_an_output_blocked_the_test_waits_and_the_other_direction_goes_on")


def test_a_fault_at_reset():
    simulate("a_fault_at_reset_is_found_before_the_first_sa")


def test_clocks_of_a_reset():
    # Icarus shows the wire that says so.
    simulate("the_test_after_reset_takes_the_clocks_that_are_told",
             built=build(engine_netlist(SMALL, taps=False), "icarus"))
