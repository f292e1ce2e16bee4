"""The cells of UltraScale+ that Yosys maps to: their kinds, and the delays at and through them."""

from collections.abc import Iterator

from espnic.sim.timing import fabric
from espnic.sim.timing.yosys_json import Cell

Pin = tuple[str, str, int]
"""A bit of a port: cell, port and place. The cell is empty for a port of the netlist."""

LUTS = frozenset(("LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6", "INV"))
MUXES = ("MUXF7", "MUXF8", "MUXF9")
CARRY = "CARRY4"
REGISTERS = frozenset(("FDRE", "FDSE", "FDCE", "FDPE"))
BLOCK_RAM = frozenset(("RAMB36E2", "RAMB18E2"))
LUT_RAM = {
    # LUTs that the cell takes (UG974, UltraScale Architecture Libraries Guide)
    "SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1,
    "RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2, "RAM256X1S": 4, "RAM512X1S": 8,
    "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM256X1D": 8,
    "RAM32M": 4, "RAM64M": 4, "RAM32M16": 8, "RAM64M8": 8,
}
UNTIMED = frozenset(("BUFG", "$scopeinfo"))
KNOWN = LUTS | set(MUXES) | {CARRY} | REGISTERS | BLOCK_RAM | LUT_RAM.keys() | UNTIMED

CLOCK_PINS = frozenset(("C", "CLK", "WCLK", "CLKARDCLK", "CLKBWRCLK"))
_DIGITS = "0123456789"


def read_ports(cell: Cell) -> Iterator[tuple[str, list[str]]]:
    """Each output of distributed RAM or of a shift register, with the ports of its address."""
    for port, way in cell["port_directions"].items():
        if way == "output" and port != "Q31":
            yield port, address_ports(cell, _read_address(port))


def address_ports(cell: Cell, prefix: str) -> list[str]:
    """The ports of an address: ``prefix`` itself, or with a number behind it."""
    return [port for port in cell["connections"]
            if port.startswith(prefix) and port[len(prefix):].strip(_DIGITS) == ""]


def _read_address(output: str) -> str:
    """Prefix of the address ports of an output: ADDRB for DOB, DPRA for DPO, RAD for DO of ECP5."""
    if output == "DO":
        return "RAD"
    if output.startswith("DO"):
        return f"ADDR{output[2:]}"
    return "DPRA" if output == "DPO" else "A"


def start(cell: Cell, port: str, place: int) -> float | None:
    """Delay from the clock to an output that stores; None for an output of logic."""
    kind = cell["type"]
    if kind in REGISTERS:
        return fabric.FF_OUT
    if kind in LUT_RAM:
        return fabric.LUT_RAM_OUT
    if kind in BLOCK_RAM and port.startswith("DOUT"):
        parity, side = _output_side(port)
        if output_registered(cell, port):
            return fabric.RAM_REGISTER_OUT[side]
        return fabric.RAM_OUT[parity + side][place]
    return None


def output_registered(cell: Cell, port: str) -> bool:
    """Whether an output of block RAM has the RAM's own register behind it.

    On ECP5 the ``REGMODE`` of the port says so.
    """
    if cell["type"] in BLOCK_RAM and port.startswith("DOUT"):
        _, side = _output_side(port)
        return int(cell["parameters"][f"DO{side}_REG"], 2) != 0
    return cell["parameters"].get(f"REGMODE_{port[2:3]}") == "OUTREG"


def _output_side(port: str) -> tuple[str, str]:
    """Whether an output of block RAM is of its parity bits, and the port of the RAM."""
    parity = "P" if port[4] == "P" else ""
    return parity, port[4 + len(parity)]


def setup(cell: Cell, port: str, place: int) -> float | None:
    """Time before the clock at which an input that is stored must stand; None for logic."""
    kind = cell["type"]
    if kind in REGISTERS:
        return fabric.FF_SETUP if port == "D" else fabric.FF_CONTROL_SETUP
    if kind in LUT_RAM:
        return _lut_ram_setup(cell, port)
    if kind in BLOCK_RAM:
        for side, address in (("A", "ADDRARDADDR"), ("B", "ADDRBWRADDR")):
            if port == address:
                return fabric.RAM_ADDRESS_SETUP[side][place]
        return next((delay for name, delay in fabric.RAM_SETUP.items() if port.startswith(name)),
                    None)
    return None


def _lut_ram_setup(cell: Cell, port: str) -> float | None:
    shifts = cell["type"].startswith("SRL")
    if port in ("WE", "CE"):
        return fabric.LUT_RAM_SETUP["write enable"]
    if port.startswith("D") and not port.startswith("DPRA"):
        return fabric.LUT_RAM_SETUP["shifted" if shifts else "data"]
    if shifts:
        return None
    several = cell["type"].endswith(("M", "M8", "M16"))
    written = f"ADDR{'DH'[LUT_RAM[cell['type']] == 8]}" if several else "A"
    return fabric.LUT_RAM_SETUP["address"] if port in address_ports(cell, written) else None


def enter(cell: Cell, port: str) -> float:
    """Delay from the interconnect to an input, as far as it is not counted through the cell."""
    kind = cell["type"]
    if kind in REGISTERS:
        return fabric.X_PIN + fabric.FF_FROM_PIN if port == "D" else fabric.CONTROL_PIN
    if kind in MUXES:
        if port == "S":
            return fabric.X_PIN
        return fabric.LUT_FASTEST + fabric.MUX_FROM_LUT[port]
    if kind == CARRY:
        return fabric.LUT_FASTEST + fabric.LUT_TO_CARRY if port == "S" else fabric.X_PIN
    if kind in LUT_RAM and (port in ("WE", "CE") or port.startswith("D")):
        return fabric.X_PIN
    return 0


def leave(cell: Cell, port: str) -> float:
    """Delay from an output of logic to the pin of its site."""
    if cell["type"] in MUXES:
        return fabric.MUX_LEAVES
    return fabric.CARRY_LEAVES if cell["type"] == CARRY and port == "O" else 0


def through(cell: Cell) -> Iterator[tuple[str, int, str, int, float]]:
    """Port and place of input and output, and delay, of each path through a cell.

    LUTs are left out, as their inputs may be swapped, and so are carries, whose delays go by the
    place in the chain.
    """
    kind = cell["type"]
    if kind in MUXES:
        for port in ("I0", "I1", "S"):
            yield port, 0, "O", 0, fabric.MUX_SELECT if port == "S" else fabric.MUX_IN
    elif kind in LUT_RAM:
        for output, addresses in read_ports(cell):
            for target in range(len(cell["connections"][output])):
                for port in addresses:
                    number = port.lstrip("ADRPBCEFGH")
                    for place in range(len(cell["connections"][port])):
                        yield port, place, output, target, _read(int(number or place))


def _read(bit: int) -> float:
    """From an address bit of distributed RAM; those above six choose among LUTs."""
    if bit < len(fabric.LUT_PINS):
        return fabric.LUT_PINS[bit]
    return fabric.X_PIN + fabric.MUX_SELECT
