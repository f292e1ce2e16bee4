"""A block to synthesise, the figures that come of it, and the choice of blocks."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from espnic.sim.problem import InputError, check_width
from espnic.sim.synth.blocks import BLOCKS, Block
from espnic.sim.timing.estimate import Estimate

COMMANDS = {
    "xcup": "synth_xilinx -family xcup -flatten -noiopad -top {top}",
    "ecp5": "synth_ecp5 -top {top}",
}
"""Synthesis commands of Yosys by target: Xilinx UltraScale+ and Lattice ECP5."""
KEPT_COMMANDS = {
    "xcup": "synth_xilinx -family xcup -noiopad -top {top}",
    "ecp5": "synth_ecp5 -noflatten -top {top}",
}
"""The commands that map each module on its own."""
PLACED_TARGET = "ecp5"
"""The target that can be placed and routed."""
CLOCK_TARGET = "xcup"
"""The target whose clock can be estimated."""
WIRES = 1.5
"""Factor of the delays of wires in a clock estimate, unless another is asked for."""
_WIRES_MAX = 10.0


@dataclass(frozen=True)
class Job:
    """A block to synthesise."""

    block: str
    """Name in ``sim.synth.blocks``."""
    width: int | None
    """Bits of a beat; None for a block that does not depend on them."""
    target: str
    place: bool = False
    kept: bool = False
    """Keep the hierarchy: map each module on its own, once, and then link them."""
    wires: float | None = None
    """Factor of the delays of wires in the clock estimate; None without an estimate."""

    def __str__(self) -> str:
        width = "" if self.width is None else f" {self.width}"
        kept = ", hierarchy kept" if self.kept else ""
        return f"{self.block}{width} {self.target}{kept}"


@dataclass(frozen=True)
class Row:
    """The figures of a block; ``lut`` to ``bram`` as ``mapped_netlist.Usage`` has them."""

    block: str
    width: int | None
    target: str
    lut: int
    lut_ram: int
    ff: int
    bram: float
    levels: int
    """Levels of the longest path from register to register, -1 when there is none."""
    path: tuple[str, ...]
    """Names along that path, as ``sim.synth.mapped_netlist.Path`` has them."""
    port_levels: int
    """Levels of the longest path that starts or ends at a port, -1 when there is none."""
    port_path: tuple[str, ...]
    """Names along that path."""
    verilog: str
    """Hash of the Verilog."""
    kept: bool = False
    """Whether the hierarchy was kept."""
    fmax_mhz: float | None = None
    """Highest clock after place and route; None without it, and without a path or room."""
    clock: Estimate | None = None
    """The clock estimate; None without it, and without a path."""


@dataclass(frozen=True)
class Failure:
    """A job for which a tool failed, and its complaint."""

    job: Job
    reason: str


def select(
    blocks: Sequence[str], widths: Sequence[int], targets: Sequence[str], place: bool,
    wires: float | None = None,
) -> list[Job]:
    """The jobs for blocks of these names, or for all when there is none. Raises ``InputError``.

    ``wires`` is as in ``Job``.
    """
    known = [block.name for block in BLOCKS]
    for name in blocks:
        if name not in known:
            raise InputError(f"block {name}: expected {_like(name, known)}")
    for width in widths:
        check_width(width)
    for target in targets:
        if target not in COMMANDS:
            raise InputError(f"--target {target}: expected one of {', '.join(COMMANDS)}")
    if place and PLACED_TARGET not in targets:
        raise InputError(f"--place: needs --target {PLACED_TARGET}")
    if wires is not None and CLOCK_TARGET not in targets:
        raise InputError(f"--clock: needs --target {CLOCK_TARGET}")
    if wires is not None and not 0 < wires <= _WIRES_MAX:
        raise InputError(f"--wires {wires:g}: expected a factor above 0, at most {_WIRES_MAX:g}")
    return [
        Job(block.name, width, target, place and target == PLACED_TARGET, kept,
            wires if target == CLOCK_TARGET else None)
        for block in BLOCKS if not blocks or block.name in blocks
        for width in (sorted(set(widths)) if block.scales else [None])
        for target in dict.fromkeys(targets)
        for kept in _ways(block, width)
    ]


def _like(name: str, known: Sequence[str]) -> str:
    """The known blocks whose names are most like a wrong one, and where to see all."""
    near = difflib.get_close_matches(name.lower(), known)
    if not near:
        return "a block that espnic synth --list shows"
    return f"a block such as {', '.join(near)}; espnic synth --list shows all"


def _ways(block: Block, width: int | None) -> list[bool]:
    """Whether the hierarchy is kept, for each way in which the block is synthesised."""
    if width is None:
        return [False]
    return [kept for kept, widths in ((False, block.flat), (True, block.kept)) if width in widths]
