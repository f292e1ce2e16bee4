"""A module that instantiates the engine, with the parts and fields of each tuser by themselves."""

from collections.abc import Iterator, Sequence

from espnic.model.interface.layouts import RX_COMPLETION, TX_DESCRIPTOR, Field
from espnic.sim.export.ports import Interface, Part, Port
from espnic.sim.export.verilog import size
from espnic.sim.export.vivado import RESET

_FIELDS = {"descriptor": ("tx", TX_DESCRIPTOR), "completion": ("rx", RX_COMPLETION)}
"""Prefix and layout of the parts whose fields are ports by themselves."""


def example(interfaces: Sequence[Interface], name: str) -> str:
    """Text of the module ``NAME_example``."""
    ports = [port for each in interfaces for port in each.ports]
    outer = [line for each in interfaces for line in _outer(each)]
    wires = [line for each in interfaces for port in each.ports if port.parts
             for line in _wires(each, port)]
    return "\n".join([
        f"// How to instantiate {name}: each part of a tuser by itself, descriptor and completion",
        "// as single fields, and a reset that may come at any time and ends in step with the",
        "// clock.",
        f"module {name}_example (",
        *outer,
        "    // reset, active high, of any clock",
        "    input wire rst_async",
        ");",
        "",
        f'    (* ASYNC_REG = "TRUE" *) reg [1:0] {RESET};',
        "    always @(posedge clk or posedge rst_async)",
        f"        if (rst_async) {RESET} <= 2'b11;",
        f"        else {RESET} <= {{{RESET}[0], 1'b0}};",
        "",
        *wires,
        "",
        f"    {name} engine (",
        ",\n".join(f"        .{port.name}({_pin(port)})" for port in ports),
        "    );",
        "endmodule",
        "",
    ])


def _outer(interface: Interface) -> Iterator[str]:
    """The ports of an interface, as the example has them."""
    if interface.name == "rst":
        return
    yield f"    // {interface.name}: {interface.meaning}"
    for port in interface.ports:
        if not port.parts:
            yield f"    {port.direction} wire {size(port.bits)}{port.name}, // {port.meaning}"
        for part in port.parts:
            if part.name in _FIELDS:
                prefix, layout = _FIELDS[part.name]
                yield f"    // {part.name} of the frame, {part.when}"
                yield from (
                    f"    {port.direction} wire {size(field.bits)}{prefix}_{field.name}, "
                    f"// {_short(field)}" for field in layout.fields if not field.reserved)
            else:
                yield (f"    {port.direction} wire {size(part.bits)}{_outer_name(interface, part)},"
                       f" // {part.name}, {part.when}")


def _outer_name(interface: Interface, part: Part) -> str:
    """Name of the example's port for a part that has no fields."""
    return f"{interface.name}_{part.name}"


def _short(field: Field) -> str:
    """The beginning of what a field means, for a comment behind its port."""
    return field.doc.split(";")[0]


def _pin(port: Port) -> str:
    return f"{RESET}[1]" if port.name == "rst" else port.name


def _wires(interface: Interface, port: Port) -> Iterator[str]:
    """The whole of a ``tuser``, and how it and its parts go together."""
    pieces = [piece for part in port.parts for piece in _pieces(interface, port, part)]
    unused = port.bits - port.used_bits
    if port.direction == "input":
        pieces += [f"{unused}'d0"] * bool(unused)
        yield f"    wire {size(port.bits)}{port.name} = {{"
        yield from _joined(pieces)
        yield "    };"
        return
    yield f"    wire {size(port.bits)}{port.name};"
    for part in port.parts:
        if part.name in _FIELDS:
            yield from (f"    wire {size(field.bits)}{_name(field)};"
                        for field in _FIELDS[part.name][1].fields if field.reserved)
    if unused:
        pieces.append(f"unused_{port.name}")
        yield f"    wire {size(unused)}{pieces[-1]};"
    yield "    assign {"
    yield from _joined(pieces)
    yield f"    }} = {port.name};"


def _pieces(interface: Interface, port: Port, part: Part) -> list[str]:
    """The pieces that make a part, from its lowest bit up."""
    if part.name not in _FIELDS:
        return [_outer_name(interface, part)]
    prefix, layout = _FIELDS[part.name]
    if port.direction == "output":
        return [_name(field) for field in layout.fields]
    return [f"{field.bits}'d0" if field.reserved else f"{prefix}_{field.name}"
            for field in layout.fields]


def _joined(pieces: Sequence[str]) -> Iterator[str]:
    """The pieces of a concatenation, whose first is the highest."""
    yield ",\n".join(f"        {piece}" for piece in reversed(pieces))


def _name(field: Field) -> str:
    """Name of the signal with a field of the completion; lint lets "unused" ones end nowhere."""
    return f"{'unused' if field.reserved else 'rx'}_{field.name}"
