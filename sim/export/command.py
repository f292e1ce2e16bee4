"""The Verilog of the engine, and the files that belong to it, for a user's design."""

import math
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from espnic.model.interface.codes import SIDES
from espnic.model.interface.features import (
    FOLDS,
    SAS,
    SENT_WINDOWS,
    SIDEBAND_MAX,
    WINDOWS,
    Features,
    Sbox,
)
from espnic.sim.clocks import CLOCKS_MHZ
from espnic.sim.export.files import DEFAULT_NAME, Chosen, package
from espnic.sim.export.names import check_name
from espnic.sim.export.presets import PRESETS
from espnic.sim.files import own_folder, replacing
from espnic.sim.problem import InputError, check_width
from espnic.sim.rig.engine import Options, engine_netlist
from espnic.sim.terminal import status

SAS_MIN, SAS_MAX = 16, 65536


@dataclass(frozen=True)
class Request:
    """Options of ``espnic verilog``; None: not given."""

    preset: str | None = None
    width: int | None = None
    sas: int | None = None
    clock_mhz: float | None = None
    lso: bool = True
    ipv6: bool = True
    only: str | None = None
    """The only direction, one of ``SIDES``; None: both."""
    replay_window: int | None = None
    sent_window: int | None = None
    sideband: int = 0
    fold: int | None = None
    sbox: str = Sbox.LUT.value
    name: str = DEFAULT_NAME


def choose(request: Request) -> Chosen:
    """Build that the options ask for; raises ``InputError`` for options that no build meets."""
    if request.preset is not None and request.preset not in PRESETS:
        raise InputError(f"--preset {request.preset}: expected one of {', '.join(PRESETS)}")
    preset = PRESETS.get(request.preset or "")
    width = request.width or (preset.width if preset else Options().width)
    if request.width is not None:
        check_width(request.width)
    sas = request.sas if request.sas is not None else preset.sas if preset else SAS
    if not SAS_MIN <= sas <= SAS_MAX or sas & (sas - 1):
        raise InputError(f"--sas {sas}: expected a power of two from {SAS_MIN} to {SAS_MAX}")
    if request.only is not None and request.only not in SIDES:
        raise InputError(f"--only {request.only}: expected one of {', '.join(sorted(SIDES))}")
    clock_mhz = request.clock_mhz or (preset.clock_mhz if preset else CLOCKS_MHZ[width])
    if request.clock_mhz is not None and not 0 < request.clock_mhz < math.inf:
        raise InputError(f"--clock-mhz {request.clock_mhz}: expected a finite number above 0")
    if not 0 <= request.sideband <= SIDEBAND_MAX:
        raise InputError(f"--sideband {request.sideband}: expected 0 to {SIDEBAND_MAX}")
    fold = request.fold if request.fold is not None else preset.fold if preset else 1
    if fold not in FOLDS:
        raise InputError(f"--fold {fold}: expected one of {', '.join(map(str, FOLDS))}")
    if request.sbox not in set(Sbox):
        raise InputError(f"--sbox {request.sbox}: expected one of {', '.join(Sbox)}")
    check_name(request.name)
    transmit = request.only != "rx"
    return Chosen(Features(
        width=width, sas=sas, lso=request.lso and transmit, ipv6=request.ipv6,
        receive=request.only != "tx", transmit=transmit, replay_window=_window(request),
        sent_window=_sent_window(request), sideband=request.sideband, fold=fold,
        sbox=Sbox(request.sbox),
    ), clock_mhz, request.preset, request.name)


def _window(request: Request) -> int:
    if request.replay_window is None:
        return 0 if request.only == "tx" else Features().replay_window
    if request.replay_window not in WINDOWS:
        raise InputError(f"--replay-window {request.replay_window}: expected one of "
                         f"{', '.join(map(str, WINDOWS))}")
    if request.replay_window and request.only == "tx":
        raise InputError(f"--replay-window {request.replay_window}: with --only tx, expected 0")
    return request.replay_window


def _sent_window(request: Request) -> int:
    if request.sent_window is None:
        return Features().sent_window
    if request.sent_window not in SENT_WINDOWS:
        raise InputError(f"--sent-window {request.sent_window}: expected one of "
                         f"{', '.join(map(str, SENT_WINDOWS))}")
    if request.only == "rx":
        raise InputError(f"--sent-window {request.sent_window}: with --only rx, expected none")
    return request.sent_window


def write_engine(folder: Path, request: Request, console: Console) -> None:
    """Write the files of ``sim.export.files`` into a folder; they depend on the options alone."""
    chosen = choose(request)
    with own_folder(folder):
        _write_engine(folder, chosen, console)


def _write_engine(folder: Path, chosen: Chosen, console: Console) -> None:
    with status(console, "Writing Verilog"):
        netlist = engine_netlist(chosen.features, taps=False)
    files = package(netlist, chosen)
    for name, text in files.items():
        with replacing(folder / name) as partial:
            partial.write_text(text, encoding="utf-8")
    console.print(f"{folder}: {', '.join(files)}", highlight=False, markup=False, soft_wrap=True)
