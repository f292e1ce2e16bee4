"""The register map: one description for the RTL, the driver and the documentation.

32-bit registers at byte offsets, reached over AXI4-Lite. Every offset that is not listed,
and every access that ``Access`` does not grant, answers SLVERR and changes nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from espnic.model.interface.codes import (
    ESP_PORTS,
    EVENT_QUEUE_DEPTH,
    FRAME_BYTES_MAX,
    SIDES,
    SUPER_FRAME_BYTES_MAX,
    UDP_PORT_ESP,
    IcvSize,
    KeySize,
    ReplayWindow,
    RxStatus,
    SaResult,
    TxStatus,
)
from espnic.model.interface.features import Features
from espnic.model.interface.layouts import EVENT, RESERVED, SA_COMMAND, SA_RESPONSE, Layout

MAGIC = int.from_bytes(b"ESPN", "big")
VERSION = 3
WORD_BITS = 32
WORD_BYTES = 4
ADDRESS_BITS = 12
TABLE_KEY_WORDS = 6
TABLE_KEY_BITS = TABLE_KEY_WORDS * WORD_BITS
"""Width in bits of the secret key of the SA table's hash. It is the same for every size of the
table; the table uses the key from bit 0 up."""
TABLE_KEY_DEFAULT = 0x9F2B61C8D7034EA5_B86E1D97F4C20A3B_5D81E6294BF37CD0
"""Arbitrary bits for a table whose driver sets no secret key."""


class Access(StrEnum):
    """Ways in which software may use a register."""

    READ = "R"
    """Read only."""
    READ_WRITE = "RW"
    """Reads give the value that was written last."""
    WRITE = "W"
    """Write only: reads give 0."""
    CLEAR = "RW1C"
    """Writing 1 to a bit clears it; a bit that is set in the same clock stays set."""


@dataclass(frozen=True)
class RegisterField:
    """Bits of a register that hold the value ``name`` from its bit ``part`` up."""

    name: str
    low: int
    """Lowest bit of the field in the register."""
    bits: int
    """Width of the field."""
    doc: str
    part: int = 0
    access: Access | None = None
    """The field's own access; None where it is that of the register."""

    @property
    def reserved(self) -> bool:
        """Whether the bits have no meaning yet; they are 0."""
        return self.name == RESERVED

    @property
    def mask(self) -> int:
        """The field's bits in the register."""
        return ((1 << self.bits) - 1) << self.low


@dataclass(frozen=True)
class Register:
    """One register. Bits outside its fields read as 0 and are not kept."""

    offset: int
    """Byte offset in the block."""
    name: str
    access: Access
    fields: tuple[RegisterField, ...]
    doc: str
    reset: int = 0


def _field(layout: Layout, name: str, low: int) -> RegisterField:
    """A whole field of a layout, which must fit a register."""
    field = next(field for field in layout.fields if field.name == name)
    return RegisterField(name, low, field.bits, field.doc)


def _words(
    offset: int, register: str, access: Access, name: str, bits: int, doc: str,
) -> list[Register]:
    """The registers of a value, low word first; they are numbered when there are several."""
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


_ATTRIBUTES = {"key_size": 0, "icv_size": 4, "esn": 8, "esn_overlap": 9, "unguarded": 10,
               "replay_window": 12, "ipv6": 16, "encapsulation": 17}
_DOORBELL = {"operation": 0, "select": 4, "direction": 8, "sa": 16}
"""Lowest bits of the fields in their registers."""


def _fields_at(layout: Layout, places: Mapping[str, int]) -> tuple[RegisterField, ...]:
    return tuple(_field(layout, name, low) for name, low in places.items())


def _gaps(fields: Iterable[RegisterField], part: int) -> tuple[RegisterField, ...]:
    """The bits of a register that none of ``fields`` has, as bits ``part`` and up of "reserved"."""
    taken = sum(field.mask for field in fields)
    free = [bit for bit in range(WORD_BITS) if not taken >> bit & 1]
    gaps: list[RegisterField] = []
    for _, run in groupby(enumerate(free), lambda place: place[1] - place[0]):
        low, *others = (bit for _, bit in run)
        bits = 1 + len(others)
        gaps.append(RegisterField(RESERVED, low, bits, "0", part))
        part += bits
    return tuple(gaps)


def _with_gaps(fields: tuple[RegisterField, ...], part: int = 0) -> tuple[RegisterField, ...]:
    """The fields of a register that takes its free bits too, so that a command can refuse them."""
    return (*fields, *_gaps(fields, part))


def _lookup_registers(
    offset: int, prefix: str, access: Access, layout: Layout,
    attributes: tuple[RegisterField, ...],
) -> list[Register]:
    """The 7 registers of an SA's attributes and look-up key."""
    return [
        Register(offset, f"{prefix}_ATTRIBUTES", access, attributes, "Sizes and flags of the SA"),
        Register(offset + 4, f"{prefix}_ESN_HIGH", access, (_field(layout, "esn_high", 0),),
                 "High half of the sequence number"),
        Register(offset + 8, f"{prefix}_SPI", access, (_field(layout, "spi", 0),), "SPI"),
        *_layout_words(offset + 12, f"{prefix}_DESTINATION", access, layout, "destination"),
    ]


def _state_registers(
    offset: int, prefix: str, access: Access, layout: Layout, names: Iterable[str],
) -> Iterator[Register]:
    """The registers of 64-bit fields of an SA's state, 2 for each."""
    for place, name in enumerate(names):
        yield from _layout_words(
            offset + 2 * WORD_BYTES * place, f"{prefix}_{name.upper()}_", access, layout, name)


STATE_FIELDS = ("sequence", "soft_packets", "soft_bytes", "hard_packets", "hard_bytes")
USAGE_FIELDS = ("packets", "bytes")

RX_STATUS_COUNTERS = 0x400
TX_STATUS_COUNTERS = 0x500
TOTAL_COUNTERS = 0x600
COUNTER_BYTES = 8
"""A counter is two registers, low word first."""

FLOWS = tuple(
    f"{side}_{unit}_{way}"
    for side in SIDES for unit in ("packets", "bytes") for way in ("in", "out")
)
"""Counters over all statuses. Those with "out" count frames that left, and the bytes that these had
when they left."""

SHARES = ("rx_bytes_opened", "tx_bytes_sealed", "tx_bytes_dropped")
"""Counters of the bytes of frames received with status OK, of frames sent with status SEALED, and
of requests that were refused."""

COMMANDS = (
    "sa_add_success", "sa_add_fail", "sa_delete_success", "sa_delete_fail", "sa_command_dropped")
"""Counters of ADD and DELETE by their results, and of doorbells refused because a command ran."""

TOTALS = (*FLOWS, *SHARES, *COMMANDS, "events_lost", "memory_faults")
"""Counters that are not of one status. ``events_lost`` counts events that came to a full queue,
``memory_faults`` wrong rows that memories of the SA tables gave when something depended on them."""


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
)

CAPABILITIES = (
    Register(0x00C, "CAPABILITIES", Access.READ, (
        RegisterField("width", 0, 10, "bits of the datapath: 128, 256 or 512"),
        RegisterField("key_sizes", 12, 3, "a bit for each KeySize: 128, 192, 256"),
        RegisterField("icv_sizes", 16, 3, "a bit for each IcvSize: 8, 12, 16 bytes"),
        RegisterField("has_esn", 20, 1, "extended sequence numbers"),
        RegisterField("has_ipv6", 21, 1, "IPv6 outside"),
        RegisterField("has_udp", 22, 1, "UDP encapsulation (RFC 3948)"),
        RegisterField("has_receive", 23, 1, "the receive path"),
        RegisterField("has_transmit", 24, 1, "the transmit path"),
        RegisterField("has_checksum", 25, 1, "TCP and UDP checksums of frames to send"),
        RegisterField("has_lso", 26, 1, "segmentation of super-frames to send"),
        RegisterField("has_lifetime", 27, 1, "limits of packets and bytes of an SA"),
        RegisterField("replay_window_max", 28, 4, "ReplayWindow: the largest, 0 for none"),
    ), "What the engine can do"),
    Register(0x010, "SAS", Access.READ, (
        RegisterField("sas", 0, 17, "handles of each direction are 1 to SAS - 1"),
    ), "Size of the SA tables"),
    Register(0x014, "FRAME_BYTES_MAX", Access.READ, (
        RegisterField("frame_bytes_max", 0, 16, "bytes, from the Ethernet header on"),
    ), "Longest frame"),
    Register(0x018, "SUPER_FRAME_BYTES_MAX", Access.READ, (
        RegisterField("super_frame_bytes_max", 0, 17, "bytes; 0 without segmentation"),
    ), "Longest super-frame"),
    Register(0x01C, "EVENT_QUEUE_DEPTH", Access.READ, (
        RegisterField("event_queue_depth", 0, 8, "events"),
    ), "Events that the queue holds"),
    Register(0x020, "SENT_WINDOW", Access.READ, (
        RegisterField("sent_window", 0, 16, "sequence numbers; 0 without transmit"),
    ), "Numbers, from the highest sealed down, of which the engine knows whether it sealed them"),
)
"""Registers that differ from build to build."""


def capabilities(features: Features) -> dict[str, int]:
    """The values of ``IDENTIFICATION`` and ``CAPABILITIES`` in a build, by field."""
    window = next(size for size in ReplayWindow if size.packets == features.replay_window)
    return {
        "type": MAGIC,
        "version": VERSION,
        "size": 1 << ADDRESS_BITS,
        "width": features.width,
        "key_sizes": sum(1 << size for size in KeySize),
        "icv_sizes": sum(1 << size for size in IcvSize),
        "has_esn": 1,
        "has_ipv6": int(features.ipv6),
        "has_udp": 1,
        "has_receive": int(features.receive),
        "has_transmit": int(features.transmit),
        "has_checksum": int(features.transmit),
        "has_lso": int(features.lso),
        "has_lifetime": 1,
        "replay_window_max": int(window),
        "sas": features.sas,
        "frame_bytes_max": FRAME_BYTES_MAX,
        "super_frame_bytes_max": SUPER_FRAME_BYTES_MAX if features.lso else 0,
        "event_queue_depth": EVENT_QUEUE_DEPTH,
        "sent_window": features.sent_window if features.transmit else 0,
    }


INTERRUPTS = (
    Register(0x030, "IRQ_STATUS", Access.CLEAR, (
        RegisterField("command_done", 0, 1, "an SA command has ended"),
        RegisterField("event_present", 1, 1, "events are in the queue; clears when they have "
                      "been taken off", access=Access.READ),
        RegisterField("events_lost", 2, 1, "an event came to a full queue"),
    ), "What has happened since its bit was cleared"),
    Register(0x034, "IRQ_ENABLE", Access.READ_WRITE, (
        RegisterField("command_done_enable", 0, 1, "raise irq for command_done"),
        RegisterField("event_present_enable", 1, 1, "raise irq for event_present"),
        RegisterField("events_lost_enable", 2, 1, "raise irq for events_lost"),
    ), "What raises irq"),
)

CONTROLS = (
    Register(0x038, "CONTROL", Access.READ_WRITE, (
        RegisterField("quiesce", 0, 1, "take no new frame from host and wire"),
        RegisterField("self_test", 1, 1, "1: test the ciphers, at frame boundaries; reads 1 until "
                      "the test has ended, and a write meanwhile does not change it"),
    ), "Stops and starts the datapath, at frame boundaries, and tests the ciphers"),
    Register(0x03C, "STATUS", Access.READ, (
        RegisterField("rx_stopped", 0, 1, "no received frame is taken, nor half taken"),
        RegisterField("tx_stopped", 1, 1, "no frame to send is taken, nor half taken"),
        RegisterField("rx_idle", 8, 1, "every received frame has left; 0 after a reset until SAs "
                      "are swept and ciphers tested, and while a FLUSH sweeps"),
        RegisterField("tx_idle", 9, 1, "every frame to send has left; 0 like rx_idle"),
        RegisterField("rx_failed", 16, 1, "the cipher of the receive path has failed its last "
                      "self-test: no frame is opened, and ADD is EIO"),
        RegisterField("tx_failed", 17, 1, "the cipher of the transmit path has failed its last "
                      "self-test: no frame is sealed, and ADD is EIO"),
        RegisterField("self_testing", 24, 1, "a self-test runs, or will"),
    ), "State of the datapath; when it is stopped and idle, nothing of a frame is in it",
        reset=0x300),
    Register(0x040, "BURST_THRESHOLD", Access.READ_WRITE, (
        RegisterField("burst_threshold", 0, 16, "frames; 0: no AUTH_BURST event"),
    ), "Frames with status AUTH_FAILED that make an AUTH_BURST event"),
    Register(0x044, "BURST_CLOCKS", Access.READ_WRITE, (
        RegisterField("burst_clocks", 0, 32, "clocks"),
    ), "Length of the window in which they must come, from the first on"),
)

EVENT_HEAD = (
    Register(0x060, "EVENT", Access.READ, (
        _field(EVENT, "kind", 0),
        _field(EVENT, "direction", 4),
        RegisterField("event_valid", 8, 1, "there is an event"),
        _field(EVENT, "sa", 16),
    ), "The oldest event; 0 when there is none"),
    *_layout_words(0x064, "EVENT_SEQUENCE_", Access.READ, EVENT, "sequence"),
    Register(0x06C, "EVENT_COUNT", Access.READ, (
        RegisterField("event_count", 0, 8, "events"),
    ), "Events in the queue"),
)
"""Registers that show the event queue; a read changes nothing."""

EVENT_POP = Register(0x070, "EVENT_POP", Access.WRITE, (
    RegisterField("event_pop", 0, 1, "1: take the oldest event off"),
), "Takes an event off the queue; SLVERR when there is none")

TABLE_KEY = tuple(_words(
    0x048, "TABLE_KEY", Access.WRITE, "table_key", TABLE_KEY_BITS,
    "secret key of the look-up hash; SLVERR unless the receive table is empty and no command runs",
))

PORT_BITS = 16
"""Width of a UDP port."""
PORTS_DEFAULT = (UDP_PORT_ESP, *(0 for _ in range(ESP_PORTS - 1)))
"""The UDP ports of ESP after a reset; 0 is no port."""


def _port_registers(offset: int) -> Iterator[Register]:
    """The registers of the UDP ports of ESP, two ports in each."""
    each = WORD_BITS // PORT_BITS
    for place in range(ESP_PORTS // each):
        numbers = range(each * place, each * (place + 1))
        fields = tuple(
            RegisterField(f"esp_port{number}", PORT_BITS * (number % each), PORT_BITS,
                          "UDP destination port; 0: unused") for number in numbers)
        reset = sum(PORTS_DEFAULT[number] << field.low
                    for number, field in zip(numbers, fields, strict=True))
        yield Register(
            offset + WORD_BYTES * place, f"ESP_PORTS{place}", Access.READ_WRITE, fields,
            "Ports to which ESP in UDP is received, for frames whose headers come after the write",
            reset)


PORTS = tuple(_port_registers(0x080))

_ATTRIBUTE_FIELDS = _with_gaps(_fields_at(SA_COMMAND, _ATTRIBUTES))

SA_DOORBELL = Register(0x100, "SA_DOORBELL", Access.WRITE, _with_gaps(
    _fields_at(SA_COMMAND, _DOORBELL),
    sum(field.bits for field in _ATTRIBUTE_FIELDS if field.reserved),
), "Starts an SA command with the registers below; SLVERR while one runs")

SA_STATUS = Register(0x104, "SA_STATUS", Access.READ, (
    RegisterField("busy", 0, 1, "a command runs"),
    RegisterField("done", 1, 1, "a command has ended since the doorbell"),
    RegisterField("result", 8, 4, "SaResult: " + ", ".join(
        f"{int(result)} {result.name}" for result in SaResult)),
    RegisterField("rx_empty", 16, 1, "there is no receive SA"),
), "State of the SA command", reset=1 << 16)

SA_PARAMETERS = (
    *_lookup_registers(0x108, "SA", Access.READ_WRITE, SA_COMMAND, _ATTRIBUTE_FIELDS),
    *_state_registers(0x128, "SA", Access.READ_WRITE, SA_COMMAND, STATE_FIELDS),
    *_layout_words(0x150, "SA_SALT", Access.WRITE, SA_COMMAND, "salt"),
    *_layout_words(0x160, "SA_SEQIV_SALT", Access.WRITE, SA_COMMAND, "seqiv_salt"),
    *_layout_words(0x170, "SA_KEY", Access.WRITE, SA_COMMAND, "key"),
)
"""Parameters of an SA command. A write while a command runs answers SLVERR. The write-only ones are
cleared when the command starts."""

READ_BACK = (
    *_lookup_registers(0x208, "READ", Access.READ, SA_RESPONSE,
                       _fields_at(SA_RESPONSE, _ATTRIBUTES)),
    *_state_registers(0x228, "READ", Access.READ, SA_RESPONSE, (*STATE_FIELDS, *USAGE_FIELDS)),
)
"""The SA that the last command read; 0 unless it was a good READ. A field stands as far behind
200h as that of the command behind 100h."""

ROOM = (
    (0x024, 0x030, "capabilities"),
    (0x088, 0x100, "controls"),
    (0x168, 0x170, "an IV salt of 16 bytes"),
    (0x190, 0x1D0, "an HMAC key of up to 64 bytes"),
    (0x260, 0x300, "more of an SA read back"),
    (0x300, 0x400, "RSS: key, types and indirection table"),
)
"""Offsets that have no register yet: from, to, and what they are kept for."""

COUNTERS = tuple(_counter_registers())

REGISTERS = (
    *IDENTIFICATION, *CAPABILITIES, *INTERRUPTS, *CONTROLS, *TABLE_KEY, *EVENT_HEAD, EVENT_POP,
    *PORTS, SA_DOORBELL, SA_STATUS, *SA_PARAMETERS, *READ_BACK,
    *COUNTERS,
)

BY_NAME = {register.name: register for register in REGISTERS}


def rows() -> Iterator[tuple[str, ...]]:
    """The rows of the table for readers: offset, register, access, reset, bits, field, meaning."""
    for register in REGISTERS:
        reset = "" if register in CAPABILITIES else f"{register.reset:#x}"
        yield (f"{register.offset:#05x}", register.name, register.access, reset, "", "",
               register.doc)
        for field in register.fields:
            high = field.low + field.bits - 1
            bits = f"{high}:{field.low}" if field.bits > 1 else f"{field.low}"
            yield "", "", "", "", bits, field.name, field.doc
