"""Interleavings of the driver's callbacks at their register accesses.

A callback is a coroutine. It pauses before each access, and where it waits for a lock. ``explore``
goes through every order in which the pieces between these pauses can run.
"""

from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any

from espnic.model.linux.bus import run
from espnic.model.linux.locks import Lock
from tests.support.linux_host import Bench, RecordingRegisters

Callback = Coroutine[Any, Any, Any]


class _Access:
    """The pause before a register access."""

    def __await__(self) -> Generator[None, None, None]:
        yield None


class SteppedRegisters(RecordingRegisters):
    """Registers whose accesses pause once ``stepping`` is set."""

    stepping = False

    async def read(self, offset: int) -> int:
        if self.stepping:
            await _Access()
        return await super().read(offset)

    async def write(self, offset: int, value: int) -> None:
        if self.stepping:
            await _Access()
        await super().write(offset, value)


class SteppedBench(Bench):
    """A host whose driver's callbacks can be interleaved."""

    Registers = SteppedRegisters


class _Running:
    """A callback, as far as it has come."""

    def __init__(self, callback: Callback) -> None:
        self._callback = callback
        self._waits_for: Lock | None = None
        self.ended = False
        self.problem: Exception | None = None

    @property
    def runnable(self) -> bool:
        """Whether it can go on."""
        return not self.ended and not (self._waits_for and self._waits_for.held)

    def step(self) -> None:
        """Let it go on to its next pause."""
        try:
            self._waits_for = self._callback.send(None)
        except StopIteration:
            self.ended = True
        except Exception as problem:
            self.ended, self.problem = True, problem


Begin = Callable[[], tuple[SteppedBench, list[Callback]]]
"""Makes callbacks on a new host."""
Ended = tuple[SteppedBench, list[Exception | None]]
"""The host when all callbacks have ended, and the error of each."""


def explore(begin: Begin) -> Iterator[Ended]:
    """Every interleaving of callbacks.

    Raises ``AssertionError`` when all wait for each other.
    """
    choices: list[tuple[int, int]] = []
    while True:
        made = 0

        def choose(ready: int) -> int:
            nonlocal made
            if made == len(choices):
                choices.append((0, ready))
            made += 1
            return choices[made - 1][0]
        yield _run(begin, choose)
        while choices and choices[-1][0] + 1 == choices[-1][1]:
            choices.pop()
        if not choices:
            return
        choices[-1] = choices[-1][0] + 1, choices[-1][1]


def interruptions(begin: Begin) -> Iterator[Ended]:
    """Each order in which one of two callbacks runs whole somewhere within the other."""
    for first in (0, 1):
        for before in range(_steps(begin, first) + 1):
            done = 0

            def choose(_ready: int, first: int = first, before: int = before) -> int:
                nonlocal done
                done += 1
                return first if done <= before else 1 - first
            yield _run(begin, choose)


def _steps(begin: Begin, number: int) -> int:
    """Steps of a callback that runs first."""
    bench, callbacks = begin()
    bench.registers.stepping = True
    running, steps = _Running(callbacks[number]), 0
    callbacks[1 - number].close()
    while not running.ended:
        running.step()
        steps += 1
    return steps


def _run(begin: Begin, choose: Callable[[int], int]) -> Ended:
    """Run callbacks to their ends; ``choose`` picks one of so many that can go on."""
    bench, callbacks = begin()
    bench.registers.stepping = True
    running = [_Running(callback) for callback in callbacks]
    while not all(each.ended for each in running):
        ready = [each for each in running if each.runnable]
        assert ready, "the callbacks wait for each other"
        ready[choose(len(ready)) if len(ready) > 1 else 0].step()
    bench.registers.stepping = False
    return bench, [each.problem for each in running]


def settle(bench: SteppedBench) -> None:
    """Do the work that is left when the callbacks have ended."""
    run(bench.driver.run_work())
