"""The register map: one description for the RTL, the driver and the documentation.

32-bit registers at byte offsets, reached over AXI4-Lite. Every offset that is not listed,
and every access that ``Access`` does not grant, answers SLVERR and changes nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from model.codes import RxStatus, SaResult, TxStatus
from model.layouts import SA_COMMAND, SA_RESPONSE, Layout

MAGIC = int.from_bytes(b"ESPN", "big")
VERSION = 1
WORD_BITS = 32
WORD_BYTES = 4
ADDRESS_BITS = 12
HASH_KEY_WORDS = 6


class Access(StrEnum):
    """How software may use a register."""

    READ = "R"
    """Read only."""
    READ_WRITE = "RW"
    """Reads give what was written last."""
    WRITE = "W"
    """Write only: reads give 0."""
    CLEAR = "RW1C"
    """Writing 1 to a bit clears it; a bit that is set in the same clock stays set."""


@dataclass(frozen=True)
class RegisterField:
    """Bits of a register: those of the value ``name`` from bit ``part`` up."""

    name: str
    low: int
    bits: int
    doc: str
    part: int = 0

    @property
    def mask(self) -> int:
        """The field's bits in the register."""
        return ((1 << self.bits) - 1) << self.low


@dataclass(frozen=True)
class Register:
    """One register. Bits outside its fields read as 0 and are not kept."""

    offset: int
    name: str
    access: Access
    fields: tuple[RegisterField, ...]
    doc: str
    reset: int = 0


def _field(layout: Layout, name: str, low: int) -> RegisterField:
    """A whole field of a layout, which fits a register."""
    field = next(field for field in layout.fields if field.name == name)
    return RegisterField(name, low, field.bits, field.doc)


def _words(
    offset: int, register: str, access: Access, name: str, bits: int, doc: str,
) -> list[Register]:
    """The registers of a value, low word first, numbered when it is wider than a word."""
    words = []
    for place in range(-(-bits // WORD_BITS)):
        low = WORD_BITS * place
        kept = min(WORD_BITS, bits - low)
        words.append(Register(
            offset + WORD_BYTES * place, f"{register}{place if bits > WORD_BITS else ''}", access,
            (RegisterField(name, 0, kept, f"bits {low + kept - 1}:{low}", low),), doc))
    return words


def _layout_words(
    offset: int, register: str, access: Access, layout: Layout, name: str,
) -> list[Register]:
    field = next(field for field in layout.fields if field.name == name)
    return _words(offset, register, access, name, field.bits, field.doc)


def _attributes(layout: Layout) -> tuple[RegisterField, ...]:
    places = {"key_size": 0, "icv_size": 4, "esn": 8, "esn_overlap": 9, "replay_window": 12,
              "ipv6": 16, "encapsulation": 17}
    return tuple(_field(layout, name, low) for name, low in places.items())


def _lookup_registers(offset: int, prefix: str, access: Access, layout: Layout) -> list[Register]:
    """What of an SA may be read: 7 registers."""
    return [
        Register(offset, f"{prefix}_ATTRIBUTES", access, _attributes(layout),
                 "Sizes and flags of the SA"),
        Register(offset + 4, f"{prefix}_ESN_HIGH", access, (_field(layout, "esn_high", 0),),
                 "High half of the sequence number"),
        Register(offset + 8, f"{prefix}_SPI", access, (_field(layout, "spi", 0),), "SPI"),
        *_layout_words(offset + 12, f"{prefix}_DESTINATION", access, layout, "destination"),
    ]


def _state_registers(
    offset: int, prefix: str, access: Access, layout: Layout, names: Iterable[str],
) -> Iterator[Register]:
    """64-bit fields of an SA's state: 2 registers each."""
    for place, name in enumerate(names):
        yield from _layout_words(
            offset + 2 * WORD_BYTES * place, f"{prefix}_{name.upper()}_", access, layout, name)


STATE_FIELDS = ("sequence", "soft_packets", "soft_bytes", "hard_packets", "hard_bytes")
USAGE_FIELDS = ("packets", "bytes")

RX_STATUS_COUNTERS = 0x200
TX_STATUS_COUNTERS = 0x300
TOTAL_COUNTERS = 0x400
COUNTER_BYTES = 8
"""A counter is two registers, low word first."""

TOTALS = tuple(
    f"{side}_{unit}_{way}"
    for side in ("rx", "tx") for unit in ("packets", "bytes") for way in ("in", "out")
)
"""Counters over all statuses. Out: frames that left, with the bytes they left with."""


def counters() -> dict[str, int]:
    """Name of each counter and the byte offset of its low word."""
    return {
        **{f"rx_{status.name.lower()}": RX_STATUS_COUNTERS + COUNTER_BYTES * status
           for status in RxStatus},
        **{f"tx_{status.name.lower()}": TX_STATUS_COUNTERS + COUNTER_BYTES * status
           for status in TxStatus},
        **{name: TOTAL_COUNTERS + COUNTER_BYTES * place for place, name in enumerate(TOTALS)},
    }


def _counter_registers() -> Iterator[Register]:
    for name, offset in counters().items():
        meaning = name.replace("_", " ")
        yield Register(
            offset, f"{name.upper()}_LOW", Access.READ,
            (RegisterField(name, 0, WORD_BITS, f"counter {meaning}"),),
            "Low word; reading it keeps the high word for a read after it")
        yield Register(
            offset + WORD_BYTES, f"{name.upper()}_HIGH", Access.READ,
            (RegisterField("counter_high", 0, WORD_BITS, f"counter {meaning}"),),
            "High word as it was when a low word was read last")


IDENTIFICATION = (
    Register(0x000, "TYPE", Access.READ, (RegisterField("type", 0, 32, '"ESPN" in ASCII'),),
             "Magic number of this kind of block", MAGIC),
    Register(0x004, "VERSION", Access.READ, (RegisterField("version", 0, 32, "version"),),
             "Version of this map", VERSION),
    Register(0x008, "SIZE", Access.READ, (RegisterField("size", 0, 32, "bytes"),),
             "Address space of the block", 1 << ADDRESS_BITS),
    Register(0x00C, "CAPABILITIES", Access.READ, (
        RegisterField("width", 0, 10, "bits of the datapath: 128, 256 or 512"),
        RegisterField("key_sizes", 12, 3, "a bit for each KeySize: 128, 192, 256"),
        RegisterField("icv_sizes", 16, 3, "a bit for each IcvSize: 8, 12, 16 bytes"),
        RegisterField("has_esn", 20, 1, "extended sequence numbers"),
        RegisterField("has_ipv6", 21, 1, "IPv6 outside"),
        RegisterField("has_udp", 22, 1, "UDP encapsulation (RFC 3948)"),
    ), "What the engine can do"),
    Register(0x010, "SAS", Access.READ, (
        RegisterField("sas", 0, 17, "handles of each direction are 1 to SAS - 1"),
    ), "Size of the SA tables"),
)

EVENTS = (
    Register(0x020, "IRQ_STATUS", Access.CLEAR, (
        RegisterField("command_done", 0, 1, "an SA command has ended"),
    ), "Events since they were cleared"),
    Register(0x024, "IRQ_ENABLE", Access.READ_WRITE, (
        RegisterField("command_done_enable", 0, 1, "raise irq for command_done"),
    ), "Events that raise irq"),
)

HASH_KEY = tuple(_words(
    0x040, "HASH_KEY", Access.WRITE, "hash_key", WORD_BITS * HASH_KEY_WORDS,
    "secret key of the look-up hash; SLVERR unless the receive table is empty and no command runs",
))

SA_DOORBELL = Register(0x080, "SA_DOORBELL", Access.WRITE, (
    _field(SA_COMMAND, "operation", 0),
    _field(SA_COMMAND, "select", 4),
    _field(SA_COMMAND, "direction", 8),
    _field(SA_COMMAND, "sa", 16),
), "Starts an SA command with the registers below; SLVERR while one runs")

SA_STATUS = Register(0x084, "SA_STATUS", Access.READ, (
    RegisterField("busy", 0, 1, "a command runs"),
    RegisterField("done", 1, 1, "a command has ended since the doorbell"),
    RegisterField("result", 8, 3, "SaResult: " + ", ".join(
        f"{int(result)} {result.name}" for result in SaResult)),
    RegisterField("rx_empty", 16, 1, "there is no receive SA"),
), "State of the SA command", reset=1 << 16)

SA_PARAMETERS = (
    *_lookup_registers(0x088, "SA", Access.READ_WRITE, SA_COMMAND),
    *_layout_words(0x0A4, "SA_SALT", Access.WRITE, SA_COMMAND, "salt"),
    *_layout_words(0x0A8, "SA_SEQIV_SALT", Access.WRITE, SA_COMMAND, "seqiv_salt"),
    *_layout_words(0x0B0, "SA_KEY", Access.WRITE, SA_COMMAND, "key"),
    *_state_registers(0x0D0, "SA", Access.READ_WRITE, SA_COMMAND, STATE_FIELDS),
)
"""SLVERR on a write while a command runs. The write-only ones are cleared when it starts."""

READ_BACK = (
    *_lookup_registers(0x100, "READ", Access.READ, SA_RESPONSE),
    *_state_registers(0x120, "READ", Access.READ, SA_RESPONSE, (*STATE_FIELDS, *USAGE_FIELDS)),
)
"""The SA that the last command read; 0 unless it was a good READ."""

COUNTERS = tuple(_counter_registers())

REGISTERS = (
    *IDENTIFICATION, *EVENTS, *HASH_KEY, SA_DOORBELL, SA_STATUS, *SA_PARAMETERS, *READ_BACK,
    *COUNTERS,
)

BY_NAME = {register.name: register for register in REGISTERS}


def rows() -> Iterator[tuple[str, ...]]:
    """The table for a reader: offset, register, access, reset, bits, field, meaning."""
    for register in REGISTERS:
        reset = "" if register in IDENTIFICATION[3:] else f"{register.reset:#x}"
        yield (f"{register.offset:#05x}", register.name, register.access, reset, "", "",
               register.doc)
        for field in register.fields:
            high = field.low + field.bits - 1
            bits = f"{high}:{field.low}" if field.bits > 1 else f"{field.low}"
            yield "", "", "", "", bits, field.name, field.doc
