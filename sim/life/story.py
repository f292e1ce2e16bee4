"""The life of an SA pair, from probe to flush: one story for the RTL and for the model.

The host's driver and stack are those of ``model.linux``; the device is whatever answers at its
registers and packet ports. The peer is a host that does all in software. The story gives a list
of entries, which can be compared with those of another device.
"""

from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from random import Random

from espnic.model.host.stack import Request
from espnic.model.interface.codes import Encapsulation, KeySize, RxStatus
from espnic.model.linux import rx_checksum, xfrm_device
from espnic.model.linux.bus import RegisterBus
from espnic.model.linux.driver import EspnicDriver
from espnic.model.linux.errors import LinuxError
from espnic.model.linux.hardware import Hardware
from espnic.model.linux.host import Host
from espnic.model.linux.netdev import NetDevice
from espnic.model.linux.skb import SkBuff
from espnic.model.linux.xfrm import Direction, KmState, Limits, Usage, XfrmState, state_of
from espnic.model.net import gso, ip
from espnic.model.sa.sa import SALT_BYTES, SEQIV_SALT_BYTES, SecurityAssociation
from espnic.sim.life.ports import Ports
from espnic.sim.life.recording import Entry, RecordedRegisters
from espnic.sim.traffic.steps import Received

SENT_AMONG_DELETE = 24
RECEIVED_AMONG_DELETE = 60
"""Number of frames, so great that a delete among them comes before the last at any width."""
NO_LIMITS = Limits()
BURST_THRESHOLD = 3
BURST_CLOCKS = 0xFFFFFFFF


@dataclass(frozen=True)
class _Kind:
    """Parameters that the SAs of a pair have in common."""

    window: int
    first: int = 1
    """First sequence number."""
    esn: bool = True
    encapsulation: Encapsulation = Encapsulation.NONE

    def association(
        self, name: str, source: IPv4Address, destination: IPv4Address, random: Random,
    ) -> SecurityAssociation:
        """An SA of this kind with random secrets and SPI."""
        return SecurityAssociation(
            spi=random.randrange(256, 1 << 32), source=source, destination=destination,
            key=random.randbytes(KeySize.AES256.bytes), salt=random.randbytes(SALT_BYTES),
            seqiv_salt=random.randbytes(SEQIV_SALT_BYTES), name=name, esn=self.esn,
            initial_seq=self.first, replay_window=self.window, encapsulation=self.encapsulation)


@dataclass(frozen=True)
class _Pair:
    """The host's SAs with the peer, one in each direction."""

    outbound: XfrmState
    inbound: XfrmState


class Story:
    """The story of one device.

    Parameters
    ----------
    bus, ports
        Registers and packet ports of the device.
    seed
        Seed of keys and packets.

    Members
    -------
    entries
        The steps that have been played so far.
    host
        The Linux host of the device.
    peer
        The host at the other end, which does all in software.
    driver
        The driver of the device.
    """

    def __init__(self, bus: RegisterBus, ports: Ports, seed: int) -> None:
        self.entries: list[Entry] = []
        self._ports = ports
        self._random = Random(seed)
        self._bus = RecordedRegisters(bus)
        self.host, self.peer = Host(), Host()
        self.driver = EspnicDriver(Hardware(self._bus), self._random, self.host.expired)
        self._peer_device = NetDevice("peer0")
        self._told = 0

    async def play(self) -> None:
        """Play all steps, in order."""
        await self._probe()
        old = await self._add_pair(
            "first", _Kind(first=(1 << 32) - 24, window=32),
            Limits(soft_packets=30, soft_bytes=1 << 20, hard_packets=60))
        await self._send(old, "single packets out", singles=6)
        await self._send(old, "a super-frame out, cut by the device", mss=536, segments=7)
        await self._send(
            old, "a super-frame out across 2^32, cut by software", mss=536, segments=17)
        wires = await self._receive(old, "packets in, across 2^32", count=45)
        await self._repeat(wires, "replays: the last, one before it, and one so old that its "
                                  "number would be of the next 2^32")
        await self._forge(old)
        await self._interrupt("the interrupt")
        new = await self._add_pair(
            "second", _Kind(first=(1 << 31) - 6, window=48), Limits(hard_packets=12))
        await self._delete_while_sending(old)
        await self._delete_while_receiving(old, new)
        await self._free(old)
        await self._receive(new, "packets in, across 2^31: software keeps this window", count=40)
        await self._send(new, "packets out, up to the hard limit", singles=12)
        await self._refused(new)
        await self._interrupt("the interrupt again")
        third = await self._add_pair(
            "third", _Kind(esn=False, window=128, encapsulation=Encapsulation.UDP),
            limits_in=Limits(soft_packets=100, hard_packets=150))
        wires = await self._receive(third, "packets in, in UDP and without ESN", count=145)
        await self._repeat(wires, "replays: the last, one before it, and one left of the window")
        await self._receive_past_the_limit(third)
        await self._interrupt("the interrupt once more")
        await self._statistics(new)
        await self._down()
        await self._after(new)

    # Steps

    async def _probe(self) -> None:
        entry = self._begin("probe: what is it, key of the hash, interrupts, bursts")
        await self.driver.probe()
        await self.driver.hardware.detect_bursts(BURST_THRESHOLD, BURST_CLOCKS)
        identity = self.driver.identity
        entry.facts += [
            f"{identity.width} bits, {identity.sas - 1} handles each way, "
            f"replay windows to {identity.replay_window}",
            "features " + ", ".join(sorted(self.driver.device.features))]

    async def _add_pair(
        self, name: str, kind: _Kind, limits_out: Limits = NO_LIMITS,
        limits_in: Limits = NO_LIMITS,
    ) -> _Pair:
        here, there = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
        out = kind.association(f"{name} out", here, there, self._random)
        back = kind.association(f"{name} in", there, here, self._random)
        pair = _Pair(state_of(out, Direction.OUT, limits=limits_out),
                     state_of(back, Direction.IN, limits=limits_in))
        for x in (pair.outbound, pair.inbound):
            entry = self._begin(f"add SA {x.name}")
            await self.host.add(x, self.driver.device)
            assert x.offload is not None
            entry.facts.append(f"SPI {x.spi:#010x}, handle {x.offload.handle}, "
                               f"next sequence number {x.initial_seq:#x}")
            mirror = Direction.IN if x.direction == Direction.OUT else Direction.OUT
            await self.peer.add(state_of(x.association, mirror))
        return pair

    async def _send(
        self, pair: _Pair, title: str, singles: int = 0, mss: int = 0, segments: int = 0,
    ) -> None:
        entry = self._begin(title)
        clear = [self._packet(self._random.randrange(1, 1300)) for _ in range(singles)]
        if mss:
            clear.append(self._packet(mss * segments - 7))
        ways, requests = [], []
        for packet in clear:
            sent = self.host.output.send(
                pair.outbound, packet, self.driver.device, checksum=True, mss=mss)
            ways.append(sent.way.value)
            requests += sent.requests
        entry.facts += [f"{len(clear)} packets, {len(requests)} requests: {', '.join(set(ways))}"]
        self._arrive(entry, await self._ports.transmit(requests), [
            whole for packet in clear for whole in (
                gso.segments(packet, mss) if mss else [gso.with_checksum(packet)])])

    async def _receive(self, pair: _Pair, title: str, count: int) -> list[bytes]:
        entry = self._begin(title)
        clear = [gso.with_checksum(self._packet(self._random.randrange(1, 600)))
                 for _ in range(count)]
        wires = [self._from_peer(pair, packet) for packet in clear]
        delivered = await self._take(entry, wires)
        if delivered != clear:
            entry.problems.append("the packets that go up are not those that the peer has sent")
        return wires

    async def _repeat(self, wires: list[bytes], title: str) -> None:
        entry = self._begin(title)
        await self._take(entry, [wires[-1], wires[-9], wires[0]])

    async def _forge(self, pair: _Pair) -> None:
        entry = self._begin("forged: a bit of the text, of the ICV, of the sequence number")
        wire = self._from_peer(pair, gso.with_checksum(self._packet(100)))
        forged = [_flip(wire, byte, bit) for byte, bit in ((60, 3), (-1, 0), (39, 7))]
        await self._take(entry, [*forged, wire])

    async def _receive_past_the_limit(self, pair: _Pair) -> None:
        entry = self._begin("packets in, more than the hard limit allows")
        await self._take(entry, [
            self._from_peer(pair, gso.with_checksum(self._packet(40))) for _ in range(8)])

    async def _interrupt(self, title: str) -> None:
        entry = self._begin(f"{title}: events off the queue")
        await self.driver.handle_interrupt()
        self._tell(entry)

    async def _delete_while_sending(self, pair: _Pair) -> None:
        entry = self._begin("delete the first SA out while frames of it are sent")
        clear = [self._packet(800) for _ in range(SENT_AMONG_DELETE)]
        requests = [
            request for packet in clear for request in self.host.output.send(
                pair.outbound, packet, self.driver.device, checksum=True).requests]
        wires = await self._ports.transmit_during(
            requests, lambda: self._stop(pair.outbound))
        entry.facts.append(f"{len(requests)} requests, {len(wires)} left sealed, none in clear")
        self._arrive(entry, wires, [gso.with_checksum(packet) for packet in clear[:len(wires)]])

    async def _delete_while_receiving(self, old: _Pair, new: _Pair) -> None:
        entry = self._begin("delete the first SA in while frames of both SAs come")
        clear = [gso.with_checksum(self._packet(1000)) for _ in range(RECEIVED_AMONG_DELETE)]
        wires = [self._from_peer(pair, packet) for pair, packet in zip(
            [old, new] * (len(clear) // 2), clear, strict=True)]
        received = await self._ports.receive_during(wires, lambda: self._stop(old.inbound))
        self._hand_up(entry, received)

    async def _stop(self, x: XfrmState) -> None:
        self.host.states.remove(x)
        await xfrm_device.state_delete(x)

    async def _free(self, pair: _Pair) -> None:
        entry = self._begin("free both: their keys are erased, their handles may be used again")
        for x in (pair.outbound, pair.inbound):
            await xfrm_device.state_free(x)
        entry.facts.append("freed")

    async def _refused(self, pair: _Pair) -> None:
        entry = self._begin("one packet more than the hard limit allows")
        try:
            self.host.output.send(pair.outbound, self._packet(10), self.driver.device)
        except LinuxError as refused:
            entry.facts.append(f"the stack says {refused}")
        request = self._past_the_stack(pair.outbound)
        self._arrive(entry, await self._ports.transmit([request]), [])
        entry.facts.append("asked directly, the device drops it")

    def _past_the_stack(self, x: XfrmState) -> Request:
        """A request for an SA that has ended, from a stack that does not count its packets."""
        other = replace(x, limits=Limits(), state=KmState.VALID, current=Usage())
        other.oseq = x.oseq
        return self.host.output.send(other, self._packet(10), self.driver.device).requests[0]

    async def _statistics(self, pair: _Pair) -> None:
        entry = self._begin("statistics of the SAs, as the device has counted")
        for x in (pair.outbound, pair.inbound):
            await self.driver.update_stats(x)
            assert x.offload is not None
            entry.facts.append(f"{x.name}: {x.offload.usage.packets} packets, "
                               f"{x.offload.usage.bytes} bytes; the stack has "
                               f"{x.current.packets} packets")

    async def _down(self) -> None:
        entry = self._begin("the device goes down: every SA is deleted and freed, then a flush")
        states = list(self.host.states)
        await xfrm_device.netdev_down(self.driver.device, states)
        await self.driver.down()
        for x in states:
            self.host.states.remove(x)
        entry.facts.append(f"{len(states)} SAs gone")

    async def _after(self, pair: _Pair) -> None:
        entry = self._begin("up again: a frame of the SA that is gone, and all counters")
        await self.driver.up()
        await self._take(entry, [self._from_peer(pair, gso.with_checksum(self._packet(50)))])
        counters = await self.driver.hardware.counters()
        entry.facts += [f"{name} {value}" for name, value in counters.items() if value]
        for name, host in (("host", self.host), ("peer", self.peer)):
            entry.facts.append(f"xfrm_stat of the {name}: " + (", ".join(
                f"{counter} {count}" for counter, count in sorted(host.mib.items())) or "none"))
        sums = self.host.input.checksums
        entry.facts.append("checksums of the packets that went up: " + ", ".join(
            f"{count} {how}" for how, count in sorted(sums.items())))
        if sums[rx_checksum.FAULT] or sums[rx_checksum.WRONG]:
            entry.problems.append("a sum of the device is wrong for Linux")
        self._bus.accesses.clear()

    # Inside

    def _begin(self, title: str) -> Entry:
        """The entry of the next step; accesses go into it from now on."""
        entry = Entry(title)
        self.entries.append(entry)
        self._bus.accesses = entry.accesses
        return entry

    def _packet(self, payload_bytes: int) -> bytes:
        """A TCP packet whose checksum is not finished."""
        random = self._random
        header = random.randbytes(12) + bytes([0x50, 0x18]) + random.randbytes(2) + bytes(4)
        start = bytes([0x45, 0, 0, 0]) + random.randbytes(2) + b"\x40\x00" + bytes([64, 6, 0, 0])
        start += IPv4Address("10.1.0.1").packed + IPv4Address("10.2.0.1").packed
        data = header + random.randbytes(payload_bytes)
        return gso.unfinished(ip.fix_lengths(start, len(data)) + data)

    def _from_peer(self, pair: _Pair, clear: bytes) -> bytes:
        x = next(x for x in self.peer.states if x.spi == pair.inbound.spi)
        return self.peer.output.send(x, clear, self._peer_device).requests[0].frame

    def _arrive(self, entry: Entry, wires: list[bytes], clear: list[bytes]) -> None:
        """Give frames that left for the wire to the peer, which must get the clear packets."""
        entry.frames += [wire.hex() for wire in wires]
        opened = [self.peer.input.receive(SkBuff(wire)) for wire in wires]
        entry.facts.append(f"{len(wires)} frames on the wire; the peer opens {len(opened)}")
        if opened != clear:
            entry.problems.append("the packets that the peer gets are not those that were sent")

    async def _take(self, entry: Entry, wires: list[bytes]) -> list[bytes | None]:
        """Give frames from the wire to the device; return what its driver and stack hand up."""
        delivered = self._hand_up(entry, await self._ports.receive(wires))
        await self.driver.run_work()
        return delivered

    def _hand_up(self, entry: Entry, received: list[Received]) -> list[bytes | None]:
        """Give frames with their completions to driver and stack; return what these hand up."""
        delivered = []
        counts: dict[str, int] = {}
        before = dict(self.host.mib)
        for item in received:
            entry.frames.append(f"{item.frame.hex()} {item.completion}")
            name = RxStatus(item.completion["status"]).name
            counts[name] = counts.get(name, 0) + 1
            delivered.append(self.host.input.receive(
                self.driver.receive(item.frame, item.completion)))
        entry.facts.append("completions: " + ", ".join(
            f"{count} {name}" for name, count in counts.items()))
        entry.facts.append(f"{sum(packet is not None for packet in delivered)} packets go up")
        entry.facts += [f"{name} + {count - before.get(name, 0)}"
                        for name, count in sorted(self.host.mib.items())
                        if count != before.get(name, 0)]
        return delivered

    def _tell(self, entry: Entry) -> None:
        for x, hard in self.host.expired.told[self._told:]:
            entry.facts.append(f"SA {x.name}: {'hard' if hard else 'soft'} limit reached")
        self._told = len(self.host.expired.told)
        entry.facts += [f"{name} {count}" for name, count in sorted(
            self.driver.noticed.items())]


def _flip(frame: bytes, byte: int, bit: int) -> bytes:
    changed = bytearray(frame)
    changed[byte] ^= 1 << bit
    return bytes(changed)
