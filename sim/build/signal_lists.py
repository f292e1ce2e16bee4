"""Lists of signals for GTKWave and Surfer: what one looks at first, the failing block on top."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from espnic.sim.build.netlist import Netlist
from espnic.sim.build.verilog_text import modules
from espnic.sim.files import replacing

_TAP = re.compile(r"^  wire (?:\[(\d+):0\] )?(tap_\w+);$", re.MULTILINE)
_PORT = re.compile(r"^  (?:input|output) (?:\[(\d+):0\] )?(\w+);$", re.MULTILINE)
_CLOCKING = ("clk", "rst", "clocks", "clock")
_HEXADECIMAL, _BINARY, _COMMENT = "@22", "@28", "@200"
"""Flags of GTKWave for the lines that follow."""

BLOCKS = {
    "rx.parse": "inner.rx.parser", "rx.lookup": "inner.sas.lookup", "rx.open": "inner.rx.core",
    "rx.icv": "inner.rx.core", "rx.verdict": "inner.rx.verdict", "rx.out": "inner.rx.restore",
    "tx.segment": "inner.tx.segments", "tx.verdict": "inner.tx.check",
    "tx.trailer": "inner.tx.trailer", "tx.seqiv": "inner.tx.esp_header", "tx.seal": "inner.tx.gcm",
    "tx.icv": "inner.tx.gcm", "tx.out": "inner.tx.append",
}
"""Path, in the rig of the engine, of the block that gives what a trace point shows."""

Signals = dict[str, int]
"""Bits of signals by their names in the top module, or by their paths from it."""


def focus_on(point: str) -> list[str]:
    """The focus for a difference at a trace point: its signals, and the block that gives them."""
    return [f"tap_{point.replace('.', '_')}", *([BLOCKS[point]] if point in BLOCKS else ())]


def groups(netlist: Netlist, focus: Sequence[str] = ()) -> list[tuple[str, Signals]]:
    """Signals in groups: first those of ``focus``, then clock, ports, and trace points.

    The focus has beginnings of names in the top module, and paths of blocks, whose ports it means.
    """
    ports = {name: bits for name, bits in netlist.ports.items() if name not in _CLOCKING}
    taps = {name: int(high or 0) + 1 for high, name in _TAP.findall(netlist.text)}
    first = {name: bits for name, bits in (ports | taps).items()
             if any(name.startswith(part) for part in focus)}
    for path in focus:
        if "." in path:
            first |= ports_of(netlist, path)
    clocking = {name: netlist.ports[name] for name in _CLOCKING if name in netlist.ports}
    found = [(f"first difference: {', '.join(focus)}", first), ("clock and reset", clocking),
             ("ports", _without(ports, first)), ("trace points", _without(taps, first))]
    return [(name, signals) for name, signals in found if signals]


def ports_of(netlist: Netlist, path: str) -> Signals:
    """Ports of a block within the top, under their paths; none when it is not there."""
    by_name = {module.name: module for module in modules(netlist.text)}
    module = by_name[netlist.top]
    for part in path.split("."):
        inside = {instance.name: instance.module for instance in module.instances}
        if inside.get(part) not in by_name:
            return {}
        module = by_name[inside[part]]
    return {f"{path}.{name}": int(high or 0) + 1 for high, name in _PORT.findall(module.body)
            if name not in _CLOCKING}


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
