"""Receive SAs while a user has the offload switched off."""

from contextlib import suppress

from espnic.model.interface.codes import SaDirection
from espnic.model.linux.adding import Adding
from espnic.model.linux.commands import Commands
from espnic.model.linux.errors import LinuxError
from espnic.model.linux.lifetimes import Lifetimes
from espnic.model.linux.places import Place, Places
from espnic.model.linux.removal import Removal
from espnic.model.linux.xfrm import KmState, XfrmState


class Parking:
    """The receive SAs that software serves meanwhile, with the places that they had.

    Transmit SAs stay in the device, because frames for them are queued; the stack gives them no
    new ones.
    """

    def __init__(
        self, commands: Commands, places: Places, lifetimes: Lifetimes, removal: Removal,
        adding: Adding,
    ) -> None:
        self._commands = commands
        self._places = places
        self._lifetimes = lifetimes
        self._removal = removal
        self._adding = adding
        self._parked: dict[XfrmState, Place] = {}

    def clear(self) -> None:
        """Forget all SAs."""
        self._parked.clear()

    def forget_places(self) -> None:
        """Forget the places that the SAs had: a reset has freed them."""
        self._parked = dict.fromkeys(self._parked, (SaDirection.RX, 0))

    def has(self, x: XfrmState) -> bool:
        """Whether software serves an SA because the offload is off."""
        return x in self._parked

    def end(self, x: XfrmState) -> None:
        """Forget an SA that its user lets go; the handle that it had is freed already, or waits
        for it."""
        place = self._parked.pop(x, None)
        if place and self._places.has(place, x):
            del self._places.states[place]

    async def park(self) -> None:
        """Let the device give up the receive SAs at once."""
        for place, x in list(self._places.states.items()):
            if place[0] != SaDirection.RX or self.has(x):
                continue
            async with self._commands.spinlock:
                if place in self._places.deleted:
                    continue
                await self._lifetimes.count_locked(x, place)
                await self._removal.delete_locked(place)
                assert x.offload is not None
                x.offload.handle = 0
                self._parked[x] = place
                self._removal.drop_work(place)
                self._removal.free_later(place)

    async def unpark(self) -> None:
        """Add the living receive SAs again as they are now.

        The limits of the transmit SAs are told again, because software has counted too.
        """
        await self._removal.run_work()
        parked, self._parked = list(self._parked), {}
        for x in parked:
            if x.state == KmState.VALID:
                with suppress(LinuxError):  # Software goes on with it.
                    await self._adding.add_new(x)
        for place, x in self._places.states.items():
            if place[0] == SaDirection.TX:
                self._lifetimes.changed(x, place)
