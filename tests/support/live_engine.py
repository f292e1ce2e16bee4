"""The engine's ports in a running simulation, and frames of one SA for them."""

from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from espnic.model.esp import esp, trailer
from espnic.model.interface.codes import ESP_TEXT_OFFSET, SIDES, TxOperation
from espnic.model.interface.layouts import RX_COMPLETION, TX_DESCRIPTOR
from espnic.sim.agents.axi_lite import Driver
from espnic.sim.agents.axi_stream import AxisSink, AxisSource
from espnic.sim.traffic import frames
from espnic.sim.traffic.steps import RxFrame, TxFrame
from tests.support.differences import check_items

ESP_OFFSET = 14 + 20
SEGMENT_CLOCKS = 2000
"""Clocks from one segment to the next, stalls included, and more."""


class Live:
    """The engine's ports after a reset; outputs are not ready before ``take``."""

    def __init__(self, dut, seed, idle=0.0):
        self._dut, self._seed = dut, seed
        self.sources = {
            side: AxisSource(dut, f"s_axis_{side}", seed=seed, idle=idle) for side in SIDES}
        self.sinks = {}
        self.driver = Driver(AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst))

    def take(self, stall=0.0):
        """Take what leaves from now on."""
        self.sinks = {
            side: AxisSink(self._dut, f"m_axis_{side}", seed=self._seed, stall=stall)
            for side in SIDES}

    def send(self, step):
        """Queue a frame."""
        if isinstance(step, RxFrame):
            self.sources["rx"].send(step.data, step.bad | step.sideband << 1)
        else:
            self.sources["tx"].send(
                step.data,
                TX_DESCRIPTOR.pack(step.descriptor) | step.sideband << TX_DESCRIPTOR.bits)

    async def ended(self, requests):
        """Wait until ``requests`` requests have been judged and all frames that leave have left.

        A request is counted with its first segment, so wait until no counter changes any more.
        """
        for side in SIDES:
            await self.sources[side].drained()
        counters, before = {}, None
        while counters.get("tx_packets_in") != requests or counters != before:
            before = counters
            await ClockCycles(self._dut.clk, SEGMENT_CLOCKS)
            counters = await self.driver.counters()
        await self.sinks["tx"].reach(counters["tx_packets_out"])

    def check_sent(self, frames):
        """Compare the frames that have left on the wire with those of the model."""
        self._check("tx", [got.data for got in self.sinks["tx"].frames], frames)

    def check_received(self, results):
        """Compare what the host got, completions too, with the model's results."""
        self._check(
            "rx",
            [{"frame": got.data, **RX_COMPLETION.unpack(got.user)}
             for got in self.sinks["rx"].frames],
            [{"frame": result.frame, **result.completion} for result in results])

    def _check(self, side, got, expected):
        width = len(getattr(self._dut, f"m_axis_{side}_tdata"))
        check_items(got, expected, port=side, width=width)


def request(sa, sequence, payload):
    """A frame to seal under handle 1, without trailer."""
    frame = frames.carried(sa, sa.spi.to_bytes(4, "big") + bytes(12) + payload)
    return TxFrame({"operation": int(TxOperation.ENCRYPT), "sa": 1, "sequence": sequence,
                    "esp_offset": ESP_OFFSET, "next_header": 4}, frame)


def wire_frame(sa, step):
    """Frame on the wire that the request must become under this SA."""
    payload = step.data[ESP_OFFSET + ESP_TEXT_OFFSET:]
    text = payload + trailer.build(len(payload), step.descriptor["next_header"])
    return step.data[:ESP_OFFSET] + esp.seal(sa, step.descriptor["sequence"], text).packet
