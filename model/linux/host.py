"""A host with its SAs, as a user of ``ip xfrm state`` and the packets see it."""

import errno
from collections import Counter

from espnic.model.linux import xfrm_device
from espnic.model.linux.errors import LinuxError
from espnic.model.linux.netdev import NetDevice
from espnic.model.linux.xfrm import (
    Direction,
    ExpireUpcall,
    KmState,
    OffloadFlags,
    XfrmState,
    check_expire,
)
from espnic.model.linux.xfrm_input import Input
from espnic.model.linux.xfrm_output import Output


class Host:
    """The xfrm layer of one host.

    ``encap_offload`` False is that of Linux 6.1, which offloads no UDP encapsulation.

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

    def __init__(self, encap_offload: bool = True) -> None:
        self._encap_offload = encap_offload
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
        await self._offer(x, device, flags)
        if self._find(x) is not None:
            await xfrm_device.state_end(x)
            raise LinuxError(errno.EEXIST, "SA exists")
        self.states.append(x)

    async def update(self, x: XfrmState, device: NetDevice | None = None, flags: int = 0) -> None:
        """Change an SA as ``ip xfrm state update`` does: it takes the limits of ``x``.

        ``x`` is a temporary state, which the kernel offers to the device first and lets go when it
        has done its work. Raises ``LinuxError``: ESRCH without such an SA, EINVAL for another
        encapsulation, and the errors of the offload.
        """
        await self._offer(x, device, flags)
        old = self._find(x)
        if old is None or old.encapsulation != x.encapsulation or old.state != KmState.VALID:
            await xfrm_device.state_end(x)
            raise LinuxError(*((errno.ESRCH, "no such SA") if old is None else
                               (errno.EINVAL, "SA has ended, or another encapsulation")))
        old.limits, old.encap, old.dying = x.limits, x.encap, False
        if old.current.packets:
            check_expire(old, self.expired)
        x.state = KmState.DEAD
        await xfrm_device.state_free(x)

    async def _offer(self, x: XfrmState, device: NetDevice | None, flags: int) -> None:
        """Offer an SA to a device before it is looked for among the host's own, as the kernel
        does."""
        if device is not None:
            inbound = OffloadFlags.INBOUND if x.direction == Direction.IN else 0
            await xfrm_device.state_add(
                x, device, flags | inbound, encap_offload=self._encap_offload)

    def _find(self, x: XfrmState) -> XfrmState | None:
        """The SA that the kernel takes for the same as ``x``, if there is one."""
        return next((other for other in self.states
                     if other.state != KmState.DEAD and other.is_found_for(x)), None)

    async def delete(self, x: XfrmState) -> None:
        """Delete an SA and let go of it, even if its device fails."""
        self.states.remove(x)
        await xfrm_device.state_end(x)

    async def expire(self) -> None:
        """Delete the SAs that have reached a hard limit, as the kernel's timers do."""
        for x in [x for x in self.states if x.state == KmState.EXPIRED]:
            await self.delete(x)

