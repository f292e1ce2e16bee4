"""SA commands as the driver gives them: one at a time, their results as errnos."""

import errno

from espnic.model.interface.codes import SaResult
from espnic.model.linux.errors import LinuxError, WrongRow
from espnic.model.linux.hardware import Hardware, errnos
from espnic.model.linux.locks import Lock
from espnic.model.linux.places import Place


class Commands:
    """The device's SA commands, with the spinlock of the driver.

    All commands share the parameter registers. So the words of a command, its doorbell, the wait
    for its end and the answer of a READ are one conversation, for which the spinlock is held. It is
    held for other conversations with ``hardware`` too, and for changes of the driver's tables.
    A method whose name ends in ``_locked`` is called with it held. Methods raise ``LinuxError``.
    """

    def __init__(self, hardware: Hardware) -> None:
        self.hardware = hardware
        self.spinlock = Lock()

    async def run(
        self, values: dict[str, int], what: str, gone_is_good: bool = False,
    ) -> None:
        """Do an SA command; ``gone_is_good``: it may find no SA, as after a reset."""
        async with self.spinlock:
            await self.run_locked(values, what, gone_is_good)

    async def run_locked(
        self, values: dict[str, int], what: str, gone_is_good: bool = False,
    ) -> None:
        """Do an SA command within a longer piece of work."""
        with errnos(what):
            result = await self.hardware.command(values)
        if not (gone_is_good and result == SaResult.ENOENT):
            _expect_ok(result, what)

    async def read_locked(self, place: Place) -> dict[str, int] | None:
        """The fields of SA_RESPONSE for an SA; None when it is gone, as after a reset."""
        what = "read SA"
        with errnos(what):
            values = await self.hardware.read_sa(*place)
        result = SaResult(values["result"])
        if result == SaResult.ENOENT:
            return None
        if result == SaResult.EIO:
            raise WrongRow(errno.EIO, f"{what}: a row of it is wrong")
        _expect_ok(result, what)
        return values


def _expect_ok(result: SaResult, what: str) -> None:
    if result != SaResult.OK:
        raise LinuxError(getattr(errno, result.name), f"{what}: the device refuses")
