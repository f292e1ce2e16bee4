"""The installed package: every command works outside the checkout, and leaves no file in it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import amaranth
import pytest

from espnic.sim.build import kept_netlists
from espnic.sim.build.cache import cache_directory
from espnic.sim.capture.pcap import read_capture, write_pcap
from tests.support.paths import CAPTURES, PROJECT

pytestmark = pytest.mark.slow

SOURCES = ("espnic", "hdl", "model", "proofs", "sim", "docs")
FRAMES = 6
FIGURES = ("area.md", "bench.json")


class Installed:
    """The package in an environment of its own, with a blank in its path.

    Members
    -------
    packages
        Where it is installed.
    work
        The folder in which its commands run.
    """

    def __init__(self, folder):
        self._bin = folder / "environment" / "bin"
        self.packages = next((folder / "environment").glob("lib/python*/site-packages"))
        self.work = folder / "work"

    def call(self, *command, **environment):
        """Run a program of the environment; gives what it has printed."""
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        clean |= {"ESPNIC_BUILD": str(cache_directory())} | environment
        done = subprocess.run(
            [self._bin / command[0], *map(str, command[1:])], cwd=self.work, env=clean,
            capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return done.stdout

    def files(self):
        """All that lies among its packages, but compiled sources."""
        return {path for path in self.packages.rglob("*") if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A wheel of the sources, built and installed without the network."""
    folder = tmp_path_factory.mktemp("wheel") / "a blank"
    source = folder / "source"
    for name in SOURCES:
        shutil.copytree(PROJECT / name, source / name, symlinks=True,
                        ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source)
    wheel, = folder.glob("espnic-*.whl")
    environment = folder / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    run(*pip, "--python", environment / "bin" / "python", "install", "--no-deps", "--no-index",
        wheel)
    there = Installed(folder)
    # What it depends on comes from the environment of the tests, but not what .pth files add.
    (there.packages / "tests.pth").write_text(str(Path(amaranth.__file__).parents[1]))
    there.work.mkdir()
    packets = read_capture(CAPTURES / "tun4_gcm128.pcap").packets
    write_pcap(there.work / "few.pcap", enumerate(packets[:FRAMES]))
    shutil.copy(CAPTURES / "tun4_gcm128.json", there.work / "few.json")
    files = there.files()
    yield there
    assert there.files() == files


def run(*command):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_package_comes_from_the_wheel(installed):
    where = installed.call("python", "-c", "import espnic; print(espnic.__file__)").strip()
    assert Path(where) == installed.packages / "espnic" / "__init__.py"
    assert (installed.packages / "espnic" / "py.typed").is_file()


def test_package_lacks_what_writes_the_documents_of_a_checkout(installed):
    assert not (installed.packages / "espnic" / "sim" / "docs").exists()


def test_figures_of_the_package_are_those_of_the_documents(installed):
    for name in FIGURES:
        assert (PROJECT / "espnic" / "figures" / name).resolve() == PROJECT / "docs" / name
        packaged = installed.packages / "espnic" / "figures" / name
        assert packaged.read_bytes() == (PROJECT / "docs" / name).read_bytes()


def test_netlists_are_kept_under_the_sources_that_are_installed(installed):
    code = "from espnic.sim.build import kept_netlists; print(kept_netlists._SOURCES.hex())"
    assert installed.call("python", "-c", code).strip() == kept_netlists._SOURCES.hex()


def test_regress_says_that_it_needs_a_checkout(installed):
    assert (installed.packages / "espnic" / "sim" / "regress" / "page.html").is_file()
    with pytest.raises(AssertionError, match="the benches are not installed, expected a checkout"):
        installed.call("espnic", "regress")


def test_run_model_and_compare(installed):
    options = ("--rx", "few.pcap", "--sa", "few.json")
    assert "RTL = model" in installed.call("espnic", "run", *options, "-o", "rtl results")
    installed.call("espnic", "model", *options, "-o", "model results")
    shown = installed.call("espnic", "compare", "rtl results/rtl.trace.jsonl",
                           "model results/model.trace.jsonl")
    assert shown.startswith("equal: ")


@pytest.mark.parametrize("options", [["--model"], []], ids=["model", "rtl"])
def test_life(installed, options):
    assert "delete" in installed.call("espnic", "life", *options)


def test_the_measured_figures_come_with_the_package(installed):
    code = ("from espnic.model.interface.features import ALL;"
            " from espnic.sim.export import figures;"
            " print(figures.rates(ALL, 250) != [], figures.area_of(ALL) is not None)")
    assert installed.call("python", "-c", code).split() == ["True", "True"]


def test_verilog_has_the_version_and_uses_the_cache_of_the_user(installed, tmp_path):
    installed.call(
        "espnic", "verilog", "--only", "tx", "--no-lso", "--sas", 16, "-o", "verilog",
        ESPNIC_BUILD="", XDG_CACHE_HOME="", HOME=str(tmp_path))
    summary = (installed.work / "verilog" / "engine.md").read_text()
    assert summary.startswith("# engine\n\nespnic 0.1.0: 128 bits a beat")
    assert len(list(tmp_path.rglob("espnic/engine-*.json"))) == 1


def test_bench(installed):
    shown = installed.call("espnic", "bench", "--quick", "--width", 128, "--sas", 1,
                           "--mixes", 5, "--json", "bench.json")
    assert "IMIX" in shown and (installed.work / "bench.json").is_file()


def test_synth(installed):
    assert "--target" in installed.call("espnic", "synth", "--help")
    installed.call("espnic", "synth", "seqiv", "--cached")
