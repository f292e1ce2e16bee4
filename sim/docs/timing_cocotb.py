"""Simulator's side of ``sim.docs.timing``: play the scenes of the diagrams, and write them down.

A scene is a list of clocks. A clock has the value of each watched port just before its edge.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import cocotb
from cocotb import start_soon
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from espnic.model.esp import trailer
from espnic.model.interface import registers
from espnic.model.interface.codes import (
    ESP_TEXT_OFFSET,
    IPPROTO_IPIP,
    SIDES,
    SaDirection,
    SaOperation,
    TxOperation,
)
from espnic.model.interface.layouts import TX_DESCRIPTOR
from espnic.model.sa.sa import SecurityAssociation, command_values
from espnic.sim.agents.axi_lite import Driver
from espnic.sim.agents.axi_stream import AxisSource
from espnic.sim.agents.stream import Pin, start_clock_and_reset
from espnic.sim.traffic import frames

FILE = "scenes.json"
STREAM = ("tvalid", "tready", "tdata", "tkeep", "tlast", "tuser")
AXIL_WRITE = ("awvalid", "awready", "awaddr", "wvalid", "wready", "wdata",
              "bvalid", "bready", "bresp")
PAYLOAD = bytes(28)
"""Payload of the example packets: five beats of 128 bits to seal, seven when sealed."""
TRAILER = trailer.build(len(PAYLOAD), IPPROTO_IPIP)
STALLED = range(3, 5)
"""Clocks after an output's first beat in which the output has to wait."""

Clocks = list[dict[str, int]]

SA = SecurityAssociation(
    spi=0x1000, source=ip_address("192.0.2.1"), destination=ip_address("192.0.2.2"),
    key=bytes(range(16)), salt=bytes(range(4)), seqiv_salt=bytes(range(8)))


def request(sequence: int) -> tuple[dict[str, int], bytes]:
    """Descriptor and frame of a packet to seal under handle 1; the engine adds the trailer."""
    frame = sealed(sequence)
    appended_bytes = len(TRAILER) + SA.icv.bytes
    esp_bytes = ESP_TEXT_OFFSET + len(PAYLOAD) + appended_bytes
    return {"operation": int(TxOperation.ENCRYPT), "sa": 1, "sequence": sequence,
            "esp_offset": len(frame) - esp_bytes, "next_header": TRAILER[-1],
            }, frame[:-appended_bytes]


def sealed(sequence: int) -> bytes:
    """The packet of this sequence number as it comes from the wire."""
    return frames.sealed(SA, PAYLOAD + TRAILER, sequence)


class Scenes:
    """Scenes on the engine's rig.

    Members
    -------
    seen
        The clocks of each scene that has been recorded, by name.
    """

    def __init__(self, dut: Any) -> None:
        self.seen: dict[str, Clocks] = {}
        self._dut = dut
        self._driver = Driver(
            AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst))
        self._ready = {side: Pin(getattr(dut, f"m_axis_{side}_tready")) for side in SIDES}
        for pin in self._ready.values():
            pin.set(1)

    async def record(
        self, name: str, ports: Sequence[str], play: Callable[[], Awaitable[None]],
    ) -> None:
        """Watch ports while a scene plays, one clock before it and two after it."""
        handles = {port: getattr(self._dut, port) for port in ports if hasattr(self._dut, port)}
        clocks: Clocks = []
        playing = None
        rest = 2
        while rest:
            await RisingEdge(self._dut.clk)
            clocks.append({port: int(handle.value) for port, handle in handles.items()})
            if playing is None:
                playing = start_soon(play())
            rest -= playing.done()
        self.seen[name] = clocks

    async def reset(self) -> None:
        """Play a reset and an SA command right after it, which waits for the tables' sweep."""
        self._dut.rst.value = 1
        await ClockCycles(self._dut.clk, 2)
        self._dut.rst.value = 0
        await self._driver.write(registers.BY_NAME["IRQ_ENABLE"], 1)
        await self._driver.write(registers.SA_DOORBELL, int(SaOperation.READ) | 1 << 16)
        while not int(self._dut.irq.value):
            await RisingEdge(self._dut.clk)

    async def clear(self) -> None:
        """Clear the interrupt."""
        await self._driver.write(registers.BY_NAME["IRQ_STATUS"], 1)

    async def command(self) -> None:
        """Play an SA command, its interrupt, and the clearing of the interrupt."""
        await self._driver.write(registers.SA_DOORBELL, int(SaOperation.READ) | 1 << 16)
        while not int(self._dut.irq.value):
            await RisingEdge(self._dut.clk)
        await self.clear()

    async def add(self) -> None:
        """Add the example SA in both directions."""
        for direction in SaDirection:
            await self._driver.command(command_values(SaOperation.ADD, direction, 1, SA))

    async def transmit(self) -> None:
        """Send two packets to seal, back to back; the wire lets the first wait."""
        source = AxisSource(self._dut, "s_axis_tx")
        for sequence in (1, 2):
            descriptor, frame = request(sequence)
            source.send(frame, TX_DESCRIPTOR.pack(descriptor))
        await self._take("tx", 2)

    async def receive(self) -> None:
        """Send two packets to open, the second with a wrong ICV; the host lets the first wait."""
        first, second = sealed(1), sealed(2)
        source = AxisSource(self._dut, "s_axis_rx")
        for frame in (first, second[:-1] + bytes([second[-1] ^ 1])):
            source.send(frame)
        await self._take("rx", 2)

    async def _take(self, side: str, count: int) -> None:
        """Wait until ``count`` frames have left; the first may not leave in clocks ``STALLED``."""
        valid, last = (getattr(self._dut, f"m_axis_{side}_{name}") for name in ("tvalid", "tlast"))
        clock = 0
        while count:
            await RisingEdge(self._dut.clk)
            moved = int(valid.value) and clock not in STALLED
            clock += bool(int(valid.value) or clock)
            count -= bool(moved and int(last.value))
            self._ready[side].set(int(clock not in STALLED))


@cocotb.test()
async def play_scenes(dut: Any) -> None:
    """Write the scenes to ``FILE``. What was seen is judged by whoever reads them."""
    await start_clock_and_reset(dut)
    scenes = Scenes(dut)
    axil = [f"s_axil_{name}" for name in AXIL_WRITE]
    await scenes.record("reset", ("rst", "s_axis_tx_tready", "s_axis_rx_tready", *axil[:3], "irq"),
                        scenes.reset)
    await scenes.clear()
    await scenes.record("command", (*axil, "irq"), scenes.command)
    await scenes.add()
    for side, play in (("tx", scenes.transmit), ("rx", scenes.receive)):
        ports = [f"{port}_axis_{side}_{name}" for port in ("s", "m") for name in STREAM]
        await scenes.record(side, ports, play)
    Path(FILE).write_text(json.dumps(scenes.seen), encoding="utf-8")
