"""Classes of lengths and numbers, by which the bins of the functional coverage tell them apart."""

from bisect import bisect_left

from espnic.model.interface.codes import FRAME_BYTES_MAX
from espnic.sim.coverage.bins import LENGTH, LENGTH_TO, REGION

_NEAR = 64
"""Numbers next to a boundary that count as being there."""
_SCOPE = 1 << 32
_REGION_FROM = (
    (1, "first"), (2, "low"), (2**31 - _NEAR, "below 2^31"), (2**31, "from 2^31"),
    (2**31 + _NEAR, "high"), (_SCOPE - _NEAR, "below 2^32"), (_SCOPE - 1, "last of 32 bits"),
    (_SCOPE, "from 2^32"), (_SCOPE + _NEAR, "above"), (2**64 - _NEAR, "below 2^64"),
    (2**64 - 1, "last of 64 bits"))
_REGION_STARTS = [start for start, _ in _REGION_FROM]
_REGION_NAMES = [name for _, name in _REGION_FROM]
assert tuple(_REGION_NAMES) == REGION


def length_class(frame_bytes: int) -> str:
    """Value of ``LENGTH`` for a frame of up to 9,600 bytes."""
    return LENGTH[bisect_left(LENGTH_TO, frame_bytes)]


def ending(frame_bytes: int, beat_bytes: int) -> str:
    """Value of ``ENDING`` for a frame that is not empty."""
    match frame_bytes % beat_bytes:
        case 0:
            return "all bytes"
        case 1:
            return "one byte"
        case left if left == beat_bytes - 1:
            return "all but one"
    return "some bytes"


def excess(frame_bytes: int, beat_bytes: int) -> str:
    """Value of ``EXCESS`` for a frame of more than 9,600 bytes."""
    above = frame_bytes - FRAME_BYTES_MAX
    if above == 1:
        return "1 byte"
    if above <= beat_bytes:
        return "2 bytes to a beat"
    return "up to twice" if above <= FRAME_BYTES_MAX else "more than twice"


def beats_class(frame_bytes: int, beat_bytes: int) -> str:
    """Number of beats that have bytes of a frame: 1, 2 or more."""
    if frame_bytes <= beat_bytes:
        return "1"
    return "2" if frame_bytes <= 2 * beat_bytes else "more"


def region(number: int) -> str:
    """Value of ``REGION`` for a sequence number from 1 on."""
    return _REGION_NAMES[bisect_left(_REGION_STARTS, number + 1) - 1]


def position(number: int, top: int, window: int) -> str:
    """Value of ``POSITION`` for a number against a window of this size that ends at ``top``."""
    bottom = top - window + 1
    if number < bottom:
        if number == bottom - 1:
            return "left edge"
        return "left" if number >= bottom - window else "left far"
    if number <= top:
        if number == top:
            return "top"
        return "bottom" if number == bottom else "inside"
    ahead = number - top
    if ahead == 1:
        return "next"
    if ahead < window:
        return "ahead"
    return "whole" if ahead == window else "ahead far"


def extended_position(low: int, top: int, window: int) -> str:
    """Value of ``POSITION`` for the number nearest to a window that has this low half."""
    bottom = top - window + 1
    distance = (low - bottom) % _SCOPE
    if distance >= _SCOPE // 2:
        distance -= _SCOPE
    return position(bottom + distance, top, window)
