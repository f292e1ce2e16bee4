"""The commands of docs/integration.md, typed as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from espnic.sim.build.cache import cache_directory
from tests.support.paths import PROJECT

GUIDE = PROJECT / "docs" / "integration.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
SLOW = "verilator --binary"
"""The command that takes minutes; what it builds runs in the command after it."""

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def blocks():
    """The blocks of commands of the guide, in order."""
    return BLOCK.findall(GUIDE.read_text())


@pytest.fixture(scope="module")
def shell(tmp_path_factory, blocks):
    """Runs commands of the guide in a folder that is as ``make setup`` leaves it, after the first
    block; gives what they print."""
    folder = tmp_path_factory.mktemp("guide")
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    environment = {name: value for name, value in os.environ.items() if name != "VERILATOR_ROOT"}
    environment |= {"HOME": str(folder), "PYTHONPATH": str(PROJECT),
                    "ESPNIC_BUILD": str(cache_directory())}
    prepare, *others = blocks[0].splitlines()

    def run(*commands):
        script = "\n".join(["set -e", prepare, *commands])
        done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment,
                              capture_output=True, text=True, check=False)
        shown = done.stdout + done.stderr
        assert done.returncode == 0, shown[-3000:]
        return shown

    run(*others)
    *_, enter = others
    return lambda *commands: run(enter, *commands)


@pytest.mark.slow
def test_the_testbench_passes_in_icarus(shell, blocks):
    shown = shell(*[line for line in blocks[1].splitlines() if "erilat" not in line
                    and "obj_dir" not in line])
    assert "PASS first_tb" in shown and "ERROR" not in shown


@pytest.mark.slow
def test_the_testbench_passes_in_verilator(shell, blocks):
    at = next(place for place, line in enumerate(blocks[1].splitlines())
              if line.startswith(SLOW))
    shown = shell(*blocks[1].splitlines()[at:at + 2])
    assert "PASS first_tb" in shown and "ERROR" not in shown and "%Warning" not in shown


@pytest.mark.slow
def test_the_lint_commands_find_nothing(shell, blocks):
    shown = shell(blocks[2])
    assert "%Warning" not in shown and "%Error" not in shown and "WARNING" not in shown


def test_the_example_with_cocotb_passes_in_icarus(shell):
    example, runner = PYTHON.findall(GUIDE.read_text())
    shown = shell(f"cat > test_first.py <<'END'\n{example}END",
                  f"cat > run.py <<'END'\n{runner}END", "python run.py")
    assert "PASS=1 FAIL=0" in shown
