"""Files and attributes for Vivado.

They are attributes of the ports (UG994, "HDL Parameters for Interface Inference"), a script that
makes a project and packages the IP (UG1118), and constraints (UG903).
"""

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
IP_VERSION = "0.1"
"""Version of the packaged IP: two numbers, as Vivado wants it."""
PART = "xcvu9p-flga2104-2L-e"
"""FPGA of the project unless another one is named."""
RESET = "reset_sync"
"""Name of the registers of the example that synchronise the reset."""
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


def script(name: str) -> str:
    """Text of the Tcl that makes the project and packages the IP."""
    return f"""# Makes a project of {name}, and packages it for Vivado's IP catalog. In a folder:
#   vivado -mode batch -source PATH/{name}.tcl ?-tclargs PART?
# The project and the IP, {name}_ip, come to lie in that folder.
set here [file dirname [file normalize [info script]]]
set part [expr {{$argc > 0 ? [lindex $argv 0] : "{PART}"}}]

create_project -force {name}_project [file join [pwd] {name}_project] -part $part
add_files -norecurse [list [file join $here {name}.v] [file join $here {name}_example.v]]
add_files -fileset sim_1 -norecurse [file join $here {name}_tb.v]
add_files -fileset constrs_1 -norecurse [file join $here {name}.xdc]
set_property top {name}_example [current_fileset]
set_property top {name}_tb [get_filesets sim_1]
update_compile_order -fileset sources_1
close_project

# The description of the interfaces is in component.xml: an IP is that file with its source.
file mkdir {name}_ip
file copy -force [file join $here {name}.v] [file join $here component.xml] {name}_ip
create_project -force -in_memory -part $part
ipx::open_core [file join [pwd] {name}_ip component.xml]
set core [ipx::current_core]
set_property display_name {{{name}}} $core
set_property description {{Inline IPsec ESP offload engine}} $core
set_property taxonomy {{/UserIP}} $core
set_property supported_families {{virtexuplus Production kintexuplus Production}} $core
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity $core
ipx::save_core $core
close_project
"""


def constraints(name: str, clock_mhz: float) -> str:
    """Text of the XDC for the example as the top of a design."""
    cells = f"[get_cells -hierarchical -filter {{NAME =~ *{RESET}_reg[*]}}]"
    pins = f"[get_pins -hierarchical -filter {{NAME =~ *{RESET}_reg[*]/PRE}}]"
    return f"""# Constraints of {name}_example. In a design that makes its clock elsewhere leave
# out create_clock.
create_clock -name clk -period {1000 / clock_mhz:.3f} [get_ports clk]
# The reset comes at any time and ends in step with the clock.
set_property ASYNC_REG TRUE {cells}
set_false_path -to {pins}
"""
