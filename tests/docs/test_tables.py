"""Tables of the documents are those of the code, links lead somewhere."""

import re

import pytest

from espnic.hdl.layouts import lanes_of
from espnic.hdl.sa.commands import self_test_clocks
from espnic.model.interface.features import WIDTHS
from espnic.sim.cli import app
from espnic.sim.docs.tables import DOCUMENTS, with_tables
from espnic.sim.export import command as export
from espnic.sim.export.command import Request
from espnic.sim.export.ram_bits import ram_bits
from espnic.sim.rig import engine

GUIDE, = DOCUMENTS


def test_tables_are_those_of_layouts_presets_and_figures():
    text = GUIDE.read_text()
    assert text == with_tables(text), "stale: run make docs"
    assert text.count(": make docs -->") == 8


@pytest.mark.slow
@pytest.mark.parametrize("build, request_", [
    ("all parts", Request()), ("`--replay-window 0`", Request(replay_window=0)),
    ("`--no-ipv6`", Request(ipv6=False)), ("`--no-lso`", Request(lso=False)),
    ("`--only rx`", Request(only="rx")), ("`--only tx`", Request(only="tx"))])
def test_block_ram_of_a_build_is_that_of_its_netlist(build, request_):
    netlist = engine.engine_netlist(export.choose(request_).features, taps=False)
    assert f"| {build} | {ram_bits(netlist).deep:,} |" in GUIDE.read_text()


def test_the_clocks_of_a_self_test_are_those_of_the_engine():
    narrow, middle, wide = (self_test_clocks(lanes_of(width)) for width in WIDTHS)
    assert (f"The test takes {narrow} clocks at 128 bits, {middle} at 256 and {wide} at 512"
            in " ".join(GUIDE.read_text().split()))


def test_links_and_pictures_exist():
    links = re.findall(r"\]\(([^)#]+)", GUIDE.read_text())
    assert len(links) > 8
    assert [link for link in links if not (GUIDE.parent / link).exists()] == []


def test_options_named_are_those_of_the_command():
    [verilog] = [command for command in app.registered_commands if command.name == "verilog"]
    known = {name.replace("_", "-") for name in verilog.callback.__annotations__}
    named = set(re.findall(r"`--([a-z0-9-]+)", GUIDE.read_text()))
    assert named and named <= known
