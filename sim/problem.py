"""Errors that stop the command. Each message is for the user."""

from espnic.model.host.safile import SaFileError
from espnic.model.interface.features import WIDTHS
from espnic.model.trace import TraceError


class InputError(Exception):
    """An argument or a file that cannot be used: one line, with what was expected."""


class CaptureError(InputError):
    """A capture that cannot be used."""


class SimulationError(Exception):
    """A build or a run that broke off. The message ends with the end of its log."""


class MissingTool(SimulationError):
    """A simulator, or a tool that it needs, is missing or cannot work. The message is one line."""


class Mismatch(Exception):
    """A difference between RTL and model, or between two traces: one line that says where."""


class Finding(Exception):
    """A fault in a file that was to be examined: one line that says what it is."""


BAD_INPUT = (InputError, SaFileError, TraceError, MissingTool)
"""Errors that the user can mend: other arguments, files or tools."""


def check_width(width: int) -> None:
    """Raise ``InputError`` unless ``width`` is a width of the engine in bits."""
    if width not in WIDTHS:
        raise InputError(f"--width {width}: expected one of {', '.join(map(str, WIDTHS))}")
