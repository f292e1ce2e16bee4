"""The text of docs/area.md."""

from collections.abc import Sequence
from dataclasses import dataclass

from espnic.model.interface.features import SAS, WIDTHS
from espnic.sim.markdown import table
from espnic.sim.synth.job import COMMANDS, KEPT_COMMANDS, Row
from espnic.sim.synth.report import (
    COLUMNS,
    ESTIMATE_MARK,
    KEPT_MARK,
    LEVELS_MAX,
    MISSING,
    PACKET_BYTES,
    cells,
    deep,
    gcm_clocks,
    gcm_cores,
    marked,
    memory,
    path_text,
    per_bit_a_clock,
)
from espnic.sim.timing.estimate import SEEDS, Estimate

TITLE = "# Area and paths"


@dataclass(frozen=True)
class Peer:
    """Another open AES-GCM core, measured with the same command."""

    name: str
    lut: int
    ff: int
    clocks: int
    """Clocks for a packet of ``PACKET_BYTES``, packets back to back."""


PEERS = (
    Peer("zhuangjiali2/FPGA-AES-GCM", lut=24_500, ff=12_600, clocks=185),
    # 57,300 LUT when flattened as the others are.
    Peer("BLu85/AES-GCM-128-192-256-bits, one block a clock", lut=32_800, ff=6_900, clocks=24),
)

_HEAD = TITLE + """

Written by `espnic synth --doc docs/area.md` from what open synthesis gave; a block that is not
listed was not measured. Figures are those of Yosys, not of a vendor's tool.

- `xcup`: Xilinx UltraScale+, `{xcup}`.
  LUT is the sum of LUT2 to LUT6, BRAM is in blocks of 36 kbit.
- `ecp5`: Lattice ECP5, `{ecp5}`. LUT is LUT4 without those in carry chains,
  BRAM is in blocks of 18 kbit. MHz is what nextpnr reaches on an LFE5U-85, grade 8, ports not
  bound to pins.
- {about} before MHz: no tool of the vendor's gave it. It is an estimate from a placement with
  published delays: `docs/clock.md`.
- LUT RAM: LUTs that serve as distributed RAM or shift registers. They are not in LUT.
- levels: LUTs on the longest path from register to register. A carry chain counts one however
  long, a read of distributed RAM one; MUXF7, MUXF8 and their like join the LUTs of a slice and
  count none. A start at a block RAM without its output register counts three, as its data takes
  that long. "At I/O": the same for paths that start or end at a port of the block.
- A block without a width does not depend on it. SA tables have {sas:,} places.
- `_no_core` behind a name: without the AES-GCM core, at whose ports paths end and start.
- `_f2`, `_f4` behind a name: with cores that take a slot in two or four clocks. `_ram`: with
  S-boxes in block RAM.
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
64 KiB among them, and one for the payloads of segments that have been cut.

"""

_CLOCKS = """
## Estimated clocks

Of UltraScale+, by the rules of `docs/clock.md`: the median of {seeds} placements, and the
least and the most of them. "Inside": paths that do not touch the ports. "x": factor of the delays
of wires over those of an empty device. The path is the slowest of the middle placement, with the
share of wires in it.

"""


def markdown(rows: Sequence[Row]) -> str:
    """The text of docs/area.md."""
    commands = COMMANDS | {
        f"{target}_kept": command for target, command in KEPT_COMMANDS.items()}
    parts = [_HEAD.format(
        **{name: command.format(top="BLOCK") for name, command in commands.items()},
        sas=SAS, mark=KEPT_MARK, about=ESTIMATE_MARK)]
    parts.append(table(COLUMNS, map(cells, rows)))
    cores = gcm_cores(rows)
    if cores:
        parts.append(_COMPARISON.format(bytes=PACKET_BYTES, bits=8 * PACKET_BYTES))
        parts.append(table(("core", "LUT", "FF", "clocks a packet", "LUT a bit a clock"), [
            *(_comparison(f"espnic {marked(row)}, {width} bits", row.lut, row.ff,
                          gcm_clocks(width)) for width, row in cores),
            *(_comparison(peer.name, peer.lut, peer.ff, peer.clocks) for peer in PEERS),
        ]))
    parts.append(_MEMORY.format(sas=SAS))
    parts.append(table(
        ("width", "receive SA", "transmit SA", "receive stores", "transmit stores"),
        [(width, *(f"{bits:,}" for bits in memory(width))) for width in WIDTHS]))
    clocks = [_clock(row, row.clock) for row in rows if row.clock is not None]
    if clocks:
        parts.append(_CLOCKS.format(seeds=SEEDS))
        parts.append(table(("block", "width", "x", "MHz", "least", "most", "inside", "wires",
                            "slowest path"), clocks))
    parts.append(f"\n## Paths above {LEVELS_MAX} levels\n\n")
    parts += [f"- {line}\n" for line in deep(rows)] or ["None.\n"]
    return "".join(parts)


def _clock(row: Row, clock: Estimate) -> tuple[str, ...]:
    """A line of the table of clocks."""
    return (
        marked(row), MISSING if row.width is None else str(row.width), f"{clock.wires:g}",
        *(f"{mhz:.0f}" for mhz in (clock.mhz, clock.least_mhz, clock.most_mhz)),
        MISSING if clock.inner_mhz is None else f"{clock.inner_mhz:.0f}",
        f"{clock.wire_share:.0%}", path_text(clock))


def _comparison(name: str, lut: int, ff: int, clocks: int) -> tuple[str, ...]:
    """A line of the comparison of cores."""
    return name, f"{lut:,}", f"{ff:,}", str(clocks), f"{per_bit_a_clock(lut, clocks):,.0f}"
