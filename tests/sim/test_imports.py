"""Imports of a command: one that needs the model alone loads neither RTL nor simulator."""

import subprocess
import sys

import pytest

from tests.support.paths import CAPTURES, PROJECT

HEAVY = ("amaranth", "cocotb", "cocotb_test", "cocotbext")
CODE = f"""
import sys
from espnic.sim import cli

try:
    cli.main()
finally:
    print("loaded:", *{{name.split(".")[0] for name in sys.modules}} & {{*{HEAVY}}})
"""


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """The trace that ``espnic model`` writes, and what the command has loaded."""
    folder = tmp_path_factory.mktemp("model")
    capture = CAPTURES / "tun4_gcm128.pcap"
    loaded = call("model", "--rx", capture, "--sa", capture.with_suffix(".json"), "-o", folder)
    return folder / "model.trace.jsonl", loaded


def call(*arguments):
    """Run a command; gives the packages of ``HEAVY`` that it has loaded."""
    done = subprocess.run([sys.executable, "-c", CODE, *map(str, arguments)], cwd=PROJECT,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1].removeprefix("loaded:").split()


def test_model_loads_no_rtl_and_no_simulator(trace):
    assert trace[1] == []


def test_compare_loads_no_rtl_and_no_simulator(trace):
    assert call("compare", trace[0], trace[0]) == []
