"""Output of ``espnic verilog``: for tools, for software, for people."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from rich.console import Console

from espnic.hdl.sa.lookup import SaLookup
from espnic.hdl.sa.lookup_control import table_bits
from espnic.model.interface.features import FOLDS, WIDTHS, Features, Sbox
from espnic.model.interface.layouts import RX_COMPLETION, TX_DESCRIPTOR
from espnic.model.interface.registers import CAPABILITIES, capabilities
from espnic.sim import ethernet
from espnic.sim.build.netlist import Netlist, elaborate
from espnic.sim.build.simulators import shell_environment
from espnic.sim.build.verilog_text import modules
from espnic.sim.export import command as export
from espnic.sim.export import figures
from espnic.sim.export.command import Request
from espnic.sim.export.ports import interfaces
from espnic.sim.export.presets import PRESETS
from espnic.sim.export.ram_bits import ram_bits
from espnic.sim.export.verilog import WAIVERS, shipped, starting
from espnic.sim.problem import InputError

SAS = 16
TOP = "engine"
BUILDS = {
    "all": Request(sas=SAS),
    "rx": Request(sas=SAS, only="rx", ipv6=False, replay_window=0, fold=4),
    "tx": Request(sas=SAS, only="tx", lso=False, sideband=13, fold=2, sbox="bram"),
    "sideband": Request(sas=SAS, ipv6=False, replay_window=0, sideband=256),
}
"""Builds that between them have every part and every form of the cores, and lack every part that a
build may lack. One is rich in what comes beside the frames."""


@pytest.fixture(scope="module", params=BUILDS)
def written(request, tmp_path_factory):
    """The options of a build and the folder with its files."""
    folder = tmp_path_factory.mktemp(request.param)
    export.write_engine(folder, BUILDS[request.param], Console(quiet=True))
    return BUILDS[request.param], folder


@pytest.mark.slow
def test_fusesoc_lints_the_package_clean_with_verilator(written, tmp_path):
    """FuseSoC resolves the core file, then runs verilator -Wall on engine and example."""
    shown = fusesoc(written[1], tmp_path, "lint")
    assert "%Warning" not in shown and "WARNING" not in shown


def fusesoc(folder, work, target):
    """Output of FuseSoC as it runs a target of the core in ``folder``."""
    done = subprocess.run(
        [Path(sys.executable).parent / "fusesoc", "--cores-root", folder,
         "run", "--target", target, f"espnic:esp:{TOP}"],
        cwd=work, env=shell_environment() | {"HOME": str(work)}, capture_output=True, text=True,
        check=False)
    shown = done.stdout + done.stderr
    assert done.returncode == 0, shown[-3000:]
    return shown


@pytest.mark.engine
def test_the_testbench_of_each_build_passes_in_icarus(written, tmp_path):
    folder = written[1]
    subprocess.run(["iverilog", "-g2012", "-o", tmp_path / "tb", "-s", f"{TOP}_tb",
                    folder / f"{TOP}_tb.v", folder / f"{TOP}.v"], check=True)
    shown = subprocess.run(["vvp", tmp_path / "tb"], capture_output=True, text=True,
                           check=True).stdout
    assert f"PASS {TOP}_tb" in shown and "ERROR" not in shown


@pytest.mark.engine
def test_fusesoc_runs_the_testbench_in_icarus(written, tmp_path):
    assert f"PASS {TOP}_tb" in fusesoc(written[1], tmp_path, "sim")


@pytest.mark.engine
@pytest.mark.slow
def test_fusesoc_runs_the_testbench_in_verilator(tmp_path):
    export.write_engine(tmp_path / "package", BUILDS["tx"], Console(quiet=True))
    assert f"PASS {TOP}_tb" in fusesoc(tmp_path / "package", tmp_path, "sim_verilator")


@pytest.mark.slow
def test_each_waiver_has_its_reason_beside_it(written):
    lines = (written[1] / f"{TOP}.v").read_text().splitlines()
    assert [line for line in lines if "lint_off" in line] == [
        f"/* verilator lint_off {rule} */ // {why}" for rule, why in WAIVERS]


class Constants(wiring.Component):
    """Outputs of processes that read nothing that changes, and of one that copies a register."""

    a: Out(4)
    b: Out(4)
    c: Out(4)

    def elaborate(self, platform):
        m = Module()
        held = Signal(2, init=2)
        m.d.sync += held.eq(held)
        m.d.comb += [self.b[:2].eq(held), self.c.eq(5)]
        with m.If(held == 2):
            m.d.comb += [self.a.eq(3), self.b[2:].eq(1)]
        return m


@pytest.mark.parametrize("standard", ["2005", "2009", "2012"])
def test_processes_run_at_time_0_in_every_version_of_verilog(standard, tmp_path):
    (tmp_path / "held.v").write_text(starting(elaborate(Constants(), "held").text))
    (tmp_path / "tb.v").write_text("""module tb;
        reg clk = 0, rst = 0;
        wire [3:0] a, b, c;
        held dut (.clk(clk), .rst(rst), .a(a), .b(b), .c(c));
        initial #1 $display("%h %h %h", a, b, c);
    endmodule
    """)
    program = tmp_path / "tb"
    subprocess.run(["iverilog", f"-g{standard}", "-o", program, "-s", "tb", "tb.v", "held.v"],
                   cwd=tmp_path, check=True)
    assert subprocess.run([program], capture_output=True, text=True,
                          check=True).stdout.split() == ["3", "6", "5"]


def test_a_process_that_looks_otherwise_is_refused():
    with pytest.raises(ValueError, match="module m: a process that does not look"):
        starting("module m(a);\n  always @*\n    if (a) b = 1;\nendmodule\n")


def test_no_tool_may_put_a_memory_with_an_asynchronous_read_into_block_ram(written):
    """Vivado does when the address is a register, and leaves open what a collision gives."""
    text = (written[1] / f"{TOP}.v").read_text()
    assert sum(1 for _ in asynchronous_memories(text)) > 10
    assert not [name for name, free in asynchronous_memories(text) if free]


@pytest.mark.parametrize("transparent", [False, True])
def test_a_transparent_read_port_is_such_a_memory(transparent):
    m = Module()
    m.submodules.ram = ram = Memory(shape=8, depth=64, init=[])
    top = wiring.Component({"address": In(6), "data": Out(8)})
    write = ram.write_port()
    read = ram.read_port(transparent_for=[write] if transparent else [])
    m.d.comb += [write.en.eq(1), write.addr.eq(top.address), read.addr.eq(top.address),
                 top.data.eq(read.data)]
    top.elaborate = lambda platform: m
    found = list(asynchronous_memories(elaborate(top, "top").text))
    assert found == ([("ram", True)] if transparent else [])


def asynchronous_memories(text):
    """Memories that are written and read without a clock, and whether a tool may choose where."""
    for module in modules(text):
        for memory in module.memories:
            row = rf"(?<!\S){re.escape(memory.written_name)} ?\[[^\]]*(?:\[[\d:]+\])?\]"
            written = re.search(rf"^ +{row} *(?:\[[\d:]+\])? *<= ", module.body, re.MULTILINE)
            read = re.search(rf"^ +assign .*= .*{row}", module.body, re.MULTILINE)
            declared = re.search(rf"((?:^ +\(\*.*\*\)\n)*)^ +reg [^;=]*{row};", module.body,
                                 re.MULTILINE)
            if written and read:
                yield memory.written_name, 'ram_style = "distributed"' not in declared[1]


def test_every_module_and_file_begins_with_the_name_of_the_build():
    netlist = elaborate(SaLookup(16), TOP)
    text = shipped(Netlist(TOP, netlist.text, {}, {"irq": 1}), interfaces(
        Netlist(TOP, "", {}, {"irq": 1})), "left_side", "title")
    names = [module.name for module in modules(text)]
    assert len(names) > 3 and all(name.startswith("left_side.") for name in names[1:])
    assert {each.module for module in modules(text) for each in module.instances} <= set(names)
    assert "\\engine" not in text


@pytest.mark.slow
def test_summary_tells_the_build_and_its_ports(written):
    request, folder = written
    summary = json.loads((folder / f"{TOP}.json").read_text())
    chosen = export.choose(request)
    assert Features(**{name: summary[name] for name in Features.__dataclass_fields__}) \
        == chosen.features
    bits = {port["name"]: port["bits"] for port in summary["ports"]}
    sides = {name.split("_")[2] for name in bits if name.startswith(("s_axis", "m_axis"))}
    assert sides == ({request.only} if request.only else {"rx", "tx"})
    users = {port["name"]: [(part["name"], part["low"], part["bits"]) for part in port["parts"]]
             for port in summary["ports"] if "parts" in port}
    assert users == {name: parts for name, parts in user_parts(request.sideband).items()
                     if name.split("_")[2] in sides}
    for name, parts in users.items():
        assert bits[name] == -(-sum(part[2] for part in parts) // 8) * 8
    for name in bits:
        assert f"| {name} |" in (folder / f"{TOP}.md").read_text()


def user_parts(sideband):
    """Name, lowest bit and width of each part of the ``tuser`` of each stream."""
    below = {"s_axis_tx": [("descriptor", 0, TX_DESCRIPTOR.bits)], "m_axis_tx": [],
             "s_axis_rx": [("bad", 0, 1)], "m_axis_rx": [("completion", 0, RX_COMPLETION.bits)]}
    whole = {f"{name}_tuser": parts + ([("sideband", sum(part[2] for part in parts), sideband)]
                                       if sideband else []) for name, parts in below.items()}
    return {name: parts for name, parts in whole.items() if parts}


@pytest.mark.slow
def test_a_build_that_lacks_parts_has_less_memory(tmp_path):
    console = Console(quiet=True)
    deep = {}
    for name, request in BUILDS.items():
        export.write_engine(tmp_path / name, request, console)
        summary = json.loads((tmp_path / name / f"{TOP}.json").read_text())
        deep[name] = summary["ram_bits"]["deep"]
    # Each direction lacks more than its memories: segments, and look-up keys of IPv6.
    assert deep["rx"] + deep["tx"] < 0.6 * deep["all"]


TWO = """module tb;
    reg clk = 0, rst = 1, arvalid = 0;
    always #1 clk = ~clk;
    wire [31:0] left_data, right_data;
    wire left_valid, right_valid;
    left left (.clk(clk), .rst(rst), .s_axil_araddr(12'h00c), .s_axil_arvalid(arvalid),
               .s_axil_rdata(left_data), .s_axil_rvalid(left_valid), @LEFT@);
    right right (.clk(clk), .rst(rst), .s_axil_araddr(12'h00c), .s_axil_arvalid(arvalid),
                 .s_axil_rdata(right_data), .s_axil_rvalid(right_valid), @RIGHT@);
    initial begin
        repeat (4) @(negedge clk);
        rst = 0;
        arvalid = 1;
        @(negedge clk) arvalid = 0;
        repeat (8) @(negedge clk);
        $display("%b%b %h %h", left_valid, right_valid, left_data, right_data);
        $finish;
    end
endmodule
"""


@pytest.mark.engine
def test_two_builds_live_in_one_design(tmp_path):
    text = TWO
    wanted = ["11"]
    for name, build in (("left", BUILDS["all"]), ("right", BUILDS["rx"])):
        request = replace(build, name=name)
        export.write_engine(tmp_path, request, Console(quiet=True))
        ports = json.loads((tmp_path / f"{name}.json").read_text())["ports"]
        text = text.replace(f"@{name.upper()}@", ", ".join(
            f".{port['name']}({port['bits']}'d0)" for port in ports
            if port["direction"] == "input" and f".{port['name']}(" not in TWO))
        here = capabilities(export.choose(request).features)
        word = sum(here[field.name] << field.low for field in CAPABILITIES[0].fields)
        wanted.append(f"{word:08x}")
    (tmp_path / "tb.v").write_text(text)
    files = [f"{name}{part}.v" for name in ("left", "right") for part in ("", "_example", "_tb")]
    subprocess.run(["iverilog", "-g2012", "-o", "tb", "-s", "tb", "tb.v", *files],
                   cwd=tmp_path, check=True)
    assert subprocess.run(["vvp", "tb"], cwd=tmp_path, capture_output=True, text=True,
                          check=True).stdout.split() == wanted


@pytest.mark.parametrize("name", ["9x", "a-b", "", "module", "logic", "x\n"])
def test_a_name_that_is_no_name_in_verilog_is_refused(name):
    with pytest.raises(InputError, match="--name"):
        export.choose(Request(name=name))


@pytest.mark.parametrize("change", [
    {"sas": 2048}, {"lso": False}, {"ipv6": False}, {"only": "rx"}, {"replay_window": 32},
    {"sent_window": 2048}, {"sideband": 1}])
def test_a_build_has_no_figure_of_another(change):
    chosen = export.choose(Request(**change))
    assert figures.area_of(chosen.features) is None
    there = change.keys() == {"sas"}  # the room in the tables changes no rate
    assert bool(figures.rates(chosen.features, 250.0)) == there
    assert bool(figures.line_clocks(chosen.features)) == there


def test_the_cores_of_a_build_change_its_figures():
    whole = figures.line_clocks(Features())
    folded = export.choose(Request(fold=2, sbox="bram")).features
    assert (folded.fold, folded.sbox) == (2, Sbox.BRAM)
    assert not figures.rates(folded, 250.0)
    assert all(1.99 * whole[line] < clock for line, clock in figures.line_clocks(folded).items())
    assert figures.line_clocks(export.choose(Request(sbox="bram")).features) == whole


def test_memories_are_those_of_the_look_up_table():
    counted = ram_bits(elaborate(SaLookup(512), "sa_lookup"))
    assert (counted.deep, counted.shallow) == (table_bits(512), 0)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_carries_its_line_rate_at_every_size(name):
    preset, chosen = PRESETS[name], export.choose(Request(preset=name))
    assert chosen.features == Features(width=preset.width, sas=preset.sas, fold=preset.fold)
    assert figures.line_clocks(chosen.features)[preset.line] <= chosen.clock_mhz
    assert ethernet.lost_sizes(float(preset.line), preset.width, chosen.clock_mhz) == []
    narrower = [width for width in WIDTHS if width < preset.width]
    for width in narrower:
        assert figures.line_clocks(Features(width=width))[preset.line] > 312.5
    smaller = replace(chosen.features, fold=2 * preset.fold) if preset.fold < max(FOLDS) else None
    assert smaller is None or figures.line_clocks(smaller)[preset.line] > chosen.clock_mhz


def test_the_clock_of_a_line_counts_every_size_of_frame():
    """Also those that were not measured: a frame of 65 bytes has two beats of 512 bits."""
    clocks = figures.line_clocks(Features(width=512))
    assert clocks["100"] == pytest.approx(2 * 100_000 / 8 / (65 + 24)) == pytest.approx(280.9, .001)
    for width, line in product(WIDTHS, figures.LINES):
        clock = figures.line_clocks(Features(width=width))[line]
        assert ethernet.lost_sizes(float(line), width, clock) == []
        assert ethernet.lost_sizes(float(line), width, 0.9999 * clock)


def test_a_row_that_took_more_clocks_than_its_beats_raises_the_clock(tmp_path, monkeypatch):
    slow = {"width": 512, "direction": "rx", "clocks_per_packet": 4.0, "line_mpps": {
        line: ethernet.line_mpps(float(line), 138) for line in figures.LINES}}
    mix = {"width": 512, "direction": "mix"}
    monkeypatch.setattr(figures, "BENCH", tmp_path / "bench.json")
    (tmp_path / "bench.json").write_text(json.dumps([slow, mix]))
    clocks = figures.line_clocks(Features(width=512))
    assert clocks["100"] == pytest.approx(4 * 100_000 / 8 / (138 + 24))


def test_options_override_those_of_a_preset():
    chosen = export.choose(Request(preset="100g", width=256, sas=64, clock_mhz=300.0))
    assert (chosen.features.width, chosen.features.sas, chosen.clock_mhz) == (256, 64, 300.0)


def test_area_is_that_of_the_document_and_else_not_measured(tmp_path, monkeypatch):
    document = tmp_path / "area.md"
    document.write_text("| gcm_core | 128 | xcup | 1 | 2 | 3 | 4 | 5 | 6 | – |\n"
                        "| gcm_core* | 128 | xcup | 2 | 2 | 3 | 4 | 5 | 6 | – |\n"
                        "| sa_lookup | – | xcup | 7 | 2 | 3 | 4 | – | 6 | – |\n"
                        "| engine* | 128 | xcup | 91,234 | 1,000 | 50,000 | 99.5 | 8 | 7 | – |\n")
    monkeypatch.setattr(figures, "AREA", document)
    assert figures.area("engine", 128) == figures.Area(91234, 1000, 50000, 99.5, 8)
    assert figures.area("gcm_core", 128) == figures.Area(2, 2, 3, 4, 5)
    assert figures.area("sa_lookup", None) == figures.Area(7, 2, 3, 4, None)
    assert figures.area("engine", 256) is None
    monkeypatch.setattr(figures, "AREA", tmp_path / "none.md")
    assert figures.area("engine", 128) is None


@pytest.mark.parametrize("width", WIDTHS)
def test_area_and_rates_of_each_width_are_in_the_documents(width):
    assert figures.area("engine", width) is not None
    assert figures.rates(Features(width=width), 250.0)


def test_rates_follow_the_clock():
    at_250, at_125 = (figures.rates(Features(), mhz) for mhz in (250.0, 125.0))
    assert [rate.gbps for rate in at_250] == [2 * rate.gbps for rate in at_125]
    assert at_250[0].size == 64 and at_250[0].clocks == 9


@pytest.mark.parametrize("change, said", [
    ({"preset": "50g"}, "--preset 50g: expected one of 10g, 25g, 40g, 100g"),
    ({"width": 64}, "--width 64: expected one of 128, 256, 512"),
    ({"width": 0}, "--width 0: expected one of 128, 256, 512"),
    ({"sas": 8}, "--sas 8: expected a power of two from 16 to 65536"),
    ({"only": "both"}, "--only both: expected one of rx, tx"),
    ({"replay_window": 100}, "--replay-window 100: expected one of 0, 32, 64"),
    ({"replay_window": 64, "only": "tx"}, "--replay-window 64: with --only tx, expected 0"),
    ({"sent_window": 512}, "--sent-window 512: expected one of 1024, 2048, 4096, 8192, 16384"),
    ({"sent_window": 2048, "only": "rx"}, "--sent-window 2048: with --only rx, expected none"),
    ({"sideband": -1}, "--sideband -1: expected 0 to 256"),
    ({"sideband": 257}, "--sideband 257: expected 0 to 256"),
    ({"fold": 3}, "--fold 3: expected one of 1, 2, 4"),
    ({"sbox": "rom"}, "--sbox rom: expected one of lut, bram"),
    ({"clock_mhz": 0.0}, "--clock-mhz 0.0: expected a finite number above 0"),
    ({"clock_mhz": float("inf")}, "--clock-mhz inf: expected a finite number above 0"),
])
def test_a_bad_option_is_named_with_what_was_expected(change, said):
    with pytest.raises(InputError) as problem:
        export.choose(Request(**change))
    assert str(problem.value).startswith(said)
