"""What happens to the engine from outside: SA commands and frames, in order.

The golden model and the RTL take the same steps and give outcomes of the same form.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from model.codes import SaResult
from model.trace import TraceRecord


@dataclass(frozen=True)
class Command:
    """An SA command, given when every earlier frame has left the engine.

    ``values`` are fields of SA_COMMAND.
    """

    values: dict[str, int]


@dataclass(frozen=True)
class RxFrame:
    """A frame from the wire: Ethernet header first, no FCS."""

    data: bytes


@dataclass(frozen=True)
class TxFrame:
    """A frame from the host, with fields of TX_DESCRIPTOR."""

    descriptor: dict[str, int]
    data: bytes


Step = Command | RxFrame | TxFrame


@dataclass(frozen=True)
class Received:
    """A frame that the host gets, with the fields of RX_COMPLETION."""

    completion: dict[str, int]
    frame: bytes


@dataclass
class Outcome:
    """All that came of a list of steps."""

    results: list[SaResult] = field(default_factory=list)
    """Of each command."""
    received: list[Received] = field(default_factory=list)
    """Frames to the host."""
    sent: list[bytes] = field(default_factory=list)
    """Frames to the wire."""
    trace: list[TraceRecord] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)


def write_steps(path: Path, steps: Iterable[Step]) -> None:
    """Write steps as JSON, for the process that simulates. The file holds the keys."""
    path.write_text(json.dumps([_to_json(step) for step in steps]))


def read_steps(path: Path) -> list[Step]:
    """Read what ``write_steps`` wrote."""
    return [_from_json(value) for value in json.loads(path.read_text())]


def _to_json(step: Step) -> dict:
    match step:
        case Command(values):
            return {"command": values}
        case RxFrame(data):
            return {"rx": data.hex()}
        case TxFrame(descriptor, data):
            return {"tx": data.hex(), "descriptor": descriptor}


def _from_json(value: dict) -> Step:
    match value:
        case {"command": values}:
            return Command(values)
        case {"rx": data}:
            return RxFrame(bytes.fromhex(data))
        case {"tx": data, "descriptor": descriptor}:
            return TxFrame(descriptor, bytes.fromhex(data))
    raise ValueError(f"no step: {value}")
