"""Sizes of the engine for common line rates.

A preset is the smallest build that takes the line rate at every size of frame that Ethernet has,
in both directions at once, with a clock that designs for that line rate have.
``tests/sim/test_export.py`` holds them against the beats of all sizes and against docs/bench.json.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """A build for a line rate."""

    line: str
    """Line rate in Gb/s, as the keys of ``line_mpps`` in docs/bench.json."""
    width: int
    sas: int
    clock_mhz: float
    why: str
    """Reason for the clock."""
    fold: int = 1
    """Clocks in which the AES-GCM cores take a beat."""


PRESETS = {
    "10g": Preset("10", 128, 1024, 156.25, "that of 10G Ethernet with 64 bits a beat", fold=2),
    "25g": Preset("25", 128, 1024, 195.3125, "that of 25G Ethernet with 128 bits a beat"),
    "40g": Preset("40", 128, 2048, 312.5, "that of 40G Ethernet with 128 bits a beat"),
    "100g": Preset("100", 512, 4096, 322.265625, "that of AMD's 100G MAC with 512 bits a beat"),
}
