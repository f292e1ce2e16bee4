"""Mixes of traffic: what goes back to back through both directions at once, round after round.

A mix says what a round of each direction is made of. ``in_words`` says it to a reader, in the same
words for the same mix.
"""

from dataclasses import dataclass
from enum import StrEnum

from espnic.model.interface.codes import Encapsulation, IcvSize, KeySize
from espnic.model.sa.sa import SecurityAssociation

_CUT_HEADER_BYTES = 120
"""About the bytes of the frame of a segment besides its payload."""


class Kind(StrEnum):
    """Kind of a frame or request, in words: mostly by the fate that it has."""

    SEALED = "sealed"
    """To send, with trailer and room for the ICV, as Linux hands it down."""
    APPENDED = "sealed, trailer appended"
    BYPASSED = "plain, to send"
    SUMMED = "plain, checksum put in"
    CUT = "cut and sealed"
    CUT_PLAIN = "cut in clear"
    REFUSED = "refused"
    """To be sealed under an SA that is not there."""
    SPENT = "refused, its SA has expired"

    OPENED = "opened"
    FORGED = "forged"
    UNKNOWN = "of no SA"
    PLAIN = "plain, received"
    BAD = "bad, as the MAC says"
    REPLAYED = "replayed"
    EXPIRED = "received on an expired SA"
    OVERSIZE = "too long"


KINDS = {
    "tx": (Kind.SEALED, Kind.APPENDED, Kind.BYPASSED, Kind.SUMMED, Kind.CUT, Kind.CUT_PLAIN,
           Kind.REFUSED, Kind.SPENT),
    "rx": (Kind.OPENED, Kind.FORGED, Kind.UNKNOWN, Kind.PLAIN, Kind.BAD, Kind.REPLAYED,
           Kind.EXPIRED, Kind.OVERSIZE),
}
"""The kinds of each direction."""
CUTS = (Kind.CUT, Kind.CUT_PLAIN)
"""The kinds of super-frames."""


@dataclass(frozen=True)
class Stretch:
    """Frames of one kind, one behind the other."""

    kind: Kind
    size: int
    """Bytes of a frame on Ethernet without FCS; of a super-frame, its TCP payload.

    ESP goes in steps of 4 bytes: its frames are the longest that are not longer, but that of the
    shortest text may be."""
    count: int = 1
    mss: int = 0
    """Payload bytes of the segments of a super-frame."""
    spread: int = 0
    """Sizes are drawn from ``size`` to ``size + spread``."""

    def beats(self, width: int) -> int:
        """About the beats of the busier side."""
        most = self.size + self.spread
        if self.kind in CUTS:
            whole, rest = divmod(most, self.mss)
            lengths = [_CUT_HEADER_BYTES + payload
                       for payload in [self.mss] * whole + [rest] * (rest > 0)]
        else:
            lengths = [most]
        return self.count * sum(-(-length // (width // 8)) for length in lengths)

    def in_words(self) -> str:
        """Such as ``60 × 138 B sealed``, ``1 × 16,384 B cut and sealed, MSS 1,460``."""
        sizes = f"{self.size:,}"
        if self.spread:
            sizes += f" to {self.size + self.spread:,}"
        mss = f", MSS {self.mss:,}" if self.kind in CUTS else ""
        return f"{self.count:,} × {sizes} B {self.kind}{mss}"


@dataclass(frozen=True)
class SaChoice:
    """The SAs that a mix takes in turn; None is any."""

    count: int = 0
    """Number of those that suit; 0 for all."""
    key: int | None = None
    """Bytes of the key."""
    icv: int | None = None
    """Bytes of the ICV."""
    esn: bool | None = None
    family: int | None = None
    udp: bool | None = None

    def suits(self, sa: SecurityAssociation) -> bool:
        """Whether an SA is one of them, if their number did not count."""
        udp = sa.encapsulation == Encapsulation.UDP
        return all(wanted in (None, found) for wanted, found in (
            (self.key, len(sa.key)), (self.icv, sa.icv.bytes), (self.esn, sa.esn),
            (self.family, sa.outer_family), (self.udp, udp)))

    def in_words(self) -> str:
        """Such as ``all SAs``, ``5 SAs with AES-256, ICV 8, ESN, IPv6, UDP``."""
        number = {0: "all SAs", 1: "1 SA"}.get(self.count, f"{self.count} SAs")
        parts = [f"AES-{8 * self.key}"] if self.key else []
        parts += [f"ICV {self.icv}"] if self.icv else []
        parts += [("" if self.esn else "no ") + "ESN"] if self.esn is not None else []
        parts += [f"IPv{self.family}"] if self.family else []
        parts += [("" if self.udp else "no ") + "UDP"] if self.udp is not None else []
        return f"{number} with {', '.join(parts)}" if parts else number


KEY_CHOICES = (None, *(size.bytes for size in KeySize))
ICV_CHOICES = (None, *(size.bytes for size in IcvSize))


@dataclass(frozen=True)
class Mix:
    """A round of each direction. A direction without stretches is idle."""

    tx: tuple[Stretch, ...]
    rx: tuple[Stretch, ...]
    sas: SaChoice = SaChoice()
    shuffled: bool = False
    """The frames of a round come in another order in each round."""

    def stretches(self, side: str) -> tuple[Stretch, ...]:
        """The round of a direction."""
        return self.tx if side == "tx" else self.rx

    def beats(self, side: str, width: int) -> int:
        """About the beats of a round on the busier side."""
        return sum(stretch.beats(width) for stretch in self.stretches(side))

    def in_words(self, side: str) -> str:
        """The round of a direction, such as ``1 × 9,000 B opened; 60 × 60 B plain, received``."""
        stretches = "; ".join(stretch.in_words() for stretch in self.stretches(side)) or "idle"
        return f"{stretches}, shuffled" if self.shuffled and stretches != "idle" else stretches
