"""The quick bench of each block finds the fault of its mutant."""

import re
import subprocess
import sys

import pytest

from tests.support.benched import bench_of
from tests.support.mutants import MUTANTS, project_with
from tests.support.quick import DIFFERS

LIMIT_SECONDS = 300
STALL = re.compile(r"for \d+ clocks$")
"""Ends the line of a bench in which nothing moves any more."""


@pytest.mark.mutants
@pytest.mark.parametrize("block", MUTANTS)
def test_the_quick_bench_finds_the_fault_of_the_mutant(block, tmp_path):
    project = project_with(block, tmp_path)
    module = f"cocotb_tests.{bench_of(f'{block}.py').removesuffix('.py').replace('/', '.')}"
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.quick", module], cwd=project, text=True,
        capture_output=True, timeout=LIMIT_SECONDS)
    print(done.stdout)
    assert done.returncode == DIFFERS, (
        f"a {block} that {MUTANTS[block].fault} passes or cannot be built: {done.stderr}")
    differences = [line for line in done.stdout.splitlines() if ": " in line]
    assert any(not STALL.search(line) for line in differences), "it stalls, and differs nowhere"
