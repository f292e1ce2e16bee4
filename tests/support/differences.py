"""Comparison of a block's items with the model's: the first difference, in one line.

Items are integers, byte strings, or mappings of fields; with a layout the integers are taken
apart into fields first. A mapping expected is compared in the fields that it has: the others
are unspecified.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from amaranth.lib import data

from espnic.model.interface.layouts import Layout
from espnic.sim.agents.beats import unpack
from espnic.sim.regress.evidence import keep_items

CONTEXT_BYTES = 4
"""Bytes shown on each side of the first that differs."""
DECIMAL_MAX = 0xFFFF
"""Greatest number shown in decimal; the others are hexadecimal."""


def check_items(
    got: Iterable[Any], expected: Iterable[Any], *, port: str = "", width: int | None = None,
    layout: data.Layout | Layout | None = None,
) -> None:
    """Raise ``AssertionError`` with the first item in which RTL and model differ.

    Parameters
    ----------
    got
        Items of the RTL, in order.
    expected
        Items of the model.
    port
        Where they leave, if the bench looks at more than one place.
    width
        Bits of a beat of the block, if it has such a width.
    layout
        Layout of items that are integers.
    """
    __tracebackhide__ = True
    got, expected = list(got), list(expected)
    for index, (ours, model) in enumerate(zip(got, expected, strict=False), start=1):
        difference = _difference(_fields(ours, layout), _fields(model, layout))
        if difference:
            place = _place(port, index, len(expected), width)
            _keep(place, got, expected, index, width, layout)
            raise AssertionError(f"{place}{difference}")
    if len(got) != len(expected):
        index = min(len(got), len(expected)) + 1
        ours, model = (_shown(items[index - 1]) if index <= len(items) else "none"
                       for items in (got, expected))
        place = _place(port, index, len(expected), width)
        _keep(place, got, expected, index, width, layout)
        raise AssertionError(f"{place}: RTL {ours}, model {model}")


def check_item(
    got: Any, expected: Any, *, number: int, port: str = "", width: int | None = None,
    layout: data.Layout | Layout | None = None,
) -> None:
    """Compare one item when the number of items is unknown."""
    __tracebackhide__ = True
    difference = _difference(_fields(got, layout), _fields(expected, layout))
    if difference:
        place = _place(port, number, None, width)
        _keep(place, [got], [expected], 1, width, layout)
        raise AssertionError(f"{place}{difference}")


def _keep(
    place: str, got: list[Any], expected: list[Any], number: int, width: int | None,
    layout: data.Layout | Layout | None,
) -> None:
    """Keep what stands around a difference for the report of a regression."""
    keep_items(place, got, expected, number - 1, [] if width is None else [f"w{width}"],
               lambda item: _fields(item, layout))


def _place(port: str, index: int, count: int | None, width: int | None) -> str:
    where = f"{port}: " if port else ""
    of = "" if count is None else f" of {count}"
    return f"{where}item {index}{of}" + ("" if width is None else f", width {width}")


def _fields(item: Any, layout: data.Layout | Layout | None) -> Any:
    """An item by fields, nested ones under dotted names, as far as it has any."""
    if isinstance(item, Mapping):
        return _flat(item)
    if layout is None or not isinstance(item, int):
        return item
    return _flat(layout.unpack(item) if isinstance(layout, Layout) else unpack(layout, item))


def _flat(fields: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": one for inner, one in _flat(value).items()}
        else:
            flat[name] = value
    return flat


def _difference(ours: Any, model: Any) -> str | None:
    """Difference between two items, as text that follows the item's place; None if equal."""
    if isinstance(ours, dict) and isinstance(model, dict):
        for name, wanted in model.items():
            if name not in ours:
                return f", field {name}: RTL none, model {_shown(wanted)}"
            if difference := _value_difference(ours[name], wanted):
                return f", field {name}{difference}"
        return None
    return _value_difference(ours, model)


def _value_difference(ours: Any, model: Any) -> str | None:
    if ours == model:
        return None
    if isinstance(ours, bytes) and isinstance(model, bytes):
        return _bytes_difference(ours, model)
    return f": RTL {_shown(ours)}, model {_shown(model)}"


def _bytes_difference(ours: bytes, model: bytes) -> str:
    place = next((at for at, pair in enumerate(zip(ours, model, strict=False))
                  if pair[0] != pair[1]), min(len(ours), len(model)))
    around = slice(max(0, place - CONTEXT_BYTES), place + CONTEXT_BYTES + 1)
    lengths = f" of {len(model)}" + ("" if len(ours) == len(model) else f" (RTL {len(ours)})")
    ours_shown, model_shown = (part[around].hex(" ") or "none" for part in (ours, model))
    return (f", byte {place}{lengths}: RTL {ours_shown}, model {model_shown}"
            f" from byte {around.start}")


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        most = 2 * CONTEXT_BYTES
        return f"{len(value)} bytes {value[:most].hex(' ')}" + (" ..." if len(value) > most else "")
    if isinstance(value, int) and value > DECIMAL_MAX:
        return f"{value:#x}"
    if isinstance(value, int):
        return str(int(value))
    return "none" if value is None else str(value)
