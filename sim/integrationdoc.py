"""Makes the tables of docs/integration.md from layouts, presets and measured figures."""

import re
from collections.abc import Sequence
from typing import Any

from hdl.sa_store import ram_bits_per_sa
from model.codes import SaDirection
from model.features import Features
from model.layouts import RX_COMPLETION, TX_DESCRIPTOR, Layout
from sim import figures
from sim.build import PROJECT
from sim.package import table
from sim.presets import PRESETS

DOCUMENT = PROJECT / "docs" / "integration.md"
BRAM_BITS = 36 * 1024
"""Of a block RAM of UltraScale+."""
_BLOCK = re.compile(
    r"(<!-- (\w+): python -m sim.integrationdoc -->\n).*?(<!-- end -->)", re.DOTALL)


def with_tables(text: str) -> str:
    """A document with its tables as they are now."""
    return _BLOCK.sub(lambda block: block[1] + _TABLES[block[2]]() + block[3], text)


def _fields(layout: Layout) -> str:
    rows: list[Sequence[Any]] = []
    low = 0
    for field in layout.fields:
        high = low + field.bits - 1
        rows.append((f"{high}:{low}" if field.bits > 1 else low, field.name, field.doc))
        low += field.bits
    return table(("bits", "field", "meaning"), rows)


def _presets() -> str:
    rows = []
    for name, preset in PRESETS.items():
        features = Features(width=preset.width, sas=preset.sas)
        ram = sum(ram_bits_per_sa(preset.width, preset.sas, direction)
                  for direction in SaDirection)
        needed = figures.line_clocks(features)[preset.line]
        rows.append((
            f"`{name}`", preset.width, f"{preset.sas:,}", f"{preset.clock_mhz:g} MHz",
            preset.why, f"{needed:.1f} MHz", f"{ram:,.0f}",
            f"{ram * preset.sas / BRAM_BITS:,.0f}"))
    return table(("preset", "width", "SAs", "clock", "which is", "needed", "RAM bits an SA",
                  "block RAMs of the SA tables"), rows)


_TABLES = {
    "descriptor": lambda: _fields(TX_DESCRIPTOR),
    "completion": lambda: _fields(RX_COMPLETION),
    "presets": _presets,
}


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text()))
    print(DOCUMENT)
