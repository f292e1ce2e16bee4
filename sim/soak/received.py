"""Random frames from the wire: good ones of the SAs, and all that can be wrong with them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from espnic.model.esp import trailer
from espnic.model.interface.codes import (
    FRAME_BYTES_MAX,
    IPPROTO_IPIP,
    IPPROTO_IPV6,
    IPPROTO_UDP,
    Encapsulation,
    RxStatus,
)
from espnic.model.interface.features import Features
from espnic.sim.soak import aims, esp
from espnic.sim.soak.aims import ANY, Aim
from espnic.sim.soak.streams import HALF, SCOPE, Stream
from espnic.sim.traffic import frames, plain_frames
from espnic.sim.traffic.steps import RxFrame

ETHERNET_MIN_BYTES = 60
_TRANSPORT = (6, 17, 1, 58, 132, 47, 59, 0, 255)
"""Next headers of transport mode."""
_TAGS = (b"", b"", b"", frames.VLAN_TAG)
_WEIGHTS = {RxStatus.OVERSIZE: 0.1}
"""How often, against 1, a status is aimed at; frames that are too long take many clocks."""
_HEADERS_MAX = 14 + 4 + 40 + 8 + esp.HEADER_BYTES


class Receiving:
    """Frames to the receive SAs ``streams`` of an engine.

    Each kind of frame has a method that makes one of a stream, by the status that it mostly gets.
    A calm stream gets good frames alone, with numbers that grow by one.
    """

    def __init__(
        self, chance: Random, features: Features, streams: Sequence[Stream],
        ports: Sequence[int],
    ) -> None:
        self._chance = chance
        self._features = features
        self._streams = streams
        self._ports = ports
        self._old: dict[int, list[bytes]] = {}
        """Some of the last frames of each handle."""
        self._fixed: dict[int, dict[RxStatus, list[bytes]]] = {}
        """Frames of each status that depends on the frame alone, by handle."""
        self._makers: dict[RxStatus, Callable[[Stream], bytes]] = {
            RxStatus.OK: self._good, RxStatus.AUTH_FAILED: self._forged,
            RxStatus.BAD_TRAILER: self._bad_trailer, RxStatus.TRUNCATED: self._truncated,
            RxStatus.OVERSIZE: self._oversize, RxStatus.LATE: self._late,
            RxStatus.REPLAYED: self._again, RxStatus.BAD_UDP_CHECKSUM: self._bad_sum,
        }
        self._weights = (
            (RxStatus.OK, *self._makers, *frames.OF_FRAMES - {RxStatus.OVERSIZE}),
            (30, *[_WEIGHTS.get(status, 1) for status in self._makers],
             *[0.3] * (len(frames.OF_FRAMES) - 1)))
        self._size: int | None = None
        self._aim: Aim = ANY

    def frame(self, aim: Aim = ANY) -> RxFrame:
        """A random frame, mostly with what the aim names."""
        chance = self._chance
        self._aim = aim
        self._size = aims.payload_size(chance, aim)
        status = RxStatus.__members__.get(str(aim.get("status")))
        if not self._streams or aim.get("protocol") in ("tcp", "udp") or (
                status is None and chance.random() < 0.12):
            return self._plain()
        stream = chance.choice(aims.suited(self._streams, aim))
        if stream.calm:
            return self._ended(RxFrame(self._good(stream)))
        if status is None:
            status = chance.choices(*self._weights)[0]
        bad = status == RxStatus.BAD_FRAME or chance.random() < 0.03
        if maker := self._makers.get(status):
            data = maker(stream)
        elif status in frames.OF_FRAMES:
            data = chance.choice(self._kinds(stream).get(status) or [self._good(stream)])
        else:
            data = self._good(stream)
        return self._ended(RxFrame(data or b"\0", bad))

    def tail(self, frame: RxFrame) -> RxFrame:
        """The rest of a frame that a reset has cut, from a source that goes on."""
        beat = self._features.width // 8
        at = beat * self._chance.randrange(max(1, len(frame.data) // beat))
        return RxFrame(frame.data[at:], frame.bad)

    def _plain(self) -> RxFrame:
        """A frame that is not of ESP, mostly with TCP or UDP, or of noise."""
        chance = self._chance
        choice = chance.random()
        size = self._draw_size() if chance.random() < 0.5 else chance.randrange(100)
        if choice < 0.5:
            data = plain_frames.good_frame(chance, size)
        elif choice < 0.7:
            data = plain_frames.l4_bit_wrong(chance, chance.choice(plain_frames.headers()), size)
        elif choice < 0.8:
            data = plain_frames.short_udp_frame(chance, size, chance.randrange(20))
        elif choice < 0.9:
            data = plain_frames.one_bit_wrong(chance, plain_frames.good_frame(chance, size))
        else:
            data = chance.randbytes(chance.randrange(1, 120))
        return self._ended(RxFrame(data, chance.random() < 0.05))

    def _ended(self, frame: RxFrame) -> RxFrame:
        """The frame with a sideband, now and then with a last beat without bytes."""
        chance, beat = self._chance, self._features.width // 8
        frame = replace(frame, sideband=chance.getrandbits(self._features.sideband or 1)
                        if self._features.sideband else 0)
        if chance.random() < 0.04 and len(frame.data) < FRAME_BYTES_MAX:
            filled = frame.data + bytes(-len(frame.data) % beat)
            return replace(frame, data=filled, null_end=True)
        return frame

    def _draw_size(self) -> int:
        if self._size is not None:
            return self._size
        return aims.any_size(self._chance, FRAME_BYTES_MAX)

    def _number(self, stream: Stream) -> int:
        """A number that may come: mostly the next one, some left out."""
        chance = self._chance
        if stream.calm or chance.random() < 0.85:
            return stream.next()
        if chance.random() < 0.5:
            return stream.next(chance.randrange(1, 40))
        most = (1 << stream.sa.sequence_bits) - 1
        window = stream.sa.replay_window
        return min(max(1, stream.top - chance.randrange(2 * window)), most)

    def _text(self, stream: Stream) -> bytes:
        """Payload with its trailer."""
        chance = self._chance
        payload = chance.randbytes(self._draw_size())
        if stream.sa.mode == "tunnel":
            following = IPPROTO_IPIP if stream.sa.inner_family == 4 else IPPROTO_IPV6
        else:
            following = chance.choice(_TRANSPORT)
        if chance.random() < 0.9:
            return payload + trailer.build(len(payload), following)
        pad = chance.randrange(256)
        return payload + bytes(range(1, pad + 1)) + bytes([pad, following])

    def _sealed(self, stream: Stream, number: int, text: bytes) -> bytes:
        """The frame with this text, in UDP to one of the ports if its SA is encapsulated."""
        chance, sa = self._chance, stream.sa
        packet = esp.seal(stream.added, number, chance.randbytes(8), text)
        tags = chance.choice(_TAGS)
        if sa.encapsulation == Encapsulation.NONE:
            frame = frames.ethernet(frames.ip(sa, packet), tags)
        else:
            port = chance.choice(self._ports)
            datagram = frames.udp(packet, port)
            if chance.random() < 0.5:
                datagram = frames.udp(packet, port, checksum=frames.udp_checksum(sa, datagram))
            frame = frames.ethernet(frames.ip(sa, datagram, IPPROTO_UDP), tags)
        return frame + bytes(max(0, ETHERNET_MIN_BYTES - len(frame)))

    def _good(self, stream: Stream) -> bytes:
        text = self._text(stream)
        if len(text) > FRAME_BYTES_MAX - _HEADERS_MAX and self._chance.random() < 0.8:
            text = text[len(text) - (FRAME_BYTES_MAX - _HEADERS_MAX) // 4 * 4:]
        number = self._number(stream)
        if not stream.sa.esn and number >= SCOPE:
            number = self._chance.randrange(1, SCOPE)
        frame = self._sealed(stream, number, text)
        kept = self._old.setdefault(stream.handle, [])
        kept.append(frame)
        del kept[:-40]
        return frame

    def _forged(self, stream: Stream) -> bytes:
        """A good frame with a bit flipped, anywhere or in the ICV."""
        frame = bytearray(self._good(stream))
        bits = 8 * len(frame)
        bit = self._chance.randrange(bits) if self._chance.random() < 0.5 else (
            bits - 1 - self._chance.randrange(8 * esp.icv_bytes(stream.added)))
        frame[bit // 8] ^= 1 << bit % 8
        return bytes(frame)

    def _bad_trailer(self, stream: Stream) -> bytes:
        chance = self._chance
        text = bytes(4 * chance.randrange(8) + 2)
        return self._sealed(stream, stream.next() % SCOPE or 1, text + bytes([
            chance.randrange(len(text), 256), chance.randrange(256)]))

    def _truncated(self, stream: Stream) -> bytes:
        frame = self._good(stream)
        return frame[:self._chance.randrange(1, len(frame))]

    def _oversize(self, stream: Stream) -> bytes:
        beat = self._features.width // 8
        over = aims.excess(self._chance, self._aim, beat) or self._chance.choice((1, 2, beat, 3000))
        return self._good(stream).ljust(FRAME_BYTES_MAX + over, b"\xA5")

    def _late(self, stream: Stream) -> bytes:
        """A number left of the window, 0, or one that is far away."""
        chance, window = self._chance, stream.sa.replay_window
        number = chance.choice((
            0, stream.top - window, stream.top - window - chance.randrange(1000),
            stream.top - HALF, stream.top + HALF + chance.randrange(1000),
            stream.top + SCOPE - window, stream.top - SCOPE + chance.randrange(1000)))
        most = (1 << stream.sa.sequence_bits) - 1
        return self._sealed(stream, min(max(number, 0), most), self._text(stream))

    def _again(self, stream: Stream) -> bytes:
        old = self._old.get(stream.handle)
        return self._chance.choice(old) if old else self._good(stream)

    def _bad_sum(self, stream: Stream) -> bytes:
        return self._chance.choice(
            self._kinds(stream).get(RxStatus.BAD_UDP_CHECKSUM) or [self._good(stream)])

    def _kinds(self, stream: Stream) -> dict[RxStatus, list[bytes]]:
        if stream.handle not in self._fixed:
            found: dict[RxStatus, list[bytes]] = {}
            for kind in frames.kinds(stream.sa):
                found.setdefault(kind.status, []).append(kind.frame)
            self._fixed[stream.handle] = found
        return self._fixed[stream.handle]
