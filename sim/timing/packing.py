"""Cells of a mapped netlist that share a site, and so are placed as one block."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from espnic.sim.timing import fabric
from espnic.sim.timing.cells import (
    BLOCK_RAM,
    CARRY,
    CLOCK_PINS,
    LUT_RAM,
    LUTS,
    MUXES,
    REGISTERS,
    UNTIMED,
    Pin,
)
from espnic.sim.timing.yosys_json import Bit, Cell, MappedModule

GLOBAL_PORTS = frozenset(("clk", "rst"))
"""Ports that are not timed: clock and reset have nets of their own."""


@dataclass
class Block:
    """Cells that are placed as one: LUTs and registers in each row, or a block RAM."""

    luts: list[int]
    ffs: list[int]
    ram: bool = False


class Connections:
    """The nets of a netlist: the pin that drives each, and the pins that read it.

    Ports of the netlist, and all pins of the cells ``boxes``, are borders: registers are taken to
    stand there. Clocks are left out.
    """

    def __init__(self, module: MappedModule, boxes: frozenset[str]) -> None:
        self.cells: Mapping[str, Cell] = {
            name: cell for name, cell in module["cells"].items() if cell["type"] not in UNTIMED}
        self.boxes = boxes
        self.drivers: dict[Bit, Pin] = {}
        self.sinks: dict[Bit, list[Pin]] = defaultdict(list)
        for name, cell in self.cells.items():
            skipped = GLOBAL_PORTS if cell["type"] in boxes else CLOCK_PINS
            for port, bits in cell["connections"].items():
                if port not in skipped:
                    self._add(cell["port_directions"][port] == "output", name, port, bits)
        for port, entry in module["ports"].items():
            if port not in GLOBAL_PORTS:
                self._add(entry["direction"] == "input", "", port, entry["bits"])

    def _add(self, drives: bool, cell: str, port: str, bits: list[Bit]) -> None:
        for place, bit in enumerate(bits):
            if isinstance(bit, str):
                continue
            if drives:
                self.drivers[bit] = (cell, port, place)
            else:
                self.sinks[bit].append((cell, port, place))

    def is_border(self, pin: Pin) -> bool:
        """Whether a register is taken to stand at the pin."""
        return not pin[0] or self.cells[pin[0]]["type"] in self.boxes

    def driver(self, cell: str, port: str, place: int = 0) -> tuple[Pin, str] | None:
        """The pin that drives an input, with its cell's type; None at borders and constants."""
        bits = self.cells[cell]["connections"].get(port, [])
        pin = self.drivers.get(bits[place]) if place < len(bits) else None
        if pin is None or self.is_border(pin):
            return None
        return pin, self.cells[pin[0]]["type"]


class Packing:
    """The blocks of a netlist.

    Members
    -------
    blocks
        All blocks.
    place
        The block of each cell, and the row in it.
    links
        Inputs that their driver reaches within the site, with the delay.
    carry_rows
        CARRY4 that make a CARRY8: one, or two with the carry from the first to the second.
    """

    def __init__(self, connections: Connections) -> None:
        self._nets = connections
        self.blocks: list[Block] = []
        self.place: dict[str, tuple[int, int]] = {}
        self.links: dict[Pin, float] = {}
        self.carry_rows: list[list[str]] = []
        kinds: dict[str, list[str]] = defaultdict(list)
        for name, cell in connections.cells.items():
            kinds[cell["type"]].append(name)
        self._pack_carries(kinds[CARRY])
        for rank in reversed(range(len(MUXES))):
            for name in kinds[MUXES[rank]]:
                self._pack_mux(name, rank)
        for kind, luts in LUT_RAM.items():
            for name in kinds[kind]:
                self._alone(name, luts, 0)
        for kind in sorted(BLOCK_RAM):
            for name in kinds[kind]:
                self._alone(name, 0, 0, ram=True)
        for kind in sorted(LUTS):
            for name in kinds[kind]:
                if name not in self.place:
                    self._alone(name, 1, 0)
        self._pack_registers([name for kind in sorted(REGISTERS) for name in kinds[kind]])

    def border(self) -> tuple[int, int]:
        """A block for a register at the border."""
        self.blocks.append(Block([0], [1]))
        return len(self.blocks) - 1, 0

    def _alone(self, name: str, luts: int, ffs: int, ram: bool = False) -> None:
        self.place[name] = len(self.blocks), 0
        self.blocks.append(Block([luts], [ffs], ram))

    def _pack_carries(self, carries: list[str]) -> None:
        following: dict[str, str] = {}
        for name in carries:
            found = self._nets.driver(name, "CI")
            if found is not None:
                (before, port, place), kind = found
                if kind == CARRY and (port, place) == ("CO", 3) and before not in following:
                    following[before] = name
        later = set(following.values())
        for name in carries:
            if name not in later:
                chain = [name]
                while chain[-1] in following:
                    chain.append(following[chain[-1]])
                self._pack_chain(chain)

    def _pack_chain(self, chain: list[str]) -> None:
        rows = [chain[first:first + 2] for first in range(0, len(chain), 2)]
        self.carry_rows += rows
        number = len(self.blocks)
        self.blocks.append(Block([4 * len(row) for row in rows], [0] * len(rows)))
        for row, members in enumerate(rows):
            for half, name in enumerate(members):
                self.place[name] = number, row
                if half:
                    self.links[name, "CI", 0] = 0
                elif row:
                    self.links[name, "CI", 0] = fabric.CARRY_TO_CARRY
                for place in range(4):
                    found = self._nets.driver(name, "S", place)
                    if found is not None and found[1] in LUTS and found[0][0] not in self.place:
                        self.place[found[0][0]] = number, row
                        self.links[name, "S", place] = fabric.LUT_TO_CARRY

    def _pack_mux(self, name: str, rank: int) -> None:
        if name in self.place:
            return
        number = len(self.blocks)
        self.blocks.append(Block([2 << rank], [0]))
        waiting = [(name, rank)]
        while waiting:
            mux, rank = waiting.pop()
            self.place[mux] = number, 0
            for port in ("I0", "I1"):
                found = self._nets.driver(mux, port)
                if found is None or found[0][0] in self.place:
                    continue
                (before, _, _), kind = found
                if rank and kind == MUXES[rank - 1]:
                    waiting.append((before, rank - 1))
                elif rank or kind not in LUTS:
                    continue
                self.place[before] = number, 0
                self.links[mux, port, 0] = fabric.MUX_FROM_LUT[port]

    def _pack_registers(self, registers: list[str]) -> None:
        """One register goes beside each output of logic: the first that stores it."""
        taken: set[Pin] = set()
        for name in registers:
            found = self._nets.driver(name, "D")
            beside = None if found is None or found[0] in taken else _beside(*found)
            if found is None or beside is None:
                self._alone(name, 0, 1)
                continue
            taken.add(found[0])
            block, row = self.place[name] = self.place[found[0][0]]
            self.blocks[block].ffs[row] += 1
            self.links[name, "D", 0] = beside


def _beside(driver: Pin, kind: str) -> float | None:
    """Delay to a register in the site of what drives it; None where it cannot stand there."""
    if kind in LUTS:
        return fabric.FF_FROM["LUT"]
    if kind in MUXES:
        return fabric.FF_FROM["MUX"]
    return fabric.FF_FROM[driver[1]] if kind == CARRY else None
