"""Tables of the documents, from layouts, presets and measured figures."""

from pathlib import Path

from espnic.hdl.sa.replay_windows import window_bits
from espnic.hdl.sa.sent_numbers import sent_bits
from espnic.hdl.sa.store import ram_bits_per_sa
from espnic.model.interface.codes import SaDirection
from espnic.model.interface.features import WIDTHS, Features
from espnic.model.interface.layouts import RX_COMPLETION, TX_DESCRIPTOR, Layout
from espnic.sim import ethernet
from espnic.sim.export import figures, testbench
from espnic.sim.export.presets import PRESETS
from espnic.sim.files import PROJECT
from espnic.sim.markdown import table, with_parts
from espnic.sim.problem import InputError

DOCUMENTS = (PROJECT / "docs" / "integration.md",)
BRAM_BITS = 36 * 1024
"""Size of a block RAM of UltraScale+."""


def documents() -> dict[Path, str]:
    """The documents with their tables as they are now."""
    return {path: with_tables(path.read_text(encoding="utf-8")) for path in DOCUMENTS}


def with_tables(text: str) -> str:
    """The text of a document with its tables as they are now."""
    return with_parts(text, _TABLES)


def _fields(layout: Layout) -> str:
    rows = []
    low = 0
    for field in layout.fields:
        high = low + field.bits - 1
        rows.append((f"{high}:{low}" if field.bits > 1 else low, field.name, field.doc))
        low += field.bits
    return table(("bits", "field", "meaning"), rows)


def _frame() -> str:
    """The frame of the testbench's packet, part by part."""
    rows, offset = [], 0
    for part in testbench.parts(testbench.packet_request().frame):
        rows.append((f"{offset} to {offset + len(part.data) - 1}", part.meaning,
                     f"`{part.data.hex(' ', -4)}`"))
        offset += len(part.data)
    return table(("bytes", "what", "hex"), rows)


def _presets() -> str:
    rows = []
    for name, preset in PRESETS.items():
        features = Features(width=preset.width, sas=preset.sas, fold=preset.fold)
        ram = sent_bits(features.sent_window) + window_bits(features.replay_window) + sum(
            ram_bits_per_sa(preset.width, preset.sas, direction) for direction in SaDirection)
        needed = figures.line_clocks(features)[preset.line]
        rows.append((
            f"`{name}`", preset.width, preset.fold, f"{preset.sas:,}", f"{preset.clock_mhz:g} MHz",
            preset.why, f"{needed:.1f} MHz", f"{ram:,.0f}",
            f"{ram * preset.sas / BRAM_BITS:,.0f}"))
    return table(("preset", "width", "fold", "SAs", "clock", "which is", "needed", "RAM bits an SA",
                  "block RAMs of the SA tables"), rows)


def _line_clocks() -> str:
    """The clock that each line rate needs, and the size of frame that needs it."""
    rows = []
    for line in figures.LINES:
        cells = []
        for width in WIDTHS:
            hardest = ethernet.hardest(width)
            mhz = ethernet.needed_mhz(float(line), hardest, width)
            cells.append(f"{mhz:.1f} MHz ({hardest:,} B)")
        rows.append((f"{line} Gb/s", *cells))
    return table(("line", *(f"{width} bits" for width in WIDTHS)), rows)


def _parts() -> str:
    rows = []
    for whole, reduced, part, width in _PARTS:
        name = f"`{whole}`" if reduced.startswith(whole) else f"`{whole}`, `{reduced}`"
        rows.append([f"{name} without {part}", *_logic(whole, width), *_logic(reduced, width)])
    return table(("block", "whole: LUT", "FF", "BRAM", "without the part: LUT", "FF", "BRAM"), rows)


def _logic(block: str, width: int | None) -> list[str]:
    area = _measured(block, width)
    return [f"{count:,g}" for count in (area.lut, area.ff, area.bram)]


def _area() -> str:
    rows = []
    for block, what in _LARGEST.items():
        for width in WIDTHS:
            area = _measured(block, width)
            rows.append((f"{what} (`{block}`)", width, *(
                f"{count:,g}" for count in (area.lut, area.lut_ram, area.ff, area.bram)),
                area.levels))
    return table(("block", "width", "LUT", "LUT RAM", "FF", "BRAM", "levels"), rows)


def _cores() -> str:
    """Builds with other cores, beside those with the plain one, as far as they were measured."""
    rows = []
    for options, form in _FORMS.items():
        for width in WIDTHS:
            core = figures.area(f"gcm_core{form}", width)
            engine = figures.area(f"engine{form}", width)
            if core and engine:
                counts = core.lut, core.bram, engine.lut, engine.ff, engine.bram
                rows.append((
                    options, width, *(f"{count:,g}" for count in counts), core.levels))
    return table(("options", "width", "LUT of a core", "its BRAM", "LUT of the engine", "its FF",
                  "its BRAM", "levels of a core"), rows)


def _measured(block: str, width: int | None) -> figures.Area:
    area = figures.area(block, width)
    if area is None:
        raise InputError(f"{figures.AREA}: no row for {block}, expected what espnic synth --doc "
                         "writes when it was measured")
    return area


_PARTS = (
    ("segment_path", "patch_path", "segmentation", 128),
    ("header_probe", "header_probe_no_lso", "segmentation", 128),
    ("segmenter", "segmenter_no_lso", "segmentation", None),
    ("tx_check", "tx_check_no_lso", "segmentation", 128),
    ("sa_lookup", "sa_lookup_no_ipv6", "IPv6", None),
    ("rx_parser", "rx_parser_no_ipv6", "IPv6", 128),
)
"""Blocks of a build with all parts, what is in their place without one, and the width measured."""
_LARGEST = {"gcm_core": "AES-GCM", "rx_path": "receive", "tx_path": "transmit", "engine": "all"}
"""Blocks of the table of areas, and what each does."""
_FORMS = {
    "–": "", "`--fold 2`": "_f2", "`--fold 4`": "_f4", "`--sbox bram`": "_ram",
    "`--fold 2 --sbox bram`": "_f2_ram",
}
"""Options for other cores, and what the names of blocks with them end with."""
_TABLES = {
    "descriptor": lambda: _fields(TX_DESCRIPTOR),
    "completion": lambda: _fields(RX_COMPLETION),
    "frame": _frame,
    "presets": _presets,
    "lines": _line_clocks,
    "parts": _parts,
    "area": _area,
    "cores": _cores,
}
