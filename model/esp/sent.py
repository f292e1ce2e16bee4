"""The record of a transmit SA's sealed numbers: no (key, IV) pair is used twice.

AES-GCM loses all its protection with one nonce under which two packets are sealed (NIST SP
800-38D, section 8), and the nonce of ESP is the salt and the sequence number's IV (RFC 4106).
"""

from espnic.model.interface.codes import TxStatus

SENT_WINDOW_MIN = 1024
"""Numbers that the smallest window of a guard holds."""


class SentNumbers:
    """The sequence numbers under which an SA has sealed packets, as far back as its window goes.

    The window holds ``window`` numbers and ends at ``top``. A number left of it is too old to
    be told from one that was sealed. At the start ``top`` and every number below it count as
    sealed. Numbers have 64 bits, with ESN or without.
    """

    def __init__(self, window: int, top: int = 0) -> None:
        self.window = window
        self.top = top
        """Highest number that counts as sealed."""
        self._sealed = set(range(self.bottom, top + 1))

    @property
    def bottom(self) -> int:
        """Lowest number of the window; below 1 it lies before the first number."""
        return self.top - self.window + 1

    def check(self, first: int, count: int = 1) -> TxStatus:
        """SEALED for a request that may have ``count`` numbers, from ``first`` on.

        A request passes whole or not at all: DROP_LATE if its first number is left of the
        window, DROP_REPEATED if one of its numbers counts as sealed.
        """
        if first < self.bottom:
            return TxStatus.DROP_LATE
        up_to_top = range(first, min(first + count, self.top + 1))
        return TxStatus.SEALED if self._sealed.isdisjoint(up_to_top) else TxStatus.DROP_REPEATED

    def seal(self, first: int, count: int = 1) -> None:
        """Note a request that leaves sealed."""
        last = first + count - 1
        self.top = max(self.top, last)
        self._sealed.update(range(max(first, self.bottom), last + 1))
        if len(self._sealed) > 2 * self.window:
            # Only for the memory: a number left of the window is late before it is looked for.
            self._sealed = {number for number in self._sealed if number >= self.bottom}
