"""The device's event queue and the detector of authentication failures."""

from collections import deque
from collections.abc import MutableMapping

from espnic.model.interface.codes import EVENT_QUEUE_DEPTH, EventKind, SaDirection
from espnic.model.interface.layouts import EVENT

Event = dict[str, int]
"""The fields of EVENT."""


class EventQueue:
    """Events in the order in which they came, until software takes them off.

    An event that comes to a full queue is not kept. The counter ``events_lost`` of ``counters``
    counts it, and ``overflowed`` stays set until software clears it: no event is lost silently.
    """

    def __init__(self, counters: MutableMapping[str, int]) -> None:
        self._events: deque[Event] = deque()
        self._counters = counters
        self.overflowed = False

    def __len__(self) -> int:
        return len(self._events)

    @property
    def head(self) -> Event:
        """The oldest event; all 0 when there is none."""
        return self._events[0] if self._events else EVENT.unpack(0)

    def push(
        self, kind: EventKind, direction: SaDirection, sa: int = 0, sequence: int = 0,
    ) -> None:
        """Queue an event. ``sequence`` has 64 bits; 0 where the event is of no single frame."""
        if len(self._events) == EVENT_QUEUE_DEPTH:
            self._counters["events_lost"] += 1
            self.overflowed = True
            return
        values = {"kind": kind, "direction": direction, "sa": sa, "sequence": sequence}
        self._events.append(EVENT.unpack(EVENT.pack(values)))

    def pop(self) -> Event:
        """Take the oldest event off. Raises ``IndexError`` when there is none."""
        return self._events.popleft()


class BurstDetector:
    """Detector of bursts of frames that fail authentication.

    The first failure opens a window of ``clocks`` clocks, its own clock included. The
    ``threshold``-th failure within the window makes a burst; if the threshold has been lowered
    meanwhile, a later failure does. A window has one burst at most. ``threshold`` 0 finds none.
    A burst whose failures fall into two windows may be missed, but never 2 ``threshold`` - 1
    failures within ``clocks`` clocks.
    """

    def __init__(self) -> None:
        self.threshold = 0
        """Failures that make a burst; 0 for never."""
        self.clocks = 0
        """Length of the window in clocks."""
        self._opened: int | None = None
        self._failures = 0
        self._told = False

    def fail(self, now: int) -> bool:
        """Note a failure at clock ``now``, which never goes back; say whether it makes a burst."""
        if self._opened is None or now - self._opened >= self.clocks:
            self._opened, self._failures, self._told = now, 0, False
        self._failures += 1
        burst = not self._told and 0 < self.threshold <= self._failures
        self._told |= burst
        return burst
