"""The frames of a mix, with what must become of each.

Every SA has limits, a replay window and the guard of its sealed numbers, so that all that can cost
clocks is at work. What the frames say means nothing to the rates: their bytes are the same again
and again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from itertools import product
from random import Random

from espnic.model.esp import esp, trailer
from espnic.model.host import stack
from espnic.model.interface.codes import (
    ESP_IV_BYTES,
    ESP_TEXT_OFFSET,
    ESP_TRAILER_MIN_BYTES,
    ETHERNET_HEADER_BYTES,
    IPPROTO_IPIP,
    IPPROTO_TCP,
    IPV4_HEADER_BYTES,
    Encapsulation,
    IcvSize,
    KeySize,
    RxStatus,
    TxOperation,
    TxStatus,
)
from espnic.model.net import gso
from espnic.model.sa.lifetime import Limits
from espnic.model.sa.sa import SecurityAssociation
from espnic.sim.rate.mix import Kind, Mix, Stretch
from espnic.sim.rate.traffic import TCP_HEADER, clear_packet
from espnic.sim.rig.runs import Load
from espnic.sim.traffic import frames
from espnic.sim.traffic.steps import RxFrame, TxFrame

_SOURCES = {4: ip_address("192.0.2.1"), 6: ip_address("2001:db8::1")}
_DESTINATIONS = {4: ip_address("198.51.100.1"), 6: ip_address("2001:db8:1::1")}
_FIRST_SPI = 0x1000
_WINDOWS = (32, 64, 128)
_FAR = Limits(1 << 40, 1 << 50, 1 << 41, 1 << 51)
"""Limits that no run reaches, and that every frame is held against."""
_TEXT_STEP = 4
_L4_AT = ETHERNET_HEADER_BYTES + IPV4_HEADER_BYTES
_FILL = Random("what frames carry").randbytes(1 << 16)
_STRIDE = 31
"""The SAs are taken with this stride, so that neighbours differ in more than one thing."""


def mix_sas(seed: int) -> list[SecurityAssociation]:
    """SAs of all kinds that the datapath knows; the last expires with its first frame."""
    random = Random(f"SAs of mixes {seed}")
    kinds = [*product(KeySize, IcvSize, (False, True), (4, 6), Encapsulation)]
    kinds.append(kinds[0])
    sas = [
        SecurityAssociation(
            spi=_FIRST_SPI + number, source=_SOURCES[family], destination=_DESTINATIONS[family],
            key=random.randbytes(key.bytes), salt=random.randbytes(4),
            seqiv_salt=random.randbytes(8), icv=icv, esn=esn, encapsulation=encapsulation,
            device_window=True, replay_window=_WINDOWS[number % len(_WINDOWS)], limits=_FAR)
        for number, (key, icv, esn, family, encapsulation) in enumerate(kinds)]
    sas[-1] = replace(sas[-1], limits=Limits(hard_packets=1))
    return sas


@dataclass(frozen=True)
class Fate:
    """Statuses that a frame or request may get, and the lengths in which it leaves."""

    statuses: tuple[int, ...]
    leaves: tuple[int, ...]


@dataclass(frozen=True)
class MixJob:
    """The rounds of a mix as a load, with the fate of each frame."""

    mix: Mix
    load: Load
    rounds: dict[str, int]
    """Number of rounds of each direction; all have as many frames."""
    fates: Mapping[str, Sequence[Fate]]


class MixFrames:
    """Frames of a mix, on SAs whose numbers begin at 1."""

    def __init__(self, mix: Mix, sas: Sequence[SecurityAssociation]) -> None:
        self._mix = mix
        self._sas = sas
        self._random = Random(repr(mix))
        suited = [handle for handle, sa in enumerate(sas[:-1], start=1) if mix.sas.suits(sa)]
        self._handles = [suited[number * _STRIDE % len(suited)] for number in range(len(suited))]
        self._handles = self._handles[:mix.sas.count or None]
        self._taken = {"tx": 0, "rx": 0}
        self._numbers: dict[tuple[str, int], int] = {}
        self._begun: set[tuple[str, Stretch]] = set()
        self._first: dict[int, bytes] = {}
        """First good frame that came on each handle."""
        self._makers: dict[Kind, Callable[[Stretch, int], tuple[TxFrame | RxFrame, Fate]]] = {
            Kind.SEALED: self._sealed, Kind.APPENDED: self._sealed, Kind.BYPASSED: self._passed,
            Kind.SUMMED: self._passed, Kind.CUT: self._cut, Kind.CUT_PLAIN: self._cut_plain,
            Kind.REFUSED: self._refused, Kind.SPENT: self._sealed, Kind.OPENED: self._opened,
            Kind.FORGED: self._forged, Kind.UNKNOWN: self._unknown, Kind.PLAIN: self._plain,
            Kind.BAD: self._bad, Kind.REPLAYED: self._replayed, Kind.EXPIRED: self._opened,
            Kind.OVERSIZE: self._plain}

    def round(self, side: str) -> list[tuple[TxFrame | RxFrame, Fate]]:
        """The frames of the next round of a direction."""
        kinds = [stretch for stretch in self._mix.stretches(side) for _ in range(stretch.count)]
        if self._mix.shuffled:
            self._random.shuffle(kinds)
        return [self._makers[each.kind](each, self._size(side, each)) for each in kinds]

    def _size(self, side: str, stretch: Stretch) -> int:
        """A random size of a stretch, at first its greatest.

        What leaves is behind by the longest frame so far. So that of a longer one would not count
        as lost, the greatest of each stretch comes before the rounds that count.
        """
        if (side, stretch) not in self._begun:
            self._begun.add((side, stretch))
            return stretch.size + stretch.spread
        return stretch.size + self._random.randrange(stretch.spread + 1)

    def _take(self, side: str, stretch: Stretch) -> tuple[int, SecurityAssociation]:
        """Handle and SA of the next frame."""
        if stretch.kind in (Kind.SPENT, Kind.EXPIRED):
            return len(self._sas), self._sas[-1]
        handle = self._handles[self._taken[side] % len(self._handles)]
        self._taken[side] += 1
        return handle, self._sas[handle - 1]

    def _number(self, side: str, handle: int, count: int = 1) -> int:
        """The first of the next ``count`` numbers of an SA."""
        first = self._numbers.get((side, handle), 1)
        self._numbers[side, handle] = first + count
        return first

    # To send

    def _sealed(self, stretch: Stretch, size: int) -> tuple[TxFrame, Fate]:
        handle, sa = self._take("tx", stretch)
        text = _text(sa, size)
        start = esp.header(sa, 0)[:4] + bytes(ESP_TEXT_OFFSET - 4)
        appended = stretch.kind == Kind.APPENDED
        whole = frames.carried(sa, start + text + bytes(sa.icv.bytes))
        at = len(whole) - len(start) - len(text) - sa.icv.bytes
        given = whole[:-ESP_TRAILER_MIN_BYTES - sa.icv.bytes] if appended else whole
        descriptor = {
            "operation": int(TxOperation.ENCRYPT), "trailer": int(not appended), "sa": handle,
            "sequence": self._number("tx", handle), "esp_offset": at,
            "next_header": IPPROTO_IPIP}
        spent = stretch.kind == Kind.SPENT and descriptor["sequence"] > 1
        return TxFrame(descriptor, given), (
            Fate((TxStatus.DROP_EXPIRED,), ()) if spent
            else Fate((TxStatus.SEALED,), (len(whole),)))

    def _passed(self, stretch: Stretch, size: int) -> tuple[TxFrame, Fate]:
        descriptor = {"operation": int(TxOperation.BYPASS)}
        if stretch.kind == Kind.SUMMED:
            descriptor |= {"checksum": 1, "l4_offset": _L4_AT, "l4_protocol": IPPROTO_TCP,
                           "l4_bytes": size - _L4_AT}
        return TxFrame(descriptor, _tcp_frame(size)), Fate((TxStatus.BYPASSED,), (size,))

    def _refused(self, _stretch: Stretch, size: int) -> tuple[TxFrame, Fate]:
        descriptor = {"operation": int(TxOperation.ENCRYPT), "sa": len(self._sas) + 1,
                      "sequence": 1, "esp_offset": _L4_AT}
        return TxFrame(descriptor, _tcp_frame(size)), Fate((TxStatus.DROP_NO_SA,), ())

    def _cut(self, stretch: Stretch, size: int) -> tuple[TxFrame, Fate]:
        handle, sa = self._take("tx", stretch)
        sizes = _segment_bytes(size, stretch.mss)
        outgoing = stack.Outgoing(
            sa, self._number("tx", handle, len(sizes)), _super_packet(size), mss=stretch.mss)
        request = stack.device_request(outgoing, handle)
        headers = request.descriptor["header_bytes"]
        before = request.descriptor["esp_offset"] + ESP_TEXT_OFFSET
        leaves = tuple(
            headers + bytes_ + len(trailer.build(headers - before + bytes_, 0)) + sa.icv.bytes
            for bytes_ in sizes)
        return TxFrame(request.descriptor, request.frame), Fate((TxStatus.SEALED,), leaves)

    def _cut_plain(self, stretch: Stretch, size: int) -> tuple[TxFrame, Fate]:
        request = stack.plain_request(stack.LINK, _super_packet(size), False, stretch.mss)
        headers = request.descriptor["header_bytes"]
        leaves = tuple(headers + bytes_ for bytes_ in _segment_bytes(size, stretch.mss))
        return TxFrame(request.descriptor, request.frame), Fate((TxStatus.BYPASSED,), leaves)

    # Received

    def _opened(self, stretch: Stretch, size: int) -> tuple[RxFrame, Fate]:
        handle, sa = self._take("rx", stretch)
        number = self._number("rx", handle)
        frame = frames.carried(sa, esp.seal(sa, number, _text(sa, size)).packet)
        self._first.setdefault(handle, frame)
        expired = stretch.kind == Kind.EXPIRED and number > 1
        return _received(frame, RxStatus.EXPIRED if expired else RxStatus.OK)

    def _forged(self, stretch: Stretch, size: int) -> tuple[RxFrame, Fate]:
        handle, sa = self._take("rx", stretch)
        number = self._numbers.get(("rx", handle), 1)
        start = esp.header(sa, number) + bytes(ESP_IV_BYTES)
        rest = max(_TEXT_STEP + sa.icv.bytes, size - len(frames.carried(sa, start)))
        return _received(frames.carried(sa, start + _FILL[:rest]), RxStatus.AUTH_FAILED)

    def _replayed(self, stretch: Stretch, size: int) -> tuple[RxFrame, Fate]:
        handle = self._handles[self._taken["rx"] % len(self._handles)]
        if handle not in self._first:
            return self._opened(stretch, size)
        self._taken["rx"] += 1
        # With ESN a number far below the window is one of the next 2^32, which it is not; it is
        # late when the window moves on only between its look-up and its verdict.
        far = (RxStatus.AUTH_FAILED,) if self._sas[handle - 1].esn else ()
        return _received(self._first[handle], RxStatus.REPLAYED, RxStatus.LATE, *far)

    def _unknown(self, _stretch: Stretch, size: int) -> tuple[RxFrame, Fate]:
        sa = replace(self._sas[0], spi=_FIRST_SPI - 1)
        start = esp.header(sa, 1)
        rest = max(_TEXT_STEP + ESP_TEXT_OFFSET, size - len(frames.carried(sa, start)))
        return _received(frames.carried(sa, start + _FILL[:rest]), RxStatus.NO_SA)

    def _bad(self, stretch: Stretch, size: int) -> tuple[RxFrame, Fate]:
        frame, fate = self._forged(stretch, size)
        return replace(frame, bad=True), replace(fate, statuses=(RxStatus.BAD_FRAME,))

    def _plain(self, stretch: Stretch, size: int) -> tuple[RxFrame, Fate]:
        frame = _tcp_frame(size)
        if stretch.kind == Kind.OVERSIZE:
            return RxFrame(frame), Fate((RxStatus.OVERSIZE,), ())
        return _received(frame, RxStatus.NOT_ESP)


def _received(frame: bytes, *statuses: RxStatus) -> tuple[RxFrame, Fate]:
    return RxFrame(frame), Fate(statuses, (len(frame),))


def _text(sa: SecurityAssociation, size: int) -> bytes:
    """Payload and trailer that make a frame of ``size`` bytes, or the longest below."""
    around = len(frames.carried(sa, bytes(ESP_TEXT_OFFSET + sa.icv.bytes)))
    text_bytes = max(_TEXT_STEP, (size - around) // _TEXT_STEP * _TEXT_STEP)
    payload = _FILL[:text_bytes - ESP_TRAILER_MIN_BYTES]
    return payload + trailer.build(len(payload), IPPROTO_IPIP)


def _tcp_frame(size: int) -> bytes:
    """A frame with TCP in IPv4 whose checksum may be anything."""
    payload = (TCP_HEADER + _FILL)[:size - _L4_AT]
    return frames.ethernet(clear_packet(IPPROTO_TCP, payload))


def _super_packet(payload_bytes: int) -> bytes:
    """A TCP super-packet in IPv4 with its checksum not finished."""
    return gso.unfinished(clear_packet(IPPROTO_TCP, TCP_HEADER + _FILL[:payload_bytes]))


def _segment_bytes(payload_bytes: int, mss: int) -> list[int]:
    """Payload bytes of each segment."""
    return [min(mss, payload_bytes - start) for start in range(0, payload_bytes, mss)]
