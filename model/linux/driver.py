"""The device's Linux driver: its callbacks, and the parts that do their work.

It refuses with -EOPNOTSUPP what the device cannot do and software can, and with -EINVAL what
contradicts itself. A result of the device goes up as the errno of its name.
"""

import errno
from collections import Counter
from contextlib import suppress
from random import Random

from espnic.model.interface import registers
from espnic.model.interface.statistics import statistics
from espnic.model.linux import features as device_features
from espnic.model.linux.adding import Adding
from espnic.model.linux.bus import RegisterError
from espnic.model.linux.checks import check
from espnic.model.linux.commands import Commands
from espnic.model.linux.errors import LinuxError
from espnic.model.linux.esn_fields import EsnFields
from espnic.model.linux.esp_ports import EspPorts
from espnic.model.linux.hardware import CommandTimeout, Hardware, Identity, errnos
from espnic.model.linux.interrupt import Interrupt
from espnic.model.linux.lifetimes import Lifetimes
from espnic.model.linux.locks import Lock
from espnic.model.linux.netdev import Feature, NetDevice
from espnic.model.linux.parking import Parking
from espnic.model.linux.places import SIDES, Place, Places
from espnic.model.linux.receive import Receive
from espnic.model.linux.removal import Removal
from espnic.model.linux.same_key import SameKey
from espnic.model.linux.skb import SkBuff
from espnic.model.linux.tx_skb import TxSkb
from espnic.model.linux.xfrm import ExpireUpcall, XfrmState
from espnic.model.linux.xfrm_device import api_check, has_options

MENDS_MAX = 8
"""Times that the driver mends the device's memories. One that fails more often is no accident."""


class EspnicDriver:
    """The driver of one device; ``device`` is what it registers with the stack.

    Callbacks may run at the same time. Two locks keep them apart: a mutex, for all that changes
    which SA has which handle, and the spinlock of ``Commands``, for one conversation with the
    registers. The mutex is taken here only: the parts find it held. The kernel calls
    ``state_delete``, ``update_stats``, ``advance_esn`` and ``offload_ok`` in atomic context: they
    never take the mutex. No upcall is made with the spinlock held, because the kernel holds the
    SA's own lock when it calls these.

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
        self._mends = 0
        """Times that memories have been mended, since the probe or since a user switched the
        offload on."""
        self._faults_known = 0
        """Wrong rows that the device had counted when its memories were mended last."""
        self._ciphers_failed = False
        """The device does not seal or open until a self-test has passed."""
        self._takes_sas = False
        """The offload is on. The stack notes that in the device's features, but only when the
        callback that switches it has returned; the mutex keeps this one."""
        self._secrets = secrets
        self._device_window = device_window
        self._mutex = Lock()
        self._counting = Lock()
        """Held for all counters together: reading one keeps its high word, one for all."""
        self._make_parts(expired)

    def _make_parts(self, expired: ExpireUpcall) -> None:
        """Make the parts, each of those before it that it needs."""
        self._commands = Commands(self.hardware)
        self._places = Places()
        # Both are changed in place, never replaced.
        self._states, self._free = self._places.states, self._places.free
        self._esn_fields = EsnFields(self._commands)
        self._lifetimes = Lifetimes(self._commands, self._places, expired)
        self._interrupt = Interrupt(self._commands, self._places, self._lifetimes, self.noticed)
        self._removal = Removal(
            self._commands, self._places, self._esn_fields, self._lifetimes, self._interrupt)
        self._ports = EspPorts(self._commands, self._places)
        self._adding = Adding(
            self._commands, self._places, self._esn_fields, self._lifetimes, self._removal,
            self._ports)
        self._parking = Parking(
            self._commands, self._places, self._lifetimes, self._removal, self._adding)
        self._same_key = SameKey(self._places, self._parking)
        self._receive = Receive(
            self._places, self._esn_fields, self._same_key, self.dropped, self.device)

    async def probe(self) -> None:
        """Find out what the device can do, empty it, key its hash and register with the stack.

        A device whose ciphers have failed their self-test offers no offload: it carries frames.
        An earlier driver that crashed, or was replaced by kexec, may have left SAs in it and may
        have stopped it. Raises ``LinuxError``: ENODEV for what is no such device, EIO or ETIMEDOUT
        for one that fails.
        """
        async with self._mutex:
            try:
                self.identity: Identity = await self.hardware.identify()
            except RegisterError as refused:
                raise LinuxError(errno.ENODEV, str(refused)) from None
            self._places.size = self.identity.sas
            if self._device_window:
                self._adding.largest_window = self.identity.replay_window
            await self._forget()
            await self._removal.flush_now_or_later()
            await self._start()
            with errnos("probe"):
                await self._set_up()
                self._ciphers_failed = not await self.hardware.ciphers_good()
            self.device.features = self.fix_features(
                {Feature(name) for name in self.identity.features})
            self._takes_sas = Feature.HW_ESP in self.device.features
        if Feature.HW_ESP.value in self.identity.features:
            self.device.ops = self
        self.device.netdev_ops = self
        self.device.has_advance_esn = self.identity.esn
        api_check(self.device)

    async def _set_up(self) -> None:
        """Key the hash, set the UDP ports, and let events raise the interrupt."""
        async with self._commands.spinlock:
            await self._ports.set_locked()
            await self.hardware.set_table_key(self._secrets.getrandbits(registers.TABLE_KEY_BITS))
            await self.hardware.enable_events()

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
        async with self._mutex:
            if not self._takes_sas:
                raise LinuxError(errno.EOPNOTSUPP, "esp-hw-offload is off")
            if not self._same_key.takes_without_handle(x):
                await self._adding.add_new(x)

    async def state_delete(self, x: XfrmState) -> None:
        """Stop look-ups. The handle stays known, because frames in flight still carry it.

        It may be called in atomic context, so it waits for the spinlock only: behind one other
        conversation with the registers at most, and never between two words of it.
        An SA that a reset has taken away is deleted already, and its handle may belong to another.
        """
        async with self._commands.spinlock:
            place = self._place(x)
            if self._places.has(place, x):
                self._removal.drop_work(place)
                await self._removal.delete_locked(place)

    async def state_free(self, x: XfrmState) -> None:
        """Erase the SA's keys, after a delete if that has not been done.

        While frames that found the SA are in flight, or the device does not answer, the work is
        put off and the handle stays taken. When the temporary state of an update goes, the device
        learns of what has changed of the SA that has been updated.
        """
        async with self._mutex:
            place = self._place(x)
            changed = self._same_key.end(x)
            if changed is not None and changed in self._states:
                await self._take_over(changed)
            self._parking.end(x)
            if self._places.has(place, x):
                self._removal.let_go(place)
                await self._removal.run_work()

    async def _take_over(self, place: Place) -> None:
        """Let the device know what an update has changed of an SA: its UDP port, and its limits,
        which are given to it from the work queue."""
        x = self._states[place]
        with suppress(LinuxError):  # Without room for the port its frames go up as they are.
            await self._ports.open_for(x)
        self._lifetimes.changed(x, place)

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
        self._esn_fields.moved(x, self._place(x))

    async def update_stats(self, x: XfrmState) -> None:
        """Put the packets and bytes of the SA into ``x.offload.usage``: those that the device has
        counted, and those from before a reset.

        The usage stays as it was when the device does not have the SA any more.
        """
        async with self._commands.spinlock:
            place = self._place(x)
            if self._places.has(place, x):
                await self._lifetimes.count_locked(x, place)

    def _place(self, x: XfrmState) -> Place:
        """The place of an SA in this device. Raises EINVAL for an SA of another device.

        It changes with the spinlock held.
        """
        assert x.offload is not None
        if x.offload.device is not self.device:
            raise LinuxError(errno.EINVAL, f"SA {x.name} is on {x.offload.device.name}")
        return SIDES[x.direction], x.offload.handle

    async def ethtool_statistics(self) -> dict[str, int]:
        """The statistics that ``ethtool -S`` prints."""
        async with self._counting:
            with errnos("counters"):
                return statistics(await self.hardware.counters(), self.dropped)

    # net_device_ops

    def features_check(self, skb: TxSkb, features: set[Feature]) -> set[Feature]:
        """The device's features for a packet of an offloaded SA (ndo_features_check)."""
        return device_features.for_packet(skb, features)

    def fix_features(self, wanted: set[Feature]) -> set[Feature]:
        """The features that can be on when a user wants these (ndo_fix_features).

        None while a cipher has failed its self-test.
        """
        if self._ciphers_failed:
            return set()
        return device_features.wanted_of(self.identity.features, wanted)

    async def set_features(self, features: set[Feature]) -> None:
        """Obey a user who switches the offload off or on (ndo_set_features).

        Off: software goes on with the receive SAs. On: they are added again as they are now.
        """
        async with self._mutex:
            if Feature.HW_ESP not in features:
                await self._parking.park()
            elif not self._takes_sas:
                self._mends = 0
                await self._parking.unpark()
            self._takes_sas = Feature.HW_ESP in features

    # Interrupt, and work that may wait

    async def handle_interrupt(self) -> None:
        """Take the events off until there is no cause of an interrupt, and do the work that they
        make."""
        await self._interrupt.handle()
        await self.run_work()

    async def handle_events(self) -> bool:
        """Take off the events that are in the queue now.

        Return whether there was a cause of an interrupt at the end: then there may be more.
        """
        return await self._interrupt.take_events()

    async def run_work(self) -> None:
        """Do the work that was put off: the rest of a handler that an access has ended, changes of
        ESN and limits, then frees that had to wait.

        When a memory has given a wrong row, all SAs are added again first: what it holds can be
        neither read nor deleted. When a self-test has failed, software takes over next, as when a
        user switches the offload off.
        """
        await self._interrupt.run_work()
        async with self._mutex:
            await self._look_for_lost_events()
            await self._mend()
            await self._look_at_ciphers()
            await self._esn_fields.run_work()
            await self._lifetimes.run_work()
            await self._removal.run_work()

    # Health

    async def self_test(self) -> bool:
        """Test the ciphers, while frames pass; say whether they are good (devlink health).

        If they are, a user may switch the offload on again. If not, software takes over.
        """
        async with self._mutex:
            # Without the spinlock: it may take long, and meets no other access but stop and start.
            with errnos("self-test"):
                good = await self.hardware.self_test(stopped=not self.device.up)
            self._ciphers_failed = not good
        await self.run_work()
        return good

    async def _look_for_lost_events(self) -> None:
        """When events were lost, find out whether one told of a wrong row or a failed test."""
        if self._interrupt.lost:
            self._interrupt.memory_fault |= await self._count_faults() != self._faults_known
            self._interrupt.cipher_failure = True
            self._interrupt.lost = False

    async def _count_faults(self) -> int:
        """The wrong rows that the device has counted."""
        async with self._counting:
            with errnos("counters"):
                return await self.hardware.counter("memory_faults")

    async def _look_at_ciphers(self) -> None:
        """Let software take over when the ciphers have failed; an event may be an old one."""
        if self._interrupt.cipher_failure:
            with errnos("ciphers"):
                self._ciphers_failed = not await self.hardware.ciphers_good()
            self._interrupt.cipher_failure = False
        if self._ciphers_failed:
            # Also if it was done before: an access may have failed amid it.
            self._offer_nothing()
            await self._parking.park()

    # Receive

    def receive(self, frame: bytes, completion: dict[str, int]) -> SkBuff | None:
        """The frame that goes up to the stack for a frame from the device; None for a dropped one.

        ``completion`` has the fields of RX_COMPLETION.
        """
        return self._receive.up(frame, completion)

    # Down and reset

    async def down(self) -> None:
        """Take the device down (ndo_stop): nothing of any SA stays in it.

        It stops at frame boundaries first. Frames that cannot leave, as when the link is down,
        do not hold this up for ever: they keep the SAs that they have found, and the flush that
        erases all SAs is repeated before the next SA is added.
        """
        async with self._mutex:
            await self._forget()
            self._removal.flush_again = True
            with errnos("stop"):
                try:
                    await self.hardware.quiesce()
                except CommandTimeout:
                    self.noticed["stopped_with_frames"] += 1
            await self._removal.flush_now_or_later()

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
            failures = await self._restore()
        if failures:
            raise LinuxError(
                failures[0].number,
                f"{len(failures)} SAs are left to software, the first: {failures[0].reason}")

    async def _restore(self) -> list[LinuxError]:
        """Flush, key the hash and add the living SAs; return why some are left to software."""
        await self._removal.flush()
        with errnos("restore"):
            await self._set_up()
            self._ciphers_failed = not await self.hardware.ciphers_good()
        await self._forget_device()
        failures = []
        for place, x in list(self._states.items()):
            try:
                await self._adding.add_again(x, place)
            except LinuxError as refused:
                failures.append(refused)
        return failures

    async def _mend(self) -> None:
        """Write all rows of the device's memories anew when one was wrong, as after a reset.

        A DELETE of the SA alone would do for some memories. But where commands read the row it is
        refused, and what a wrong row of the hash hides nobody knows. SAs that are added again go
        on with the keys and replay state of the stack. With frames inside that may have found an
        SA, it is tried again with the next work. A device that fails again and again is left alone:
        the stack does the work of its SAs until a user switches the offload on again.
        """
        if not self._interrupt.memory_fault:
            return
        for place, x in list(self._states.items()):
            with suppress(LinuxError):  # What cannot be read is lost, as in a reset.
                async with self._commands.spinlock:
                    await self._lifetimes.count_locked(x, place)
        try:
            if self._mends == MENDS_MAX:
                await self._give_up()
            else:
                await self._restore()
                self._mends += 1
                self._faults_known = await self._count_faults()
                self.noticed["memories_mended"] += 1
        except LinuxError as refused:
            if refused.number != errno.EBUSY:
                raise
        else:
            self._interrupt.memory_fault = False

    async def _give_up(self) -> None:
        """Leave all SAs to software, and offer no offload."""
        self._offer_nothing()
        await self._removal.flush()
        await self._forget_device()
        for place, x in list(self._states.items()):
            assert x.offload is not None
            x.offload.handle = 0
            del self._states[place]
            self._places.untake(place)

    def _offer_nothing(self) -> None:
        """Switch the offload off until a user switches it on."""
        self.device.features = set()
        self._takes_sas = False

    async def _forget(self) -> None:
        """Forget all SAs; a delete that runs now ends first."""
        async with self._commands.spinlock:
            for part in (self._places, self._esn_fields, self._lifetimes, self._removal,
                         self._same_key, self._parking):
                part.clear()

    async def _forget_device(self) -> None:
        """Forget what the device had of all SAs, and keep the SAs; software serves the parked
        ones, whose handles are free now."""
        async with self._commands.spinlock:
            self._places.keep({
                place: x for place, x in self._states.items() if not self._parking.has(x)})
            self._parking.forget_places()
            for part in (self._esn_fields, self._lifetimes, self._removal):
                part.clear()
