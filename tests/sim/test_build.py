"""The netlist of a component, and the cache of its builds."""

import concurrent.futures
import errno
import fcntl
import multiprocessing
import os
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from amaranth.back import verilog
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from espnic.sim.build import simulators
from espnic.sim.build.builds import build, run, simulate
from espnic.sim.build.cache import cache_directory
from espnic.sim.build.netlist import elaborate, merge_equal_modules, shorten_contents
from espnic.sim.build.verilog_text import with_resets_in_registers
from espnic.sim.problem import InputError, MissingTool, SimulationError
from tests.support.paths import PROJECT
from tests.support.rom_checks import ROM

pytestmark = pytest.mark.slow

MODULE = "tests.support.adder_checks"


class Stage(wiring.Component):
    """Adds ``amount`` in one clock."""

    i: In(8)
    o: Out(8)

    def __init__(self, amount):
        self.amount = amount
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.o.eq(self.i + self.amount)
        return m


class Adder(wiring.Component):
    """Adds ``amounts`` one after the other, a clock each."""

    i: In(8)
    o: Out(8)

    def __init__(self, amounts):
        self.amounts = amounts
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        value = self.i
        for amount in self.amounts:
            stage = Stage(amount)
            m.submodules += stage
            m.d.comb += stage.i.eq(value)
            value = stage.o
        m.d.comb += self.o.eq(value)
        return m


class Rom(wiring.Component):
    """A memory that begins with ``contents``, followed by zeros."""

    address: In(range(len(ROM)))
    value: Out(8)

    def __init__(self, contents, depth):
        self.contents = contents
        self.depth = depth
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=8, depth=self.depth, init=self.contents)
        port = memory.read_port(domain="comb")
        m.d.comb += [port.addr.eq(self.address), self.value.eq(port.data)]
        return m


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ESPNIC_BUILD", str(tmp_path))
    return tmp_path


def netlist(*amounts):
    return elaborate(Adder(amounts), "adder")


def folders(cache):
    return sorted(path.name for path in cache.glob("adder-*") if path.is_dir())


def test_netlist_is_the_same_each_time_and_names_no_path():
    assert netlist(1, 2) == netlist(1, 2)
    assert __file__.rsplit("/", 1)[0] not in netlist(1, 2).text


def test_netlist_has_the_ports_of_the_top_with_their_bits():
    assert netlist(1).inputs == {"clk": 1, "i": 8, "rst": 1}
    assert netlist(1).outputs == {"o": 8}


def test_equal_submodules_are_merged():
    assert netlist(1, 1, 1, 2).text.count("endmodule") == 3


def test_parents_of_merged_modules_are_merged():
    text = "".join(
        f"module p{n} (a);\n  \\l{n}  x (\n  );\nendmodule\nmodule \\l{n} (a);\nendmodule\n"
        for n in range(3)
    )
    assert merge_equal_modules(text).count("endmodule") == 2


def test_equal_cells_of_a_memory_become_a_loop():
    """Expected text written by hand; the cell that differs stays as it is."""
    cells = [0, 0, 0, 0, 0, 7, 1, 1]
    lines = "".join(f"    \\m$1 [{n}] = 8'h0{value};\n" for n, value in enumerate(cells))
    text = f"module top(clk);\n  initial begin\n{lines}  end\nendmodule\n"
    assert shorten_contents(text) == (
        "module top(clk);\n  integer \\$index ;\n  initial begin\n"
        "    for (\\$index = 0; \\$index <= 4; \\$index = \\$index + 1) "
        "\\m$1  [\\$index ] = 8'h00;\n"
        "    \\m$1  [5] = 8'h07;\n    \\m$1  [6] = 8'h01;\n    \\m$1  [7] = 8'h01;\n"
        "  end\nendmodule\n"
    )


def test_resets_are_written_beside_the_clock():
    """Expected text written by hand; a process that is not what a register takes stays."""
    process = ("  always @* begin\n    {} = \\$1 ;\n"
               "    if (rst) begin\n      {} = 8'h07;\n    end\n  end\n")
    text = "module top (rst, clk);\n" + "{}" + "endmodule\n"
    assert with_resets_in_registers(text.format(
        process.format("\\$2 ", "\\$2 ") + process.format("x", "x")
        + "  always @(posedge clk)\n    \\o$3  <= \\$2 ;\n"
        + "  always @(posedge clk)\n    free <= \\$4 ;\n")) == text.format(
        "  always @* begin\n    \\$2  = \\$1 ;\n  end\n" + process.format("x", "x")
        + "  always @(posedge clk)\n    if (rst) \\o$3  <= 8'h07;\n    else \\o$3  <= \\$2 ;\n"
        + "  always @(posedge clk)\n    free <= \\$4 ;\n")


class Reset(wiring.Component):
    """A register that counts from 5, and one that no reset changes."""

    o: Out(8)

    def elaborate(self, platform):
        m = Module()
        count, last = Signal(8, init=5), Signal(8, reset_less=True)
        m.d.sync += [count.eq(count + 1), last.eq(count)]
        m.d.comb += self.o.eq(last)
        return m


def test_every_reset_of_a_netlist_is_beside_the_clock():
    text = elaborate(Reset(), "top").text
    assert text.count("if (rst)") == 1
    assert re.search(r"if \(rst\) \S+ +<= 8'h05;\n +else ", text)


@pytest.mark.parametrize("sources", [False, True], ids=["plain", "with sources"])
def test_no_netlist_has_a_vector_without_bits(sources):
    with pytest.raises(ValueError, match="has no bits in the netlist"):
        elaborate(Rom([5], 1), "rom", sources)


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_memory_has_its_first_contents(simulator):
    simulate(Rom(ROM, len(ROM)), name="rom", module="tests.support.rom_checks", simulator=simulator,
             testcase="every_cell_has_its_contents")


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_memory_of_zeros_starts_with_zeros(simulator):
    simulate(Rom([], len(ROM)), name="rom", module="tests.support.rom_checks", simulator=simulator,
             testcase="every_cell_is_zero")


@pytest.mark.parametrize(("contents", "depth"), [
    ([], 2), ([], 20), ([0, 5], 2), ([0, 5], 20), ([5], 20), ([3] * 20, 20)], ids=str)
def test_memory_is_as_if_yosys_had_known_all_of_it(contents, depth):
    rom = Rom(contents, depth)
    whole = verilog.convert(rom, name="rom", emit_src=False, strip_internal_attrs=True)
    assert elaborate(rom, "rom").text == shorten_contents(whole)


def test_table_of_zeros_costs_a_line(cache):
    text = elaborate(Rom([], depth=2**20), "rom").text
    assert f"\\$index <= {2**20 - 1};" in text
    assert len(text) < 2000


def test_merging_keeps_what_the_design_does(cache):
    """The bench expects the sum of all stages, whichever were merged."""
    for amounts in ((1, 1, 1), (1, 2, 1)):
        simulate(
            Adder(amounts), name="adder", module=MODULE, simulator="icarus",
            environment={"STAGES": "3", "SUM": str(sum(amounts))},
        )


def test_equal_netlists_are_built_once(cache, monkeypatch):
    first = build(netlist(1), "icarus")
    monkeypatch.setitem(simulators.BUILDERS, "icarus", None)
    assert build(netlist(1), "icarus") == first


def test_other_netlists_are_built_apart(cache):
    build(netlist(1), "icarus")
    build(netlist(2), "icarus")
    assert len(folders(cache)) == 2


def test_other_flags_are_built_apart(cache, monkeypatch):
    build(netlist(1), "icarus")
    monkeypatch.setattr(simulators, "_ICARUS_FLAGS", ("-g2005", "-DOTHER"))
    build(netlist(1), "icarus")
    assert len(folders(cache)) == 2


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_build_belongs_to_no_python_environment(cache, simulator):
    """Checkouts with environments of their own share it: it is run with the libraries of each."""
    assert not [part for part in simulators.fingerprint() if sys.prefix in part]
    ready = build(netlist(1), simulator)
    program = ready.directory / ("adder.vvp" if simulator == "icarus" else "adder")
    assert str(simulators.COCOTB).encode() not in program.read_bytes()
    result = run(ready, module=MODULE, seed=1, environment={"STAGES": "1", "SUM": "1"})
    assert result.tests and not result.failures


def test_build_that_another_machine_has_made_meanwhile_is_taken(cache, monkeypatch):
    """A network file system may say late that it is there."""
    first = build(netlist(1), "icarus")
    is_dir = Path.is_dir
    late = [False]
    monkeypatch.setattr(Path, "is_dir", lambda path: (
        late.pop() if late and path == first.directory else is_dir(path)))
    assert build(netlist(1), "icarus") == first
    assert not late and [path.name for path in cache.glob("*.partial")] == []


def test_folder_without_locks_is_refused_in_one_line(cache, monkeypatch):
    def refuse(*_arguments):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(InputError, match=r"no locks there \(No locks available\), expected[^\n]*$"):
        build(netlist(1), "icarus")


def test_half_built_folder_is_removed(cache):
    ready = build(netlist(1), "icarus")
    shutil.rmtree(ready.directory)
    partial = ready.directory.with_name(f"{ready.directory.name}.partial")
    partial.mkdir()
    (partial / "rubbish").touch()
    assert not (build(netlist(1), "icarus").directory / "rubbish").exists()
    assert not partial.exists()


def test_two_processes_share_one_build(cache):
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        jobs = [pool.submit(build, netlist(1), "icarus") for _ in range(2)]
        assert len({job.result().directory for job in jobs}) == 1
    assert len(folders(cache)) == 1


def test_build_that_nothing_used_for_long_is_removed(cache):
    unused, used = build(netlist(1), "icarus"), build(netlist(2), "icarus")
    for ready in (unused, used):
        os.utime(ready.directory, (0, 0))
    netlists = [cache / f"adder-{name}.json" for name in ("unused", "used")]
    for path in netlists:
        path.touch()
    os.utime(netlists[0], (0, 0))
    build(netlist(2), "icarus")
    build(netlist(3), "icarus")
    assert not unused.directory.exists() and used.directory.exists()
    assert [path.exists() for path in netlists] == [False, True]


def test_failing_build_shows_the_end_of_its_log(cache):
    good = netlist(1)
    broken = replace(good, text=good.text + "module (;\n")
    with pytest.raises(SimulationError, match=r"(?s)iverilog failed.*syntax error.*build\.log"):
        build(broken, "icarus")
    assert [name for name in folders(cache) if not name.endswith(".partial")] == []


def test_unknown_simulator_is_named(cache):
    with pytest.raises(SimulationError, match="'vcs': expected one of verilator, icarus"):
        build(netlist(1), "vcs")


def test_missing_simulator_is_named(cache, monkeypatch):
    monkeypatch.setenv("PATH", str(cache))
    with pytest.raises(SimulationError, match="icarus: iverilog, vvp not found"):
        build(netlist(1), "icarus")


def test_folder_with_a_blank_is_refused_for_verilator_alone(tmp_path, monkeypatch):
    folder = tmp_path / "a blank"
    monkeypatch.setenv("ESPNIC_BUILD", str(folder))
    simulators.require_tools("icarus")
    with pytest.raises(MissingTool) as caught:
        simulators.require_tools("verilator")
    assert str(caught.value) == (
        f"simulator verilator: {folder}: expected a folder without blanks; set ESPNIC_BUILD to one")


def test_cache_is_in_the_checkout_or_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.delenv("ESPNIC_BUILD", raising=False)
    assert cache_directory() == PROJECT / "build" / "sim"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ESPNIC_BUILD", "here")
    assert cache_directory() == tmp_path / "here"


def test_same_seed_repeats_and_another_differs(cache):
    ready = build(netlist(1), "icarus")

    def seen(seed):
        result = run(
            ready, module=MODULE, seed=seed, testcase="write_seed", environment={"STAGES": "1"},
        )
        return (result.directory / "seed").read_text()

    assert seen(1) == seen(1) != seen(2)


def test_failure_names_the_test_the_seed_and_the_log(cache):
    with pytest.raises(AssertionError) as caught:
        simulate(
            Adder([1]), name="adder", module=MODULE, simulator="icarus", seed=77,
            environment={"STAGES": "1", "SUM": "2"},
        )
    message = str(caught.value)
    assert "adder on icarus, seed 77, 1 of 2 failed" in message
    assert "adds_all_stages: " in message and "run.log" in message


def test_run_without_a_test_is_an_error(cache):
    with pytest.raises(SimulationError, match="no cocotb test nothing ran"):
        simulate(
            Adder([1]), name="adder", module=MODULE, simulator="icarus", testcase="nothing",
        )


def test_run_directory_of_a_good_run_is_removed(cache):
    simulate(
        Adder([1]), name="adder", module=MODULE, simulator="icarus",
        environment={"STAGES": "1", "SUM": "1"},
    )
    assert list((cache / "runs").iterdir()) == []
