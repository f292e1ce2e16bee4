"""Source lines in the Verilog of coverage builds: where its statements and signals come from.

Amaranth knows the line of each statement and Yosys writes attributes, but on the way from one to
the other the lines of statements are lost. Here they become attributes of the cases in which the
statements are, and so comments in the Verilog. Paths are relative to the project.
"""

import contextlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import amaranth
from amaranth.back import rtlil
from amaranth.hdl import _ast, _dsl

from espnic.sim.build.verilog_text import unescaped
from espnic.sim.files import PROJECT

ATTRIBUTE = "source"
"""Name of the attribute; Amaranth strips the usual one, ``src``."""
BETWEEN = "|"
"""Separator of the places of one attribute, as Yosys has it."""
_AMARANTH = str(Path(amaranth.__file__).parent)
_LIBRARIES = "site-packages"
_CLOCKING = ("clk", "rst")
_CONSTANT = re.compile(r"\d+'[01]+")

_SOURCE = re.compile(rf'^ +(?:\(\*|/\*) {ATTRIBUTE} = "([^"]+)" \*[/)]$')
_ATTRIBUTE = re.compile(r"^  \(\* .* \*\)$")
_DECLARED = re.compile(r"^  (?:input|output|wire|reg|integer) (?:\[(-?)\d+:0\] )?([^ ;]+).*;$")
_OFF, _ON = "/*verilator coverage_off*/", "/*verilator coverage_on*/"

Location = tuple[str, int] | None
"""File and line, as Amaranth has them."""


@contextlib.contextmanager
def sources_kept() -> Iterator[None]:
    """Let what is elaborated and converted meanwhile carry the places that it comes from."""
    with contextlib.ExitStack() as patches:
        for owner, name, value in (
            (_ast.Assign, "__init__", _assign), (_dsl.FSMNextStatement, "__init__", _next),
            (_dsl.FSMNextStatement, "resolve", _resolve_next),
            (rtlil.ModuleEmitter, "emit_assignment_list", _emit_assignment_list),
            (rtlil.Design, "module", _module), (rtlil.Module, "wire", _wire),
            (rtlil, "Case", _Case),
        ):
            patches.enter_context(mock.patch.object(owner, name, value))
        yield


def place(location: Location) -> str | None:
    """Path and line within the project; None for what comes from a library."""
    path = location and _path(location[0])
    return f"{path}:{location[1]}" if location and path else None


@cache
def _path(file: str) -> str | None:
    path = Path(file).resolve()
    if _LIBRARIES in path.parts or not path.is_relative_to(PROJECT):
        return None
    return path.relative_to(PROJECT).as_posix()


def _caller() -> tuple[str, int]:
    """The line that called Amaranth: assignments to structures are made in its library."""
    frame = sys._getframe(1)
    while frame.f_back and (frame.f_code.co_filename.startswith(_AMARANTH)
                            or frame.f_code.co_filename == __file__):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


_make_assign = _ast.Assign.__init__
_make_next = _dsl.FSMNextStatement.__init__
_resolve = _dsl.FSMNextStatement.resolve
_emit_list = rtlil.ModuleEmitter.emit_assignment_list
_add_module = rtlil.Design.module
_add_wire = rtlil.Module.wire


def _assign(statement: Any, *arguments: Any, **options: Any) -> None:
    _make_assign(statement, *arguments, **options)
    statement.src_loc = _caller()


def _next(statement: Any, *arguments: Any, **options: Any) -> None:
    _make_next(statement, *arguments, **options)
    statement.src_loc = _caller()


def _resolve_next(statement: Any) -> Any:
    assignment = _resolve(statement)
    assignment.src_loc = statement.src_loc
    return assignment


def _emit_assignment_list(emitter: Any, index: int, cell: Any) -> None:
    """Emit a process whose assignments know their places.

    Amaranth emits the default first, then each assignment in its order. Those at the place of the
    whole are no statements: the reset of a register, or the choices of an expression.
    """
    locations = iter([None, *(None if each.src_loc == cell.src_loc else each.src_loc
                              for each in cell.assignments)])

    class Assignment(rtlil.Assignment):  # type: ignore[misc]
        def __init__(self, lhs: Any, rhs: Any) -> None:
            super().__init__(lhs, rhs)
            self.place = place(next(locations))

    class Switch(rtlil.Switch):  # type: ignore[misc]
        """A switch on one bit more, always 1.

        Yosys would make an ``if`` of most, without comments, and would take statements under a
        constant condition out of their case.
        """

        def __init__(self, sel: str) -> None:
            one = emitter.builder.one() if _CONSTANT.fullmatch(sel) else "1'1"
            super().__init__(f"{{ {one} {sel} }}")

        def case(self, patterns: Any) -> Any:
            return super().case(tuple(f"1{pattern}" for pattern in patterns))

    with (mock.patch.object(rtlil, "Assignment", Assignment),
          mock.patch.object(rtlil, "Switch", Switch)):
        _emit_list(emitter, index, cell)


def _module(design: Any, name: str, *, src_loc: Location = None, **options: Any) -> Any:
    """Add a module that knows its place: that of its signals which a library makes, as ports.

    Its ``one`` gives the name of a wire that is always 1, which Yosys does not take for constant.
    """
    module = _add_module(design, name, **options)
    module.place = place(src_loc)
    module.one = cache(lambda: _add_one(module))
    return module


def _add_one(module: Any) -> str:
    name: str = module.wire(1).name
    module.connect(name, "1'1")
    # A wire must stand before the process that reads it, which is there already.
    module.contents = {name: module.contents[name], **module.contents}
    return name


def _wire(module: Any, width: int, *, src_loc: Location = None, name: str | None = None,
          attrs: Any = None, **options: Any) -> Any:
    """Add a wire with its place, unless it is that of another block, which has it too."""
    found = src_loc and name not in _CLOCKING and (place(src_loc) or module.place)
    attributes = dict(attrs or {})
    if found and module.place and _file(found) == _file(module.place):
        attributes[ATTRIBUTE] = found
    return _add_wire(module, width, name=name, attrs=attributes, **options)


def _file(found: str) -> str:
    return found.rsplit(":", 1)[0]


class _Case(rtlil.Case):  # type: ignore[misc]
    """A case with the places of the assignments in it."""

    def emit(self, line: Any) -> None:
        places = [each.place for each in self.contents
                  if isinstance(each, rtlil.Assignment) and each.place]
        if places:
            line(f'attribute \\{ATTRIBUTE} "{BETWEEN.join(dict.fromkeys(places))}"')
        super().emit(line)


@dataclass(frozen=True)
class Declared:
    """A signal in a text."""

    name: str
    place: str


@dataclass(frozen=True)
class Places:
    """Places that the lines of a text come from, by their numbers, of which the first is 1."""

    cases: dict[int, tuple[str, ...]]
    """Places of the statements in a case, which begins at this line."""
    signals: dict[int, Declared]
    """Signals with a place, and not those that only bundle others."""


def places_of(text: str) -> Places:
    """The places that ``sources_kept`` left in a text."""
    places = Places({}, {})
    found: tuple[str, ...] = ()
    declared: dict[int, Declared] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if match := _SOURCE.match(line):
            found = tuple(match[1].split(BETWEEN))
        elif line == "endmodule":
            places.signals.update(_without_bundles(declared))
            declared = {}
        elif not _ATTRIBUTE.match(line):
            if match := _DECLARED.match(line):
                if found and not match[1]:  # [-1:0] has no bits in Amaranth
                    declared[number] = Declared(unescaped(match[2]), found[0])
            elif found:
                places.cases[number] = found
            found = ()
    return places


def _without_bundles(declared: dict[int, Declared]) -> dict[int, Declared]:
    """The signals of a module but for structures and arrays, whose fields are signals too."""
    bundles = {each.name[:place] for each in declared.values()
               for place, letter in enumerate(each.name) if letter in ".["}
    return {number: each for number, each in declared.items() if each.name not in bundles}


def without_other_toggles(text: str) -> str:
    """The text with marks for Verilator: of the signals it counts those in ``Places`` alone."""
    signals = places_of(text).signals
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        match = _DECLARED.match(line.rstrip("\n"))
        # A port is declared twice, and only the first time with its place.
        counted = signals.get(number) or signals.get(number - 1)
        if match and not (counted and counted.name == unescaped(match[2])):
            lines[number - 1] = f"{_OFF}{line[:-1]}{_ON}\n"
    return "".join(lines)
