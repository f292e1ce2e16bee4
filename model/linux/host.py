"""A host with its SAs, as a user of ``ip xfrm state`` and the packets see it."""

import errno
from collections import Counter

from espnic.model.linux import xfrm_device
from espnic.model.linux.errors import LinuxError
from espnic.model.linux.netdev import NetDevice
from espnic.model.linux.xfrm import Direction, ExpireUpcall, KmState, OffloadFlags, XfrmState
from espnic.model.linux.xfrm_input import Input
from espnic.model.linux.xfrm_output import Output


class Host:
    """The xfrm layer of one host.

    Members
    -------
    states
        The SAs that were added and not deleted.
    mib
        Counters by the names of /proc/net/xfrm_stat.
    expired
        What the key manager was told.
    output, input
        The sending and the receiving half.
    """

    def __init__(self) -> None:
        self.states: list[XfrmState] = []
        self.mib: Counter[str] = Counter()
        self.expired = ExpireUpcall()
        self.output = Output(self.mib, self.expired)
        self.input = Input(self.states, self.mib, self.expired)

    async def add(self, x: XfrmState, device: NetDevice | None = None, flags: int = 0) -> None:
        """Add an SA, offloaded to ``device`` if one is given and can do it.

        ``flags`` are OffloadFlags. Raises ``LinuxError``: EEXIST for an SA that the host has
        already, and the errors of the offload.
        """
        if any(_same(x, other) for other in self.states if other.state != KmState.DEAD):
            raise LinuxError(errno.EEXIST, "SA exists")
        if device is not None:
            inbound = OffloadFlags.INBOUND if x.direction == Direction.IN else 0
            await xfrm_device.state_add(x, device, flags | inbound)
        self.states.append(x)

    async def delete(self, x: XfrmState) -> None:
        """Delete an SA and let go of it, even if its device fails."""
        self.states.remove(x)
        await xfrm_device.state_end(x)

    async def expire(self) -> None:
        """Delete the SAs that have reached a hard limit, as the kernel's timers do."""
        for x in [x for x in self.states if x.state == KmState.EXPIRED]:
            await self.delete(x)


def _same(x: XfrmState, other: XfrmState) -> bool:
    """Whether two SAs cannot stand beside each other in one host."""
    return (x.direction, x.destination, x.spi, x.protocol) == (
        other.direction, other.destination, other.spi, other.protocol)
