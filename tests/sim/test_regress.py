"""Regressions: choice, seeds, report, comparison, interrupt; benches of a small project."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest

from espnic.model.trace import TraceRecord
from espnic.sim.build.cache import cache_directory
from espnic.sim.build.orders import Orders, ordered
from espnic.sim.coverage import functional_report
from espnic.sim.coverage.functional import Functional
from espnic.sim.files import own_folder
from espnic.sim.mutate.source import project_with
from espnic.sim.problem import InputError
from espnic.sim.regress import against, command, junit, page
from espnic.sim.regress.command import Request
from espnic.sim.regress.evidence import keep_traces
from espnic.sim.regress.results import load
from espnic.sim.regress.seeds import without_seed
from espnic.sim.regress.selection import Choice
from espnic.sim.traffic.golden import run_model
from espnic.sim.traffic.steps import SIMULATED, RxFrame
from tests.support.mutants import MUTANTS
from tests.support.paths import PROJECT
from tests.support.regressions import Project, bench, project_with_benches, report

FAKE = """
import pytest
from espnic.sim.build.orders import check_simulator, seed_for, widths_for

@pytest.mark.quick
def test_odd_seeds_fail():
    seed = seed_for(2)
    assert seed % 2 == 0, f"item 3 of 9, width 256: RTL {seed}, model 2"

@pytest.mark.quick
@pytest.mark.fixed_seed
def test_own_seed_stays():
    assert seed_for(2) == 2

@pytest.mark.quick
@pytest.mark.parametrize("width", [128, 512])
def test_of_a_width(width):
    pass

@pytest.mark.quick
def test_of_icarus_at_two_widths():
    check_simulator("icarus")
    widths_for([128, 256])

def test_of_some_time():
    pass
"""
REPLAYING = """
import pytest
from espnic.sim.build.orders import current
from espnic.sim.traffic.golden import run_model
from espnic.sim.traffic.steps import SIMULATED, RxFrame, TxFrame

@pytest.mark.quick
@pytest.mark.parametrize("step", [RxFrame(bytes(60)), TxFrame({"operation": 5}, bytes(60))])
def test_replay(step):
    current().cover([step], run_model([step], SIMULATED), SIMULATED)
"""
SLEEPING = """
import time
import pytest

@pytest.mark.quick
def test_a_ends():
    pass

@pytest.mark.quick
def test_b_sleeps():
    time.sleep(600)
"""
EVIDENCE = {
    "place": "port o: item 2 of 2, width 128", "focus": ["w128"], "index": 1,
    "rows": [
        {"place": "item 1", "fields": [
            {"name": "status", "rtl": "OK", "model": "OK", "differs": False}]},
        {"place": "item 2", "fields": [
            {"name": "status", "rtl": "<b>", "model": "NO_SA", "differs": True}]}],
    "packet": {"name": "data", "rtl": "00" * 40 + "ab", "model": "00" * 40 + "cdef"},
}


class Page(HTMLParser):
    """Tags of a page: all are closed in order, and what they hold."""

    EMPTY = {"meta", "rect", "br", "path"}

    def __init__(self, text):
        super().__init__()
        self.open, self.marked, self.links, self.text = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        assert not {"src", "onclick"} & attributes.keys()
        self.links += [attributes["href"]] if "href" in attributes else []
        if tag not in self.EMPTY:
            self.open.append((tag, attributes.get("class")))

    def handle_endtag(self, tag):
        if tag not in self.EMPTY:
            assert self.open.pop()[0] == tag

    def handle_data(self, data):
        self.text.append(data)
        if self.open and self.open[-1] == ("td", "d"):
            self.marked.append(data)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return project_with_benches(tmp_path_factory.mktemp("small"), {"flow/fake": FAKE})


def outcomes(project):
    return {re.sub(r"\[.*", "", each["id"].split("::")[1]): each["outcome"]
            for each in project.results()["benches"]}


# What is chosen

def test_rooms_blocks_and_costs_become_arguments_of_pytest():
    chosen = Choice(("gcm",), ("skid", "rx/parser"), (256,), ("icarus",), ("quick", "slow"))
    chosen.check()
    assert chosen.arguments() == [
        "cocotb_tests/gcm", "cocotb_tests/flow/test_skid.py", "cocotb_tests/rx/test_parser.py",
        "-m", "((quick) or (slow and not engine)) and not mutants",
        "--beat-width", "256", "--on", "icarus"]


@pytest.mark.parametrize("choice, said", [
    (Choice(areas=("cellar",)), "--area cellar: expected one of engine, "),
    (Choice(widths=(64,)), "--width 64: expected one of 128, 256, 512"),
    (Choice(simulators=("vcs",)), "--simulator vcs: expected one of "),
    (Choice(costs=("cheap",)), "--cost cheap: expected one of quick, slow, engine"),
])
def test_a_choice_that_there_is_not_is_one_line(choice, said):
    with pytest.raises(InputError, match=re.escape(said)) as refused:
        choice.check()
    assert "\n" not in str(refused.value)


def test_a_block_without_a_bench_of_its_name_is_one_line():
    with pytest.raises(InputError, match="--block skyd: no bench of that name"):
        Choice(blocks=("skyd",)).arguments()


@pytest.mark.parametrize("request_, said", [
    (Request(Path("x"), Choice(), wave="some"), "--wave some: expected one of fail, all, none"),
    (Request(Path("x"), Choice(), seed=1, seeds=2), "--seed and --seeds: expected one of them"),
])
def test_options_that_cannot_be_are_one_line(request_, said):
    with pytest.raises(InputError, match=said):
        request_.check()


def test_outside_of_a_checkout_one_line_says_so(monkeypatch):
    monkeypatch.setattr(command, "in_checkout", lambda: False)
    with pytest.raises(InputError, match="^regress: the benches are not installed, expected a "
                                         "checkout of the project[^\n]*$"):
        Request(Path("x"), Choice()).check()


def test_a_folder_that_another_call_has_is_refused(tmp_path):
    with own_folder(tmp_path), pytest.raises(InputError, match="another espnic writes there"):
        command.regress(Request(tmp_path, Choice(blocks=("skid",))), None)


@pytest.mark.parametrize("node, name", [
    ("a.py::test_x[seed12]", "a.py::test_x"), ("a.py::test_x[128-seed12]", "a.py::test_x[128]"),
    ("a.py::test_x[seed12-128]", "a.py::test_x[128]"), ("a.py::test_x[128]", "a.py::test_x[128]"),
])
def test_a_bench_has_one_name_for_all_its_seeds(node, name):
    assert without_seed(node) == name


# What is written

def test_junit_has_a_case_for_each_cocotb_test():
    root = ElementTree.fromstring(junit.to_xml(report(
        bench(), bench("rx/test_parser.py::test_parser", "item 1\x1b[0m: RTL 1, model 2"))))
    cases = list(root.iter("testcase"))
    assert [case.get("name") for case in cases] == ["a_first", "a_second/width=128"] * 2
    assert (root.get("tests"), root.get("failures")) == ("4", "1")
    failure, = root.iter("failure")
    assert failure.get("message") == "item 1[0m: RTL 1, model 2"
    assert "--seed 5" in failure.text


def test_json_is_read_back_as_it_was(tmp_path):
    written = report(bench(), bench("rx/test_parser.py::test_parser", "item 1", evidence=EVIDENCE))
    (tmp_path / "old.json").write_text(written.to_json())
    assert load("--against", tmp_path / "old.json") == written


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 0, "benches": []}',
                                  '{"format": 1, "benches": [{"id": 3}]}', '{"format": 1}'])
def test_an_old_report_that_is_none_is_one_line(tmp_path, text):
    (tmp_path / "old.json").write_text(text)
    with pytest.raises(InputError, match="old.json: expected report.json of this espnic regress"):
        load("--against", tmp_path / "old.json")


def test_page_shows_difference_repeat_command_records_and_marks_bytes():
    shown = Page(page.render(report(bench(message="item 2 of 2: RTL <b>, model NO_SA",
                                          evidence=EVIDENCE)), None, Path("record")))
    text = " ".join(" ".join(shown.text).split())
    assert "1 of 1 benches failed" in text
    assert "item 2 of 2: RTL <b>, model NO_SA" in text
    assert "pytest 'cocotb_tests/flow/test_skid.py::test_skid' --seed 5" in text
    assert "Around port o: item 2 of 2" in text and "byte 40 is the first that differs" in text
    assert shown.marked == ["ab", "––", "cd", "ef"]
    assert shown.links == ["record/benches/x/run1.log"]


def test_page_shows_three_failures_of_a_bench_and_lists_the_others():
    failed = [bench(message=f"item {seed}", seed=seed) for seed in range(1, 8)]
    text = " ".join(Page(page.render(report(*failed), None, Path("record"))).text)
    assert text.count("Whole message") == 3 and "4 more seeds fail" in text
    assert all(each.repeat in text for each in failed)


def test_comparison_tells_what_fails_what_passes_and_what_takes_other_clocks():
    names = [f"flow/test_skid.py::test_{letter}" for letter in "abcdefg"]
    before = report(bench(names[0]), bench(names[1], "item 1"), bench(names[2]), bench(names[3]),
                    bench(names[4]), bench("rx/test_parser.py::test_not_asked"))
    now = report(bench(names[0], "item 7: RTL 1, model 2"), bench(names[1]),
                 bench(names[2], clocks=120), bench(names[3], seconds=9.0), bench(names[5]))
    found = {change.bench[-1]: (change.what, change.detail)
             for change in against.changes(now, before)}
    assert found == {
        "a": ("fails now", "item 7: RTL 1, model 2"), "b": ("passes now", "item 1"),
        "c": ("other clocks", "100, now 120"), "d": ("slower", "2.0 s, now 9.0 s"),
        "e": ("gone", ""), "f": ("new", "")}
    assert against.changes(now, now) == []


def test_other_seeds_may_take_other_clocks():
    assert against.changes(report(bench(seed=6, clocks=90)), report(bench(seed=5))) == []


def test_page_shows_the_comparison():
    shown = Page(page.render(report(bench(), complete=False), report(bench(message="item 1")),
                             Path("record")))
    text = " ".join(" ".join(shown.text).split())
    assert "passes now" in text and "Interrupted." in text and "all 1 benches passed" in text


def test_page_shows_the_functional_coverage_with_its_holes():
    functional = Functional()
    steps = [RxFrame(bytes(60)), RxFrame(bytes(61))]
    functional.note(steps, run_model(steps, SIMULATED), SIMULATED)
    shown = Page(page.render(report(bench()), None, Path("record"), functional=functional))
    text = " ".join(" ".join(shown.text).split())
    hit, wanted = functional_report.figures(functional)
    assert 0 < hit < 20 and f"0.1 % : {hit} of {wanted:,} bins hit by 2 frames" in text
    assert "rx.short: 190 holes rx.short: bytes 1, width 128" in text and "170 more" in text
    assert "RX-2 rx.oversize: any" in text
    assert shown.links == ["coverage.json", "holes.json"]
    assert "Functional coverage" not in page.render(report(bench()), None, Path("record"))


def record(packet, point, **fields):
    return TraceRecord(packet, point, fields)


def test_evidence_of_traces_has_the_records_around_and_the_bytes(tmp_path):
    model = [record(1, "rx.in", frame="00ff"), record(1, "rx.out", frame="01"),
             record(1, "tx.in", frame="22"), record(2, "rx.in", frame="0a0b"),
             record(2, "rx.out", frame="0b0c", status="OK")]
    rtl = [*model[:4], record(2, "rx.out", frame="0b0d", status="OK")]
    with ordered(Orders(folder=tmp_path)):
        keep_traces(rtl, model)
    kept = json.loads((tmp_path / "difference.json").read_text())
    assert (kept["place"], kept["focus"]) == (
        "packet 2, rx.out", ["tap_rx_out", "inner.rx.restore"])
    assert [row["place"] for row in kept["rows"]] == [
        "packet 1, rx.in", "packet 1, rx.out", "packet 2, rx.in", "packet 2, rx.out"]
    assert [(each["name"], each["differs"]) for each in kept["rows"][-1]["fields"]] == [
        ("frame", True), ("status", False)]
    assert kept["packet"] == {"name": "frame", "rtl": "0b0d", "model": "0b0c"}
    assert (tmp_path / "rtl.trace.jsonl").is_file() and (tmp_path / "model.trace.pcapng").is_file()


def test_evidence_of_a_field_shows_the_frame_that_both_got(tmp_path):
    model = [record(1, "rx.in", frame="00ff"), record(1, "rx.verdict", status="OK")]
    with ordered(Orders(folder=tmp_path)):
        keep_traces([model[0]], model)
    kept = json.loads((tmp_path / "difference.json").read_text())
    assert kept["packet"] == {"name": "frame", "rtl": "00ff", "model": "00ff"}
    assert kept["rows"][-1]["fields"] == [
        {"name": "status", "rtl": "none", "model": "OK", "differs": True}]


# What runs

@pytest.mark.slow
def test_seeds_are_as_written_without_any_option(small):
    code, shown, complaint = small.regress("--wave", "none")
    assert (code, complaint) == (0, ""), shown
    assert outcomes(small) == {
        "test_odd_seeds_fail": "passed", "test_own_seed_stays": "passed",
        "test_of_a_width": "passed", "test_of_icarus_at_two_widths": "passed"}
    assert len(small.results()["benches"]) == 5 and small.results()["complete"]


@pytest.mark.slow
def test_functional_coverage_of_all_processes_is_gathered(tmp_path):
    project = project_with_benches(tmp_path, {"engine/replays": REPLAYING})
    code, shown, complaint = project.regress("--wave", "none", "-j", 2)
    assert (code, complaint) == (0, ""), shown
    assert "2 frames, 0 commands" in shown
    functional = functional_report.read([project.output / "coverage.json"])
    assert (functional.replays, functional.frames) == (2, 2)
    assert functional.count("rx.short", 60, 128) == 1
    assert functional.count("tx.shape", "bypass", "1-191", "some bytes", 128) == 1
    holes = json.loads((project.output / "holes.json").read_text())
    assert holes == [hole.to_data() for hole in functional.holes()]
    assert "Functional coverage" in (project.output / "report.html").read_text()
    # With the option a call adds to it, without it begins anew.
    for options, replays in ((["--coverage"], 4), ([], 2)):
        assert project.regress("--wave", "none", *options)[0] == 0
        kept = functional_report.read([project.output / "coverage.json"])
        assert kept.replays == replays


@pytest.mark.slow
def test_fresh_seeds_differ_and_the_command_of_a_failure_repeats_it(small):
    code, shown, complaint = small.regress("--wave", "none", "--seeds", 12, "-j", 2)
    assert code == 1 and re.fullmatch(
        r"espnic: 1 of 5 benches failed, see out/regress/report.html\n", complaint)
    runs = [each for each in small.results()["benches"] if "odd_seeds" in each["id"]]
    seeds = {each["seed"] for each in runs}
    assert len(runs) == 12 and len(seeds) == 12
    failed = [each for each in runs if each["outcome"] == "failed"]
    assert {each["seed"] for each in failed} == {seed for seed in seeds if seed % 2}
    said = f"item 3 of 9, width 256: RTL {failed[0]['seed']}, model 2"
    assert said in shown and failed[0]["repeat"] in shown
    assert said in small.repeat(failed[0]["repeat"])
    own, = [each for each in small.results()["benches"] if "own_seed" in each["id"]]
    assert own["seed"] is None


@pytest.mark.slow
@pytest.mark.parametrize("options, left", [
    (["--width", 512], {"test_odd_seeds_fail", "test_own_seed_stays", "test_of_a_width"}),
    (["--simulator", "verilator"],
     {"test_odd_seeds_fail", "test_own_seed_stays", "test_of_a_width"}),
    (["--cost", "slow"], {"test_of_some_time"}),
])
def test_what_is_not_chosen_is_left_out(small, options, left):
    assert small.regress(*options, "--wave", "none")[0] == 0
    assert {name for name, outcome in outcomes(small).items() if outcome == "passed"} == left


@pytest.mark.slow
def test_pytest_draws_a_wave_with_a_seed_and_names_it(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--wave", "--record", tmp_path,
         "--seed", "77", "-rP", "cocotb_tests/flow/test_skid.py", "-m", "quick"],
        cwd=PROJECT, text=True, capture_output=True, check=True,
        env={**os.environ, "ESPNIC_BUILD": str(cache_directory())})
    assert "skid on icarus, seed 77" in done.stdout
    wave = Path(re.search(r"^wave: (.*)$", done.stdout, re.MULTILINE)[1])
    assert wave.is_relative_to(tmp_path) and wave.stat().st_size > 0
    assert wave.with_suffix(".gtkw").is_file() and wave.with_suffix(".sucl").is_file()


@pytest.mark.slow
def test_no_bench_at_all_is_bad_input(small):
    code, _, complaint = small.regress("--cost", "engine")
    assert code == 2 and complaint == (
        "espnic: no bench is of that choice, expected another --cost or --block\n")
    assert not (small.output / "report.json").exists()


def has_started(project, test):
    """Whether a test of this name runs; those that were only collected are named too."""
    events = project.output / "record" / "events.jsonl"
    # The last line may be half written.
    whole = events.read_text().split("\n")[:-1] if events.exists() else []
    return any(event["kind"] == "started" and event["id"].endswith(test)
               for event in map(json.loads, whole))


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_what_was_done_and_no_process(tmp_path, stop):
    project = project_with_benches(tmp_path, {"flow/sleeping": SLEEPING})
    call = subprocess.Popen(
        project.command(), cwd=project.folder, env=project.environment(), text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        # A shell lets what it starts in the background ignore SIGINT, and that is inherited.
        preexec_fn=lambda: signal.signal(stop, signal.SIG_DFL))
    while not has_started(project, "test_b_sleeps"):
        assert call.poll() is None
        time.sleep(0.05)
    children = [int(child) for tasks in Path(f"/proc/{call.pid}/task").glob("*/children")
                for child in tasks.read_text().split()]
    assert children
    call.send_signal(stop)
    assert call.communicate()[1] == "espnic: interrupted\n"
    assert call.returncode == 130
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
    results = project.results()
    assert not results["complete"]
    assert [each["outcome"] for each in results["benches"]] == ["passed"]
    assert "Interrupted." in (project.output / "report.html").read_text()


@pytest.mark.slow
def test_a_block_with_a_fault_is_told_with_its_seed_and_drawn(tmp_path):
    """The mutant loses half a beat of text: block, seed, bytes, wave, and what repeats it."""
    name = "frame/text_restore"
    assert MUTANTS[name].fault.startswith("carries the wrong half")
    project = Project(project_with(name, MUTANTS[name], tmp_path))
    code, shown, complaint = project.regress("--block", name, "--seeds", 2)
    assert code == 1 and "1 of 1 benches failed" in complaint
    results = [each for each in project.results()["benches"] if each["outcome"] == "failed"]
    first = results[0]
    difference = first["evidence"]["place"]
    assert f"FAILED {name}" in shown and f"seed {first['seed']}" in shown
    assert f"{difference}, byte " in shown and first["repeat"] in shown
    assert f"--seed {first['seed']}" in first["repeat"]
    packet = first["evidence"]["packet"]
    assert packet["rtl"] != packet["model"]
    [message] = [case["message"] for case in first["runs"][0]["cases"]]
    assert first["again"] == message.splitlines()[0]
    assert message.splitlines()[0] in project.repeat(first["repeat"])
    # Every link of the page leads to a file, the wave and its lists among them.
    links = Page((project.output / "report.html").read_text()).links
    assert all((project.output / link).is_file() for link in links)
    assert {Path(link).suffix for link in links} == {".log", ".fst", ".gtkw", ".sucl"}
    assert '<svg class="wave"' in (project.output / "report.html").read_text()
