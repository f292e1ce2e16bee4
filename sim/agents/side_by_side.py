"""A block in several variants in one simulation, to save builds: mostly, at several widths."""

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


def bench_widths() -> list[int]:
    """Widths of the running simulation; outside of one, all."""
    given = os.environ.get("WIDTHS")
    return [int(width) for width in given.split(",")] if given else list(WIDTHS)


class SideBySide(wiring.Component):
    """Several blocks, each with its name in front of its ports: ``name__port``.

    Parameters
    ----------
    blocks : Mapping[str, wiring.Component]
        The blocks by their names.

    Members
    -------
    clocks : Out(32)
        Clocks since the start. It also gives a combinational block a clock.
    """

    def __init__(self, blocks: Mapping[str, wiring.Component]):
        self.blocks = blocks
        super().__init__({
            "clocks": Out(32),
            **{name: Out(block.signature) for name, block in blocks.items()},
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
    features: Features = ALL,
) -> None:
    """Run the cocotb tests of a module on a block at some widths, as ``sim.build.builds.simulate``.

    The blocks are called ``w128``, ``w256`` and so on. ``bench_features`` gives the tests
    the ``features`` of the build that the block is for, but for the width.
    """
    chosen = list(widths)
    simulate(
        SideBySide({f"w{width}": make(width) for width in chosen}),
        name=name, module=module, simulator=simulator, seed=seed,
        environment={"WIDTHS": ",".join(map(str, chosen)),
                     "FEATURES": json.dumps(asdict(features))},
    )


def bench_features() -> Features:
    """Of the running simulation; outside of one, all."""
    given = os.environ.get("FEATURES")
    return Features(**json.loads(given)) if given else ALL


class Ports:
    """Makes the agents for the ports of one block in a ``SideBySide``.

    Parameters
    ----------
    dut
        Top of the simulation.
    block
        Name of the block, or the width that gives it its name.
    idle, stall
        Probabilities of a gap for all sources and of a stall for all sinks. Their
        seeds are that of the test.
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
        """The simulator's handle of a signal of the block."""
        return getattr(self._dut, f"{self._name}__{signal}")

    @property
    def clock(self) -> int:
        """Clocks since the start."""
        return int(self._dut.clocks.value)
