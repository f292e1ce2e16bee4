"""The files beside the Verilog of the engine: for tools, for software, for people."""

import importlib.metadata
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from espnic.hdl.sa.commands import reset_clocks
from espnic.model.interface.features import SAS, Features, Sbox
from espnic.sim import markdown
from espnic.sim.build.netlist import Netlist
from espnic.sim.export import figures, ipxact
from espnic.sim.export.example import example
from espnic.sim.export.fusesoc import core
from espnic.sim.export.ports import Interface, described, interfaces
from espnic.sim.export.presets import PRESETS
from espnic.sim.export.ram_bits import ram_bits
from espnic.sim.export.testbench import testbench
from espnic.sim.export.verilog import shipped
from espnic.sim.export.vivado import constraints, script
from espnic.sim.registers import documents

DEFAULT_NAME = "engine"
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Chosen:
    """A build, and the clock that its rates are for."""

    features: Features
    clock_mhz: float
    preset: str | None = None
    name: str = DEFAULT_NAME
    """Name of the top module, with which all other names of the build begin."""


def package(netlist: Netlist, chosen: Chosen) -> dict[str, str]:
    """Text of each file by its name. It depends on the arguments and the measured figures alone."""
    name, features = chosen.name, chosen.features
    found = interfaces(netlist)
    summary = _summary(netlist, found, chosen)
    title = f"{name}: espnic {_version()}, {_in_words(features)}"
    return {
        f"{name}.v": shipped(netlist, found, name, title),
        f"{name}.f": f"// Relative to this file: verilator -F {name}.f\n{name}.v\n",
        f"{name}.core": core(name, _version(), _in_words(features)),
        f"{name}.json": json.dumps(summary, indent=1) + "\n",
        f"{name}.md": _markdown(summary, found, chosen),
        f"{name}.tcl": script(name),
        f"{name}.xdc": constraints(name, chosen.clock_mhz),
        ipxact.FILE: ipxact.component(found, name),
        f"{name}_example.v": example(found, name),
        f"{name}_tb.v": testbench(found, features, name),
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
    if features.sideband:
        parts.append(f"sideband of {features.sideband} bits")
    if features.fold > 1:
        parts.append(f"AES-GCM folded by {features.fold}")
    if features.sbox is Sbox.BRAM:
        parts.append("S-boxes in block RAM")
    return ", ".join(parts)


def _summary(
    netlist: Netlist, found: Sequence[Interface], chosen: Chosen,
) -> dict[str, Any]:
    features = chosen.features
    area = figures.area_of(features)
    return {
        "name": chosen.name,
        "version": _version(),
        "preset": chosen.preset,
        **asdict(features),
        "clock_mhz": chosen.clock_mhz,
        "reset_clocks": reset_clocks(features),
        "ram_bits": asdict(ram_bits(netlist)),
        "area": asdict(area) if area else NOT_MEASURED,
        "rates": [asdict(rate) for rate in figures.rates(features, chosen.clock_mhz)]
                 or NOT_MEASURED,
        "line_clock_mhz": figures.line_clocks(features) or NOT_MEASURED,
        "ports": described(found),
    }


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table in Markdown, and an empty line after it."""
    return markdown.table(head, rows) + "\n"


def _markdown(summary: dict[str, Any], found: Sequence[Interface], chosen: Chosen) -> str:
    features = chosen.features
    ram = summary["ram_bits"]
    parts = [
        f"# {chosen.name}\n\nespnic {summary['version']}: {_in_words(features)}.\n\n",
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
    parts += ["## Area\n\n", _area(summary["area"]), "## Rates\n\n", _rates(summary), "## Ports\n"]
    for each in found:
        parts.append(f"\n`{each.name}`, {each.kind.value}: {each.meaning}\n\n")
        parts.append(markdown.table(("port", "direction", "bits", "meaning"), [
            (port.name, port.direction, port.bits, port.meaning) for port in each.ports]))
    return "".join(parts).rstrip("\n") + "\n"


def _area(area: dict[str, Any] | str) -> str:
    if isinstance(area, str):
        return f"{NOT_MEASURED.capitalize()}: `espnic synth engine` measures the build with all " \
               f"parts and {SAS:,} SAs.\n\n"
    return "UltraScale+, open synthesis.\n\n" + table(
        ("LUT", "LUT RAM", "FF", "BRAM"),
        [[f"{area[name]:,g}" for name in ("lut", "lut_ram", "ff", "bram")]])


def _rates(summary: dict[str, Any]) -> str:
    if summary["rates"] == NOT_MEASURED:
        return f"{NOT_MEASURED.capitalize()}: `espnic bench` measures builds with all parts.\n\n"
    needs = ", ".join(f"{line}G {mhz:.1f} MHz" for line, mhz in summary["line_clock_mhz"].items())
    return (
        f"Frames back to back, on the slower side, at {summary['clock_mhz']:g} MHz.\n\n"
        + table(("clear packet", "clocks", "Gb/s", "Mpackets/s"), [
            (rate["size"], f"{rate['clocks']:.2f}", f"{rate['gbps']:.1f}", f"{rate['mpps']:.2f}")
            for rate in summary["rates"]])
        + f"Clocks that carry a line rate at every size: {needs}.\n\n")
