"""Sizes of the memories of a design, from its Verilog."""

import re
from dataclasses import dataclass

from espnic.sim.build.netlist import Netlist
from espnic.sim.build.verilog_text import Memory, Module, modules

SHALLOW_ROWS = 128
"""Number of rows up to which a memory fits LUTs, as distributed RAM."""

@dataclass(frozen=True)
class RamBits:
    """Bits of the memories that are written, of all instances."""

    deep: int
    """Bits of memories with more than ``SHALLOW_ROWS`` rows: block RAM."""
    shallow: int
    """Bits of the other memories."""


def ram_bits(netlist: Netlist) -> RamBits:
    """Count the RAM of a design; ROMs, which nothing writes, are not in it."""
    known = {module.name: module for module in modules(netlist.text)}
    counted: dict[str, RamBits] = {}

    def count(name: str) -> RamBits:
        if name not in counted:
            parts = [count(instance.module) for instance in known[name].instances
                     if instance.module in known]
            parts.append(_own(known[name]))
            counted[name] = RamBits(
                sum(part.deep for part in parts), sum(part.shallow for part in parts))
        return counted[name]

    return count(netlist.top)


def _own(module: Module) -> RamBits:
    """RAM of a module without what is in its instances."""
    written = [memory for memory in module.memories if _is_written(memory, module)]
    deep, shallow = (
        sum(memory.bits * memory.rows for memory in written
            if (memory.rows > SHALLOW_ROWS) == is_deep)
        for is_deep in (True, False))
    return RamBits(deep, shallow)


def _is_written(memory: Memory, module: Module) -> bool:
    name = re.escape(memory.written_name)
    return re.search(
        rf"^ +{name} ?\[[^\n]*\] *(?:\[[^\n]*\] *)?<=", module.body, re.MULTILINE) is not None
