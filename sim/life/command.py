"""``espnic life``: play ``sim.life.story`` on the RTL, and compare it with the model's."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest

from rich.console import Console
from rich.markup import escape

from espnic.model.device.device import Device
from espnic.model.device.register_file import RegisterFile
from espnic.model.interface.features import Features
from espnic.model.linux import bus
from espnic.model.linux.bus import ModelRegisters
from espnic.sim.build.builds import run
from espnic.sim.build.cache import work_folder
from espnic.sim.build.simulators import require_tools
from espnic.sim.life.ports import ModelPorts
from espnic.sim.life.recording import Entry
from espnic.sim.life.story import Story
from espnic.sim.problem import Mismatch, SimulationError, check_width
from espnic.sim.rig.engine import Options, build_engine
from espnic.sim.terminal import status
from espnic.sim.traffic.steps import SIMULATED_SAS

MODULE = "espnic.sim.life.story_cocotb"
MODEL_TURNS = (8, 17)
"""Frames judged before each of the two deletes under traffic, when no RTL gives them."""
_PARTS = ("accesses", "facts", "frames", "problems")
_IN_RUNS = ("0", "(secret)")
_SHOWN = 100


@dataclass(frozen=True)
class Life:
    """The story on a device."""

    entries: list[Entry]
    turns: Sequence[int]
    """For each action that was done among frames, the number that was judged before it."""


def on_model(width: int, seed: int, turns: Sequence[int] = MODEL_TURNS) -> Life:
    """Play the story on the golden model."""
    device = Device(Features(width=width, sas=SIMULATED_SAS))
    story = Story(ModelRegisters(RegisterFile(device)), ModelPorts(device, turns), seed)
    bus.run(story.play())
    return Life(story.entries, turns)


def on_rtl(options: Options) -> Life:
    """Play the story on the RTL. Raises ``SimulationError`` when it breaks off."""
    rig = build_engine(options)
    with work_folder() as folder:
        file = folder / "life.json"
        done = run(rig.built, module=MODULE, seed=options.seed, environment={
            "ESPNIC_JOB": json.dumps({"file": str(file), "seed": options.seed})})
        if done.failures:
            raise SimulationError(f"{done.failures[0][1]}, log: {done.log}")
        found = json.loads(file.read_text(encoding="utf-8"))
    return Life([Entry(**entry) for entry in found["entries"]], found["turns"])


def difference(rtl: Sequence[Entry], model: Sequence[Entry]) -> str | None:
    """The first difference of two stories, in one line; None when they are equal."""
    for number, (ours, theirs) in enumerate(zip_longest(rtl, model), start=1):
        if ours is None or theirs is None:
            return f"step {number}: only one of RTL and model has it"
        for part in _PARTS:
            pairs = zip_longest(getattr(ours, part), getattr(theirs, part), fillvalue="nothing")
            for a, b in pairs:
                if a != b:
                    return (f"step {number}, {ours.title}, {part}: RTL {a[:_SHOWN]}, "
                            f"model {b[:_SHOWN]}")
    return None


def play(options: Options, console: Console, *, model_only: bool) -> None:
    """Play the story, print it, and compare. Raises ``Mismatch`` when anything differs."""
    check_width(options.width)
    if model_only:
        alone = on_model(options.width, options.seed)
        show(alone.entries, console)
        _judge(alone.entries)
        return
    require_tools(options.simulator)
    with status(console, f"The life of an SA pair on the RTL, {options.width} bits"):
        rtl = on_rtl(options)
    show(rtl.entries, console)
    model = on_model(options.width, options.seed, rtl.turns)
    found = difference(rtl.entries, model.entries)
    if found is not None:
        raise Mismatch(found)
    _judge(rtl.entries)
    accesses, facts, frames, _ = (sum(len(getattr(entry, part)) for entry in rtl.entries)
                                  for part in _PARTS)
    console.print(f"[bold]RTL = model[/]  {len(rtl.entries)} steps, {accesses} register accesses, "
                  f"{frames} frames with their completions, {facts} findings",
                  highlight=False, soft_wrap=True)


def _judge(entries: Sequence[Entry]) -> None:
    """Raise ``Mismatch`` for the first outcome that is wrong."""
    for number, entry in enumerate(entries, start=1):
        for problem in entry.problems:
            raise Mismatch(f"step {number}, {entry.title}: {problem}")


def show(entries: Sequence[Entry], console: Console) -> None:
    """Print the story, step by step."""
    for number, entry in enumerate(entries, start=1):
        console.print(f"[bold]{number}. {escape(entry.title)}[/]", soft_wrap=True)
        for line in brief(entry.accesses):
            console.print(f"     [dim]{escape(line)}[/]", highlight=False, soft_wrap=True)
        for fact in entry.facts:
            console.print(f"   - {escape(fact)}", highlight=False, soft_wrap=True)


def brief(accesses: Sequence[str]) -> list[str]:
    """The accesses, with one line for a run of writes, or of reads, of 0 or of secrets."""
    lines: list[str] = []
    for (number, kind, value), run_of in groupby(enumerate(accesses), _run_key):
        group = [access for _, access in run_of]
        if number is not None or len(group) == 1:
            lines += group
        else:
            first, last = group[0].split()[1], group[-1].split()[1]
            lines.append(f"{kind:5} {first} to {last} {value}")
    return lines


def _run_key(numbered: tuple[int, str]) -> tuple[int | None, str, str]:
    """A key that accesses have in common if they go into one line."""
    number, access = numbered
    kind, _, value = access.split(maxsplit=2)
    return None if value in _IN_RUNS else number, kind, value
