"""The Verilog that is shipped, in cocotb's own runner and with its flags."""

import cocotb
import pytest
from cocotb_tools.runner import get_runner
from cocotbext.axi import AxiLiteBus, AxiLiteMaster
from rich.console import Console

from espnic.model.interface.codes import (
    ESP_TEXT_OFFSET,
    RxStatus,
    SaDirection,
    SaOperation,
    SaResult,
)
from espnic.model.interface.layouts import RX_COMPLETION, TX_DESCRIPTOR
from espnic.model.sa.sa import command_values
from espnic.sim.agents.axi_lite import Driver
from espnic.sim.agents.axi_stream import AxisSink, AxisSource
from espnic.sim.agents.stream import start_clock_and_reset
from espnic.sim.build.simulators import shell_environment
from espnic.sim.export.command import Request, choose, write_engine
from espnic.sim.export.testbench import HANDLE, SA, packet_request, sealed_packet
from espnic.sim.rig.engine import engine_netlist

NAME = "espnic_small"
BUILD = Request(sas=16, lso=False, ipv6=False, replay_window=0, name=NAME)
"""The least with both directions: the flags of cocotb's runner for Verilator keep every signal,
and its build takes minutes with all parts."""


@cocotb.test(timeout_time=20, timeout_unit="us")
async def a_packet_is_sealed_and_opened_again(dut):
    await start_clock_and_reset(dut)
    driver = Driver(AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst))
    for direction in SaDirection:
        response = await driver.command(command_values(SaOperation.ADD, direction, HANDLE, SA))
        assert response == SaResult.OK
    wire, host = AxisSink(dut, "m_axis_tx"), AxisSink(dut, "m_axis_rx")
    clear = packet_request()
    AxisSource(dut, "s_axis_tx").send(clear.frame, TX_DESCRIPTOR.pack(clear.descriptor))
    await wire.reach(1)
    sent, = wire.frames
    assert sent.data == sealed_packet()
    AxisSource(dut, "s_axis_rx").send(sent.data)
    await host.reach(1)
    got, = host.frames
    assert RX_COMPLETION.unpack(got.user)["status"] == RxStatus.OK
    text = clear.descriptor["esp_offset"] + ESP_TEXT_OFFSET
    assert got.data[text:len(clear.frame)] == clear.frame[text:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files of a small build."""
    written = tmp_path_factory.mktemp("shipped")
    write_engine(written, BUILD, Console(quiet=True))
    return written


@pytest.mark.engine
@pytest.mark.fixed_seed
@pytest.mark.parametrize("simulator, suffix, flags", [
    ("icarus", "v", []),  # cocotb's default is -g2012
    ("icarus", "v", ["-g2005"]),
    ("icarus", "v", ["-g2009"]),
    ("icarus", "sv", []),
    ("verilator", "v", []),  # which is SystemVerilog to Verilator, as .sv is
])
def test_a_packet_goes_each_way_with_the_flags_of_cocotb(
        folder, simulator, suffix, flags, tmp_path, monkeypatch):
    if simulator == "verilator":
        for name, value in shell_environment().items():
            monkeypatch.setenv(name, value)
        # The later wins. Two packets need no fast code, which takes minutes to compile.
        monkeypatch.setenv("MAKEFLAGS", f"{shell_environment()['MAKEFLAGS']} OPT_FAST=-O0")
    source = tmp_path / f"{NAME}.{suffix}"
    source.write_text((folder / f"{NAME}.v").read_text())
    runner = get_runner(simulator)
    runner.build(sources=[source], hdl_toplevel=NAME, build_dir=tmp_path / "build",
                 build_args=flags, timescale=("1ns", "1ps"))
    results = runner.test(
        test_module=__name__, hdl_toplevel=NAME, build_dir=tmp_path / "build", test_dir=tmp_path,
        extra_env={"ESPNIC_INPUTS": ",".join(
            engine_netlist(choose(BUILD).features, taps=False).inputs)})
    assert "<failure" not in results.read_text() and "<testcase" in results.read_text()
