"""The Verilog that is shipped: of the text that Yosys writes, one that every tool takes alike.

Its top module is a shell, with the ports in groups and what Vivado's IP Integrator wants to know
of them. The engine is an instance in it.
"""

import re
from collections.abc import Iterator, Sequence

from espnic.sim.build.netlist import Netlist
from espnic.sim.build.verilog_text import Module, change_modules, rename_instantiated
from espnic.sim.export.ports import Interface, Port
from espnic.sim.export.vivado import attributes

WAIVERS = (
    ("DECLFILENAME", "All modules are in one file."),
    ("UNUSEDSIGNAL", "Each field of a structure gets a name, whether or not it is used alone."),
    ("PROCASSINIT", "A register has its reset value from the start too, as FPGAs load it."),
    ("INITIALDLY", "The assignment that starts processes has to come after all have begun."),
    ("UNOPTFLAT", "Where every signal is kept by name, a vector that drives other bits of itself "
                  "looks like a loop; no bit depends on itself."),
    ("CASEINCOMPLETE", "What no case names keeps the value assigned in front of the case."),
    ("CASEOVERLAP", "Conditions of an if ... else if chain are written as a casez: the first "
                    "that holds counts."),
    ("CMPCONST", "Ranges are compared alike at all widths; at some the answer is known."),
    ("UNSIGNED", "The same, for comparisons with 0."),
    ("WIDTHEXPAND", "Yosys writes an operand as short as it is; it is unsigned, and Verilog "
                    "extends it with zeros."),
    ("WIDTHTRUNC", "Yosys writes ! of a vector for a comparison with 0."),
)
"""Rules of Verilator that the Verilog breaks, each with the reason why it may."""

_PROCESS = re.compile(
    r"^  always @\*(?: begin\n    if \((?P<trigger>\S+) ?\) begin end\n"
    r"|\n    (?P<only>(?!if |case).+;)\n)", re.MULTILINE)
"""The beginning of a process, or a whole one with a single assignment."""
_AT_START = r"\$at_start "


def shipped(netlist: Netlist, interfaces: Sequence[Interface], name: str, title: str) -> str:
    """The file of a build: its top module is ``name``, and all others begin with ``name`` too."""
    inner = f"\\{name}.{netlist.top} "
    return "\n".join([
        f"// {title}",
        "// What of verilator -Wall it breaks, and why it may:",
        "/* verilator lint_save */",
        *(f"/* verilator lint_off {rule} */ // {why}" for rule, why in WAIVERS),
        "",
        *_shell(interfaces, name, inner),
        _renamed(starting(netlist.text), netlist.top, name, inner).rstrip("\n"),
        "/* verilator lint_restore */",
        "",
    ])


def starting(text: str) -> str:
    """The text with each ``always @*`` run once at time 0, whatever version of Verilog it is.

    Nothing that an ``always @*`` reads may ever change, and then it never runs. For that Yosys lets
    most of them read a register that is initialised in its declaration. This is an event at time 0
    in Verilog-2005. In SystemVerilog (IEEE 1800-2017, 6.8) it comes before all processes, and none
    of them sees it. A non-blocking assignment comes after all of them have begun to wait, in both.
    """
    return change_modules(text, _start_module)


def _start_module(module: Module) -> str:
    if "always @*" not in module.text:
        return module.text
    text = module.text
    for trigger in {found["trigger"] for found in _PROCESS.finditer(text) if found["trigger"]}:
        text = text.replace(f"  reg {trigger}  = 0;\n", "")
    head, body = text.split(");\n", 1)
    body, count = _PROCESS.subn(_started, body)
    if count != module.text.count("always @*"):
        raise ValueError(f"module {module.name}: a process that does not look as Yosys writes it")
    return f"{head});\n  reg {_AT_START};\n  initial {_AT_START}<= 0;\n{body}"


def _started(process: re.Match[str]) -> str:
    begin = f"  always @* begin\n    if ({_AT_START}) begin end\n"
    return begin + (f"    {process['only']}\n  end\n" if process["only"] else "")


def _renamed(text: str, top: str, name: str, inner: str) -> str:
    """The text with ``name`` in front of all modules in the place of ``top``."""
    def new(written: str) -> str:
        if written == top:
            return inner
        if not written.startswith(f"\\{top}."):
            raise ValueError(f"module {written}: its name does not begin with {top}")
        return f"\\{name}{written[1 + len(top):]}"

    text = change_modules(text, lambda module: module.text.replace(
        f"module {module.written_name}", f"module {new(module.written_name)}", 1))
    return rename_instantiated(
        text, lambda written: new(written) if written.startswith((top, f"\\{top}.")) else written)


def _shell(interfaces: Sequence[Interface], name: str, inner: str) -> Iterator[str]:
    """The top module."""
    yield f"module {name} ("
    last = interfaces[-1].ports[-1]
    for each in interfaces:
        yield f"    // {each.name}: {each.meaning}"
        for port in each.ports:
            for attribute in attributes(interfaces, each, port):
                yield f"    {attribute}"
            comma = "" if port is last else ","
            yield f"    {port.direction} wire {size(port.bits)}{port.name}{comma} // {port.meaning}"
    yield ");"
    yield ""
    ports = [port for each in interfaces for port in each.ports]
    yield from _unused(ports)
    yield f"    {inner}engine ("
    yield ",\n".join(f"        .{port.name}({_pin(port)})" for port in ports)
    yield "    );"
    yield "endmodule"
    yield ""


def size(bits: int) -> str:
    """The range in front of a name."""
    return f"[{bits - 1}:0] " if bits > 1 else ""


def _pin(port: Port) -> str:
    return port.name if port.bits == port.used_bits else f"{port.name}[{port.used_bits - 1}:0]"


def _unused(ports: Sequence[Port]) -> Iterator[str]:
    """Zeros in the bits above what an output has."""
    for port in ports:
        if port.bits > port.used_bits and port.direction == "output":
            yield (f"    assign {port.name}[{port.bits - 1}:{port.used_bits}] = "
                   f"{port.bits - port.used_bits}'d0;")
