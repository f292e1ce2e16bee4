"""The figures of synthesis for a reader: on the terminal, as JSON, and as docs/area.md."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from espnic.hdl.layouts import beat, ghash_lanes
from espnic.model.interface.codes import AES_BLOCK_BYTES, SaDirection
from espnic.sim.files import replacing
from espnic.sim.problem import InputError, SimulationError
from espnic.sim.synth import jobs as synth
from espnic.sim.synth.jobs import Failure, Job, Row, Synthesis

LEVELS_MAX = 8
"""The most levels that a path from register to register should have."""

PACKET_BYTES = 64
"""The packets at which the GCM cores are compared."""

_REFRESH_SECONDS = 0.5
_MISSING = "–"
_KEPT = "*"
"""Behind what was synthesised with its hierarchy kept."""


@dataclass(frozen=True)
class Request:
    """What ``espnic synth`` does beside synthesising."""

    cached: bool
    """Run nothing: show what earlier runs have measured."""
    parallel: int
    """Tools to run at once."""
    json_file: Path | None
    document: Path | None


def measure(jobs: Sequence[Job], request: Request, console: Console) -> None:
    """Synthesise, and show and write the figures.

    Raises ``SimulationError``, after all that, when a tool failed.
    """
    for path in (request.json_file, request.document):
        if path is not None and not path.parent.is_dir():
            raise InputError(f"{path}: no folder {path.parent}, expected one that exists")
    if request.document is not None and not _may_write(request.document):
        raise InputError(f"--doc {request.document}: a file with other text, expected a new one or "
                         f"one that begins with {_TITLE}")
    synthesis = Synthesis(request.cached)
    rows: dict[Job, Row] = {}
    failures: list[Failure] = []
    with _Progress(synthesis, len(jobs), console) as progress:
        def ended(job: Job, result: Row | Failure | None) -> None:
            if isinstance(result, Row):
                rows[job] = result
            elif isinstance(result, Failure):
                failures.append(result)
            progress.ended(job, result)

        synthesis.run(jobs, request.parallel, ended)
    ordered = [rows[job] for job in jobs if job in rows]
    console.print(table(ordered))
    for line in [*compared(ordered), *remembered(ordered), *deep(ordered)]:
        console.print(line, highlight=False, soft_wrap=True)
    if request.json_file is not None:
        with replacing(request.json_file) as partial:
            partial.write_text(to_json(ordered))
    if request.document is not None:
        with replacing(request.document) as partial:
            partial.write_text(markdown(ordered))
    if failures:
        raise SimulationError("\n".join(
            f"{failure.job}: {failure.reason}" for failure in failures))


def _may_write(document: Path) -> bool:
    """Whether the document is not there, or is one of ours."""
    if not document.exists():
        return True
    with document.open("rb") as file:
        return file.readline().rstrip() == _TITLE.encode()


class _Progress:
    """Prints each result as it comes, and below them what runs and for how long."""

    def __init__(self, synthesis: Synthesis, total: int, console: Console) -> None:
        self._synthesis = synthesis
        self._total = total
        self._console = console
        self._done = 0
        self._since: dict[str, float] = {}
        self._live = Live(
            console=console, get_renderable=self._render, transient=True,
            refresh_per_second=1 / _REFRESH_SECONDS)

    def __enter__(self) -> "_Progress":
        self._live.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._live.stop()

    def ended(self, job: Job, result: Row | Failure | None) -> None:
        """Count a job; say what came of it."""
        self._done += 1
        if isinstance(result, Row):
            figures = zip(_COLUMNS[_NAMES:], cells(result)[_NAMES:], strict=True)
            said = ", ".join(f"{value} {name}" for name, value in figures if value != _MISSING)
            self._console.print(f"{job}: {said}", highlight=False, soft_wrap=True)
        elif isinstance(result, Failure):
            self._console.print(f"{job}: {result.reason}", highlight=False, markup=False)

    def _render(self) -> Text:
        now = time.monotonic()
        steps = self._synthesis.steps()
        self._since = {job: self._since.get(job, now) for job in steps}
        lines = [f"{self._done} of {self._total} done"]
        for job, step in steps.items():
            minutes, seconds = divmod(int(now - self._since[job]), 60)
            lines.append(f"  {job}  {minutes}:{seconds:02}  {step}")
        return Text("\n".join(lines))


_COLUMNS = ("block", "width", "target", "LUT", "LUT RAM", "FF", "BRAM", "levels", "at I/O", "MHz")

_NAMES = 3
"""Columns in front of the figures."""


def cells(row: Row) -> tuple[str, ...]:
    """A row as text, by ``_COLUMNS``."""
    numbers = (row.lut, row.lut_ram, row.ff, row.bram, row.levels, row.port_levels)
    return (
        _marked(row),
        _MISSING if row.width is None else str(row.width),
        row.target,
        *(_MISSING if number < 0 else f"{number:,g}" if number != int(number)
          else f"{int(number):,}" for number in numbers),
        _MISSING if row.fmax_mhz is None else f"{row.fmax_mhz:.0f}",
    )


def _marked(row: Row) -> str:
    return row.block + _KEPT * row.kept


def table(rows: Iterable[Row]) -> Table:
    """The figures for the terminal."""
    result = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    for name in _COLUMNS:
        justify: Literal["left", "right"] = "left" if name in ("block", "target") else "right"
        result.add_column(name, justify=justify, no_wrap=True)
    for row in rows:
        result.add_row(*cells(row))
    return result


def gcm_clocks(width: int) -> int:
    """Clocks that the GCM core takes for a packet of ``PACKET_BYTES`` text and 8 bytes of AAD.

    A beat of AAD, the beats of the text, and one for the lengths block when it has no lane of its
    own and the last text beat leaves none (``hdl.gcm.core``). ``width`` is in bits.
    """
    lanes = width // (8 * AES_BLOCK_BYTES)
    beat_bytes = width // 8
    beats = -(-PACKET_BYTES // beat_bytes)
    last_bytes = PACKET_BYTES - (beats - 1) * beat_bytes
    lengths = ghash_lanes(lanes) == lanes and last_bytes > beat_bytes - AES_BLOCK_BYTES
    return 1 + beats + lengths


def per_bit_a_clock(lut: int, clocks: int) -> float:
    """LUTs for each bit of ``PACKET_BYTES`` packets that is sealed in a clock."""
    return lut * clocks / (8 * PACKET_BYTES)


def compared(rows: Iterable[Row]) -> list[str]:
    """A line for each GCM core measured for UltraScale+, as other cores are compared below."""
    return [
        f"{_marked(row)} {width}: {per_bit_a_clock(row.lut, gcm_clocks(width)):.0f} LUT for a bit "
        f"a clock, {PACKET_BYTES}-byte packets back to back, {gcm_clocks(width)} clocks each"
        for width, row in _cores(rows)
    ]


def _cores(rows: Iterable[Row]) -> list[tuple[int, Row]]:
    return [(row.width, row) for row in rows
            if row.block == "gcm_core" and row.target == "xcup" and row.width is not None]


def deep(rows: Iterable[Row]) -> list[str]:
    """A line for each longest path of a block that has more than ``LEVELS_MAX`` levels."""
    lines = []
    for row in rows:
        block = " ".join(str(part) for part in (_marked(row), row.width, row.target) if part)
        for levels, place, path in ((row.levels, "", row.path),
                                    (row.port_levels, " at I/O", row.port_path)):
            if levels > LEVELS_MAX:
                lines.append(f"{block}: {levels} levels{place}, {' > '.join(path)}")
    return lines


def memory(width: int) -> tuple[float, float, int, int]:
    """RAM bits: of an SA and of a path's stores for frames, each receive and transmit."""
    from espnic.hdl.lso.segment_path import SLICE_BYTES
    from espnic.hdl.rx.path import STORE_BYTES
    from espnic.hdl.sa.replay_windows import window_bits
    from espnic.hdl.sa.store import ram_bits_per_sa
    from espnic.hdl.tx.path import SUPER_STORE_BYTES
    from espnic.model.interface.features import SAS, Features

    beat_bits = beat(width).size
    return (
        ram_bits_per_sa(width, SAS, SaDirection.RX) + window_bits(Features().replay_window),
        ram_bits_per_sa(width, SAS, SaDirection.TX),
        # Frames as they came, and their plaintext.
        2 * 8 * STORE_BYTES // width * beat_bits,
        # Frames as they came, and slices of super-frames until they have been summed.
        8 * (SUPER_STORE_BYTES + SLICE_BYTES) // width * beat_bits,
    )


def remembered(rows: Iterable[Row]) -> list[str]:
    """A line on the memory at each width among the rows."""
    lines = []
    for width in sorted({row.width for row in rows if row.width is not None}):
        rx_sa, tx_sa, rx_store, tx_store = memory(width)
        lines.append(
            f"RAM at {width} bits: {rx_sa:,} bits a receive SA, {tx_sa:,} a transmit SA; frame "
            f"stores {rx_store:,} receive, {tx_store:,} transmit")
    return lines


def to_json(rows: Iterable[Row]) -> str:
    """The figures as a list of objects with the fields of ``sim.synth.jobs.Row``."""
    return json.dumps([asdict(row) for row in rows], indent=1) + "\n"


def from_json(text: str) -> list[Row]:
    """The rows that ``to_json`` wrote."""
    return [
        Row(**{**row, "path": tuple(row["path"]), "port_path": tuple(row["port_path"])})
        for row in json.loads(text)
    ]


@dataclass(frozen=True)
class Peer:
    """Another open AES-GCM core, measured with the same command."""

    name: str
    lut: int
    ff: int
    clocks: int
    """For a packet of ``PACKET_BYTES``, back to back."""


PEERS = (
    Peer("zhuangjiali2/FPGA-AES-GCM", lut=24_500, ff=12_600, clocks=185),
    # 57,300 LUT when flattened as the others are.
    Peer("BLu85/AES-GCM-128-192-256-bits, one block a clock", lut=32_800, ff=6_900, clocks=24),
)

_TITLE = "# Area and paths"

_HEAD = _TITLE + """

Written by `espnic synth --doc docs/area.md` from what open synthesis gave; a block that is not
listed was not measured. Figures are those of Yosys, not of a vendor's tool.

- `xcup`: Xilinx UltraScale+, `{xcup}`.
  LUT is the sum of LUT2 to LUT6, BRAM is in blocks of 36 kbit.
- `ecp5`: Lattice ECP5, `{ecp5}`. LUT is LUT4 without those in carry chains,
  BRAM is in blocks of 18 kbit. MHz is what nextpnr reaches on an LFE5U-85, grade 8, ports not
  bound to pins.
- LUT RAM: LUTs that serve as distributed RAM or shift registers. They are not in LUT.
- levels: LUTs on the longest path from register to register. A carry chain counts one however
  long, a read of distributed RAM one; MUXF7, MUXF8 and their like join the LUTs of a slice and
  count none. "At I/O": the same for paths that start or end at a port of the block.
- A block without a width does not depend on it. SA tables have {sas:,} places.
- {mark} behind a name: what has several AES lanes, or more than the core, is synthesised with its
  hierarchy kept (`{xcup_kept}`;
  `{ecp5_kept}`): each module is mapped once, and then all are linked
  to one netlist. Area and levels are counted over the borders of the modules all the same, but
  nothing was optimised over them. `gcm_core` at 128 bits is listed both ways, to show what that
  costs.

"""

_COMPARISON = """
## AES-GCM beside other open cores

LUT for each bit of {bytes}-byte packets that is sealed in a clock: LUT x clocks / {bits}. All are
synthesised with the `xcup` command above, the second of the others with its hierarchy kept, which
makes it smaller. espnic takes a new key with every packet and has its key schedule in the figure.

"""


_MEMORY = """
## RAM bits

Of an SA with its share of the look-up table, in tables of {sas:,} places (`hdl.sa.store`), and of
the stores that keep frames until it is known what becomes of them: on receive one for frames as
they came and one for their plaintext; on transmit one for frames as they came, super-frames of
64 KiB among them, and one for the payloads of segments until they have been summed.

"""


def markdown(rows: Sequence[Row]) -> str:
    """The text of docs/area.md."""
    from espnic.model.interface.features import SAS, WIDTHS

    commands = synth.COMMANDS | {
        f"{target}_kept": command for target, command in synth.KEPT_COMMANDS.items()}
    parts = [_HEAD.format(
        **{name: command.format(top="BLOCK") for name, command in commands.items()},
        sas=SAS, mark=_KEPT)]
    parts += _lines(_COLUMNS, (cells(row) for row in rows))
    cores = _cores(rows)
    if cores:
        parts.append(_COMPARISON.format(bytes=PACKET_BYTES, bits=8 * PACKET_BYTES))
        parts += _lines(("core", "LUT", "FF", "clocks a packet", "LUT a bit a clock"), [
            *(_comparison(f"espnic {_marked(row)}, {width} bits", row.lut, row.ff,
                          gcm_clocks(width)) for width, row in cores),
            *(_comparison(peer.name, peer.lut, peer.ff, peer.clocks) for peer in PEERS),
        ])
    parts.append(_MEMORY.format(sas=SAS))
    parts += _lines(("width", "receive SA", "transmit SA", "receive stores", "transmit stores"), [
        (str(width), *(f"{bits:,}" for bits in memory(width))) for width in WIDTHS])
    parts.append(f"\n## Paths above {LEVELS_MAX} levels\n\n")
    parts += [f"- {line}\n" for line in deep(rows)] or ["None.\n"]
    return "".join(parts)


def _comparison(name: str, lut: int, ff: int, clocks: int) -> tuple[str, ...]:
    return name, f"{lut:,}", f"{ff:,}", str(clocks), f"{per_bit_a_clock(lut, clocks):,.0f}"


def _lines(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(head) + " |\n",
        "| " + " | ".join("---" for _ in head) + " |\n",
        *("| " + " | ".join(row) + " |\n" for row in rows),
    ]
