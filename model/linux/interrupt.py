"""The interrupt and the events behind it."""

from collections import Counter

from espnic.model.device.events import Event
from espnic.model.interface.codes import EVENT_QUEUE_DEPTH, EventKind, SaDirection
from espnic.model.linux.commands import Commands
from espnic.model.linux.errors import LinuxError, WrongRow
from espnic.model.linux.hardware import errnos
from espnic.model.linux.lifetimes import Lifetimes
from espnic.model.linux.places import Place, Places
from espnic.model.linux.xfrm import XfrmState

INTERRUPT_ROUNDS = 4
"""Looks at the causes of an interrupt before the driver lets the level fall and rise again."""

_NOTICED = {EventKind.AUTH_BURST: "auth_bursts", EventKind.ESN_HALF: "esn_halves",
            EventKind.REPEATED: "repeated_numbers", EventKind.MEMORY_FAULT: "memory_faults",
            EventKind.SELF_TEST_FAILED: "self_tests_failed"}
"""Events that the driver counts, and expires no SA for. ESN_HALF needs no more: the stack's own
window has seen the same packets. It moves with them as they come up, and must not move before."""


class Interrupt:
    """The device's events, taken off one by one under the spinlock; ``noticed`` counts them."""

    def __init__(
        self, commands: Commands, places: Places, lifetimes: Lifetimes, noticed: Counter[str],
    ) -> None:
        self._commands = commands
        self._places = places
        self._lifetimes = lifetimes
        self._noticed = noticed
        self.memory_fault = False
        """A memory has given a wrong row, and the SAs have not been added again since."""
        self.cipher_failure = False
        """A self-test has failed, and the driver has not looked whether one has passed since."""
        self.lost = False
        """Events were lost, and the driver has not looked since what they may have told."""
        self._unseen: dict[Place, XfrmState] = {}
        """SAs of which a limit may be reached, and that have not been looked at since."""
        self._unfinished = False
        """Whether an access that failed has ended the handler: then the level may still be high."""

    async def handle(self) -> None:
        """Take the events off until there is no cause of an interrupt.

        The interrupt may be sent on rising edges only. So the level must have been low before
        this ends: the driver looks again after it has cleared a cause, until there is none. A
        device that makes causes faster than that is told to let the level fall and rise again.
        When an access fails, the rest is left to ``run_work``.
        """
        self._unfinished = False
        try:
            await self._take_until_low()
        except LinuxError:
            self._unfinished = True
            raise

    async def run_work(self) -> None:
        """Go on where an access that failed has ended the handler."""
        if self._unfinished:
            await self.handle()

    async def _take_until_low(self) -> None:
        for _ in range(INTERRUPT_ROUNDS):
            if not await self.take_events():
                return
        async with self._commands.spinlock:
            with errnos("events"):
                await self._commands.hardware.enable_events(False)
                await self._commands.hardware.enable_events()

    async def take_events(self) -> bool:
        """Take off the events that are in the queue now. When some were lost, look at all SAs.

        Return whether there was a cause of an interrupt at the end: then there may be more.
        """
        for _ in range(EVENT_QUEUE_DEPTH):
            async with self._commands.spinlock:
                with errnos("events"):
                    event = await self._commands.hardware.next_event()
                if event is None:
                    break
                place = SaDirection(event["direction"]), event["sa"]
                x = self._places.states.get(place)
            self._handle(event, x, place)
        async with self._commands.spinlock:
            with errnos("events"):
                present, lost = await self._commands.hardware.interrupt_causes()
        if lost:
            self._noticed["events_overflow"] += 1
            self.lost = True
            self._unseen |= self._places.states
        await self._look_at_unseen()
        return present or lost

    async def _look_at_unseen(self) -> None:
        """Look which limits are reached; an SA that cannot be read waits on, after the others.

        One with a wrong row does not: it is added again with all others, with the count that is
        known.
        """
        while self._unseen:
            place = next(iter(self._unseen))
            x = self._unseen.pop(place)
            try:
                await self._lifetimes.check(x, place)
            except WrongRow:
                self.memory_fault = True
            except LinuxError:
                self._unseen[place] = x
                raise

    def _handle(self, event: Event, x: XfrmState | None, place: Place) -> None:
        """Handle an event of ``x``; a repeated one, or one of an SA that is gone, changes none."""
        try:
            kind = EventKind(event["kind"])
        except ValueError:
            self._noticed["events_unknown"] += 1
            return
        if kind in _NOTICED:
            self._noticed[_NOTICED[kind]] += 1
            self.memory_fault |= kind == EventKind.MEMORY_FAULT
            self.cipher_failure |= kind == EventKind.SELF_TEST_FAILED
        elif x is None:
            self._noticed["events_of_no_sa"] += 1
        else:
            # It may have waited while the limits were changed, so the counts are looked at.
            self._unseen[place] = x
