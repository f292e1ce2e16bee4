"""Steps: the SA commands and frames that the engine gets, in order, and the outcome.

The golden model and the RTL take the same steps and give outcomes of the same form.
"""

from dataclasses import dataclass, field

from espnic.model.interface.codes import SIDES, SaResult
from espnic.model.interface.features import SAS, Features
from espnic.model.trace import TraceRecord

SIMULATED_SAS = 2 * SAS
"""Size of each SA table of the engine in most simulations: room for 1,024 SAs, for handle 0 has
none."""

SIMULATED = Features(sas=SIMULATED_SAS, sideband=37)
"""Features of the engine in most simulations, but for its width: all that there is. One build of a
width serves them all."""


@dataclass(frozen=True)
class Command:
    """An SA command, given when every earlier frame has left the engine.

    ``values`` are fields of SA_COMMAND.
    """

    values: dict[str, int]


@dataclass(frozen=True)
class Ports:
    """The UDP ports of ESP, set when every earlier frame has left the engine."""

    numbers: tuple[int, ...]


@dataclass(frozen=True)
class RxFrame:
    """A frame from the wire, from the Ethernet header on, without FCS."""

    data: bytes
    bad: bool = False
    """The MAC has found the frame bad."""
    sideband: int = 0
    """Bits beside the frame, in a build with a sideband."""
    null_end: bool = False
    """After its bytes, whole beats, comes a last beat without any."""


@dataclass(frozen=True)
class TxFrame:
    """A frame from the host, with fields of TX_DESCRIPTOR."""

    descriptor: dict[str, int]
    data: bytes
    sideband: int = 0
    """Bits beside the frame, in a build with a sideband."""


Step = Command | Ports | RxFrame | TxFrame


@dataclass(frozen=True)
class Received:
    """A frame that the host gets, with the fields of RX_COMPLETION."""

    completion: dict[str, int]
    frame: bytes


@dataclass
class Outcome:
    """All that a list of steps led to."""

    results: list[SaResult] = field(default_factory=list)
    """Result of each command."""
    received: list[Received] = field(default_factory=list)
    """Frames to the host."""
    sent: list[bytes] = field(default_factory=list)
    """Frames to the wire."""
    sidebands: dict[str, list[int]] = field(
        default_factory=lambda: {side: [] for side in SIDES})
    """Sideband of each frame that has left, by side."""
    trace: list[TraceRecord] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    in_flight: list[int] = field(default_factory=list)
    """Number of earlier frames that had no verdict yet when the replay window of a frame's SA was
    read, for each frame from the wire. Only hardware has such frames."""

    def sent_by_request(self) -> dict[int, list[bytes]]:
        """The frames to the wire by the number of their request, from 1; none that was refused."""
        sent: dict[int, list[bytes]] = {}
        for record in self.trace:
            if record.point == "tx.out":
                sent.setdefault(record.packet, []).append(bytes.fromhex(record.fields["frame"]))
        return sent
