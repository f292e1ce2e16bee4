"""``espnic soak``: random traffic without end, judged; what differs is made small and kept."""

import json
import random
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from espnic.sim.capture.pcap import write_pcap
from espnic.sim.cluster.pool import pool
from espnic.sim.coverage import functional_report
from espnic.sim.coverage.functional import Functional
from espnic.sim.files import own_folder, replacing
from espnic.sim.problem import Mismatch
from espnic.sim.soak import scenes
from espnic.sim.soak.builds import chosen
from espnic.sim.soak.scenes import Story
from espnic.sim.soak.shard import Result, Round, run_round, run_story
from espnic.sim.soak.shrink import Shrinker
from espnic.sim.terminal import print_lines, status

FRAMES_A_ROUND = 3000
TOTALS = "soak.json"
STORY, WHOLE_STORY = "story.json", "whole-story.json"
_WANTED = 400
"""Most holes that a round is steered to."""
_SHRINK_SECONDS = 300.0


@dataclass(frozen=True)
class Request:
    """Arguments of the user."""

    output: Path
    builds: tuple[str, ...] = ()
    frames: int | None = None
    seconds: float | None = None
    seed: int | None = None
    jobs: int = 1
    lanes: int = 1
    cluster: str | None = None

    def check(self) -> None:
        """Raise ``InputError`` for what cannot be done."""
        chosen(self.builds)


@dataclass
class _Totals:
    """Sums over the rounds of a build."""

    rounds: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, result: Result) -> None:
        self.rounds += 1
        for name in ("frames", "sent", "opened", "authentic", "commands", "resets", "clocks",
                     "simulated", "seconds"):
            self.counts[name] += getattr(result, name)


def soak(request: Request, console: Console) -> None:
    """Run rounds until there are enough frames or seconds, a difference, or an interrupt.

    Raises ``Mismatch`` when RTL and model differ; what shows it is in the output folder.
    """
    request.check()
    with own_folder(request.output):
        run = _Soak(request, console)
        try:
            run.run()
        finally:
            run.report()
        run.keep_difference()


class _Soak:
    """A soak that runs."""

    def __init__(self, request: Request, console: Console) -> None:
        self._request = request
        self._console = console
        self._seed = random.SystemRandom().randrange(1 << 31) if request.seed is None else (
            request.seed)
        self._builds = chosen(request.builds)
        self._totals = {name: _Totals() for name in self._builds}
        self._coverage = Functional()
        self._failed: tuple[Round, Result] | None = None
        self._began = time.monotonic()

    def run(self) -> None:
        """Run generations of rounds, one for each build and lane; each is steered to the holes
        that the generations before have left."""
        columns = (SpinnerColumn("line"), TextColumn("{task.description}"), TimeElapsedColumn())
        self._console.print(f"seed {self._seed}", highlight=False)
        with (Progress(*columns, console=self._console, transient=True) as progress,
              pool(self._request.cluster, self._request.jobs) as workers):
            shown = progress.add_task("building")
            generation = 0
            while not self._enough() and self._failed is None:
                for job, result in workers.run(run_round, self._rounds(generation), _build_of):
                    self._take(job, result)
                    progress.update(shown, description=self._line())
                    if self._failed or self._late():
                        break
                generation += 1
                if not self._console.is_terminal:
                    self._console.print(self._line(), highlight=False)

    def _rounds(self, generation: int) -> list[Round]:
        """The rounds of a generation, the widest builds first, for they take the longest."""
        holes = [hole.to_data() for hole in self._coverage.holes()]
        left = None if self._request.frames is None else self._request.frames - self._frames()
        count = len(self._builds) * self._request.lanes
        frames = FRAMES_A_ROUND if left is None else min(FRAMES_A_ROUND, -(-left // count))
        rounds = []
        for name, features in reversed(self._builds.items()):
            for lane in range(self._request.lanes):
                seed = f"{self._seed}.{generation}.{lane}"
                here = [hole for hole in holes if hole.get("width", features.width)
                        == features.width]
                chance = random.Random(f"{seed} {name}")
                wanted = tuple(chance.sample(here, min(len(here), _WANTED)))
                rounds.append(Round(name, seed, frames, wanted))
        return rounds

    def _take(self, job: Round, result: Result) -> None:
        self._totals[job.build].add(result)
        self._coverage.merge(Functional.from_json(result.coverage))
        if result.difference and self._failed is None:
            self._failed = job, result

    def _frames(self) -> int:
        return sum(totals.counts["frames"] for totals in self._totals.values())

    def _late(self) -> bool:
        seconds = self._request.seconds
        return seconds is not None and time.monotonic() - self._began >= seconds

    def _enough(self) -> bool:
        frames = self._request.frames
        return self._late() or frames is not None and self._frames() >= frames

    def _line(self) -> str:
        taken = time.monotonic() - self._began
        frames = self._frames()
        hit, wanted = functional_report.figures(self._coverage)
        return (f"{frames:,} frames, {frames / taken:,.0f} a second, "
                f"{hit:,} of {wanted:,} bins of the functional coverage")

    # What is left

    def report(self) -> None:
        """Print and write what was done."""
        if not self._frames():
            return
        done = {name: totals for name, totals in self._totals.items() if totals.rounds}
        taken = time.monotonic() - self._began
        print_lines(self._console, [
            *((name, _sums(totals)) for name, totals in done.items()),
            ("all", f"{self._frames():,} frames in {taken:,.0f} s"),
            *functional_report.lines(self._coverage)])
        functional_report.write(self._coverage, self._request.output)
        with replacing(self._request.output / TOTALS) as path:
            path.write_text(json.dumps({
                "seed": self._seed, "lanes": self._request.lanes, "frames": self._frames(),
                "builds": {name: {"rounds": totals.rounds, **totals.counts}
                           for name, totals in done.items()}}, indent=1) + "\n", encoding="utf-8")

    def keep_difference(self) -> None:
        """Make the story of a difference small and write it. Raises ``Mismatch``."""
        if self._failed is None:
            return
        job, result = self._failed
        assert result.story is not None
        self._console.print(f"{job}: {result.difference}", highlight=False)
        folder = self._request.output / "difference"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        scenes.write(folder / WHOLE_STORY, result.story)
        with status(self._console, "making it small"):
            shrinker = Shrinker(lambda story: run_story(story).difference is not None,
                                _SHRINK_SECONDS)
            small = shrinker.shrink(result.story)
        _write_small(folder, small)
        raise Mismatch(
            f"{run_story(small).difference}; shown by {small.frames} frames and "
            f"{_commands(small)} commands, repeat with: espnic soak --repeat {folder / STORY}")


def _write_small(folder: Path, story: Story) -> None:
    """Write a story, and its frames for Wireshark."""
    scenes.write(folder / STORY, story)
    for side in ("rx", "tx"):
        frames = [frame.data for scene in story.scenes for frame in getattr(scene, side)]
        if frames:
            write_pcap(folder / f"{side}.pcap", enumerate(frames))


def _commands(story: Story) -> int:
    return sum(len(scene.commands) + len(scene.meanwhile) for scene in story.scenes)


def _sums(totals: _Totals) -> str:
    """Sums of a build, in a line."""
    counts = totals.counts
    return (f"{counts['frames']:,} frames in {totals.rounds:,} rounds, {counts['sent']:,} left on "
            f"the wire; {counts['opened']:,} opened and {counts['authentic']:,} sealed ones "
            f"authentic for the oracles; {counts['commands']:,} commands, {counts['resets']:,} "
            f"resets; {counts['clocks']:,} clocks; {counts['frames'] / counts['seconds']:,.0f} "
            f"frames a second a core, of which the simulator takes "
            f"{counts['simulated'] / counts['seconds']:.0%}")


def _build_of(job: Round) -> str:
    return job.build


def repeat(path: Path, console: Console) -> None:
    """Run a story that was kept. Raises ``Mismatch`` when it still shows a difference."""
    story = scenes.read(path)
    judged = run_story(story)
    console.print(f"{story.frames} frames, {_commands(story)} commands", highlight=False)
    if judged.difference:
        raise Mismatch(f"{path}: {judged.difference}")
    console.print("no difference", highlight=False)
