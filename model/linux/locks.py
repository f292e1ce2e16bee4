"""The driver's locks, for coroutines that whoever runs them may interleave at register accesses."""

from collections.abc import Generator


class Lock:
    """A lock that one coroutine holds at a time.

    A coroutine that has to wait yields the lock to whoever runs it, once for each time that it
    finds the lock held. A coroutine that alone runs never waits.
    """

    def __init__(self) -> None:
        self.held = False
        """Whether a coroutine holds it."""

    async def __aenter__(self) -> None:
        while self.held:
            await _Wait(self)
        self.held = True

    async def __aexit__(self, *_problem: object) -> None:
        self.held = False


class _Wait:
    """The wait for a lock."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock

    def __await__(self) -> Generator[Lock, None, None]:
        yield self._lock
