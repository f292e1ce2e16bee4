"""Verilog of a component: deterministic text, with equal submodules merged."""

import contextlib
import copy
import gc
import re
from collections.abc import Iterator
from dataclasses import dataclass
from unittest import mock

from amaranth.back import rtlil, verilog
from amaranth.hdl import Const, Value
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring

_MODULE = re.compile(r"^module (\S+) *\((.*?)\);\n(.*?)^endmodule\n", re.DOTALL | re.MULTILINE)
_INSTANCE = re.compile(r"^  (\\\S+|[A-Za-z_]\w*)( +\S+ +\($)", re.MULTILINE)
_PORT = re.compile(r"^  (input|output) (?:\[\d+:0\] )?(\S+) *;$", re.MULTILINE)
_CONTENTS = re.compile(
    r"^  initial begin\n((?:    .+ ?\[\d+\] = \d+'\w+;\n)+)  end\n", re.MULTILINE)
_CELL = re.compile(r"    (.+) ?\[(\d+)\] = (\S+);\n")
_DEPTH = re.compile(r"^  reg (?:\[\d+:0\] )?(\S+) +\[(\d+):0\];$", re.MULTILINE)
_INDEX = "\\$index "
_RUN_MIN = 4
_UNIQUE_NAME = re.compile(r"dump_module\$\d+")


@dataclass(frozen=True)
class Netlist:
    """Verilog text and the ports of its top module, in alphabetical order."""

    top: str
    text: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def elaborate(component: wiring.Component, name: str) -> Netlist:
    """Convert a component to Verilog, its top module called ``name``.

    The text depends on the component alone: no paths, no source locations, the
    same from run to run.
    """
    with _without_collection(), _first_zeros_only():
        text = verilog.convert(
            component, name=name, ports=_ports(component), emit_src=False,
            strip_internal_attrs=True)
    text = merge_equal_modules(shorten_contents(text))
    ports = _PORT.findall(_body(text, name))
    return Netlist(
        top=name,
        text=text,
        inputs=tuple(sorted(port for direction, port in ports if direction == "input")),
        outputs=tuple(sorted(port for direction, port in ports if direction == "output")),
    )


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    """Hold the garbage collector, which takes a third of the time of a conversion."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextlib.contextmanager
def _first_zeros_only() -> Iterator[None]:
    """Let Amaranth give Yosys only the first word of a memory that starts with zeros alone.

    Of a table with thousands of SAs all the zeros take Yosys minutes. ``shorten_contents``
    gives the other words theirs.
    """
    whole = rtlil.ModuleEmitter.emit_memory

    def emit_memory(emitter, index, memory):
        if len(memory.init) > 1 and not any(memory.init):
            memory = copy.copy(memory)
            memory.depth, memory.init = 1, memory.init[:1]
        whole(emitter, index, memory)

    with mock.patch.object(rtlil.ModuleEmitter, "emit_memory", emit_memory):
        yield


def _ports(component: wiring.Component) -> dict[str, tuple[Value, PortDirection]]:
    """All ports but the constants, which a stream that is always ready or valid has."""
    ports = {}
    for path, member, port in component.signature.flatten(component):
        value = Value.cast(port)
        if not isinstance(value, Const):
            inward = member.flow == wiring.In
            direction = PortDirection.Input if inward else PortDirection.Output
            ports["__".join(map(str, path))] = (value, direction)
    return ports


def shorten_contents(text: str) -> str:
    """Write equal neighbours in a memory's first contents as a loop.

    Yosys writes a line for each cell. Where it knows the first alone, all are equal to it.
    """
    return _MODULE.sub(_shorten_module, text)


def _shorten_module(module: re.Match[str]) -> str:
    depths = {name: int(last) + 1 for name, last in _DEPTH.findall(module[3])}
    text, count = _CONTENTS.subn(lambda match: _shorten_block(match[1], depths), module[0])
    if not count or _INDEX not in text:
        return text
    head, body = text.split(");\n", 1)
    return f"{head});\n  integer {_INDEX};\n{body}"


def _shorten_block(cells: str, depths: dict[str, int]) -> str:
    runs: list[tuple[str, int, int, str]] = []
    for name, place, value in _CELL.findall(cells):
        index = int(place)
        if runs and (runs[-1][0], runs[-1][2], runs[-1][3]) == (name, index - 1, value):
            runs[-1] = (name, runs[-1][1], index, value)
        else:
            runs.append((name, index, index, value))
    if len(runs) == 1:
        name, start, _, value = runs[0]
        runs = [(name, start, depths[name.strip()] - 1, value)]
    lines = []
    for name, start, end, value in runs:
        if end - start < _RUN_MIN:
            lines += [f"    {name} [{index}] = {value};" for index in range(start, end + 1)]
        else:
            lines.append(
                f"    for ({_INDEX}= {start}; {_INDEX}<= {end}; {_INDEX}= {_INDEX}+ 1) "
                f"{name} [{_INDEX}] = {value};"
            )
    return "\n".join(["  initial begin", *lines, "  end", ""])


def merge_equal_modules(text: str) -> str:
    """Keep one of all modules that are equal but for their names.

    Amaranth writes one module an instance. Works from the leaves up: when
    children have been merged their parents can become equal too.
    """
    merged, again = _merge_once(text)
    while again:
        merged, again = _merge_once(merged)
    return merged


def _merge_once(text: str) -> tuple[str, bool]:
    kept: dict[str, str] = {}
    renamed: dict[str, str] = {}
    for match in _MODULE.finditer(text):
        first = kept.setdefault(_normal_form(match), match[1])
        if first != match[1]:
            renamed[match[1]] = first
    text = _MODULE.sub(lambda match: "" if match[1] in renamed else match[0], text)
    text = _INSTANCE.sub(lambda match: f"  {renamed.get(match[1], match[1])}{match[2]}", text)
    return text, bool(renamed)


def _normal_form(module: re.Match[str]) -> str:
    ports = sorted(port.strip() for port in module[2].split(","))
    return ",".join(ports) + "\n" + _UNIQUE_NAME.sub("dump_module", module[3])


def _body(text: str, name: str) -> str:
    for match in _MODULE.finditer(text):
        if match[1] == name:
            return match[3]
    raise ValueError(f"no module {name} in the netlist: a module name has letters, digits and _")
