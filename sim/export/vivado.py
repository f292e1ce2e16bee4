"""What Vivado is told of the ports: attributes of interfaces (UG994, "HDL Parameters for Interface
Inference")."""

from collections.abc import Iterator, Sequence

from espnic.model.interface.registers import ADDRESS_BITS, WORD_BITS
from espnic.sim.export.ports import BYTE_BITS, Interface, Kind, Port

BUSES = {
    Kind.CLOCK: ("signal", "clock"),
    Kind.RESET: ("signal", "reset"),
    Kind.INTERRUPT: ("signal", "interrupt"),
    Kind.AXI_LITE: ("interface", "aximm"),
    Kind.AXI_STREAM: ("interface", "axis"),
}
"""Library and name of each kind of bus; the vendor is ``VENDOR``, the version ``VERSION``."""
VENDOR = "xilinx.com"
VERSION = "1.0"
_SINGLE = {Kind.CLOCK: "CLK", Kind.RESET: "RST", Kind.INTERRUPT: "INTERRUPT"}
"""Logical name of the port of a bus that has one."""


def logical(interface: Interface, port: Port) -> str:
    """Name of a port in the definition of its bus."""
    return _SINGLE.get(interface.kind) or port.signal.upper()


def parameters(interfaces: Sequence[Interface], interface: Interface) -> dict[str, str]:
    """Parameters of an interface."""
    match interface.kind:
        case Kind.CLOCK:
            buses = [each.name for each in interfaces if each.kind not in _SINGLE]
            return {"ASSOCIATED_BUSIF": ":".join(buses), "ASSOCIATED_RESET": "rst"}
        case Kind.RESET:
            return {"POLARITY": "ACTIVE_HIGH"}
        case Kind.INTERRUPT:
            return {"SENSITIVITY": "LEVEL_HIGH"}
        case Kind.AXI_LITE:
            return {"PROTOCOL": "AXI4LITE", "DATA_WIDTH": str(WORD_BITS),
                    "ADDR_WIDTH": str(ADDRESS_BITS)}
        case Kind.AXI_STREAM:
            return {"TDATA_NUM_BYTES": str(interface.bits("tdata") // BYTE_BITS),
                    "TUSER_WIDTH": str(interface.bits("tuser")),
                    "HAS_TKEEP": "1", "HAS_TLAST": "1", "HAS_TREADY": "1"}


def attributes(
    interfaces: Sequence[Interface], interface: Interface, port: Port,
) -> Iterator[str]:
    """The attributes in front of a port; its interface's parameters stand at the first."""
    if port is interface.ports[0]:
        pairs = ", ".join(f"{name} {value}"
                          for name, value in parameters(interfaces, interface).items())
        yield f'(* X_INTERFACE_PARAMETER = "XIL_INTERFACENAME {interface.name}, {pairs}" *)'
    library, bus = BUSES[interface.kind]
    yield (f'(* X_INTERFACE_INFO = "{VENDOR}:{library}:{bus}:{VERSION} {interface.name} '
           f'{logical(interface, port)}" *)')
