"""Two callbacks of the driver at the same time, in every order of their register accesses."""

from itertools import combinations_with_replacement, product

import pytest

from espnic.model.interface.codes import EventKind, SaDirection, SaMemory, SaOperation
from espnic.model.linux import xfrm_device
from espnic.model.linux.bus import run
from espnic.model.linux.errors import LinuxError
from espnic.model.linux.locks import Lock
from espnic.model.linux.netdev import Feature
from espnic.model.linux.xfrm import Direction, KmState, Limits, OffloadFlags
from tests.support.linux_host import SAS, inbound, outbound
from tests.support.linux_races import SteppedBench, explore, interruptions, settle
from tests.support.sas import make_sa

SIDES = {Direction.IN: SaDirection.RX, Direction.OUT: SaDirection.TX}
BYTES = 100
"""Bytes that the device has counted of each SA."""
BEFORE_WRAP = (1 << 32) - 1
"""Value of a counter whose high word changes with the next frame."""


class Scene:
    """A host with SAs that the device has, for callbacks that run at the same time.

    Callback ``number`` has SA ``number``, a receive SA with ESN whose window software keeps.
    """

    def __init__(self) -> None:
        self.bench = SteppedBench(device_window=False)
        self.driver = self.bench.driver
        self.sas = [self.bench.add(inbound(
            make_sa(seed=20 + number, esn=True, replay_window=64, key_bytes=32)))
            for number in range(2)]
        for number, x in enumerate(self.sas):
            self.engine_sa(x, "lifetime").count(self.packets(number), BYTES)
        self.new = [make(make_sa(seed=40 + number))
                    for number, make in enumerate((inbound, outbound))]

    @staticmethod
    def packets(number):
        """Packets that the device has counted of an SA."""
        return 4 + number

    def engine_sa(self, x, what="get"):
        """The part of an SA in the device."""
        return getattr(self.bench.engine.sas[SIDES[x.direction]], what)(x.offload.handle)

    # Callbacks

    async def add(self, number):
        await self.bench.host.add(self.new[number], self.bench.device)

    async def delete(self, number):
        await xfrm_device.state_delete(self.sas[number])

    async def end(self, number):
        await xfrm_device.state_end(self.sas[number])

    async def read(self, number):
        await self.driver.update_stats(self.sas[number])

    def prepare_esn(self, number):
        self.sas[number].window.advance((1 << 32) + 100)
        self.driver.advance_esn(self.sas[number])

    async def esn(self, _number):
        await self.driver.run_work()

    def update(self, number, limits):
        """Change the limits of an SA as a user does; the device is to be told of it."""
        temporary = self.like(number)
        run(xfrm_device.state_add(temporary, self.bench.device, OffloadFlags.INBOUND))
        self.sas[number].limits = limits
        run(xfrm_device.state_free(temporary))

    def like(self, number, **more):
        """A state of the look-up key of an SA."""
        return inbound(
            make_sa(seed=20 + number, esn=True, replay_window=64, key_bytes=32), **more)

    def prepare_limits(self, number):
        self.update(number, self.new_limits(number))

    def new_limits(self, number):
        return Limits(soft_packets=70 + number, hard_bytes=1 << 33)

    async def limits(self, _number):
        await self.driver.run_work()

    def prepare_events(self, number):
        x, push = self.sas[number], self.bench.engine.events.push
        count = self.engine_sa(x, "lifetime").packets
        self.update(number, Limits(hard_packets=count + 1))
        run(self.driver.run_work())
        push(EventKind.ESN_HALF, SaDirection.RX, x.offload.handle)
        for kind in self.engine_sa(x, "lifetime").count(1, 100):
            push(kind, SaDirection.RX, x.offload.handle, 5)

    async def update_limits(self, number):
        await self.bench.host.update(
            self.like(number, limits=self.new_limits(number)), self.bench.device)

    def prepare_twin(self, number):
        self.sas[number].mark, self.sas[number].mark_mask = 3, 15

    async def twin(self, number):
        await self.bench.host.add(self.like(number, mark=7, mark_mask=15), self.bench.device)

    async def events(self, _number):
        await self.driver.handle_interrupt()

    def prepare_lost(self, number):
        self.prepare_events(number)
        self.bench.engine.events.overflowed = True

    async def lost(self, _number):
        await self.driver.handle_interrupt()

    async def self_test(self, _number):
        await self.driver.self_test()

    def prepare_failure(self, _number):
        self.bench.engine.broken.add(SaDirection.RX)
        self.bench.engine.self_test()

    async def failure(self, _number):
        await self.driver.handle_interrupt()

    def prepare_mend(self, number):
        place = SaDirection.RX, SaMemory.RECORD, self.sas[number].offload.handle
        self.bench.engine.wrong_rows.turn(*place)
        self.bench.engine.events.push(
            EventKind.MEMORY_FAULT, SaDirection.RX, place[2], int(SaMemory.RECORD))

    async def mend(self, _number):
        await self.driver.handle_interrupt()

    async def down(self, _number):
        await self.driver.down()

    def prepare_restore(self, _number):
        self.bench.engine.command({"operation": int(SaOperation.FLUSH)})

    async def restore(self, _number):
        await self.driver.restore()

    async def switch_off(self, _number):
        await xfrm_device.set_features(self.bench.device, set())

    def prepare_switch_on(self, _number):
        run(xfrm_device.set_features(self.bench.device, set()))
        run(self.driver.run_work())

    async def switch_on(self, _number):
        await xfrm_device.set_features(self.bench.device, set(Feature))

    # What holds afterwards

    def check(self, names, problems):
        """Assert that device and driver agree, whatever came first."""
        gone = {"down", "restore", "failure", "mend"} & set(names)
        # A command on a wrong row, and an ADD to a cipher that has failed.
        refused = {"failure", "mend"} & set(names)
        assert not [str(problem) for problem in problems if problem and not (
            refused and getattr(problem, "name", None) == "EIO")]
        settle(self.bench)
        driver, engine = self.driver, self.bench.engine
        for place, x in driver._states.items():
            if x.state == KmState.VALID:
                found = engine.sas[place[0]].get(place[1])
                wanted = x.association
                assert (found.key, found.salt, found.spi, found.esn) == (
                    wanted.key, wanted.salt, wanted.spi, wanted.esn), "another key, or a mix"
        for side in SaDirection:
            there = {handle for handle in range(1, SAS)
                     if engine.sas[side].get(handle) is not None}
            assert there <= {handle for at, handle in driver._states if at == side}
            kept = list(driver._free[side]) + [
                handle for at, handle in driver._states if at == side]
            assert sorted(kept) == list(range(1, SAS)), "a handle is lost, or there twice"
            if side == SaDirection.RX and not self.bench.device.features:
                assert not there, "an SA is in a device whose offload is off"
        for number, name in enumerate(names):
            if not gone:
                getattr(self, f"check_{name}", lambda _number: None)(number)

    def check_add(self, number):
        x = self.new[number]
        if self.bench.device.features:
            assert x.offload.handle and self.engine_sa(x).key == x.association.key

    def check_delete(self, number):
        assert self.engine_sa(self.sas[number]) is None

    def check_end(self, number):
        assert self.sas[number].offload is None

    def check_read(self, number):
        x = self.sas[number]
        if x.state == KmState.VALID and x.offload.handle:
            assert x.offload.usage.packets == self.packets(number)

    def check_esn(self, number):
        if self.sas[number].offload.handle:
            assert self.engine_sa(self.sas[number]).esn_high == 1

    def check_limits(self, number):
        if self.sas[number].offload.handle:
            lifetime = self.engine_sa(self.sas[number], "lifetime")
            new = self.new_limits(number)
            assert (lifetime.limits.soft_packets - lifetime.packets,
                    lifetime.limits.hard_bytes - lifetime.bytes) == (
                        new.soft_packets - self.packets(number), new.hard_bytes - BYTES)

    def check_update_limits(self, number):
        assert self.sas[number].limits == self.new_limits(number)
        self.check_limits(number)

    def check_switch_on(self, number):
        x = self.sas[number]
        assert x.state != KmState.VALID or x.offload.handle

    def check_events(self, number):
        assert (self.sas[number], True) in self.bench.host.expired.told
        assert not len(self.bench.engine.events)


NAMES = ("add", "delete", "end", "read", "esn", "limits", "events", "down", "restore", "switch_off")
PAIRS = [*combinations_with_replacement(NAMES, 2),
         *product(("add", "delete"), ("lost", "self_test", "failure", "mend", "update_limits")),
         *product(("switch_off", "switch_on"), ("twin", "update_limits")),
         *product(("delete", "end", "read", "esn"), ("switch_on",)), ("update_limits", "limits"),
         ("add", "twin")]


def begin(names, same=False):
    """A scene whose callbacks have begun; with ``same`` both are of the first SA."""
    scene = Scene()
    numbers = [0, 0 if same else 1]
    for name, number in zip(names, numbers, strict=True):
        getattr(scene, f"prepare_{name}", lambda _number: None)(number)
    scene.bench.scene = scene
    return scene.bench, [getattr(scene, name)(number)
                         for name, number in zip(names, numbers, strict=True)]


LONG = {("delete", "lost"), ("delete", "mend"), ("end", "switch_on")}
"""Callbacks with too many orders: one of the two runs whole somewhere within the other."""


def orders(names):
    """Check every order of two callbacks; return the number of orders."""
    count = 0
    tried = interruptions if names in LONG else explore
    for bench, problems in tried(lambda: begin(names)):
        bench.scene.check(names, problems)
        count += 1
    return count


@pytest.mark.parametrize("names", PAIRS, ids=" and ".join)
def test_two_callbacks_at_the_same_time_leave_device_and_driver_as_one_after_the_other(names):
    assert orders(names) > 1


OF_ONE_SA = [("delete", "read"), *(
    (first, second) for first in ("delete", "end")
    for second in ("esn", "limits", "events", "down", "restore", "switch_off", "switch_on"))]
"""Callbacks that the kernel may make of one SA at a time: none, once it frees it."""


@pytest.mark.parametrize("names", OF_ONE_SA, ids=" and ".join)
def test_an_sa_may_end_while_another_callback_works_on_it(names):
    for bench, problems in explore(lambda: begin(names, same=True)):
        assert bench.engine.sas[SaDirection.RX].get(1) is None, "it is found after its delete"
        bench.scene.check(("none", "none"), problems)
        x = bench.scene.sas[0]
        assert x.state == KmState.DEAD and bench.engine.sas[SaDirection.RX].get(1) is None
        assert names[0] == "delete" or x not in bench.driver._states.values()


@pytest.fixture
def no_locks(monkeypatch):
    """Locks that keep nobody out."""
    async def nothing(_self, *_problem):
        return None
    monkeypatch.setattr(Lock, "__aenter__", nothing)
    monkeypatch.setattr(Lock, "__aexit__", nothing)


BROKEN = (AssertionError, LinuxError, AttributeError, KeyError, IndexError)
NEED_LOCKS = [
    ("add", "add"), ("add", "delete"), ("add", "read"), ("add", "esn"), ("add", "limits"),
    ("add", "end"), ("add", "restore"), ("read", "read"), ("read", "delete"), ("read", "limits"),
    ("events", "events"), ("events", "end"),
]


@pytest.mark.parametrize("names", NEED_LOCKS, ids=" and ".join)
def test_without_the_locks_there_is_an_order_that_goes_wrong(names, no_locks):
    def check_all():
        for bench, problems in interruptions(lambda: begin(names)):
            bench.scene.check(names, problems)
    with pytest.raises(BROKEN):
        check_all()


# Counters

def begin_statistics():
    bench = SteppedBench()
    bench.engine.counters |= {"rx_ok": BEFORE_WRAP, "tx_sealed": 5 << 32, "tx_bytes_in": 9 << 32}
    bench.right = run(bench.driver.ethtool_statistics())
    bench.found = []

    async def ask():
        bench.found.append(await bench.driver.ethtool_statistics())
    return bench, [ask(), ask()]


def all_right(orders):
    """Whether all statistics of every order are right."""
    return [bench.found == [bench.right] * 2 and problems == [None, None]
            for bench, problems in orders]


def test_counters_are_read_whole():
    """One register keeps the high word of the counter that was read last."""
    assert all(all_right(explore(begin_statistics)))


def test_without_the_lock_a_counter_has_the_high_word_of_another(no_locks):
    assert not all(all_right(interruptions(begin_statistics)))
