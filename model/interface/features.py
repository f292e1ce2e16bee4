"""The parts that a build of the engine has."""

from dataclasses import dataclass
from enum import StrEnum

from espnic.model.interface.codes import ReplayWindow
from espnic.model.interface.layouts import HANDLE_BITS

WIDTHS = (128, 256, 512)
"""Widths that a build's datapath can have, in bits."""
SIDEBAND_MAX = 256
"""Bits of the widest sideband."""
WINDOW_MAX = 4096
WINDOWS = tuple(size.packets for size in ReplayWindow if size.packets <= WINDOW_MAX)
"""Sizes that the largest replay window of a build can have, in packets; 0: the build has none."""
SENT_WINDOWS = tuple(1024 << step for step in range(5))
"""Sizes that a build can have for the window of sealed numbers of a transmit SA."""
FOLDS = (1, 2, 4)
"""Clocks in which the AES-GCM core of a build can take a beat."""
SAS = 1024
"""Size of each SA table, unless said otherwise."""
SAS_MIN = 2
SAS_MAX = 1 << HANDLE_BITS


class Sbox(StrEnum):
    """Place of the S-boxes of a build's AES rounds."""

    LUT = "lut"
    BRAM = "bram"


@dataclass(frozen=True)
class Features:
    """Width, size and parts of an engine. Raises ``ValueError`` for what cannot be built."""

    width: int = 128
    """Width of the datapath in bits: 128, 256 or 512."""
    sas: int = SAS
    """Size of each SA table, a power of two from 2 to 65,536; handles are 1 to ``sas`` - 1."""
    lso: bool = True
    """Cut super-frames into segments."""
    ipv6: bool = True
    """IPv6 as the outer protocol."""
    receive: bool = True
    """The receive path."""
    transmit: bool = True
    """The transmit path."""
    replay_window: int = 128
    """Packets of the largest replay window: 32 to 4,096, or 0 for none."""
    sent_window: int = SENT_WINDOWS[0]
    """Numbers of each transmit SA, from the highest sealed down, of which the engine knows whether
    it sealed them: a power of two from 1,024 to 16,384."""
    sideband: int = 0
    """Bits, up to 256, that come with a frame and leave with it, for tags, ports or timestamps."""

    fold: int = 1
    """Clocks in which the AES-GCM cores take a beat: 1, 2 or 4. The core that needs more of them is
    smaller."""
    sbox: Sbox = Sbox.LUT
    """S-boxes of the AES rounds in LUTs or in block RAM."""

    def __post_init__(self) -> None:
        if self.width not in WIDTHS:
            raise ValueError(f"width: {self.width!r}, expected one of {WIDTHS}")
        if not SAS_MIN <= self.sas <= SAS_MAX or self.sas & self.sas - 1:
            raise ValueError(
                f"sas: {self.sas!r}, expected a power of two from {SAS_MIN} to {SAS_MAX}")
        if self.replay_window not in WINDOWS:
            raise ValueError(f"replay_window: {self.replay_window!r}, expected one of {WINDOWS}")
        if self.sent_window not in SENT_WINDOWS:
            raise ValueError(f"sent_window: {self.sent_window!r}, expected one of {SENT_WINDOWS}")
        if not 0 <= self.sideband <= SIDEBAND_MAX:
            raise ValueError(f"sideband: {self.sideband!r}, expected 0 to {SIDEBAND_MAX}")
        if self.fold not in FOLDS:
            raise ValueError(f"fold: {self.fold!r}, expected one of {FOLDS}")
        if not self.receive and not self.transmit:
            raise ValueError("receive, transmit: neither, expected one of them at least")
        if self.lso and not self.transmit:
            raise ValueError("lso: without transmit, expected it off")
        if self.replay_window and not self.receive:
            raise ValueError("replay_window: without receive, expected 0")


ALL = Features()
"""A build with all parts."""
