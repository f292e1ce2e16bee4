"""The model's register block, as a driver meets it over the bus."""

import asyncio

import pytest

from espnic.model.device.device import Device
from espnic.model.device.events import BurstDetector
from espnic.model.device.register_file import AccessError, RegisterFile
from espnic.model.esp import esp
from espnic.model.interface import registers
from espnic.model.interface.codes import (
    EVENT_QUEUE_DEPTH,
    IPPROTO_UDP,
    Encapsulation,
    EventKind,
    KeySize,
    RxStatus,
    SaDirection,
    SaOperation,
    SaResult,
)
from espnic.model.interface.features import Features
from espnic.model.interface.layouts import EVENT
from espnic.model.interface.registers import BY_NAME, REGISTERS, WORD_BYTES, Access
from espnic.model.linux.bus import ModelRegisters
from espnic.model.linux.hardware import Hardware
from espnic.model.sa.sa import command_values
from espnic.sim.traffic import frames
from tests.support.sas import make_sa

FIRST, LAST = 7, 1 << 40
SALT_WORDS = {
    SaDirection.RX: ("SA_SALT",), SaDirection.TX: ("SA_SALT", "SA_SEQIV_SALT0", "SA_SEQIV_SALT1")}


def key_words(size: KeySize) -> list[str]:
    return [f"SA_KEY{word}" for word in range(size.bytes // WORD_BYTES)]


@pytest.fixture
def block() -> RegisterFile:
    return RegisterFile(Device(Features(sas=16)))


def read(block: RegisterFile, name: str) -> int:
    return block.read(BY_NAME[name].offset)


def write(block: RegisterFile, name: str, value: int) -> None:
    block.write(BY_NAME[name].offset, value)


def head(block: RegisterFile) -> dict[str, int]:
    word = read(block, "EVENT")
    values = {field.name: (word & field.mask) >> field.low for field in BY_NAME["EVENT"].fields}
    values["sequence"] = read(block, "EVENT_SEQUENCE_0") | read(block, "EVENT_SEQUENCE_1") << 32
    return values


def test_reset_values_are_those_of_the_table(block):
    for register in REGISTERS:
        if register not in registers.CAPABILITIES:
            assert block.read(register.offset) == register.reset, register.name


@pytest.mark.parametrize("features", [
    Features(), Features(width=512, sas=4096, lso=False, ipv6=False, replay_window=1024),
    Features(transmit=False, lso=False), Features(receive=False, replay_window=0),
])
def test_capabilities_are_those_of_the_build(features):
    block = RegisterFile(Device(features))
    word = read(block, "CAPABILITIES")
    can = {field.name: (word & field.mask) >> field.low
           for field in BY_NAME["CAPABILITIES"].fields}
    assert can["width"] == features.width
    assert (can["has_receive"], can["has_transmit"]) == (features.receive, features.transmit)
    assert (can["has_ipv6"], can["has_lso"]) == (features.ipv6, features.lso)
    window = can["replay_window_max"]
    assert (16 << window if window else 0) == features.replay_window
    assert read(block, "SAS") == features.sas
    assert (read(block, "SUPER_FRAME_BYTES_MAX") > 0) == features.lso


def test_accesses_that_the_table_does_not_grant_are_refused(block):
    granted = {register.offset: register.access for register in REGISTERS}
    for offset in range(0, 1 << registers.ADDRESS_BITS, WORD_BYTES):
        if offset not in granted:
            with pytest.raises(AccessError, match=f"{offset:#x}"):
                block.read(offset)
        if granted.get(offset, Access.READ) == Access.READ:
            with pytest.raises(AccessError):
                block.write(offset, 1)


def test_a_command_adds_and_reads_an_sa(block):
    write_secrets(block)
    write(block, "SA_SPI", 77)
    write(block, "SA_DOORBELL", SaOperation.ADD | SaDirection.TX << 8 | 3 << 16)
    assert read(block, "SA_STATUS") == 2 | SaResult.OK << 8 | 1 << 16
    assert read(block, "SA_ADD_SUCCESS_LOW") == 1
    write_secrets(block)
    write(block, "SA_DOORBELL", SaOperation.ADD | SaDirection.TX << 8 | 3 << 16)
    assert read(block, "SA_STATUS") >> 8 & 15 == SaResult.EEXIST
    assert read(block, "SA_ADD_FAIL_LOW") == 1
    assert read(block, "READ_SPI") == 0
    write(block, "SA_DOORBELL", SaOperation.READ | SaDirection.TX << 8 | 3 << 16)
    assert read(block, "READ_SPI") == 77


def write_secrets(block, key_size=KeySize.AES128, without=None):
    """Write salts and a key of this size, all words but one."""
    for name in (*SALT_WORDS[SaDirection.TX], *key_words(key_size)):
        if name != without:
            write(block, name, 5)


def add(block, direction, handle, key_size=KeySize.AES128):
    """Ring the doorbell for an ADD; gives the result."""
    write(block, "SA_SPI", 77)
    write(block, "SA_ATTRIBUTES", key_size)
    write(block, "SA_DOORBELL", SaOperation.ADD | direction << 8 | handle << 16)
    return SaResult(read(block, "SA_STATUS") >> 8 & 15)


@pytest.mark.parametrize("operation", SaOperation)
def test_a_key_serves_one_command_only_whatever_it_is(block, operation):
    write_secrets(block)
    write(block, "SA_DOORBELL", operation | SaDirection.TX << 8 | 1 << 16)
    assert add(block, SaDirection.TX, 2) == SaResult.EINVAL
    assert block.device.sas[SaDirection.TX].get(2) is None
    write_secrets(block)
    assert add(block, SaDirection.TX, 2) == SaResult.OK


@pytest.mark.parametrize("direction", SaDirection)
@pytest.mark.parametrize("key_size", KeySize)
def test_an_add_without_a_word_of_its_key_is_einval(block, direction, key_size):
    needed = {*SALT_WORDS[direction], *key_words(key_size)}
    for name in (*SALT_WORDS[SaDirection.TX], *key_words(KeySize.AES256)):
        for in_part in (False, True):
            write_secrets(block, key_size, without=name)
            if in_part:
                block.write(BY_NAME[name].offset, 5, strobe=0b0111)
            added = add(block, direction, 1, key_size)
            assert added == (SaResult.EINVAL if name in needed else SaResult.OK), name
            block.device.sas[direction].flush()
    assert read(block, "SA_ADD_FAIL_LOW") == 2 * len(needed)


@pytest.mark.parametrize("operation", [
    SaOperation.READ, SaOperation.DELETE, SaOperation.FREE, SaOperation.FLUSH])
@pytest.mark.parametrize("bit", [0, 25], ids=["attributes", "doorbell"])
def test_a_reserved_bit_is_of_one_command_as_software_gives_it(block, operation, bit):
    """DELETE and others write the doorbell alone, but not where the register has or needs it."""
    hardware, sa = Hardware(ModelRegisters(block)), make_sa()
    good = {"operation": operation, "direction": SaDirection.RX, "sa": 1}

    async def results():
        add = command_values(SaOperation.ADD, SaDirection.RX, 1, sa)
        yield await hardware.command(add)
        if operation == SaOperation.FREE:
            yield await hardware.command(good | {"operation": SaOperation.DELETE})
        for reserved in (1 << bit, 0):
            yield await hardware.command(good | {"reserved": reserved})

    async def last_two():
        return [result async for result in results()][-2:]

    assert asyncio.run(last_two()) == [SaResult.EINVAL, SaResult.OK]


def test_bytes_without_strobe_keep_their_value(block):
    offset = BY_NAME["SA_SPI"].offset
    block.write(offset, 0x11223344)
    block.write(offset, 0xAABBCCDD, strobe=0b0101)
    assert block.read(offset + 3) == 0x11BB33DD


def test_events_stay_until_they_are_taken_off(block):
    events = block.device.events
    with pytest.raises(AccessError, match="EVENT_POP"):
        write(block, "EVENT_POP", 1)
    write(block, "IRQ_ENABLE", 2)
    assert not block.irq and head(block)["event_valid"] == 0
    events.push(EventKind.SOFT_LIMIT, SaDirection.TX, 3, FIRST)
    events.push(EventKind.ESN_HALF, SaDirection.RX, 4, LAST)
    assert block.irq and read(block, "EVENT_COUNT") == 2
    for _ in range(2):
        assert head(block) == {"kind": EventKind.SOFT_LIMIT, "direction": SaDirection.TX,
                               "event_valid": 1, "sa": 3, "sequence": FIRST}
    write(block, "EVENT_POP", 0)
    write(block, "IRQ_STATUS", 2)
    assert block.irq and head(block)["sequence"] == FIRST
    write(block, "EVENT_POP", 1)
    assert block.irq and head(block)["sequence"] == LAST
    write(block, "EVENT_POP", 1)
    assert not block.irq and head(block) == EVENT.unpack(0) | {"event_valid": 0}


def test_lost_events_are_counted_and_flagged(block):
    write(block, "IRQ_ENABLE", 4)
    for place in range(EVENT_QUEUE_DEPTH + 3):
        assert block.irq == (place > EVENT_QUEUE_DEPTH)
        block.device.events.push(EventKind.HARD_LIMIT, SaDirection.RX, 1, place)
    assert read(block, "EVENTS_LOST_LOW") == 3
    write(block, "IRQ_STATUS", 4)
    assert not block.irq and read(block, "EVENTS_LOST_LOW") == 3
    kept = []
    while read(block, "EVENT_COUNT"):
        kept.append(head(block)["sequence"])
        write(block, "EVENT_POP", 1)
    assert kept == list(range(EVENT_QUEUE_DEPTH))


def test_a_burst_of_failures_is_told_once_a_window(block):
    write(block, "BURST_THRESHOLD", 3)
    write(block, "BURST_CLOCKS", 10)
    for failures, told in ((2, 0), (1, 1), (5, 1)):
        block.device.counters["rx_auth_failed"] += failures
        block.pass_clocks(1)
        assert read(block, "EVENT_COUNT") == told
    block.pass_clocks(10)
    block.device.counters["rx_auth_failed"] += 3
    assert read(block, "EVENT_COUNT") == 2
    assert head(block)["kind"] == EventKind.AUTH_BURST


def test_failures_that_are_far_apart_are_no_burst():
    detector = BurstDetector()
    detector.threshold, detector.clocks = 2, 10
    assert not any(detector.fail(10 * place) for place in range(5))
    assert detector.fail(49)


def test_a_counter_is_not_torn_by_what_comes_between_its_reads(block):
    counters = block.device.counters
    counters["rx_bytes_in"] = (1 << 32) - 1
    assert read(block, "RX_BYTES_IN_LOW") == (1 << 32) - 1
    counters["rx_bytes_in"] += 1
    assert read(block, "RX_BYTES_IN_HIGH") == 0
    assert read(block, "RX_BYTES_IN_LOW") == 0 and read(block, "RX_BYTES_IN_HIGH") == 1


def test_the_ports_of_esp_are_those_to_which_the_device_finds_it(block):
    sa = make_sa(encapsulation=Encapsulation.UDP)
    device = block.device
    device.command(command_values(SaOperation.ADD, SaDirection.RX, 1, sa))
    esp_packet = esp.seal(sa, 1, bytes(10) + b"\0\x04").packet

    def status(port):
        return device.receive(
            frames.ethernet(frames.ip(sa, frames.udp(esp_packet, port), IPPROTO_UDP))).status

    assert (status(4500), status(4600), status(0)) == (
        RxStatus.OK, RxStatus.NOT_ESP, RxStatus.NOT_ESP)
    write(block, "ESP_PORTS1", 4600 << 16)
    assert (status(4500), status(4600)) == (RxStatus.OK, RxStatus.OK)
    write(block, "ESP_PORTS0", 0)
    assert (status(4500), status(4600), status(0)) == (
        RxStatus.NOT_ESP, RxStatus.OK, RxStatus.NOT_ESP)
    assert (read(block, "ESP_PORTS0"), read(block, "ESP_PORTS1")) == (0, 4600 << 16)


def test_quiesce_stops_both_directions(block):
    assert read(block, "STATUS") == 0x300
    write(block, "CONTROL", 1)
    assert read(block, "STATUS") == 0x303


def test_a_self_test_takes_no_time_and_shows_which_cipher_has_failed(block):
    write(block, "CONTROL", 2)
    assert (read(block, "CONTROL"), read(block, "STATUS")) == (0, 0x300)
    assert read(block, "EVENT_COUNT") == 0
    for direction, bit in ((SaDirection.RX, 1 << 16), (SaDirection.TX, 1 << 17)):
        block.device.broken = {direction}
        assert read(block, "STATUS") & 0x30000 != bit, "a fault shows in a test only"
        write(block, "CONTROL", 3)
        assert (read(block, "CONTROL"), read(block, "STATUS")) == (1, 0x303 | bit)
        event = head(block)
        assert (event["kind"], event["direction"]) == (EventKind.SELF_TEST_FAILED, direction)
        assert (event["sa"], event["sequence"], read(block, "EVENT_COUNT")) == (0, 0, 1)
        write(block, "EVENT_POP", 1)
    block.device.broken.clear()
    write(block, "CONTROL", 1)
    assert read(block, "STATUS") == 0x303 | 1 << 17, "only a test that passes ends it"
    write(block, "CONTROL", 2)
    assert read(block, "STATUS") == 0x300
