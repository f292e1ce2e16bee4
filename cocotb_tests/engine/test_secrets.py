import time
import cocotb
from random import Random
from cocotb.triggers import ClockCycles
from espnic.model.interface.codes import SaResult, SaOperation
from espnic.model.sa.sa import command_values
from espnic.model.interface.features import Features
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.builds import build, run
from espnic.sim.rig.engine import engine_netlist
from tests.support.engine_steps import BOTH, add_commands, Traffic
from espnic.sim.traffic.steps import RxFrame
from tests.support.live_engine import Live
from tests.support.sas import all_kinds_of_sa
from tests.support.secret_scan import Scanner, patterns, secrets_of

@cocotb.test()
async def probe(dut):
    await start_clock_and_reset(dut)
    t = time.time()
    s = Scanner(dut)
    print("walk", len(s), time.time() - t, flush=True)
    live = Live(dut, 1)
    live.take()
    sas = all_kinds_of_sa()
    def scan(name):
        t = time.time()
        f = s.find(words)
        print(name, "scan", time.time() - t, flush=True)
        for k, v in f.items(): print("   ", k, sorted(v)[:9])
    words = {}
    for i, sa in enumerate(sas):
        words |= patterns({f"{i} {k}": v for k, v in secrets_of(sa, 1).items()})
    for c in add_commands(sas, *BOTH):
        assert await live.driver.command(c.values) == SaResult.OK
    scan("added")
    traffic = Traffic(sas, Random(1))
    for i in range(len(sas)):
        live.send(RxFrame(traffic.wire_frame(i, 40)))
        live.send(traffic.request(i, 40, True))
    await live.ended(4)
    scan("traffic")
    for i, sa in enumerate(sas, 1):
      for d in BOTH:
       for op in (SaOperation.DELETE, SaOperation.FREE):
        assert await live.driver.command(command_values(op, d, i, sa)) == SaResult.OK
    scan("freed")

def test_x():
    n = engine_netlist(Features(128, 16), False)
    done = run(build(n, "icarus"), module=__name__, seed=1)
    print(open(done.log).read()[-9000:])
    assert not done.failures, done.failures
