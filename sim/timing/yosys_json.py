"""Shapes of what Yosys writes with ``write_json``, as far as they are used here."""

from typing import NotRequired, TypedDict

Bit = int | str
"""A net of a module, by its number; the constants are strings."""


class Cell(TypedDict):
    """An instance of a primitive or of another module."""

    type: str
    parameters: NotRequired[dict[str, str]]
    port_directions: dict[str, str]
    connections: dict[str, list[Bit]]
    attributes: NotRequired[dict[str, str]]


class Port(TypedDict):
    """A port of a module."""

    direction: str
    bits: list[Bit]


class Net(TypedDict):
    """A name in a module and the nets that it stands for."""

    hide_name: int
    """1 for a name that Yosys has made up."""
    bits: list[Bit]
    attributes: NotRequired[dict[str, str]]


class MappedModule(TypedDict):
    """A module of a netlist."""

    cells: dict[str, Cell]
    ports: dict[str, Port]
    netnames: dict[str, Net]
    attributes: NotRequired[dict[str, str]]
