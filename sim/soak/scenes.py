"""Scenes: what one simulation of the soak gives the engine, one after another.

A scene is commands on an idle engine, then frames, which move at the same time as further
commands, and which a reset may end. A file keeps the scenes of a simulation, to repeat it.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from espnic.model.interface.features import Features
from espnic.sim.problem import InputError
from espnic.sim.rig.runs import PROBABILITIES, Load
from espnic.sim.traffic.steps import Command, Ports, RxFrame, Step, TxFrame

VERSION = 1


@dataclass(frozen=True)
class Scene:
    """Input of a scene."""

    commands: tuple[dict[str, int], ...] = ()
    """Fields of SA_COMMAND, for each command in front of the frames."""
    ports: tuple[int, ...] | None = None
    """UDP ports of ESP, set in front of the commands; None: as they are."""
    rx: tuple[RxFrame, ...] = ()
    tx: tuple[TxFrame, ...] = ()
    meanwhile: tuple[tuple[int, dict[str, int]], ...] = ()
    """Clocks to wait, and a command that comes while frames move."""
    reset_after: int | None = None
    """Clocks from the first frame to a reset; None: the scene ends with its frames."""
    gap: int = 0
    """Probability, in 1/256, of a clock without a beat at each input."""
    stall: int = 0
    """Probability, in 1/256, of a clock without tready at each output."""

    @property
    def frames(self) -> int:
        """Number of frames and requests."""
        return len(self.rx) + len(self.tx)

    def load(self) -> Load:
        """The scene as the rig takes it. Events and counters are read unless a reset ends it."""
        return Load(self.tx, self.rx, None, self.commands, self.ports, self.gap, self.stall,
                    self.meanwhile, self.reset_after, self.reset_after is None)

    def steps(self) -> list[Step]:
        """The steps of the scene, without the commands that come among its frames."""
        ports = [] if self.ports is None else [Ports(self.ports)]
        return [*ports, *map(Command, self.commands), *self.rx, *self.tx]


@dataclass(frozen=True)
class Story:
    """All scenes of one simulation, and the build and the seed of gaps and stalls that it takes."""

    features: Features
    seed: int
    scenes: tuple[Scene, ...]

    @property
    def frames(self) -> int:
        """Number of frames and requests."""
        return sum(scene.frames for scene in self.scenes)

    def with_scenes(self, scenes: Sequence[Scene]) -> "Story":
        """The story with other scenes."""
        return replace(self, scenes=tuple(scenes))


def write(path: Path, story: Story) -> None:
    """Write a story as JSON."""
    path.write_text(json.dumps({
        "version": VERSION, "features": vars(story.features), "seed": story.seed,
        "scenes": [_scene_values(scene) for scene in story.scenes]}, indent=1), encoding="utf-8")


def read(path: Path) -> Story:
    """Read a story. Raises ``InputError`` with one line for a file that is none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise InputError(f"{path}: {problem.strerror}") from None
    except ValueError as problem:
        raise InputError(f"{path}: no JSON ({problem})") from None
    try:
        if values["version"] != VERSION:
            raise InputError(f"{path}: version {values['version']}, expected {VERSION}")
        scenes = tuple(map(_scene, values["scenes"]))
        return Story(Features(**values["features"]), int(values["seed"]), scenes)
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        raise InputError(f"{path}: not a story of a soak ({problem!r})") from None


def _scene_values(scene: Scene) -> dict[str, Any]:
    return vars(scene) | {
        "rx": [vars(frame) | {"data": frame.data.hex()} for frame in scene.rx],
        "tx": [vars(frame) | {"data": frame.data.hex()} for frame in scene.tx]}


def _scene(values: dict[str, Any]) -> Scene:
    def frames(side: str) -> Iterator[dict[str, Any]]:
        return (frame | {"data": bytes.fromhex(frame["data"])} for frame in values[side])

    meanwhile = tuple((int(clocks), dict(fields)) for clocks, fields in values["meanwhile"])
    ports = values["ports"]
    return Scene(**values | {
        "commands": tuple(map(dict, values["commands"])),
        "ports": None if ports is None else tuple(ports),
        "rx": tuple(RxFrame(**frame) for frame in frames("rx")),
        "tx": tuple(TxFrame(**frame) for frame in frames("tx")), "meanwhile": meanwhile})


def share(probability: float) -> int:
    """A probability in the parts of ``Scene.gap`` and ``Scene.stall``."""
    return round(probability * PROBABILITIES)
