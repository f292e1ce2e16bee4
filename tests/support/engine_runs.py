"""The engine's RTL and the golden model on the same steps, compared."""

from collections import Counter
from dataclasses import replace

from espnic.sim.build.orders import current, seed_for
from espnic.sim.regress.evidence import keep_traces
from espnic.sim.rig.engine import Options, build_engine, replay
from espnic.sim.run.compare import compare_outcomes
from espnic.sim.traffic.golden import run_model
from espnic.sim.traffic.steps import SIMULATED


def hold(steps, width, *, seed=1, stall=0.15):
    """Let RTL and model take the steps; return what both made of them."""
    __tracebackhide__ = True
    return hold_on(steps, replace(SIMULATED, width=width), seed=seed, stall=stall)


def hold_small(steps, features, *, seed=1, stall=0.1):
    """Do as ``hold`` on a build of a few parts and on Icarus, which takes seconds to build."""
    __tracebackhide__ = True
    return hold_on(steps, features, seed=seed, stall=stall, simulator="icarus")


def hold_on(steps, features, *, seed=1, stall=0.15, simulator="verilator"):
    """Do as ``hold`` on any build."""
    __tracebackhide__ = True
    seed = seed_for(seed)
    print(f"{features}, seed {seed}")
    options = Options(width=features.width, simulator=simulator, seed=seed, stall=stall)
    rig = build_engine(options, features.sas, features)
    return compared(replay(rig, steps, options), steps, features, seed)


def compared(replayed, steps, features, seed):
    """The outcome of both, builds with these features; fails where they differ."""
    __tracebackhide__ = True
    model = run_model(steps, features, replayed.outcome.in_flight)
    keep_traces(replayed.outcome.trace, model.trace)
    assert replayed.problem is None, f"seed {seed}: {replayed.problem}, log {replayed.log}"
    difference = compare_outcomes(replayed.outcome, model)
    assert difference is None, f"seed {seed}: {difference}"
    current().cover(steps, replayed.outcome, features)
    return replayed.outcome


def statuses(outcome, point):
    """Number of frames with each status at ``rx.verdict`` or ``tx.verdict``."""
    return Counter(
        record.fields["status"] for record in outcome.trace if record.point == point)
