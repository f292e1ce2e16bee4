"""Super-frames as a host hands them over, whatever headers they have, and their descriptors."""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Protocol

from espnic.model.interface.codes import (
    FRAME_BYTES_MAX,
    IPPROTO_TCP,
    IPPROTO_UDP,
    Encapsulation,
    TxOperation,
)
from espnic.model.sa.sa import SecurityAssociation
from espnic.sim.traffic.steps import TxFrame

PAYLOAD_BYTES_MAX = 65536
"""Greatest payload of a super-frame, whatever its headers."""

SEQUENCES_A_REQUEST = 320
"""Distance of the first sequence numbers of two super-frames; none has more segments."""

_ESP_BYTES = 16
"""Length of ESP header and IV."""


Fields = dict[str, int]
"""Fields of TX_DESCRIPTOR."""


class Numbers(Protocol):
    """Source of the sequence numbers of SAs."""

    def take(self, index: int, count: int = 1) -> int:
        """The first of the next ``count`` sequence numbers of an SA, taken."""


def random_layout(chance: Random) -> Fields:
    """The LSO fields of a descriptor with headers that follow each other."""
    operation = chance.choice((*[TxOperation.ENCRYPT] * 4, TxOperation.BYPASS))
    outer_ipv6, ipv6 = chance.randrange(2), chance.randrange(2)
    tunnel = operation == TxOperation.ENCRYPT and chance.random() < 0.6
    encapsulation = chance.choice(list(Encapsulation))
    outer = chance.choice((14, 18, 22))
    after = outer + _ip_bytes(chance, outer_ipv6)
    esp = chance.randrange(256)
    l3 = outer
    if operation == TxOperation.ENCRYPT:
        esp = after + (8 if encapsulation == Encapsulation.UDP else 0)
        after = esp + _ESP_BYTES
    if tunnel:
        l3 = after
        after += _ip_bytes(chance, ipv6)
    else:
        ipv6 = outer_ipv6
    protocol = chance.choice((IPPROTO_TCP, IPPROTO_UDP))
    header_bytes = after + (8 if protocol == IPPROTO_UDP else 4 * chance.randrange(5, 12))
    return {
        "operation": operation, "lso": 1, "outer_offset": outer, "l3_offset": l3,
        "outer_ipv6": outer_ipv6, "ipv6": ipv6, "encapsulation": encapsulation,
        "outer_id_fixed": chance.randrange(2), "esp_offset": esp, "l4_offset": after,
        "l4_protocol": protocol, "header_bytes": header_bytes,
    }


def random_super_frame(
    chance: Random, segments_max: int, mss: int | None = None,
) -> tuple[Fields, bytes]:
    """A descriptor for segmentation without its SA and sequence number, and its frame."""
    fields = random_layout(chance)
    most = FRAME_BYTES_MAX - fields["header_bytes"]
    mss = mss or chance.choice((1, 2, 3, chance.randrange(1, 70), chance.randrange(1, 600), 1460,
                                chance.randrange(1, most + 1), most))
    segments = chance.randrange(1, segments_max + 1)
    segments = min(segments, -(-PAYLOAD_BYTES_MAX // mss))
    return super_frame(chance, fields, segments, mss)


def super_frame(
    chance: Random, fields: Fields, segments: int, mss: int,
) -> tuple[Fields, bytes]:
    """A descriptor with these LSO fields, without its SA and sequence number, and its frame.

    The frame gives exactly ``segments`` segments, the last maybe short.
    """
    most = min(mss, PAYLOAD_BYTES_MAX - (segments - 1) * mss)
    payload_bytes = (segments - 1) * mss + chance.randrange(1, most + 1)
    return fields | {"mss": mss}, chance.randbytes(fields["header_bytes"] + payload_bytes)


def to_be_sealed(fields: Mapping[str, int]) -> bool:
    """Whether a descriptor wants its frame sealed."""
    return fields["operation"] == TxOperation.ENCRYPT


class SuperTraffic:
    """Super-frames of the given SAs, each with the next sequence numbers of its SA.

    ``plain`` is the traffic of single frames of the same SAs, if there is some: no number is
    given twice.
    """

    def __init__(
        self, sas: Sequence[SecurityAssociation], chance: Random, plain: Numbers | None = None,
    ) -> None:
        self.sas = sas
        self.chance = chance
        self._plain = plain
        self._next = [(2**32 - 3 * SEQUENCES_A_REQUEST if sa.esn else 1) for sa in sas]

    def request(
        self, segments_max: int = 8, mss: int | None = None, **changes: int,
    ) -> TxFrame:
        """A request for up to ``segments_max`` segments, fields of its descriptor changed."""
        return self._request(*random_super_frame(self.chance, segments_max, mss), changes)

    def exact(
        self, segments: int, mss: int, suits: Callable[[Fields], bool] = lambda fields: True,
    ) -> TxFrame:
        """A request for exactly ``segments`` segments, with LSO fields that suit."""
        fields = random_layout(self.chance)
        while not suits(fields):
            fields = random_layout(self.chance)
        return self._request(*super_frame(self.chance, fields, segments, mss), {})

    def _request(self, fields: Fields, frame: bytes, changes: Fields) -> TxFrame:
        index = self.chance.randrange(len(self.sas))
        fields |= {"sa": index + 1, "sequence": self._take(index),
                   "next_header": self.chance.randrange(256)}
        if to_be_sealed(fields):
            at = fields["esp_offset"]
            frame = frame[:at] + self.sas[index].spi.to_bytes(4, "big") + frame[at + 4:]
        return TxFrame(fields | changes, frame)

    def _take(self, index: int) -> int:
        """The first sequence number of the next request of an SA."""
        if self._plain:
            return self._plain.take(index, SEQUENCES_A_REQUEST)
        self._next[index] += SEQUENCES_A_REQUEST
        return self._next[index] - SEQUENCES_A_REQUEST


def _ip_bytes(chance: Random, ipv6: int) -> int:
    """Length of an IP header; IPv4 sometimes with options."""
    return 40 if ipv6 else 20 + 4 * chance.choice((0, 0, 0, chance.randrange(11)))
