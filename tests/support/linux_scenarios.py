"""Scenarios of the Linux driver at the registers, for whatever device answers there.

The same coroutines run on the RTL and on the model; every register access and every outcome is
written down, so that the two can be held against each other.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random
from typing import Protocol

from espnic.model.interface.codes import EVENT_QUEUE_DEPTH, EventKind, SaDirection
from espnic.model.linux import xfrm_device
from espnic.model.linux.bus import RegisterBus
from espnic.model.linux.driver import EspnicDriver
from espnic.model.linux.errors import LinuxError
from espnic.model.linux.hardware import Hardware
from espnic.model.linux.host import Host
from espnic.model.linux.netdev import Feature
from espnic.model.linux.xfrm import Direction, Limits, XfrmState, state_of
from espnic.sim.life.recording import RecordedRegisters
from tests.support.sas import make_sa


class Target(Protocol):
    """A device's registers, and events as its datapath would tell them."""

    bus: RegisterBus

    async def tell(self, kind: EventKind, direction: SaDirection, sa: int, sequence: int) -> None:
        """Let an event come."""
        ...


class Scene:
    """A host and its driver on a device.

    Members
    -------
    log
        Register accesses and outcomes, in order.
    """

    def __init__(self, target: Target, *, device_window: bool = False) -> None:
        self._recorded = RecordedRegisters(target.bus)
        self.log = self._recorded.accesses
        self.host = Host()
        self.driver = EspnicDriver(Hardware(self._recorded), Random(5), self.host.expired,
                                   device_window=device_window)

    async def add(self, x: XfrmState) -> XfrmState:
        await self.attempt(self.host.add(x, self.driver.device))
        return x

    async def attempt(self, doing: Awaitable[None]) -> None:
        """Do something, and note its errno."""
        try:
            await doing
            self.log.append("0")
        except LinuxError as refused:
            self.log.append(str(refused))

    async def read(self, x: XfrmState) -> None:
        """Note all that the device says of an SA."""
        assert x.offload is not None
        side = SaDirection.RX if x.direction == Direction.IN else SaDirection.TX
        self.log.append(str(await self.driver.hardware.read_sa(side, x.offload.handle)))


def inbound(seed: int, **more: object) -> XfrmState:
    return state_of(make_sa(seed=seed, key_bytes=32), Direction.IN, **more)


def outbound(seed: int, **more: object) -> XfrmState:
    return state_of(make_sa(seed=seed), Direction.OUT, **more)


async def a_life(target: Target) -> list[str]:
    """Add, read, delete, free, and the same SPI again under another handle."""
    scene = Scene(target)
    await scene.driver.probe()
    limits = Limits(soft_packets=5, soft_bytes=1 << 40, hard_packets=9, hard_bytes=1 << 50)
    for x in (inbound(1, limits=limits), outbound(2, limits=limits), inbound(3)):
        await scene.add(x)
        await scene.read(x)
        await scene.driver.update_stats(x)
    first = scene.host.states[0]
    again = inbound(1)
    await scene.attempt(xfrm_device.state_delete(first))
    scene.host.states.remove(first)
    await scene.add(again)
    await scene.read(first)
    await scene.attempt(xfrm_device.state_free(first))
    await scene.attempt(scene.host.delete(again))
    return scene.log


async def refusals(target: Target) -> list[str]:
    """One SA twice, more SAs than handles, an SA of another device."""
    scene = Scene(target)
    await scene.driver.probe()
    states = [await scene.add(inbound(20 + number))
              for number in range(scene.driver.identity.sas)]
    await scene.attempt(scene.host.delete(states[3]))
    twice = replace(states[0])
    twice.offload = xfrm_device.Offload(scene.driver.device)
    await scene.attempt(scene.driver.state_add(twice))
    await scene.add(states[-1])
    for x in scene.host.states[:]:
        await scene.attempt(scene.host.delete(x))
    return scene.log


async def esn(target: Target) -> list[str]:
    """The window of a receive SA moves; what is not selected stays."""
    scene = Scene(target)
    await scene.driver.probe()
    x = await scene.add(state_of(
        make_sa(seed=4, esn=True, replay_window=64, initial_seq=(1 << 31) - 10), Direction.IN,
        limits=Limits(soft_packets=1 << 33)))
    for top in ((1 << 31) + 40, (1 << 31) + 70, (1 << 32) + 5, (1 << 32) + 80, (3 << 31) + 99):
        x.window.advance(top)
        scene.driver.advance_esn(x)
        scene.driver.advance_esn(x)
        await scene.driver.run_work()
        await scene.read(x)
    return scene.log


async def events(target: Target) -> list[str]:
    """Limits, events that come twice or of no SA, and more than the queue holds."""
    scene = Scene(target)
    await scene.driver.probe()
    for x in (inbound(1), outbound(2)):
        await scene.add(x)
    rx, tx = SaDirection.RX, SaDirection.TX
    for kind, side, handle in (
        (EventKind.SOFT_LIMIT, rx, 1), (EventKind.SOFT_LIMIT, rx, 1), (EventKind.HARD_LIMIT, tx, 1),
        (EventKind.SOFT_LIMIT, tx, 1), (EventKind.HARD_LIMIT, rx, 7),
    ):
        await target.tell(kind, side, handle, 0x123456789)
    await scene.driver.handle_interrupt()
    for number in range(EVENT_QUEUE_DEPTH + 3):
        await target.tell(EventKind.SOFT_LIMIT, rx, 1, number)
    await scene.driver.handle_interrupt()
    await scene.driver.handle_interrupt()
    scene.log.append(str([(x.spi, hard) for x, hard in scene.host.expired.told]))
    scene.log.append(str(sorted(scene.driver.noticed.items())))
    scene.log.append(str((await scene.driver.hardware.counters())["events_lost"]))
    return scene.log


async def down_and_restore(target: Target) -> list[str]:
    """All SAs are lost and added again, with what is left of their limits; then the device goes
    down."""
    scene = Scene(target)
    await scene.driver.probe()
    limits = Limits(soft_packets=4, hard_packets=10, hard_bytes=1 << 40)
    states = [await scene.add(x) for x in (
        inbound(1), outbound(2, limits=limits), inbound(3), inbound(4, limits=limits))]
    states[1].current.packets, states[3].current.packets = 7, 10
    await scene.driver.hardware.sa_command(operation=6)
    await scene.attempt(scene.host.delete(states[0]))
    await scene.attempt(scene.driver.restore())
    for x in scene.host.states:
        await scene.read(x)
        await scene.driver.update_stats(x)
        scene.log.append(f"{x.state.name} {x.offload.usage}")
    await scene.attempt(xfrm_device.netdev_down(scene.driver.device, states[1:]))
    await scene.attempt(scene.driver.down())
    return scene.log


async def left_behind(target: Target) -> list[str]:
    """A driver is gone without a word, its SAs there, the device stopped; the next one probes."""
    before = Scene(target)
    await before.driver.probe()
    for x in (inbound(1), outbound(2)):
        await before.add(x)
    await before.driver.hardware.quiesce()
    await target.tell(EventKind.HARD_LIMIT, SaDirection.RX, 1, 5)
    after = Scene(target)
    await after.driver.probe()
    for x in (inbound(1), outbound(2)):
        await after.add(x)
        await after.read(x)
    await after.driver.handle_interrupt()
    after.log.append(str([x.state.name for x in after.host.states]))
    return before.log + after.log


async def updates(target: Target) -> list[str]:
    """Limits are updated, a twin by its mark is refused, the offload is switched off and on."""
    scene = Scene(target)
    await scene.driver.probe()
    states = [await scene.add(make(seed, limits=Limits(soft_packets=5)))
              for seed, make in ((1, inbound), (2, outbound))]
    for new in (Limits(soft_packets=9, hard_bytes=1 << 40), Limits()):
        for seed, make in ((1, inbound), (2, outbound)):
            await scene.attempt(scene.host.update(make(seed, limits=new), scene.driver.device))
        await scene.driver.run_work()
        for x in states:
            await scene.read(x)
    await scene.attempt(scene.host.add(inbound(1), scene.driver.device))
    await scene.attempt(scene.host.add(
        replace(inbound(3), spi=states[0].spi), scene.driver.device))
    for features in (set(), set(Feature)):
        await scene.attempt(xfrm_device.set_features(scene.driver.device, features))
        await scene.driver.run_work()
        scene.log.append(str([x.offload and x.offload.handle for x in states]))
    for x in states:
        await scene.read(x)
        await scene.attempt(scene.host.delete(x))
    return scene.log


SCENARIOS: tuple[Callable[[Target], Awaitable[list[str]]], ...] = (
    a_life, refusals, esn, events, down_and_restore, left_behind, updates)
