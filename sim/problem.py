"""What stops the command: each message is for the user and becomes one line."""

from model.safile import SaFileError
from model.trace import TraceError
from sim.build import MissingTool
from sim.pcap import CaptureError


class InputError(Exception):
    """An argument or a file that cannot be used: says which, and what was expected."""


class Mismatch(Exception):
    """RTL and model, or two traces, differ: says where."""


BAD_INPUT = (InputError, SaFileError, TraceError, CaptureError, MissingTool)
