"""The ADD of SAs: new ones, and those that a reset has taken away."""

from contextlib import suppress

from espnic.model.esp import esn
from espnic.model.esp.esn import EsnState
from espnic.model.interface.codes import ReplayWindow, SaDirection, SaOperation
from espnic.model.linux.commands import Commands
from espnic.model.linux.errors import LinuxError
from espnic.model.linux.esn_fields import EsnFields
from espnic.model.linux.esp_ports import EspPorts
from espnic.model.linux.lifetimes import Lifetimes, device_limits
from espnic.model.linux.places import Place, Places
from espnic.model.linux.removal import Removal
from espnic.model.linux.xfrm import Direction, KmState, XfrmState
from espnic.model.sa.sa import command_values


class Adding:
    """The way of SAs into the device, with their windows and what is left of their limits."""

    def __init__(
        self, commands: Commands, places: Places, esn_fields: EsnFields, lifetimes: Lifetimes,
        removal: Removal, ports: EspPorts,
    ) -> None:
        self._commands = commands
        self._places = places
        self._esn_fields = esn_fields
        self._lifetimes = lifetimes
        self._removal = removal
        self._ports = ports
        self.largest_window = 0
        """Packets of the largest replay window that the device may keep; 0: the stack keeps all."""

    async def add_new(self, x: XfrmState) -> None:
        """Add an SA under a free handle.

        The handle is the SA's before the command: frames may come up with it, and events, before
        the command has ended.
        """
        if self._removal.flush_again:
            await self._removal.flush()
        with suppress(LinuxError):  # They wait on; another handle will do.
            await self._removal.run_work()
        await self._ports.open_for(x)
        place = self._places.take(x)
        try:
            added = await self._add(x, place)
        except LinuxError as refused:
            self._removal.undo_add(place, refused)
            raise
        if not added:
            del self._places.states[place]
            self._places.untake(place)

    async def add_again(self, x: XfrmState, place: Place) -> None:
        """Add an SA that the device had before a reset; one with nothing left has expired.

        An SA that the device does not take is left to software: it loses its handle, and its
        packets, sent and received, are then the stack's work.
        """
        left = x.left
        self._lifetimes.expire_by_hard(x, left)
        try:
            added = await self._add(x, place)
        except LinuxError as refused:
            assert x.offload is not None
            x.offload.handle = 0
            self._removal.undo_add(place, refused)
            raise
        if added:
            self._lifetimes.expire_by(x, left)

    async def _add(self, x: XfrmState, place: Place) -> bool:
        """Do an ADD, with the window as it is now and what is left of the limits.

        False: the SA has ended meanwhile, and nothing has been done. Else it has its handle when
        the spinlock is let go, so that a delete that waits for it finds the SA.
        """
        async with self._commands.spinlock:
            if x.state != KmState.VALID or place in self._places.deleted:
                return False
            await self._add_locked(x, place)
            assert x.offload is not None
            x.offload.handle = place[1]
            # The stack may have moved the window meanwhile.
            self._esn_fields.moved(x, place)
        return True

    async def _add_locked(self, x: XfrmState, place: Place) -> None:
        used = x.used
        window = self._window_of(x)
        state = EsnState(high=0, overlap=False)
        values = command_values(SaOperation.ADD, *place, x.association)
        values |= device_limits(x.left) | {"replay_window": int(window)}
        by_software = x.direction == Direction.IN and x.esn and not window
        if place[0] == SaDirection.TX:
            values["sequence"] = x.oseq
        elif window:
            values["sequence"] = x.window.top
        elif by_software:
            state = esn.driver_state(x.window.top, x.replay_window)
        values |= {"esn_high": state.high, "esn_overlap": int(state.overlap)}
        await self._commands.run_locked(values, f"add SA {x.name or hex(x.spi)}")
        self._lifetimes.added(x, place, used)
        if by_software:
            self._esn_fields.added(place, state)

    def _window_of(self, x: XfrmState) -> ReplayWindow:
        """The device's window for an SA: one of the same size, NONE if it has none such."""
        if x.direction == Direction.IN:
            for window in ReplayWindow:
                if 0 < window.packets == x.replay_window <= self.largest_window:
                    return window
        return ReplayWindow.NONE
