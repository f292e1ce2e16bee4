"""How a driver reaches the device's registers, whatever the device is made of."""

from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from espnic.model.device.register_file import RegisterFile, SlaveError

Result = TypeVar("Result")


class RegisterError(Exception):
    """The device answered SLVERR, or gives no sensible answer."""


class RegisterBus(Protocol):
    """32-bit registers at byte offsets. Both raise ``RegisterError`` for an access refused."""

    async def read(self, offset: int) -> int:
        """The word of the register at ``offset``."""
        ...

    async def write(self, offset: int, value: int) -> None:
        """Write the whole register at ``offset``."""
        ...


class ModelRegisters:
    """A ``RegisterBus`` of the model's register block."""

    def __init__(self, file: RegisterFile) -> None:
        self._file = file

    async def read(self, offset: int) -> int:
        try:
            return self._file.read(offset)
        except SlaveError as refused:
            raise RegisterError(str(refused)) from None

    async def write(self, offset: int, value: int) -> None:
        try:
            self._file.write(offset, value)
        except SlaveError as refused:
            raise RegisterError(str(refused)) from None


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine that never waits, as one on the model's registers."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: Result = done.value
        return result
    coroutine.close()
    raise RuntimeError("the coroutine waits, expected one that does not")
