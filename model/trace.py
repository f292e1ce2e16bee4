"""Traces: the values of each packet at each stage, as JSON lines, and the comparison of two.

One line is ``{"packet": 1, "point": "rx.parse", "fields": {...}}``. Packets are
counted from 1 in each direction; byte strings are hex text.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RX_POINTS = ("rx.in", "rx.parse", "rx.lookup", "rx.open", "rx.icv", "rx.verdict", "rx.out")
TX_POINTS = ("tx.in", "tx.segment", "tx.verdict", "tx.trailer", "tx.seqiv", "tx.seal", "tx.icv",
             "tx.out")
POINTS = RX_POINTS + TX_POINTS

ABSENT = "(absent)"
SHOWN_CHARACTERS = 60
"""Most characters of a value that a message shows."""


class TraceError(Exception):
    """A trace file that cannot be read; the message is one line that says where and why."""


@dataclass(frozen=True)
class TraceRecord:
    """The values of one packet at one trace point."""

    packet: int
    """Number of the packet in its direction, from 1."""
    point: str
    """One of ``POINTS``."""
    fields: dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """The first place where two traces differ.

    ``field`` is None, and a value "(absent)", when a whole record is missing.
    """

    point: str
    packet: int
    field: str | None
    a: Any
    b: Any

    def __str__(self) -> str:
        what = f"field {self.field}" if self.field is not None else "record"
        return (f"packet {self.packet}, {self.point}, {what}: "
                f"{shortened(self.a)} against {shortened(self.b)}")


def shortened(value: object) -> str:
    """A value as text, cut so that a message with it stays one short line."""
    text = str(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def records(traces: Iterable[list[tuple[str, dict[str, Any]]]]) -> list[TraceRecord]:
    """The records of packets whose traces are as ``model.device.device`` gives them.

    The packets are numbered from 1 in the order given.
    """
    return [
        TraceRecord(number, point, fields)
        for number, trace in enumerate(traces, start=1)
        for point, fields in trace
    ]


def write(path: Path, trace: Iterable[TraceRecord]) -> None:
    """Write a trace, one line for each record, in the order given."""
    with path.open("w", encoding="utf-8") as file:
        for record in trace:
            line = {"packet": record.packet, "point": record.point, "fields": record.fields}
            file.write(json.dumps(line) + "\n")


def read(path: Path) -> list[TraceRecord]:
    """Read a trace. Raises ``TraceError`` naming the file, the line and what was expected."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror}, expected a trace file") from None
    except UnicodeDecodeError:
        raise TraceError(f"{path}: not text, expected a trace of JSON lines") from None
    return [_record(line, f"{path}:{number}") for number, line in enumerate(lines, start=1)]


def compare(a: Iterable[TraceRecord], b: Iterable[TraceRecord]) -> Difference | None:
    """The first difference between two traces; None when they are equal.

    Records are matched by packet and trace point: the order of packets counts, the order
    in which two stages wrote does not. The first difference is that of the
    lowest packet, and within it that of the earliest stage.
    """
    by_place_a, by_place_b = _by_place(a), _by_place(b)
    for place in sorted(by_place_a.keys() | by_place_b.keys()):
        difference = _compare_records(by_place_a.get(place), by_place_b.get(place))
        if difference is not None:
            return difference
    return None


def _record(line: str, where: str) -> TraceRecord:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise TraceError(f"{where}: not JSON ({error.msg}), expected one record a line") from None
    except (RecursionError, ValueError):
        raise TraceError(f"{where}: nested too deep or a number too long, expected one record a "
                         "line") from None
    expected: dict[str, type] = {"packet": int, "point": str, "fields": dict}
    if not isinstance(value, dict) or set(value) != set(expected):
        raise TraceError(f"{where}: expected an object with packet, point and fields")
    for name, kind in expected.items():
        if not isinstance(value[name], kind) or isinstance(value[name], bool):
            raise TraceError(f"{where}: {name} is {value[name]!r}, expected {kind.__name__}")
    if value["packet"] < 1:
        raise TraceError(f"{where}: packet is {value['packet']}, expected 1 or more")
    if value["point"] not in POINTS:
        raise TraceError(
            f"{where}: point is {value['point']!r}, expected one of {', '.join(POINTS)}")
    return TraceRecord(**value)


def _by_place(trace: Iterable[TraceRecord]) -> dict[tuple[int, int, int], TraceRecord]:
    """Records by place: packet, stage, and number of earlier records of both."""
    placed: dict[tuple[int, int, int], TraceRecord] = {}
    # Counted, for a super-frame has tens of thousands of segments.
    earlier: Counter[tuple[int, int]] = Counter()
    for record in trace:
        place = record.packet, POINTS.index(record.point)
        placed[*place, earlier[place]] = record
        earlier[place] += 1
    return placed


def _compare_records(a: TraceRecord | None, b: TraceRecord | None) -> Difference | None:
    if a is None or b is None:
        present = a or b
        assert present is not None
        return Difference(present.point, present.packet, None,
                          ABSENT if a is None else a.fields, ABSENT if b is None else b.fields)
    for name in [*a.fields, *(name for name in b.fields if name not in a.fields)]:
        value_a, value_b = a.fields.get(name, ABSENT), b.fields.get(name, ABSENT)
        if value_a != value_b:
            return Difference(a.point, a.packet, name, value_a, value_b)
    return None
