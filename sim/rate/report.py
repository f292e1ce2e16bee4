"""The measured rates for a reader: tables on the terminal, a summary in Markdown, a plot."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from espnic.sim import ethernet, markdown
from espnic.sim.files import replacing
from espnic.sim.rate.lso import DIRECTION, BurstRow
from espnic.sim.rate.measure import ETHERNET_GBPS, Row, Speed
from espnic.sim.rate.mixes import DIRECTION as MIX
from espnic.sim.rate.mixes import Effort, MixRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLOT_SUFFIXES = (".png", ".svg")
_PART, _MAKER = "rates", "espnic bench --doc"
SUMMARY_BEGIN = markdown.mark(_PART, _MAKER)

Figures = Mapping[str, Any]
"""A row as ``Row.as_json`` gives it."""


def packet_table(width: int, clock_mhz: float, rows: Sequence[Row]) -> Table:
    """The figures of the packets for the terminal."""
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


def burst_table(width: int, clock_mhz: float, rows: Sequence[BurstRow]) -> Table:
    """The figures of the bursts for the terminal."""
    table = _empty_table(f"{width} bits a beat at {clock_mhz:g} MHz, super-frames", (
        "MSS", "segments", "size", "SAs", "clocks", "share", "lat", "wire", "data", "Mpps"))
    for row in rows:
        table.add_row(
            row.direction, f"{row.mss:,}", str(row.segments), row.size, f"{row.sas:,}",
            f"{row.clocks_per_burst:.2f}", f"{100 * row.share:.1f}%", str(row.latency_clocks),
            f"{row.gbps:.2f}", f"{row.payload_gbps:.2f}", f"{row.mpps:.2f}")
    return table


def mix_table(width: int, rows: Sequence[MixRow]) -> Table:
    """The figures of the mixes for the terminal."""
    table = _empty_table(f"{width} bits a beat, mixes", ("share", "waits"))
    table.add_column("mix, SAs", overflow="fold")
    for row in rows:
        figures = row.as_json()
        name = f"{row.known}: " if row.known else ""
        waits = f"{row.rate.stalls:,}" if row.side == "rx" else ""
        table.add_row(row.side, _floored(row.rate.share), waits,
                      f"{name}{figures['mix']}; {figures['sas']}")
    return table


def effort_line(effort: Effort) -> str:
    """Cost of the mixes, for the terminal."""
    return (
        f"{effort.mixes:,} mixes: {effort.clocks:,} clocks in {effort.simulated:,.0f} s of the "
        f"simulator, {effort.clocks / effort.simulated:,.0f} clocks/s; {effort.seconds:,.0f} s "
        "in all\n")


def _floored(share: float) -> str:
    """A share in per cent, never more than it is."""
    return f"{math.floor(1000 * share) / 10:.1f}%"


def _empty_table(title: str, names: Sequence[str]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0), title_justify="left",
                  title=title, title_style="bold")
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def speed_line(speed: Speed) -> str:
    """The speed of the simulation for the terminal."""
    return (
        f"simulation of IMIX: {speed.cosimulated:,.0f} clocks/s, {speed.packets:,.0f} packets/s\n"
        f"the same without cocotb: {speed.bare:,.0f} clocks/s, {speed.ratio:.2f} times as many\n"
    )


def has_summary(text: str) -> bool:
    """Whether a Markdown text has a place for the summary."""
    return markdown.has_part(text, _PART, _MAKER)


def with_summary(text: str, rows: Sequence[Figures]) -> str:
    """The Markdown text with the summary of the rows in its place."""
    return markdown.with_parts(text, {_PART: lambda: summary(rows)}, _MAKER)


def summary(rows: Sequence[Figures]) -> str:
    """Markdown of the rows of ``--json``: packets, then bursts, then mixes."""
    bursts = [row for row in rows if row["direction"] == DIRECTION]
    mixes = [row for row in rows if row["direction"] == MIX]
    packets = [row for row in rows if row["direction"] not in (DIRECTION, MIX)]
    clocks = ", ".join(f"{width} bits at {mhz:g} MHz" for width, mhz in sorted(
        {(row["width"], row["clock_mhz"]) for row in packets}))
    parts = [f"{clocks}. The limit is a beat each clock on the busier side.",
             _packet_summary(packets), _burst_summary(bursts)]
    parts += [_mix_summary(mixes)] if mixes else []
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _packet_summary(rows: Sequence[Figures]) -> str:
    """For each size and width, the worst of all directions and counts of SAs."""
    widths = _widths(rows)
    counts = [f"{sas:,}" for sas in sorted({row["sas"] for row in rows})]
    lines = []
    for size in dict.fromkeys(row["size"] for row in rows):
        each = [min((row for row in rows if (row["size"], row["width"]) == (size, width)),
                    key=lambda row: row["share"]) for width in widths]
        lines.append([
            f"{size:,} bytes" if isinstance(size, int) else size, _least_share(each),
            *(cell for row in each
              for cell in (f"{row['clocks_per_packet']:.2f}", f"{row['gbps']:.1f}"))])
    latency = "; ".join(
        f"{width} bits tx {_latency(rows, width, 'tx')}, rx {_latency(rows, width, 'rx')}"
        for width in widths)
    table = markdown.table(_head(widths, ("packet", "of limit"), ("clocks", "Gb/s")), lines)
    return (
        f"Clocks a packet, and rate of sealed frames: the worst of both directions with "
        f"{', '.join(counts)} SAs.\n\n{table}\n"
        f"Latency beyond store and forward, in clocks, at most: {latency}.")


def _burst_summary(rows: Sequence[Figures]) -> str:
    """For each size of segment and width, the worst of all numbers of segments."""
    widths = _widths(rows)
    lines = []
    for mss in sorted({row["mss"] for row in rows}):
        alike = [row for row in rows if row["mss"] == mss]
        each = [min((row for row in alike if row["width"] == width),
                    key=lambda row: (row["share"], row["payload_gbps"])) for width in widths]
        numbers = sorted({row["segments"] for row in alike})
        lines.append([
            f"{mss:,} bytes", ", ".join(map(str, numbers)), _least_share(each),
            *(cell for row in each
              for cell in (f"{row['gbps']:.1f}", f"{row['payload_gbps']:.1f}"))])
    head = _head(widths, ("MSS", "segments a burst", "of limit"), ("wire Gb/s", "payload Gb/s"))
    return (
        "TCP super-packets cut into segments, bursts back to back: rate of sealed frames, and of "
        "the payload in them. The limit is the beats of the frames that leave.\n\n"
        + markdown.table(head, lines))


def _mix_summary(rows: Sequence[Figures]) -> str:
    """The known mixes at each width, then the worst that were found at each."""
    widths = _widths(rows)
    known: dict[str, dict[int, Figures]] = {}
    for row in rows:
        if row["known"]:
            known.setdefault(row["known"], {})[row["width"]] = row
    lines = [[one["side"], one["mix"], one["sas"], *(_reached(each[width]) for width in widths)]
             for each in known.values() for one in list(each.values())[:1]]
    text = (
        "Mixes of traffic that are known to be hard: per cent of the limit. \"Waits\": clocks in "
        "which the input of `rx` had to wait, when a MAC may drop.\n\n"
        + markdown.table(["", "mix", "on", *(f"{width} bits" for width in widths)], lines))
    found = [row for row in rows if not row["known"]]
    return f"{text}\n{_found_summary(found)}" if found else text


def _found_summary(rows: Sequence[Figures]) -> str:
    """The worst mixes that a search has found."""
    searched, seeds = (" and ".join(f"{each:,}" for each in sorted({row[name] for row in rows}))
                       for name in ("searched", "seed"))
    lines = [[row["width"], row["side"], row["mix"], row["beside"], row["sas"], _reached(row)]
             for row in rows]
    return (
        f"The worst mixes that a search over {searched} at a width has found, with seed {seeds}."
        "\n\n"
        + markdown.table(["bits", "", "mix", "beside it", "on", "of limit"], lines))


def _reached(row: Figures) -> str:
    """The share of a mix, and how long the input of receive had to wait if it had to."""
    share = _floored(row["share"])
    if row["side"] == "tx" or not row["stalls"]:
        return share
    return f"{share}, waits {row['stalls']:,} of {row['stalls'] + row['beats_in']:,} clocks"


def _head(widths: Sequence[int], names: Sequence[str], each: Sequence[str]) -> list[str]:
    """Names of columns, and those that there are for each width."""
    return [*names, *(f"{width}: {name}" for width in widths for name in each)]


def _least_share(rows: Sequence[Figures]) -> str:
    return f"{min(row['share'] for row in rows):.1%}"


def _widths(rows: Sequence[Figures]) -> list[int]:
    return sorted({row["width"] for row in rows})


def _latency(rows: Sequence[Figures], width: int, direction: str) -> int:
    latencies: list[int] = [row["latency_clocks"] for row in rows
                            if (row["width"], row["direction"]) == (width, direction)]
    return max(latencies)


def plot(rows: Sequence[Row], path: Path) -> None:
    """Draw Gb/s over packet size: a panel for each width, with the line rates of Ethernet."""
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


def _plot_width(panel: "Axes", rows: Sequence[Row]) -> None:
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
        carried = [gbps * frame / (frame + ethernet.OVERHEAD_BYTES) for _, frame in lengths]
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
