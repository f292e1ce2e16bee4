"""Sequence numbers and IVs of ESP packets, SA by SA: which of them stand under an SA twice.

An IV that stands twice under a key gives away, with AES-GCM and every cipher in counter mode, the
XOR of two plaintexts, and with GCM the key of the authentication too. Only packets that differ
count: the same packet once more is a copy, as from two taps or a replay. The work and the memory
are linear in the number of packets; of a packet a digest is kept.

The IV is what stands in the 8 bytes behind the ESP header: with AES-GCM (RFC 4106), GMAC, AES-CCM,
AES-CTR and ChaCha20-Poly1305 that is all of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from espnic.model.esp.esn import HALF
from espnic.sim.audit.esp_packets import EspPacket, SaKey

_DIGEST_BYTES = 8
_WRAP = 2 * HALF


class Seen(NamedTuple):
    """A packet of an SA."""

    frame: int
    """Number of its frame, from 1."""
    number: int
    """Sequence number; its high half counts the rounds, and is right if the SA is known."""
    iv: bytes | None

    @property
    def low(self) -> int:
        """Low half of the sequence number, which the packet has."""
        return self.number % _WRAP


@dataclass(frozen=True)
class Known:
    """Knowledge about an SA from elsewhere than the capture."""

    name: str
    esn: bool
    first: int
    """Whole sequence number of its first packet."""


@dataclass(frozen=True)
class Repeat:
    """Packets of one SA, not copies of each other, with the same IV or the same number."""

    packets: tuple[Seen, ...]
    """The packets in the order of the capture, two or more."""

    @property
    def frames(self) -> tuple[int, ...]:
        """Numbers of their frames."""
        return tuple(packet.frame for packet in self.packets)


class Copy(NamedTuple):
    """A packet that is a copy of another as far as it is there."""

    frame: int
    of: int
    """Frame of the packet that it is a copy of."""
    whole: bool
    """Whether all of it is there."""


@dataclass(frozen=True)
class SaFindings:
    """Findings about one SA."""

    key: SaKey
    known: Known | None
    packets: int
    without_iv: int
    """Packets that end before their IV does, or were captured no further."""
    copies: tuple[Copy, ...]
    """Packets that are copies. One that was cut short may differ in what is not there."""
    ivs: tuple[Repeat, ...]
    """Packets with the same IV."""
    numbers: tuple[Repeat, ...]
    """Packets with the same sequence number."""

    @property
    def is_bad(self) -> bool:
        """Whether a nonce or, for certain, a number was used twice.

        A low half that stands twice is not certain while the SA may have extended sequence
        numbers: 2^32 packets may lie between the two, which the capture does not have.
        """
        return bool(self.ivs) or self.known is not None and bool(self.numbers)


class Audit:
    """Audit of packets that are added one after another.

    Parameters
    ----------
    known
        SAs that are known from elsewhere, by their look-up keys.
    """

    def __init__(self, known: Mapping[SaKey, Known] | None = None) -> None:
        self._known = known or {}
        self._sas: dict[SaKey, _Sa] = {}

    def add(self, frame: int, packet: EspPacket) -> None:
        """Take the next packet; ``frame`` is the number of its frame."""
        sa = self._sas.get(packet.key)
        if sa is None:
            sa = self._sas[packet.key] = _Sa(self._known.get(packet.key))
        sa.add(frame, packet)

    def findings(self) -> list[SaFindings]:
        """Findings of each SA, in the order of their first packets."""
        return [sa.findings(key) for key, sa in self._sas.items()]


@dataclass
class _Places:
    """Packets by a value, of which those with the same value are kept together."""

    first: dict[bytes | int, Seen] = field(default_factory=dict)
    repeats: dict[bytes | int, list[Seen]] = field(default_factory=dict)

    def add(self, value: bytes | int, seen: Seen) -> None:
        first = self.first.setdefault(value, seen)
        if first is not seen:
            self.repeats.setdefault(value, [first]).append(seen)

    def found(self) -> tuple[Repeat, ...]:
        return tuple(Repeat(tuple(packets)) for packets in self.repeats.values())


class _Sa:
    """State of the audit of one SA."""

    def __init__(self, known: Known | None) -> None:
        self._known = known
        self._top = known.first if known else None
        """Highest whole number so far; None before the first packet of an unknown SA."""
        self._packets = self._without_iv = 0
        self._digests: dict[bytes, int] = {}
        self._copies: list[Copy] = []
        self._ivs, self._numbers = _Places(), _Places()

    def add(self, frame: int, packet: EspPacket) -> None:
        self._packets += 1
        digest = blake2b(packet.data, digest_size=_DIGEST_BYTES).digest()
        first = self._digests.setdefault(digest, frame)
        if first != frame:
            self._copies.append(Copy(frame, first, packet.whole))
            return
        seen = Seen(frame, self._whole(packet.low), packet.iv)
        self._numbers.add(seen.number, seen)
        if seen.iv is None:
            self._without_iv += 1
        else:
            self._ivs.add(seen.iv, seen)

    def _whole(self, low: int) -> int:
        """The number with the low half ``low`` that is nearest to the highest so far.

        Whoever sends extended sequence numbers comes to the same low half again after 2^32
        packets. That is no repeat, and is not taken for one unless 2^31 packets are missing.
        """
        if self._known is not None and not self._known.esn:
            return low
        if self._top is None:
            # One round ahead, so that there are numbers before the first packet's too.
            self._top = low + _WRAP
        number = self._top - HALF + (low - self._top + HALF) % _WRAP
        self._top = max(self._top, number)
        return number

    def findings(self, key: SaKey) -> SaFindings:
        return SaFindings(
            key, self._known, self._packets, self._without_iv, tuple(self._copies),
            self._ivs.found(), self._numbers.found())


def audit(
    packets: Iterable[tuple[int, EspPacket]], known: Mapping[SaKey, Known] | None = None,
) -> list[SaFindings]:
    """Findings about packets, each with the number of its frame."""
    result = Audit(known)
    for frame, packet in packets:
        result.add(frame, packet)
    return result.findings()
