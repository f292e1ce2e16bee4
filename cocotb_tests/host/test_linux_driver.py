"""The Linux driver on the RTL's registers and SA table, access by access as on the model's."""


import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from espnic.model.device.device import Device
from espnic.model.device.register_file import RegisterFile
from espnic.model.interface.layouts import EVENT
from espnic.model.linux.bus import ModelRegisters, run
from espnic.sim.agents.axi_lite import AxiLiteRegisters
from espnic.sim.agents.stream import StreamSource
from espnic.sim.build.builds import simulate
from tests.support import linux_scenarios
from tests.support.differences import check_items
from tests.support.linux_scenarios import SCENARIOS
from tests.support.register_device import FEATURES, Device16, start

EVENT_CLOCKS = 4
"""Clocks in which an event gets from a port of the register block into its queue, and more."""


class RtlTarget:
    """The RTL; all events come by one port."""

    def __init__(self, dut, axil):
        self.bus = AxiLiteRegisters(axil)
        self._dut = dut
        self._events = StreamSource(dut, "rx_sa_event", seed=1)

    async def tell(self, kind, direction, sa, sequence):
        self._events.send(EVENT.pack(
            {"kind": kind, "direction": direction, "sa": sa, "sequence": sequence}))
        await self._events.drained()
        await ClockCycles(self._dut.clk, EVENT_CLOCKS)


class ModelTarget:
    """The model."""

    def __init__(self):
        self._device = Device(FEATURES)
        self.bus = ModelRegisters(RegisterFile(self._device))

    async def tell(self, kind, direction, sa, sequence):
        self._device.events.push(kind, direction, sa, sequence)


async def stop_when_told(dut):
    """Stop at once when told to, in place of the datapath that this device does not have."""
    while True:
        await RisingEdge(dut.clk)
        dut.rx_stopped.value = dut.tx_stopped.value = int(dut.quiesce.value)


@cocotb.test()
@cocotb.parametrize(name=[scenario.__name__ for scenario in SCENARIOS])
async def the_device_answers_the_driver_as_the_model_does(dut, name):
    scenario = getattr(linux_scenarios, name)
    _, axil = await start(dut)
    cocotb.start_soon(stop_when_told(dut))
    expected = run(scenario(ModelTarget()))
    found = await scenario(RtlTarget(dut, axil))
    check_items(found, expected, port="access")
    assert len(expected) > 50


def test_driver_on_registers_and_sa_table():
    simulate(Device16(), name="device16", module=__name__)
