"""The quick bench of a block: some of its cocotb tests, at one width, on one simulator.

``python -m tests.support.quick MODULE`` runs that of a test module outside of pytest, prints
what differs and ends with ``DIFFERS``, or with 0 if nothing does.
"""

import importlib
import re
import sys
from collections.abc import Callable, Mapping

from amaranth.lib import wiring

from espnic.sim.agents.side_by_side import SideBySide
from espnic.sim.build.builds import simulate
from espnic.sim.build.orders import widths_for

DIFFERS = 3
"""Exit code when RTL and model differ; any other failure has another one."""


def simulate_quick(
    block: wiring.Component, *tests: str, name: str, module: str, width: int | None = None,
    simulator: str = "icarus", seed: int = 1, environment: Mapping[str, str] | None = None,
) -> None:
    """Run a few cocotb tests of a module on a block.

    Parameters
    ----------
    block
        The block; with a ``width`` it is the one called by it in a ``SideBySide``.
    tests
        Names of the cocotb tests. Of a parametrised one either the bare name or the name with
        its first parameters, as ``entries_leave_in_order/name=deep2``.

    The rest is as in ``sim.build.builds.simulate``.
    """
    __tracebackhide__ = True
    given = dict(environment or {})
    if width is not None:
        widths_for([width])
        block = SideBySide({f"w{width}": block})
        given["WIDTHS"] = str(width)
    given["COCOTB_TEST_FILTER"] = rf"\.({'|'.join(map(re.escape, tests))})(/|$)"
    simulate(block, name=name, module=module, simulator=simulator, seed=seed, environment=given)


def quick_test(module: str) -> Callable[[], None]:
    """The test of a module that has the mark ``quick``."""
    found = [value for value in vars(importlib.import_module(module)).values()
             if any(mark.name == "quick" for mark in getattr(value, "pytestmark", ()))]
    assert len(found) == 1, f"{module}: {len(found)} quick tests, expected one"
    return found[0]


def main() -> int:
    try:
        quick_test(sys.argv[1])()
    except AssertionError as difference:
        print(difference)
        return DIFFERS
    return 0


if __name__ == "__main__":
    sys.exit(main())
