"""Lists of signals for GTKWave and Surfer: what one looks at first, the failing block on top."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from espnic.sim.build.netlist import Netlist
from espnic.sim.files import replacing

_TAP = re.compile(r"^  wire (?:\[(\d+):0\] )?(tap_\w+);$", re.MULTILINE)
_CLOCKING = ("clk", "rst", "clocks", "clock")
_HEXADECIMAL, _BINARY, _COMMENT = "@22", "@28", "@200"
"""Flags of GTKWave for the lines that follow."""

Signals = dict[str, int]
"""Bits of signals by their names in the top module."""


def tap_of(point: str) -> str:
    """Beginning of the names of the signals of a trace point."""
    return f"tap_{point.replace('.', '_')}"


def groups(netlist: Netlist, focus: Sequence[str] = ()) -> list[tuple[str, Signals]]:
    """Signals of the top in groups: what begins with ``focus``, clock, ports, trace points."""
    ports = {name: bits for name, bits in netlist.ports.items() if name not in _CLOCKING}
    taps = {name: int(high or 0) + 1 for high, name in _TAP.findall(netlist.text)}
    first = {name: bits for name, bits in (ports | taps).items()
             if any(name.startswith(part) for part in focus)}
    clocking = {name: netlist.ports[name] for name in _CLOCKING if name in netlist.ports}
    found = [(f"first difference: {', '.join(focus)}", first), ("clock and reset", clocking),
             ("ports", _without(ports, first)), ("trace points", _without(taps, first))]
    return [(name, signals) for name, signals in found if signals]


def write_lists(netlist: Netlist, wave: Path, focus: Sequence[str] = ()) -> None:
    """Write ``.gtkw`` and ``.sucl`` beside a wave."""
    grouped = groups(netlist, focus)
    for ending, lines in (("gtkw", _gtkwave(netlist.top, wave.name, grouped)),
                          ("sucl", _surfer(netlist.top, wave.name, grouped))):
        with replacing(wave.with_suffix(f".{ending}")) as partial:
            partial.write_text("\n".join([*lines, ""]), encoding="utf-8")


def _without(signals: Signals, others: Iterable[str]) -> Signals:
    return {name: bits for name, bits in signals.items() if name not in others}


def _gtkwave(top: str, wave: str, grouped: list[tuple[str, Signals]]) -> list[str]:
    lines = [f'[dumpfile] "{wave}"', "[timestart] 0"]
    for title, signals in grouped:
        lines += [_COMMENT, f"-{title}"]
        for name, bits in signals.items():
            lines += ([_BINARY, f"{top}.{name}"] if bits == 1
                      else [_HEXADECIMAL, f"{top}.{name}[{bits - 1}:0]"])
    return lines


def _surfer(top: str, wave: str, grouped: list[tuple[str, Signals]]) -> list[str]:
    lines = [f"load_file {wave}"]
    for title, signals in grouped:
        lines.append(f"divider_add {title}")
        lines += [f"variable_add {top}.{name}" for name in signals]
    return [*lines, "zoom_fit"]
