"""The device's registers as a driver uses them: identify, command SAs, read counters."""

from dataclasses import dataclass

from model import registers
from model.codes import IcvSize, KeySize, SaDirection, SaOperation, SaResult
from model.layouts import SA_COMMAND, SA_RESPONSE
from model.linux.bus import RegisterBus, RegisterError
from model.registers import BY_NAME, Register

POLLS = 1000
"""Reads of SA_STATUS before a command counts as lost: far more than the longest takes."""


@dataclass(frozen=True)
class Identity:
    """What the identification registers say."""

    version: int
    width: int
    """Bits of the datapath."""
    sas: int
    """Handles of each direction are 1 to ``sas - 1``."""
    key_sizes: tuple[KeySize, ...]
    icv_sizes: tuple[IcvSize, ...]
    esn: bool
    ipv6: bool
    udp: bool


class Hardware:
    """Does what a driver does: identify the device, command SAs, read counters.

    The commands and their fields are those of ``model.device.Device``.
    """

    def __init__(self, bus: RegisterBus) -> None:
        self._bus = bus

    async def write(self, register: Register, value: int) -> None:
        """Write a whole register. Raises ``RegisterError`` when it is refused."""
        try:
            await self._bus.write(register.offset, value)
        except RegisterError as refused:
            raise RegisterError(f"write to {register.name}: {refused}") from None

    async def read(self, register: Register) -> int:
        """Read a register. Raises ``RegisterError`` when it is refused."""
        try:
            return await self._bus.read(register.offset)
        except RegisterError as refused:
            raise RegisterError(f"read of {register.name}: {refused}") from None

    async def fields(self, *names: str) -> dict[str, int]:
        """Read registers and put the parts of their fields together."""
        values: dict[str, int] = {}
        for name in names:
            word = await self.read(BY_NAME[name])
            for field in BY_NAME[name].fields:
                part = (word & field.mask) >> field.low << field.part
                values[field.name] = values.get(field.name, 0) | part
        return values

    async def identify(self) -> Identity:
        """Raises ``RegisterError`` when this is no such device, or one of another version."""
        found = await self.fields("TYPE", "VERSION")
        if found["type"] != registers.MAGIC:
            raise RegisterError(f"TYPE: {found['type']:#x}, expected {registers.MAGIC:#x}")
        if found["version"] != registers.VERSION:
            raise RegisterError(f"VERSION: {found['version']}, expected {registers.VERSION}")
        can = await self.fields("CAPABILITIES", "SAS")
        return Identity(
            version=found["version"],
            width=can["width"],
            sas=can["sas"],
            key_sizes=tuple(size for size in KeySize if can["key_sizes"] >> size & 1),
            icv_sizes=tuple(size for size in IcvSize if can["icv_sizes"] >> size & 1),
            esn=bool(can["has_esn"]),
            ipv6=bool(can["has_ipv6"]),
            udp=bool(can["has_udp"]),
        )

    async def set_hash_key(self, key: int) -> None:
        """Set the key of the look-up hash; refused while a receive SA is there."""
        for register in registers.HASH_KEY:
            await self._write_fields(register, {"hash_key": key})

    async def command(self, values: dict[str, int]) -> SaResult:
        """Do one SA command; ``values`` are fields of SA_COMMAND, those not given are 0.

        Raises ``RegisterError`` when it does not end.
        """
        full = SA_COMMAND.unpack(SA_COMMAND.pack(values))
        for register in registers.SA_PARAMETERS:
            await self._write_fields(register, full)
        await self._write_fields(registers.SA_DOORBELL, full)
        for _ in range(POLLS):
            status = await self.fields("SA_STATUS")
            if status["done"]:
                return SaResult(status["result"])
        raise RegisterError(f"SA_STATUS: command not done after {POLLS} reads")

    async def sa_command(self, **values: int) -> SaResult:
        """The same with the fields as keyword arguments."""
        return await self.command(values)

    async def read_sa(self, direction: SaDirection, handle: int) -> dict[str, int]:
        """The fields of SA_RESPONSE that a READ command gives."""
        result = await self.command(
            {"operation": SaOperation.READ, "direction": direction, "sa": handle})
        back = await self.fields(*(register.name for register in registers.READ_BACK))
        return SA_RESPONSE.unpack(SA_RESPONSE.pack({"result": result, **back}))

    async def counters(self) -> dict[str, int]:
        """All counters, by the names of ``model.registers.counters``."""
        values = {}
        for name in registers.counters():
            low = await self.read(BY_NAME[f"{name.upper()}_LOW"])
            high = await self.read(BY_NAME[f"{name.upper()}_HIGH"])
            values[name] = high << registers.WORD_BITS | low
        return values

    async def _write_fields(self, register: Register, values: dict[str, int]) -> None:
        word = 0
        for field in register.fields:
            word |= values[field.name] >> field.part << field.low & field.mask
        await self.write(register, word)
