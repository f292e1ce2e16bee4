"""Use and limits of SAs, as the device counts them."""

from dataclasses import asdict

from espnic.model.interface.codes import SaOperation, SaSelect
from espnic.model.linux.commands import Commands
from espnic.model.linux.errors import LinuxError
from espnic.model.linux.places import Place, Places
from espnic.model.linux.xfrm import (
    XFRM_INF,
    ExpireUpcall,
    Limits,
    Usage,
    XfrmState,
    expire,
)
from espnic.model.sa.sa import command_values


class Lifetimes:
    """The counts of the device's SAs, the limits told to it, and changes of limits put off.

    ``expired`` is called for limits that the device has seen reached, never with the spinlock
    held: the kernel holds the SA's own lock when it calls what takes the spinlock.
    """

    def __init__(self, commands: Commands, places: Places, expired: ExpireUpcall) -> None:
        self._commands = commands
        self._places = places
        self._expired = expired
        self._base: dict[Place, Usage] = {}
        """The known use of each SA when the device began to count."""
        self._told: dict[Place, Limits] = {}
        """The limits by which the device's were made."""
        self._work: dict[Place, XfrmState] = {}
        """SAs whose limits in the device may have to change."""

    def clear(self) -> None:
        """Forget all SAs."""
        self._base.clear()
        self._told.clear()
        self._work.clear()

    def forget(self, place: Place) -> None:
        """Forget what the device has counted of an SA and was told of it."""
        self._base.pop(place, None)
        self._told.pop(place, None)

    def drop_work(self, place: Place) -> None:
        """Leave out the change that an SA waits for."""
        self._work.pop(place, None)

    def added(self, x: XfrmState, place: Place, used: Usage) -> None:
        """Note that the device has taken an SA, with what is left of its limits after ``used``."""
        self._told[place] = x.limits
        self._base[place] = used

    def changed(self, x: XfrmState, place: Place) -> None:
        """Note that the limits of an SA, or what is left of them, may have changed."""
        self._work[place] = x

    async def count_locked(self, x: XfrmState, place: Place) -> dict[str, int] | None:
        """Note what the device has counted of an SA; return all that it says of it.

        None when the SA is gone: then the counts stay as they were.
        """
        values = await self._commands.read_locked(place)
        if values is not None:
            assert x.offload is not None
            base = self._base[place]
            x.offload.usage = Usage(
                base.packets + values["packets"], base.bytes + values["bytes"])
        return values

    async def run_work(self) -> None:
        """Tell the device the changes that were put off; one that fails waits on."""
        while self._work:
            place, x = self._work.popitem()
            try:
                await self._tell(x, place)
            except LinuxError:
                self._work[place] = x
                raise

    async def _tell(self, x: XfrmState, place: Place) -> None:
        """Give the device what is left of an SA's limits; a limit that is reached ends it here.

        The device counts on meanwhile, and tells of a limit only when a packet reaches it: so the
        counts are looked at again behind the command.
        """
        async with self._commands.spinlock:
            if not self._places.has(place, x):
                return
            counted = await self.count_locked(x, place)
            if counted is None:
                return
            limits = _counted_from(x.left, counted)
            if limits != {name: counted[name] for name in limits}:
                await self._commands.run_locked(
                    command_values(SaOperation.MODIFY, *place) | limits | {
                        "select": int(SaSelect.SOFT | SaSelect.HARD)},
                    "change limits", gone_is_good=True)
            self._told[place] = x.limits
        self.expire_by(x, x.left)
        await self.check(x, place)

    async def check(self, x: XfrmState, place: Place) -> None:
        """Expire an SA by the limits that the device has seen reached."""
        async with self._commands.spinlock:
            has = self._places.has(place, x)
            values = await self._commands.read_locked(place) if has else None
        if values is None:
            return
        for hard, kind in ((True, "hard"), (False, "soft")):
            if any(0 < values[f"{kind}_{unit}"] <= values[unit] for unit in ("packets", "bytes")):
                self.reached(x, place, hard)

    def reached(self, x: XfrmState, place: Place, hard: bool) -> None:
        """Expire an SA by a limit that the device has seen reached.

        If a user has changed the limits without the driver's knowledge, as an update that does not
        ask for offload does, the device is told the new ones instead.
        """
        if self._told.get(place, x.limits) == x.limits:
            expire(x, hard, self._expired)
        else:
            self.changed(x, place)

    def expire_by(self, x: XfrmState, left: Limits) -> None:
        """Tell the key manager of limits of which nothing is left."""
        if not self.expire_by_hard(x, left) and 0 in (left.soft_packets, left.soft_bytes):
            expire(x, False, self._expired)

    def expire_by_hard(self, x: XfrmState, left: Limits) -> bool:
        """Tell the key manager of a hard limit of which nothing is left; whether there is one."""
        ended = 0 in (left.hard_packets, left.hard_bytes)
        if ended:
            expire(x, True, self._expired)
        return ended


def device_limits(limits: Limits) -> dict[str, int]:
    """Limits in the device's form, where 0 means no limit."""
    return {name: 0 if limit == XFRM_INF else limit for name, limit in asdict(limits).items()}


def _counted_from(left: Limits, counted: dict[str, int]) -> dict[str, int]:
    """Limits in the device's form, for an SA of which it has counted ``counted``.

    A hard limit that is reached is what is counted, a soft one is none: it has been told.
    """
    limits = {}
    for name, rest in asdict(left).items():
        done = counted[name.split("_")[1]]
        if rest == XFRM_INF or (rest == 0 and name.startswith("soft")):
            limits[name] = 0
        else:
            limits[name] = max(1, done + rest)
    return limits
