"""Keys go when the SA goes: what of an SA is left in any register or memory of the engine."""

from dataclasses import replace
from random import Random

import cocotb
import pytest
from cocotb.triggers import ClockCycles

from espnic.hdl.gcm.core import tag_latency
from espnic.hdl.gcm.form import PLAIN
from espnic.model.interface.codes import SaDirection, SaOperation, SaResult
from espnic.model.interface.known_answers import KNOWN_ANSWERS
from espnic.model.interface.registers import BY_NAME
from espnic.model.sa.sa import command_values
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import run
from espnic.sim.traffic.steps import RxFrame
from espnic.sim.traffic.super_frames import SuperTraffic, to_be_sealed
from tests.support.engine_steps import BOTH, Traffic, add_commands, flip
from tests.support.live_engine import Live
from tests.support.open_engine import FEATURES, build_open
from tests.support.sas import all_kinds_of_sa, make_sa
from tests.support.secret_scan import Scanner, masks_of, secrets_of, words_of

PACKETS = 16
"""Sequence numbers of an SA that may be in use."""


def random_sas(random):
    """SAs of every kind whose sequence numbers hide the IV salt: both halves are large."""
    sas = []
    for sa in all_kinds_of_sa():
        first = random.getrandbits(63) | 1 << 62
        sas.append(replace(
            sa, esn=True, initial_seq=first, esn_high=first >> 32,
            key=random.randbytes(len(sa.key)), salt=random.randbytes(4),
            seqiv_salt=random.randbytes(8)))
    return sas


class Secrets:
    """The engine with SAs in both directions, and the words that must not stay in it."""

    @classmethod
    async def start(cls, dut):
        """Reset the engine and add the SAs."""
        await start_clock_and_reset(dut)
        self = cls()
        self.random = Random(cocotb.RANDOM_SEED)
        self.live = Live(dut, cocotb.RANDOM_SEED)
        self.live.take()
        self.scanner = Scanner(dut)
        # A constant of the engine may have a word of the secrets by chance, but not twice.
        if self.draw(len(dut.s_axis_rx_tdata) // 128):
            assert not self.draw(len(dut.s_axis_rx_tdata) // 128)
        for command in add_commands(self.sas, *BOTH):
            assert await self.live.driver.command(command.values) == SaResult.OK
        return self

    def draw(self, lanes):
        """Draw the SAs; return which of their secrets stand in the engine already."""
        self.sas = random_sas(self.random)
        self.words = {}
        for sa in self.sas:
            numbers = range(sa.initial_seq, sa.initial_seq + PACKETS)
            self.words |= words_of(secrets_of(sa, lanes) | masks_of(sa, numbers))
        return self.scanner.find(self.words)

    def send(self):
        """Send frames of all SAs both ways: good, forged and cut, and a super-frame."""
        random, traffic = self.random, Traffic(self.sas, self.random)
        supers = SuperTraffic(self.sas, random)
        burst = supers.exact(3, 40, to_be_sealed)
        sequence = self.sas[burst.descriptor["sa"] - 1].initial_seq + PACKETS - 3
        self.live.send(replace(burst, descriptor=burst.descriptor | {"sequence": sequence}))
        for index in range(len(self.sas)):
            good = traffic.wire_frame(index, 90)
            for frame in (good, flip(good, 8 * 60), good[:-40], traffic.wire_frame(index, 1)):
                self.live.send(RxFrame(frame))
            self.live.send(traffic.request(index, 90, bool(index % 2)))
            self.live.send(traffic.request(index, 3, bool(index % 2)))

    async def left(self):
        """Wait until all that was sent has left."""
        await self.live.ended(2 * len(self.sas) + 1)
        await self.live.sinks["rx"].reach(4 * len(self.sas))

    async def idle(self):
        """Wait until the engine says that it is idle."""
        idle = False
        while not idle:
            status = await self.live.driver.fields("STATUS")
            idle = bool(status["rx_idle"] and status["tx_idle"])

    async def gone(self):
        """Nothing secret is anywhere once the engine is idle."""
        await self.idle()
        found = self.scanner.find(self.words)
        assert not found, {name: sorted(paths) for name, paths in found.items()}


@cocotb.test()
async def the_scan_finds_what_is_there(dut):
    """In the table while the SAs are there, and on its way while frames are sealed and opened."""
    secrets = await Secrets.start(dut)
    table = secrets.scanner.find(secrets.words)
    assert table.keys() == {"key", "salt", "IV salt", "powers"}
    assert all("sas" in path for paths in table.values() for path in paths)
    secrets.send()
    moving = {}
    for _ in range(150):
        await ClockCycles(dut.clk, 1)
        for name, paths in secrets.scanner.find(secrets.words).items():
            moving.setdefault(name, set()).update(paths)
    for side in ("rx", "tx"):
        for name in ("key", "salt", "powers", "round keys", "masks"):
            assert any(f".{side}." in path for path in moving[name]), (side, name)
    await secrets.left()
    await secrets.idle()
    assert secrets.scanner.find(secrets.words) == table


@cocotb.test()
async def delete_and_free_leave_nothing(dut):
    secrets = await Secrets.start(dut)
    secrets.send()
    await secrets.left()
    for handle, sa in enumerate(secrets.sas, 1):
        for direction in SaDirection:
            for operation in (SaOperation.DELETE, SaOperation.FREE):
                values = command_values(operation, direction, handle, sa)
                assert await secrets.live.driver.command(values) == SaResult.OK
    await secrets.gone()


@cocotb.test()
@cocotb.parametrize(clocks=[1, 40, 80])
async def flush_leaves_nothing_of_frames_that_are_inside(dut, clocks):
    secrets = await Secrets.start(dut)
    secrets.send()
    await ClockCycles(dut.clk, clocks)
    flush = {"operation": SaOperation.FLUSH}
    assert await secrets.live.driver.command(flush) == SaResult.OK
    for source in secrets.live.sources.values():
        await source.drained()
    await secrets.gone()
    await secrets.left()


@cocotb.test()
@cocotb.parametrize(clocks=[0, 30])
async def reset_leaves_nothing_of_frames_that_are_inside(dut, clocks):
    secrets = await Secrets.start(dut)
    secrets.send()
    for source in secrets.live.sources.values():
        await source.drained()
    await ClockCycles(dut.clk, clocks)
    dut.rst.value = 1
    await ClockCycles(dut.clk, 1)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 1)
    status = await secrets.live.driver.fields("STATUS")
    assert not status["rx_idle"] and not status["tx_idle"], "idle while the SA table is swept"
    await secrets.gone()


@cocotb.test()
async def self_tests_use_the_way_of_keys_and_leave_nothing_in_it(dut):
    """The IV salts are left out: they share words with the IVs, which are no secrets."""
    await start_clock_and_reset(dut)
    live, scanner = Live(dut, cocotb.RANDOM_SEED), Scanner(dut)
    live.take()
    lanes = len(dut.s_axis_rx_tdata) // 128
    words = {}
    for answer in KNOWN_ANSWERS:
        sa = make_sa(key=answer.key, salt=answer.salt, esn=answer.esn, spi=answer.spi,
                     seqiv_salt=answer.seqiv_salt.to_bytes(8, "big"))
        kinds = secrets_of(sa, lanes) | masks_of(sa, range(answer.sequence, answer.sequence + 1))
        del kinds["IV salt"]
        words |= words_of(kinds)
    for asked in (False, True):
        seen = {}
        if asked:
            await live.driver.write(BY_NAME["CONTROL"], 2)
        while (await live.driver.fields("STATUS"))["self_testing"]:
            for name, paths in scanner.find(words).items():
                seen.setdefault(name, set()).update(paths)
        for side in ("rx", "tx", "sas"):
            for name in ("key", "powers"):
                assert any(f".{side}." in path for path in seen[name]), (side, name)
        # Row 0 is what the paths read when idle: the cores forget it with the clocks that follow.
        await ClockCycles(dut.clk, tag_latency(PLAIN))
        found = scanner.find(words)
        assert not found, {name: sorted(paths) for name, paths in found.items()}


@pytest.mark.parametrize("beat_bits", [128, pytest.param(512, marks=pytest.mark.night)])
def test_nothing_secret_stays(beat_bits):
    done = run(build_open(replace(FEATURES, width=beat_bits)), module=__name__, seed=1)
    assert not done.failures, f"seed {done.seed}: {done.failures}, log {done.log}"
