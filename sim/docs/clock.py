"""The table of delays in docs/clock.md."""

from collections.abc import Iterable
from pathlib import Path

from espnic.sim.files import PROJECT
from espnic.sim.markdown import table, with_parts
from espnic.sim.timing import fabric

DOCUMENT = PROJECT / "docs" / "clock.md"


def documents() -> dict[Path, str]:
    """The page with its table as it is now."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return {DOCUMENT: with_parts(text, {"delays": _delays})}


def _delays() -> str:
    into = fabric.X_PIN + fabric.FF_FROM_PIN
    ram = [delay for delays in fabric.RAM_OUT.values() for delay in delays]
    addresses = [delay for delays in fabric.RAM_ADDRESS_SETUP.values() for delay in delays]
    sums = [delay for delays in fabric.CARRY_S["O"] for delay in delays]
    written = fabric.LUT_RAM_SETUP
    return table(("what", "delay"), (
        ("LUT, from the site's pin, A6 to A1", f"{_list(sorted(fabric.LUT_PINS))}; the last input "
         "to arrive gets the fastest pin"),
        ("register: clock to output, set-up", _list((fabric.FF_OUT, fabric.FF_SETUP))),
        ("into a register: from its LUT, its MUXF7, its carry, the interconnect",
         _list((fabric.FF_FROM["LUT"], fabric.FF_FROM["MUX"], fabric.FF_FROM["O"], into))),
        ("MUXF7: from a LUT, from the interconnect by its select", _list((
            fabric.MUX_FROM_LUT["I0"] + fabric.MUX_IN, fabric.X_PIN + fabric.MUX_SELECT))),
        ("carry: from its LUT, then S to the sums of a CARRY8", f"{fabric.LUT_TO_CARRY}, "
         f"{_range(sums)}"),
        ("carry: to the next CARRY8, through it",
         _list((fabric.CARRY_TO_CARRY, fabric.CARRY_CI["CO"][-1]))),
        ("distributed RAM: clock to output", str(fabric.LUT_RAM_OUT)),
        ("distributed RAM: set-up of address, write enable, data", _list((
            written["address"], fabric.X_PIN + written["write enable"],
            fabric.X_PIN + written["data"]))),
        ("block RAM: clock to output, without and with its output register",
         f"{_range(ram)}, {_range(fabric.RAM_REGISTER_OUT.values())}"),
        ("block RAM: set-up of address, data, write enable, enable",
         f"{_range(addresses)}, " + _list(
             fabric.RAM_SETUP[name] for name in ("DINA", "WE", "EN"))),
        ("out of a site; across a column of block RAM",
         _list((fabric.LEAVE, fabric.RAM_CROSSING))),
        ("wires across 1, 2, 6 and 20 columns", _list(map(fabric.across, (1, 2, 6, 20)))),
        ("wires along 1, 2, 4, 12 and 40 rows", _list(map(fabric.along, (1, 2, 4, 12, 40)))),
    ))


def _list(delays: Iterable[float]) -> str:
    return ", ".join(f"{delay:.0f}" for delay in delays)


def _range(delays: Iterable[float]) -> str:
    values = sorted(delays)
    return f"{values[0]:.0f} to {values[-1]:.0f}"
