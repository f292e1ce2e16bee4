"""docs/integration.md: its tables are those of the code, its links lead somewhere."""

import re

from sim.cli import app
from sim.integrationdoc import DOCUMENT, with_tables


def test_tables_are_those_of_layouts_presets_and_figures():
    text = DOCUMENT.read_text()
    assert text == with_tables(text), "stale: run python -m sim.integrationdoc"
    assert text.count("<!-- end -->") == 3


def test_links_and_pictures_exist():
    links = re.findall(r"\]\(([^)#]+)", DOCUMENT.read_text())
    assert len(links) > 8
    assert [link for link in links if not (DOCUMENT.parent / link).exists()] == []


def test_options_named_are_those_of_the_command():
    [verilog] = [command for command in app.registered_commands if command.name == "verilog"]
    known = {name.replace("_", "-") for name in verilog.callback.__annotations__}
    named = set(re.findall(r"`--([a-z0-9-]+)", DOCUMENT.read_text()))
    assert named and named <= known
