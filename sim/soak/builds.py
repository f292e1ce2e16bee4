"""Builds of the engine that the soak takes in turn."""

from dataclasses import replace

from espnic.model.interface.features import WIDTHS, Features, Sbox
from espnic.sim.problem import InputError
from espnic.sim.traffic.steps import SIMULATED

_SMALL = 64
"""Size of the SA tables of builds that leave parts out."""

BUILDS = {
    **{str(width): replace(SIMULATED, width=width) for width in WIDTHS},
    "128-receive": Features(
        128, _SMALL, lso=False, ipv6=False, transmit=False, replay_window=32),
    "128-transmit": Features(128, _SMALL, lso=False, receive=False, replay_window=0),
    "256-plain": Features(256, _SMALL, lso=False, replay_window=0, sideband=8),
    "128-folded": replace(SIMULATED, width=128, fold=2, sbox=Sbox.BRAM),
    "512-window": Features(512, _SMALL, replay_window=1024, sent_window=2048),
}
"""Features of each build by its name: whole ones by their width, then some with parts left out
or other cores."""
WHOLE = tuple(map(str, WIDTHS))


def chosen(names: tuple[str, ...]) -> dict[str, Features]:
    """The builds of these names, by default all. Raises ``InputError`` for an unknown one."""
    for name in names:
        if name not in BUILDS:
            raise InputError(f"--build {name}: expected one of {', '.join(BUILDS)}")
    return {name: BUILDS[name] for name in names or BUILDS}
