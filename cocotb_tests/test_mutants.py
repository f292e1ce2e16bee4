"""The quick bench of each block finds the fault of its mutant."""

import os
import subprocess
import sys

import pytest

from espnic.sim.build.cache import cache_directory
from espnic.sim.mutate.source import project_with
from tests.support.benched import bench_of
from tests.support.mutants import MUTANTS
from tests.support.quick import DIFFERS

LIMIT_SECONDS = 300
UNKNOWN = "it contains non-0/1 values"
"""Message of cocotb for a value that is unknown, whatever the bench compares it with."""


@pytest.mark.mutants
@pytest.mark.parametrize("block", MUTANTS)
def test_the_quick_bench_finds_the_fault_of_the_mutant(block, tmp_path):
    project = project_with(block, MUTANTS[block], tmp_path)
    module = f"cocotb_tests.{bench_of(f'{block}.py').removesuffix('.py').replace('/', '.')}"
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.quick", module], cwd=project, text=True,
        capture_output=True, timeout=LIMIT_SECONDS,
        # Builds of mutants are kept with all others, not in the copy of the project.
        env={**os.environ, "ESPNIC_BUILD": str(cache_directory())})
    print(done.stdout)
    assert done.returncode == DIFFERS, (
        f"a {block} that {MUTANTS[block].fault} passes or cannot be built: {done.stderr}")
    assert UNKNOWN not in done.stdout, "the mutant gives unknown values: choose another"
