"""The smallest story that still shows a difference, by removing and shortening what it has."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from espnic.sim.soak.scenes import Scene, Story

_PARTS = ("rx", "tx", "meanwhile", "commands")
_SHORTEST = 1


class Shrinker:
    """A search for the smallest story for which ``differs`` holds, for ``seconds`` at most.

    The order is from coarse to fine: scenes, halves of the frames and commands of a scene down to
    single ones, gaps and stalls, bytes of the frames. A step is kept if the story still differs.
    """

    def __init__(self, differs: Callable[[Story], bool], seconds: float) -> None:
        self._differs = differs
        self._end = time.monotonic() + seconds
        self.runs = 0
        """Stories that were tried."""

    def shrink(self, story: Story) -> Story:
        """The smallest story that was found; the same one when nothing could go."""
        before = None
        while before != story and not self._late():
            before = story
            story = self._without_scenes(story)
            for number in range(len(story.scenes)):
                for part in _PARTS:
                    story = self._without_items(story, number, part)
                story = self._calmer(story, number)
            for number in range(len(story.scenes)):
                story = self._shorter(story, number)
        return story

    def _late(self) -> bool:
        return time.monotonic() > self._end

    def _try(self, story: Story, smaller: Story) -> Story | None:
        """The smaller story if it differs too."""
        if smaller == story or self._late():
            return None
        self.runs += 1
        return smaller if self._differs(smaller) else None

    def _without_scenes(self, story: Story) -> Story:
        """Leave out scenes, the last first."""
        number = len(story.scenes) - 1
        while number >= 0 and len(story.scenes) > 1:
            left = [*story.scenes[:number], *story.scenes[number + 1:]]
            story = self._try(story, story.with_scenes(left)) or story
            number = min(number, len(story.scenes)) - 1
        return story

    def _without_items(self, story: Story, number: int, part: str) -> Story:
        """Leave out items of a part of a scene, in ever smaller chunks."""
        chunk = len(getattr(story.scenes[number], part))
        while chunk:
            start = 0
            while start < len(getattr(story.scenes[number], part)):
                items = getattr(story.scenes[number], part)
                left = (*items[:start], *items[start + chunk:])
                smaller = self._try(story, _changed(story, number, **{part: left}))
                if smaller is None:
                    start += chunk
                else:
                    story = smaller
            chunk //= 2
        return story

    def _calmer(self, story: Story, number: int) -> Story:
        """Take gaps, stalls, ports and sidebands away."""
        for change in ({"gap": 0}, {"stall": 0}, {"ports": None}):
            story = self._try(story, _changed(story, number, **change)) or story
        scene = story.scenes[number]
        plain = _changed(
            story, number,
            rx=tuple(replace(frame, sideband=0) for frame in scene.rx),
            tx=tuple(replace(frame, sideband=0) for frame in scene.tx))
        return self._try(story, plain) or story

    def _shorter(self, story: Story, number: int) -> Story:
        """Shorten each frame as far as it goes."""
        for part in ("rx", "tx"):
            for place in range(len(getattr(story.scenes[number], part))):
                for size in _sizes(len(getattr(story.scenes[number], part)[place].data)):
                    smaller = self._try(story, _cut(story, number, part, place, size))
                    if smaller is not None:
                        story = smaller
                        break
        return story


def _sizes(length: int) -> Iterator[int]:
    """Shorter lengths to try, the shortest first."""
    for share in (16, 8, 4, 2):
        if (size := length // share) >= _SHORTEST:
            yield size


def _changed(story: Story, number: int, **parts: Any) -> Story:
    """The story with other parts of a scene."""
    scenes: list[Scene] = list(story.scenes)
    scenes[number] = replace(scenes[number], **parts)
    return story.with_scenes(scenes)


def _cut(story: Story, number: int, part: str, place: int, size: int) -> Story:
    """The story with one frame cut to a size."""
    frames: Sequence[Any] = getattr(story.scenes[number], part)
    cut = replace(frames[place], data=frames[place].data[:size])
    return _changed(story, number, **{part: (*frames[:place], cut, *frames[place + 1:])})
