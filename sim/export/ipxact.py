"""The description of a build in IP-XACT (IEEE 1685-2009), as Vivado's IP catalog reads it.

``ipyxact`` writes it. Its own classes mix the 2009 and the 2014 edition; those below have the
members of the 2009 schema in its order.
"""

import io
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from typing import Any

from ipyxact import ipyxact

from espnic.model.interface.registers import ADDRESS_BITS, WORD_BITS
from espnic.sim.export.ports import Interface, Kind, Port
from espnic.sim.export.vivado import BUSES, IP_VERSION, VENDOR, VERSION, logical, parameters

FILE = "component.xml"
"""The name that Vivado expects."""
_EDITION = "2009"
_VIEW = "xilinx_anylanguagesynthesis"
_FILES = f"{_VIEW}_view_fileset"


def _element(
    members: Sequence[str] = (), child: Sequence[str] = (), children: Sequence[str] = (),
    attributes: Sequence[str] = (), base: type[Any] = ipyxact.IpxactItem,
) -> type[Any]:
    """A class for an element with text members, then repeated, then single elements."""
    parts: dict[str, Any] = {
        "ATTRIBS": dict.fromkeys(attributes, "str"), "MEMBERS": dict.fromkeys(members, "str"),
        "CHILD": list(child), "CHILDREN": list(children)}
    return type("Element", (base,), {
        **parts, **dict.fromkeys((*members, *child, *attributes)),
        **{name: [] for name in children}})


_Component = _element(
    ("vendor", "library", "name", "version"),
    ("busInterfaces", "memoryMaps", "model", "fileSets"), base=ipyxact.Component)
_BusInterface = _element(
    ("name",), ("busType", "abstractionType", "slave", "master", "portMaps", "parameters"))
_Slave = _element(child=("memoryMapRef",))
_MemoryMapRef = _element(attributes=("memoryMapRef",))
_Empty = _element()
_Parameter = _element(("name", "value"))
_Wire = _element(("direction",), ("vector",))
_View = _element(("name", "envIdentifier", "language", "modelName"), ("fileSetRef",))
_FileSetRef = _element(("localName",))


def component(interfaces: Sequence[Interface], name: str) -> str:
    """Text of ``component.xml``."""
    whole = _Component(
        vendor="espnic", library="esp", name=name, version=IP_VERSION)
    whole.nsversion = _EDITION
    whole.busInterfaces = ipyxact.BusInterfaces()
    whole.busInterfaces.busInterface = [_bus(interfaces, each) for each in interfaces]
    whole.memoryMaps = ipyxact.MemoryMaps()
    whole.memoryMaps.memoryMap = [
        _memory_map(each) for each in interfaces if each.kind == Kind.AXI_LITE]
    whole.model = ipyxact.Model()
    whole.model.views = ipyxact.Views()
    whole.model.views.view = [_view(name)]
    whole.model.ports = ipyxact.Ports()
    whole.model.ports.port = [_port(port) for each in interfaces for port in each.ports]
    whole.fileSets = ipyxact.FileSets()
    whole.fileSets.fileSet = [_file_set(name)]
    return _text(whole)


def _text(whole: Any) -> str:
    """The XML, indented, the same on every machine."""
    written = io.StringIO()
    whole.write(written)
    _, body = written.getvalue().split("\n", 1)  # its first line has the machine's encoding
    root = ElementTree.fromstring(body)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _bus(interfaces: Sequence[Interface], interface: Interface) -> Any:
    library, bus = BUSES[interface.kind]
    made = _BusInterface(name=interface.name)
    made.busType = _reference(ipyxact.BusType, library, bus)
    made.abstractionType = _reference(ipyxact.AbstractionType, library, f"{bus}_rtl")
    if interface.is_manager or interface.kind == Kind.INTERRUPT:
        made.master = _Empty()
    else:
        made.slave = _Slave()
        if interface.kind == Kind.AXI_LITE:
            made.slave.memoryMapRef = _MemoryMapRef(memoryMapRef=interface.name)
    made.portMaps = ipyxact.PortMaps()
    made.portMaps.portMap = [_map(interface, port) for port in interface.ports]
    made.parameters = ipyxact.Parameters()
    made.parameters.parameter = _parameters(parameters(interfaces, interface))
    return made


def _reference(kind: type[Any], library: str, name: str) -> Any:
    return kind(vendor=VENDOR, library=library, name=name, version=VERSION)


def _parameters(values: Mapping[str, str]) -> list[Any]:
    return [_Parameter(name=name, value=value) for name, value in values.items()]


def _map(interface: Interface, port: Port) -> Any:
    made = ipyxact.PortMap()
    made.logicalPort = ipyxact.LogicalPort(name=logical(interface, port))
    made.physicalPort = ipyxact.PhysicalPort(name=port.name)
    return made


def _memory_map(interface: Interface) -> Any:
    made = ipyxact.MemoryMap(name=interface.name)
    made.addressBlock = [ipyxact.AddressBlock(
        name="registers", baseAddress=0, range=1 << ADDRESS_BITS, width=WORD_BITS,
        usage="register")]
    return made


def _view(name: str) -> Any:
    made = _View(name=_VIEW, envIdentifier=":vivado.xilinx.com:synthesis", language="Verilog",
                 modelName=name)
    made.fileSetRef = _FileSetRef(localName=_FILES)
    return made


def _port(port: Port) -> Any:
    made = ipyxact.Port(name=port.name)
    made.wire = _Wire(direction={"input": "in", "output": "out"}[port.direction])
    if port.bits > 1:
        made.wire.vector = ipyxact.Vector(left=port.bits - 1, right=0)
    return made


def _file_set(name: str) -> Any:
    made = ipyxact.FileSet(name=_FILES)
    made.file = [ipyxact.File(name=f"{name}.v", fileType="verilogSource")]
    return made
