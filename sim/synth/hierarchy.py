"""A design as modules that are mapped one by one, each once, and then linked to one netlist.

The name of a module follows from its text and from the modules in it. So a module has the same
name in every design, and what has been mapped for one design serves for all.
"""

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from espnic.sim.build.verilog_text import Module, modules, rename_instantiated, unescaped
from espnic.sim.timing.yosys_json import Bit, Cell, MappedModule, Net, Port

_AUTOMATIC = re.compile(r"\\\$auto\$\S+")
"""A name that Yosys numbers over the whole design."""
_DECLARATION = re.compile(r"^  (?:input|output) .*;$", re.MULTILINE)
_FIRST_NET = 2  # as Yosys numbers


@dataclass(frozen=True)
class Part:
    """A module of a design. Its name, and those of modules in it, follow from their texts."""

    name: str
    verilog: str
    stub: str
    """Verilog of a module with the same ports and nothing inside."""
    children: tuple[str, ...]
    """Names of the modules in it."""


def parts(text: str, top: str) -> list[Part]:
    """The modules that make ``top``, each after all modules in it."""
    known = {module.name: module for module in modules(text)}
    done: dict[str, Part] = {}

    def visit(name: str) -> Part:
        if name not in done:
            within = {child: visit(child) for child in dict.fromkeys(
                instance.module for instance in known[name].instances) if child in known}
            done[name] = _part(known[name], within)
        return done[name]

    visit(top)
    return list({part.name: part for part in done.values()}.values())


def _part(module: Module, within: Mapping[str, Part]) -> Part:
    def renamed(written_name: str) -> str:
        child = within.get(unescaped(written_name))
        return written_name if child is None else child.name

    # The space after each name ends it if it is an escaped one.
    ports = ", ".join(sorted(f"{port} " for port in module.ports))
    body = _renumbered(rename_instantiated(module.body, renamed))
    contents = f"({ports});\n{body}endmodule\n"
    name = f"part_{hashlib.sha256(contents.encode()).hexdigest()[:16]}"
    declared = "\n".join(_DECLARATION.findall(body))
    return Part(
        name=name,
        verilog=f"module {name}{contents}",
        stub=f"(* blackbox *)\nmodule {name}({ports});\n{declared}\nendmodule\n",
        children=tuple(sorted({part.name for part in within.values()})),
    )


def _renumbered(body: str) -> str:
    names: dict[str, str] = {}
    return _AUTOMATIC.sub(
        lambda name: names.setdefault(name[0], f"\\$auto${len(names)}"), body)


def linked(modules: Mapping[str, MappedModule], top: str) -> MappedModule:
    """One module without hierarchy, from modules as Yosys writes them with ``write_json``.

    Cells from which nothing reaches an output are left out.
    """
    return _Linker(modules).link(top)


class _Linker:
    """The netlist that is being linked from modules."""

    def __init__(self, modules: Mapping[str, MappedModule]) -> None:
        self._modules = modules
        self._numbers = itertools.count(_FIRST_NET)
        self._same: dict[Bit, Bit] = {}
        self._cells: dict[str, Cell] = {}
        self._names: dict[str, Net] = {}

    def link(self, top: str) -> MappedModule:
        ports = self._place(top, "")
        for cell in self._cells.values():
            cell["connections"] = {
                port: self._found(bits) for port, bits in cell["connections"].items()}
        outward: dict[str, Port] = {
            name: {**port, "bits": self._found(ports[name])}
            for name, port in self._modules[top]["ports"].items()
        }
        needed = _reaching(self._cells, [
            bit for port in outward.values() if port["direction"] == "output"
            for bit in port["bits"]])
        return {
            "attributes": {"top": "1"},
            "ports": outward,
            "cells": {name: cell for name, cell in self._cells.items() if name in needed},
            "netnames": {name: {**net, "bits": self._found(net["bits"])}
                         for name, net in self._names.items()},
        }

    def _place(self, name: str, prefix: str) -> dict[str, list[Bit]]:
        """Put the cells of a module into the netlist; give the nets of its ports."""
        module = self._modules[name]
        nets: dict[Bit, Bit] = {}

        def own(bits: list[Bit]) -> list[Bit]:
            return [bit if isinstance(bit, str) else
                    nets[bit] if bit in nets else nets.setdefault(bit, next(self._numbers))
                    for bit in bits]

        for cell_name, cell in module["cells"].items():
            connections = {port: own(bits) for port, bits in cell["connections"].items()}
            full = prefix + cell_name
            if cell["type"] in self._modules:
                inner = self._place(cell["type"], full + ".")
                for port, bits in connections.items():
                    for pair in zip(bits, inner[port], strict=True):
                        self._join(*pair)
            else:
                self._cells[full] = {**cell, "connections": connections}
        for net_name, net in module["netnames"].items():
            if not net["hide_name"]:
                self._names[prefix + net_name] = {**net, "bits": own(net["bits"])}
        return {port: own(entry["bits"]) for port, entry in module["ports"].items()}

    def _join(self, one: Bit, other: Bit) -> None:
        one, other = self._root(one), self._root(other)
        if one != other:
            if isinstance(one, str):
                one, other = other, one
            self._same[one] = other

    def _root(self, bit: Bit) -> Bit:
        while bit in self._same:
            bit = self._same[bit]
        return bit

    def _found(self, bits: list[Bit]) -> list[Bit]:
        return [self._root(bit) for bit in bits]


def _reaching(cells: Mapping[str, Cell], ends: list[Bit]) -> set[str]:
    """The cells from which a path leads to one of these nets."""
    drivers: dict[Bit, list[str]] = {}
    for name, cell in cells.items():
        for bit in _bits(cell, "output"):
            drivers.setdefault(bit, []).append(name)
    reached: set[str] = set()
    waiting = list(ends)
    while waiting:
        for name in drivers.get(waiting.pop(), ()):
            if name not in reached:
                reached.add(name)
                waiting += _bits(cells[name], "input")
    return reached


def _bits(cell: Cell, direction: str) -> Iterator[Bit]:
    for port, bits in cell["connections"].items():
        if cell["port_directions"][port] == direction:
            yield from bits
