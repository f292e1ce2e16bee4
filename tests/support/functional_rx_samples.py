"""Replays of frames from the wire that hit every bin of theirs."""

from dataclasses import replace
from itertools import count, product
from random import Random

from espnic.model.esp import esp
from espnic.model.interface.codes import (
    FRAME_BYTES_MAX,
    IPPROTO_ESP,
    IPPROTO_TCP,
    IPPROTO_UDP,
    UDP_PORT_ESP,
    Encapsulation,
    SaDirection,
    SaOperation,
    SaSelect,
)
from espnic.model.interface.features import WINDOW_MAX, WINDOWS
from espnic.model.sa.lifetime import Limits
from espnic.model.sa.sa import command_values
from espnic.sim.coverage import bins
from espnic.sim.coverage.functional_exclusions import wanted
from espnic.sim.traffic import frames, plain_frames
from espnic.sim.traffic.frames import VLAN_TAG
from espnic.sim.traffic.steps import Command, Ports, RxFrame
from tests.support.engine_steps import add_commands, flip, with_sidebands
from tests.support.functional_samples import Sample, bytes_of, every_kind, features, text
from tests.support.sas import all_kinds_of_sa, make_sa

RX = SaDirection.RX
OTHER_PROTOCOL = 108
PROTOCOLS = {"esp": IPPROTO_ESP, "udp": IPPROTO_UDP, "tcp": IPPROTO_TCP, "other": OTHER_PROTOCOL}
FAR = 20_000
"""An IP length behind the end of every frame that is kept."""
SHORT_TEXT = bytes.fromhex("aa0004")
SCOPE = 1 << 32


def samples(width):
    """All replays at a width."""
    yield from (make(width) for make in (
        kinds_of_sa, statuses, shapes, pairs, texts, streams, plain_checksums, outer_checksums,
        keys_in_turn, conditions))


def samples_of_any_width():
    """Replays of what does not depend on the width."""
    yield from (windows(), window_ends(), numbers(), told_numbers(), reasons_without_a_checksum())
    yield from ports()


def carry(sa, packet, tags=b"", checksum="none", port=UDP_PORT_ESP):
    """An ESP packet of the SA in its frame; in UDP the checksum is right, wrong or none."""
    if sa.encapsulation == Encapsulation.NONE:
        return frames.carried(sa, packet, tags)
    value = 0
    if checksum != "none":
        value = frames.udp_checksum(sa, frames.udp(packet, port))
    if checksum == "wrong":
        value ^= 0x10 if value != 0x10 else 0x20
    return frames.ethernet(frames.ip(sa, frames.udp(packet, port, checksum=value), IPPROTO_UDP),
                           tags)


def modify_limits(handle, sa, **limits):
    changed = replace(sa, limits=Limits(**limits))
    return Command(command_values(
        SaOperation.MODIFY, RX, handle, changed, SaSelect.SOFT | SaSelect.HARD))


class World:
    """SAs with which a frame of any status can be made at any time, and the frames.

    For each family and encapsulation there is one that works, one on which every number but the
    first is right of the window, and one that has expired.
    """

    def __init__(self):
        self.steps = []
        self._sas = {}
        self._numbers = count(2)
        handles = count(1)
        for family, encapsulation in product(bins.FAMILY, Encapsulation):
            for use in ("works", "still", "expired"):
                handle = next(handles)
                limits = Limits(hard_packets=1) if use == "expired" else Limits()
                sa = make_sa(family, seed=handle, spi=0x100 + handle, limits=limits,
                             encapsulation=encapsulation, replay_window=64, device_window=True)
                self._sas[family, encapsulation, use] = sa
                self.steps += [Command(command_values(SaOperation.ADD, RX, handle, sa)),
                               RxFrame(frames.sealed(sa, SHORT_TEXT, 1))]

    def give(self, status, family=4, protocol="esp", tags=0, **beside):
        """Give a frame that gets this status."""
        self.steps.append(self.step(status, family, protocol, tags, **beside))

    def step(self, status, family=4, protocol="esp", tags=0, padded_to=0, checksum="none"):
        """A frame that gets this status, with bytes behind it up to a length."""
        frame = (bytes(FRAME_BYTES_MAX + 1) if status == "OVERSIZE"
                 else self._frame(status, family, protocol, VLAN_TAG * tags, checksum))
        return RxFrame(frame + bytes(max(0, padded_to - len(frame))), bad=status == "BAD_FRAME")

    def any(self, status, **beside):
        """A frame that gets this status, with headers that suit."""
        family, protocol = next(
            (family, protocol) for family in bins.FAMILY for protocol in PROTOCOLS
            if status in ("NOT_IP", "OVERSIZE")
            or (status, family, protocol, 0, 128) in wanted()["rx.headers"])
        return self.step(status, family, protocol, **beside)

    def _frame(self, status, family, protocol, tags, checksum):
        encapsulation = Encapsulation.UDP if protocol == "udp" else Encapsulation.NONE
        use = {"REPLAYED": "still", "EXPIRED": "expired"}.get(status, "works")
        sa = self._sas[family, encapsulation, use]
        ethertype = 0x0800 if family == 4 else 0x86DD

        def plain(number=PROTOCOLS[protocol], payload=bytes(20), **change):
            return frames.ethernet(frames.ip(sa, payload, number, **change), tags, ethertype)

        number = next(self._numbers)
        sealed = esp.seal(sa, number, SHORT_TEXT).packet
        if protocol in ("tcp", "other") and status == "BAD_FRAME":
            return plain()
        match status:
            case "OK" | "EXPIRED" | "BAD_FRAME":
                return carry(sa, sealed, tags, checksum)
            case "AUTH_FAILED":
                return carry(sa, flip(sealed, 8 * len(sealed) - 1), tags, checksum)
            case "BAD_TRAILER":
                return carry(sa, esp.seal(sa, number, b"\1\1\4").packet, tags, checksum)
            case "LATE":
                return carry(sa, esp.seal(sa, 0, SHORT_TEXT).packet, tags, checksum)
            case "REPLAYED":
                return carry(sa, esp.seal(sa, 1, SHORT_TEXT).packet, tags, checksum)
            case "SYNTAX":
                return carry(sa, sealed[:17 + sa.icv.bytes], tags, checksum)
            case "NO_SA":
                return carry(sa, flip(sealed, 0), tags, checksum)
            case "BAD_UDP_CHECKSUM":
                return carry(sa, sealed, tags, "wrong")
            case "TRUNCATED":
                far = {"total_bytes" if family == 4 else "payload_bytes": FAR}
                inside = frames.udp(sealed, udp_bytes=FAR - 20) if protocol == "udp" else sealed
                return plain(payload=inside, **far)
            case "NOT_IP":
                return frames.ethernet(bytes(46), tags, 0x0806)
            case "BAD_HEADER":
                return plain(version=0)
            case "IP_OPTIONS":
                return plain(ihl=6)
            case "FRAGMENT":
                return plain(fragment=0x2000) if family == 4 else plain(44)
            case "EXT_HEADER":
                return plain(0)
            case "NOT_ESP":
                return plain(payload=frames.udp(sealed, 4501))
            case "KEEPALIVE":
                return plain(payload=frames.udp(b"\xff"))
            case "NON_ESP_MARKER":
                return plain(payload=frames.udp(bytes(4) + sealed))
        raise ValueError(status)


def kinds_of_sa(width):
    sas = every_kind(replay_window=64, device_window=True)
    steps = add_commands(sas, RX)
    for handle, sa in enumerate(sas, start=1):
        first = frames.sealed(sa, text(next_header=4), 1)
        steps += [
            RxFrame(first), RxFrame(frames.sealed(sa, text(next_header=6), 2)),
            RxFrame(first), RxFrame(first, bad=True), RxFrame(first[:-1]),
            RxFrame(flip(frames.sealed(sa, text(), 3), 8 * len(first) - 1)),
            RxFrame(frames.sealed(sa, b"\1\2\2\4", 4)),
            RxFrame(frames.carried(sa, esp.seal(sa, 5, text()).packet[:17 + sa.icv.bytes])),
            RxFrame(carry(sa, esp.seal(sa, 6, text()).packet, checksum="wrong")),
            RxFrame(frames.sealed(sa, text(), 0)),
            modify_limits(handle, sa, hard_packets=1), RxFrame(frames.sealed(sa, text(), 7))]
    return Sample(steps, features(width))


def statuses(width):
    world = World()
    for status, family, protocol, tags, of_width in wanted()["rx.headers"]:
        if of_width == width:
            world.give(status, family, protocol, tags)
    return Sample(world.steps, features(width))


def shapes(width):
    world = World()
    for status, length, ending, of_width in wanted()["rx.shape"]:
        if of_width == width:
            least = len(world.any(status).data)
            world.steps.append(
                world.any(status, padded_to=bytes_of(length, ending, width // 8, least)))
    return Sample(world.steps, features(width))


def pairs(width):
    world = World()
    for pair in wanted()["rx.pairs"] if width == 128 else ():
        world.steps += [world.any(status) for status in pair]
    return Sample(world.steps, features(width))


def texts(width):
    sas = [sa for sa in every_kind() if sa.key_size == 0]
    steps = add_commands(sas, RX)
    steps += [RxFrame(frames.sealed(sa, bytes(20 + more) + b"\0\4", 1 + more))
              for sa in sas for more in range(16)]
    return Sample(steps, features(width))


def streams(width):
    random, beat = Random(width), width // 8
    steps = [RxFrame(random.randbytes(size)) for size in bins.SHORT]
    for bad in (False, True):
        steps += [RxFrame(bytes(FRAME_BYTES_MAX + above), bad=bad)
                  for above in (1, beat, 2 * beat, 2 * FRAME_BYTES_MAX)]
        steps += [RxFrame(bytes(beats * beat), bad=bad, null_end=null_end)
                  for beats in (1, 2, 3) for null_end in (False, True)]
    return Sample(with_sidebands(steps, random, 37), features(width))


def plain_checksums(width):
    random = Random(width)
    steps = []
    for family, protocol, tags in plain_frames.headers():
        good = plain_frames.good_frame(random, 30, kind=(family, protocol, tags), padding=b"")
        data = plain_frames.layer4(random, protocol, 30, udp_length=7)
        cut = plain_frames.ip_packet(random, family, protocol, data[:10])
        steps += [RxFrame(good), RxFrame(flip(good, 8 * len(good) - 1)),
                  RxFrame(plain_frames.frame(family, cut, tags))]
    return Sample(steps, features(width))


def reasons_without_a_checksum():
    random = Random(1)
    steps = []
    for family, protocol in product(bins.FAMILY, plain_frames.PROTOCOLS):
        def frame(data, family=family, protocol=protocol, **change):
            packet = plain_frames.ip_packet(random, family, protocol, data, **change)
            return RxFrame(plain_frames.frame(family, packet))

        whole = plain_frames.layer4(random, protocol, 30)
        steps.append(frame(whole, length=200))
        if family == 4:
            steps += [frame(whole, first=0x46), frame(whole, fragment=0x2000)]
        if protocol == IPPROTO_TCP:
            steps.append(frame(whole[:12]))
        else:
            steps += [frame(plain_frames.layer4(random, protocol, 30, udp_length=length))
                      for length in (7, 60)]
            unsummed = whole[:6] + bytes(2) + whole[8:]
            header = frames.ip(make_sa(family), unsummed, protocol)
            steps.append(RxFrame(frames.ethernet(header)))
    return Sample(steps, features())


def outer_checksums(width):
    world = World()
    given = {"NONE": "none", "GOOD": "right", "BAD": "wrong"}
    for verdict, status, family, of_width in wanted()["rx.outer_checksum"]:
        if of_width == width:
            world.give(status, family, "udp", checksum=given[verdict])
    return Sample(world.steps, features(width))


def keys_in_turn(width):
    sas = [make_sa(key_bytes=key_bytes, seed=seed, spi=seed)
           for seed, key_bytes in enumerate((16, 24, 32) * 2, start=1)]
    order = [0, 0, 3, 1, 1, 4, 2, 2, 5, 0, 1, 0, 2, 1, 2]
    steps = add_commands(sas, RX)
    steps += [RxFrame(frames.sealed(sas[index], text(), number))
              for number, index in enumerate(order, start=1)]
    return Sample(steps, features(width))


def conditions(width):
    sas = [replace(sa, esn=False, device_window=True, replay_window=32)
           for sa in all_kinds_of_sa()]
    steps = add_commands(sas, RX)
    for handle, sa in enumerate(sas, start=1):
        kinds = [kind for kind in frames.kinds(sa) if kind.frame]
        # All carry number 1.
        steps += [RxFrame(kind.frame) for kind in kinds if kind.status != "OK"]
        good = [kind.frame for kind in kinds if kind.status == 0]
        for frame in good:
            steps += [*_anew(handle, sa), RxFrame(frame), RxFrame(frame)]
        steps += [RxFrame(frame) for frame in (
            frames.sealed(sa, bytes(9) + b"\0\4", 2),
            frames.sealed(sa, bytes(5) + bytes(255) + b"\xff\4", 3),
            frames.sealed(sa, bytes(14) + b"\xff\4", 4),
            frames.sealed(sa, text(), 0), frames.sealed(sa, text(), 1000),
            frames.sealed(sa, text(), 900),
            frames.ethernet(frames.ip(sa, frames.udp(bytes(30), 0), IPPROTO_UDP)),
            frames.ethernet(frames.ip(sa, frames.udp(bytes(30)), IPPROTO_UDP))[:14 + 45],
            frames.sealed(sa, text())[:13 + 25])]
        steps += [RxFrame(kinds[0].frame, bad=True), RxFrame(kinds[0].frame[:17]),
                  RxFrame(frames.ethernet(b"", frames.SERVICE_TAG, 0x0800) + bytes(40)),
                  modify_limits(handle, sa, hard_packets=1),
                  RxFrame(frames.sealed(sa, text(), 1001))]
        if sa.encapsulation == Encapsulation.UDP:
            datagram = frames.udp(esp.seal(sa, 5, text()).packet)
            behind = frames.ethernet(frames.ip(sa, datagram + bytes(5), IPPROTO_UDP))
            steps += [*_anew(handle, sa), RxFrame(behind)]
        steps += [*_anew(handle, sa), RxFrame(_cut_in_udp(sa)),
                  RxFrame(carry(sa, esp.seal(sa, 9, text()).packet)[:-40])]
    steps += _beyond_the_number_space()
    return Sample(steps, features(width))


def _cut_in_udp(sa):
    """A frame that ends in its UDP header."""
    whole = frames.ethernet(frames.ip(sa, frames.udp(bytes(30)), IPPROTO_UDP))
    return whole[:len(whole) - 30 - 3]


def _anew(handle, sa):
    """Delete, free and add an SA; its numbers begin again."""
    return [Command(command_values(operation, RX, handle, sa))
            for operation in (SaOperation.DELETE, SaOperation.FREE, SaOperation.ADD)]


def _beyond_the_number_space():
    low = make_sa(seed=90, spi=0x9001, esn=True, replay_window=64, device_window=True)
    high = replace(low, spi=0x9002, initial_seq=2**64 - 10)
    steps = [Command(command_values(SaOperation.ADD, RX, handle, sa))
             for handle, sa in ((90, low), (91, high))]
    return [*steps, RxFrame(frames.sealed(low, text(), 2**64 - 5)),
            RxFrame(frames.sealed(high, text(), 7))]


def windows():
    """Every place of every window: first a jump by a whole window, which leaves all places free."""
    steps, handles = [], count(1)
    for place, status, size, extended in wanted()["rx.window"]:
        handle, base = next(handles), 5 * SCOPE + 10_000_000 if extended else 10_000_000
        sa = make_sa(seed=handle, spi=handle, esn=extended, replay_window=size,
                     device_window=True, initial_seq=base)
        top = base - 1 + size
        bottom = top - size + 1
        number = {
            "left far": bottom - 2 * size, "left": bottom - 5, "left edge": bottom - 1,
            "bottom": bottom, "inside": bottom + 3, "top": top, "next": top + 1,
            "ahead": top + 5, "whole": top + size, "ahead far": top + 3 * size}[place]
        if extended and place.startswith("left"):
            number += SCOPE
        frame = frames.sealed(sa, text(), number)
        steps += [Command(command_values(SaOperation.ADD, RX, handle, sa)),
                  RxFrame(frames.sealed(sa, text(), top))]
        if status == "REPLAYED" and place != "top":
            steps.append(RxFrame(frame))
        steps.append(RxFrame(flip(frame, 8 * len(frame) - 1) if status == "AUTH_FAILED" else frame))
    return Sample(steps, features(replay_window=WINDOW_MAX))


def window_ends():
    """Windows that pass from one half of the low numbers into the next."""
    steps, handles = [], count(1)
    for size, boundary in product(filter(None, WINDOWS), (SCOPE // 2, SCOPE)):
        handle = next(handles)
        sa = make_sa(seed=handle, spi=handle, esn=True, replay_window=size, device_window=True,
                     initial_seq=boundary - 1)
        steps += [Command(command_values(SaOperation.ADD, RX, handle, sa)),
                  *(RxFrame(frames.sealed(sa, text(), number))
                    for number in (boundary - 1, boundary))]
    return Sample(steps, features(replay_window=WINDOW_MAX))


REGION_NUMBERS = dict(zip(bins.REGION, (
    1, 1000, 2**31 - 9, 2**31 + 9, 3 * 2**30, 2**32 - 9, 2**32 - 1, 2**32 + 9, 2**40, 2**64 - 9,
    2**64 - 1), strict=True))
"""A number of each region."""


def numbers():
    steps, handles = [], count(1)
    for numbering, region, status in wanted()["rx.numbers"]:
        handle, number = next(handles), REGION_NUMBERS[region]
        sa = make_sa(seed=handle, spi=handle, esn=numbering != "32 bits",
                     device_window=numbering == "window",
                     initial_seq=number if numbering == "window" else 1,
                     esn_high=number >> 32 if numbering == "told" else 0)
        frame = frames.sealed(sa, text(), number)
        steps += [Command(command_values(SaOperation.ADD, RX, handle, sa)),
                  RxFrame(frame if status == "OK" else flip(frame, 8 * len(frame) - 1))]
    return Sample(steps, features())


def told_numbers():
    steps = []
    for handle, overlap in enumerate((False, True), start=1):
        sa = make_sa(seed=handle, spi=handle, esn=True, esn_high=7, esn_overlap=overlap)
        steps.append(Command(command_values(SaOperation.ADD, RX, handle, sa)))
        for low in (5, SCOPE - 5):
            high = 8 if overlap and low == 5 else 7
            frame = frames.sealed(sa, text(), high * SCOPE + low)
            steps += [RxFrame(frame), RxFrame(flip(frame, 8 * len(frame) - 1))]
    return Sample(steps, features())


def ports():
    """Every number of ports, a good frame to each of them."""
    sas = [make_sa(family, seed=family, encapsulation=Encapsulation.UDP) for family in bins.FAMILY]
    steps, number = add_commands(sas, RX), count(1)
    for many in (1, 2, 3, 4):
        used = tuple(5000 + 7 * place for place in range(many))
        steps.append(Ports(used))
        steps += [RxFrame(carry(sa, esp.seal(sa, next(number), text()).packet, port=port))
                  for port in used for sa in sas]
    yield Sample(steps, features())
