"""The register block as a driver sees it, without a bus: every access takes effect at once."""

from collections.abc import Mapping

from espnic.model.device.device import Device
from espnic.model.device.events import BurstDetector
from espnic.model.interface.codes import (
    EventKind,
    KeySize,
    RxStatus,
    SaDirection,
    SaOperation,
    SaResult,
)
from espnic.model.interface.layouts import SA_COMMAND, SA_RESPONSE
from espnic.model.interface.registers import (
    BY_NAME,
    CAPABILITIES,
    CONTROLS,
    COUNTERS,
    EVENT_HEAD,
    EVENT_POP,
    IDENTIFICATION,
    PORTS,
    REGISTERS,
    SA_DOORBELL,
    SA_PARAMETERS,
    SA_STATUS,
    TABLE_KEY,
    WORD_BITS,
    WORD_BYTES,
    Access,
    Register,
    capabilities,
)

STROBES = (1 << WORD_BYTES) - 1
"""The strobe that selects all bytes of a word."""

_AT = {register.offset: register for register in REGISTERS}


class AccessError(Exception):
    """An access that is answered with SLVERR and has changed nothing."""


class RegisterFile:
    """The registers of ``model.interface.registers`` in front of a model device.

    An SA command ends within the write to its doorbell, a self-test within the write that asks for
    it, and a frame within the call of the device. So ``busy`` and ``self_testing`` are never seen,
    and the datapath is always idle. Only the burst detector needs time, which stands still except
    in ``pass_clocks``.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self._capabilities = capabilities(device.features)
        self._kept = {register.name: register.reset for register in REGISTERS
                      if register.access in (Access.READ_WRITE, Access.WRITE)}
        self._done = False
        self._command_done = False
        self._written: set[str] = set()
        """Words of salts and key that were written whole since the last command."""
        self._response = SA_RESPONSE.unpack(0)
        self._counter_high = 0
        self._burst = BurstDetector()
        self._failures_seen = 0
        self._now = 0

    @property
    def irq(self) -> bool:
        """Level of the interrupt."""
        return bool(self._read(BY_NAME["IRQ_STATUS"]) & self._read(BY_NAME["IRQ_ENABLE"]))

    def pass_clocks(self, clocks: int) -> None:
        """Advance time by ``clocks`` clocks after the last frame received."""
        self._find_bursts()
        self._now += clocks

    def read(self, offset: int) -> int:
        """The word at a byte offset, whose two low bits are ignored.

        Raises ``AccessError`` where there is no register.
        """
        return self._read(_register(offset))

    def write(self, offset: int, value: int, strobe: int = STROBES) -> None:
        """Write the bytes of a word that ``strobe`` selects: its bit 0 is for bits 7:0, and so on.

        The two low bits of ``offset`` are ignored. Raises ``AccessError`` where there is no
        register, or none that may be written now.
        """
        register = _register(offset)
        if register.access == Access.READ or not self._allows(register):
            raise AccessError(f"write to {register.name}: SLVERR")
        self._find_bursts()
        mask = _bits(strobe)
        if register.access == Access.CLEAR:
            self._clear(register, value & mask)
            return
        kept = self._kept[register.name]
        fields = sum(field.mask for field in register.fields)
        self._kept[register.name] = kept & ~mask | value & mask & fields
        if register in SA_PARAMETERS and strobe == STROBES:
            self._written.add(register.name)
        if register is SA_DOORBELL and strobe:
            self._command()
        elif register is EVENT_POP:
            if self._kept.get(register.name):
                self.device.events.pop()
            self._kept[register.name] = 0
        elif register in CONTROLS:
            self._self_test()
            self._burst.threshold = self._kept["BURST_THRESHOLD"]
            self._burst.clocks = self._kept["BURST_CLOCKS"]
        elif register in PORTS:
            self.device.esp_ports = tuple(
                (self._kept[one.name] & field.mask) >> field.low
                for one in PORTS for field in one.fields)

    def _self_test(self) -> None:
        """Do the self-test that CONTROL asks for."""
        control = BY_NAME["CONTROL"]
        [asked] = (field.mask for field in control.fields if field.name == "self_test")
        if self._kept[control.name] & asked:
            self._kept[control.name] &= ~asked
            self.device.self_test()

    def _allows(self, register: Register) -> bool:
        if register in TABLE_KEY:
            return self.device.sas[SaDirection.RX].empty
        return register is not EVENT_POP or len(self.device.events) > 0

    def _read(self, register: Register) -> int:
        self._find_bursts()
        if register in COUNTERS:
            return self._read_counter(register)
        if register.access == Access.WRITE:
            return 0
        if register.access == Access.READ_WRITE:
            return self._kept[register.name]
        return _word(register, self._values(register))

    def _values(self, register: Register) -> Mapping[str, int]:
        """Values of the fields of a register that shows the device's state."""
        if register in IDENTIFICATION or register in CAPABILITIES:
            return self._capabilities
        if register in EVENT_HEAD:
            events = self.device.events
            return {**events.head, "event_valid": len(events) > 0, "event_count": len(events)}
        if register is SA_STATUS:
            return {"busy": 0, "done": self._done, "result": self._response["result"],
                    "rx_empty": self.device.sas[SaDirection.RX].empty}
        if register.name == "IRQ_STATUS":
            return {"command_done": self._command_done,
                    "event_present": len(self.device.events) > 0,
                    "events_lost": self.device.events.overflowed}
        if register.name == "STATUS":
            quiesce = self._kept["CONTROL"]
            failed = self.device.failed
            return {"rx_stopped": quiesce, "tx_stopped": quiesce, "rx_idle": 1, "tx_idle": 1,
                    "rx_failed": SaDirection.RX in failed, "tx_failed": SaDirection.TX in failed,
                    "self_testing": 0}
        return self._response

    def _read_counter(self, register: Register) -> int:
        name = register.fields[0].name
        if name == "counter_high":
            return self._counter_high
        value = self.device.counters[name]
        self._counter_high = value >> WORD_BITS
        return value & (1 << WORD_BITS) - 1

    def _clear(self, register: Register, bits: int) -> None:
        """Clear the fields of a write-1-to-clear register that have a bit in ``bits``."""
        cleared = {field.name for field in register.fields if field.mask & bits}
        self._command_done &= "command_done" not in cleared
        self.device.events.overflowed &= "events_lost" not in cleared

    def _command(self) -> None:
        """Do the SA command that the parameters hold, and clear the write-only ones."""
        values: dict[str, int] = {}
        for register in (SA_DOORBELL, *SA_PARAMETERS):
            for field in register.fields:
                part = (self._kept[register.name] & field.mask) >> field.low << field.part
                values[field.name] = values.get(field.name, 0) | part
            if register is not SA_DOORBELL and register.access == Access.WRITE:
                self._kept[register.name] = 0
        values = SA_COMMAND.unpack(SA_COMMAND.pack(values))
        self._response = SA_RESPONSE.unpack(0)
        if values["operation"] == SaOperation.ADD and not self._has_whole_key(values):
            result = SaResult.EINVAL
            self.device.counters["sa_add_fail"] += 1
        else:
            result = self.device.command(values)
        self._written.clear()
        if result == SaResult.OK and values["operation"] == SaOperation.READ:
            self._response = self.device.read_sa(SaDirection(values["direction"]), values["sa"])
        self._response["result"] = int(result)
        self._done = self._command_done = True

    def _has_whole_key(self, values: Mapping[str, int]) -> bool:
        """Whether all words that an ADD needs of its key and salts were written."""
        needed = ["SA_SALT"]
        if values["direction"] == SaDirection.TX:
            needed += ["SA_SEQIV_SALT0", "SA_SEQIV_SALT1"]
        size = next((size for size in KeySize if size == values["key_size"]), KeySize.AES256)
        needed += [f"SA_KEY{word}" for word in range(size.bytes // WORD_BYTES)]
        return self._written.issuperset(needed)

    def _find_bursts(self) -> None:
        """Detect bursts in the frames received since the last access, all as of now."""
        failures = self.device.counters[f"rx_{RxStatus.AUTH_FAILED.name.lower()}"]
        for _ in range(failures - self._failures_seen):
            if self._burst.fail(self._now):
                self.device.events.push(EventKind.AUTH_BURST, SaDirection.RX)
        self._failures_seen = failures


def _register(offset: int) -> Register:
    register = _AT.get(offset // WORD_BYTES * WORD_BYTES)
    if register is None:
        raise AccessError(f"offset {offset:#x}: SLVERR, expected one of a register")
    return register


def _bits(strobe: int) -> int:
    """The bits of the bytes that a strobe selects."""
    return sum(0xFF << 8 * byte for byte in range(WORD_BYTES) if strobe >> byte & 1)


def _word(register: Register, values: Mapping[str, int]) -> int:
    """The word of a register whose fields have these values."""
    return sum(values[field.name] >> field.part << field.low & field.mask
               for field in register.fields)
