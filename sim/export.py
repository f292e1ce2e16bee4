"""The Verilog of the engine, for a user's design."""

import json
import re
from pathlib import Path

from rich.console import Console
from rich.table import Table

from model.features import WIDTHS, Features
from sim import rtl
from sim.files import replacing
from sim.problem import InputError
from sim.session import make_folder

SAS_MIN, SAS_MAX = 16, 65536
_PORT = r"^  (input|output) (?:\[(\d+):0\] )?{};$"


def write_engine(folder: Path, width: int, sas: int, console: Console) -> None:
    """Write ``engine.v`` and ``engine.json``: parameters, and ports with direction and bits.

    Both files depend on the parameters alone.
    """
    if width not in WIDTHS:
        raise InputError(f"--width {width}: expected one of {', '.join(map(str, WIDTHS))}")
    if not SAS_MIN <= sas <= SAS_MAX or sas & (sas - 1):
        raise InputError(f"--sas {sas}: expected a power of two from {SAS_MIN} to {SAS_MAX}")
    make_folder(folder)
    with console.status("Writing Verilog"):
        netlist = rtl.engine_netlist(Features(width=width, sas=sas), taps=False)
    ports = [_port(netlist.text, name) for name in (*netlist.inputs, *netlist.outputs)]
    summary = {"module": netlist.top, "width": width, "sas": sas, "ports": ports}
    for name, text in (
        ("engine.v", f"// espnic, {width} bits a beat, {sas} SAs\n{netlist.text}"),
        ("engine.json", json.dumps(summary, indent=1) + "\n"),
    ):
        with replacing(folder / name) as partial:
            partial.write_text(text)
    table = Table("port", "direction", box=None, header_style="bold")
    table.add_column("bits", justify="right")
    for port in ports:
        table.add_row(port["name"], port["direction"], str(port["bits"]))
    console.print(table)
    console.print(
        f"{folder}/engine.v: {width} bits a beat, {sas} SAs", highlight=False, markup=False)


def _port(text: str, name: str) -> dict:
    match = re.search(_PORT.format(re.escape(name)), text, re.MULTILINE)
    assert match is not None, f"port {name} is in the list but not in the text"
    return {"name": name, "direction": match[1], "bits": int(match[2] or 0) + 1}
