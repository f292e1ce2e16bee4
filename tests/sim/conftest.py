"""Shared by the tests of the simulation side."""

import sys

import pytest

from espnic.sim import cli


@pytest.fixture
def espnic(monkeypatch, capsys, tmp_path):
    """Call the command in a folder of its own; gives exit code, output and errors."""
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["espnic", *map(str, arguments)])
        monkeypatch.chdir(tmp_path)
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()
    return call
