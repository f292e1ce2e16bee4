"""Runs of the engine's rig: files of frames in, files of frames with their clocks out."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from model.layouts import RX_COMPLETION, TX_DESCRIPTOR
from sim.build import Build, cache_directory, run
from sim.problem import SimulationError
from sim.steps import Received, RxFrame, TxFrame
from sim.streams import start_clock_and_reset
from sim.tables import sweep_clocks

MODULE = "sim.play"
SIDES = ("tx", "rx")
PROBABILITIES = 256
"""``Load.gap`` and ``Load.stall`` are counted in parts of this."""


@dataclass(frozen=True)
class Load:
    """What goes through the engine in one run; every frame must come out."""

    tx: Sequence[TxFrame]
    rx: Sequence[RxFrame]
    table: Path
    """Folder with the SAs, see ``sim.tables``."""
    gap: int = 0
    """Probability, in 1/256, of a clock without a beat at each input."""
    stall: int = 0
    """Probability, in 1/256, of a clock without tready at each output."""


@dataclass(frozen=True)
class Passage:
    """One frame's way through the engine, in clocks."""

    first_in: int
    last_in: int
    first_out: int
    last_out: int


@dataclass
class Played:
    """What came of a load."""

    received: list[Received] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    passages: dict[str, list[Passage]] = field(default_factory=dict)
    """By ``SIDES``, in order."""
    clocks: int = 0
    """That the run was simulated."""
    seconds: float = 0.0
    """That the simulation of these took."""


@dataclass(frozen=True)
class EngineRig:
    """A built rig of the engine."""

    built: Build
    width: int
    """Bits of a beat."""
    size: int
    """Of each SA table."""


def play(rig: EngineRig, loads: Sequence[Load], seed: int = 1) -> list[Played]:
    """Run the loads, one behind the other, in one simulation.

    Raises ``SimulationError`` when a run breaks off or frames are missing.
    """
    with tempfile.TemporaryDirectory(dir=cache_directory()) as name:
        folder = Path(name)
        for number, load in enumerate(loads):
            write_load(folder / str(number), load, rig.width)
        result = run(rig.built, module=MODULE, seed=seed, environment={
            "ESPNIC_SWEEP": str(sweep_clocks(rig.size)),
            "ESPNIC_LOADS": json.dumps([str(folder / str(n)) for n in range(len(loads))])})
        if result.failures:
            raise SimulationError(f"{result.failures[0][1]}, log: {result.log}")
        shutil.rmtree(result.directory)
        return [_read(folder / str(number), load) for number, load in enumerate(loads)]


def write_load(folder: Path, load: Load, width: int) -> None:
    """Write what the rig reads."""
    folder.mkdir()
    (folder / "tx.play").write_text("".join(
        _lines(step.data, width, TX_DESCRIPTOR.pack(step.descriptor)) for step in load.tx))
    (folder / "rx.play").write_text("".join(_lines(step.data, width, 0) for step in load.rx))
    (folder / "run.json").write_text(json.dumps({
        "table": str(load.table), "gap": load.gap, "stall": load.stall,
        "tx_frames": len(load.tx), "rx_frames": len(load.rx)}))


def _lines(data: bytes, width: int, user: int) -> str:
    size = width // 8
    lines = []
    for start in range(0, len(data), size):
        piece = data[start:start + size]
        keep = (1 << len(piece)) - 1
        last = int(start + size >= len(data))
        lines.append(f"{last} {keep:x} {user:x} {piece[::-1].hex()}\n")
    return "".join(lines)


@cocotb.test()
async def play_loads(dut):
    """Run each folder's load."""
    table = None
    await start_clock_and_reset(dut)
    await ClockCycles(dut.clk, int(os.environ["ESPNIC_SWEEP"]))
    dut.seed.value = cocotb.RANDOM_SEED & 0xFFFFFFFF
    for name in json.loads(os.environ["ESPNIC_LOADS"]):
        folder = Path(name)
        parameters = json.loads((folder / "run.json").read_text())
        if parameters["table"] != table:
            table = parameters["table"]
            os.chdir(table)
            await _pulse(dut, dut.load)
        os.chdir(folder)
        for pin in ("gap", "stall", "tx_frames", "rx_frames"):
            getattr(dut, pin).value = parameters[pin]
        began, clock = time.perf_counter(), int(dut.clock.value)
        await _pulse(dut, dut.start)
        await RisingEdge(dut.done)
        clocks = int(dut.clock.value) - clock
        (folder / "ran.json").write_text(json.dumps(
            {"clocks": clocks, "seconds": time.perf_counter() - began}))


async def _pulse(dut, pin):
    pin.value = 1
    await RisingEdge(dut.clk)
    pin.value = 0
    await RisingEdge(dut.clk)


def _read(folder: Path, load: Load) -> Played:
    """Read what the rig wrote."""
    played = Played(**json.loads((folder / "ran.json").read_text()))
    for side, given in zip(SIDES, (load.tx, load.rx), strict=True):
        entries = [tuple(map(int, line.split()))
                   for line in (folder / f"{side}.log").read_text().splitlines()]
        passages = played.passages[side] = []
        frames = list(_frames(folder / f"{side}.record"))
        if len(frames) != len(given) or len(entries) != len(given):
            raise SimulationError(
                f"{side}: of {len(given)} frames {len(entries)} went in and {len(frames)} came out")
        for (first_in, last_in), (first, last, user, data) in zip(entries, frames, strict=True):
            passages.append(Passage(first_in, last_in, first, last))
            if side == "tx":
                played.sent.append(data)
            else:
                played.received.append(Received(RX_COMPLETION.unpack(user), data))
    return played


def _frames(path: Path):
    """Clocks of the first and last beat, ``tuser`` and bytes of each frame."""
    pieces: list[bytes] = []
    first = user = 0
    for line in path.read_text().splitlines():
        clock, last, keep, beat_user, data = line.split()
        if not pieces:
            first, user = int(clock), int(beat_user, 16) if beat_user.strip("z") else 0
        pieces.append(bytes.fromhex(data)[::-1][:int(keep, 16).bit_length()])
        if last == "1":
            yield first, int(clock), user, b"".join(pieces)
            pieces = []
