"""Random requests of the host: to seal, to pass, to cut, and all that can be wrong with them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from espnic.model.esp import trailer
from espnic.model.interface.codes import (
    FRAME_BYTES_MAX,
    IPPROTO_IPIP,
    IPPROTO_IPV6,
    IPPROTO_TCP,
    IPPROTO_UDP,
    SUPER_FRAME_BYTES_MAX,
    TxOperation,
    TxStatus,
)
from espnic.model.interface.features import Features
from espnic.model.interface.layouts import TX_DESCRIPTOR
from espnic.sim.soak import aims
from espnic.sim.soak.aims import ANY, Aim
from espnic.sim.soak.esp import HEADER_BYTES, icv_bytes
from espnic.sim.soak.streams import SCOPE, Stream
from espnic.sim.traffic import frames, super_frames
from espnic.sim.traffic.steps import TxFrame

MARK = bytes.fromhex("c1ea57c1ea57ab1e")
"""Bytes that stand in every payload that is to be sealed, and in nothing else: they must never be
seen on the wire."""
_WEIGHTS: dict[TxStatus | None, float] = {
    TxStatus.DROP_OVERSIZE: 0.3, TxStatus.DROP_LSO_OVERSIZE: 0.02}
"""How often, against 1, a status is aimed at; frames that are too long take many clocks."""
_TAGS = (b"", b"", b"", frames.VLAN_TAG, 2 * frames.VLAN_TAG)
_LAYER4 = {IPPROTO_TCP: 20, IPPROTO_UDP: 8}
"""Length of the shortest header."""
_INNER_IP = {4: 20, 6: 40}
_LONGEST = FRAME_BYTES_MAX - 200
"""Bytes of payload that fit a frame behind all headers and before trailer and ICV."""


class Requesting:
    """Requests for the transmit SAs ``streams`` of an engine.

    A calm stream gets good requests of one frame alone.
    """

    def __init__(self, chance: Random, features: Features, streams: Sequence[Stream]) -> None:
        self._chance = chance
        self._features = features
        self._streams = streams
        self._lively = [stream for stream in streams if not stream.calm]
        self._size: int | None = None
        self._aim: Aim = ANY
        self._makers: dict[TxStatus, Callable[[TxFrame], TxFrame]] = {
            TxStatus.DROP_NO_SA: self._other(sa=0xFFFF),
            TxStatus.DROP_SPI: self._wrong_spi,
            TxStatus.DROP_SEQUENCE: self._other(sequence=0),
            TxStatus.DROP_SYNTAX: self._cut,
            TxStatus.DROP_OVERSIZE: self._too_long,
            TxStatus.DROP_OPERATION: self._operation,
            TxStatus.DROP_RESERVED: self._reserved,
            TxStatus.DROP_OFFSETS: self._offsets,
            TxStatus.DROP_LATE: self._late,
            TxStatus.DROP_REPEATED: self._repeated,
        }
        self._super_makers: dict[TxStatus, Callable[[TxFrame], TxFrame]] = {
            TxStatus.DROP_LSO_OVERSIZE: self._super_too_long,
            TxStatus.DROP_LSO_PROTOCOL: self._other(l4_protocol=1),
            TxStatus.DROP_LSO_HEADER: self._super_cut,
            TxStatus.DROP_LSO_PAYLOAD: self._super_empty,
            TxStatus.DROP_LSO_MSS: self._mss,
            TxStatus.DROP_LSO_SEQUENCE: self._sequence_end,
            TxStatus.DROP_TRAILER: self._other(trailer=1),
        }

    def request(self, aim: Aim = ANY) -> TxFrame:
        """A random request, mostly with what the aim names."""
        chance = self._chance
        self._aim, self._size = aim, aims.payload_size(chance, aim)
        status = TxStatus.__members__.get(str(aim.get("status")))
        if chance.random() >= _WEIGHTS.get(status, 1):
            status = None
        if not self._streams or aim.get("request") == "bypass" or aim.get("path") == "bypass" or (
                not aim and chance.random() < 0.15):
            return self._with_sideband(self._bypass())
        stream = chance.choice(aims.suited(self._streams, aim))
        if stream.calm and (status is None or not self._lively):
            return self._with_sideband(self._single(stream))
        if stream.calm:
            stream = chance.choice(self._lively)
        if not aim and chance.random() < 0.2:
            makers = (*self._makers, *self._super_makers)
            status = chance.choices(makers, [_WEIGHTS.get(status, 1) for status in makers])[0]
        if (status in self._super_makers or aims.segments(chance, aim)
                or aim.get("request") in ("cut", "cut and seal", "burst") or "path" in aim
                or not aim and chance.random() < 0.1):
            step = self._super(stream)
        else:
            step = self._single(stream)
        spoil = (self._makers | self._super_makers).get(status) if status else None
        if spoil:
            step = spoil(step)
        elif chance.random() < 0.02:
            step = self._hostile(step)
        return self._with_sideband(step)

    def tail(self, step: TxFrame) -> TxFrame:
        """The rest of a frame that a reset has cut, from a source that goes on.

        Its ``tuser`` is 0, repeats the descriptor or is junk. It never reads as a bypass, which no
        engine could tell from one: the integration guide forbids it.
        """
        chance, beat = self._chance, self._features.width // 8
        at = beat * chance.randrange(max(1, len(step.data) // beat))
        junk = TX_DESCRIPTOR.unpack(chance.getrandbits(TX_DESCRIPTOR.bits))
        descriptor: dict[str, int] = chance.choice(({}, step.descriptor, junk))
        if descriptor.get("operation") == TxOperation.BYPASS:
            descriptor = {}
        return self._with_sideband(TxFrame(descriptor, step.data[at:]))

    def _with_sideband(self, step: TxFrame) -> TxFrame:
        bits = self._features.sideband
        return replace(step, sideband=self._chance.getrandbits(bits)) if bits else step

    # Good requests

    def _payload(self, size: int) -> bytes:
        """Bytes to be sealed."""
        if size < len(MARK):
            return self._chance.randbytes(size)
        return MARK + self._chance.randbytes(size - len(MARK))

    def _single(self, stream: Stream) -> TxFrame:
        """A frame to seal, with garbage in the fields that the engine fills."""
        chance, sa = self._chance, stream.sa
        number = self._number(stream)
        inner, following, layer4 = self._inside(stream)
        payload = inner + self._payload(self._draw_size())
        with_trailer = (self._aim["trailer"] == "software" if "trailer" in self._aim
                        else chance.random() < 0.5)
        body = sa.spi.to_bytes(4, "big") + chance.randbytes(12) + payload
        if with_trailer:
            body += trailer.build(len(payload), following) + chance.randbytes(
                icv_bytes(stream.added))
        frame = frames.carried(sa, body, chance.choice(_TAGS))
        offset = len(frame) - len(body)
        descriptor = {
            "operation": int(TxOperation.ENCRYPT), "trailer": int(with_trailer),
            "sa": stream.handle, "sequence": number, "esp_offset": offset,
            "next_header": following}
        if layer4:
            protocol, before = layer4
            descriptor |= {"checksum": 1, "l4_protocol": protocol,
                           "l4_offset": offset + HEADER_BYTES + before,
                           "l4_bytes": len(payload) - before}
        return TxFrame(descriptor, frame)

    def _inside(self, stream: Stream) -> tuple[bytes, int, tuple[int, int] | None]:
        """Headers in front of a payload, the next header of the trailer, and of a checksum that
        is to be put in the protocol and the bytes in front of its header."""
        chance, sa = self._chance, stream.sa
        tunnel = sa.mode == "tunnel"
        before = _INNER_IP[sa.inner_family] if tunnel else 0
        protocol = chance.choice(tuple(_LAYER4))
        following = protocol
        if tunnel:
            following = IPPROTO_IPIP if sa.inner_family == 4 else IPPROTO_IPV6
        if chance.random() < 0.5:
            return b"", following, None
        header = chance.randbytes(before + _LAYER4[protocol] + 4 * chance.choice((0, 0, 3)))
        return header, following, (protocol, before)

    def _super(self, stream: Stream) -> TxFrame:
        """A super-frame to be cut into a few segments, seldom into many."""
        chance = self._chance
        segments, mss = aims.segments(chance, self._aim) or self._cuts()
        if chance.random() < 0.01:
            mss, segments = chance.choice((1460, 8960, 64)), 64
        fields, data = super_frames.random_super_frame(chance, segments, mss)
        while not super_frames.to_be_sealed(fields):
            fields, data = super_frames.random_super_frame(chance, segments, mss)
        count = -(-(len(data) - fields["header_bytes"]) // fields["mss"])
        at = fields["esp_offset"]
        data = data[:at] + stream.sa.spi.to_bytes(4, "big") + data[at + 4:]
        if len(data) - fields["header_bytes"] >= len(MARK) <= fields["mss"]:
            data = data[:fields["header_bytes"]] + MARK + data[fields["header_bytes"] + len(MARK):]
        return TxFrame(fields | {
            "sa": stream.handle, "sequence": self._number(stream, count),
            "next_header": chance.randrange(256)}, data)

    def _cuts(self) -> tuple[int, int | None]:
        """Most segments of a super-frame, and mostly an MSS: long ones take many clocks."""
        chance = self._chance
        if chance.random() < 0.1:
            return chance.choice((1, 2, 3, 8, 40)), None
        return (chance.choice((1, 2, 3, 8, chance.randrange(1, 40))),
                chance.choice((1, 2, 3, chance.randrange(1, 70), chance.randrange(1, 300))))

    def _bypass(self) -> TxFrame:
        chance = self._chance
        plain = {"operation": int(TxOperation.BYPASS)}
        choice = chance.random()
        if choice < 0.3 and self._features.lso:
            fields, data = super_frames.random_super_frame(chance, *self._cuts())
            while super_frames.to_be_sealed(fields):
                fields, data = super_frames.random_super_frame(chance, *self._cuts())
            return TxFrame(fields, data)
        if choice < 0.6:
            family, protocol = chance.choice((4, 6)), chance.choice(tuple(_LAYER4))
            at = 14 + 4 * chance.randrange(2) + _INNER_IP[family]
            size = _LAYER4[protocol] + self._draw_size()
            return TxFrame(plain | {"checksum": 1, "l4_protocol": protocol, "l4_offset": at,
                                    "l4_bytes": size}, chance.randbytes(at + size))
        return TxFrame(plain, chance.randbytes(self._draw_size()))

    def _draw_size(self) -> int:
        if self._size is not None:
            return self._size
        return aims.any_size(self._chance, _LONGEST)

    def _number(self, stream: Stream, count: int = 1) -> int:
        chance = self._chance
        if stream.calm or chance.random() < 0.85:
            return stream.next(count)
        if chance.random() < 0.5:
            stream.next(chance.randrange(1, 30))
            return stream.next(count)
        return max(1, stream.top - chance.randrange(2 * self._features.sent_window))

    # What is wrong with a request

    def _other(self, **fields: int) -> Callable[[TxFrame], TxFrame]:
        """A maker of requests with other fields."""
        return lambda step: replace(step, descriptor=step.descriptor | fields)

    def _changed(self, step: TxFrame, **fields: int) -> TxFrame:
        return replace(step, descriptor=step.descriptor | fields)

    def _wrong_spi(self, step: TxFrame) -> TxFrame:
        at = step.descriptor["esp_offset"] + self._chance.randrange(4)
        data = bytearray(step.data)
        data[at] ^= 1 << self._chance.randrange(8)
        return replace(step, data=bytes(data))

    def _cut(self, step: TxFrame) -> TxFrame:
        return replace(step, data=step.data[:self._chance.randrange(1, len(step.data))])

    def _too_long(self, step: TxFrame) -> TxFrame:
        return replace(step, data=step.data.ljust(
            FRAME_BYTES_MAX + (aims.excess(self._chance, self._aim, self._features.width // 8)
                               or self._chance.randrange(1, 300)), b"\x5A"))

    def _operation(self, step: TxFrame) -> TxFrame:
        codes = [code for code in range(16) if code not in tuple(TxOperation)]
        return self._changed(step, operation=self._chance.choice(codes))

    def _reserved(self, step: TxFrame) -> TxFrame:
        field = self._chance.choice([field for field in TX_DESCRIPTOR.fields if field.reserved])
        return self._changed(step, **{field.name: 1 << self._chance.randrange(field.bits)})

    def _offsets(self, step: TxFrame) -> TxFrame:
        wrong = self._chance.choice(("l4_offset", "l4_bytes", "esp_offset", "l3_offset",
                                     "outer_offset"))
        return self._changed(step, checksum=1, l4_protocol=IPPROTO_TCP,
                             **{wrong: self._chance.randrange(256)})

    def _late(self, step: TxFrame) -> TxFrame:
        back = self._features.sent_window + self._chance.randrange(3000)
        return self._changed(step, sequence=max(1, step.descriptor["sequence"] - back))

    def _repeated(self, step: TxFrame) -> TxFrame:
        back = self._chance.randrange(1, 20)
        return self._changed(step, sequence=max(1, step.descriptor["sequence"] - back))

    def _super_too_long(self, step: TxFrame) -> TxFrame:
        return replace(step, data=step.data.ljust(SUPER_FRAME_BYTES_MAX + 1, b"\x5A"))

    def _super_cut(self, step: TxFrame) -> TxFrame:
        return replace(step, data=step.data[:self._chance.randrange(
            1, step.descriptor["header_bytes"] + 1)])

    def _super_empty(self, step: TxFrame) -> TxFrame:
        return replace(step, data=step.data[:step.descriptor["header_bytes"]])

    def _mss(self, step: TxFrame) -> TxFrame:
        return self._changed(step, mss=self._chance.choice((0, FRAME_BYTES_MAX)))

    def _sequence_end(self, step: TxFrame) -> TxFrame:
        end = SCOPE if self._chance.random() < 0.5 else 1 << 64
        return self._changed(step, sequence=end - self._chance.randrange(1, 4))

    def _hostile(self, step: TxFrame) -> TxFrame:
        """One to three fields of the descriptor with any value, but for the operation."""
        changed = dict(step.descriptor)
        fields = [field for field in TX_DESCRIPTOR.fields
                  if field.name != "operation" and not field.reserved]
        for field in self._chance.sample(fields, self._chance.randrange(1, 4)):
            changed[field.name] = self._chance.getrandbits(field.bits)
        return replace(step, descriptor=changed)
