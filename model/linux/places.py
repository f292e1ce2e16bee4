"""The book of handles: each SA of the device and its handle."""

import errno
from collections import deque

from espnic.model.interface.codes import SaDirection
from espnic.model.linux.errors import LinuxError
from espnic.model.linux.xfrm import Direction, XfrmState

SIDES = {Direction.IN: SaDirection.RX, Direction.OUT: SaDirection.TX}
"""The device's direction by the kernel's."""

Place = tuple[SaDirection, int]
"""Place of an SA in the device: its direction and its handle."""


class Places:
    """The book of handles: each is free, has an SA, or waits to be freed.

    A handle is its SA's from before ADD until FREE has been done, because frames and events carry
    it. Whoever gives or takes handles holds the driver's mutex; whoever looks between register
    accesses holds the spinlock, or looks again behind them.
    """

    def __init__(self) -> None:
        self.states: dict[Place, XfrmState] = {}
        self.free: dict[SaDirection, deque[int]] = {}
        """Handles that may be given, the next one first."""
        self.deleted: set[Place] = set()
        """Taken handles that the device has deleted."""
        self.size = 0
        """Handles of each direction are 1 to ``size - 1``; 0 before the device is known."""

    def clear(self) -> None:
        """Forget all SAs: every handle is free."""
        self.states.clear()
        self.deleted.clear()
        for side in SaDirection:
            self.free[side] = deque(range(1, self.size))

    def keep(self, states: dict[Place, XfrmState]) -> None:
        """Forget all SAs but these, which the device does not have any more either."""
        self.clear()
        for (side, handle), x in states.items():
            self.states[side, handle] = x
            self.free[side].remove(handle)

    def has(self, place: Place, x: XfrmState) -> bool:
        """Whether a place is still that of the SA."""
        return self.states.get(place) is x

    def take(self, x: XfrmState) -> Place:
        """Give an SA a free handle. Raises ``LinuxError`` ENOSPC when there is none."""
        side = SIDES[x.direction]
        if not self.free[side]:
            raise LinuxError(errno.ENOSPC, f"all {self.size - 1} handles are in use")
        place = side, self.free[side].popleft()
        self.states[place] = x
        return place

    def untake(self, place: Place) -> None:
        """Take a handle back that was never in the device: it is the next to be given."""
        side, handle = place
        self.free[side].appendleft(handle)

    def put_free(self, place: Place) -> None:
        """Note that the device has freed a handle: it is the last to be given."""
        side, handle = place
        self.states.pop(place, None)
        self.deleted.discard(place)
        self.free[side].append(handle)
