"""Reads of secrets: whose they are, when they are gone, and what stays when nothing reads."""

import random

import cocotb
import pytest
from amaranth.lib import data
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.hdl.layouts import SERIAL_BITS, sa_secrets
from espnic.hdl.sa.secret_read import SecretRead, secret_order, with_secrets
from espnic.sim.agents.beats import pack
from espnic.sim.agents.stream import StreamSink, StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate
from espnic.sim.clocks import CLOCK_NS
from tests.support.differences import check_items
from tests.support.quick import simulate_quick
from tests.support.sa_table import secret_row_layout, secrets_layout

LANES = 1
CARRIED = data.StructLayout({"number": 16})
HANDLES = 8
SERIALS = 1 << SERIAL_BITS
ROW = secret_row_layout(LANES)
SECRETS = secrets_layout(LANES)


class Table:
    """A memory of secrets with a registered read, as ``SaContexts`` has it."""

    def __init__(self, dut, chance):
        self._dut = dut
        self._chance = chance
        self.rows = [dict.fromkeys(("present", "serial", "secrets"), 0) for _ in range(HANDLES)]
        self.wrong = set()
        """Handles whose rows are wrong."""
        cocotb.start_soon(self._run())

    def add(self, handle):
        """Give the handle to a new SA."""
        self.rows[handle] = {"present": 1, "serial": self._chance.randrange(SERIALS),
                             "secrets": self._chance.getrandbits(sa_secrets(LANES).size)}

    def erase(self, handle):
        self.rows[handle] = dict.fromkeys(self.rows[handle], 0)

    async def _run(self):
        dut, wrong = self._dut, False
        while True:
            await RisingEdge(dut.clk)
            dut.secrets__wrong.value = wrong
            if int(dut.secrets__read.value):
                wrong = int(dut.secrets__sa.value) in self.wrong
                dut.secrets__row.value = ROW.pack(self.rows[int(dut.secrets__sa.value) % HANDLES])


class Faults:
    """Faults that are told, for each packet a clock after it."""

    def __init__(self, dut):
        self.told = []
        cocotb.start_soon(self._run(dut))

    async def _run(self, dut):
        passes = False
        while True:
            await RisingEdge(dut.clk)
            assert int(dut.fault__valid.value) == passes
            if passes:
                self.told.append(bool(int(dut.fault__payload.value)))
            passes = all(int(getattr(dut, f"o__{name}").value) for name in ("valid", "ready"))


def order(number, handle, serial):
    return pack(secret_order(CARRIED), {
        "reads": handle is not None, "sa": handle or 3, "serial": serial,
        "carried": {"number": number}})


@cocotb.test()
@cocotb.parametrize(gaps=[(0.0, 0.0), (0.3, 0.3)])
async def packets_get_their_own_secrets_or_learn_that_they_are_gone(dut, gaps):
    await start_clock_and_reset(dut)
    chance = random.Random(cocotb.RANDOM_SEED)
    table = Table(dut, chance)
    for handle in range(1, HANDLES - 1):
        table.add(handle)
    table.wrong = {0, 3, 4}
    faults = Faults(dut)
    idle, stall = gaps
    source = StreamSource(dut, "i", seed=cocotb.RANDOM_SEED, idle=idle)
    sink = StreamSink(dut, "o", seed=cocotb.RANDOM_SEED, stall=stall)
    words, wanted, wrong = [], [], []
    for number in range(400):
        handle = chance.choice((None, *range(1, HANDLES)))
        serial = chance.randrange(SERIALS)
        words.append(order(number, handle, serial))
        row = table.rows[handle or 0]
        wrong.append(handle in table.wrong)
        gone = handle is not None and not (row["present"] and row["serial"] == serial)
        known = {"secrets": SECRETS.unpack(row["secrets"])} if handle and not gone else {}
        wanted.append({"gone": gone, "carried": {"number": number}, **known})
    assert {item["gone"] for item in wanted} == {False, True}
    start = cocotb.simtime.get_sim_time("ns")
    source.send(*words)
    got = await sink.receive(len(words))
    check_items(got, wanted, layout=with_secrets(LANES, CARRIED))
    clocks = (cocotb.simtime.get_sim_time("ns") - start) // CLOCK_NS
    await ClockCycles(dut.clk, 3)
    assert faults.told == wrong
    if not idle:
        assert clocks <= len(words) + 4


@cocotb.test()
async def a_row_that_is_erased_while_its_packet_waits_is_still_whole(dut):
    await start_clock_and_reset(dut)
    table = Table(dut, random.Random(cocotb.RANDOM_SEED))
    table.add(1)
    row = dict(table.rows[1])
    dut.o__ready.value = 0
    StreamSource(dut, "i", seed=1).send(order(7, 1, row["serial"]))
    await ClockCycles(dut.clk, 5)
    assert int(dut.o__valid.value)
    table.erase(1)
    await ClockCycles(dut.clk, 5)
    wanted = {"gone": 0, "secrets": SECRETS.unpack(row["secrets"])}
    check_items([int(dut.o__payload.value)], [wanted], layout=with_secrets(LANES, CARRIED))


@cocotb.test()
async def no_secret_stays_at_the_output_when_its_packet_has_left(dut):
    await start_clock_and_reset(dut)
    table = Table(dut, random.Random(cocotb.RANDOM_SEED))
    for handle in range(1, HANDLES):
        table.add(handle)
    source, sink = StreamSource(dut, "i", seed=1), StreamSink(dut, "o", seed=1)
    source.send(*(order(handle, handle, 0) for handle in range(1, HANDLES)), order(9, None, 0))
    await sink.receive(HANDLES)
    await ClockCycles(dut.clk, 3)
    assert int(dut.secrets__row.value) == 0


@pytest.mark.quick
def test_secrets_are_read_in_short():
    simulate_quick(SecretRead(LANES, CARRIED),
                   "packets_get_their_own_secrets_or_learn_that_they_are_gone",
                   "no_secret_stays_at_the_output_when_its_packet_has_left",
                   name="secret_read", module=__name__)


def test_secrets_are_read():
    simulate(SecretRead(LANES, CARRIED), name="secret_read", module=__name__, seed=1)
