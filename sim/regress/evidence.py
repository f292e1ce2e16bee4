"""Evidence of a first difference: what stands around it on both sides, and the packet.

A failing test leaves it as a file in the folder that the orders name, and the report shows it.
Simulations leave some too, so this module imports nothing that they need not have.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from espnic.model.trace import POINTS, SHOWN_CHARACTERS, TraceRecord, shortened
from espnic.sim.build.orders import FOLDER_VARIABLE, current
from espnic.sim.build.signal_lists import focus_on
from espnic.sim.files import replacing

FILE = "difference.json"
_AROUND = 3
"""Number of records, or items, that are shown on each side of the first that differs."""
_BEFORE = 16
"""Characters that are shown in front of the first that differs in a long value."""
_FRAME_POINTS = ("rx.in", "tx.in")

Fields = Mapping[str, Any]
Row = tuple[str, Fields | None, Fields | None]
"""A place, and the fields of RTL and model there; None where one has no such record."""


def keep_items(
    place: str, ours: Sequence[Any], model: Sequence[Any], index: int, focus: Sequence[str],
    fields: Callable[[Any], Any],
) -> None:
    """Leave the items around the first that differs, ``index``, if somebody wants them.

    ``focus`` has beginnings of the names of signals that matter most; ``fields`` takes an item
    apart.
    """
    def at(items: Sequence[Any], number: int) -> Fields | None:
        if number >= len(items):
            return None
        item = fields(items[number])
        if isinstance(item, Mapping):
            return item
        return {"bytes" if isinstance(item, bytes) else "value": item}

    last = min(index + _AROUND + 1, max(len(ours), len(model)))
    rows = [(f"item {number + 1}", at(ours, number), at(model, number))
            for number in range(max(0, index - _AROUND), last)]
    _keep(place, rows, index - max(0, index - _AROUND), focus)


def keep_traces(rtl: Sequence[TraceRecord], model: Sequence[TraceRecord]) -> None:
    """Leave the records around the first in which two traces differ, if somebody wants them.

    The whole traces lie beside it.
    """
    folder = current().folder
    if folder is None:
        return
    ours, theirs = _by_place(rtl), _by_place(model)
    places = sorted(ours.keys() | theirs.keys())
    differing = (place for place in places if _differs(ours.get(place), theirs.get(place)))
    first = next(differing, None)
    if first is None:
        return
    # The other direction is no neighbour.
    side = [place for place in places if POINTS[place[1]][:2] == POINTS[first[1]][:2]]
    index = side.index(first)
    shown = side[max(0, index - _AROUND):index + _AROUND + 1]
    packet, point, _ = first
    frame = next((record for record in model
                  if record.packet == packet and record.point in _FRAME_POINTS
                  and record.point[:2] == POINTS[point][:2]), None)
    _keep(f"packet {packet}, {POINTS[point]}",
          [(f"packet {place[0]}, {POINTS[place[1]]}", ours.get(place), theirs.get(place))
           for place in shown],
          shown.index(first), focus_on(POINTS[point]),
          frame.fields["frame"] if frame else None)
    # Imported here: a simulation that keeps items has no use for it.
    from espnic.sim.run.report import write_trace

    for name, trace in (("rtl", rtl), ("model", model)):
        write_trace(folder, name, trace)


def _keep(place: str, rows: Sequence[Row], index: int, focus: Sequence[str],
          frame: str | None = None) -> None:
    folder = current().folder or Path(os.environ.get(FOLDER_VARIABLE, ""))
    if folder == Path():
        return
    _, ours, model = rows[index]
    with replacing(folder / FILE) as partial:
        partial.write_text(json.dumps({
            "place": place, "focus": list(focus), "index": index,
            "rows": [{"place": where, "fields": _shown(rtl, right)} for where, rtl, right in rows],
            "packet": _packet(ours, model, frame),
        }), encoding="utf-8")


def _shown(ours: Fields | None, model: Fields | None) -> list[dict[str, Any]]:
    """Each field with the values of both sides, as text: long ones from where they differ."""
    shown = []
    for name in dict.fromkeys([*(ours or {}), *(model or {})]):
        rtl, right = _text(ours, name), _text(model, name)
        differs = _unequal(ours, model, name)
        if differs and rtl[:SHOWN_CHARACTERS] == right[:SHOWN_CHARACTERS]:
            place = len(os.path.commonprefix((rtl, right))) // 2 * 2 - _BEFORE
            rtl, right = f"...{rtl[place:]}", f"...{right[place:]}"
        shown.append({"name": name, "rtl": shortened(rtl), "model": shortened(right),
                      "differs": differs})
    return shown


def _unequal(ours: Fields | None, model: Fields | None, name: str) -> bool:
    """Whether a field differs; one that the model does not name is not compared."""
    if ours is None or model is None:
        return ours is not model
    return name in model and ours.get(name) != model[name]


def _text(fields: Fields | None, name: str) -> str:
    if fields is None or name not in fields:
        return "none"
    value = fields[name]
    if isinstance(value, bytes):
        value = value.hex()
    elif isinstance(value, int) and value > 0xFFFF:
        value = f"{value:#x}"
    return str(value)


def _packet(ours: Fields | None, model: Fields | None, frame: str | None) -> dict[str, str] | None:
    """The bytes that differ, of both sides; else the frame that both got, else nothing."""
    for name, value in (model or {}).items():
        other = (ours or {}).get(name)
        a, b = _bytes(other), _bytes(value)
        if a is not None and b is not None and a != b:
            return {"name": name, "rtl": a, "model": b}
    return {"name": "frame", "rtl": frame, "model": frame} if frame else None


def _bytes(value: Any) -> str | None:
    """Byte strings as hex; the traces have them as such text already."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str) and value and len(value) % 2 == 0:
        return value if all(digit in "0123456789abcdef" for digit in value) else None
    return None


def _by_place(trace: Sequence[TraceRecord]) -> dict[tuple[int, int, int], Fields]:
    """Fields by packet, stage, and number of earlier records of both."""
    placed: dict[tuple[int, int, int], Fields] = {}
    earlier: dict[tuple[int, int], int] = {}
    for record in trace:
        key = record.packet, POINTS.index(record.point)
        placed[*key, earlier.get(key, 0)] = record.fields
        earlier[key] = earlier.get(key, 0) + 1
    return placed


def _differs(ours: Fields | None, model: Fields | None) -> bool:
    return ours != model
