"""The end of SAs in the device: delete, free and flush."""

import errno
from collections import deque

from espnic.model.interface.codes import SaOperation
from espnic.model.linux.commands import Commands
from espnic.model.linux.errors import LinuxError
from espnic.model.linux.esn_fields import EsnFields
from espnic.model.linux.interrupt import Interrupt
from espnic.model.linux.lifetimes import Lifetimes
from espnic.model.linux.places import Place, Places
from espnic.model.sa.sa import command_values


class Removal:
    """The ends of SAs, and what has to wait for frames inside or for a device that does not
    answer: frees, and a flush."""

    def __init__(
        self, commands: Commands, places: Places, esn_fields: EsnFields, lifetimes: Lifetimes,
        interrupt: Interrupt,
    ) -> None:
        self._commands = commands
        self._places = places
        self._esn_fields = esn_fields
        self._lifetimes = lifetimes
        self._interrupt = interrupt
        self._to_free: list[Place] = []
        """Handles that no SA has any more, but that the device may still have."""
        self.flush_again = False
        """Whether the last flush found frames inside: no SA is added until a flush finds none."""

    def clear(self) -> None:
        """Forget the handles that wait to be freed."""
        self._to_free.clear()

    async def delete_locked(self, place: Place) -> None:
        """Let no look-up find an SA any more; its handle stays taken."""
        await self._commands.run_locked(
            command_values(SaOperation.DELETE, *place), "delete", gone_is_good=True)
        self._places.deleted.add(place)

    def drop_work(self, place: Place) -> None:
        """Leave out all changes that an SA waits for."""
        self._esn_fields.drop_work(place)
        self._lifetimes.drop_work(place)

    def let_go(self, place: Place) -> None:
        """Forget all of an SA but its handle, which is to be freed."""
        self.drop_work(place)
        self._places.states.pop(place, None)
        self._forget(place)
        self.free_later(place)

    def free_later(self, place: Place) -> None:
        """Note that a handle is to be freed."""
        self._to_free.append(place)

    def undo_add(self, place: Place, refused: LinuxError) -> None:
        """Take a handle from an SA whose ADD has failed.

        If the device gave no answer, it may have added the SA all the same: then the handle must
        be deleted and freed first.
        """
        del self._places.states[place]
        if refused.number in (errno.EIO, errno.ETIMEDOUT):
            self.free_later(place)
        else:
            self._places.untake(place)

    async def run_work(self) -> None:
        """Free the handles that wait. One that cannot be freed waits on, after the others."""
        waiting, self._to_free = deque(self._to_free), []
        while waiting:
            place = waiting.popleft()
            try:
                await self._free(place)
            except LinuxError as refused:
                self.free_later(place)
                if refused.number != errno.EBUSY:
                    self._to_free[:0] = waiting
                    raise

    async def _free(self, place: Place) -> None:
        """Free a handle; events of its last SA are taken off before another SA may have it."""
        async with self._commands.spinlock:
            if place not in self._places.deleted:
                await self.delete_locked(place)
        await self._commands.run(
            command_values(SaOperation.FREE, *place), "free", gone_is_good=True)
        await self._interrupt.take_events()
        self._forget(place)
        self._places.put_free(place)

    def _forget(self, place: Place) -> None:
        self._esn_fields.forget(place)
        self._lifetimes.forget(place)

    async def flush(self) -> None:
        """Erase all SAs, and take their events off.

        EBUSY: they are erased, but frames that may have found them are inside.
        """
        self.flush_again = True
        await self._commands.run({"operation": int(SaOperation.FLUSH)}, "flush")
        await self._interrupt.take_events()
        self.flush_again = False

    async def flush_now_or_later(self) -> None:
        """Erase all SAs; with frames inside another flush follows before the next ADD."""
        try:
            await self.flush()
        except LinuxError as refused:
            if refused.number != errno.EBUSY:
                raise
