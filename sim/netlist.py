"""Verilog of a component: deterministic text, with equal submodules merged."""

import re
from dataclasses import dataclass

from amaranth.back import verilog
from amaranth.hdl import Const, Value
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring

_MODULE = re.compile(r"^module (\S+) *\((.*?)\);\n(.*?)^endmodule\n", re.DOTALL | re.MULTILINE)
_INSTANCE = re.compile(r"^  (\\\S+|[A-Za-z_]\w*)( +\S+ +\($)", re.MULTILINE)
_PORT = re.compile(r"^  (input|output) (?:\[\d+:0\] )?(\S+) *;$", re.MULTILINE)
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
    text = verilog.convert(
        component, name=name, ports=_ports(component), emit_src=False, strip_internal_attrs=True)
    text = merge_equal_modules(text)
    ports = _PORT.findall(_body(text, name))
    return Netlist(
        top=name,
        text=text,
        inputs=tuple(sorted(port for direction, port in ports if direction == "input")),
        outputs=tuple(sorted(port for direction, port in ports if direction == "output")),
    )


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
