"""Extended sequence numbers: the high half that never goes over the wire (RFC 4303, 2.2.1)."""

from dataclasses import dataclass

HALF = 1 << 31
"""Half of the 32-bit space: the numbers of its lower half are below."""
_LOW_MASK = (1 << 32) - 1


def device_high(sequence_low: int, esn_high: int, esn_overlap: bool) -> int:
    """High half that a device without a window takes for a received sequence number.

    Software tells it ``esn_high``, the high half in which the window begins, and ``esn_overlap``,
    whether the window may reach into the next high half. If it may, a sequence number of
    the lower half of the 32-bit space belongs to the next high half.
    """
    if not esn_overlap or sequence_low >= HALF:
        return esn_high
    return (esn_high + 1) & _LOW_MASK


def window_high(sequence_low: int, top: int, window: int) -> int:
    """High half that software takes by its replay window (RFC 4303, appendix A2.2).

    ``top`` is the highest 64-bit sequence number received so far, ``window`` the
    size of the replay window in packets.
    """
    top_high, top_low = divmod(top, 1 << 32)
    bottom_low = (top_low - window + 1) & _LOW_MASK
    if top_low >= window - 1:
        high = top_high if sequence_low >= bottom_low else top_high + 1
    else:
        high = top_high - 1 if sequence_low >= bottom_low else top_high
    return high & _LOW_MASK


@dataclass(frozen=True)
class EsnState:
    """The ESN fields of a receive SA that the driver last gave the device."""

    high: int
    """``esn_high``."""
    overlap: bool
    """``esn_overlap``."""


def driver_state(top: int, window: int) -> EsnState:
    """The state that a driver gives the device when ``top`` is the highest sequence number seen.

    ``window`` is the size of the replay window in packets. The state follows the bottom of the
    window: ``high`` is the bottom's high half, and ``overlap`` says that the bottom lies in the
    upper half of the 32-bit space, so that the window may reach across 2^32. Before the first
    packet ``top`` is the number before the first that will come. The state changes
    once every 2^31 packets; only then does the driver send a MODIFY.
    """
    bottom = max(top - window + 1, 0)
    return EsnState(high=bottom >> 32, overlap=bottom & _LOW_MASK >= HALF)
