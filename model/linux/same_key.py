"""States that are like an SA which the device has: those of updates, and twins by mark."""

import errno

from espnic.model.linux.errors import LinuxError
from espnic.model.linux.parking import Parking
from espnic.model.linux.places import Place, Places
from espnic.model.linux.xfrm import Direction, XfrmState


class SameKey:
    """The states that get no handle, because another SA has the same look-up key.

    The kernel offers the temporary state of an update to the device as it offers a new SA. And the
    device finds SAs by destination and SPI alone, the kernel by the packet's mark too.
    """

    def __init__(self, places: Places, parking: Parking) -> None:
        self._places = places
        self._parking = parking
        self._temporary: dict[XfrmState, Place] = {}
        """States of updates, with the places of the SAs that they are to change."""
        self._twins: set[XfrmState] = set()
        """Receive SAs with whose destination and SPI another SA, for packets of another mark, is
        in software."""

    def clear(self) -> None:
        """Forget all states."""
        self._temporary.clear()
        self._twins.clear()

    def takes_without_handle(self, x: XfrmState) -> bool:
        """Whether a state is the temporary one of an update of an SA that the device has.

        Raises ``LinuxError`` EOPNOTSUPP for a receive SA that differs from another by its mark
        only: software serves it.
        """
        for place, other in self._places.states.items():
            if place in self._places.deleted or _look_up_key(other) != _look_up_key(x):
                continue
            if self._parking.has(other):
                self._twins.add(x)
                continue
            if _same_sa(other, x):
                self._temporary[x] = place
                return True
            if x.direction == Direction.IN and not other.is_found_for(x):
                self._twins.add(other)
                raise LinuxError(
                    errno.EOPNOTSUPP, "SA of the same destination and SPI for another mark")
        return False

    def end(self, x: XfrmState) -> Place | None:
        """Forget a state that its user lets go; the place of the SA that it has updated, if any."""
        self._twins.discard(x)
        return self._temporary.pop(x, None)

    def may_be_for_twin(self, x: XfrmState) -> bool:
        """Whether a frame that the device takes for an SA's may be one for a twin of it."""
        return bool(x.mark_mask) or x in self._twins


def _look_up_key(x: XfrmState) -> tuple[object, ...]:
    """The fields by which a receive SA is found, and the direction."""
    return x.direction, x.destination, x.spi, x.encapsulation


def _same_sa(x: XfrmState, other: XfrmState) -> bool:
    """Whether two states of one look-up key are equal in all that tells SAs apart."""
    return (x.source, x.aead, x.mark, x.mark_mask) == (
        other.source, other.aead, other.mark, other.mark_mask)
