"""The figures of synthesis for a reader: a table, lines of text, and JSON."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Literal

from rich.table import Table

from espnic.hdl.layouts import beat, ghash_lanes, lanes_of
from espnic.hdl.lso.segment_path import SLICE_BYTES
from espnic.hdl.rx.path import STORE_BYTES
from espnic.hdl.sa.replay_windows import window_bits
from espnic.hdl.sa.sent_numbers import sent_bits
from espnic.hdl.sa.store import ram_bits_per_sa
from espnic.hdl.tx.path import SUPER_STORE_BYTES
from espnic.model.interface.codes import AES_BLOCK_BYTES, SaDirection
from espnic.model.interface.features import SAS, Features
from espnic.sim.synth.job import Row
from espnic.sim.timing.estimate import SEEDS, Estimate, from_dict

LEVELS_MAX = 8
"""Most levels that a path from register to register should have."""
PACKET_BYTES = 64
"""Length of the packets at which the GCM cores are compared."""
MISSING = "–"
KEPT_MARK = "*"
"""Mark after the name of a block that was synthesised with its hierarchy kept."""
ESTIMATE_MARK = "~"
"""Mark before an estimated clock."""
COLUMNS = ("block", "width", "target", "LUT", "LUT RAM", "FF", "BRAM", "levels", "at I/O", "MHz")
NAME_COLUMNS = 3
"""Number of columns before the figures."""


def cells(row: Row) -> tuple[str, ...]:
    """The text of a row for each of ``COLUMNS``."""
    numbers = (row.lut, row.lut_ram, row.ff, row.bram, row.levels, row.port_levels)
    return (
        marked(row),
        MISSING if row.width is None else str(row.width),
        row.target,
        *(MISSING if number < 0 else f"{number:,g}" if number != int(number)
          else f"{int(number):,}" for number in numbers),
        _mhz(row),
    )


def _mhz(row: Row) -> str:
    """The clock after place and route, or an estimate, which is marked as such."""
    if row.clock is not None:
        return f"{ESTIMATE_MARK}{row.clock.mhz:.0f}"
    return MISSING if row.fmax_mhz is None else f"{row.fmax_mhz:.0f}"


def marked(row: Row) -> str:
    """Name of the block, marked if its hierarchy was kept."""
    return f"{row.block}{KEPT_MARK}" if row.kept else row.block


def table(rows: Iterable[Row]) -> Table:
    """The figures for the terminal."""
    result = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    for name in COLUMNS:
        justify: Literal["left", "right"] = "left" if name in ("block", "target") else "right"
        result.add_column(name, justify=justify, no_wrap=True)
    for row in rows:
        result.add_row(*cells(row))
    return result


def gcm_clocks(width: int) -> int:
    """Clocks that the GCM core takes for a packet of ``PACKET_BYTES`` text and 8 bytes of AAD.

    These are one beat of AAD, the beats of the text, and one beat for the lengths block when it
    has no lane of its own and the last text beat leaves none free (``hdl.gcm.core``). ``width`` is
    the bits of a beat.
    """
    lanes = lanes_of(width)
    beat_bytes = width // 8
    beats = -(-PACKET_BYTES // beat_bytes)
    last_bytes = PACKET_BYTES - (beats - 1) * beat_bytes
    lengths = ghash_lanes(lanes) == lanes and last_bytes > beat_bytes - AES_BLOCK_BYTES
    return 1 + beats + lengths


def per_bit_a_clock(lut: int, clocks: int) -> float:
    """Number of LUTs for each bit of ``PACKET_BYTES`` packets that is sealed in a clock."""
    return lut * clocks / (8 * PACKET_BYTES)


def compared(rows: Iterable[Row]) -> list[str]:
    """A line for each GCM core measured for UltraScale+, with what it is compared by."""
    return [
        f"{marked(row)} {width}: {per_bit_a_clock(row.lut, gcm_clocks(width)):.0f} LUT for a bit "
        f"a clock, {PACKET_BYTES}-byte packets back to back, {gcm_clocks(width)} clocks each"
        for width, row in gcm_cores(rows)
    ]


def gcm_cores(rows: Iterable[Row]) -> list[tuple[int, Row]]:
    """Width and figures of each GCM core measured for UltraScale+."""
    return [(row.width, row) for row in rows
            if row.block == "gcm_core" and row.target == "xcup" and row.width is not None]


def deep(rows: Iterable[Row]) -> list[str]:
    """A line for each longest path of a block that has more than ``LEVELS_MAX`` levels."""
    lines = []
    for row in rows:
        for levels, place, path in ((row.levels, "", row.path),
                                    (row.port_levels, " at I/O", row.port_path)):
            if levels > LEVELS_MAX:
                lines.append(f"{_title(row)}: {levels} levels{place}, {' > '.join(path)}")
    return lines


def clocked(rows: Iterable[Row]) -> list[str]:
    """Two lines for each clock estimate: the figures, and the slowest path."""
    lines = []
    for row in rows:
        if row.clock is None:
            continue
        inner = row.clock.inner_mhz
        lines += [
            f"{_title(row)}: about {row.clock.mhz:.0f} MHz ({row.clock.least_mhz:.0f} to "
            f"{row.clock.most_mhz:.0f} over {SEEDS} seeds, wires x {row.clock.wires:g}), without "
            f"the ports {MISSING if inner is None else f'{inner:.0f}'}; slowest path "
            f"{row.clock.period_ps / 1000:.2f} ns, {row.clock.wire_share:.0%} of it wires:",
            f"  {path_text(row.clock)}"]
    return lines


def path_text(clock: Estimate) -> str:
    """The cells of the slowest path, with the names that the design has for what they drive."""
    return " > ".join(f"{step.cell} {step.name}" if step.name else step.cell
                      for step in clock.path)


def _title(row: Row) -> str:
    return " ".join(str(part) for part in (marked(row), row.width, row.target) if part)


def memory(width: int) -> tuple[float, float, int, int]:
    """RAM bits of a receive SA, of a transmit SA, and of the frame stores of each path.

    The stores of the receive path come before those of the transmit path.
    """
    beat_bits = beat(width).size
    return (
        ram_bits_per_sa(width, SAS, SaDirection.RX) + window_bits(Features().replay_window),
        ram_bits_per_sa(width, SAS, SaDirection.TX) + sent_bits(Features().sent_window),
        # Frames as they came, and their plaintext.
        2 * 8 * STORE_BYTES // width * beat_bits,
        # Frames as they came, and slices of super-frames.
        8 * (SUPER_STORE_BYTES + SLICE_BYTES) // width * beat_bits,
    )


def remembered(rows: Iterable[Row]) -> list[str]:
    """A line on the memory at each width that the rows have."""
    lines = []
    for width in sorted({row.width for row in rows if row.width is not None}):
        rx_sa, tx_sa, rx_store, tx_store = memory(width)
        lines.append(
            f"RAM at {width} bits: {rx_sa:,} bits a receive SA, {tx_sa:,} a transmit SA; frame "
            f"stores {rx_store:,} receive, {tx_store:,} transmit")
    return lines


def to_json(rows: Iterable[Row]) -> str:
    """The figures as a list of objects with the fields of ``sim.synth.job.Row``."""
    return json.dumps([asdict(row) for row in rows], indent=1) + "\n"


def from_json(text: str) -> list[Row]:
    """The rows that ``to_json`` wrote."""
    return [
        Row(**{**row, "path": tuple(row["path"]), "port_path": tuple(row["port_path"]),
               "clock": from_dict(row["clock"])})
        for row in json.loads(text)
    ]
