"""The device's registers as a driver uses them: identify, command SAs, read counters."""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from espnic.model.device.events import Event
from espnic.model.interface import registers
from espnic.model.interface.capabilities import feature_strings
from espnic.model.interface.codes import (
    ESP_PORTS,
    IcvSize,
    KeySize,
    ReplayWindow,
    SaDirection,
    SaOperation,
    SaResult,
)
from espnic.model.interface.layouts import HANDLE_BITS, RESERVED, SA_COMMAND, SA_RESPONSE
from espnic.model.interface.registers import BY_NAME, Register
from espnic.model.linux.bus import RegisterBus, RegisterError
from espnic.model.linux.errors import LinuxError

POLLS = 50_000
"""Reads of SA_STATUS before a command counts as lost: far more than the longest takes."""
DRAIN_POLLS = 20_000
"""Reads of STATUS before frames count as stuck, and with them a self-test: full stores take some
thousand clocks to drain when nothing holds them up, and many times that on a slow link."""

ALL_ONES = (1 << registers.WORD_BITS) - 1
"""The answer to every read of a device that is not there any more."""
WIDTHS = (128, 256, 512)
"""Widths of a datapath in bits."""

_STILL = ("rx_stopped", "tx_stopped", "rx_idle", "tx_idle")
"""Fields of STATUS that are 1 when no frame is inside and none comes."""
_BARE = (SaOperation.DELETE, SaOperation.READ, SaOperation.FREE, SaOperation.FLUSH)
"""Operations that need no register but the doorbell."""
_TYPE = BY_NAME["TYPE"]
_INTERRUPT_STATUS, _INTERRUPT_ENABLE = BY_NAME["IRQ_STATUS"], BY_NAME["IRQ_ENABLE"]


class CommandTimeout(RegisterError):
    """An SA command that does not end, or frames that do not leave."""


@contextmanager
def errnos(what: str) -> Iterator[None]:
    """Turn errors of the registers into ``LinuxError``: ETIMEDOUT or EIO, with ``what`` failed."""
    try:
        yield
    except CommandTimeout as lost:
        raise LinuxError(errno.ETIMEDOUT, f"{what}: {lost}") from None
    except RegisterError as refused:
        raise LinuxError(errno.EIO, f"{what}: {refused}") from None


@dataclass(frozen=True)
class Identity:
    """The device as its identification registers describe it."""

    version: int
    """Version of the register map."""
    width: int
    """Width of the datapath in bits."""
    sas: int
    """Handles of each direction are 1 to ``sas - 1``."""
    key_sizes: tuple[KeySize, ...]
    icv_sizes: tuple[IcvSize, ...]
    esn: bool
    ipv6: bool
    udp: bool
    features: tuple[str, ...]
    """Names of ``model.interface.capabilities``."""
    replay_window: int
    """Packets of the largest replay window, 0 for none."""


class Hardware:
    """The registers of a device, used as a driver uses them.

    The commands and their fields are those of ``model.device.device.Device``. Every method raises
    ``RegisterError`` when an access is refused.
    """

    def __init__(self, bus: RegisterBus) -> None:
        self._bus = bus
        self._reserved = 0
        """Reserved field of the command that was written last: its registers keep it."""

    async def write(self, register: Register, value: int) -> None:
        """Write a whole register."""
        try:
            await self._bus.write(register.offset, value)
        except RegisterError as refused:
            raise RegisterError(f"write to {register.name}: {refused}") from None

    async def read(self, register: Register) -> int:
        """Read a register.

        All ones are believed only if TYPE does not read as all ones too.
        """
        try:
            word = await self._bus.read(register.offset)
            gone = word == ALL_ONES == await self._bus.read(_TYPE.offset)
        except RegisterError as refused:
            raise RegisterError(f"read of {register.name}: {refused}") from None
        if gone:
            raise RegisterError(f"read of {register.name}: all ones, the device is gone")
        return word

    async def fields(self, *names: str) -> dict[str, int]:
        """Read registers, and put the parts of each of their fields together."""
        values: dict[str, int] = {}
        for name in names:
            word = await self.read(BY_NAME[name])
            for field in BY_NAME[name].fields:
                part = (word & field.mask) >> field.low << field.part
                values[field.name] = values.get(field.name, 0) | part
        return values

    async def identify(self) -> Identity:
        """Read what the device is.

        Raises ``RegisterError`` when it is no such device, one of another version, or one whose
        capabilities make no sense.
        """
        found = await self.fields("TYPE", "VERSION")
        if found["type"] != registers.MAGIC:
            raise RegisterError(f"TYPE: {found['type']:#x}, expected {registers.MAGIC:#x}")
        if found["version"] != registers.VERSION:
            raise RegisterError(f"VERSION: {found['version']}, expected {registers.VERSION}")
        can = await self.fields("CAPABILITIES", "SAS")
        _expect_sense(can)
        return Identity(
            version=found["version"],
            width=can["width"],
            sas=can["sas"],
            key_sizes=tuple(size for size in KeySize if can["key_sizes"] >> size & 1),
            icv_sizes=tuple(size for size in IcvSize if can["icv_sizes"] >> size & 1),
            esn=bool(can["has_esn"]),
            ipv6=bool(can["has_ipv6"]),
            udp=bool(can["has_udp"]),
            features=feature_strings(can),
            replay_window=ReplayWindow(can["replay_window_max"]).packets,
        )

    async def set_table_key(self, key: int) -> None:
        """Set the key of the look-up hash; refused while there is a receive SA."""
        for register in registers.TABLE_KEY:
            await self._write_fields(register, {"table_key": key})

    async def set_esp_ports(self, ports: Sequence[int]) -> None:
        """Set the UDP ports to which ESP is received: up to four, in the order of the registers.

        Frames whose headers come between the two writes may be taken by old and new ports.
        """
        if len(ports) > ESP_PORTS or not all(0 < port < 1 << registers.PORT_BITS for port in ports):
            raise ValueError(f"ESP_PORTS: {list(ports)}, expected up to {ESP_PORTS} UDP ports")
        values = {f"esp_port{number}": port for number, port in enumerate(
            [*ports, *[0] * (ESP_PORTS - len(ports))])}
        for register in registers.PORTS:
            await self._write_fields(register, values)

    async def command(self, values: dict[str, int]) -> SaResult:
        """Do one SA command; ``values`` are fields of SA_COMMAND, those not given are 0.

        Raises ``CommandTimeout`` when it does not end, ``RegisterError`` for an unknown result.
        """
        full = {RESERVED: 0} | SA_COMMAND.unpack(SA_COMMAND.pack(values))
        if full["operation"] not in _BARE or full[RESERVED] != self._reserved:
            self._reserved = full[RESERVED]
            for register in registers.SA_PARAMETERS:
                await self._write_fields(register, full)
        await self._write_fields(registers.SA_DOORBELL, full)
        for _ in range(POLLS):
            status = await self.fields("SA_STATUS")
            if status["done"]:
                return _result(status["result"])
        raise CommandTimeout(f"SA_STATUS: command not done after {POLLS} reads")

    async def sa_command(self, **values: int) -> SaResult:
        """Do one SA command, its fields given as keyword arguments."""
        return await self.command(values)

    async def read_sa(self, direction: SaDirection, handle: int) -> dict[str, int]:
        """The fields of SA_RESPONSE after a READ command."""
        result = await self.command(
            {"operation": SaOperation.READ, "direction": direction, "sa": handle})
        back = await self.fields(*(register.name for register in registers.READ_BACK))
        return SA_RESPONSE.unpack(SA_RESPONSE.pack({"result": result, **back}))

    async def counters(self) -> dict[str, int]:
        """All counters, by the names of ``model.interface.registers.counters``."""
        return {name: await self.counter(name) for name in registers.counters()}

    async def counter(self, name: str) -> int:
        """A counter, by its name among ``model.interface.registers.counters``."""
        low = await self.read(BY_NAME[f"{name.upper()}_LOW"])
        high = await self.read(BY_NAME[f"{name.upper()}_HIGH"])
        return high << registers.WORD_BITS | low

    async def enable_events(self, on: bool = True) -> None:
        """Raise the interrupt for events in the queue and for events lost, or for nothing."""
        await self._write_fields(_INTERRUPT_ENABLE, {
            "command_done_enable": 0, "event_present_enable": int(on),
            "events_lost_enable": int(on)})

    async def next_event(self) -> Event | None:
        """Take the oldest event off the queue; None when there is none."""
        found = await self.fields("EVENT")
        if not found.pop("event_valid"):
            return None
        found |= await self.fields("EVENT_SEQUENCE_0", "EVENT_SEQUENCE_1")
        await self._write_fields(registers.EVENT_POP, {"event_pop": 1})
        return found

    async def interrupt_causes(self) -> tuple[bool, bool]:
        """Whether there are events, and whether some were lost since this was asked last."""
        found = await self.fields("IRQ_STATUS")
        if found["events_lost"]:
            await self._write_fields(_INTERRUPT_STATUS, {
                "command_done": 0, "event_present": 0, "events_lost": 1})
        return bool(found["event_present"]), bool(found["events_lost"])

    async def detect_bursts(self, threshold: int, clocks: int) -> None:
        """Ask for an event when ``threshold`` ICVs fail within ``clocks`` clocks; 0: never."""
        await self._write_fields(BY_NAME["BURST_CLOCKS"], {"burst_clocks": clocks})
        await self._write_fields(BY_NAME["BURST_THRESHOLD"], {"burst_threshold": threshold})

    async def quiesce(self) -> None:
        """Let the device take no new frame, and wait until those that it has taken have left.

        Raises ``CommandTimeout`` when they do not leave, as when a link is down.
        """
        await self._write_fields(BY_NAME["CONTROL"], {"quiesce": 1, "self_test": 0})
        for _ in range(DRAIN_POLLS):
            status = await self.fields("STATUS")
            if all(status[name] for name in _STILL):
                return
        raise CommandTimeout(f"STATUS: frames left after {DRAIN_POLLS} reads")

    async def start(self) -> None:
        """Let the device take frames again."""
        await self._write_fields(BY_NAME["CONTROL"], {"quiesce": 0, "self_test": 0})

    async def self_test(self, stopped: bool = False) -> bool:
        """Test the ciphers, while frames pass or are ``stopped``; say whether all are good."""
        await self._write_fields(BY_NAME["CONTROL"], {"quiesce": int(stopped), "self_test": 1})
        return await self.ciphers_good()

    async def ciphers_good(self) -> bool:
        """Wait until a self-test that runs has ended; say whether all ciphers passed the last.

        Raises ``CommandTimeout`` when it does not end, as when frames cannot leave.
        """
        for _ in range(DRAIN_POLLS):
            status = await self.fields("STATUS")
            if not status["self_testing"]:
                return not (status["rx_failed"] or status["tx_failed"])
        raise CommandTimeout(f"STATUS: self-test not done after {DRAIN_POLLS} reads")

    async def _write_fields(self, register: Register, values: dict[str, int]) -> None:
        word = 0
        for field in register.fields:
            word |= values[field.name] >> field.part << field.low & field.mask
        await self.write(register, word)


def _expect_sense(can: dict[str, int]) -> None:
    """Raise ``RegisterError`` for fields of CAPABILITIES and SAS that no build has."""
    windows = [int(size) for size in ReplayWindow]
    for name, good in (
        ("width", can["width"] in WIDTHS), ("sas", 1 < can["sas"] <= 1 << HANDLE_BITS),
        ("key_sizes", can["key_sizes"] != 0), ("icv_sizes", can["icv_sizes"] != 0),
        ("replay_window_max", can["replay_window_max"] in windows),
    ):
        if not good:
            raise RegisterError(f"CAPABILITIES: {name} {can[name]}, expected one of a build")


def _result(number: int) -> SaResult:
    try:
        return SaResult(number)
    except ValueError:
        raise RegisterError(f"SA_STATUS: result {number}, expected a known one") from None
