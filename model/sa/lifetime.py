"""Lifetime of an SA in packets and bytes (RFC 4301, 4.4.2.1)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from espnic.model.interface.codes import EventKind


@dataclass(frozen=True)
class Limits:
    """Limits of what an SA may serve, each 64 bits wide, 0 for no limit.

    Bytes are those of the text: all after the IV, without the ICV.
    """

    soft_packets: int = 0
    """Packets after which the device sends an event."""
    soft_bytes: int = 0
    """Bytes after which the device sends an event."""
    hard_packets: int = 0
    """Packets after which the SA serves no more."""
    hard_bytes: int = 0
    """Bytes after which the SA serves no more."""

    def fields(self) -> dict[str, int]:
        """The fields of LIMITS."""
        return asdict(self)


SOFT_FIELDS = ("soft_packets", "soft_bytes")
HARD_FIELDS = ("hard_packets", "hard_bytes")


def limits_of(values: Mapping[str, int]) -> Limits:
    """The limits in the fields of an SA command; those not given are 0."""
    return Limits(*(values.get(name, 0) for name in (*SOFT_FIELDS, *HARD_FIELDS)))


class Lifetime:
    """Packets and bytes that an SA has served, against its limits.

    A limit is reached when the count is not below it. The packet or request that reaches a
    hard limit is still served, the next one is not.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.packets = 0
        """Number of received frames with the right ICV, or of sent frames that left sealed."""
        self.bytes = 0
        """Bytes of the text of these frames."""

    @property
    def warned(self) -> bool:
        """Whether a soft limit has been reached."""
        return self._reached(self.limits.soft_packets, self.limits.soft_bytes)

    @property
    def expired(self) -> bool:
        """Whether a hard limit has been reached."""
        return self._reached(self.limits.hard_packets, self.limits.hard_bytes)

    def count(self, packets: int, text_bytes: int) -> list[EventKind]:
        """Count packets that were served and their text; give the events that this makes.

        The event of a soft limit comes before that of a hard one. Packets and bytes share one
        event of each kind, made when the first of the two limits is reached.
        """
        warned, expired = self.warned, self.expired
        self.packets += packets
        self.bytes += text_bytes
        events = []
        if self.warned and not warned:
            events.append(EventKind.SOFT_LIMIT)
        if self.expired and not expired:
            events.append(EventKind.HARD_LIMIT)
        return events

    def _reached(self, packets: int, text_bytes: int) -> bool:
        return 0 < packets <= self.packets or 0 < text_bytes <= self.bytes
