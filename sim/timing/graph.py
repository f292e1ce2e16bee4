"""The timing graph of a mapped netlist: blocks to place, pins in them, and arcs between pins."""

from collections.abc import Iterator
from dataclasses import dataclass

from espnic.sim.problem import SimulationError
from espnic.sim.timing import cells, fabric
from espnic.sim.timing.cells import KNOWN, LUTS, Pin
from espnic.sim.timing.packing import Block, Connections, Packing
from espnic.sim.timing.yosys_json import Cell, MappedModule

CELL_ARC, LUT_ARC = -1, -2
"""In the place of a net: a fixed delay; an input of a LUT, whose pin is chosen by arrival."""
_CARRY_BITS = 4


@dataclass(frozen=True)
class PinData:
    """Where a pin lies, and whether paths start or end there."""

    block: int
    row: int
    start: float | None
    setup: float | None
    border: bool


@dataclass(frozen=True)
class Arc:
    """A delay from pin to pin. With ``net`` 0 and above, that of the wires comes on top."""

    start: int
    end: int
    delay: float
    net: int


class TimingGraph:
    """Blocks, pins and arcs of a mapped netlist, pins by their number.

    A register is taken to stand at each port of the netlist but clock and reset, and at each pin
    of the cells whose types are ``boxes``, of which nothing else is known. Raises
    ``SimulationError`` for a cell without published delays.

    Members
    -------
    blocks, pins, arcs
        What the placer gets.
    names
        The pin behind each number.
    """

    def __init__(self, module: MappedModule, boxes: frozenset[str] = frozenset()) -> None:
        unknown = {cell["type"] for cell in module["cells"].values()} - KNOWN - boxes
        if unknown:
            raise SimulationError(f"netlist: no delays for cells {', '.join(sorted(unknown))}")
        self._nets = Connections(module, boxes)
        self._packing = Packing(self._nets)
        self.blocks: list[Block] = self._packing.blocks
        self.names: list[Pin] = []
        self.pins: list[PinData] = []
        self.arcs: list[Arc] = []
        self._numbers: dict[Pin, int] = {}
        read = [(driver, self._nets.sinks[bit])
                for bit, driver in self._nets.drivers.items() if bit in self._nets.sinks]
        for net, (driver, sinks) in enumerate(read):
            self._wire(net, driver, sinks)
        for name, cell in self._nets.cells.items():
            self._cross(name, cell)
        for row in self._packing.carry_rows:
            self._carry(row)

    def cell(self, pin: int) -> Cell | None:
        """The cell of a pin; None at a port of the netlist."""
        return self._nets.cells.get(self.names[pin][0])

    def _pin(self, pin: Pin, drives: bool) -> int:
        """The number of a pin, which is noted when it is met first."""
        if pin in self._numbers:
            return self._numbers[pin]
        number = self._numbers[pin] = len(self.pins)
        self.names.append(pin)
        name, port, place = pin
        start: float | None = None
        setup: float | None = None
        border = self._nets.is_border(pin)
        if border:
            block, row = self._packing.border()
            start, setup = (fabric.FF_OUT, None) if drives else (None, fabric.FF_SETUP)
        else:
            block, row = self._packing.place[name]
            cell = self._nets.cells[name]
            if drives:
                start = cells.start(cell, port, place)
            else:
                setup = cells.setup(cell, port, place)
        self.pins.append(PinData(block, row, start, setup, border))
        return number

    def _wire(self, net: int, driver: Pin, sinks: list[Pin]) -> None:
        """The arcs over a net, from its driver to each pin that reads it."""
        number = self._pin(driver, drives=True)
        out = 0.0 if self.pins[number].border else cells.leave(
            self._nets.cells[driver[0]], driver[1])
        for sink in sinks:
            end = self._pin(sink, drives=False)
            if sink in self._packing.links:
                self.arcs.append(Arc(number, end, self._packing.links[sink], CELL_ARC))
                continue
            into = fabric.X_PIN + fabric.FF_FROM_PIN if self.pins[end].border else cells.enter(
                self._nets.cells[sink[0]], sink[1])
            self.arcs.append(Arc(number, end, out + into, net))

    def _cross(self, name: str, cell: Cell) -> None:
        """The arcs through a cell, but for carries."""
        if cell["type"] in LUTS:
            output = self._numbers.get((name, "O", 0))
            if output is not None:
                for number in self._inputs(name, cell):
                    self.arcs.append(Arc(number, output, 0, LUT_ARC))
            return
        for port, place, target, index, delay in cells.through(cell):
            self._between((name, port, place), (name, target, index), delay)

    def _inputs(self, name: str, cell: Cell) -> Iterator[int]:
        for port, way in cell["port_directions"].items():
            pin = self._numbers.get((name, port, 0))
            if way == "input" and pin is not None:
                yield pin

    def _between(self, start: Pin, end: Pin, delay: float) -> None:
        """An arc, when both pins are connected."""
        if start in self._numbers and end in self._numbers:
            self.arcs.append(Arc(self._numbers[start], self._numbers[end], delay, CELL_ARC))

    def _carry(self, row: list[str]) -> None:
        """The arcs through a CARRY8 that is made of one or two CARRY4."""
        outputs = [(name, port, place, half * _CARRY_BITS + place)
                   for half, name in enumerate(row) for port in ("O", "CO")
                   for place in range(_CARRY_BITS)]
        entry = fabric.CARRY_CI if (row[0], "CI", 0) in self._packing.links else (
            fabric.CARRY_CYINIT)
        for name, port, place, bit in outputs:
            target = (name, port, place)
            self._between((row[0], "CI", 0), target, entry[port][bit])
            self._between((row[0], "CYINIT", 0), target, fabric.CARRY_CYINIT[port][bit])
            for half, source in enumerate(row):
                for index in range(_CARRY_BITS):
                    first = half * _CARRY_BITS + index
                    if first > bit:
                        continue
                    self._between(
                        (source, "S", index), target, fabric.CARRY_S[port][first][bit - first])
                    delay = fabric.CARRY_DI[port][first][bit - first]
                    if delay is not None:
                        self._between((source, "DI", index), target, delay)

