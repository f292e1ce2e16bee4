"""The device's Linux driver.

It refuses with -EOPNOTSUPP what the device cannot do and software can, and with -EINVAL what
contradicts itself. A result of the device goes up as the errno of its name.
"""

import errno
from collections import Counter, deque
from contextlib import suppress
from dataclasses import asdict
from random import Random

from espnic.model.device.events import Event
from espnic.model.esp import esn
from espnic.model.esp.esn import EsnState
from espnic.model.interface import registers
from espnic.model.interface.codes import (
    ESP_PORTS,
    EVENT_QUEUE_DEPTH,
    UDP_PORT_ESP,
    EventKind,
    ReplayWindow,
    RxChecksum,
    RxStatus,
    SaDirection,
    SaOperation,
    SaResult,
    SaSelect,
)
from espnic.model.interface.statistics import statistics
from espnic.model.linux.bus import RegisterError
from espnic.model.linux.checks import check
from espnic.model.linux.errors import LinuxError
from espnic.model.linux.hardware import CommandTimeout, Hardware, Identity, errnos
from espnic.model.linux.locks import Lock
from espnic.model.linux.netdev import Feature, NetDevice
from espnic.model.linux.skb import SecPath, SkBuff, XfrmStatus
from espnic.model.linux.told_esn import ToldEsn
from espnic.model.linux.tx_skb import NO_GSO, GsoType, TxSkb
from espnic.model.linux.xfrm import (
    XFRM_INF,
    Direction,
    ExpireUpcall,
    KmState,
    Limits,
    Usage,
    XfrmState,
    expire,
)
from espnic.model.linux.xfrm_device import api_check, has_options
from espnic.model.net import checksum, ip
from espnic.model.net.header_fields import ESP_SEQUENCE
from espnic.model.sa.sa import command_values

_SIDES = {Direction.IN: SaDirection.RX, Direction.OUT: SaDirection.TX}
STATUS = {
    RxStatus.OK: XfrmStatus.CRYPTO_SUCCESS,
    RxStatus.AUTH_FAILED: XfrmStatus.CRYPTO_TUNNEL_ESP_AUTH_FAILED,
    RxStatus.BAD_TRAILER: XfrmStatus.CRYPTO_INVALID_PACKET_SYNTAX,
    RxStatus.SYNTAX: XfrmStatus.CRYPTO_INVALID_PACKET_SYNTAX,
}
"""Statuses with which the device has judged for the stack. With every other status the frame goes
up without a mark and the stack does the work: it also judges replays, before it decrypts."""

_HARMLESS = GsoType.DODGY | GsoType.TCP_ECN
"""Bits of a super-frame's type that change nothing in its segments."""
_SEGMENTED = (NO_GSO, GsoType.TCPV4, GsoType.TCPV6, GsoType.UDP_L4)
"""Types of super-frames that the device cuts."""

Place = tuple[SaDirection, int]
"""Place of an SA in the device: its direction and its handle."""

INTERRUPT_ROUNDS = 4
"""Looks at the causes of an interrupt before the driver lets the level fall and rise again."""

_TWINS_MAY_HAVE = (RxStatus.AUTH_FAILED, RxStatus.SYNTAX)
"""Statuses that a good frame of an SA has when the device takes it for one of its twin's."""

_NOTICED = {EventKind.AUTH_BURST: "auth_bursts", EventKind.ESN_HALF: "esn_halves",
            EventKind.REPEATED: "repeated_numbers"}
"""Events that the driver only counts. ESN_HALF needs no more: the stack's own window has seen the
same packets. It moves with them as they come up, and must not move before."""


def _limits(limits: Limits) -> dict[str, int]:
    """Limits in the device's form, where 0 means no limit."""
    return {name: 0 if limit == XFRM_INF else limit for name, limit in asdict(limits).items()}


class EspnicDriver:
    """The driver of one device; ``device`` is what it registers with the stack.

    Callbacks may run at the same time. Two locks keep them apart: a mutex, for all that changes
    which SA has which handle, and a spinlock, for one conversation with the registers. The kernel
    calls ``state_delete``, ``update_stats``, ``advance_esn`` and ``offload_ok`` in atomic context:
    they never take the mutex. No upcall is made with the spinlock held, because the kernel holds
    the SA's own lock when it calls these.

    ``secrets`` gives the key of the look-up hash. ``expired`` is called for limits that the device
    has seen reached. ``device_window`` False leaves all replay windows to the stack.
    Callbacks raise ``LinuxError``.
    """

    def __init__(
        self, hardware: Hardware, secrets: Random, expired: ExpireUpcall, *,
        name: str = "espnic0", device_window: bool = True,
    ) -> None:
        self.hardware = hardware
        self.device = NetDevice(name)
        self.dropped: Counter[str] = Counter()
        """The driver's own counts, by the names of ``model.interface.statistics.DRIVER``."""
        self.noticed: Counter[str] = Counter()
        """Counts of what happened without ending an SA: events, and stops with frames inside."""
        self._secrets = secrets
        self._expired = expired
        self._device_window = device_window
        self._states: dict[Place, XfrmState] = {}
        self._free: dict[SaDirection, deque[int]] = {}
        self._to_free: list[Place] = []
        """Handles that no SA has any more, but that the device may still have."""
        self._deleted: set[Place] = set()
        """Taken handles that the device has deleted."""
        self._told: dict[Place, ToldEsn] = {}
        """ESN fields given to the device, for SAs with ESN whose window software keeps."""
        self._base: dict[Place, Usage] = {}
        """The known use of each SA when the device began to count."""
        self._work: dict[Place, XfrmState] = {}
        """SAs whose ESN fields in the device may have to change."""
        self._flush_again = False
        """Whether the last flush found frames inside: no SA is added until a flush finds none."""
        self._temporary: dict[XfrmState, Place] = {}
        """States of an update, which have no handle, with the places of the SAs that they are
        to change."""
        self._new_limits: dict[Place, XfrmState] = {}
        """SAs whose limits in the device may have to change."""
        self._told_limits: dict[Place, Limits] = {}
        """The limits by which the device's were made."""
        self._twins: set[XfrmState] = set()
        """Receive SAs with whose destination and SPI another SA, for packets of another mark, is
        in software."""
        self._parked: dict[XfrmState, Place] = {}
        """Receive SAs that are in software because a user has switched the offload off, with the
        places that they had."""
        self._ports: list[int] = []
        """UDP ports to which the device receives ESP."""
        self._mutex = Lock()
        self._spinlock = Lock()
        self._counting = Lock()
        """Held for all counters together: reading one keeps its high word, one for all."""

    async def probe(self) -> None:
        """Find out what the device can do, empty it, key its hash and register with the stack.

        An earlier driver that crashed, or was replaced by kexec, may have left SAs in it and may
        have stopped it. Raises ``LinuxError``: ENODEV for what is no such device, EIO or ETIMEDOUT
        for one that fails.
        """
        async with self._mutex:
            try:
                self.identity: Identity = await self.hardware.identify()
            except RegisterError as refused:
                raise LinuxError(errno.ENODEV, str(refused)) from None
            await self._forget()
            await self._flush_now_or_later()
            await self._start()
            with errnos("probe"):
                await self._set_up()
        self.device.features = {Feature(name) for name in self.identity.features}
        if Feature.HW_ESP in self.device.features:
            self.device.ops = self
        self.device.netdev_ops = self
        self.device.has_advance_esn = self.identity.esn
        api_check(self.device)

    # xfrmdev_ops

    async def state_add(self, x: XfrmState) -> None:
        """Add an SA to the device; it serves before this returns.

        EINVAL: the SA contradicts itself. EOPNOTSUPP: the device cannot do it, software can.
        ENOSPC: no handle or no place in the look-up table is free. EEXIST: there is an SA of this
        destination, SPI and protocol. EBUSY: frames from before the device went down are still
        inside. EIO, ETIMEDOUT: the device fails.

        The temporary state of an update gets no handle: the SA that it is to change has one.
        """
        check(x, self.identity)
        if Feature.HW_ESP not in self.device.features:
            raise LinuxError(errno.EOPNOTSUPP, "esp-hw-offload is off")
        async with self._mutex:
            if not self._takes_without_handle(x):
                await self._add_new(x)

    async def state_delete(self, x: XfrmState) -> None:
        """Stop look-ups. The handle stays known, because frames in flight still carry it.

        It may be called in atomic context, so it waits for the spinlock only: behind one other
        conversation with the registers at most, and never between two words of it.
        An SA that a reset has taken away is deleted already, and its handle may belong to another.
        """
        place = self._place(x)
        async with self._spinlock:
            if self._states.get(place) is not x:
                return
            self._drop_work(place)
            await self._delete(place)

    async def state_free(self, x: XfrmState) -> None:
        """Erase the SA's keys, after a delete if that has not been done.

        While frames that found the SA are in flight, or the device does not answer, the work is
        put off and the handle stays taken. When the temporary state of an update goes, the limits
        of the SA that has been updated are given to the device from the work queue.
        """
        place = self._place(x)
        async with self._mutex:
            changed = self._temporary.pop(x, None)
            if changed is not None and changed in self._states:
                self._new_limits[changed] = self._states[changed]
            self._twins.discard(x)
            parked = self._parked.pop(x, None)
            if parked and self._states.get(parked) is x:
                del self._states[parked]
            if self._states.get(place) is not x:
                return
            self._let_go(place)
            await self._retry_frees()

    def offload_ok(self, x: XfrmState, skb: TxSkb) -> bool:
        """Whether the device may seal a packet.

        It may not seal IPv4 options or IPv6 extension headers, which the receiver's device could
        not open, nor for an SA that is left to software. Nor may it cut a super-frame that the
        stack counts as no packet: the stack would give its sequence numbers again.
        """
        if self._place(x)[1] == 0 or has_options(skb.data):
            return False
        return not skb.gso_size or skb.gso_segs > 0

    def advance_esn(self, x: XfrmState) -> None:
        """Note that the device must be told where the window of a receive SA has moved to.

        The device need not be told when it keeps the window itself, nor of transmit SAs,
        whose descriptors carry the whole number.
        """
        place = self._place(x)
        told = self._told.get(place)
        if told and told.state != esn.driver_state(x.window.top, x.replay_window):
            self._work[place] = x

    async def update_stats(self, x: XfrmState) -> None:
        """Put the packets and bytes of the SA into ``x.offload.usage``: those that the device has
        counted, and those from before a reset.

        The usage stays as it was when the device does not have the SA any more.
        """
        place = self._place(x)
        async with self._spinlock:
            if self._states.get(place) is x:
                await self._count(x, place)

    async def ethtool_statistics(self) -> dict[str, int]:
        """The statistics that ``ethtool -S`` prints."""
        async with self._counting:
            with errnos("counters"):
                return statistics(await self.hardware.counters(), self.dropped)

    # net_device_ops

    def features_check(self, skb: TxSkb, features: set[Feature]) -> set[Feature]:
        """The device's features for a packet of an offloaded SA (ndo_features_check).

        It sums and cuts TCP and UDP that stand right behind the packet's IP header. Segments and
        checksums of all else are software's work: of GRE, IPIP, VXLAN, SCTP and ICMPv6, and of
        what needs one IPv4 identification in all segments. The device still seals them.
        """
        if skb.csum_start is None and not skb.gso_size:
            return features
        packet = ip.split(skb.data)
        plain = (
            skb.inner_network is None and packet.protocol in checksum.FIELDS
            and skb.csum_start == len(packet.header)
            and skb.csum_offset in (None, checksum.FIELD_AT[packet.protocol])
            and skb.gso_type & ~_HARMLESS in _SEGMENTED)
        return features if plain else features - {Feature.HW_ESP_TX_CSUM, Feature.GSO_ESP}

    def fix_features(self, wanted: set[Feature]) -> set[Feature]:
        """The features that can be on when a user wants these: each needs those before it."""
        features: set[Feature] = set()
        for name in self.identity.features:
            if Feature(name) not in wanted:
                break
            features.add(Feature(name))
        return features

    async def set_features(self, features: set[Feature]) -> None:
        """Obey a user who switches the offload off or on (ndo_set_features).

        Off: the device gives up the receive SAs at once, and software goes on with them. Transmit
        SAs stay, because frames for them are queued; the stack gives them no new ones. On: the
        living receive SAs are added again as they are now, and the limits of the others are told
        again, because software has counted too.
        """
        async with self._mutex:
            if Feature.HW_ESP not in features:
                await self._park()
            elif Feature.HW_ESP not in self.device.features:
                await self._unpark()

    async def _park(self) -> None:
        for place, x in list(self._states.items()):
            if place[0] != SaDirection.RX or x in self._parked:
                continue
            async with self._spinlock:
                if place in self._deleted:
                    continue
                await self._count(x, place)
                await self._delete(place)
                assert x.offload is not None
                x.offload.handle = 0
                self._parked[x] = place
                self._drop_work(place)
                self._to_free.append(place)

    async def _unpark(self) -> None:
        await self._retry_frees()
        parked, self._parked = list(self._parked), {}
        for x in parked:
            if x.state == KmState.VALID:
                with suppress(LinuxError):  # Software goes on with it.
                    await self._add_new(x)
        self._new_limits |= {
            place: x for place, x in self._states.items() if place[0] == SaDirection.TX}

    # Work that may wait

    async def run_work(self) -> None:
        """Do the work that was put off: changes of ESN and limits, then frees that had to wait."""
        async with self._mutex:
            while self._work:
                place, x = self._work.popitem()
                state = esn.driver_state(x.window.top, x.replay_window)
                if self._told[place].state != state:
                    await self._tell(x, place, state)
            while self._new_limits:
                place, x = self._new_limits.popitem()
                try:
                    await self._tell_limits(x, place)
                except LinuxError:
                    self._new_limits[place] = x
                    raise
            await self._retry_frees()

    async def _retry_frees(self) -> None:
        """Free the handles that wait. One that cannot be freed waits on, after the others."""
        waiting, self._to_free = deque(self._to_free), []
        while waiting:
            place = waiting.popleft()
            try:
                await self._release(place)
            except LinuxError as refused:
                self._to_free.append(place)
                if refused.number != errno.EBUSY:
                    self._to_free[:0] = waiting
                    raise

    async def _tell(self, x: XfrmState, place: Place, state: EsnState) -> None:
        """Change the ESN fields only; if that fails, the device goes on with the old ones."""
        side, handle = place
        await self._command(
            command_values(SaOperation.MODIFY, side, handle) | {
                "select": int(SaSelect.ESN), "esn_high": state.high,
                "esn_overlap": int(state.overlap)}, "change ESN", gone_is_good=True)
        self._told[place].change(state, x.window.top)

    async def _release(self, place: Place) -> None:
        """Free a handle; events of its last SA are taken off before another SA may have it."""
        side, handle = place
        async with self._spinlock:
            if place not in self._deleted:
                await self._delete(place)
        await self._command(
            command_values(SaOperation.FREE, side, handle), "free", gone_is_good=True)
        await self.handle_events()
        for part in (self._states, self._told, self._base, self._told_limits):
            part.pop(place, None)
        self._deleted.discard(place)
        self._free[side].append(handle)

    async def _delete(self, place: Place) -> None:
        """Delete an SA in the device; the spinlock is held."""
        await self._command_locked(
            command_values(SaOperation.DELETE, *place), "delete", gone_is_good=True)
        self._deleted.add(place)

    def _drop_work(self, place: Place) -> None:
        self._work.pop(place, None)
        self._new_limits.pop(place, None)

    def _let_go(self, place: Place) -> None:
        """Forget all of an SA but its handle, which is to be freed."""
        self._drop_work(place)
        for part in (self._states, self._told, self._base, self._told_limits):
            part.pop(place, None)
        self._to_free.append(place)

    async def _tell_limits(self, x: XfrmState, place: Place) -> None:
        """Give the device what is left of an SA's limits; a limit that is reached ends it here.

        The device counts on meanwhile, and tells of a limit only when a packet reaches it: so the
        counts are looked at again behind the command.
        """
        side, handle = place
        async with self._spinlock:
            if self._states.get(place) is not x:
                return
            counted = await self._count(x, place)
            if counted is None:
                return
            limits = _counted_from(x.left, counted)
            if limits != {name: counted[name] for name in limits}:
                await self._command_locked(
                    command_values(SaOperation.MODIFY, side, handle) | limits | {
                        "select": int(SaSelect.SOFT | SaSelect.HARD)},
                    "change limits", gone_is_good=True)
            self._told_limits[place] = x.limits
        self._expire_by(x, x.left)
        await self._check_limits(x, place)

    def _expire_by(self, x: XfrmState, left: Limits) -> None:
        """Tell the key manager of limits of which nothing is left."""
        if 0 in (left.hard_packets, left.hard_bytes):
            expire(x, True, self._expired)
        elif 0 in (left.soft_packets, left.soft_bytes):
            expire(x, False, self._expired)

    def _give_back(self, side: SaDirection, handle: int, refused: LinuxError) -> None:
        """Take back a handle whose ADD has failed.

        If the device gave no answer, it may have added the SA all the same: then the handle must
        be deleted and freed first.
        """
        if refused.number in (errno.EIO, errno.ETIMEDOUT):
            self._to_free.append((side, handle))
        else:
            self._free[side].appendleft(handle)

    # Interrupt

    async def handle_interrupt(self) -> None:
        """Take the events off and do the work that they make.

        The interrupt may be sent on rising edges only. So the level must have been low before
        this ends: the driver looks again after it has cleared a cause, until there is none. A
        device that makes causes faster than that is told to let the level fall and rise again.
        """
        for _ in range(INTERRUPT_ROUNDS):
            if not await self.handle_events():
                break
        else:
            async with self._spinlock:
                with errnos("events"):
                    await self.hardware.enable_events(False)
                    await self.hardware.enable_events()
        await self.run_work()

    async def handle_events(self) -> bool:
        """Take off the events that are in the queue now. When some were lost, look at all SAs.

        Return whether there was a cause of an interrupt at the end: then there may be more.
        """
        for _ in range(EVENT_QUEUE_DEPTH):
            async with self._spinlock:
                with errnos("events"):
                    event = await self.hardware.next_event()
                if event is None:
                    break
                place = SaDirection(event["direction"]), event["sa"]
                x = self._states.get(place)
            self._handle(event, x, place)
        async with self._spinlock:
            with errnos("events"):
                present, lost = await self.hardware.interrupt_causes()
        if lost:
            self.noticed["events_overflow"] += 1
            for place, x in list(self._states.items()):
                await self._check_limits(x, place)
        return present or lost

    def _handle(self, event: Event, x: XfrmState | None, place: Place) -> None:
        """Handle an event of ``x``; a repeated one, or one of an SA that is gone, changes none."""
        try:
            kind = EventKind(event["kind"])
        except ValueError:
            self.noticed["events_unknown"] += 1
            return
        if kind in _NOTICED:
            self.noticed[_NOTICED[kind]] += 1
        elif x is None:
            self.noticed["events_of_no_sa"] += 1
        else:
            self._reached(x, place, kind == EventKind.HARD_LIMIT)

    def _reached(self, x: XfrmState, place: Place, hard: bool) -> None:
        """Expire an SA by a limit that the device has seen reached.

        If a user has changed the limits without the driver's knowledge, as an update that does not
        ask for offload does, the device is told the new ones instead.
        """
        if self._told_limits.get(place, x.limits) == x.limits:
            expire(x, hard, self._expired)
        else:
            self._new_limits[place] = x

    async def _check_limits(self, x: XfrmState, place: Place) -> None:
        """Expire an SA by the limits that the device has seen reached."""
        async with self._spinlock:
            values = await self._read(place) if self._states.get(place) is x else None
        if values is None:
            return
        for hard, kind in ((True, "hard"), (False, "soft")):
            if any(0 < values[f"{kind}_{unit}"] <= values[unit] for unit in ("packets", "bytes")):
                self._reached(x, place, hard)

    # Down and reset

    async def down(self) -> None:
        """Take the device down (ndo_stop): nothing of any SA stays in it.

        It stops at frame boundaries first. Frames that cannot leave, as when the link is down,
        do not hold this up for ever: they keep the SAs that they have found, and the flush that
        erases all SAs is repeated before the next SA is added.
        """
        async with self._mutex:
            await self._forget()
            self._flush_again = True
            with errnos("stop"):
                try:
                    await self.hardware.quiesce()
                except CommandTimeout:
                    self.noticed["stopped_with_frames"] += 1
            await self._flush_now_or_later()

    async def up(self) -> None:
        """Take frames again (ndo_open)."""
        async with self._mutex:
            await self._start()

    async def _start(self) -> None:
        with errnos("start"):
            await self.hardware.start()
        self.device.up = True

    async def restore(self) -> None:
        """Key the hash and add the living SAs again after a reset, which has erased all SAs.

        A flush comes first: an SA may have been added since the reset, and the hash takes a key
        only while there is none.

        Deleted SAs keep their handles until they are freed. The device's counts are
        lost with its SAs: an SA goes on with what is left of its limits by the stack's own count,
        or by the last count of ``update_stats`` if that is higher (``x.used``). An SA with nothing
        left has expired.

        An SA that the device does not take is left to software, which has its keys and its replay
        state. All others are added, then the first such error goes up.
        """
        async with self._mutex:
            await self._restore()

    async def _restore(self) -> None:
        await self._flush()
        with errnos("restore"):
            await self._set_up()
        states = {place: x for place, x in self._states.items() if x not in self._parked}
        parked = dict.fromkeys(self._parked, (SaDirection.RX, 0))
        temporary, twins = dict(self._temporary), set(self._twins)
        await self._forget()
        for (side, handle), x in states.items():
            self._states[side, handle] = x
            self._free[side].remove(handle)
        self._parked, self._temporary, self._twins = parked, temporary, twins
        failures = []
        for place, x in states.items():
            try:
                await self._add_again(x, place)
            except LinuxError as refused:
                self._leave_to_software(x, place, refused)
                failures.append(refused)
        if failures:
            raise LinuxError(
                failures[0].number,
                f"{len(failures)} SAs are left to software, the first: {failures[0].reason}")

    async def _add_again(self, x: XfrmState, place: Place) -> None:
        left = x.left
        if 0 in (left.hard_packets, left.hard_bytes):
            expire(x, True, self._expired)
        if await self._add(x, place[1]):
            self._expire_by(x, left)

    def _leave_to_software(
        self, x: XfrmState, place: Place, refused: LinuxError,
    ) -> None:
        """Take an SA's handle away: its packets, sent and received, are then the stack's work."""
        assert x.offload is not None
        x.offload.handle = 0
        del self._states[place]
        self._give_back(*place, refused)

    async def _flush(self) -> None:
        """Erase all SAs, and take their events off.

        EBUSY: they are erased, but frames that may have found them are inside.
        """
        self._flush_again = True
        await self._command({"operation": int(SaOperation.FLUSH)}, "flush")
        await self.handle_events()
        self._flush_again = False

    async def _flush_now_or_later(self) -> None:
        """Erase all SAs; with frames inside another flush follows before the next ADD."""
        try:
            await self._flush()
        except LinuxError as refused:
            if refused.number != errno.EBUSY:
                raise

    async def _forget(self) -> None:
        """Forget all SAs; a delete that runs now ends first."""
        async with self._spinlock:
            for part in (
                self._states, self._told, self._work, self._to_free, self._deleted, self._base,
                self._new_limits, self._told_limits, self._temporary, self._twins, self._parked,
            ):
                part.clear()
            for side in SaDirection:
                self._free[side] = deque(range(1, self.identity.sas))

    # Receive

    def receive(self, frame: bytes, completion: dict[str, int]) -> SkBuff | None:
        """The frame that goes up to the stack for a frame from the device; None for a dropped one.

        ``completion`` has the fields of RX_COMPLETION. A frame that the device has opened or
        judged carries the SA and a status; any other carries neither, and is as it came. A frame
        with a status or a handle that the driver does not know is dropped: it might be in clear.
        """
        try:
            status = STATUS.get(RxStatus(completion["status"]))
        except ValueError:
            self.dropped["ipsec_rx_drop_syndrome"] += 1
            return None
        opened = status == XfrmStatus.CRYPTO_SUCCESS
        if status is None or not (completion["sa"] or opened):
            return SkBuff(frame)
        place = SaDirection.RX, completion["sa"]
        x = self._states.get(place)
        if completion["status"] in _TWINS_MAY_HAVE and x and (x.mark_mask or x in self._twins):
            return SkBuff(frame)
        if x is None:
            self.dropped["ipsec_rx_drop_sadb_miss"] += 1
            return None
        if not opened:
            return SkBuff(frame, SecPath(x, status))
        if not self._same_number(x, place, frame, completion["esp_offset"]):
            status = XfrmStatus.CRYPTO_GENERIC_ERROR
        if x.encap:
            # Linux pulls the UDP header and leaves it in the sum.
            good = completion["outer_checksum"] == RxChecksum.GOOD
            return SkBuff(frame, SecPath(x, status), csum_level=0 if good else None)
        return SkBuff(frame, SecPath(x, status), completion["frame_checksum"])

    def _same_number(
        self, x: XfrmState, place: Place, frame: bytes, esp_offset: int,
    ) -> bool:
        """Whether the device has opened a frame under the number that the stack takes for it."""
        told = self._told.get(place)
        return told is None or told.agrees(x.window, ESP_SEQUENCE.read(frame[esp_offset:]))

    # Inside

    async def _set_up(self) -> None:
        """Key the hash, set the UDP ports, and let events raise the interrupt."""
        self._ports = self._ports or [UDP_PORT_ESP]
        async with self._spinlock:
            await self.hardware.set_esp_ports(self._ports)
            await self.hardware.set_table_key(self._secrets.getrandbits(registers.TABLE_KEY_BITS))
            await self.hardware.enable_events()

    def _takes_without_handle(self, x: XfrmState) -> bool:
        """Whether a state is the temporary one of an update of an SA that the device has.

        Raises ``LinuxError`` EOPNOTSUPP for a receive SA that differs from another by its mark
        only: the device finds SAs by destination and SPI alone, so software serves it.
        """
        for place, other in self._states.items():
            if place in self._deleted or _look_up_key(other) != _look_up_key(x):
                continue
            if other in self._parked:
                self._twins.add(x)
                continue
            if _same_sa(other, x):
                self._temporary[x] = place
                return True
            if x.direction == Direction.IN and not other.is_found_for(x):
                self._twins.add(other)
                raise LinuxError(
                    errno.EOPNOTSUPP, "SA of the same destination and SPI for another mark")
        return False

    async def _add_new(self, x: XfrmState) -> None:
        """Add an SA under a free handle.

        The handle is the SA's before the command: frames may come up with it, and events, before
        the command has ended.
        """
        if self._flush_again:
            await self._flush()
        side = _SIDES[x.direction]
        with suppress(LinuxError):  # They wait on; another handle will do.
            await self._retry_frees()
        await self._open_port(x)
        if not self._free[side]:
            raise LinuxError(errno.ENOSPC, f"all {self.identity.sas - 1} handles are in use")
        handle = self._free[side].popleft()
        self._states[side, handle] = x
        try:
            await self._add(x, handle)
        except LinuxError as refused:
            del self._states[side, handle]
            self._give_back(side, handle, refused)
            raise
        assert x.offload is not None
        x.offload.handle = handle

    async def _open_port(self, x: XfrmState) -> None:
        """Let the device receive ESP in UDP to the port of a receive SA.

        A port that no SA has any more makes room. Raises ``LinuxError`` EOPNOTSUPP without room.
        """
        if x.encap is None or x.direction == Direction.OUT:
            return
        used = {UDP_PORT_ESP, *(
            other.encap.destination_port for (side, _handle), other in self._states.items()
            if other.encap and side == SaDirection.RX)}
        ports = [port for port in self._ports if port in used]
        port = x.encap.destination_port
        if port in self._ports:
            return
        if len(ports) == ESP_PORTS:
            raise LinuxError(errno.EOPNOTSUPP, f"UDP ports {ports} are in use, no room for {port}")
        async with self._spinlock:
            with errnos("UDP ports"):
                await self.hardware.set_esp_ports([*ports, port])
        self._ports = [*ports, port]

    async def _add(self, x: XfrmState, handle: int) -> bool:
        """Do an ADD, with the window as it is now and what is left of the limits.

        False: the SA has ended meanwhile, and nothing has been done.
        """
        side = _SIDES[x.direction]
        async with self._spinlock:
            if x.state != KmState.VALID or (side, handle) in self._deleted:
                return False
            await self._add_locked(x, side, handle)
        return True

    async def _add_locked(self, x: XfrmState, side: SaDirection, handle: int) -> None:
        used = x.used
        window = self._window_of(x)
        state = EsnState(high=0, overlap=False)
        values = command_values(SaOperation.ADD, side, handle, x.association)
        values |= _limits(x.left) | {"replay_window": int(window)}
        by_software = x.direction == Direction.IN and x.esn and not window
        if side == SaDirection.TX:
            values["sequence"] = x.oseq
        elif window:
            values["sequence"] = x.window.top
        elif by_software:
            state = esn.driver_state(x.window.top, x.replay_window)
        values |= {"esn_high": state.high, "esn_overlap": int(state.overlap)}
        await self._command_locked(values, f"add SA {x.name or hex(x.spi)}")
        self._told_limits[side, handle] = x.limits
        self._base[side, handle] = used
        if by_software:
            self._told[side, handle] = ToldEsn(state)

    def _window_of(self, x: XfrmState) -> ReplayWindow:
        """The device's window for an SA: one of the same size, NONE if it has none such."""
        if x.direction == Direction.IN and self._device_window:
            for window in ReplayWindow:
                if 0 < window.packets == x.replay_window <= self.identity.replay_window:
                    return window
        return ReplayWindow.NONE

    def _place(self, x: XfrmState) -> Place:
        """The place of an SA in this device. Raises EINVAL for an SA of another device."""
        assert x.offload is not None
        if x.offload.device is not self.device:
            raise LinuxError(errno.EINVAL, f"SA {x.name} is on {x.offload.device.name}")
        return _SIDES[x.direction], x.offload.handle

    async def _command(
        self, values: dict[str, int], what: str, gone_is_good: bool = False,
    ) -> None:
        """Do an SA command: its words, its doorbell and the wait for its end are one conversation
        with the registers."""
        async with self._spinlock:
            await self._command_locked(values, what, gone_is_good)

    async def _command_locked(
        self, values: dict[str, int], what: str, gone_is_good: bool = False,
    ) -> None:
        with errnos(what):
            result = await self.hardware.command(values)
        if not (gone_is_good and result == SaResult.ENOENT):
            _expect_ok(result, what)

    async def _count(self, x: XfrmState, place: Place) -> dict[str, int] | None:
        """Note what the device has counted of an SA; return all that it says of it.

        The spinlock is held. None when the SA is gone: then the counts stay as they were.
        """
        values = await self._read(place)
        if values is not None:
            assert x.offload is not None
            base = self._base[place]
            x.offload.usage = Usage(
                base.packets + values["packets"], base.bytes + values["bytes"])
        return values

    async def _read(self, place: Place) -> dict[str, int] | None:
        """The fields of SA_RESPONSE for an SA; None when it is gone, as after a reset.

        The spinlock is held: command and answer are one conversation.
        """
        what = "read SA"
        with errnos(what):
            values = await self.hardware.read_sa(*place)
        result = SaResult(values["result"])
        if result == SaResult.ENOENT:
            return None
        _expect_ok(result, what)
        return values


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


def _look_up_key(x: XfrmState) -> tuple[object, ...]:
    """The fields by which a receive SA is found, and the direction."""
    return x.direction, x.destination, x.spi, x.encapsulation


def _same_sa(x: XfrmState, other: XfrmState) -> bool:
    """Whether two states of one look-up key are equal in all that tells SAs apart."""
    return (x.source, x.aead, x.mark, x.mark_mask) == (
        other.source, other.aead, other.mark, other.mark_mask)


def _expect_ok(result: SaResult, what: str) -> None:
    if result != SaResult.OK:
        raise LinuxError(getattr(errno, result.name), f"{what}: the device refuses")
