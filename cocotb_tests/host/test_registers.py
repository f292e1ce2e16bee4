"""The register block over AXI4-Lite, with the SA table behind it."""

import random

import cocotb
import cocotb.queue
import pytest
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

from espnic.hdl.sa.store import SaStore
from espnic.model.device.device import Device
from espnic.model.device.register_file import AccessError, RegisterFile
from espnic.model.interface import registers
from espnic.model.interface.codes import (
    ESP_PORTS,
    EVENT_QUEUE_DEPTH,
    SIDES,
    STATUS_BITS,
    EventKind,
    IcvSize,
    KeySize,
    RxStatus,
    SaDirection,
    SaOperation,
    SaResult,
    TxStatus,
)
from espnic.model.interface.layouts import (
    EVENT,
    LENGTH_BITS,
    LOOKUP_KEY,
    SUPER_LENGTH_BITS,
    Field,
    Layout,
)
from espnic.model.interface.registers import ADDRESS_BITS, BY_NAME, REGISTERS, WORD_BYTES, Access
from espnic.model.interface.statistics import statistics
from espnic.model.linux.bus import RegisterError
from espnic.sim.agents.axi_lite import Driver
from espnic.sim.agents.stream import StreamSource, start_clock_and_reset
from espnic.sim.build.builds import simulate
from espnic.sim.clocks import CLOCK_NS
from tests.support.differences import check_items
from tests.support.quick import simulate_quick
from tests.support.register_device import (
    CIPHERS_GOOD,
    EVENT_PORTS,
    FEATURES,
    LANES,
    SAS,
    STATUS_PORTS,
    WIDTH,
    Device16,
    start,
)
from tests.support.sa_table import (
    FOUND,
    random_command,
    random_lookup_keys,
    secret_row_layout,
    secrets_layout,
)

RX_EVENT = Layout("rx_event", (Field("status", STATUS_BITS, ""), Field("bytes", LENGTH_BITS, "")))
TX_EVENT = Layout("tx_event", (
    Field("status", STATUS_BITS, ""), Field("first", 1, ""), Field("last", 1, ""),
    Field("bytes_in", SUPER_LENGTH_BITS, ""), Field("bytes_out", LENGTH_BITS, ""),
))




async def dump(axil: AxiLiteMaster) -> dict[str, int]:
    """Every register, as it reads."""
    return {register.name: (await read_word(axil, register.offset))[1] for register in REGISTERS}


def stall(axil: AxiLiteMaster, chance: random.Random) -> None:
    """Random gaps on all five channels: address and data of a write in either order."""
    def pauses():
        while True:
            yield chance.random() < 0.4
    write, read = axil.write_if, axil.read_if
    for channel in (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel,
                    read.r_channel):
        channel.set_pause_generator(pauses())


class Handshakes:
    """Checks that each answer stays as it is until it is taken (IHI 0022, A3.2.1)."""

    def __init__(self, dut) -> None:
        self.waited = 0
        for channel, payload in (("b", ("bresp",)), ("r", ("rresp", "rdata"))):
            cocotb.start_soon(self._watch(dut, channel, payload))

    async def _watch(self, dut, channel: str, payload: tuple[str, ...]) -> None:
        valid = getattr(dut, f"axil__{channel}valid")
        ready = getattr(dut, f"axil__{channel}ready")
        answer = [getattr(dut, f"axil__{name}") for name in payload]
        waiting = None
        while True:
            await RisingEdge(dut.clk)
            offered = [int(signal.value) for signal in answer] if int(valid.value) else None
            assert waiting in (None, offered), f"{channel}: {waiting} became {offered}"
            waiting = None if int(ready.value) else offered
            self.waited += waiting is not None


async def write_word(axil: AxiLiteMaster, offset: int, value: int) -> AxiResp:
    return (await axil.write(offset, value.to_bytes(WORD_BYTES, "little"))).resp


async def read_word(axil: AxiLiteMaster, offset: int) -> tuple[AxiResp, int]:
    answer = await axil.read(offset, WORD_BYTES)
    return answer.resp, int.from_bytes(answer.data, "little")


async def self_test_ended(driver: Driver) -> None:
    """Wait until the self-test has ended."""
    while (await driver.fields("STATUS"))["self_testing"]:
        pass


@cocotb.test()
async def the_device_says_what_it_is(dut):
    _, axil = await start(dut)
    identity = await Driver(axil).identify()
    assert (identity.width, identity.sas) == (WIDTH, SAS)
    assert identity.key_sizes == tuple(KeySize) and identity.icv_sizes == tuple(IcvSize)
    assert identity.esn and identity.ipv6 and identity.udp
    assert await read_word(axil, 0) == (AxiResp.OKAY, int.from_bytes(b"ESPN", "big"))


@cocotb.test()
async def reset_values_are_those_of_the_table(dut):
    _, axil = await start(dut)
    await self_test_ended(Driver(axil))
    for register in REGISTERS:
        if register not in registers.CAPABILITIES:
            read = await read_word(axil, register.offset)
            assert read == (AxiResp.OKAY, register.reset), register.name


@cocotb.test()
async def accesses_that_the_table_does_not_grant_get_slverr(dut):
    chance, axil = await start(dut)
    await self_test_ended(Driver(axil))
    stall(axil, chance)
    before = await dump(axil)
    granted = {register.offset: register.access for register in REGISTERS}
    for offset in range(0, 1 << ADDRESS_BITS, WORD_BYTES):
        if offset not in granted or granted[offset] == Access.READ:
            answer = await write_word(axil, offset, chance.getrandbits(32))
            assert answer == AxiResp.SLVERR, hex(offset)
        if offset not in granted:
            assert await read_word(axil, offset) == (AxiResp.SLVERR, 0), hex(offset)
    assert await dump(axil) == before


@cocotb.test()
async def random_accesses_in_parallel_keep_their_order_and_strobes(dut):
    """Reads and writes at once, writes of single bytes and of any bytes."""
    chance, axil = await start(dut)
    stall(axil, chance)
    handshakes = Handshakes(dut)
    kept = [register for register in registers.SA_PARAMETERS
            if register.access == Access.READ_WRITE]
    expected = dict.fromkeys((register.offset for register in kept), 0)
    masks = {register.offset: sum(field.mask for field in register.fields) for register in kept}
    for _ in range(150):
        register = chance.choice(kept)
        first = chance.randrange(WORD_BYTES)
        data = chance.randbytes(chance.randint(1, WORD_BYTES - first))
        word = bytearray(expected[register.offset].to_bytes(WORD_BYTES, "little"))
        word[first:first + len(data)] = data
        expected[register.offset] = int.from_bytes(word, "little") & masks[register.offset]
        writing = cocotb.start_soon(axil.write(register.offset + first, data))
        other = chance.choice([each for each in kept if each is not register])
        answer = await axil.read(other.offset, WORD_BYTES)
        assert int.from_bytes(answer.data, "little") == expected[other.offset], other.name
        assert (await writing).resp == AxiResp.OKAY
    for register in kept:
        assert await read_word(axil, register.offset) == (AxiResp.OKAY, expected[register.offset])
    assert handshakes.waited > 20


@cocotb.test()
async def bytes_without_a_strobe_are_not_looked_at(dut):
    _, axil = await start(dut)
    driver, status, spi = Driver(axil), BY_NAME["IRQ_STATUS"], BY_NAME["SA_SPI"]
    await driver.sa_command(operation=SaOperation.READ, sa=1)
    for register, word, strobe, wanted in (
        (status, 0xFFFFFFFF, 0b1110, 1), (status, 0xFFFFFFFE, 0b1111, 1), (status, 1, 0b0001, 0),
        (spi, 0x11223344, 0b1111, 0x11223344), (spi, 0xAABBCCDD, 0b0010, 0x1122CC44),
        (spi, 0xAABBCCDD, 0b1000, 0xAA22CC44), (spi, 0xFFFFFFFF, 0b0000, 0xAA22CC44),
    ):
        await write_noisy(dut, register.offset, word, strobe)
        assert await driver.read(register) == wanted, (register.name, bin(strobe))


async def write_noisy(dut, offset: int, word: int, strobe: int) -> None:
    """Write some bytes of a word. The agent would have zeros in the others."""
    values = {"awaddr": offset, "wdata": word, "wstrb": strobe, "awvalid": 1, "wvalid": 1,
              "bready": 1}
    for name, value in values.items():
        getattr(dut, f"axil__{name}").value = value
    await RisingEdge(dut.clk)
    dut.axil__awvalid.value = dut.axil__wvalid.value = 0
    await ClockCycles(dut.clk, 5)


@cocotb.test()
async def keys_cannot_be_read_anywhere(dut):
    chance, axil = await start(dut)
    driver = Driver(axil)
    secrets = {register: chance.getrandbits(32) | 1 << 31 for register in REGISTERS
               if register.access == Access.WRITE
               and register not in (registers.SA_DOORBELL, registers.EVENT_POP)}
    for register, word in secrets.items():
        await driver.write(register, word)
    await scan(axil, set(secrets.values()))
    await driver.write(registers.SA_DOORBELL, SaOperation.ADD | 1 << 16)
    await scan(axil, set(secrets.values()))
    await driver.read_sa(SaDirection.RX, 1)
    await scan(axil, set(secrets.values()))


async def scan(axil: AxiLiteMaster, secrets: set[int]) -> None:
    for offset in range(0, 1 << ADDRESS_BITS, WORD_BYTES):
        assert (await read_word(axil, offset))[1] not in secrets, hex(offset)


@cocotb.test()
async def a_key_serves_one_command_only(dut):
    chance, axil = await start(dut)
    driver = Driver(axil)
    secrets = {"key": chance.getrandbits(256), "salt": chance.getrandbits(32),
               "seqiv_salt": chance.getrandbits(64)}
    added = await driver.sa_command(
        operation=SaOperation.ADD, direction=SaDirection.TX, sa=1, key_size=KeySize.AES256,
        spi=5, **secrets)
    assert added == SaResult.OK
    await driver.write(
        registers.SA_DOORBELL, SaOperation.ADD | SaDirection.TX << 8 | 2 << 16)
    assert (await wait_for_end(driver))["result"] == SaResult.EINVAL
    for handle in (1, 2):
        dut.tx_i__payload.value = dut.tx_secrets__sa.value = handle
        dut.tx_i__valid.value = dut.tx_secrets__read.value = 1
        await ClockCycles(dut.clk, SaStore.tx_latency + 1)
        assert FOUND.unpack(int(dut.tx_o__payload.value))["hit"] == (handle == 1)
        row = secret_row_layout(LANES).unpack(int(dut.tx_secrets__row.value))
        assert row["present"] == (handle == 1)
        if row["present"]:
            kept = secrets_layout(LANES).unpack(row["secrets"])
            assert {name: kept[name] for name in secrets} == secrets


@cocotb.test()
async def an_add_without_a_word_of_its_key_is_einval(dut):
    chance, axil = await start(dut)
    driver, model = Driver(axil), RegisterFile(Device(FEATURES))
    words = [register for register in registers.SA_PARAMETERS if register.access == Access.WRITE]
    rounds = [(direction, size, word) for direction in SaDirection for size in KeySize
              for word in (None, *words)]
    for handle, (direction, size, missing) in enumerate(chance.sample(rounds, 30)):
        writes = [(register, chance.getrandbits(32)) for register in words
                  if register is not missing]
        chance.shuffle(writes)
        writes += [
            (BY_NAME["SA_ATTRIBUTES"], size), (BY_NAME["SA_SPI"], handle + 1),
            (registers.SA_DOORBELL, SaOperation.ADD | direction << 8 | handle % SAS << 16)]
        if missing is not None and chance.random() < 0.5:
            # Bytes of the word, but never all of them at once.
            await axil.write(missing.offset, chance.randbytes(3))
            model.write(missing.offset, 0, strobe=0b0111)
        for register, value in writes:
            await driver.write(register, value)
            model.write(register.offset, value)
        wanted = model.read(registers.SA_STATUS.offset) >> 8
        assert (await wait_for_end(driver))["result"] == wanted & 15, (direction, size, missing)
    for name in ("SA_ADD_SUCCESS_LOW", "SA_ADD_FAIL_LOW"):
        count = await driver.read(BY_NAME[name])
        assert count == model.read(BY_NAME[name].offset) and count > 3


@cocotb.test()
async def an_interrupt_controller_that_sees_edges_misses_no_cause(dut):
    """A handler that runs once for each rising edge leaves nothing pending."""
    chance, axil = await start(dut)
    driver = Driver(axil)
    await driver.write(BY_NAME["IRQ_ENABLE"], 7)
    edges = cocotb.queue.Queue()
    cocotb.start_soon(watch_edges(dut, edges))
    handler = cocotb.start_soon(handle_edges(axil, edges))
    events = [StreamSource(dut, port, seed=chance.getrandbits(32), idle=0.9)
              for port in EVENT_PORTS]
    for _ in range(4):
        for source in events:
            source.send(*(EVENT.pack({"kind": EventKind.SOFT_LIMIT, "sa": 1})
                          for _ in range(chance.choice((1, 70)))))
        for _ in range(chance.randrange(12)):
            assert await driver.sa_command(operation=SaOperation.READ, sa=1) == SaResult.ENOENT
        for source in events:
            await source.drained()
    await ClockCycles(dut.clk, 30 * EVENT_QUEUE_DEPTH)
    assert handler.done() is False and edges.empty()
    status = await driver.fields("IRQ_STATUS", "EVENT_COUNT")
    assert not any(status.values()) and not int(dut.irq.value), status
    assert await driver.read(BY_NAME["EVENTS_LOST_LOW"])


async def watch_edges(dut, edges) -> None:
    """Put a token into the queue for each rising edge, as a bridge to MSI does."""
    before = 0
    while True:
        await RisingEdge(dut.clk)
        now = int(dut.irq.value)
        if now and not before and edges.empty():
            edges.put_nowait(None)
        before = now


async def handle_edges(axil, edges) -> None:
    """Handle each edge: clear what is told, take all events off, once."""
    driver = Driver(axil)
    while True:
        await edges.get()
        await driver.write(BY_NAME["IRQ_STATUS"], await driver.read(BY_NAME["IRQ_STATUS"]))
        while await driver.next_event() is not None:
            pass


async def begin_add(driver: Driver, handle: int = 1) -> None:
    """Ring the doorbell for an ADD of a receive SA with SPI 77."""
    for register in registers.SA_PARAMETERS:
        await driver.write(register, 77 if register.name == "SA_SPI" else 0)
    await driver.write(registers.SA_DOORBELL, SaOperation.ADD | handle << 16)


async def wait_for_end(driver: Driver) -> dict[str, int]:
    while not (status := await driver.fields("SA_STATUS"))["done"]:
        assert status["busy"]
    assert not status["busy"]
    return status


@cocotb.test()
async def commands_give_what_the_model_gives(dut):
    chance, axil = await start(dut)
    stall(axil, chance)
    driver, device = Driver(axil), Device(FEATURES)
    await driver.set_table_key(chance.getrandbits(32 * registers.TABLE_KEY_WORDS))
    keys = random_lookup_keys(chance, 4)
    handles = [0, 1, 2, SAS - 1, SAS]
    for _ in range(60):
        values = random_command(chance, keys, handles)
        assert await driver.command(values) == device.command(values), values
        direction, handle = SaDirection(chance.randrange(2)), chance.choice(handles)
        assert await driver.read_sa(direction, handle) == device.read_sa(direction, handle)


@cocotb.test()
async def nothing_of_a_command_is_left_after_it(dut):
    chance, axil = await start(dut)
    driver = Driver(axil)
    key = LOOKUP_KEY.unpack(random_lookup_keys(chance, 1)[0])
    await driver.sa_command(operation=SaOperation.ADD, sa=1, esn=1, esn_high=7, **key)
    assert (await driver.read_sa(SaDirection.RX, 1))["spi"] == key["spi"]
    await driver.sa_command(operation=SaOperation.DELETE, sa=1)
    for register in registers.READ_BACK:
        assert await driver.read(register) == 0, register.name


@cocotb.test()
async def a_running_command_and_its_parameters_cannot_be_disturbed(dut):
    chance, axil = await start(dut)
    driver = Driver(axil)
    await begin_add(driver)
    refused = [registers.SA_DOORBELL, *registers.SA_PARAMETERS, *registers.TABLE_KEY]
    chance.shuffle(refused)
    for register in refused[:12]:
        assert await write_word(axil, register.offset, 0xFFFFFFFF) == AxiResp.SLVERR, register.name
        assert (await driver.fields("SA_STATUS"))["busy"]
    assert (await wait_for_end(driver))["result"] == SaResult.OK
    assert (await driver.read_sa(SaDirection.RX, 1))["spi"] == 77


@cocotb.test()
async def the_table_key_changes_only_while_no_receive_sa_is_there(dut):
    chance, axil = await start(dut)
    driver = Driver(axil)
    key = LOOKUP_KEY.unpack(random_lookup_keys(chance, 1)[0])
    for _ in range(3):
        await driver.set_table_key(chance.getrandbits(32 * registers.TABLE_KEY_WORDS))
        added = await driver.sa_command(operation=SaOperation.ADD, sa=1, **key)
        assert added == SaResult.OK
        with pytest.raises(RegisterError, match="TABLE_KEY0: SLVERR"):
            await driver.set_table_key(0)
        # The key still finds what it placed.
        again = await driver.sa_command(operation=SaOperation.ADD, sa=2, **key)
        assert again == SaResult.EEXIST
        for operation in (SaOperation.DELETE, SaOperation.FREE):
            assert await driver.sa_command(operation=operation, sa=1) == SaResult.OK


@cocotb.test()
async def the_interrupt_follows_its_enable_and_clear(dut):
    _, axil = await start(dut)
    driver = Driver(axil)
    status, enable = BY_NAME["IRQ_STATUS"], BY_NAME["IRQ_ENABLE"]
    await driver.sa_command(operation=SaOperation.READ, sa=1)
    assert await driver.read(status) == 1 and not int(dut.irq.value)
    await driver.write(enable, 1)
    await ClockCycles(dut.clk, 2)
    assert int(dut.irq.value)
    await driver.write(status, 0)
    assert await driver.read(status) == 1 and int(dut.irq.value)
    await driver.write(status, 1)
    assert await driver.read(status) == 0 and not int(dut.irq.value)
    await driver.sa_command(operation=SaOperation.READ, sa=1)
    await ClockCycles(dut.clk, 2)
    assert int(dut.irq.value)


class Twins:
    """The registers of RTL and model, given the same and compared."""

    def __init__(self, dut, chance: random.Random, axil: AxiLiteMaster) -> None:
        self._chance = chance
        self._axil = axil
        self._dut = dut
        self.device = Device(FEATURES)
        self.model = RegisterFile(self.device)
        self._events = {port: StreamSource(dut, port) for port in EVENT_PORTS}
        self._frames = {side: StreamSource(dut, f"{side}_event") for side in SIDES}

    async def write(self, offset: int, data: bytes) -> None:
        """Write consecutive bytes within a word."""
        shift = offset % WORD_BYTES
        strobe = (1 << len(data)) - 1 << shift
        value = int.from_bytes(data, "little") << 8 * shift
        wanted = AxiResp.OKAY
        try:
            self.model.write(offset, value, strobe)
        except AccessError:
            wanted = AxiResp.SLVERR
        answer = await self._axil.write(offset, data)
        assert answer.resp == wanted, (hex(offset), data.hex())
        if offset // WORD_BYTES * WORD_BYTES == registers.SA_DOORBELL.offset:
            await wait_for_end(Driver(self._axil))

    async def read(self, offset: int) -> None:
        """Read a word."""
        wanted = AxiResp.OKAY, 0
        try:
            wanted = AxiResp.OKAY, self.model.read(offset)
        except AccessError:
            wanted = AxiResp.SLVERR, 0
        assert await read_word(self._axil, offset) == wanted, (hex(offset), wanted)

    async def event(self) -> None:
        """Tell some events, one after the other."""
        chance = self._chance
        for _ in range(chance.choice([1, 1, 3, 40])):
            values = {"kind": chance.choice([EventKind.SOFT_LIMIT, EventKind.HARD_LIMIT]),
                      "direction": chance.randrange(2), "sa": chance.randrange(SAS),
                      "sequence": chance.getrandbits(64)}
            self.device.events.push(**values)
            source = self._events[chance.choice(EVENT_PORTS)]
            source.send(EVENT.pack(values))
            await source.drained()
        await ClockCycles(self._dut.clk, 4)

    async def frames(self) -> None:
        """Receive and send frames, only to count them."""
        chance, counters = self._chance, self.device.counters
        status, length = chance.choice(list(RxStatus)), chance.getrandbits(LENGTH_BITS)
        if status != RxStatus.AUTH_FAILED:
            self._frames["rx"].send(RX_EVENT.pack({"status": status, "bytes": length}))
            count(counters, "rx", status.name, length,
                  length if status != RxStatus.OVERSIZE else None)
            counters["rx_bytes_opened"] += length if status == RxStatus.OK else 0
        await self._frames["rx"].drained()
        await ClockCycles(self._dut.clk, 3)

    async def burst(self) -> None:
        """Failures in consecutive clocks, with a window that is long or all but none."""
        chance = self._chance
        threshold = chance.choice([0, 1, 3])
        clocks = chance.choice([0, 1 << 31])
        for name, value in (("BURST_THRESHOLD", threshold), ("BURST_CLOCKS", clocks)):
            await self.write(BY_NAME[name].offset, value.to_bytes(WORD_BYTES, "little"))
        for _ in range(4):
            self._frames["rx"].send(RX_EVENT.pack({"status": RxStatus.AUTH_FAILED, "bytes": 64}))
            count(self.device.counters, "rx", "auth_failed", 64, 64)
        await self._frames["rx"].drained()
        await ClockCycles(self._dut.clk, 4)
        self.model.pass_clocks(1)

    async def step(self) -> None:
        """One random thing."""
        chance = self._chance
        names = ["EVENT", "EVENT_COUNT", "EVENT_SEQUENCE_0", "EVENT_POP", "IRQ_STATUS",
                 "IRQ_ENABLE", "SA_DOORBELL", "SA_STATUS", "SA_ATTRIBUTES", "EVENTS_LOST_LOW"]
        offset = chance.choice([
            chance.choice(REGISTERS).offset, BY_NAME[chance.choice(names)].offset,
            chance.randrange(0, 1 << ADDRESS_BITS, WORD_BYTES)])
        action = chance.choice(["write", "write", "read", "read", "event", "frames", "burst"])
        if action == "read":
            await self.read(offset)
        elif action == "write":
            first = chance.choice([0, 0, chance.randrange(WORD_BYTES)])
            data = chance.choice([chance.randbytes, lambda size: bytes(size * [255])])(
                chance.choice([WORD_BYTES - first, 1]))
            if offset == registers.SA_DOORBELL.offset:
                data = self._doorbell()[first:]
            if offset not in QUIESCE_AND_HASH:
                await self.write(offset + first, data)
        else:
            await getattr(self, action)()
        await ClockCycles(self._dut.clk, 2)
        assert bool(self._dut.irq.value) == self.model.irq

    def _doorbell(self) -> bytes:
        """Commands whose result does not hang on the datapath, on a few handles."""
        chance = self._chance
        operation = chance.choice([SaOperation.ADD, SaOperation.DELETE, SaOperation.READ, 0])
        word = operation | chance.randrange(2) << 8 | chance.randrange(4) << 16
        return word.to_bytes(WORD_BYTES, "little")


QUIESCE_AND_HASH = {BY_NAME["CONTROL"].offset,
                    *(register.offset for register in registers.TABLE_KEY)}
"""Registers that the twins leave alone: the bench has no datapath, the model no hash."""


@cocotb.test()
async def random_accesses_and_events_give_what_the_model_gives(dut):
    chance, axil = await start(dut)
    stall(axil, chance)
    handshakes = Handshakes(dut)
    twins = Twins(dut, chance, axil)
    for _ in range(500):
        await twins.step()
    for register in REGISTERS:
        await twins.read(register.offset)
    assert handshakes.waited > 100


@cocotb.test()
async def events_are_read_taken_off_and_lost_as_in_the_model(dut):
    chance, axil = await start(dut)
    twins = Twins(dut, chance, axil)
    for _ in range(6):
        for _ in range(chance.randrange(8)):
            await twins.event()
        for _ in range(chance.randrange(100)):
            for register in registers.EVENT_HEAD:
                await twins.read(register.offset)
            await twins.write(registers.EVENT_POP.offset, (1).to_bytes(WORD_BYTES, "little"))
        await twins.read(BY_NAME["EVENTS_LOST_LOW"].offset)
        await twins.read(BY_NAME["IRQ_STATUS"].offset)
        await twins.write(BY_NAME["IRQ_STATUS"].offset, bytes([chance.choice([0, 4])]))


@cocotb.test()
async def a_stop_is_told_and_the_state_of_the_datapath_read(dut):
    chance, axil = await start(dut)
    driver = Driver(axil)
    await driver.write(BY_NAME["CONTROL"], 0xFFFFFFFF)
    assert await driver.read(BY_NAME["CONTROL"]) & 1 and int(dut.quiesce.value)
    await self_test_ended(driver)
    assert await driver.read(BY_NAME["CONTROL"]) == 1
    for _ in range(10):
        values = {port: chance.randrange(2) for port in STATUS_PORTS}
        for port, value in values.items():
            getattr(dut, port).value = value
        assert await driver.fields("STATUS") == values | CIPHERS_GOOD
    await driver.write(BY_NAME["CONTROL"], 0)
    assert not int(dut.quiesce.value)


@cocotb.test()
async def a_self_test_that_is_asked_for_runs_once_and_tells_what_has_failed(dut):
    chance, axil = await start(dut)
    twins, driver = Twins(dut, chance, axil), Driver(axil)
    for broken in (set(), {SaDirection.RX}, {SaDirection.TX}, set(SaDirection), set()):
        twins.model.device.broken = broken
        dut.broken.value = sum(1 << direction for direction in broken)
        dut.answering.value = 0
        await twins.write(BY_NAME["CONTROL"].offset, (2).to_bytes(WORD_BYTES, "little"))
        for word in (0, 2):
            assert await driver.read(BY_NAME["CONTROL"]) == 2
            assert (await driver.fields("STATUS"))["self_testing"]
            await driver.write(BY_NAME["CONTROL"], word)
        dut.answering.value = 1
        await self_test_ended(driver)
        await ClockCycles(dut.clk, 10)
        for name in ("CONTROL", "STATUS", "EVENT_COUNT", "SA_STATUS"):
            await twins.read(BY_NAME[name].offset)
        for _ in broken:
            await twins.read(BY_NAME["EVENT"].offset)
            await twins.write(registers.EVENT_POP.offset, (1).to_bytes(WORD_BYTES, "little"))


@cocotb.test()
async def a_command_waits_while_a_self_test_runs(dut):
    _, axil = await start(dut)
    driver = Driver(axil)
    dut.answering.value = 0
    await driver.write(BY_NAME["CONTROL"], 2)
    await driver.write(registers.SA_DOORBELL, SaOperation.FLUSH)
    for _ in range(20):
        assert (await driver.fields("SA_STATUS"))["busy"]
    dut.answering.value = 1
    while (await driver.fields("SA_STATUS"))["busy"]:
        pass
    assert (await driver.fields("SA_STATUS"))["result"] == SaResult.OK
    assert await driver.read(BY_NAME["CONTROL"]) == 0


@cocotb.test()
async def the_ports_of_esp_are_told_to_the_parser(dut):
    chance, axil = await start(dut)
    driver = Driver(axil)

    def told():
        return tuple(int(dut.esp_ports.value) >> registers.PORT_BITS * place & 0xFFFF
                     for place in range(ESP_PORTS))

    assert told() == registers.PORTS_DEFAULT == (4500, 0, 0, 0)
    for count in range(ESP_PORTS + 1):
        ports = [chance.randrange(1, 1 << registers.PORT_BITS) for _ in range(count)]
        await driver.set_esp_ports(ports)
        assert told() == (*ports, *[0] * (ESP_PORTS - count))
        assert tuple((await driver.fields("ESP_PORTS0", "ESP_PORTS1")).values()) == told()


@cocotb.test()
async def a_doorbell_while_a_command_runs_is_refused_and_counted(dut):
    _, axil = await start(dut)
    driver = Driver(axil)
    await begin_add(driver)
    refused = 0
    while (await driver.fields("SA_STATUS"))["busy"]:
        answer = await write_word(axil, registers.SA_DOORBELL.offset, SaOperation.FLUSH)
        if answer != AxiResp.SLVERR:
            break
        refused += 1
    assert refused > 3
    await wait_for_end(driver)
    counters = await driver.counters()
    assert counters["sa_command_dropped"] == refused
    assert (counters["sa_add_success"], counters["sa_add_fail"]) == (1, 0)


@cocotb.test()
async def a_doorbell_is_counted_as_refused_in_each_clock_of_a_command(dut):
    """Also in that in which the command ends, and is counted itself."""
    _, axil = await start(dut)
    driver, answers = Driver(axil), []
    await self_test_ended(driver)
    for handle in (1, 2):
        await begin_add(driver, handle)
        begin = get_sim_time("ns")
        await wait_for_end(driver)
    # The search for a key that another SA has takes its time.
    clocks = round((get_sim_time("ns") - begin) / CLOCK_NS)
    for wait in range(clocks - 20, clocks):
        await begin_add(driver, 2)
        await ClockCycles(dut.clk, wait)
        answers.append(await write_word(axil, registers.SA_DOORBELL.offset, 0))
        await wait_for_end(driver)
    assert set(answers) == {AxiResp.SLVERR, AxiResp.OKAY}, "the end of the command was missed"
    counters = await driver.counters()
    assert counters["sa_command_dropped"] == answers.count(AxiResp.SLVERR)
    assert (counters["sa_add_success"], counters["sa_add_fail"]) == (1, 1 + len(answers))


@cocotb.test()
async def transfers_back_to_back_take_four_clocks_at_most(dut):
    """Many writes and reads at once, as fast as the bus takes them."""
    chance, axil = await start(dut)
    words = [registers.BY_NAME[f"SA_DESTINATION{place}"] for place in range(4)]
    begin = get_sim_time("ns")
    values = [chance.getrandbits(32) for _ in range(40)]
    writing = [cocotb.start_soon(write_word(axil, words[place % 2].offset, value))
               for place, value in enumerate(values)]
    reading = [cocotb.start_soon(read_word(axil, words[2 + place % 2].offset))
               for place in range(40)]
    assert {await one for one in reading} == {(AxiResp.OKAY, 0)}
    assert {await one for one in writing} == {AxiResp.OKAY}
    assert get_sim_time("ns") - begin <= CLOCK_NS * (4 * len(values) + 10)
    for place in range(2):
        assert await read_word(axil, words[place].offset) == (AxiResp.OKAY, values[38 + place])


@cocotb.test()
async def each_of_many_transfers_gets_its_answer_though_answers_wait(dut):
    """The next write is there while the answer to the one before is not taken."""
    chance, axil = await start(dut)
    stall(axil, chance)
    granted, refused = BY_NAME["SA_SPI"].offset, registers.IDENTIFICATION[0].offset
    answers = {granted: AxiResp.OKAY, refused: AxiResp.SLVERR}
    offsets = [chance.choice([granted, refused]) for _ in range(80)]
    writing = [cocotb.start_soon(write_word(axil, offset, place))
               for place, offset in enumerate(offsets)]
    reading = [cocotb.start_soon(read_word(axil, granted)) for _ in offsets]
    for offset, one in zip(offsets, writing, strict=True):
        answer = await with_timeout(one, 100 * CLOCK_NS, "ns")
        assert answer == answers[offset], hex(offset)
    for one in reading:
        assert (await with_timeout(one, 100 * CLOCK_NS, "ns"))[0] == AxiResp.OKAY
    last = max(place for place, offset in enumerate(offsets) if offset == granted)
    assert await read_word(axil, granted) == (AxiResp.OKAY, last)


@cocotb.test()
async def a_reset_amid_transfers_leaves_the_bus_usable(dut):
    """Half a write, a read not taken and a write not acknowledged are forgotten."""
    await start_clock_and_reset(dut)
    for half in ("aw", "w", "ar", "aw w", "aw w ar"):
        for channel in half.split():
            getattr(dut, f"axil__{channel}valid").value = 1
        dut.axil__awaddr.value = dut.axil__araddr.value = BY_NAME["SA_SPI"].offset
        dut.axil__wdata.value = 0xFFFFFFFF
        dut.axil__wstrb.value = 15
        await ClockCycles(dut.clk, 1 + len(half) % 4)
        for channel in ("aw", "w", "ar"):
            getattr(dut, f"axil__{channel}valid").value = 0
        dut.rst.value = 1
        await ClockCycles(dut.clk, 2)
        dut.rst.value = 0
        await RisingEdge(dut.clk)
        assert not int(dut.axil__bvalid.value) and not int(dut.axil__rvalid.value)
    axil = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "axil_"), dut.clk, dut.rst)
    assert await read_word(axil, BY_NAME["SA_SPI"].offset) == (AxiResp.OKAY, 0)
    assert await write_word(axil, BY_NAME["SA_SPI"].offset, 5) == AxiResp.OKAY
    assert await read_word(axil, BY_NAME["SA_SPI"].offset) == (AxiResp.OKAY, 5)


@cocotb.test()
async def counters_count_every_event(dut):
    chance, axil = await start(dut)
    driver = Driver(axil)
    for _ in range(2):
        assert not any((await driver.counters()).values())
        expected = dict.fromkeys(registers.counters(), 0)
        opened = sealed = oversize_bytes = refused = 0
        rx = StreamSource(dut, "rx_event", seed=cocotb.RANDOM_SEED, idle=chance.choice([0, 0.5]))
        tx = StreamSource(dut, "tx_event", seed=cocotb.RANDOM_SEED, idle=chance.choice([0, 0.5]))
        for _ in range(500):
            length, status = chance.getrandbits(LENGTH_BITS), chance.choice(list(RxStatus))
            rx.send(RX_EVENT.pack({"status": status, "bytes": length}))
            count(expected, "rx", status.name, length,
                  length if status != RxStatus.OVERSIZE else None)
            expected["rx_bytes_opened"] += length if status == RxStatus.OK else 0
            opened += status == RxStatus.OK
            oversize_bytes += length if status == RxStatus.OVERSIZE else 0
            first, outside = chance.randrange(2), chance.getrandbits(LENGTH_BITS)
            length = chance.getrandbits(SUPER_LENGTH_BITS) if first else 0
            verdict = chance.choice(list(TxStatus))
            tx.send(TX_EVENT.pack({"status": verdict, "first": first, "bytes_in": length,
                                   "bytes_out": outside}))
            count(expected, "tx", verdict.name, length,
                  outside if verdict in (TxStatus.SEALED, TxStatus.BYPASSED) else None, first)
            expected["tx_bytes_sealed"] += outside if verdict == TxStatus.SEALED else 0
            expected["tx_bytes_dropped"] += length if verdict > TxStatus.BYPASSED else 0
            sealed += verdict == TxStatus.SEALED
            refused += verdict > TxStatus.BYPASSED
        await rx.drained()
        await tx.drained()
        await RisingEdge(dut.clk)
        check_items([await driver.counters()], [expected], port="counters")
        lines = statistics(await driver.counters())
        assert (lines["rx_ipsec"], lines["ipsec_rx_drop_bytes"]) == (opened, oversize_bytes)
        assert (lines["tx_ipsec"], lines["ipsec_tx_drop_pkts"]) == (sealed, refused)
        assert lines["ipsec_enc_in_packets"] == sealed + refused
        dut.rst.value = 1
        await ClockCycles(dut.clk, 2)
        dut.rst.value = 0
        await RisingEdge(dut.clk)


def count(counters: dict[str, int], side: str, status: str, inside: int, outside: int | None,
          comes: int = 1):
    counters[f"{side}_{status.lower()}"] += 1
    counters[f"{side}_packets_in"] += comes
    counters[f"{side}_bytes_in"] += inside
    if outside is not None:
        counters[f"{side}_packets_out"] += 1
        counters[f"{side}_bytes_out"] += outside


@cocotb.test()
async def a_carry_between_the_two_reads_does_not_tear_a_counter(dut):
    _, axil = await start(dut)
    driver = Driver(axil)
    length = (1 << LENGTH_BITS) - 1
    dut.rx_event__payload.value = RX_EVENT.pack({"status": RxStatus.OK, "bytes": length})
    dut.rx_event__valid.value = 1
    low, high = BY_NAME["RX_BYTES_IN_LOW"], BY_NAME["RX_BYTES_IN_HIGH"]
    await ClockCycles(dut.clk, (1 << 32) // length - 50)
    before = await driver.read(low)
    assert before > 0xFF000000, "the bench has missed the carry"
    await ClockCycles(dut.clk, 100)
    assert await driver.read(high) == 0
    after = await driver.read(low)
    assert after < before and await driver.read(high) == 1
    assert not before % length and not ((1 << 32) + after) % length


@pytest.mark.quick
def test_registers_in_short():
    simulate_quick(
        Device16(),
        "random_accesses_in_parallel_keep_their_order_and_strobes",
        "events_are_read_taken_off_and_lost_as_in_the_model",
        "an_add_without_a_word_of_its_key_is_einval",
        name="device16", module=__name__)


def test_registers_and_commands():
    simulate(Device16(), name="device16", module=__name__)


@pytest.mark.parametrize("testcase", [
    "random_accesses_in_parallel_keep_their_order_and_strobes",
    "commands_give_what_the_model_gives",
])
def test_registers_on_icarus(testcase):
    simulate(Device16(), name="device16", module=__name__, simulator="icarus", testcase=testcase)
