"""A round of the soak: one story on the RTL, judged."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from espnic.model.interface.features import Features
from espnic.sim.build.cache import work_folder
from espnic.sim.rig.engine import Options, build_engine
from espnic.sim.rig.runs import EngineRig, Played, Session, run_loads
from espnic.sim.soak.builds import BUILDS
from espnic.sim.soak.judge import Judge
from espnic.sim.soak.scenes import Story
from espnic.sim.soak.storyteller import Storyteller


@dataclass(frozen=True)
class Judgement:
    """Result of a story that was run and judged."""

    difference: str | None
    """The first thing that is wrong, in one line that begins with the scene; None if nothing is."""
    scene: int
    """Index of the scene that is wrong, or the number of scenes."""
    judge: Judge
    played: Sequence[Played]
    seconds: float
    """Processor time of the simulation while frames moved."""
    clocks: int


def rig_of(features: Features) -> EngineRig:
    """The rig of a build, made or found."""
    return build_engine(Options(width=features.width), features.sas, features)


def run_scenes(story: Story) -> Session:
    """Run a story on the RTL."""
    rig = rig_of(story.features)
    with work_folder() as folder:
        return run_loads(rig, [scene.load() for scene in story.scenes], folder, story.seed)


def run_story(story: Story) -> Judgement:
    """Run a story on the RTL and judge it."""
    session = run_scenes(story)
    judge = Judge(story.features)
    found, at = None, len(story.scenes)
    for number, scene in enumerate(story.scenes):
        if number == len(session.played):
            failures = "; ".join(message for _, message in session.run.failures)
            found = failures or "the simulation ended early"
        else:
            found = judge.judge(scene, session.played[number])
        if found:
            found, at = f"scene {number + 1}: {found}", number
            break
    if found is None:
        shutil.rmtree(session.run.directory)
    return Judgement(found, at, judge, session.played,
                     sum(played.seconds for played in session.played),
                     sum(played.clocks for played in session.played))


@dataclass(frozen=True)
class Round:
    """A story to be told and judged."""

    build: str
    """Name of the build, of ``BUILDS``."""
    seed: str
    frames: int
    wanted: tuple[Mapping[str, Any], ...] = ()
    """Holes of the functional coverage to steer to."""

    def __str__(self) -> str:
        return f"build {self.build}, seed {self.seed}"

    def story(self) -> Story:
        """The story of the round."""
        return Storyteller(self.seed, BUILDS[self.build], self.wanted).tell(self.frames)


@dataclass
class Result:
    """Sums and findings of a round."""

    frames: int
    """Frames and requests of the story."""
    sent: int
    """Frames that left on the wire."""
    opened: int
    """Frames that the oracles found rightly opened."""
    authentic: int
    """Frames that the oracles found authentic on the wire."""
    commands: int
    resets: int
    clocks: int
    simulated: float
    """Processor time of the simulation while frames moved, in seconds."""
    seconds: float
    """Processor time of all of it but the build, in seconds."""
    coverage: str
    """Functional coverage, as JSON."""
    difference: str | None
    story: Story | None
    """The story when there is a difference."""


def run_round(job: Round) -> Result:
    """Tell a story, run it and judge it."""
    rig_of(BUILDS[job.build])
    began = _processor_time()
    story = job.story()
    judged = run_story(story)
    coverage = judged.judge.coverage()
    return Result(
        story.frames, sum(len(played.sent) for played in judged.played),
        judged.judge.oracles.opened, judged.judge.oracles.authentic,
        sum(len(scene.commands) + len(scene.meanwhile) for scene in story.scenes),
        sum(scene.reset_after is not None for scene in story.scenes), judged.clocks,
        judged.seconds, _processor_time() - began, coverage.to_json(), judged.difference,
        story if judged.difference else None)


def _processor_time() -> float:
    """Seconds of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
