"""Waves: both simulators draw what a viewer reads, and the lists name signals that it has."""

import re
import xml.etree.ElementTree as ElementTree

import pytest
import pywellen

from espnic.hdl.flow.skid import Skid
from espnic.model.interface.features import Features
from espnic.model.trace import POINTS
from espnic.sim.build import simulators
from espnic.sim.build.builds import build, run
from espnic.sim.build.netlist import Netlist, elaborate
from espnic.sim.build.orders import Orders, ordered
from espnic.sim.build.signal_lists import BLOCKS, focus_on, groups, ports_of, write_lists
from espnic.sim.clocks import CLOCK_NS
from espnic.sim.problem import MissingTool
from espnic.sim.regress.wave_picture import picture
from espnic.sim.rig.design import engine_rig
from espnic.sim.rig.engine import engine_netlist

MODULE = "cocotb_tests.flow.test_skid"
TESTCASE = "an_entry_passes_in_its_clock_and_one_waits"


@pytest.fixture
def netlist():
    return elaborate(Skid(77), "skid")


@pytest.fixture(params=["verilator", "icarus"])
def drawn(request, netlist):
    """A run with a wave."""
    return run(build(netlist, request.param, waves=True), module=MODULE, seed=3, testcase=TESTCASE)


@pytest.mark.slow
def test_a_wave_has_every_signal_and_all_bits_that_it_is_wide(drawn):
    assert not drawn.failures
    signals = {each.full_name: each for each in pywellen.Waveform(str(drawn.wave)).all_vars()}
    assert {"skid.clk", "skid.i__payload", "skid.o__valid", "skid.kept"} <= signals.keys()
    assert signals["skid.i__payload"].bitwidth == 77
    clock = [value for _, value in signals["skid.clk"].signal]
    assert len(clock) >= 2 * drawn.cases[0].clocks


@pytest.mark.slow
def test_lists_of_signals_name_what_the_wave_has(drawn, netlist, tmp_path):
    wave = drawn.wave.rename(tmp_path / "wave.fst")
    write_lists(netlist, wave, ["o__"])
    known = {each.full_name for each in pywellen.Waveform(str(wave)).all_vars()}
    surfer = (tmp_path / "wave.sucl").read_text().splitlines()
    added = [line.split()[1] for line in surfer if line.startswith("variable_add ")]
    assert surfer[:2] == ["load_file wave.fst", "divider_add first difference: o__"]
    gtkwave = (tmp_path / "wave.gtkw").read_text()
    assert '[dumpfile] "wave.fst"' in gtkwave
    assert re.findall(r"^skid\.\w+", gtkwave, re.MULTILINE) == added
    assert "skid.i__payload[76:0]" in gtkwave
    assert added[0].startswith("skid.o__") and set(added) <= known
    assert len(added) == len(netlist.ports)


@pytest.mark.slow
def test_the_picture_has_the_values_that_the_edges_take(drawn):
    """Each value that stands in it is one that the wave has for that signal."""
    names = ["clk", "i__payload", "i__valid", "o__payload", "no_such_signal"]
    end = drawn.cases[0].clocks
    root = ElementTree.fromstring(picture(drawn.wave, "skid", names, end))
    assert [text.text for text in root.iter("text") if text.get("class") == "n"] == names[1:4]
    ticks = [int(text.text) for text in root.iter("text") if text.get("class") == "t"]
    assert ticks[0] >= 0 and ticks[-1] < end
    assert all(later - one == 4 for one, later in zip(ticks, ticks[1:], strict=False))
    values = [int(title.text, 16) for title in root.iter("title") if title.text != "x"]
    payloads = [each.signal for each in pywellen.Waveform(str(drawn.wave)).all_vars()
                if each.full_name in ("skid.i__payload", "skid.o__payload")]
    assert values and set(values) <= {
        int(each.value_at(time)) for each in payloads for time in range(0, end * CLOCK_NS, 2)}


def test_the_first_difference_stands_on_top_and_trace_points_below():
    text = "module top(clk, a);\n  wire [7:0] tap_rx_open_payload;\n  wire tap_rx_icv_valid;\n"
    text += "".join(f"  {module} {module} (\n  );\nendmodule\nmodule {module}(clk, o);\n"
                    for module in ("inner", "rx", "core"))
    text += "  input clk;\n  output [3:0] o;\nendmodule\n"
    found = groups(Netlist("top", text, {"clk": 1}, {"a": 4}), focus_on("rx.open"))
    assert found == [
        ("first difference: tap_rx_open, inner.rx.core",
         {"tap_rx_open_payload": 8, "inner.rx.core.o": 4}),
        ("clock and reset", {"clk": 1}), ("ports", {"a": 4}),
        ("trace points", {"tap_rx_icv_valid": 1})]


@pytest.mark.slow
def test_the_blocks_of_the_trace_points_are_those_of_the_engine():
    engine = engine_netlist(Features(128, 16, lso=False, ipv6=False, replay_window=0), taps=True)
    rig = engine_rig(engine).netlist
    assert BLOCKS.keys() == set(POINTS) - {"rx.in", "tx.in"}
    assert {path for path in BLOCKS.values() if not ports_of(rig, path)} == set()


@pytest.mark.slow
def test_a_build_with_waves_is_another_one_and_orders_ask_for_it(netlist):
    plain = build(netlist, "icarus")
    with ordered(Orders(waves=True)):
        ordered_build = build(netlist, "icarus")
    assert ordered_build == build(netlist, "icarus", waves=True)
    assert ordered_build.directory != plain.directory
    assert run(plain, module=MODULE, seed=3, testcase=TESTCASE).wave is None


def test_a_header_that_verilator_lacks_for_waves_is_one_line(monkeypatch):
    monkeypatch.setattr(simulators, "_WAVE_HEADERS", {"no_such_header.h": "liblz4-dev"})
    simulators._require_wave_headers.cache_clear()
    with pytest.raises(MissingTool, match="^waves of verilator: no_such_header.h not found; "
                                          "apt-get install liblz4-dev, or draw with icarus$"):
        simulators.require_tools("verilator", waves=True)
    simulators._require_wave_headers.cache_clear()
    simulators.require_tools("verilator")
