"""The bus by which a driver reaches the device's registers, be they a model's or the RTL's."""

from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from espnic.model.device.register_file import AccessError, RegisterFile

Result = TypeVar("Result")


class RegisterError(Exception):
    """A register access that was answered with SLVERR, or an answer that makes no sense."""


class RegisterBus(Protocol):
    """32-bit registers at byte offsets; a refused access raises ``RegisterError``."""

    async def read(self, offset: int) -> int:
        """The word of the register at ``offset``."""
        ...

    async def write(self, offset: int, value: int) -> None:
        """Write the whole register at ``offset``."""
        ...


class ModelRegisters:
    """The ``RegisterBus`` of the model's register block."""

    def __init__(self, file: RegisterFile) -> None:
        self._file = file

    async def read(self, offset: int) -> int:
        """The word of the register at ``offset``."""
        try:
            return self._file.read(offset)
        except AccessError as refused:
            raise RegisterError(str(refused)) from None

    async def write(self, offset: int, value: int) -> None:
        """Write the whole register at ``offset``."""
        try:
            self._file.write(offset, value)
        except AccessError as refused:
            raise RegisterError(str(refused)) from None


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine that never waits, such as one on the model's registers.

    Raises ``RuntimeError`` when it waits.
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: Result = done.value
        return result
    coroutine.close()
    raise RuntimeError("the coroutine waits, expected one that does not")
