"""Calls of the command in the process of a test."""

import sys

from espnic.sim import cli


def caller(monkeypatch, capsys, *command):
    """A function that calls ``espnic`` with ``command`` and its own arguments.

    It gives exit code, output and complaint.
    """

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["espnic", *command, *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call
