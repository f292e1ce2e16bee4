"""The engine with every register and memory open to tests, to be read and to be changed."""

from espnic.model.interface.features import Features
from espnic.sim.build.builds import Build, build
from espnic.sim.build.orders import counts_coverage
from espnic.sim.rig.engine import engine_netlist

FEATURES = Features(128, 64, sideband=32)
"""One build serves all tests that need no other: it takes minutes."""


def build_open(features: Features) -> Build:
    """Build the engine for Verilator, or take the build of an equal one made before."""
    engine = engine_netlist(features, taps=False, sources=counts_coverage())
    return build(engine, "verilator", shows_state=True)
