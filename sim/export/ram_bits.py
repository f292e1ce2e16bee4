"""The memories of a design, counted in its Verilog."""

import re
from dataclasses import dataclass

from espnic.sim.build.netlist import Netlist

SHALLOW_ROWS = 128
"""A memory of that many rows or fewer fits LUTs as distributed RAM."""

_MODULE = re.compile(r"^module (\S+) *\(.*?\);\n(.*?)^endmodule\n", re.DOTALL | re.MULTILINE)
_INSTANCE = re.compile(r"^  (\\\S+|[A-Za-z_]\w*) +(?:\\\S+|\w+) +\($", re.MULTILINE)
_MEMORY = re.compile(r"^  reg (?:\[(\d+):0\] )?(\S+) +\[(\d+):0\];$", re.MULTILINE)


@dataclass(frozen=True)
class RamBits:
    """Bits of the memories that are written, of all instances."""

    deep: int
    """Of those with more than ``SHALLOW_ROWS`` rows: block RAM."""
    shallow: int


def ram_bits(netlist: Netlist) -> RamBits:
    """Count the RAM of a design; ROMs, which nothing writes, are not in it."""
    bodies = {match[1].removeprefix("\\"): match[2] for match in _MODULE.finditer(netlist.text)}
    known: dict[str, RamBits] = {}

    def count(name: str) -> RamBits:
        if name not in known:
            inside = [count(child) for child in (
                match.removeprefix("\\") for match in _INSTANCE.findall(bodies[name]))
                if child in bodies]
            own = _own(bodies[name])
            known[name] = RamBits(own.deep + sum(each.deep for each in inside),
                                  own.shallow + sum(each.shallow for each in inside))
        return known[name]

    return count(netlist.top)


def _own(body: str) -> RamBits:
    deep = shallow = 0
    for high, name, last in _MEMORY.findall(body):
        written = re.search(rf"^ +{re.escape(name)} ?\[[^\n]*\] *(?:\[[^\n]*\] *)?<=", body,
                            re.MULTILINE)
        if written:
            rows = int(last) + 1
            bits = rows * (int(high or 0) + 1)
            deep, shallow = ((deep + bits, shallow) if rows > SHALLOW_ROWS
                             else (deep, shallow + bits))
    return RamBits(deep, shallow)
