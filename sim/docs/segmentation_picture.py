"""The picture of docs/segmentation.md: a super-frame and its segments, byte by byte."""

from collections.abc import Iterable
from io import StringIO
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from espnic.sim.docs.segmentation_example import (
    Change,
    Example,
    Field,
    Header,
    headers,
    trailer_fields,
)

# All lengths are in points, all places from the upper left corner.
_POINTS_AN_INCH = 72
_MARGIN, _LABELS, _BYTE = 8, 76, 24
_BYTES_IN_ROW = 20
_LEFT = _MARGIN + _LABELS
_RIGHT = _LEFT + _BYTE * _BYTES_IN_ROW
_WIDTH = _RIGHT + _MARGIN
_ROW, _CELL = 16, 15
_NAME_AT, _RULE_AT, _GROUP_HEAD, _GROUP_GAP = 18, 29, 36, 14

# The overview, where headers are not to scale.
_OVERVIEW = (("Ethernet", 46), ("IPv4", 32), ("ESP, IV", 42), ("IPv4", 32), ("TCP", 32))
_OVERVIEW_TEXT_FROM = 3
"""Headers before this one are not encrypted."""
_OVERVIEW_PAYLOAD, _OVERVIEW_TRAILER, _OVERVIEW_ICV = 98, 40, 30
_BAR, _BAR_STEP = 17, 21

_LEGEND_COLUMNS = 4

_TITLE_SIZE, _TEXT_SIZE, _SMALL_SIZE, _HEX_SIZE = 9.5, 8, 7, 8.5

_COLOURS = {
    Change.COPIED: "#eeeeee",
    Change.LENGTH: "#a6d8f7",
    Change.COUNT: "#f7bf5f",
    Change.FLAGS: "#e5a5cb",
    Change.CHECKSUM: "#f7ef8a",
    Change.APPENDED: "#6fc9ab",
}
"""Tints of the colours of Okabe and Ito, which the colour blind can tell apart."""
_REPLACED = "#ffffff"
_PAYLOADS = ("#f0e8e0", "#decfc0", "#c8b39e")
_INK, _FAINT, _EDGE = "#000000", "#5a5a5a", "#8c8c8c"


class _Canvas:
    """A figure to draw on, in points from the upper left corner."""

    def __init__(self) -> None:
        self._figure = Figure(facecolor="white")
        self._axes = self._figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()

    def svg(self, height: float) -> str:
        """All that was drawn, on a canvas of this height."""
        self._figure.set_size_inches(_WIDTH / _POINTS_AN_INCH, height / _POINTS_AN_INCH)
        self._axes.set(xlim=(0, _WIDTH), ylim=(height, 0))
        drawn = StringIO()
        self._figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
        return drawn.getvalue()

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write text with its middle at height ``y``."""
        look: dict[str, Any] = {"size": _TEXT_SIZE, "va": "center_baseline", "color": _INK}
        self._axes.text(x, y, text, **look | style)

    def box(self, x: float, y: float, width: float, text: str = "", fill: str = "#ffffff",
            height: float = _CELL, **style: Any) -> None:
        """Draw a box with text in its middle."""
        self._axes.add_patch(Rectangle(
            (x, y), width, height, facecolor=fill, edgecolor=_EDGE, linewidth=0.6))
        if text:
            self.text(x + width / 2, y + height / 2, text, **{"ha": "center"} | style)

    def span(self, x: float, end: float, y: float, text: str) -> None:
        """Draw a line with ends from ``x`` to ``end``, its text below."""
        self._axes.plot([x, x, end, end], [y - 3, y, y, y - 3], color=_FAINT, linewidth=0.8)
        self.text((x + end) / 2, y + 6, text, size=_SMALL_SIZE, ha="center", color=_FAINT)


def picture(example: Example) -> str:
    """SVG of a super-frame of three segments in an IPv4 tunnel, TCP without options."""
    # Text stays text, and the same values give the same file.
    with matplotlib.rc_context({
            "svg.fonttype": "none", "svg.hashsalt": "espnic", "font.sans-serif": ["DejaVu Sans"],
            "font.monospace": ["DejaVu Sans Mono"]}):
        canvas = _Canvas()
        y = _overview(canvas, example, _MARGIN)
        y = _legend(canvas, y)
        start = 0
        for header in headers(example.mss):
            y = _group(canvas, example, header, start, y)
            start += header.size
        y = _payload(canvas, example, y)
        y = _trailer(canvas, example, y)
        return canvas.svg(y - _GROUP_GAP + _MARGIN)


def _overview(canvas: _Canvas, example: Example, y: float) -> float:
    """Draw the super-frame as a bar, and the bars of its segments below."""
    segments = range(len(example.segments))
    _bar(canvas, example, "super-frame", segments, y)
    y += _BAR + 12
    canvas.text(_LEFT, y, f"{len(example.superframe):,} bytes: {example.header_bytes} of headers, "
                f"{len(example.superframe) - example.header_bytes:,} of payload, to be cut after "
                f"every {example.mss}", size=_SMALL_SIZE, color=_FAINT)
    y += 10
    for index in segments:
        x = trailer_at = _bar(canvas, example, f"segment {index}", (index,), y)
        for name, width in (("trailer", _OVERVIEW_TRAILER), ("ICV", _OVERVIEW_ICV)):
            canvas.box(x, y, width, name, _COLOURS[Change.APPENDED], _BAR, size=_SMALL_SIZE)
            x += width
        canvas.text(x + 5, y + _BAR / 2, f"{len(example.segments[index])} bytes",
                    size=_SMALL_SIZE, color=_FAINT)
        y += _BAR_STEP
    encrypted_at = _LEFT + sum(width for _, width in _OVERVIEW[:_OVERVIEW_TEXT_FROM])
    canvas.span(encrypted_at, trailer_at + _OVERVIEW_TRAILER, y + 3,
                "encrypted on the wire, shown here in clear")
    return y + 26


def _bar(
    canvas: _Canvas, example: Example, label: str, segments: Iterable[int], y: float,
) -> float:
    """Draw the headers, and the payload of some segments; give where that ends."""
    _label(canvas, label, y + _BAR / 2)
    x = float(_LEFT)
    for name, width in _OVERVIEW:
        canvas.box(x, y, width, name, _COLOURS[Change.COPIED], _BAR, size=_SMALL_SIZE)
        x += width
    for index in segments:
        part = example.payload(index)
        part_width = len(part) * _OVERVIEW_PAYLOAD / example.mss
        canvas.box(x, y, part_width, _range(part), _PAYLOADS[index], _BAR, size=_SMALL_SIZE)
        x += part_width
    return x


def _range(part: range) -> str:
    return f"payload {part.start:,}–{part[-1]:,}"


def _legend(canvas: _Canvas, y: float) -> float:
    """Draw what each colour says."""
    entries = {change.value: colour for change, colour in _COLOURS.items()}
    entries["from the host, to be replaced"] = _REPLACED
    for place, (text, colour) in enumerate(entries.items()):
        x = _MARGIN + place % _LEGEND_COLUMNS * (_WIDTH - _MARGIN) / _LEGEND_COLUMNS
        row = y + place // _LEGEND_COLUMNS * _ROW
        canvas.box(x, row, 14, fill=colour, height=11)
        canvas.text(x + 19, row + 5.5, text, size=_SMALL_SIZE)
    return y + 2 * _ROW + _GROUP_GAP


def _group(canvas: _Canvas, example: Example, header: Header, start: int, y: float) -> float:
    """Draw one header of the super-frame and of all segments, field below field."""
    _title(canvas, f"{header.name}, bytes {start} to {start + header.size - 1}", y)
    y = _field_names(canvas, header, y)
    rows = [("super-frame", example.superframe),
            *((f"segment {index}", frame) for index, frame in enumerate(example.segments))]
    if all(field.change == Change.COPIED for field in header.fields):
        rows = [("all four alike", example.superframe)]
    for label, frame in rows:
        _label(canvas, label, y + _CELL / 2)
        _cells(canvas, header, frame[start:], y, frame is not example.superframe)
        y += _ROW
    return y + _GROUP_GAP


def _payload(canvas: _Canvas, example: Example, y: float) -> float:
    """Draw the first and last bytes of each segment's payload."""
    _title(canvas, f"Payload, from byte {example.header_bytes} on", y)
    y += _NAME_AT
    for index, frame in enumerate(example.segments):
        part = example.payload(index)
        data = frame[example.header_bytes:example.header_bytes + len(part)]
        _label(canvas, f"segment {index}", y + _CELL / 2)
        canvas.box(_LEFT, y, _RIGHT - _LEFT, f"{data[:4].hex(' ')} … {data[-4:].hex(' ')} "
                   f"({len(part)} bytes: {_range(part)})",
                   _PAYLOADS[index], family="monospace", size=_HEX_SIZE)
        y += _ROW
    return y + _GROUP_GAP


def _trailer(canvas: _Canvas, example: Example, y: float) -> float:
    """Draw what the engine appends to each segment."""
    header = trailer_fields(example)
    _title(canvas, f"{header.name}, behind the payload; the super-frame has none", y)
    y = _field_names(canvas, header, y)
    for index in range(len(example.segments)):
        _label(canvas, f"segment {index}", y + _CELL / 2)
        _cells(canvas, header, example.appended(index), y, True)
        y += _ROW
    return y + _GROUP_GAP


def _title(canvas: _Canvas, title: str, y: float) -> None:
    canvas.text(_LEFT, y + 4, title, size=_TITLE_SIZE, weight="bold")


def _label(canvas: _Canvas, label: str, y: float) -> None:
    canvas.text(_LEFT - 6, y, label, ha="right")


def _field_names(canvas: _Canvas, header: Header, y: float) -> float:
    """Draw the name and the rule of each field; give where the first row begins."""
    x = _LEFT
    ruled = any(field.rule for field in header.fields)
    for field in header.fields:
        middle = x + field.size * _BYTE / 2
        copied = field.change == Change.COPIED
        canvas.text(middle, y + _NAME_AT, field.name, ha="center", size=_SMALL_SIZE,
                    color=_FAINT if copied else _INK, weight="normal" if copied else "bold")
        canvas.text(middle, y + _RULE_AT, field.rule, ha="center", size=_SMALL_SIZE)
        x += field.size * _BYTE
    return y + (_GROUP_HEAD if ruled else _GROUP_HEAD - 10)


def _cells(canvas: _Canvas, header: Header, data: bytes, y: float, made: bool) -> None:
    """Draw the fields of a header, ``made`` by the engine or else as they came from the host."""
    x = at = 0
    for field in header.fields:
        canvas.box(_LEFT + x, y, field.size * _BYTE, data[at:at + field.size].hex(" "),
                   _fill(field, made), family="monospace", size=_HEX_SIZE,
                   color=_FAINT if field.change == Change.COPIED else _INK)
        at += field.size
        x += field.size * _BYTE


def _fill(field: Field, made: bool) -> str:
    return _COLOURS[field.change] if made or field.change == Change.COPIED else _REPLACED
