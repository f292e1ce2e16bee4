"""The files beside the Verilog of the engine: for tools, for software, for people."""

import importlib.metadata
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from espnic.hdl.sa.commands import reset_clocks
from espnic.model.interface.features import SAS, Features
from espnic.model.interface.layouts import RX_COMPLETION, TX_DESCRIPTOR, Field
from espnic.sim import markdown
from espnic.sim.build.netlist import Netlist
from espnic.sim.export import figures
from espnic.sim.export.presets import PRESETS
from espnic.sim.export.ram_bits import ram_bits
from espnic.sim.registers import documents

TOP = "engine"
EXAMPLE = "engine_example"
NOT_MEASURED = "not measured"

WAIVERS = (
    ("DECLFILENAME", "All modules are in one file."),
    ("UNUSEDSIGNAL", "Each field of a structure gets a name, whether or not it is used alone."),
    ("PROCASSINIT", "A register has its reset value from the start too, as FPGAs load it."),
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


@dataclass(frozen=True)
class Chosen:
    """A build, and the clock that its rates are for."""

    features: Features
    clock_mhz: float
    preset: str | None = None


def package(netlist: Netlist, ports: Sequence[dict[str, Any]], chosen: Chosen) -> dict[str, str]:
    """Text of each file by its name. It depends on the arguments and the measured figures alone."""
    summary = _summary(netlist, ports, chosen)
    return {
        f"{TOP}.v": f"// espnic {_version()}: {_in_words(chosen.features)}\n{netlist.text}",
        f"{TOP}.f": f"// Relative to this file: verilator -F {TOP}.f\n{TOP}.v\n",
        f"{TOP}.vlt": _waivers(),
        f"{TOP}.core": _core(chosen.features),
        f"{TOP}.json": json.dumps(summary, indent=1) + "\n",
        f"{TOP}.md": _markdown(summary, chosen),
        f"{EXAMPLE}.v": example(chosen.features, ports),
        **{path.name: make() for path, make in documents.FILES.items()},
    }


def _version() -> str:
    return importlib.metadata.version("espnic")


def _in_words(features: Features) -> str:
    parts = [f"{features.width} bits a beat", f"{features.sas} SAs"]
    if not features.transmit:
        parts.append("receive only")
    if not features.receive:
        parts.append("transmit only")
    if features.transmit and not features.lso:
        parts.append("no segmentation")
    if not features.ipv6:
        parts.append("no IPv6 outside")
    if features.receive:
        window = features.replay_window
        parts.append(f"replay window up to {window}" if window else "no replay window")
    return ", ".join(parts)


def _summary(
    netlist: Netlist, ports: Sequence[dict[str, Any]], chosen: Chosen,
) -> dict[str, Any]:
    features = chosen.features
    area = figures.area(TOP, features.width)
    return {
        "module": netlist.top,
        "version": _version(),
        "preset": chosen.preset,
        **asdict(features),
        "clock_mhz": chosen.clock_mhz,
        "reset_clocks": reset_clocks(features),
        "ram_bits": asdict(ram_bits(netlist)),
        "area": asdict(area) | {"sas": SAS} if area else NOT_MEASURED,
        "rates": [asdict(rate) for rate in figures.rates(features, chosen.clock_mhz)]
                 or NOT_MEASURED,
        "line_clock_mhz": figures.line_clocks(features) or NOT_MEASURED,
        "ports": list(ports),
    }


def _waivers() -> str:
    lines = [
        "`verilator_config",
        "// Rules of verilator -Wall that the engine, written by Amaranth and Yosys, may break.",
    ]
    for rule, why in WAIVERS:
        lines += [f"// {why}", f'lint_off -rule {rule} -file "*{TOP}.v"']
    return "\n".join([*lines, ""])


def _core(features: Features) -> str:
    return f"""CAPI=2:
name: espnic:esp:{TOP}:{_version()}
description: Inline IPsec ESP offload engine, {_in_words(features)}

filesets:
  rtl:
    files: [{TOP}.v]
    file_type: verilogSource
  lint:
    files:
      - {TOP}.vlt: {{file_type: vlt}}
      - {EXAMPLE}.v: {{file_type: verilogSource}}

targets:
  default:
    filesets: [rtl]
    toplevel: {TOP}
  lint:
    default_tool: verilator
    filesets: [rtl, lint]
    toplevel: {EXAMPLE}
    tools:
      verilator:
        mode: lint-only
        verilator_options: [-Wall]
"""


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table in Markdown, and an empty line after it."""
    return markdown.table(head, rows) + "\n"


def _markdown(summary: dict[str, Any], chosen: Chosen) -> str:
    features = chosen.features
    ram = summary["ram_bits"]
    parts = [
        f"# espnic {summary['version']}\n\nThis build: {_in_words(features)}.\n\n",
        table(("parameter", "value"), [
            *((name, value) for name, value in asdict(features).items()),
            ("clock that rates are for", f"{chosen.clock_mhz:g} MHz"),
            ("clocks of reset until SAs may be added", f"{summary['reset_clocks']:,}"),
            ("bits of block RAM", f"{ram['deep']:,}"),
            ("bits of distributed RAM", f"{ram['shallow']:,}"),
        ]),
    ]
    if chosen.preset:
        preset = PRESETS[chosen.preset]
        parts.append(f"Preset {chosen.preset}; its clock is {preset.why}.\n\n")
    parts += ["## Area\n\n", _area(summary["area"]), "## Rates\n\n", _rates(summary)]
    parts += ["## Ports\n\n", table(("port", "direction", "bits"), [
        (port["name"], port["direction"], port["bits"]) for port in summary["ports"]])]
    return "".join(parts).rstrip("\n") + "\n"


def _area(area: dict[str, Any] | str) -> str:
    if isinstance(area, str):
        return f"{NOT_MEASURED.capitalize()}: `espnic synth engine` measures the build with all " \
               "parts.\n\n"
    return (
        f"UltraScale+, open synthesis of the build with all parts and {area['sas']:,} SAs. Another "
        "number of SAs changes\nthe block RAM, a part left out changes all.\n\n"
        + table(("LUT", "LUT RAM", "FF", "BRAM"), [[
            f"{area[name]:,g}" for name in ("lut", "lut_ram", "ff", "bram")]]))


def _rates(summary: dict[str, Any]) -> str:
    if summary["rates"] == NOT_MEASURED:
        return f"{NOT_MEASURED.capitalize()}: `espnic bench` measures them.\n\n"
    needs = ", ".join(f"{line}G {mhz:.1f} MHz" for line, mhz in summary["line_clock_mhz"].items())
    return (
        f"Frames back to back, on the slower side, at {summary['clock_mhz']:g} MHz. Measured on "
        "the build with all parts.\n\n"
        + table(("clear packet", "clocks", "Gb/s", "Mpackets/s"), [
            (rate["size"], f"{rate['clocks']:.2f}", f"{rate['gbps']:.1f}", f"{rate['mpps']:.2f}")
            for rate in summary["rates"]])
        + f"Clocks that carry a line rate at every size: {needs}.\n\n")


def _completion_name(field: Field) -> str:
    """Name of the signal with a field of the completion; lint lets "unused" ones end nowhere."""
    return f"{'unused' if field.reserved else 'rx'}_{field.name}"


def example(features: Features, ports: Sequence[dict[str, Any]]) -> str:
    """A module that instantiates the engine, with its descriptors as fields."""
    wires, outer, pins = [], [], []
    for port in ports:
        name, size = port["name"], _size(port["bits"])
        if name == "rst":
            pins.append("rst(reset[1])")
        elif name == "s_axis_tx_tuser":
            outer += [f"input {_size(field.bits)}tx_{field.name}"
                      for field in TX_DESCRIPTOR.fields if not field.reserved]
            pins.append(f"{name}(tx_descriptor)")
        elif name == "m_axis_rx_tuser":
            outer += [f"output {_size(field.bits)}rx_{field.name}"
                      for field in RX_COMPLETION.fields if not field.reserved]
            pins.append(f"{name}(rx_completion)")
        else:
            outer.append(f"{port['direction']} {size}{name}")
            pins.append(f"{name}({name})")
    if features.transmit:
        fields = ", ".join(
            f"{field.bits}'d0" if field.reserved else f"tx_{field.name}"
            for field in reversed(TX_DESCRIPTOR.fields))
        wires += [f"wire [{TX_DESCRIPTOR.bits - 1}:0] tx_descriptor = {{{fields}}};"]
    if features.receive:
        fields = ", ".join(map(_completion_name, reversed(RX_COMPLETION.fields)))
        wires += [f"wire [{RX_COMPLETION.bits - 1}:0] rx_completion;",
                  *(f"wire {_size(field.bits)}{_completion_name(field)};"
                    for field in RX_COMPLETION.fields if field.reserved),
                  f"assign {{{fields}}} = rx_completion;"]
    return "\n".join([
        "// How to instantiate the engine: descriptor and completion as single fields, and a",
        "// reset that may come at any time and ends in step with the clock.",
        f"module {EXAMPLE} (",
        ",\n".join(f"    {line}" for line in [*outer, "input rst_async"]),
        ");",
        "",
        "    reg [1:0] reset;",
        "    always @(posedge clk or posedge rst_async)",
        "        if (rst_async) reset <= 2'b11;",
        "        else reset <= {reset[0], 1'b0};",
        "",
        *(f"    {_wrapped(wire)}" for wire in wires),
        "",
        f"    {TOP} {TOP} (",
        ",\n".join(f"        .{pin}" for pin in pins),
        "    );",
        "endmodule",
        "",
    ])


def _size(bits: int) -> str:
    return f"[{bits - 1}:0] " if bits > 1 else ""


def _wrapped(line: str) -> str:
    """A concatenation with a line for each of its parts."""
    return line.replace("{", "{\n        ").replace(", ", ",\n        ").replace("}", "\n    }")
