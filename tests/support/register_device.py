"""Register block and SA table as the engine joins them, for the benches of the host side."""

import random

import cocotb
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from espnic.hdl.host.axi_lite import AxiLitePort
from espnic.hdl.host.registers import Registers
from espnic.hdl.layouts import (
    HANDLE_BITS,
    EspPorts,
    Event,
    FoundSa,
    MemoryFaults,
    RxEvent,
    TxEvent,
    secret_port,
)
from espnic.hdl.sa.store import SaStore
from espnic.model.interface.codes import SaDirection
from espnic.model.interface.features import Features
from espnic.sim.agents.stream import start_clock_and_reset

WIDTH = 128
LANES = WIDTH // 128
SAS = 16
FEATURES = Features(width=WIDTH, sas=SAS, replay_window=0)
EVENT_PORTS = ("rx_sa_event", "tx_sa_event", "fault_event")
STATUS_PORTS = ("rx_stopped", "tx_stopped", "rx_idle", "tx_idle")
CIPHERS_GOOD = {"rx_failed": 0, "tx_failed": 0, "self_testing": 0}
"""The other fields of STATUS, which come from the SA table, when no self-test has failed."""


class Device16(wiring.Component):
    """Registers and SA table, as the engine joins them.

    The ciphers of the directions in ``broken`` give wrong answers; with ``answering`` 0 they give
    none.
    """

    def __init__(self):
        super().__init__({
            "axil": In(AxiLitePort),
            **{port: In(stream.Signature(Event, always_ready=True)) for port in EVENT_PORTS},
            **{port: In(1) for port in STATUS_PORTS},
            "memory_faults": In(MemoryFaults),
            "broken": In(len(SaDirection)),
            "answering": In(1, init=1),
            "quiesce": Out(1),
            "esp_ports": Out(EspPorts),
            "rx_event": In(stream.Signature(RxEvent, always_ready=True)),
            "tx_event": In(stream.Signature(TxEvent, always_ready=True)),
            "irq": Out(1),
            "tx_i": In(stream.Signature(HANDLE_BITS, always_ready=True)),
            "tx_o": Out(stream.Signature(FoundSa, always_ready=True)),
            "tx_secrets": In(secret_port(LANES)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.registers = block = Registers(FEATURES)
        m.submodules.store = store = SaStore(FEATURES)
        for port in ("axil", "rx_event", "tx_event", *EVENT_PORTS):
            wiring.connect(m, wiring.flipped(getattr(self, port)), getattr(block, port))
        for port in ("tx_i", "tx_o", "tx_secrets"):
            wiring.connect(m, wiring.flipped(getattr(self, port)), getattr(store, port))
        wiring.connect(m, block.command, store.command)
        wiring.connect(m, block.response, store.response)
        wiring.connect(m, store.failure, block.self_test_event)
        for direction, side in enumerate(("rx", "tx")):
            cipher = getattr(store, f"{side}_cipher")
            m.d.comb += [
                cipher.ended.eq(self.answering),
                cipher.passed.eq(~self.broken[direction]),
                getattr(block, f"{side}_failed").eq(getattr(store, f"{side}_failed")),
            ]
        m.d.comb += [
            store.self_test.eq(block.self_test),
            block.self_tested.eq(store.self_tested),
            block.self_testing.eq(store.self_testing),
            store.table_key.eq(block.table_key),
            block.rx_empty.eq(store.rx_empty),
            block.memory_faults.eq(self.memory_faults),
            self.irq.eq(block.irq),
            self.quiesce.eq(block.quiesce),
            self.esp_ports.eq(block.esp_ports),
            *(getattr(block, port).eq(getattr(self, port)) for port in STATUS_PORTS),
        ]
        return m


async def start(dut) -> tuple[random.Random, AxiLiteMaster]:
    await start_clock_and_reset(dut)
    dut.rx_idle.value = dut.tx_idle.value = dut.answering.value = 1
    axil = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "axil_"), dut.clk, dut.rst)
    return random.Random(cocotb.RANDOM_SEED), axil
