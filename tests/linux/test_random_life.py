"""Random lives of SAs on a host with the device, beside one that does all in software."""

from random import Random

import pytest

from espnic.model.interface.codes import SaOperation
from espnic.model.linux import xfrm_device
from espnic.model.linux.bus import run
from espnic.model.linux.errors import LinuxError
from espnic.model.linux.netdev import Feature
from espnic.model.linux.xfrm import Direction, Limits, check_expire, state_of
from espnic.model.net import gso
from tests.support.clear_packets import clear_packet
from tests.support.linux_host import Bench
from tests.support.sas import make_sa

STEPS = 150
KINDS = 5
"""SAs of each direction that a life may have."""


class Life:
    """The same SAs on two hosts: one with the device, one in software.

    Packets and verdicts must be the same; frames on the wire must be the same bytes.
    """

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        self.device = Bench(device_window=random.random() < 0.5)
        self.software = Bench()
        self.peer = Bench()
        self.replays = random.random() < 0.5
        """Whether old and forged frames come, and super-frames go. Then there are no limits. The
        device counts replays where software keeps the window, it counts segments where the kernel
        counts a super-frame, and it judges a forged frame before the kernel sees that the SA has
        expired."""
        self.kinds = [self.kind(1000 * seed, number) for number in range(KINDS)]
        self.sent: dict[tuple[int, int], list[bytes]] = {}

    def kind(self, seed, number):
        random = self.random
        esn = random.random() < 0.7
        return make_sa(
            random.choice((4, 6)), random.choice((16, 24, 32)), seed=seed + number,
            esn=esn, inner_family=4, name=str(number),
            replay_window=random.choice((32, 64, 128)),
            initial_seq=random.choice((1, (1 << 31) - 4, (1 << 32) - 8)) if esn else 1)

    def pairs(self, direction):
        """Number and both states of each SA of a direction that lives."""
        found = []
        for x in self.device.host.states:
            if x.direction == direction:
                found += [(int(x.name), x, y) for y in self.software.host.states
                          if (y.name, y.direction) == (x.name, direction)]
        return found

    def both(self, call):
        """Do the same on both hosts, with the same result."""
        results = []
        for bench in (self.device, self.software):
            try:
                results.append(call(bench))
            except LinuxError as error:
                results.append(error.name)
        assert results[0] == results[1]
        return results[0]

    def limits(self):
        if self.replays or self.random.random() < 0.5:
            return Limits()
        return Limits(soft_packets=self.random.randrange(1, 8),
                      hard_packets=self.random.randrange(8, 30))

    # Steps

    def add(self):
        number = self.random.randrange(KINDS)
        direction = self.random.choice((Direction.IN, Direction.OUT))
        limits, seed = self.limits(), self.random.getrandbits(32)

        def added(bench):
            x = state_of(self.kinds[number], direction, limits=limits)
            run(bench.host.add(x, bench.device if bench is self.device else None))
        if self.both(added) is None and direction == Direction.IN:
            sender = state_of(self.kinds[number], Direction.OUT, name=f"{number} {seed}")
            self.peer.host.states = [
                x for x in self.peer.host.states if x.name.split()[0] != str(number)]
            self.peer.host.states.append(sender)
            self.sent[number, seed] = []

    def update(self):
        pairs = self.pairs(self.random.choice((Direction.IN, Direction.OUT)))
        if pairs:
            _number, x, _y = self.random.choice(pairs)
            limits, asks = self.limits(), self.random.random() < 0.7
            self.both(lambda bench: run(bench.host.update(
                state_of(x.association, x.direction, limits=limits),
                bench.device if bench is self.device and asks else None)))

    def delete(self):
        pairs = self.pairs(self.random.choice((Direction.IN, Direction.OUT)))
        if pairs:
            _number, x, y = self.random.choice(pairs)
            run(self.device.host.delete(x))
            run(self.software.host.delete(y))

    def receive(self):
        pairs = self.pairs(Direction.IN)
        if not pairs:
            return
        number, x, y = self.random.choice(pairs)
        sender = next(one for one in self.peer.host.states
                      if one.name.split()[0] == str(number))
        old = self.sent[number, int(sender.name.split()[1])]
        clear = gso.with_checksum(clear_packet(
            4, bytes(12) + b"\x50\x10" + self.random.randbytes(30), protocol=6))
        if self.replays and old and self.random.random() < 0.2:
            frame = self.random.choice(old)
        else:
            frame, = self.peer.send(sender, clear)
            old.append(frame)
            if self.replays and self.random.random() < 0.15:
                changed = bytearray(frame)
                changed[self.random.randrange(-20, 0)] ^= 1 << self.random.randrange(8)
                frame = bytes(changed)
        got = self.both(lambda bench: bench.receive(frame))
        assert (x.current.packets, x.window.top, x.integrity_failures) == (
            y.current.packets, y.window.top, y.integrity_failures), got

    def send(self):
        pairs = self.pairs(Direction.OUT)
        if not pairs:
            return
        _number, x, y = self.random.choice(pairs)
        clear = gso.unfinished(clear_packet(
            4, bytes(12) + b"\x50\x10" + bytes(6) + self.random.randbytes(90), protocol=6))
        mss = self.random.choice((0, 40)) if self.replays else 0
        self.both(lambda bench: bench.send(
            x if bench is self.device else y, clear, checksum=True, mss=mss))
        assert x.oseq == y.oseq

    def switch(self):
        run(xfrm_device.set_features(self.device.device, set(
            self.random.choice((set(), {Feature.HW_ESP}, set(Feature), set(Feature))))))

    def reset(self):
        self.device.engine.command({"operation": int(SaOperation.FLUSH)})
        run(self.device.driver.restore())

    def interrupt(self):
        run(self.device.driver.handle_interrupt())

    def expire(self):
        run(self.device.driver.handle_interrupt())
        for bench in (self.device, self.software):
            for x in bench.host.states:
                check_expire(x, bench.host.expired)
            run(bench.host.expire())

    def check(self):
        """Hold what the hosts have counted against each other, and the device's SAs against the
        driver's."""
        run(self.device.driver.handle_interrupt())
        for direction in Direction:
            for _number, x, y in self.pairs(direction):
                assert (x.current, x.oseq) == (y.current, y.oseq)
        driver, engine = self.device.driver, self.device.engine
        for side, table in engine.sas.items():
            there = {handle for handle in range(1, table.size) if table.get(handle) is not None}
            known = {handle for at, handle in driver._states if at == side}
            assert there <= known and not known & set(driver._free[side])
            assert len(driver._free[side]) + len(known) == table.size - 1


@pytest.mark.parametrize("seed", range(25))
def test_a_host_with_the_device_is_as_one_that_does_all_in_software(seed):
    print("seed", seed)
    life = Life(seed)
    steps = (life.add, life.add, life.update, life.delete, life.switch, life.reset,
             life.interrupt, life.expire, *[life.receive] * 12, *[life.send] * 6)
    for _ in range(STEPS):
        life.random.choice(steps)()
    life.check()
    assert life.device.engine.counters["rx_packets_in"] > 5
