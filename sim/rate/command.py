"""``espnic bench``: measure the rates at each width, print them, and write them to files."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from espnic.sim.build.simulators import require_tools
from espnic.sim.clocks import CLOCKS_MHZ
from espnic.sim.files import check_file, replacing
from espnic.sim.markdown import END
from espnic.sim.problem import InputError, check_width
from espnic.sim.rate.lso import BurstRow, burst_workloads, measure_bursts
from espnic.sim.rate.measure import (
    Row,
    Speed,
    build_rig,
    measure_packets,
    measure_speed,
)
from espnic.sim.rate.mixes import Effort, MixRow, measure_mixes
from espnic.sim.rate.report import (
    PLOT_SUFFIXES,
    SUMMARY_BEGIN,
    burst_table,
    effort_line,
    has_summary,
    mix_table,
    packet_table,
    plot,
    speed_line,
    with_summary,
)
from espnic.sim.rate.traffic import make_job, populate, workloads
from espnic.sim.terminal import status

SA_COUNTS = (1, 1024, 16384)
QUICK_SA_COUNTS = (1, 1024)
SAS_MAX = 65535
MIXES = 500
"""Number of mixes that are searched at each width."""
QUICK_MIXES = 25

NOTES = (
    "Packets back to back in both directions at once, each on another SA than the one before it.",
    "size: bytes of the clear IPv4 packet, in an IPv4 tunnel with AES-128 and an ICV of 16 bytes. "
    "IMIX: 7 packets of 64 bytes, 4 of 570, 1 of 1500. random: 64 to 1500 bytes.",
    "clocks: a packet, in steady state. share: of the limit, a beat each clock on the busier side. "
    "B/clk, Gb/s: of sealed frames without FCS. lat: clocks from first beat in to first beat out, "
    "less those in which the frame came in. "
    "10G to 100G: Mpps of these frames on Ethernet, with preamble, FCS and gap.",
    "lso: TCP super-packets in the same tunnel, back to back, cut into segments of MSS bytes, each "
    "burst of segments on another SA. clocks: a burst. share: of the limit, the beats of the "
    "frames that leave. wire, data: Gb/s of sealed frames, and of TCP payload. lat: as above, of "
    "the whole burst.",
    "mixes: traffic that is hard, each mix again and again, in both directions at once, every SA "
    "with limits and with a replay window or the guard of its numbers. Those with a name are "
    "always measured, the others are the worst that a search has found. share: of the limit. "
    "waits: clocks of the run in which the input of rx had to wait, when a MAC may drop.",
)


@dataclass(frozen=True)
class Request:
    """Arguments of the user."""

    widths: tuple[int, ...]
    sas: tuple[int, ...]
    quick: bool
    mixes: int
    """Number of mixes to search."""
    clock_mhz: float | None
    """Clock that the rates are for; None for that of the width."""
    seed: int
    json_file: Path | None
    plot: Path | None
    doc: Path | None = None
    """Markdown file with a place for the summary."""


@dataclass(frozen=True)
class Measured:
    """Figures of one width."""

    packets: list[Row]
    bursts: list[BurstRow]
    speed: Speed
    mixes: list[MixRow]
    effort: Effort


def measure(request: Request, console: Console) -> None:
    """Measure, print the tables, and write the files."""
    _check(request)
    require_tools("verilator")
    for note in NOTES:
        console.print(note, highlight=False)
    packets: list[Row] = []
    bursts: list[BurstRow] = []
    mixes: list[MixRow] = []
    for width in request.widths:
        mhz = request.clock_mhz or CLOCKS_MHZ[width]
        found = _measure_width(request, width, mhz, console)
        console.print(packet_table(width, mhz, found.packets), highlight=False)
        console.print(burst_table(width, mhz, found.bursts), highlight=False)
        console.print(mix_table(width, found.mixes), highlight=False)
        console.print(effort_line(found.effort), highlight=False)
        console.print(speed_line(found.speed), highlight=False)
        packets += found.packets
        bursts += found.bursts
        mixes += found.mixes
    rows = [row.as_json() for row in (*packets, *bursts)] + [row.as_json() for row in mixes]
    if request.json_file is not None:
        with replacing(request.json_file) as partial:
            lines = ",\n".join(map(json.dumps, rows))
            partial.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    if request.plot is not None:
        plot(packets, request.plot)
    if request.doc is not None:
        text = with_summary(request.doc.read_text(encoding="utf-8"), rows)
        with replacing(request.doc) as partial:
            partial.write_text(text, encoding="utf-8")


def _check(request: Request) -> None:
    for width in request.widths:
        check_width(width)
    for sas in request.sas:
        if not 1 <= sas <= SAS_MAX:
            raise InputError(f"--sas {sas}: expected 1 to {SAS_MAX}")
    if request.mixes < 0:
        raise InputError(f"--mixes {request.mixes}: expected 0 or more")
    if request.clock_mhz is not None and not 0 < request.clock_mhz < math.inf:
        raise InputError(f"--clock-mhz {request.clock_mhz}: expected a finite number above 0")
    if request.plot is not None and request.plot.suffix not in PLOT_SUFFIXES:
        raise InputError(f"--plot {request.plot}: expected a name in {' or '.join(PLOT_SUFFIXES)}")
    if request.doc is not None and not (request.doc.is_file() and has_summary(
            request.doc.read_text(encoding="utf-8", errors="replace"))):
        raise InputError(f"--doc {request.doc}: expected a file with the lines "
                         f"{SUMMARY_BEGIN} and {END}")
    for option, path in (
            ("--json", request.json_file), ("--plot", request.plot), ("--doc", request.doc)):
        if path is not None:
            check_file(option, path)


def _measure_width(
    request: Request, width: int, clock_mhz: float, console: Console,
) -> Measured:
    with status(console, f"{width} bits: building") as shown:
        rig = build_rig(width, max(request.sas))
        jobs = []
        for sas in request.sas:
            shown.update(f"{width} bits, {sas} SAs: adding them")
            population = populate(rig, sas, request.seed)
            jobs += [make_job(workload, population, request.seed)
                     for workload in workloads(width, request.quick, request.seed)]
        shown.update(f"{width} bits: running")
        packets = measure_packets(rig, jobs, clock_mhz)
        shown.update(f"{width} bits: cutting super-frames")
        bursts = measure_bursts(
            rig, burst_workloads(width, request.quick), population, clock_mhz, request.seed)
        shown.update(f"{width} bits: searching mixes")
        mixes, effort = measure_mixes(width, request.mixes, request.quick, request.seed)
        shown.update(f"{width} bits: timing the simulation")
        speed = measure_speed(rig, population, request.seed)
        return Measured(packets, bursts, speed, mixes, effort)
