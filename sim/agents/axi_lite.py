"""The driver's register access over AXI4-Lite, for a cocotb simulation."""

from cocotbext.axi import AxiLiteMaster, AxiResp

from espnic.model.interface import registers
from espnic.model.linux.bus import RegisterError
from espnic.model.linux.hardware import Hardware


class AxiLiteRegisters:
    """A ``RegisterBus`` that reads and writes through an AXI4-Lite agent."""

    def __init__(self, axil: AxiLiteMaster) -> None:
        self._axil = axil

    async def read(self, offset: int) -> int:
        answer = await self._axil.read(offset, registers.WORD_BYTES)
        if answer.resp != AxiResp.OKAY:
            raise RegisterError(answer.resp.name)
        return int.from_bytes(answer.data, "little")

    async def write(self, offset: int, value: int) -> None:
        answer = await self._axil.write(offset, value.to_bytes(registers.WORD_BYTES, "little"))
        if answer.resp != AxiResp.OKAY:
            raise RegisterError(answer.resp.name)


class Driver(Hardware):
    """``Hardware`` that is reached through an AXI4-Lite agent."""

    def __init__(self, axil: AxiLiteMaster) -> None:
        super().__init__(AxiLiteRegisters(axil))
