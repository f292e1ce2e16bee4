"""The replay window that the device keeps for a receive SA (RFC 4303, 3.4.3 and appendix A).

Numbers are plain integers: a window may begin below 0. Then only its numbers from 1 on can come.
"""

from espnic.model.interface.codes import RxStatus

_LOW_BITS = 32
_SCOPE = 1 << _LOW_BITS
"""Distance between two sequence numbers with the same low half."""


class Window:
    """Record of the sequence numbers received, as far back as the window goes.

    ``packets`` is its size; ``extended`` says that sequence numbers have 64 bits. At the start
    ``top`` and every number below it count as received. A window is checked with the number that
    a packet was opened with, and moves only for packets whose ICV was right.
    """

    def __init__(self, packets: int, extended: bool, top: int = 0) -> None:
        self.packets = packets
        self.extended = extended
        self.top = top
        """Highest sequence number received."""
        self._received = set(range(self.bottom, top + 1))

    @property
    def bottom(self) -> int:
        """Lowest sequence number of the window; below 1 it lies before the first number."""
        return self.top - self.packets + 1

    def high(self, sequence_low: int) -> int:
        """High half of the sequence number with this low half; 0 without ESN.

        The number is the one that is not left of the window and less than 2^32 above its begin.
        """
        return high_above(self.bottom, sequence_low) if self.extended else 0

    def check(self, sequence: int) -> RxStatus:
        """OK for a number that may come, else LATE or REPLAYED.

        With ESN a number 2^32 or more above the window's begin is LATE too: by the window as it
        is now, its low half stands for another number.
        """
        if sequence == 0 or sequence < self.bottom:
            return RxStatus.LATE
        if self.extended and sequence >= self.bottom + _SCOPE:
            return RxStatus.LATE
        return RxStatus.REPLAYED if sequence in self._received else RxStatus.OK

    def advance(self, sequence: int) -> None:
        """Note an authentic packet with a number that may come."""
        self.top = max(self.top, sequence)
        self._received.add(sequence)
        self._received = {number for number in self._received if number >= self.bottom}


def high_above(bottom: int, sequence_low: int) -> int:
    """High half of the first number at or above ``bottom`` that has this low half, modulo 2^32."""
    bottom_high, bottom_low = divmod(bottom, _SCOPE)
    return (bottom_high + (sequence_low < bottom_low)) % _SCOPE
