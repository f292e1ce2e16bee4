"""A module that instantiates the engine, with descriptor and completion as single fields."""

from collections.abc import Iterator, Sequence

from espnic.model.interface.layouts import RX_COMPLETION, TX_DESCRIPTOR, Field
from espnic.sim.export.ports import Interface, Port
from espnic.sim.export.verilog import size
from espnic.sim.export.vivado import RESET


def example(interfaces: Sequence[Interface], name: str) -> str:
    """Text of the module ``NAME_example``."""
    ports = [port for each in interfaces for port in each.ports]
    there = {port.name for port in ports}
    outer = [line for each in interfaces for line in _outer(each)]
    wires = [*(_descriptor() if "s_axis_tx_tuser" in there else ()),
             *(_completion() if "m_axis_rx_tuser" in there else ())]
    return "\n".join([
        f"// How to instantiate {name}: descriptor and completion as single fields, and a reset",
        "// that may come at any time and ends in step with the clock.",
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
        if port.name == "s_axis_tx_tuser":
            yield "    // descriptor of the frame, on its first beat"
            yield from (f"    input wire {size(field.bits)}tx_{field.name}, // {_short(field)}"
                        for field in TX_DESCRIPTOR.fields if not field.reserved)
        elif port.name == "m_axis_rx_tuser":
            yield "    // completion of the frame"
            yield from (f"    output wire {size(field.bits)}rx_{field.name}, // {_short(field)}"
                        for field in RX_COMPLETION.fields if not field.reserved)
        else:
            yield f"    {port.direction} wire {size(port.bits)}{port.name}, // {port.meaning}"


def _short(field: Field) -> str:
    """The beginning of what a field means, for a comment behind its port."""
    return field.doc.split(";")[0]


def _pin(port: Port) -> str:
    return {"rst": f"{RESET}[1]", "s_axis_tx_tuser": "tx_descriptor",
            "m_axis_rx_tuser": "rx_completion"}.get(port.name, port.name)


def _descriptor() -> Iterator[str]:
    parts = [f"{field.bits}'d0" if field.reserved else f"tx_{field.name}"
             for field in reversed(TX_DESCRIPTOR.fields)]
    yield f"    wire [{TX_DESCRIPTOR.bits - 1}:0] tx_descriptor = {{"
    yield ",\n".join(f"        {part}" for part in parts)
    yield "    };"


def _completion() -> Iterator[str]:
    yield f"    wire [{RX_COMPLETION.bits - 1}:0] rx_completion;"
    for field in RX_COMPLETION.fields:
        if field.reserved:
            yield f"    wire {size(field.bits)}{_name(field)};"
    yield "    assign {"
    yield ",\n".join(f"        {_name(field)}" for field in reversed(RX_COMPLETION.fields))
    yield "    } = rx_completion;"


def _name(field: Field) -> str:
    """Name of the signal with a field of the completion; lint lets "unused" ones end nowhere."""
    return f"{'unused' if field.reserved else 'rx'}_{field.name}"
