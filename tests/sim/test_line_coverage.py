"""Lines and toggles of the RTL: where they come from, how they are counted, merged and shown."""


import re

import pytest
from amaranth.hdl import Const, Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from espnic.hdl.flow.queue import Queue
from espnic.sim.build.builds import build, simulate
from espnic.sim.build.netlist import elaborate
from espnic.sim.build.orders import Orders, ordered
from espnic.sim.build.sources import places_of
from espnic.sim.coverage import lines
from espnic.sim.coverage.line_exclusions import exclusions
from espnic.sim.coverage.line_summary import NEVER, NOT_BUILT, summarise
from espnic.sim.coverage.lines import load, take
from espnic.sim.coverage.points import Points, SignalName, Toggles, read_points
from espnic.sim.coverage.statements import conditional_statements
from espnic.sim.problem import InputError
from espnic.sim.regress import page
from espnic.sim.regress.command import Request
from espnic.sim.regress.selection import Choice
from tests.support.paths import PROJECT
from tests.support.regressions import bench, project_with_benches, report

QUEUE = "hdl/flow/queue.py"
HEAD_MOVES = "head.eq(Mux(head == rows - 1, 0, head + 1))"
TAIL_MOVES = "tail.eq(Mux(tail == rows - 1, 0, tail + 1))"
PAIR = data.StructLayout({"low": 1, "high": 2})


def line_with(path, text):
    """Number of the only line of a file that has a text."""
    found = [number for number, line in enumerate(
        (PROJECT / path).read_text().splitlines(), 1) if text in line]
    assert len(found) == 1, f"{path} has {len(found)} lines with {text}"
    return found[0]


class Branches(wiring.Component):
    """A block with a statement in each kind of branch; marks tell the lines."""

    a: In(2)
    x: Out(4)
    y: Out(4)
    pair: Out(PAIR)

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.y[0].eq(self.a[0])  # unconditional
        with m.If(self.a == 3):
            m.d.sync += self.x.eq(1)  # if
        with m.Elif(self.a[0]):
            m.d.sync += self.pair.eq(self.a)  # elif
        with m.Else(), m.Switch(self.a):
            with m.Case(0, 1):
                m.d.sync += [
                    self.x.eq(3),  # case one
                    self.pair.low.eq(1),  # case two
                ]
            with m.Default():
                m.d.comb += self.y[1].eq(1)  # default
        with m.If(Const(1)):
            m.d.comb += self.y[2].eq(1)  # constant
        with m.FSM():
            with m.State("A"), m.If(self.a[1]):
                m.next = "B"  # step
            with m.State("B"):
                m.next = "A"  # back
        return m


MARKS = ("# if", "# elif", "# constant", "# case one", "# case two", "# default", "# step",
         "# back")


def test_each_statement_under_a_condition_is_at_its_line():
    places = places_of(elaborate(Branches(), "branches", sources=True).text)
    path = "tests/sim/test_line_coverage.py"
    assert {place for case in places.cases.values() for place in case} == {
        f"{path}:{line_with(path, f'  {mark}')}" for mark in MARKS}


def test_signals_are_at_their_lines_and_structures_are_their_fields():
    signals = places_of(elaborate(Branches(), "branches", sources=True).text).signals.values()
    path = "tests/sim/test_line_coverage.py"
    names = {signal.name: signal.place for signal in signals}
    assert names["x"] == f"{path}:{line_with(path, 'x: Out(' + '4)')}"
    assert {"pair.low", "pair.high", "fsm_state"} <= names.keys()
    assert not {"pair", "clk", "rst"} & names.keys()


def test_a_netlist_without_sources_has_no_places():
    places = places_of(elaborate(Branches(), "branches").text)
    assert not places.cases and not places.signals


def test_places_are_relative_to_the_project():
    text = elaborate(Queue(4, 4), "queue", sources=True).text
    assert f'"{QUEUE}:' in text
    assert str(PROJECT) not in text


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "coverage"


def count(folder, testcase, depth=4):
    """Run one cocotb test on a queue, and add what it reaches to a folder."""
    with ordered(Orders(coverage=folder,
                        watch=lambda run: take(run.counts, run.built.netlist, folder))):
        simulate(Queue(4, depth), name="queue", module="tests.support.queue_checks",
                 simulator="icarus", testcase=testcase)


@pytest.mark.slow
def test_a_branch_never_taken_is_a_hole_at_its_line_until_a_run_takes_it(folder):
    """Lines as the source has them: a queue that is only filled never reads."""
    count(folder, "entries_enter")
    summary = summarise(load(folder))
    taken = {line_with(QUEUE, "level.eq(level + 1), readable"),
             line_with(QUEUE, TAIL_MOVES)}
    never = {line_with(QUEUE, "level.eq(level - 1), readable"),
             line_with(QUEUE, HEAD_MOVES)}
    holes = [hole for hole in summary.holes if hole.what == NEVER]
    assert {hole.place for hole in holes} == {f"{QUEUE}:{line}" for line in never}
    assert all("m.d.sync" in hole.text for hole in holes)
    elsewhere = [hole for hole in summary.holes if hole.what == NOT_BUILT]
    """Lines of a queue in block RAM."""
    assert summary.total.hit == len(taken)
    assert summary.total.lines == len(taken | never) + len(elsewhere)
    quiet = {hole.what for hole in summary.files[0].quiet}
    assert {"readable: never falls", "head: never change 1:0"} <= quiet

    count(folder, "entries_leave")
    merged = load(folder)
    assert merged.runs == 2
    assert {hole.what for hole in summarise(merged).holes} == {NOT_BUILT}
    toggles = merged.files[QUEUE].signals[f"{line_with(QUEUE, 'readable = Signal()')} readable"]
    assert toggles == Toggles(1, 1, 1)


@pytest.mark.slow
def test_builds_with_and_without_coverage_are_apart(folder):
    queue = Queue(4, 4)
    plain, counting = (build(elaborate(queue, "queue", sources), "verilator")
                       for sources in (False, True))
    assert plain.directory != counting.directory
    assert "casez" not in (plain.directory / "queue.v").read_text()
    assert "casez" in (counting.directory / "queue.v").read_text()
    makefile = "Vtop_classes.mk"
    assert "VM_COVERAGE = 0" in (plain.directory / makefile).read_text()
    assert "VM_COVERAGE = 1" in (counting.directory / makefile).read_text()


NETLIST = elaborate(Branches(), "branches", sources=True)
HEAD = "# SystemC::Coverage-3\n"


def point(count=3, **key):
    return "C '" + "".join(f"\x01{name}\x02{value}" for name, value in key.items()) + f"' {count}\n"


def test_counts_of_a_line_are_added(tmp_path):
    at, (place, *_) = next(iter(places_of(NETLIST.text).cases.items()))
    counts = tmp_path / "coverage.dat"
    counts.write_text(HEAD + point(3, l=at, t="line", o="case") + point(4, l=at, t="line", o="case")
                      + point(9, l=at, t="line", o="block") + point(9, l=1, t="line", o="case"))
    assert read_points(counts, NETLIST).lines == {place: 7}


def test_bits_of_a_signal_rise_and_fall(tmp_path):
    at, signal = next((at, each) for at, each in places_of(NETLIST.text).signals.items()
                      if each.name == "x")
    counts = tmp_path / "coverage.dat"
    counts.write_text(HEAD + "".join(
        point(seen, l=at, t="toggle", o=f"x[{bit}]:{way}")
        for bit, way, seen in ((0, "0->1", 2), (0, "1->0", 1), (3, "0->1", 5), (3, "1->0", 0))))
    assert read_points(counts, NETLIST).signals == {
        SignalName(signal.place, "x"): Toggles(4, 0b1001, 0b0001)}


@pytest.mark.parametrize(("text", "line"), [
    ("", 1), ("# lcov\n", 1), (HEAD + "D x\n", 2), (HEAD + "C 'l' 3\n", 2),
    (HEAD + point(t="line", o="case"), 2), (HEAD + point(l="x", t="line", o="case"), 2),
    (HEAD + point(l=3, t="line", o="case").replace(" 3\n", " many\n"), 2),
    (HEAD + point(l=3, t="line", o="case") + "C '\x01l\x02", 3),
], ids=range(8))
def test_a_file_that_is_not_verilators_is_refused_with_its_line(tmp_path, text, line):
    counts = tmp_path / "coverage.dat"
    counts.write_text(text)
    with pytest.raises(InputError, match=rf"coverage\.dat:{line}: expected .*Verilator") as refused:
        read_points(counts, NETLIST)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 0}', '{"format": 1, "runs": 1}',
                                  '{"format": 1, "runs": 1, "files": {"a": {}}}'])
def test_a_kept_file_that_is_none_is_refused(folder, text):
    folder.mkdir()
    (folder / lines.NAME).write_text(text)
    with pytest.raises(InputError, match=r"lines\.json: expected coverage"):
        load(folder)


def points_of(line, count=1):
    return Points({f"{QUEUE}:{line}": count})


def test_counts_of_a_file_that_has_changed_go(folder):
    counts = lines.Counts()
    counts.add("queue-1", points_of(7))
    counts.files[QUEUE].digest = "of another version"
    assert not counts.current().files
    counts.add("queue-1", points_of(8))
    assert counts.files[QUEUE].lines == {"8": {"queue-1": 1}}


def test_a_line_reached_in_one_netlist_is_reached():
    counts = lines.Counts()
    counts.add("queue-1", points_of(7, 0))
    counts.add("queue-2", points_of(7, 4))
    assert counts.files[QUEUE].lines == {"7": {"queue-1": 0, "queue-2": 4}}
    assert counts.files[QUEUE].reached(7)


def test_what_stands_outside_of_the_rtl_does_not_count():
    counts = lines.Counts()
    counts.add("bench-1", Points({"tests/sim/test_line_coverage.py:1": 1, "hdl/gone.py:1": 1}))
    assert not counts.files


def test_statements_under_a_condition_are_found_in_the_source():
    source = "\n".join((
        "x.eq(0)", "with m.If(a):", "    m.d.comb += x.eq(", "        1)", "    with m.FSM():",
        "        m.next = 'A'", "    def later():", "        x.eq(2)", "with m.FSM():",
        "    x.eq(3)", "with open(a):", "    x.eq(4)"))
    assert conditional_statements(source) == [range(3, 5), range(6, 7)]


def test_a_statement_that_is_in_no_netlist_is_a_hole():
    counts = lines.Counts()
    counts.add("queue-1", points_of(line_with(QUEUE, TAIL_MOVES)))
    holes = summarise(counts).holes
    assert {hole.what for hole in holes} == {NOT_BUILT}
    assert f"{QUEUE}:{line_with(QUEUE, HEAD_MOVES)}" in {
        hole.place for hole in holes}


def test_each_exclusion_fits_one_place_and_has_a_reason():
    """Raises for an entry that does not."""
    assert len({(each.file, each.line) for each in exclusions()}) == len(exclusions())


LISTED = 'exclusions = [{{ file = "{file}", text = """{text}""", reason = "{reason}" }}]'


@pytest.mark.parametrize(("file", "text", "reason", "complaint"), [
    (QUEUE, "m = Module()", "x", None), (QUEUE, "def elaborate(self, platform):\nm = Module()",
                                         "x", None),
    (QUEUE, "m = Modul", "x", "0 places"), (QUEUE, "m.d.comb += [", "x", "2 places"),
    (QUEUE, "m = Module()", " ", "each a text"), ("hdl/none.py", "x", "x", "no file"),
])
def test_an_exclusion_that_fits_no_place_or_two_is_refused(tmp_path, file, text, reason, complaint):
    listed = tmp_path / "list.toml"
    listed.write_text(LISTED.format(file=file, text=text, reason=reason))
    if complaint:
        with pytest.raises(InputError, match=rf"list\.toml: exclusion 1: .*{complaint}"):
            exclusions(listed)
    else:
        assert [each.line for each in exclusions(listed)] == [line_with(QUEUE, "m = Module()")]


def counted_page(monkeypatch, tmp_path):
    """A page of a queue with one line that was reached, one excluded, and one that was not."""
    listed = tmp_path / "list.toml"
    listed.write_text(LISTED.format(file=QUEUE, text=f"m.d.sync += {TAIL_MOVES}",
                                    reason="for a test"))
    monkeypatch.setattr("espnic.sim.coverage.line_summary.exclusions", lambda: exclusions(listed))
    counts = lines.Counts(12)
    grows = line_with(QUEUE, "level.eq(level + 1), readable")
    counts.add("queue-1", Points(
        {f"{QUEUE}:{grows}": 5, f"{QUEUE}:{grows + 2}": 0},
        {SignalName(f"{QUEUE}:70", "level"): Toggles(6, 0b111, 0b011)}))
    return page.render(report(bench()), None, tmp_path, summarise(counts))


def test_the_page_lists_holes_exclusions_and_quiet_bits(monkeypatch, tmp_path):
    text = " ".join(counted_page(monkeypatch, tmp_path).split())
    never = line_with(QUEUE, "level.eq(level - 1), readable")
    assert f'{QUEUE}:{never}</span> <span class="bad">never</span>' in text
    assert "for a test" in text
    assert "level: never change 5:3; change once 2" in text
    assert "13 runs reached" in text


def test_the_page_of_a_regression_without_coverage_says_nothing_of_it():
    assert "Lines and toggles" not in page.render(report(bench()), None, PROJECT)


BENCH = """
import cocotb
import pytest

from espnic.hdl.flow.queue import Queue
from espnic.sim.agents.stream import StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate


@cocotb.test()
async def entries_enter(dut):
    await start_clock_and_reset(dut)
    source = StreamSource(dut, "i")
    source.send(5, 10)
    await source.drained()


@pytest.mark.quick
@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_queue(simulator):
    simulate(Queue(4, 4), name="queue", module=__name__, simulator=simulator)
"""


@pytest.mark.slow
def test_a_regression_keeps_coverage_and_shows_it(tmp_path):
    """Bench of two simulators, which runs once a call."""
    project = project_with_benches(tmp_path, {"flow/queue": BENCH})
    never = f"{QUEUE}:{line_with(QUEUE, HEAD_MOVES)}"
    for calls in (1, 2):
        code, output, complaint = project.regress("--coverage")
        assert (code, complaint) == (0, "")
        assert re.search(rf"lines +2 of 6 reached in {calls} runs? ", output)
        assert never in (project.output / page.NAME).read_text()
        assert load(project.output / "coverage").runs == calls


def test_coverage_on_icarus_is_refused(tmp_path):
    with pytest.raises(InputError, match="Verilator alone"):
        Request(tmp_path, Choice(simulators=("icarus",)), coverage=True).check()
