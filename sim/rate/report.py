"""``espnic bench``: what it runs, its table, its JSON and its plot."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from espnic.model.interface.features import WIDTHS
from espnic.sim.build.simulators import require_tools
from espnic.sim.clocks import CLOCKS_MHZ
from espnic.sim.files import replacing
from espnic.sim.problem import InputError
from espnic.sim.rate import lso as rate_lso
from espnic.sim.rate import measure as rate
from espnic.sim.rate.lso import BurstRow
from espnic.sim.rate.measure import ETHERNET_GBPS, Row, Speed

QUICK_SA_COUNTS = (1, 1024)
SAS_MAX = 65535
PLOT_SUFFIXES = (".png", ".svg")
SUMMARY_BEGIN, SUMMARY_END = "<!-- espnic bench --doc -->", "<!-- end -->"
_SUMMARY = re.compile(f"{SUMMARY_BEGIN}.*?{SUMMARY_END}", re.DOTALL)

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
)


@dataclass(frozen=True)
class Request:
    """What the user asks for."""

    widths: tuple[int, ...]
    sas: tuple[int, ...]
    quick: bool
    clock_mhz: float | None
    """None: that of the width."""
    seed: int
    json_file: Path | None
    plot: Path | None
    doc: Path | None = None
    """Markdown file that has a place for the summary."""


@dataclass(frozen=True)
class Measured:
    """What one width gave."""

    packets: list[Row]
    bursts: list[BurstRow]
    speed: Speed


def bench(request: Request, console: Console) -> None:
    """Measure, print the tables, write the files."""
    _check(request)
    require_tools("verilator")
    for note in NOTES:
        console.print(note, highlight=False)
    packets: list[Row] = []
    bursts: list[BurstRow] = []
    for width in request.widths:
        mhz = request.clock_mhz or CLOCKS_MHZ[width]
        found = _measure_width(request, width, mhz, console)
        console.print(_table(width, mhz, found.packets), highlight=False)
        console.print(_burst_table(width, mhz, found.bursts), highlight=False)
        console.print(_speed_line(found.speed), highlight=False)
        packets += found.packets
        bursts += found.bursts
    rows = [row.as_json() for row in (*packets, *bursts)]
    if request.json_file is not None:
        with replacing(request.json_file) as partial:
            lines = ",\n".join(map(json.dumps, rows))
            partial.write_text(f"[\n{lines}\n]\n")
    if request.plot is not None:
        plot(packets, request.plot)
    if request.doc is not None:
        text = with_summary(request.doc.read_text(), summary(rows))
        with replacing(request.doc) as partial:
            partial.write_text(text)


def _check(request: Request) -> None:
    for width in request.widths:
        if width not in WIDTHS:
            raise InputError(f"--width {width}: expected one of {', '.join(map(str, WIDTHS))}")
    for sas in request.sas:
        if not 1 <= sas <= SAS_MAX:
            raise InputError(f"--sas {sas}: expected 1 to {SAS_MAX}")
    if request.clock_mhz is not None and not 0 < request.clock_mhz < math.inf:
        raise InputError(f"--clock-mhz {request.clock_mhz}: expected a finite number above 0")
    if request.plot is not None and request.plot.suffix not in PLOT_SUFFIXES:
        raise InputError(f"--plot {request.plot}: expected a name in {' or '.join(PLOT_SUFFIXES)}")
    for path in (request.json_file, request.plot):
        if path is not None and not path.parent.is_dir():
            raise InputError(f"{path}: expected its folder to be there")
    if request.doc is not None and not (
            request.doc.is_file() and _SUMMARY.search(request.doc.read_text())):
        raise InputError(f"--doc {request.doc}: expected a file with the lines "
                         f"{SUMMARY_BEGIN} and {SUMMARY_END}")


def _measure_width(
    request: Request, width: int, clock_mhz: float, console: Console,
) -> Measured:
    with console.status(f"{width} bits: building") as status:
        rig = rate.build_rig(width, max(request.sas))
        jobs = []
        for sas in request.sas:
            status.update(f"{width} bits, {sas} SAs: adding them")
            population = rate.populate(rig, sas, request.seed)
            jobs += [rate.make_job(workload, population, request.seed)
                     for workload in rate.workloads(width, request.quick, request.seed)]
        status.update(f"{width} bits: running")
        packets = rate.measure(rig, jobs, clock_mhz)
        status.update(f"{width} bits: cutting super-frames")
        bursts = rate_lso.measure(
            rig, rate_lso.workloads(width, request.quick), population, clock_mhz, request.seed)
        status.update(f"{width} bits: timing the simulation")
        return Measured(packets, bursts, rate.measure_speed(rig, population, request.seed))


def _table(width: int, clock_mhz: float, rows: Sequence[Row]) -> Table:
    table = _empty_table(f"{width} bits a beat at {clock_mhz:g} MHz", (
        "size", "SAs", "clocks", "share", "B/clk", "lat", "Gb/s", "Mpps",
        *(f"{gbps}G" for gbps in ETHERNET_GBPS)))
    for row in rows:
        table.add_row(
            row.direction, row.size, f"{row.sas:,}", f"{row.clocks_per_packet:.2f}",
            f"{100 * row.share:.1f}%", f"{row.bytes_per_clock:.2f}", str(row.latency_clocks),
            f"{row.gbps:.2f}", f"{row.mpps:.2f}",
            *(f"{row.line_mpps(gbps):.2f}" for gbps in ETHERNET_GBPS))
    return table


def _burst_table(width: int, clock_mhz: float, rows: Sequence[BurstRow]) -> Table:
    table = _empty_table(f"{width} bits a beat at {clock_mhz:g} MHz, super-frames", (
        "MSS", "segments", "size", "SAs", "clocks", "share", "lat", "wire", "data", "Mpps"))
    for row in rows:
        table.add_row(
            row.direction, f"{row.mss:,}", str(row.segments), row.size, f"{row.sas:,}",
            f"{row.clocks_per_burst:.2f}", f"{100 * row.share:.1f}%", str(row.latency_clocks),
            f"{row.gbps:.2f}", f"{row.payload_gbps:.2f}", f"{row.mpps:.2f}")
    return table


def _empty_table(title: str, names: Sequence[str]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0), title_justify="left",
                  title=title, title_style="bold")
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _speed_line(speed: Speed) -> str:
    return (
        f"simulation of IMIX: {speed.cosimulated:,.0f} clocks/s, {speed.packets:,.0f} packets/s\n"
        f"the same without cocotb: {speed.bare:,.0f} clocks/s, {speed.ratio:.2f} times as many\n"
    )


def summary(rows: Sequence[dict]) -> str:
    """Markdown of the rows of ``--json``: packets, then bursts."""
    bursts = [row for row in rows if row["direction"] == rate_lso.DIRECTION]
    packets = [row for row in rows if row["direction"] != rate_lso.DIRECTION]
    clocks = ", ".join(f"{width} bits at {mhz:g} MHz" for width, mhz in sorted(
        {(row["width"], row["clock_mhz"]) for row in rows}))
    return "\n\n".join([
        f"{clocks}. The limit is a beat each clock on the busier side.",
        _packet_summary(packets), _burst_summary(bursts)])


def _packet_summary(rows: Sequence[dict]) -> str:
    """Of each size and width the worst of all directions and counts of SAs."""
    widths = _widths(rows)
    counts = [f"{sas:,}" for sas in sorted({row["sas"] for row in rows})]
    lines = _markdown_head("packet", "of limit", *(
        f"{width}: {name}" for width in widths for name in ("clocks", "Gb/s")))
    for size in dict.fromkeys(row["size"] for row in rows):
        each = [min((row for row in rows if (row["size"], row["width"]) == (size, width)),
                    key=lambda row: row["share"]) for width in widths]
        cells = [f"{row['clocks_per_packet']:.2f} | {row['gbps']:.1f}" for row in each]
        lines.append(_markdown_row([
            f"{size:,} bytes" if isinstance(size, int) else size, _least_share(each), *cells]))
    latency = "; ".join(
        f"{width} bits tx {_latency(rows, width, 'tx')}, rx {_latency(rows, width, 'rx')}"
        for width in widths)
    return "\n".join([
        f"Clocks a packet, and rate of sealed frames: the worst of both directions with "
        f"{', '.join(counts)} SAs.", "", *lines, "",
        f"Latency beyond store and forward, in clocks, at most: {latency}."])


def _burst_summary(rows: Sequence[dict]) -> str:
    """Of each size of segment, the worst of all numbers of segments."""
    widths = _widths(rows)
    lines = _markdown_head("MSS", "segments a burst", "of limit", *(
        f"{width}: {name}" for width in widths for name in ("wire Gb/s", "payload Gb/s")))
    for mss in sorted({row["mss"] for row in rows}):
        alike = [row for row in rows if row["mss"] == mss]
        each = [min((row for row in alike if row["width"] == width),
                    key=lambda row: (row["share"], row["payload_gbps"])) for width in widths]
        numbers = sorted({row["segments"] for row in alike})
        cells = [f"{row['gbps']:.1f} | {row['payload_gbps']:.1f}" for row in each]
        lines.append(_markdown_row([
            f"{mss:,} bytes", ", ".join(map(str, numbers)), _least_share(each), *cells]))
    return "\n".join([
        "TCP super-packets cut into segments, bursts back to back: rate of sealed frames, and of "
        "the payload in them. The limit is the beats of the frames that leave.", "", *lines])


def _least_share(rows: Sequence[dict]) -> str:
    return f"{min(row['share'] for row in rows):.1%}"


def _widths(rows: Sequence[dict]) -> list[int]:
    return sorted({row["width"] for row in rows})


def _latency(rows: Sequence[dict], width: int, direction: str) -> int:
    return max(row["latency_clocks"] for row in rows
               if (row["width"], row["direction"]) == (width, direction))


def _markdown_head(*names: str) -> list[str]:
    return [_markdown_row(names), _markdown_row(["---"] * len(names))]


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def with_summary(text: str, new: str) -> str:
    """A Markdown text with another summary in its place."""
    return _SUMMARY.sub(lambda _old: f"{SUMMARY_BEGIN}\n{new}\n{SUMMARY_END}", text)


def plot(rows: Sequence[Row], path: Path) -> None:
    """Gb/s over packet size: a panel for each width, the line rates of Ethernet behind."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    fixed = [row for row in rows if row.size.isdigit()]
    widths = sorted({row.width for row in fixed})
    figure, panels = pyplot.subplots(
        1, len(widths), figsize=(5 * len(widths), 4.5), squeeze=False, layout="constrained")
    for panel, width in zip(panels[0], widths, strict=True):
        _plot_width(panel, [row for row in fixed if row.width == width])
    lines, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=len(widths) * 2)
    # The same figures give the same file.
    with replacing(path) as partial, pyplot.rc_context({"svg.hashsalt": "espnic"}):
        figure.savefig(partial, format=path.suffix[1:], dpi=120, metadata=(
            {"Date": None} if path.suffix == ".svg" else None))
    pyplot.close(figure)


def _plot_width(panel, rows: Sequence[Row]) -> None:
    lines = sorted({(row.direction, row.sas) for row in rows})
    for place, (direction, sas) in enumerate(lines):
        line = [row for row in rows if (row.direction, row.sas) == (direction, sas)]
        # A line on top of others is thinner, so that equal ones are all seen.
        panel.plot([int(row.size) for row in line], [row.gbps for row in line],
                   linewidth=1.5 * (len(lines) - place), solid_capstyle="round",
                   label=f"{direction}, {sas:,} SA{'s' * (sas > 1)}")
    lengths = sorted({(int(row.size), row.frame_bytes) for row in rows})
    greatest = max(row.gbps for row in rows)
    for gbps in ETHERNET_GBPS:
        if gbps > 2 * greatest:
            continue
        carried = [gbps * frame / (frame + rate.ETHERNET_OVERHEAD_BYTES) for _, frame in lengths]
        panel.plot([size for size, _ in lengths], carried, "--", color="grey", linewidth=0.8)
        panel.annotate(f"{gbps} GbE", (lengths[0][0], carried[0]), color="grey", fontsize="small",
                       xytext=(0, -3), textcoords="offset points", va="top")
    panel.set_xscale("log", base=2)
    sizes = [size for size, _ in lengths]
    panel.set_xticks(sizes, [str(size) for size in sizes], rotation=45)
    panel.set_ylim(bottom=0)
    panel.set_xlabel("clear IPv4 packet, bytes")
    panel.set_ylabel("sealed frames, Gb/s")
    panel.set_title(f"{rows[0].width} bits a beat at {rows[0].clock_mhz:g} MHz")
