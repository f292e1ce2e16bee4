"""Holes of the functional coverage as aims of random traffic.

An aim is the values of some dimensions of ``sim.coverage.bins``. It steers what it names and leaves
the rest to chance, so most holes take more than one try.
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from espnic.model.interface.codes import FRAME_BYTES_MAX, Encapsulation
from espnic.sim.coverage.bins import LENGTH, LENGTH_TO
from espnic.sim.soak.streams import Stream

Aim = Mapping[str, Any]

ANY: Aim = {}

_LEAST_HEADERS = 14 + 20
_TRAILER_BYTES = 2
_OVER = {"1 byte": (1, 1), "up to twice": (65, FRAME_BYTES_MAX),
         "more than twice": (FRAME_BYTES_MAX + 1, FRAME_BYTES_MAX + 4000)}
_SEGMENTS = {"1": (1, 1), "2": (2, 2), "more": (3, 20), "3-9": (3, 9), "10-64": (10, 64)}
_MSS = {"1": (1, 1), "2-15": (2, 15), "16-64": (16, 64), "65-536": (65, 536),
        "537-1460": (537, 700), "more": (1461, 1600)}


def suited(streams: Sequence[Stream], aim: Aim) -> Sequence[Stream]:
    """The streams that an aim is about; all when it names none of them."""
    return [stream for stream in streams if _suits(stream, aim)] or streams


def _suits(stream: Stream, aim: Aim) -> bool:
    sa = stream.sa
    has = {
        "family": sa.outer_family, "mode": sa.mode, "key": 8 * len(sa.key), "icv": sa.icv.bytes,
        "esn": sa.esn, "encapsulation": encapsulation_name(sa.encapsulation),
        "window": sa.replay_window if sa.device_window else 0, "guarded": not sa.unguarded}
    return all(aim[name] == value for name, value in has.items() if name in aim)


def encapsulation_name(encapsulation: Encapsulation) -> str:
    """The name that an encapsulation has in the coverage."""
    return encapsulation.name.lower()


def payload_size(chance: Random, aim: Aim) -> int | None:
    """Bytes of payload for a frame of the aim's length; None when it names none."""
    if "length" in aim:
        place = LENGTH.index(aim["length"])
        least = LENGTH_TO[place - 1] + 1 if place else 1
        return max(1, chance.randint(least, LENGTH_TO[place]) - chance.randrange(
            _LEAST_HEADERS, _LEAST_HEADERS + 80))
    if "remainder" in aim:
        text = 16 * chance.randrange(1, 12) + int(aim["remainder"])
        return text - _TRAILER_BYTES - chance.randrange(4)
    if "bytes" in aim:
        return max(1, int(aim["bytes"]) - _LEAST_HEADERS)
    return None


def any_size(chance: Random, longest: int) -> int:
    """Bytes of payload: mostly few, for the corners lie there; now and then up to ``longest``."""
    choice = chance.random()
    if choice < 0.5:
        return chance.randrange(1, 40)
    if choice < 0.85:
        return chance.randrange(1, 200)
    if choice < 0.97:
        return chance.randrange(1, 1500)
    return chance.randrange(1, longest)


def excess(chance: Random, aim: Aim, beat: int) -> int | None:
    """Bytes above the longest frame; None when the aim names no excess."""
    if "excess" not in aim:
        return None
    return chance.randint(*_OVER.get(aim["excess"], (2, beat)))


def segments(chance: Random, aim: Aim) -> tuple[int, int] | None:
    """Segments of a super-frame and its MSS; None when the aim names neither."""
    if "segments" not in aim and "mss" not in aim:
        return None
    least, most = _SEGMENTS.get(aim.get("segments", "2"), (65, 200))
    return chance.randint(least, most), chance.randint(*_MSS[aim.get("mss", "2-15")])
