"""Verilog of a component: deterministic text, with equal submodules merged."""

import contextlib
import copy
import gc
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any
from unittest import mock

from amaranth.back import rtlil, verilog
from amaranth.hdl import Const, Fragment, Value
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring

from espnic.sim.build.sources import sources_kept
from espnic.sim.build.verilog_text import (
    Module,
    change_modules,
    modules,
    rename_instantiated,
    with_resets_in_registers,
)

_CONTENTS = re.compile(
    r"^  initial begin\n((?:    .+ ?\[\d+\] = \d+'\w+;\n)+)  end\n", re.MULTILINE)
_CELL = re.compile(r"    (.+) ?\[(\d+)\] = (\S+);\n")
_INDEX = "\\$index "
_RUN_MIN = 4
_WITHOUT_BITS = re.compile(r" \[-1:0\] ([^;]+);")
_UNIQUE_NAME = re.compile(r"dump_module\$\d+")


@dataclass(frozen=True)
class Netlist:
    """Verilog text, and the ports of its top module in alphabetical order."""

    top: str
    text: str
    inputs: Mapping[str, int]
    """Bits of each input by its name."""
    outputs: Mapping[str, int]
    """Bits of each output by its name."""
    sources: bool = False
    """Whether the text has the places in the project that it comes from, to count coverage."""

    @property
    def ports(self) -> dict[str, int]:
        """Bits of each port by its name, the inputs first."""
        return {**self.inputs, **self.outputs}


def elaborate(component: wiring.Component, name: str, sources: bool = False) -> Netlist:
    """Convert a component to Verilog, its top module called ``name``.

    The text depends on the component alone: no paths, no source locations, the
    same from run to run. With ``sources`` it has those places of the project from which its
    statements and signals come.
    """
    places = sources_kept() if sources else contextlib.nullcontext()
    with _without_collection(), _first_zeros_only(), places:
        design = Fragment.get(component, None).prepare(
            ports=_ports(component), hierarchy=(name,))
        text, _ = verilog.convert_fragment(
            design, name=name, emit_src=False, strip_internal_attrs=True)
    if without_bits := _WITHOUT_BITS.search(text):
        raise ValueError(
            f"{without_bits[1]} has no bits in the netlist: a Verilog vector has 1 at least")
    text = merge_equal_modules(with_resets_in_registers(shorten_contents(text)))
    if name not in (module.written_name for module in modules(text)):
        raise ValueError(
            f"no module {name} in the netlist: a module name has letters, digits and _")
    inputs, outputs = (
        {port: len(signal) for port, signal, there in sorted(design.ports, key=itemgetter(0))
         if there == direction}
        for direction in (PortDirection.Input, PortDirection.Output))
    return Netlist(name, text, inputs, outputs, sources)


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

    Yosys takes minutes for all the zeros of a table with thousands of SAs. The loops of
    ``shorten_contents`` cover the other words.
    """
    whole = rtlil.ModuleEmitter.emit_memory

    def emit_memory(emitter: rtlil.ModuleEmitter, index: int, memory: Any) -> None:
        if len(memory.init) > 1 and not any(memory.init):
            memory = copy.copy(memory)
            memory.depth, memory.init = 1, memory.init[:1]
        whole(emitter, index, memory)

    with mock.patch.object(rtlil.ModuleEmitter, "emit_memory", emit_memory):
        yield


def _ports(component: wiring.Component) -> dict[str, tuple[Value, PortDirection]]:
    """All ports but constants; a stream that is always ready or valid has such a constant."""
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

    Yosys writes a line for each cell. Where it knows the first cell alone, all are equal to it.
    """
    return change_modules(text, _shorten_module)


def _shorten_module(module: Module) -> str:
    depths = {memory.written_name: memory.rows for memory in module.memories}
    text, count = _CONTENTS.subn(lambda match: _shorten_block(match[1], depths), module.text)
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

    Amaranth writes a module for each instance. The merging goes from the leaves up: when
    children have been merged, their parents can become equal too.
    """
    merged, again = _merge_once(text)
    while again:
        merged, again = _merge_once(merged)
    return merged


def _merge_once(text: str) -> tuple[str, bool]:
    kept: dict[str, str] = {}
    renamed: dict[str, str] = {}
    for module in modules(text):
        name = module.written_name
        first = kept.setdefault(_normal_form(module), name)
        if first != name:
            renamed[name] = first
    text = change_modules(
        text, lambda module: "" if module.written_name in renamed else module.text)
    return rename_instantiated(text, lambda name: renamed.get(name, name)), bool(renamed)


def _normal_form(module: Module) -> str:
    """Text that equal modules share: all but their names and the order of their ports."""
    body = _UNIQUE_NAME.sub("dump_module", module.body)
    return ",".join(sorted(module.ports)) + "\n" + body
