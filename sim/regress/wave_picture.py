"""A picture of the last clocks of a wave, as SVG."""

import bisect
from collections.abc import Sequence
from pathlib import Path

import pywellen
from markupsafe import Markup

from espnic.sim.clocks import CLOCK_NS

CLOCKS = 24
"""Clocks that are shown."""
SIGNALS_MAX = 14
_ROW, _CLOCK, _LETTER = 24, 40, 8
"""Pixels of a row, of a clock, and of a letter."""
_HIGH, _LOW = 5, 19
"""Pixels in a row of a one and a zero."""
_SLOPE = 3
_AFTER = 4
"""Clocks that are shown behind the last change."""
_COUNTING = ("clk", "clocks", "clock")
"""Signals that change all the time; the clocks stand on top."""
_TICK = 4
"""Clocks from a number on top to the next."""

Values = list[str]
"""Value of a signal before each clock edge, in hexadecimal."""


def picture(wave: Path, top: str, names: Sequence[str], end: int) -> Markup:
    """SVG of the first of these signals of the top module; one bit as a line.

    It shows clocks before ``end``, the last of them in which one of these signals changes. The
    value in a clock is that which its edge at the end takes.
    """
    signals = {each.full_name: each for each in pywellen.Waveform(str(wave)).all_vars()}
    found = [(name, signals[f"{top}.{name}"]) for name in names
             if name not in _COUNTING and f"{top}.{name}" in signals][:SIGNALS_MAX]
    changes = [[(int(time), value) for time, value in signal.signal if time < end * CLOCK_NS]
               for _, signal in found]
    last = max((each[-1][0] for each in changes if each), default=0) // CLOCK_NS
    end = min(end, last + _AFTER)
    start = max(0, end - CLOCKS)
    edges = [clock * CLOCK_NS for clock in range(start, end)]
    rows = [_row(number, _values(changed, edges), signal.bitwidth == 1)
            for number, ((_, signal), changed) in enumerate(zip(found, changes, strict=True), 1)]
    titles = [name.removeprefix("inner.") for name, _ in found]
    left = _LETTER * max(map(len, titles), default=0)
    width, height = left + _CLOCK * len(edges), _ROW * (len(rows) + 1) + 4
    ticks = [_tick(number, start + number, height) for number in range(0, len(edges), _TICK)]
    named = [Markup('<text x="0" y="{}" class="n">{}</text>').format(number * _ROW + 16, title)
             for number, title in enumerate(titles, 1)]
    return Markup('<svg class="wave" width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="img" '
                  'aria-label="wave">{3}<g transform="translate({2})">{4}{5}</g></svg>').format(
        width, height, left, *(Markup("").join(parts) for parts in (named, ticks, rows)))


def _values(changes: Sequence[tuple[int, int | str]], edges: Sequence[int]) -> Values:
    times = [time for time, _ in changes]
    found = []
    for edge in edges:
        place = bisect.bisect_left(times, edge) - 1
        value = changes[place][1] if place >= 0 else "x"
        found.append(f"{value:x}" if isinstance(value, int) else "x")
    return found


def _tick(place: int, clock: int, height: int) -> Markup:
    return Markup('<text x="{0}" y="16" class="t">{1}</text><path d="M{0} 22V{2}" class="g"/>'
                  ).format(_x(place), clock, height)


def _row(number: int, values: Values, is_bit: bool) -> Markup:
    return _line(values, number * _ROW) if is_bit else _bus(values, number * _ROW)


def _line(values: Values, top: int) -> Markup:
    path, last = "", None
    for place, value in enumerate(values):
        y = top + (_HIGH if value == "1" else _LOW)
        step = f"M{_x(place)} {y}" if last is None else f"L{_x(place) + _SLOPE} {y}"
        path += f"{step}H{_x(place + 1)}"
        last = y
    return Markup('<path d="{}" class="l"/>').format(path)


def _bus(values: Values, top: int) -> Markup:
    drawn, begin = [], 0
    for place in range(1, len(values) + 1):
        if place < len(values) and values[place] == values[begin]:
            continue
        left, right = _x(begin), _x(place)
        middle, high, low = top + (_HIGH + _LOW) // 2, top + _HIGH, top + _LOW
        drawn.append(Markup('<path d="M{} {}L{} {}H{}L{} {}L{} {}H{}Z" class="b"/>').format(
            left, middle, left + _SLOPE, high, right - _SLOPE, right, middle,
            right - _SLOPE, low, left + _SLOPE))
        room = (right - left - 2 * _SLOPE) // _LETTER
        text = values[begin]
        shown = text if len(text) <= room else f"{text[:max(room - 1, 0)]}…"
        drawn.append(Markup('<text x="{}" y="{}" class="v"><title>{}</title>{}</text>').format(
            left + 2 * _SLOPE, top + 16, text, shown))
        begin = place
    return Markup("").join(drawn)


def _x(clock: int) -> int:
    return clock * _CLOCK
