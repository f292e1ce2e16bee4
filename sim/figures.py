"""The measured figures of the documentation, to look up: docs/bench.json and docs/area.md."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from model.features import Features
from sim.build import PROJECT
from sim.rtl import SAS

BENCH = PROJECT / "docs" / "bench.json"
AREA = PROJECT / "docs" / "area.md"
LINES = ("10", "25", "40", "100")
"""Line rates in Gb/s."""
AREA_TARGET = "xcup"


@dataclass(frozen=True)
class Rate:
    """Of the slower direction, with whatever number of SAs was slowest."""

    size: int | str
    """Bytes of the clear IPv4 packet, or the name of a mix."""
    clocks: float
    """For a packet."""
    gbps: float
    """Of sealed frames without FCS."""
    mpps: float


def bench_rows() -> list[dict[str, Any]]:
    """What ``espnic bench`` has measured; none when its file is not there."""
    return json.loads(BENCH.read_text()) if BENCH.is_file() else []


def rates(features: Features, clock_mhz: float) -> list[Rate]:
    """Rates of the directions of a build at a clock, one for each size measured.

    They were measured on the build with all parts.
    """
    sides = [side for side, present in (("rx", features.receive), ("tx", features.transmit))
             if present]
    slowest: dict[int | str, dict[str, Any]] = {}
    for row in bench_rows():
        if row["width"] == features.width and row["direction"] in sides:
            known = slowest.setdefault(row["size"], row)
            if row["clocks_per_packet"] > known["clocks_per_packet"]:
                slowest[row["size"]] = row
    return [
        Rate(size, row["clocks_per_packet"],
             8 * row["frame_bytes"] * clock_mhz / row["clocks_per_packet"] / 1000,
             clock_mhz / row["clocks_per_packet"])
        for size, row in slowest.items()
    ]


def line_clocks(features: Features) -> dict[str, float]:
    """The clock in MHz at which a build takes each of ``LINES`` at every size measured.

    Preamble, FCS and the gap between frames are counted. Empty when its width was not
    measured.
    """
    sides = [side for side, present in (
        ("rx", features.receive), ("tx", features.transmit), ("lso", features.lso)) if present]
    rows = [row for row in bench_rows()
            if row["width"] == features.width and row["direction"] in sides]
    if not rows:
        return {}
    return {line: max(row["clocks_per_packet"] * row["line_mpps"][line] for row in rows)
            for line in LINES}


def area(features: Features) -> dict[str, int] | None:
    """Cells of a build on UltraScale+ as ``espnic synth`` counts them; None: not measured.

    Only builds with all parts and tables of ``sim.rtl.SAS`` are measured.
    """
    if features != Features(width=features.width, sas=SAS) or not AREA.is_file():
        return None
    for line in AREA.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if _is_engine(cells, features.width):
            names = ("lut", "lut_ram", "ff", "bram")
            return {name: int(cell.replace(",", ""))
                    for name, cell in zip(names, cells[3:7], strict=True)}
    return None


def _is_engine(cells: Sequence[str], width: int) -> bool:
    return (cells[0].rstrip("*"), *cells[1:3]) == ("engine", str(width), AREA_TARGET)
