"""The timing diagrams of docs/integration.md, from a simulation of the engine."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import wavedrom

from espnic.model.interface.codes import RxStatus
from espnic.model.interface.layouts import RX_COMPLETION
from espnic.model.interface.registers import REGISTERS
from espnic.sim.build.builds import run
from espnic.sim.docs.timing_cocotb import FILE, Clocks
from espnic.sim.files import PROJECT
from espnic.sim.problem import SimulationError
from espnic.sim.rig.engine import Options, build_engine

FOLDER = PROJECT / "docs"
MODULE = "espnic.sim.docs.timing_cocotb"
CLOCK_WIDTHS = {"reset": 1, "command": 3, "tx": 1, "rx": 1}
"""Width of a clock in each diagram, in units of 40 pixels: what is written in it has to fit."""
STILL_MAX = 5
"""Most clocks without a change that are drawn one by one; more are drawn as a gap."""

Show = Callable[[Clocks, int], str | None]
"""Gives what to write at a clock; None where the signal means nothing."""


@dataclass(frozen=True)
class Lane:
    """A signal of a diagram."""

    name: str
    show: Show | None = None
    """Gives what to write at each clock; None for a single bit, which is drawn as a line."""
    valid: str | None = None
    """Port that is 1 while the single bit means something; None if it always does."""


def documents() -> dict[Path, str]:
    """The SVG of each diagram."""
    scenes = _simulate()
    return {FOLDER / f"timing-{name}.svg": _drawn(scenes[name], lanes, CLOCK_WIDTHS[name])
            for name, lanes in _diagrams().items()}


def _simulate() -> dict[str, Clocks]:
    done = run(build_engine(Options()).built, module=MODULE, seed=1)
    if done.failures:
        raise SimulationError(f"{done.failures[0][1]}, log: {done.log}")
    scenes: dict[str, Clocks] = json.loads((done.directory / FILE).read_text(encoding="utf-8"))
    shutil.rmtree(done.directory)
    return scenes


def _diagrams() -> dict[str, list[Lane]]:
    axil = [
        Lane("s_axil_awvalid"), Lane("s_axil_awready"),
        Lane("s_axil_awaddr", _while("s_axil_awvalid", _register)),
        Lane("s_axil_wvalid"), Lane("s_axil_wready"),
        Lane("s_axil_wdata", _while("s_axil_wvalid", lambda clocks, at: hex(
            clocks[at]["s_axil_wdata"]))),
        Lane("s_axil_bvalid"), Lane("s_axil_bready"),
        Lane("s_axil_bresp", _while("s_axil_bvalid", lambda clocks, at: "SLVERR" if clocks[at][
            "s_axil_bresp"] else "OKAY")),
        Lane("irq"),
    ]
    return {
        "reset": [Lane("rst"), Lane("s_axis_tx_tready"), Lane("s_axis_rx_tready"),
                  Lane("s_axil_awvalid"), Lane("s_axil_awaddr", _while(
                      "s_axil_awvalid", lambda clocks, at: f"{clocks[at]['s_axil_awaddr']:03x}")),
                  Lane("irq")],
        "command": axil,
        "tx": [*_stream("s_axis_tx", lambda clocks, at: "desc" if _first(
                   clocks, "s_axis_tx", at) else None),
               *_stream("m_axis_tx", None)],
        "rx": [*_stream("s_axis_rx", None), *_stream("m_axis_rx", _completion)],
    }


def _stream(port: str, user: Show | None) -> list[Lane]:
    def lane(name: str, show: Show) -> Lane:
        return Lane(f"{port}_{name}", _while(f"{port}_tvalid", show))

    return [
        Lane(f"{port}_tvalid"), Lane(f"{port}_tready"),
        lane("tdata", lambda clocks, at: _beat(clocks, port, at)),
        lane("tkeep", lambda clocks, at: str(clocks[at][f"{port}_tkeep"].bit_length())),
        Lane(f"{port}_tlast", valid=f"{port}_tvalid"),
        *([lane("tuser", user)] if user else []),
    ]


def _while(valid: str, show: Show) -> Show:
    return lambda clocks, at: show(clocks, at) if clocks[at][valid] else None


def _moved(clocks: Clocks, port: str, at: int) -> bool:
    return bool(clocks[at][f"{port}_tvalid"] and clocks[at][f"{port}_tready"])


def _beat(clocks: Clocks, port: str, at: int) -> str:
    """The letter of the frame and the number of the beat in it, such as ``A0``."""
    frame = beat = 0
    for before in range(at):
        if _moved(clocks, port, before):
            last = clocks[before][f"{port}_tlast"]
            frame, beat = (frame + 1, 0) if last else (frame, beat + 1)
    return f"{chr(ord('A') + frame)}{beat}"


def _first(clocks: Clocks, port: str, at: int) -> bool:
    return _beat(clocks, port, at).endswith("0")


def _completion(clocks: Clocks, at: int) -> str:
    fields = RX_COMPLETION.unpack(clocks[at]["m_axis_rx_tuser"])
    return f"completion: {RxStatus(fields['status']).name}"


def _register(clocks: Clocks, at: int) -> str:
    offset = clocks[at]["s_axil_awaddr"]
    return next(register.name for register in REGISTERS if register.offset == offset)


def _drawn(clocks: Clocks, lanes: Sequence[Lane], clock_width: int) -> str:
    """SVG of the lanes, with gaps for the clocks in which none changes."""
    values = [[_value(lane, clocks, at) for lane in lanes] for at in range(len(clocks))]
    columns = list(_columns(values))
    signals = [{"name": "clk", "wave": _gapped("p" + "." * (len(columns) - 1), columns)},
               _numbers(columns)]
    for number, lane in enumerate(lanes):
        shown = [values[at][number] for at in columns if at is not None]
        signals.append(_signal(lane, shown, columns))
    svg: str = wavedrom.render(json.dumps({
        "signal": signals, "config": {"hscale": clock_width}})).tostring()
    return svg


def _value(lane: Lane, clocks: Clocks, at: int) -> str | None:
    if lane.show is not None:
        return lane.show(clocks, at)
    meant = lane.valid is None or clocks[at][lane.valid]
    return str(clocks[at][lane.name]) if meant else None


def _columns(values: list[list[str | None]]) -> Iterator[int | None]:
    """The clocks to draw, with None for a gap."""
    at = 0
    while at < len(values):
        end = at
        while end < len(values) and values[end] == values[at]:
            end += 1
        if end - at > STILL_MAX:
            yield from (at, None, end - 1)
        else:
            yield from range(at, end)
        at = end


def _gapped(wave: str, columns: Sequence[int | None]) -> str:
    return "".join("|" if column is None else mark
                   for mark, column in zip(wave, columns, strict=True))


def _numbers(columns: Sequence[int | None]) -> dict[str, object]:
    """The row with the number of each clock."""
    return {
        "name": "clock",
        "wave": _gapped("=" * len(columns), columns),
        # In front of a gap there is no room for one.
        "data": ["" if after is None else str(column)
                 for column, after in zip(columns, [*columns[1:], -1], strict=True)
                 if column is not None],
    }


def _signal(
    lane: Lane, shown: Sequence[str | None], columns: Sequence[int | None],
) -> dict[str, object]:
    """The row of a lane: a mark for each column, and what is written in it."""
    marks, data = [], []
    values = iter(shown)
    before: tuple[str | None] | None = None
    for column in columns:
        if column is None:
            marks.append("|")
            continue
        value = next(values)
        if before == (value,):
            marks.append(".")
        elif value is None:
            marks.append("x")
        elif lane.show is None:
            marks.append(value)
        else:
            marks.append("=")
            data.append(value)
        before = (value,)
    return {"name": lane.name, "wave": "".join(marks), "data": data}
