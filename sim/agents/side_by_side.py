"""Several variants of a block in one simulation, mostly of different widths, to save builds."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

import cocotb
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from espnic.model.interface.features import ALL, WIDTHS, Features
from espnic.sim.agents.stream import StreamSink, StreamSource
from espnic.sim.build.builds import simulate
from espnic.sim.build.orders import widths_for


def bench_widths() -> list[int]:
    """Widths of the blocks in the running simulation; outside of a simulation, all."""
    given = os.environ.get("WIDTHS")
    return [int(width) for width in given.split(",")] if given else list(WIDTHS)


class SideBySide(wiring.Component):  # type: ignore[misc]
    """Several blocks, the ports of each under its name: ``name__port``.

    Parameters
    ----------
    blocks : Mapping[str, wiring.Component]
        The blocks by their names.

    Members
    -------
    clocks : Out(32)
        Clocks since the start. This port also gives a combinational block a clock domain.
    """

    def __init__(self, blocks: Mapping[str, wiring.Component]) -> None:
        self.blocks = blocks
        super().__init__({
            "clocks": Out(32),
            **{name: Out(block.signature) for name, block in blocks.items()},
        })

    def elaborate(self, platform: Any) -> Module:
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
    features: Features = ALL,
) -> None:
    """Run the cocotb tests of a module on a block at some widths.

    The blocks are called ``w128``, ``w256`` and so on. ``features`` are those of the build
    that the block is for, but for the width; the tests get them from ``bench_features``.
    The other parameters and the errors are those of ``sim.build.builds.simulate``.
    """
    chosen = widths_for(widths)
    simulate(
        SideBySide({f"w{width}": make(width) for width in chosen}),
        name=name, module=module, simulator=simulator, seed=seed,
        environment={"WIDTHS": ",".join(map(str, chosen)),
                     "FEATURES": json.dumps(asdict(features))},
    )


def bench_features() -> Features:
    """Features that the running simulation is for; outside of a simulation, all."""
    given = os.environ.get("FEATURES")
    return Features(**json.loads(given)) if given else ALL


class Ports:
    """Maker of agents for the ports of one block in a ``SideBySide``.

    Parameters
    ----------
    dut
        Top of the simulation.
    block
        Name of the block, or the width that gives it its name.
    idle, stall
        Probability of a gap for all sources, and of a stall for all sinks. The seed of the
        test is the seed of all.
    """

    def __init__(
        self, dut: Any, block: str | int, *, idle: float = 0.0, stall: float = 0.0,
    ) -> None:
        self._dut = dut
        self._name = block if isinstance(block, str) else f"w{block}"
        self._idle = idle
        self._stall = stall

    def source(self, port: str) -> StreamSource:
        return StreamSource(
            self._dut, f"{self._name}__{port}", seed=cocotb.RANDOM_SEED, idle=self._idle)

    def sink(self, port: str, relevant: Callable[[int], int] | None = None) -> StreamSink:
        return StreamSink(
            self._dut, f"{self._name}__{port}", seed=cocotb.RANDOM_SEED, stall=self._stall,
            relevant=relevant)

    def handle(self, signal: str) -> Any:
        """Simulator's handle of a signal of the block."""
        return getattr(self._dut, f"{self._name}__{signal}")

    @property
    def clock(self) -> int:
        """Clocks since the start."""
        return int(self._dut.clocks.value)
