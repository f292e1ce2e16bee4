"""Bins of the functional coverage that SA commands hit, and those of limits."""

from collections.abc import Mapping
from typing import Protocol

from espnic.model.interface.codes import (
    SELECT_MAX,
    SIDES,
    EventKind,
    IcvSize,
    KeySize,
    ReplayWindow,
    SaOperation,
    SaResult,
    SaSelect,
)
from espnic.model.interface.features import Features
from espnic.sim.coverage.bins import SELECT, Value
from espnic.sim.coverage.functional_sas import LIMITS, Sa, Sas

_OPERATIONS = {int(operation): operation.name for operation in SaOperation}
_KEPT = {("rx", False): "software", ("rx", True): "window"}


class Hit(Protocol):
    """Counts a hit of a bin, which has a value for each dimension of its cross."""

    def __call__(self, cross: str, *values: Value) -> None: ...


def use(hit: Hit, side: str, sa: Sa, packets: int, text_bytes: int) -> None:
    """Let an SA serve packets and bytes of text; hit the bins of the limits that this reaches."""
    before = dict(sa.served)
    sa.served["packets"] += packets
    sa.served["bytes"] += text_bytes
    reached = {"soft": False, "hard": False}
    for (limit, unit), value in sa.limits.items():
        if before[unit] < value <= sa.served[unit]:
            reached[limit] = True
            how = "exactly" if value == sa.served[unit] else "beyond"
            hit("sa.limit", side, limit, unit, sa.set_by[limit, unit], how)
    for limit, kind in (("soft", EventKind.SOFT_LIMIT), ("hard", EventKind.HARD_LIMIT)):
        if reached[limit] and not _was_reached(sa, limit, before):
            hit("event", kind.name, side)


def _was_reached(sa: Sa, limit: str, before: Mapping[str, int]) -> bool:
    return any(0 < sa.limits[limit, unit] <= before[unit] for unit in before)


class CommandBins:
    """Bins that SA commands hit."""

    def __init__(self, hit: Hit, features: Features, sas: Sas) -> None:
        self._hit = hit
        self._features = features
        self._sas = sas

    def note(self, values: Mapping[str, int], result: SaResult, phase: str) -> None:
        """Note a command and what came of it; ``phase`` is a value of ``PHASE``."""
        hit, side = self._hit, SIDES[values.get("direction", 0)]
        operation = _OPERATIONS.get(values.get("operation", 0), "other")
        sa = self._sas.get(side, values.get("sa", 0))
        if operation == "ADD" and result == SaResult.EOPNOTSUPP:
            self._unsupported(side, values)
        if side == "rx" or result != SaResult.EOPNOTSUPP:
            hit("command", operation, side, result.name, phase)
        reasons = self._reasons(operation, side, values, sa, result)
        # Of several reasons none is known to be the one.
        if len(reasons) == 1:
            hit("command.condition", reasons[0], side)
        if operation == "MODIFY":
            self._modify(side, values, sa, result)
        if result == SaResult.OK:
            self._sas.command(values)
            if operation == "ADD":
                self._added(side, values)

    def _added(self, side: str, values: Mapping[str, int]) -> None:
        sa = self._sas.get(side, values["sa"])
        assert sa is not None, "it was just added"
        kept = (_KEPT[side, bool(sa.window)] if side == "rx"
                else "guarded" if sa.guarded else "unguarded")
        self._hit("sa.added", kept, sa.family, sa.encapsulation, sa.key, sa.icv, sa.esn)
        if sa.handle == 1:
            self._hit("command.condition", "handle 1", side)
        if sa.handle == self._features.sas - 1:
            self._hit("command.condition", "last handle", side)

    def _modify(
        self, side: str, values: Mapping[str, int], sa: Sa | None, result: SaResult,
    ) -> None:
        select = values.get("select", 0)
        if sa is None or sa.deleted or select > SELECT_MAX or values.get("reserved", 0):
            return
        self._hit("command.modify", side, SELECT[select], sa.numbering, result.name)
        if result != SaResult.OK:
            return
        for limit, unit in LIMITS:
            group = SaSelect.SOFT if limit == "soft" else SaSelect.HARD
            if select & group and 0 < values.get(f"{limit}_{unit}", 0) <= sa.served[unit]:
                self._hit("sa.limit", side, limit, unit, "MODIFY", "was there")

    def _unsupported(self, side: str, values: Mapping[str, int]) -> None:
        features = self._features
        if not (features.receive if side == "rx" else features.transmit):
            self._hit("parts", "receive" if side == "rx" else "transmit")
        elif values.get("ipv6", 0) and not features.ipv6:
            self._hit("parts", "IPv6, to add")
        else:
            self._hit("parts", "so large a window")

    def _reasons(
        self, operation: str, side: str, values: Mapping[str, int], sa: Sa | None,
        result: SaResult,
    ) -> list[str]:
        """Reasons for a result that is not OK, values of ``COMMAND_CONDITION``."""
        match result:
            case SaResult.EINVAL:
                return self._invalid(operation, side, values, sa)
            case SaResult.EEXIST if sa is None:
                return ["look-up key taken"]
            case SaResult.EEXIST if sa is not None:
                return ["handle of a deleted SA" if sa.deleted else "handle taken"]
            case SaResult.ENOENT:
                return ["handle free" if sa is None else "SA deleted"]
            case SaResult.EBUSY if sa is not None and not sa.deleted:
                return ["SA in use"]
            case SaResult.EOPNOTSUPP if side == "rx":
                size = ReplayWindow(values.get("replay_window", 0)).packets
                return ["window too large"] if size > self._features.replay_window else []
        return []

    def _invalid(
        self, operation: str, side: str, values: Mapping[str, int], sa: Sa | None,
    ) -> list[str]:
        get, handle = values.get, values.get("sa", 0)
        esn = bool(get("select", 0) & SaSelect.ESN)
        checks = [("reserved bit", get("reserved", 0)), ("select beyond",
                                                         get("select", 0) > SELECT_MAX)]
        if operation == "other":
            name = "operation above 6" if get("operation", 0) else "operation 0"
            return [name, *(name for name, holds in checks if holds)]
        if operation != "FLUSH":
            checks += [("handle 0", handle == 0),
                       ("handle beyond the table", handle >= self._features.sas)]
        if operation == "ADD":
            checks += _bad_sa(side, values)
        if operation == "MODIFY":
            checks += [
                ("nothing selected", not get("select", 0)),
                ("ESN of a transmit SA", esn and side == "tx"),
                ("no ESN", esn and side == "rx" and sa is not None and not sa.esn),
                ("window in the engine",
                 esn and side == "rx" and sa is not None and sa.esn and sa.window)]
        return [name for name, holds in checks if holds]


def _bad_sa(side: str, values: Mapping[str, int]) -> list[tuple[str, bool | int]]:
    """Names of what no SA can have, and whether an ADD has it."""
    get = values.get
    numbered = side == "tx" or get("replay_window", 0)
    last = (1 << (64 if get("esn", 0) else 32)) - 1
    return [
        ("key size", get("key_size", 0) > max(KeySize)),
        ("ICV size", get("icv_size", 0) > max(IcvSize)),
        ("window size", get("replay_window", 0) > max(ReplayWindow)),
        ("SPI 0", get("spi", 0) == 0),
        ("IPv4 beyond 32 bits", not get("ipv6", 0) and get("destination", 0) >> 32),
        ("no number left", numbered and get("sequence", 0) >= last),
    ]
