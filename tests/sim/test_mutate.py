"""Mutations: each is a change of one place, the benches find a few, and the page has them all."""

import ast
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from espnic.sim.docs import mutations as page
from espnic.sim.mutate import report, table
from espnic.sim.mutate.source import mutated
from tests.support.paths import PROJECT

MUTATIONS = table.load()
NOT_MUTATED = {"flow/distributed_ram"}
"""Files without behaviour: a memory with an attribute for synthesis."""
LEAST = 60
UNCHANGED = ("flow/skid", "full = Signal()", "full = Signal(1)")
"""A change that is none: the netlist is the same."""
BROKEN = ("flow/skid", "full = Signal()", "full = self.nowhere")
FOUND = ("tx/seqiv", "self.sequence ^ self.salt", "self.sequence | self.salt")
END_SECONDS = 60


def table_of(folder, *rows):
    """A table of mutations, as a file."""
    path = folder / "mutations.toml"
    path.write_text("".join(
        f"[[mutation]]\nblock = '{block}'\nfault = 'is wrong'\nright = '{right}'\n"
        f"wrong = '{wrong}'\n" for block, right, wrong in rows))
    return path


@pytest.fixture
def espnic_on(espnic, monkeypatch, tmp_path):
    """Call the command on another table."""
    def call(rows, *arguments):
        monkeypatch.setattr(table, "TABLE", table_of(tmp_path, *rows))
        return espnic("mutate", *arguments)
    return call


@pytest.mark.parametrize(
    "mutation", MUTATIONS, ids=lambda each: f"{each.block}-{each.mutant.fault}")
def test_a_mutation_is_a_change_of_one_place_of_its_file(mutation):
    text = mutated(mutation.block, mutation.mutant)
    assert text != (PROJECT / "hdl" / f"{mutation.block}.py").read_text()
    compile(text, mutation.block, "exec")


def test_every_file_of_the_rtl_has_a_mutation():
    files = {str(path.relative_to(PROJECT / "hdl").with_suffix(""))
             for path in (PROJECT / "hdl").rglob("*.py") if path.name != "__init__.py"}
    assert len(MUTATIONS) >= LEAST
    assert {each.block for each in MUTATIONS} == files - NOT_MUTATED


def test_the_other_benches_of_the_table_exist():
    for each in MUTATIONS:
        for test in each.then:
            path, _, function = test.partition("::")
            functions = {node.name for node in ast.parse((PROJECT / path).read_text()).body
                         if isinstance(node, ast.FunctionDef)}
            assert not function or function.partition("[")[0] in functions, test


def test_page_has_all_mutations_of_the_table_and_nobody_misses_one():
    rows = report.read(page.RESULTS)
    wanted = [{"block": each.block, "fault": each.mutant.fault, "right": each.mutant.right,
               "wrong": each.mutant.wrong} for each in MUTATIONS]
    stale = "stale: run espnic mutate --record docs/mutations.json for what has changed"
    assert [{name: each[name] for name in wanted[0]} for each in rows] == wanted, stale
    assert [each for each in rows if each["found_by"] is None] == []
    for path, text in page.documents().items():
        assert path.read_text() == text, "stale: run make docs"


@pytest.mark.slow
def test_benches_find_mutations_and_the_report_says_which(espnic, tmp_path):
    code, out, said = espnic("mutate", "--block", "flow/skid", "--block", "seqiv", "-j", "2")
    assert (code, said) == (0, "")
    assert "found 2 by the quick bench" in " ".join(out.split())
    rows = json.loads((tmp_path / "out/mutate/report.json").read_text())
    assert [(row["block"], row["found_by"]) for row in rows] == [
        ("flow/skid", "quick bench"), ("tx/seqiv", "quick bench")]
    assert rows[1]["test"] == "tx/test_seqiv.py::test_ivs_in_short"
    assert all(row["difference"] and row["seconds"] > 0 for row in rows)
    assert "| flow/skid |" in (tmp_path / "out/mutate/report.md").read_text()


@pytest.mark.slow
def test_a_mutation_that_nothing_finds_lives_and_is_named(espnic_on, tmp_path):
    code, out, said = espnic_on([UNCHANGED], "--record", "kept.json")
    assert code == 1
    assert said == ("espnic: 1 of 1 mutations live, see out/mutate/report.md; "
                    "the first: flow/skid: is wrong\n")
    assert "flow/skid: is wrong: LIVES" in out
    [row] = report.read(tmp_path / "kept.json")
    assert row["found_by"] is None


@pytest.mark.slow
def test_a_change_that_cannot_be_built_is_not_found_but_no_mutation(espnic_on):
    code, out, said = espnic_on([BROKEN])
    assert code == 1
    assert said.startswith("espnic: flow/skid: is wrong: no mutation, for it breaks the bench: "
                           "flow/test_skid.py::test_entries_leave_the_skid_in_short: ")
    assert said.count("\n") == 1 and "has no attribute 'nowhere'" in said
    assert "BROKEN" in out


@pytest.mark.slow
def test_an_interrupt_ends_the_benches_and_leaves_no_copy(tmp_path):
    begun = subprocess.Popen(
        [sys.executable, "-m", "espnic.sim.cli", "mutate", "--block", "host/registers", "-o",
         str(tmp_path / "out")], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, "ESPNIC_BUILD": str(tmp_path / "build")},
        # A shell lets what it starts in the background ignore SIGINT, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    copies = tmp_path / "build" / "work"
    limit = time.monotonic() + END_SECONDS
    while not list(copies.glob("*/*/record0/events.jsonl")):
        assert time.monotonic() < limit and begun.poll() is None
        time.sleep(0.1)
    begun.send_signal(signal.SIGINT)
    _, said = begun.communicate(timeout=END_SECONDS)
    assert (begun.returncode, said) == (130, "espnic: interrupted\n")
    assert not [path for path in copies.iterdir() if path.is_dir()]
    assert not (tmp_path / "out" / "report.json").exists()


def test_results_are_brought_up_to_date_row_by_row(tmp_path, monkeypatch):
    path = tmp_path / "kept.json"
    rows = [{"block": block, "fault": "was wrong", "right": right, "wrong": wrong,
             "found_by": "quick bench", "test": "t", "case": None}
            for block, right, wrong in (UNCHANGED, FOUND, BROKEN)]
    path.write_text(json.dumps(rows))
    monkeypatch.setattr(table, "TABLE", table_of(tmp_path, FOUND, UNCHANGED))
    kept = json.loads(report.kept(path, [], table.load()))
    assert [(row["block"], row["fault"], row["found_by"]) for row in kept] == [
        ("tx/seqiv", "is wrong", "quick bench"), ("flow/skid", "is wrong", "quick bench")]


@pytest.mark.parametrize(("arguments", "message"), [
    (("--area", "txx"), "--area txx: expected one of engine, flow, frame, gcm, host, layouts, "
                        "lso, rx, sa, tx"),
    (("--block", "skit"), "--block skit: no mutation of that block, expected one that --list "
                          "shows"),
    (("--block", "skid", "--record", "none/here.json"),
     "--record none/here.json: no folder none, expected one that exists"),
])
def test_what_cannot_be_used_is_said_in_one_line(espnic, arguments, message):
    assert espnic("mutate", *arguments) == (2, "", f"espnic: {message}\n")


def test_a_file_that_is_no_record_is_refused(espnic, tmp_path):
    (tmp_path / "other.json").write_text("{}]")
    assert espnic("mutate", "--block", "skid", "--record", "other.json") == (
        2, "", "espnic: other.json: expected results that espnic mutate --record wrote\n")


@pytest.mark.parametrize(("text", "message"), [
    ("mutation = [", "Invalid value"),
    ("[[mutation]]\nblock = 'flow/skid'\nbenhc = 'x'\n",
     "flow/skid: benhc, fault, right, wrong; expected block, fault, right, wrong and maybe bench "
     "and then"),
    ("[[mutation]]\nblock = 'flow/push'\nfault = 'f'\nright = 'a'\nwrong = 'b'\n",
     "flow/push: no cocotb_tests/flow/test_push.py, expected bench to name another"),
])
def test_a_table_that_is_wrong_is_refused_in_one_line(espnic, monkeypatch, tmp_path, text, message):
    path = tmp_path / "mutations.toml"
    path.write_text(text)
    monkeypatch.setattr(table, "TABLE", path)
    code, _, said = espnic("mutate")
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith(f"espnic: cocotb_tests/mutations.toml: {message}")


def test_a_change_that_is_there_twice_or_not_at_all_is_refused(espnic_on):
    code, _, said = espnic_on([("flow/skid", "self.o", "self.i")])
    assert (code, said.count("\n")) == (2, 1)
    assert "changes 'self.o', which is there 4 times, expected once" in said
    twice = espnic_on([UNCHANGED, UNCHANGED])
    assert twice[0] == 2 and "two times flow/skid" in twice[2]


def test_list_says_what_the_mutations_do_wrong_and_tries_none(espnic, tmp_path):
    code, out, _ = espnic("mutate", "--list", "--area", "flow")
    assert code == 0
    assert out.splitlines() == [f"{each.block}: {each.mutant.fault}" for each in MUTATIONS
                                if each.area == "flow"]
    assert not list(tmp_path.iterdir())
