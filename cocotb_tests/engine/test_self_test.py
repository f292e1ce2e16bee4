"""The self-test of the ciphers in the whole engine."""

import cocotb

from espnic.model.interface.features import Features
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import build, run
from espnic.sim.rig.engine import engine_netlist
from tests.support.live_engine import Live


@cocotb.test()
async def try_it(dut):
    await start_clock_and_reset(dut)
    live = Live(dut, 1)
    live.take()
    for _ in range(400):
        st = await live.driver.fields("STATUS")
        if not st["self_testing"]:
            break
    print(cocotb.simtime.get_sim_time("ns") / 4, st)
    assert not st["rx_failed"] and not st["tx_failed"] and not st["self_testing"]


def test_it():
    engine = engine_netlist(Features(128, 16, lso=False, ipv6=False, replay_window=0), taps=False)
    done = run(build(engine, "icarus"), module=__name__, seed=1)
    print(done.log.read_text())
    assert not done.failures, f"{done.failures}, log {done.log}"
