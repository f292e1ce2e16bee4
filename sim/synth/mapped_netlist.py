"""A mapped netlist: the cells that it uses, and its longest paths in levels of LUTs.

Levels are counted by these rules:

- A LUT of any size is one level, and so is an inverter.
- MUXF7, MUXF8 and MUXF9 (ECP5: PFUMX, L6MUX21) join the LUTs of one slice over its own wires
  and add none.
- A carry chain is one level from where a path enters it to where it leaves, however long.
- A read of distributed RAM, or of a shift register at an address, is one level from the
  address. What these store starts and ends a path as a register does.
- Registers, block RAM and the ports of the block start and end paths. A path that starts at a
  block RAM counts three levels more if the RAM's own output register is not in use: it takes as
  long to give its data as a register and three LUTs.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from espnic.sim.problem import SimulationError
from espnic.sim.timing.cells import LUT_RAM, output_registered, read_ports
from espnic.sim.timing.net_names import net_names
from espnic.sim.timing.yosys_json import Bit, Cell, MappedModule


@dataclass(frozen=True)
class Path:
    """The longest path of some kind."""

    levels: int
    """Levels: 0 from register to register without logic, -1 when there is no path."""
    nets: tuple[str, ...]
    """Names of nets along the path that have one, from its start to what its end drives."""


@dataclass(frozen=True)
class Usage:
    """Cells of the FPGA that a block needs."""

    lut: int
    """LUTs that serve as logic: LUT2 to LUT6, or LUT4 on ECP5."""
    lut_ram: int
    """LUTs that serve as distributed RAM or shift registers."""
    ff: int
    bram: float
    """Number of RAMB36, where a RAMB18 is a half; on ECP5 of blocks of 18 kbit."""


_LUTS = frozenset(f"LUT{size}" for size in range(2, 7))
_LOGIC = _LUTS | {"LUT1", "INV"}
_SLICE_MUXES = frozenset(("MUXF7", "MUXF8", "MUXF9", "PFUMX", "L6MUX21"))
_CARRIES = frozenset(("CARRY4", "CARRY8", "CCU2C"))
_REGISTERS = frozenset((
    "FDRE", "FDSE", "FDCE", "FDPE", "FDRE_1", "FDSE_1", "FDCE_1", "FDPE_1", "TRELLIS_FF"))
_IGNORED = frozenset(("BUFG", "DCCA", "GSR", "$scopeinfo"))
_LUT_RAM = {
    **LUT_RAM, "RAM32X16DR8": 8, "RAM64X8SW": 8,
    "TRELLIS_DPR16X4": 4,  # FPGA-TN-02204
}
_BLOCK_RAM = {
    "RAMB36E2": 1.0, "RAMB18E2": 0.5, "RAMB36E1": 1.0, "RAMB18E1": 0.5,
    "DP16KD": 1.0, "PDPW16KD": 1.0,
}
_BLOCK_RAM_LEVELS = 3
"""Levels of a path's start at a block RAM without output register."""
_STORING = _REGISTERS | _LUT_RAM.keys() | _BLOCK_RAM.keys()
_KNOWN = _LOGIC | _SLICE_MUXES | _CARRIES | _IGNORED | _STORING


class MappedNetlist:
    """The top module of a netlist that Yosys has mapped and written with ``write_json``.

    ``module`` is the value of that module in the file. Cells of the types ``boxes`` are closed:
    they start and end paths as registers do, and need nothing. Raises ``SimulationError`` for
    another cell that the rules above do not cover, and for a loop of logic.

    Members
    -------
    cells
        Number of cells by type.
    """

    def __init__(self, module: MappedModule, boxes: frozenset[str] = frozenset()) -> None:
        self._storing_types = _STORING | boxes
        self._cells = module["cells"]
        self._ports = module["ports"]
        self._names = net_names(module["netnames"])
        self.cells = Counter(cell["type"] for cell in self._cells.values())
        unknown = sorted(self.cells.keys() - _KNOWN - boxes)
        if unknown:
            raise SimulationError(f"netlist: no rule for cells {', '.join(unknown)}")
        self._arcs: dict[Bit, list[tuple[Bit, int]]] = defaultdict(list)
        for cell in self._cells.values():
            for source, target, levels in _arcs(cell):
                if isinstance(source, int):
                    self._arcs[target].append((source, levels))
        self._order = self._sorted()

    def usage(self) -> Usage:
        """Cells of the FPGA that the netlist needs."""
        return usage(self.cells)

    def register_path(self) -> Path:
        """The longest path from register to register."""
        return self._longest(self._register_outputs(), self._register_inputs())

    def port_path(self) -> Path:
        """The longest path that starts or ends at a port of the block."""
        from_ports = self._longest(
            dict.fromkeys(self._port_bits("input"), 0),
            [*self._register_inputs(), *self._port_ends()])
        to_ports = self._longest(self._register_outputs(), self._port_ends())
        return max(from_ports, to_ports, key=lambda path: path.levels)

    def _longest(self, starts: Mapping[Bit, int], ends: Iterable[tuple[Bit, str]]) -> Path:
        levels = dict(starts)
        came_from: dict[Bit, Bit] = {}
        for bit in self._order:
            for source, step in self._arcs[bit]:
                if source in levels and levels[source] + step > levels.get(bit, -1):
                    levels[bit] = levels[source] + step
                    came_from[bit] = source
        reached = [(levels[bit], bit, end) for bit, end in ends if bit in levels]
        if not reached:
            return Path(-1, ())
        most, bit, end = max(reached, key=lambda each: (each[0], each[2]))
        nets = [end]
        while True:
            if bit in self._names:
                nets.append(self._names[bit])
            if bit not in came_from:
                break
            bit = came_from[bit]
        return Path(most, tuple(dict.fromkeys(reversed(nets))))

    def _sorted(self) -> list[Bit]:
        """The driven nets, each after all that it depends on."""
        waiting = {bit: len(arcs) for bit, arcs in self._arcs.items()}
        readers: dict[Bit, list[Bit]] = defaultdict(list)
        for bit, arcs in self._arcs.items():
            for source, _ in arcs:
                readers[source].append(bit)
        ready = [bit for bit in readers if bit not in waiting]
        order = []
        while ready:
            bit = ready.pop()
            if bit in waiting:
                order.append(bit)
            for reader in readers[bit]:
                waiting[reader] -= 1
                if not waiting[reader]:
                    ready.append(reader)
        if len(order) != len(waiting):
            stuck = sorted(self._name(bit) for bit, count in waiting.items() if count)
            raise SimulationError(f"netlist: a loop of logic through {stuck[0]}")
        return order

    def _storing(self) -> Iterator[tuple[str, Cell]]:
        return ((name, cell) for name, cell in self._cells.items()
                if cell["type"] in self._storing_types)

    def _register_outputs(self) -> dict[Bit, int]:
        """Each output of a storing cell, with the levels that it counts as a start."""
        return {bit: _start_levels(cell, port) for _, cell in self._storing()
                for port, way in cell["port_directions"].items() if way == "output"
                for bit in cell["connections"].get(port, ())}

    def _register_inputs(self) -> Iterator[tuple[Bit, str]]:
        """Each input of a storing cell, with the name of what the cell drives."""
        for name, cell in self._storing():
            end = next((self._names[bit] for bit in _bits(cell, "output") if bit in self._names),
                       name)
            for bit in _bits(cell, "input"):
                yield bit, end

    def _port_bits(self, direction: str) -> Iterator[Bit]:
        for port in self._ports.values():
            if port["direction"] == direction:
                yield from port["bits"]

    def _port_ends(self) -> list[tuple[Bit, str]]:
        return [(bit, self._name(bit)) for bit in self._port_bits("output")]

    def _name(self, bit: Bit) -> str:
        return self._names.get(bit, f"net {bit}")


def usage(cells: Mapping[str, int]) -> Usage:
    """Resources of the FPGA that the netlist needs, from its cells counted by type."""
    return Usage(
        lut=sum(cells.get(name, 0) for name in _LUTS),
        lut_ram=sum(cells.get(name, 0) * luts for name, luts in _LUT_RAM.items()),
        ff=sum(cells.get(name, 0) for name in _REGISTERS),
        bram=sum(cells.get(name, 0) * blocks for name, blocks in _BLOCK_RAM.items()),
    )


def _start_levels(cell: Cell, port: str) -> int:
    """Levels of a path's start at an output of a cell that stores."""
    if cell["type"] not in _BLOCK_RAM or output_registered(cell, port):
        return 0
    return _BLOCK_RAM_LEVELS


def _bits(cell: Cell, direction: str) -> Iterator[Bit]:
    for port, way in cell["port_directions"].items():
        if way == direction:
            yield from cell["connections"].get(port, ())


def _arcs(cell: Cell) -> Iterator[tuple[Bit, Bit, int]]:
    """Input, output and levels of every path through a cell that no clock interrupts."""
    kind = cell["type"]
    if kind in _CARRIES:
        yield from _CARRY_ARCS[kind](cell["connections"])
    elif kind in _LUT_RAM:
        yield from _read_arcs(cell)
    elif kind in _LOGIC or kind in _SLICE_MUXES:
        for source in _bits(cell, "input"):
            for target in _bits(cell, "output"):
                yield source, target, int(kind in _LOGIC)


def _xilinx_carry(nets: Mapping[str, list[Bit]]) -> Iterator[tuple[Bit, Bit, int]]:
    """CARRY4 and CARRY8: bit n of S and DI reaches the outputs from n up."""
    size = len(nets["S"])
    outputs = [(place, bit) for port in ("O", "CO") for place, bit in enumerate(nets[port])]
    entries = [(0, bit) for port in ("CYINIT", "CI_TOP") for bit in nets.get(port, ())]
    entries += [(place, nets[port][place]) for port in ("S", "DI") for place in range(size)]
    for place, target in outputs:
        yield from ((bit, target, 0) for bit in nets["CI"])
        yield from ((bit, target, 1) for first, bit in entries if first <= place)


def _ecp5_carry(nets: Mapping[str, list[Bit]]) -> Iterator[tuple[Bit, Bit, int]]:
    """CCU2C: two LUTs and the carry over them."""
    for place, port in ((0, "S0"), (1, "S1"), (1, "COUT")):
        for target in nets.get(port, ()):
            yield from ((bit, target, 0) for bit in nets.get("CIN", ()))
            for digit in range(place + 1):
                for letter in "ABCD":
                    yield from ((bit, target, 1) for bit in nets.get(f"{letter}{digit}", ()))


_CARRY_ARCS = {"CARRY4": _xilinx_carry, "CARRY8": _xilinx_carry, "CCU2C": _ecp5_carry}


def _read_arcs(cell: Cell) -> Iterator[tuple[Bit, Bit, int]]:
    """Paths from the read address to the data of distributed RAM and shift registers."""
    nets = cell["connections"]
    for output, addresses in read_ports(cell):
        for port in addresses:
            yield from ((bit, target, 1) for target in nets[output] for bit in nets[port])
