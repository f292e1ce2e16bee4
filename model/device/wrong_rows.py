"""Bits that have turned in the memories of the SA tables: a fault, for tests of software."""

from collections.abc import MutableMapping

from espnic.model.device.events import EventQueue
from espnic.model.interface.codes import EventKind, SaDirection, SaMemory

Row = tuple[SaDirection, SaMemory, int]
"""A row: direction, memory and handle."""

REWRITTEN = (SaMemory.STATE, SaMemory.RECORD)
"""Memories whose row every command that changes what an SA is writes anew."""


class WrongRows:
    """The rows of SAs that are not what was written, until they are written again.

    The row of a look-up entry is known by the handle in it: that it may be read for other SAs too
    is not modelled.
    """

    def __init__(self, events: EventQueue, counters: MutableMapping[str, int]) -> None:
        self._events = events
        self._counters = counters
        self._rows: set[Row] = set()
        self._told: dict[tuple[SaDirection, SaMemory], int] = {}
        """SA of the last event of each memory."""

    def turn(self, direction: SaDirection, memory: SaMemory, handle: int) -> None:
        """Turn a bit of an SA's row."""
        self._rows.add((direction, memory, handle))

    def reads(self, direction: SaDirection, memory: SaMemory, handle: int) -> bool:
        """Read a row; say whether it is wrong. That counts, and is told once for an SA."""
        if (direction, memory, handle) not in self._rows:
            return False
        self._counters["memory_faults"] += 1
        if self._told.get((direction, memory)) != handle:
            self._told[direction, memory] = handle
            self._events.push(EventKind.MEMORY_FAULT, direction, handle, memory)
        return True

    def written(self, direction: SaDirection, handle: int, *memories: SaMemory) -> None:
        """Note that rows of an SA were written: they are right, and SAs are told again."""
        self._told.clear()
        self._rows -= {(direction, memory, handle) for memory in memories}

    def clear(self) -> None:
        """Note that all rows were written."""
        self._told.clear()
        self._rows.clear()
