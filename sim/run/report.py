"""Results of a run: captures, completions, traces, and a summary on the terminal."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.table import Table

from espnic.model import trace
from espnic.model.trace import TraceRecord
from espnic.sim.capture.pcap import Note, write_pcap, write_pcapng
from espnic.sim.clocks import CLOCK_NS
from espnic.sim.files import replacing

CLOCK_MHZ = 312.5
"""Clock that the rates in the summary are for: 128 bits a clock are 40 Gb/s at it."""

_PACKET_POINTS = ("rx.in", "rx.out", "tx.in", "tx.out")
_VERDICT_POINTS = ("rx.verdict", "tx.verdict")


def write_frames(path: Path, frames: Iterable[bytes]) -> None:
    """Write frames as a pcap, in order and a microsecond apart."""
    write_pcap(path, ((1000 * number, frame) for number, frame in enumerate(frames)))


def write_trace(folder: Path, name: str, records: Sequence[TraceRecord]) -> None:
    """Write ``NAME.trace.jsonl``, and ``NAME.trace.pcapng`` with its frames for Wireshark."""
    with replacing(folder / f"{name}.trace.jsonl") as partial:
        trace.write(partial, records)
    write_pcapng(folder / f"{name}.trace.pcapng", _notes(records))


def write_verdicts(path: Path, records: Iterable[TraceRecord]) -> None:
    """Write what became of each packet: the fields of its verdict, a line of JSON each."""
    with replacing(path) as partial, partial.open("w", encoding="utf-8") as file:
        for record in records:
            if record.point in _VERDICT_POINTS:
                file.write(json.dumps({"packet": record.packet} | record.fields) + "\n")


def status_table(records: Iterable[TraceRecord]) -> Table:
    """Number of frames, and of bytes that came in them, by status."""
    lengths: dict[int, int] = {}
    frames: Counter[str] = Counter()
    octets: Counter[str] = Counter()
    for record in records:
        if record.point in ("rx.in", "tx.in"):
            lengths[record.packet] = len(record.fields["frame"]) // 2
        elif record.point in _VERDICT_POINTS:
            status = record.fields["status"]
            frames[status] += 1
            # All segments of a super-frame came as one frame, which counts once.
            octets[status] += lengths.pop(record.packet, 0)
    table = Table("status", box=None, header_style="bold", show_footer=True)
    table.columns[0].footer = "total"
    table.add_column("frames", f"{frames.total():,}", justify="right")
    table.add_column("bytes", f"{octets.total():,}", justify="right")
    for status, count in frames.most_common():
        table.add_row(status, f"{count:,}", f"{octets[status]:,}")
    return table


def rates(clocks: int, frames: int, octets: int) -> str:
    """One line: clocks, clocks a packet, and the rates at ``CLOCK_MHZ``."""
    seconds = clocks / (CLOCK_MHZ * 1e6)
    return (
        f"{clocks:,}, {clocks / frames:.1f} a packet; at {CLOCK_MHZ} MHz "
        f"{frames / seconds / 1e6:.2f} M packets/s, {8 * octets / seconds / 1e9:.1f} Gb/s"
    )


def _notes(records: Sequence[TraceRecord]) -> list[Note]:
    """The frames of a trace, each with its trace point and verdict as a comment."""
    verdicts = {
        (record.point[:2], record.packet): record.fields
        for record in records if record.point in _VERDICT_POINTS
    }
    notes = []
    for record in records:
        if record.point not in _PACKET_POINTS:
            continue
        verdict = verdicts.get((record.point[:2], record.packet), {})
        said = ", ".join(f"{name} {value}" for name, value in verdict.items())
        notes.append(Note(
            bytes.fromhex(record.fields["frame"]),
            f"{record.point} of packet {record.packet}: {said}",
            clock_ns=record.packet * 1000 * CLOCK_NS,
        ))
    return notes
