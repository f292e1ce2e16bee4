"""The SAs of a replay as its commands and frames leave them, for the functional coverage.

They follow what a trace shows and judge nothing: the comparison of traces does that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from espnic.model.interface.codes import (
    SIDES,
    IcvSize,
    KeySize,
    ReplayWindow,
    SaOperation,
    SaSelect,
)

LIMITS = tuple((limit, unit) for limit in ("soft", "hard") for unit in ("packets", "bytes"))
_SELECTED = {"soft": SaSelect.SOFT, "hard": SaSelect.HARD}


@dataclass(slots=True)
class Sa:
    """An SA of a table."""

    handle: int
    family: int
    encapsulation: str
    """Value of ``ENCAPSULATION``."""
    spi: int
    key: int
    """Bits of its key."""
    icv: int
    """Bytes of its ICV."""
    esn: bool
    window: int
    """Packets of its replay window in the engine; 0: it has none."""
    guarded: bool
    top: int
    """Highest number received or sealed."""
    esn_high: int
    overlap: bool
    limits: dict[tuple[str, str], int]
    set_by: dict[tuple[str, str], str]
    """Name of the command that has set each limit."""
    served: dict[str, int] = field(default_factory=lambda: {"packets": 0, "bytes": 0})
    deleted: bool = False
    told: bool = False
    """Whether the event REPEATED has come for it."""

    @property
    def numbering(self) -> str:
        """Value of ``NUMBERING``."""
        if not self.esn:
            return "32 bits"
        return "window" if self.window else "told"


class Sas:
    """Both tables of SAs."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[int, Sa]] = {side: {} for side in SIDES}

    def get(self, side: str, handle: int) -> Sa | None:
        """The SA of a handle, deleted or not."""
        return self._tables[side].get(handle)

    def command(self, values: Mapping[str, int]) -> None:
        """Follow a command whose result was OK."""
        side, handle = SIDES[values.get("direction", 0)], values.get("sa", 0)
        table = self._tables[side]
        match values["operation"]:
            case SaOperation.ADD:
                table[handle] = _added(values, handle)
            case SaOperation.DELETE:
                table[handle].deleted = True
            case SaOperation.FREE:
                del table[handle]
            case SaOperation.FLUSH:
                for each in self._tables.values():
                    each.clear()
            case SaOperation.MODIFY:
                _modify(table[handle], values)


def _added(values: Mapping[str, int], handle: int) -> Sa:
    get = values.get
    return Sa(
        handle=handle,
        family=6 if get("ipv6", 0) else 4,
        encapsulation="udp" if get("encapsulation", 0) else "none",
        spi=get("spi", 0),
        key=8 * KeySize(get("key_size", 0)).bytes,
        icv=IcvSize(get("icv_size", 0)).bytes,
        esn=bool(get("esn", 0)),
        window=ReplayWindow(get("replay_window", 0)).packets,
        guarded=not get("unguarded", 0),
        top=get("sequence", 0),
        esn_high=get("esn_high", 0),
        overlap=bool(get("esn_overlap", 0)),
        limits={key: get("_".join(key), 0) for key in LIMITS},
        set_by=dict.fromkeys(LIMITS, "ADD"),
    )


def _modify(sa: Sa, values: Mapping[str, int]) -> None:
    select = values.get("select", 0)
    if select & SaSelect.ESN:
        sa.esn_high, sa.overlap = values.get("esn_high", 0), bool(values.get("esn_overlap", 0))
    for key in LIMITS:
        if select & _SELECTED[key[0]]:
            sa.limits[key] = values.get("_".join(key), 0)
            sa.set_by[key] = "MODIFY"
