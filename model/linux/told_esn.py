"""The ESN fields that the driver has given the device for a receive SA.

They matter for SAs with ESN whose replay window software keeps.
"""

from espnic.model.esp import esn
from espnic.model.esp.esn import EsnState
from espnic.model.esp.replay import Window

_SETTLED = 1 << 30
"""Sequence numbers after a change for which frames opened before it may still come up. They are far
more than can be on their way up, and far fewer than there are to the next change."""


class ToldEsn:
    """The fields that the device has now, and those that it had before the last change."""

    def __init__(self, state: EsnState) -> None:
        self.state = state
        self._before: EsnState | None = None
        self._changed_at = 0
        """Top of the window at the last change."""

    def change(self, state: EsnState, top: int) -> None:
        """Note that the device has taken new fields; ``top`` is that of the stack's window."""
        self._before, self._changed_at = self.state, top
        self.state = state

    def agrees(self, window: Window, sequence_low: int) -> bool:
        """Whether the device has opened a frame under the number that the stack takes for it.

        A packet that is left of the window, captured before the low half wrapped and sent again,
        may be opened under the high half that it once had. The stack gives it the next high half
        and would move the window far ahead. The fields before the last change count too, because
        frames that the device opened with them may still come up.
        """
        states = [self.state]
        if self._before is not None and window.top - self._changed_at < _SETTLED:
            states.append(self._before)
        high = window.high(sequence_low)
        return all(esn.device_high(sequence_low, state.high, state.overlap) == high
                   for state in states)
