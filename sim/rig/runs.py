"""Runs of the engine's rig: files with frames go in, files with the results come out."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from espnic.model.device import segment
from espnic.model.interface.codes import SIDES
from espnic.model.interface.layouts import RX_COMPLETION, TX_DESCRIPTOR
from espnic.sim.build.builds import Build, Run, run
from espnic.sim.build.cache import work_folder
from espnic.sim.problem import SimulationError
from espnic.sim.rig.design import sweep_clocks
from espnic.sim.rig.taps import tap_names
from espnic.sim.traffic.steps import Received, RxFrame, TxFrame

MODULE = "espnic.sim.rig.runs_cocotb"
PROBABILITIES = 256
"""``Load.gap`` and ``Load.stall`` are counted in parts of this."""
_USER_BITS = {"rx": RX_COMPLETION.bits, "tx": 0}
"""Bits of an output's ``tuser`` below the sideband."""
_NULL = b"\xA5"
"""Value of the bytes after a frame's end, which have no meaning."""


@dataclass(frozen=True)
class Load:
    """Input of one run: commands one by one, then frames."""

    tx: Sequence[TxFrame]
    rx: Sequence[RxFrame]
    table: Path | None = None
    """Folder with the SAs, see ``sim.rig.sa_tables``; None: the SAs that commands have added."""
    commands: Sequence[dict[str, int]] = ()
    """Fields of SA_COMMAND, for each command."""
    esp_ports: Sequence[int] | None = None
    """UDP ports of ESP, set before the commands; None: as they are."""
    gap: int = 0
    """Probability, in 1/256, of a clock without a beat at each input."""
    stall: int = 0
    """Probability, in 1/256, of a clock without tready at each output."""
    meanwhile: Sequence[tuple[int, dict[str, int]]] = ()
    """Commands that come while frames move: the clocks to wait after the one before, or after the
    start, and the fields of SA_COMMAND."""
    reset_after: int | None = None
    """Clocks from the start to a reset, which ends the run; None: the run ends with its frames."""
    reads: bool = False
    """After the frames all events are taken off the queue and the counters are read."""


@dataclass(frozen=True)
class Given:
    """A command that came while frames moved."""

    began: int
    """Clock before its first access to a register."""
    ended: int
    """Clock in which its result was there."""
    result: int
    """SaResult."""


@dataclass(frozen=True)
class Passage:
    """Clocks in which the first and last beats of a frame went in and came out."""

    first_in: int
    last_in: int
    first_out: int
    last_out: int


@dataclass
class Played:
    """Result of a load; clocks are counted from reset."""

    received: list[Received] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    sidebands: dict[str, list[int]] = field(default_factory=dict)
    """Sideband of each frame that has left, by side."""
    results: list[int] = field(default_factory=list)
    """SaResult of each command in front of the frames."""
    meanwhile: list[Given] = field(default_factory=list)
    """Commands among the frames."""
    events: list[dict[str, int]] = field(default_factory=list)
    """Events that were taken off the queue at the end."""
    counters: dict[str, int] = field(default_factory=dict)
    """Counters at the end, when they were read."""
    cut: dict[str, bytes] = field(default_factory=dict)
    """Beginning of a frame that had left when a reset came, by side."""
    taps: dict[str, list[int]] = field(default_factory=dict)
    """Payloads at each trace point."""
    entered: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """Clocks in which the first and the last beat of each frame went in, by side."""
    left: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """Clocks in which the first and the last beat of each frame came out, by side."""
    gaps: dict[str, int] = field(default_factory=dict)
    """Number of clocks in which an output had no beat within a frame, by side."""
    clocks: int = 0
    """Number of clocks that the run took."""
    seconds: float = 0.0
    """Processor time that the simulation of these clocks took."""
    problem: str | None = None
    """Broken rule, or frames that never came; None when all is well."""

    def passages(self, side: str, frames_each: int = 1) -> list[Passage]:
        """Passages of the frames of a side, which all came out, each as ``frames_each`` frames."""
        left = self.left[side]
        firsts, lasts = left[::frames_each], left[frames_each - 1::frames_each]
        return [Passage(*entered, first, last) for entered, (first, _), (_, last)
                in zip(self.entered[side], firsts, lasts, strict=True)]


@dataclass(frozen=True)
class Session:
    """Result of loads that ran one after another."""

    played: list[Played]
    """Results of the loads, up to the first that got stuck."""
    counters: dict[str, int]
    """Counters at the end; empty when the registers did not answer."""
    run: Run


@dataclass(frozen=True)
class EngineRig:
    """A built rig of the engine."""

    built: Build
    width: int
    """Bits of a beat."""
    size: int
    """Size of each SA table."""
    sides: tuple[str, ...] = SIDES
    """The directions that the engine has."""
    sideband: int = 0
    """Bits of its sideband."""


def play(rig: EngineRig, loads: Sequence[Load], seed: int = 1) -> list[Played]:
    """Run loads one after another in one simulation; every frame must come out.

    A super-frame must come out in its segments. Raises ``SimulationError`` when a run breaks
    off or frames are missing.
    """
    found = play_judged(rig, loads, seed)
    for load, played in zip(loads, found, strict=True):
        wanted = {"tx": sum(map(_frames, load.tx)), "rx": len(load.rx)}
        for side, count in wanted.items():
            if len(played.left[side]) != count:
                raise SimulationError(
                    f"{side}: of {count} frames {len(played.left[side])} came out")
    return found


def play_judged(rig: EngineRig, loads: Sequence[Load], seed: int = 1) -> list[Played]:
    """Run loads one after another in one simulation; every frame must get its verdict.

    Frames may be refused. Raises ``SimulationError`` when a run breaks off, or a frame that is to
    leave does not.
    """
    with work_folder() as folder:
        session = run_loads(rig, loads, folder, seed)
    if session.run.failures:
        raise SimulationError(f"{session.run.failures[0][1]}, log: {session.run.log}")
    for played in session.played:
        if played.problem is not None:
            raise SimulationError(played.problem)
    shutil.rmtree(session.run.directory)
    return session.played


def _frames(step: TxFrame) -> int:
    """Number of frames that a request produces."""
    return segment.count(step.descriptor, len(step.data)) if step.descriptor.get("lso") else 1


def run_loads(rig: EngineRig, loads: Sequence[Load], folder: Path, seed: int) -> Session:
    """Run loads one after another in one simulation, up to the first that gets stuck.

    ``folder`` is a new folder for input and results; during the run its file ``progress``
    holds the number of frames that have been judged.
    """
    for number, load in enumerate(loads):
        write_load(folder / str(number), load, rig)
    result = run(rig.built, module=MODULE, seed=seed, environment={"ESPNIC_JOB": json.dumps({
        "folder": str(folder), "loads": len(loads), "sweep_clocks": sweep_clocks(rig.size)})})
    counters = folder / "counters.json"
    return Session(
        [_read(folder / str(number), load, rig.sides) for number, load in enumerate(loads)
         if (folder / str(number) / "ran.json").is_file()],
        json.loads(counters.read_text(encoding="utf-8")) if counters.is_file() else {}, result)


def write_load(folder: Path, load: Load, rig: EngineRig) -> None:
    """Write the files that the rig and ``runs_cocotb`` read."""
    folder.mkdir()
    (folder / "tx.play").write_text("".join(
        _lines(pieces, rig.width, _tx_users(step, len(pieces), rig.sideband))
        for step in load.tx for pieces in [_pieces(step.data, rig.width)]), encoding="utf-8")
    (folder / "rx.play").write_text("".join(
        _lines(pieces, rig.width, _rx_users(step, len(pieces), rig.sideband))
        for step in load.rx for pieces in [_pieces(step.data, rig.width, step.null_end)]),
        encoding="utf-8")
    (folder / "load.json").write_text(json.dumps({
        "table": load.table and str(load.table.resolve()), "commands": list(load.commands),
        "esp_ports": load.esp_ports,
        "gap": load.gap, "stall": load.stall, "meanwhile": list(load.meanwhile),
        "reset_after": load.reset_after, "reads": load.reads,
        "tx_frames": len(load.tx), "rx_frames": len(load.rx)}), encoding="utf-8")


def _pieces(data: bytes, width: int, null_end: bool = False) -> list[bytes]:
    """The bytes of each beat of a frame."""
    size = width // 8
    pieces = [data[start:start + size] for start in range(0, len(data), size)]
    if null_end:
        if len(data) % size:
            raise ValueError(f"null_end: behind {len(data)} bytes, expected whole beats")
        pieces.append(b"")
    return pieces


def _tx_users(step: TxFrame, beats: int, sideband_bits: int) -> list[int]:
    """``tuser`` of each beat: after the first it means nothing and is inverted."""
    first = TX_DESCRIPTOR.pack(step.descriptor) | step.sideband << TX_DESCRIPTOR.bits
    return [first, *[first ^ (1 << TX_DESCRIPTOR.bits + sideband_bits) - 1] * (beats - 1)]


def _rx_users(step: RxFrame, beats: int, sideband_bits: int) -> list[int]:
    """``tuser`` of each beat, inverted where it means nothing: bit 0 counts on the last beat, the
    others on the first."""
    other = (1 << sideband_bits) - 1 ^ step.sideband
    return [
        (other if place else step.sideband) << 1 | (step.bad ^ (place != beats - 1))
        for place in range(beats)]


def _lines(pieces: Sequence[bytes], width: int, users: Sequence[int]) -> str:
    """Lines with a frame's beats."""
    return "".join(
        f"{int(place == len(pieces) - 1)} {(1 << len(piece)) - 1:x} {users[place]:x} "
        f"{piece.ljust(width // 8, _NULL)[::-1].hex()}\n"
        for place, piece in enumerate(pieces))


def _read(folder: Path, load: Load, sides: Sequence[str]) -> Played:
    """Read the files that the rig and ``runs_cocotb`` wrote."""
    ran = json.loads((folder / "ran.json").read_text(encoding="utf-8"))
    played = Played(
        results=ran["results"], gaps=ran["gaps"], clocks=ran["clocks"], seconds=ran["seconds"],
        meanwhile=[Given(*given) for given in ran["meanwhile"]], events=ran["events"],
        counters=ran["counters"])
    played.taps = {
        name: [int(line, 16) for line in _read_lines(folder / f"{name}.tap")]
        for name in tap_names(sides)}
    played.left = {side: [] for side in SIDES}
    played.entered = {side: [] for side in SIDES}
    played.sidebands = {side: [] for side in SIDES}
    for side in sides:
        played.entered[side] = [
            (int(first), int(last)) for first, last in
            map(str.split, _read_lines(folder / f"{side}.log"))]
        left = played.left[side]
        try:
            for first, last, user, data in frames_in(folder / f"{side}.record"):
                if last is None:
                    played.cut[side] = data
                    break
                left.append((first, last))
                played.sidebands[side].append(user >> _USER_BITS[side])
                if side == "tx":
                    played.sent.append(data)
                else:
                    played.received.append(Received(RX_COMPLETION.unpack(user), data))
        except BrokenRule as rule:
            if played.problem is None:
                played.problem = f"m_axis_{side}: {rule}"
    if ran["stuck"] and played.problem is None:
        frames = {"tx": len(load.tx), "rx": len(load.rx)}
        played.problem = "nothing moves; " + "; ".join(
            f"{side}: {len(played.entered[side])} of {given} frames went in, "
            f"{len(played.taps[f'{side}_verdict'])} were judged, {len(played.left[side])} came out"
            for side, given in frames.items() if side in sides)
    return played


def _read_lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


class BrokenRule(Exception):
    """A stream broke a rule of AXI4-Stream."""


def frames_in(path: Path) -> Iterator[tuple[int, int | None, int, bytes]]:
    """Clocks of the first and last beat, ``tuser`` and bytes of each frame in a record.

    A frame that has no last beat, because the record ends within it, has None for its clock.
    """
    pieces: list[bytes] = []
    first = user = 0
    for line in _read_lines(path):
        clock, *beat = line.split()
        if not beat:
            raise BrokenRule(f"clock {clock}: a beat was withdrawn or changed before tready")
        last, keep, beat_user, data = beat
        mask = int(keep, 16)
        size = mask.bit_length()
        if mask != (1 << size) - 1 or not mask or (last == "0" and 2 * size != len(data)):
            raise BrokenRule(f"clock {clock}: tkeep {keep} with tlast {last}")
        beat_user = beat_user.replace("z", "0")  # Such a port has none.
        if not pieces:
            first, user = int(clock), int(beat_user, 16)
        elif int(beat_user, 16) != user:
            raise BrokenRule(f"clock {clock}: tuser changes within a frame")
        pieces.append(bytes.fromhex(data)[::-1][:size])
        if last == "1":
            yield first, int(clock), user, b"".join(pieces)
            pieces = []
    if pieces:
        yield first, None, user, b"".join(pieces)
