"""Objects of the JSON beside a capture, each value checked as it is read."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard, TypeVar

from espnic.model.host.safile import shown
from espnic.model.interface.layouts import TX_DESCRIPTOR
from espnic.sim.problem import CaptureError

Item = TypeVar("Item")

_DESCRIPTOR_MAX = {field.name: (1 << field.bits) - 1 for field in TX_DESCRIPTOR.fields}


class Row:
    """An object of a JSON file. A value that does not fit raises ``CaptureError``.

    Members
    -------
    where
        File and place in it, with which every message begins.
    """

    def __init__(self, where: str, value: object) -> None:
        if not isinstance(value, Mapping):
            raise CaptureError(f"{where}: {shown(value)}, expected an object")
        self.where = where
        self._values = value

    def error(self, name: str, expected: str) -> CaptureError:
        """Error to raise for the value under ``name``."""
        found = shown(self._values[name]) if name in self._values else "missing"
        return CaptureError(f"{self.where}: {name}: {found}, expected {expected}")

    def has(self, name: str) -> bool:
        """Whether the value is there and not null."""
        return self._values.get(name) is not None

    def number(self, name: str, least: int, most: int) -> int:
        """A number from ``least`` to ``most``."""
        value = self._values.get(name)
        if not _is_number(value, least, most):
            raise self.error(name, f"{least} to {most}")
        return value

    def descriptor_field(self, name: str, field: str) -> int:
        """A number that goes into a field of TX_DESCRIPTOR."""
        return self.number(name, 0, descriptor_max(field))

    def flag(self, name: str) -> bool:
        value = self._values.get(name)
        if not isinstance(value, bool):
            raise self.error(name, "true or false")
        return value

    def text(self, name: str, expected: str) -> str:
        value = self._values.get(name)
        if not isinstance(value, str):
            raise self.error(name, expected)
        return value

    def items(self, name: str) -> list[Any]:
        value = self._values.get(name)
        if not isinstance(value, list):
            raise self.error(name, "a list")
        return value

    def chosen(self, name: str, among: Sequence[Item]) -> Item:
        """The item that a number names; the first has number 1."""
        return among[self.number(name, 1, len(among)) - 1]

    def all_chosen(self, name: str, among: Sequence[Item]) -> tuple[Item, ...]:
        """The items that a list of numbers names."""
        numbers = self.items(name)
        if not all(_is_number(number, 1, len(among)) for number in numbers):
            raise self.error(name, f"numbers from 1 to {len(among)}")
        return tuple(among[number - 1] for number in numbers)

    def object(self, name: str) -> "Row":
        return Row(f"{self.where}: {name}", self._values.get(name))

    def rows(self, name: str) -> tuple["Row", ...]:
        """The objects of a list; none when there is no such list."""
        if name not in self._values:
            return ()
        return tuple(Row(f"{self.where}: {name} row {number}", value)
                     for number, value in enumerate(self.items(name), start=1))


def descriptor_max(field: str) -> int:
    """The largest number that a field of TX_DESCRIPTOR takes."""
    return _DESCRIPTOR_MAX[field]


def _is_number(value: object, least: int, most: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
