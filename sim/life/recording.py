"""Record of the story: its steps, with every access to a register."""

from dataclasses import dataclass, field

from espnic.model.interface.codes import (
    EventKind,
    IcvSize,
    KeySize,
    SaDirection,
    SaOperation,
    SaResult,
)
from espnic.model.interface.registers import REGISTERS, Access
from espnic.model.linux.bus import RegisterBus

_AT = {register.offset: register for register in REGISTERS}
_POLLED = ("SA_STATUS", "STATUS")
_ENUMS = {"operation": SaOperation, "direction": SaDirection, "result": SaResult,
          "kind": EventKind, "key_size": KeySize, "icv_size": IcvSize}


@dataclass
class Entry:
    """One step of the story."""

    title: str
    accesses: list[str] = field(default_factory=list)
    """Accesses to registers, in order; only the last read where a register is polled."""
    facts: list[str] = field(default_factory=list)
    """Findings, a line each."""
    frames: list[str] = field(default_factory=list)
    """All frames that left the device, in hexadecimal digits, with their completions."""
    problems: list[str] = field(default_factory=list)
    """Outcomes that are wrong for any device, a line each."""


class RecordedRegisters:
    """A ``RegisterBus`` that writes every access down.

    Members
    -------
    accesses
        A line for each access; only the last read where a register is polled.
    """

    def __init__(self, bus: RegisterBus) -> None:
        self._bus = bus
        self.accesses: list[str] = []
        self._last = ""

    async def read(self, offset: int) -> int:
        value = await self._bus.read(offset)
        name = _AT[offset].name
        if name in _POLLED and self._last == name:
            self.accesses.pop()
        self._note("read", name, offset, value)
        return value

    async def write(self, offset: int, value: int) -> None:
        await self._bus.write(offset, value)
        self._note("write", _AT[offset].name, offset, value)

    def _note(self, kind: str, name: str, offset: int, value: int) -> None:
        self._last = name if kind == "read" else ""
        self.accesses.append(f"{kind:5} {name:16} {_shown(offset, value)}")


def _shown(offset: int, value: int) -> str:
    """A register's fields by name, without numbers that are 0; ``(secret)`` for a secret."""
    register = _AT[offset]
    if register.access == Access.WRITE and len(register.fields) == 1 and value > 1:
        return "(secret)"
    parts = []
    for each in register.fields:
        part = (value & each.mask) >> each.low
        enum = _ENUMS.get(each.name)
        if part or (enum and value):
            parts.append(f"{each.name}={enum(part).name if enum else f'{part:#x}'}")
    return " ".join(parts) or "0"
