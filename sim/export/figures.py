"""The measured figures of the documentation, to look up: docs/bench.json and docs/area.md.

They come with the package: ``espnic/figures`` has links to them, and a wheel has the files.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

from espnic.model.interface.codes import SIDES
from espnic.model.interface.features import ALL, SAS, Features, Sbox
from espnic.sim import ethernet

_FOLDER = resources.files("espnic") / "figures"
BENCH = _FOLDER / "bench.json"
AREA = _FOLDER / "area.md"
LINES = ("10", "25", "40", "100")
"""Line rates in Gb/s."""
AREA_TARGET = "xcup"


@dataclass(frozen=True)
class Rate:
    """Rate of the slower direction, at the number of SAs that was slowest."""

    size: int | str
    """Bytes of the clear IPv4 packet, or the name of a mix."""
    clocks: float
    """Clocks per packet."""
    gbps: float
    """Gb/s of sealed frames without FCS."""
    mpps: float
    """Million packets a second."""


def bench_rows() -> list[dict[str, Any]]:
    """Rows that ``espnic bench`` has measured; none when its file is not there."""
    return json.loads(BENCH.read_text(encoding="utf-8")) if BENCH.is_file() else []


def rates(features: Features, clock_mhz: float) -> list[Rate]:
    """Rates of a build at a clock, one for each size measured.

    Empty for a build that lacks a part, or whose cores are folded: those with all parts were
    measured. How many SAs the tables have room for, and where the S-boxes are, changes no rate.
    """
    if features.fold > 1:
        return []
    slowest: dict[int | str, dict[str, Any]] = {}
    for row in _rows(features):
        if row["direction"] in SIDES:
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
    """Clock in MHz at which a build takes each of ``LINES`` at every size of frame on Ethernet.

    Of the sizes measured it is that of the clocks which they took, of all others that of their
    beats. With cores that are folded it is at least that of the slots of ESP packets. Preamble,
    FCS and the gap between frames are counted. Empty for a build that lacks a part, or of a width
    that was not measured.
    """
    rows = _rows(features)
    if not rows:
        return {}
    width = features.width
    hardest = ethernet.hardest(width)
    return {line: max(ethernet.needed_mhz(float(line), hardest, width),
                      ethernet.sealed_mhz(float(line), width, features.fold),
                      *(row["clocks_per_packet"] * row["line_mpps"][line] for row in rows))
            for line in LINES}


def _rows(features: Features) -> list[dict[str, Any]]:
    """The rows of a build; none when it lacks a part."""
    if features != replace(ALL, width=features.width, sas=features.sas, fold=features.fold,
                           sbox=features.sbox):
        return []
    return [row for row in bench_rows()
            if row["width"] == features.width and row["direction"] != "mix"]


@dataclass(frozen=True)
class Area:
    """Cells on UltraScale+ as ``espnic synth`` counts them."""

    lut: int
    lut_ram: int
    ff: int
    bram: float
    """Block RAMs of 36 kbit."""
    levels: int | None
    """Number of LUTs on the longest path from register to register; None: no such path."""


def area_of(features: Features) -> Area | None:
    """Area of a build; None when this very build was not measured."""
    form = replace(ALL, width=features.width, sas=SAS, fold=features.fold, sbox=features.sbox)
    if features != form:
        return None
    fold = f"_f{features.fold}" if features.fold > 1 else ""
    return area("engine" + fold + "_ram" * (features.sbox is Sbox.BRAM), features.width)


def area(block: str, width: int | None) -> Area | None:
    """Area of a block; ``width`` is None for a block that does not depend on it.

    Where it was synthesised both ways it is the larger area. None: not measured.
    """
    wanted = block, "–" if width is None else str(width), AREA_TARGET
    text = AREA.read_text(encoding="utf-8") if AREA.is_file() else ""
    found = [_cells(line) for line in text.splitlines()]
    areas = [_area(cells) for name, *cells in found if (name.rstrip("*"), *cells[:2]) == wanted]
    return max(areas, key=lambda each: each.lut, default=None)


def _area(cells: Sequence[str]) -> Area:
    lut, lut_ram, ff, bram, levels = (cell.replace(",", "") for cell in cells[2:7])
    return Area(int(lut), int(lut_ram), int(ff), float(bram),
                None if levels == "–" else int(levels))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]
