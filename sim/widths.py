"""A block at several datapath widths in one simulation, to save builds."""

import os
from collections.abc import Callable, Iterable

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from sim.build import simulate

WIDTHS = (128, 256, 512)


def bench_widths() -> list[int]:
    """Widths of the running simulation; outside of one, all."""
    given = os.environ.get("WIDTHS")
    return [int(width) for width in given.split(",")] if given else list(WIDTHS)


class AtWidths(wiring.Component):
    """One instance of a block for each width, its ports under ``w128__``, ``w256__`` and so on.

    Parameters
    ----------
    make : Callable[[int], wiring.Component]
        Makes the block for a width.
    widths : Iterable[int]
        Bits of a beat.

    Members
    -------
    clocks : Out(32)
        Clocks since reset. It also gives a combinational block a clock.
    """

    def __init__(self, make: Callable[[int], wiring.Component], widths: Iterable[int]):
        self.blocks = {f"w{width}": make(width) for width in widths}
        super().__init__({
            "clocks": Out(32),
            **{name: Out(block.signature) for name, block in self.blocks.items()},
        })

    def elaborate(self, platform):
        m = Module()
        clocks = Signal(32)
        m.d.sync += clocks.eq(clocks + 1)
        m.d.comb += self.clocks.eq(clocks)
        for name, block in self.blocks.items():
            m.submodules[name] = block
            wiring.connect(m, wiring.flipped(getattr(self, name)), block)
        return m


def simulate_widths(
    make: Callable[[int], wiring.Component], *, name: str, module: str,
    widths: Iterable[int] = WIDTHS, simulator: str = "verilator", seed: int = 1,
) -> None:
    """Run the cocotb tests of a module on a block at some widths; see ``sim.build.simulate``."""
    chosen = tuple(widths)
    simulate(
        AtWidths(make, chosen), name=name, module=module, simulator=simulator, seed=seed,
        environment={"WIDTHS": ",".join(map(str, chosen))},
    )
