"""cocotb side of ``sim.rig.runs``: runs loads on the engine's rig."""

import json
import os
import time
from pathlib import Path
from typing import Any

import cocotb
from cocotb import start_soon
from cocotb.triggers import ClockCycles, RisingEdge, SimTimeoutError, Timer, with_timeout
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from espnic.model.device.events import Event
from espnic.model.interface.codes import SIDES
from espnic.model.linux.bus import RegisterError
from espnic.sim.agents.axi_lite import Driver
from espnic.sim.agents.stream import LIMIT_CLOCKS, RESET_CLOCKS, start_clock_and_reset
from espnic.sim.clocks import CLOCK_NS

PROGRESS_NS = 20_000


@cocotb.test()
async def play_loads(dut: Any) -> None:
    """Run the loads of the job. Whoever reads the results judges them."""
    job = json.loads(os.environ["ESPNIC_JOB"])
    await start_clock_and_reset(dut)
    rig = _Rig(dut, job["sweep_clocks"])
    folder = Path(job["folder"])
    start_soon(rig.report(folder / "progress"))
    for number in range(job["loads"]):
        if await rig.run(folder / str(number)):
            break
    (folder / "counters.json").write_text(json.dumps(await rig.counters()), encoding="utf-8")


class _Rig:
    """The running rig, with the driver of its registers.

    Parameters
    ----------
    dut
        Top of the simulation.
    sweep_clocks
        Clocks after reset until an SA table may be loaded.
    """

    def __init__(self, dut: Any, sweep_clocks: int) -> None:
        self._dut = dut
        self._sweep_clocks = sweep_clocks
        self._driver = Driver(
            AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst))
        self._table: str | None = None
        self._judged = 0
        dut.seed.value = cocotb.RANDOM_SEED & 0xFFFFFFFF
        dut.played.value = 1

    async def run(self, folder: Path) -> bool:
        """Set the ports, give the commands, then run the frames; return whether they got stuck.

        The folder is that of a load (``sim.rig.runs``); ``ran.json`` is written there.
        """
        load = json.loads((folder / "load.json").read_text(encoding="utf-8"))
        await self._load_table(load["table"])
        if load["esp_ports"] is not None:
            await self._driver.set_esp_ports(load["esp_ports"])
        results = [int(await self._driver.command(values)) for values in load["commands"]]
        ran = {"results": results, "events": [], "counters": {}} | await self._play(folder, load)
        if load["reads"] and not ran["stuck"]:
            ran |= {"events": await self._events(), "counters": await self.counters()}
        (folder / "ran.json").write_text(json.dumps(ran), encoding="utf-8")
        return bool(ran["stuck"])

    async def counters(self) -> dict[str, int]:
        """Counters; empty when the registers do not answer, which the comparison then shows."""
        try:
            return await with_timeout(self._driver.counters(), LIMIT_CLOCKS * CLOCK_NS, "ns")
        except (SimTimeoutError, RegisterError):
            return {}

    async def report(self, path: Path) -> None:
        """Keep the number of frames that have been judged in a file."""
        while True:
            path.write_text(str(self._judged + int(self._dut.judged.value)), encoding="utf-8")
            await Timer(PROGRESS_NS, "ns")

    async def _load_table(self, table: str | None) -> None:
        """Fill the SA table, for each load anew: its frames begin at the first numbers again."""
        if table is None:
            assert self._table is None, "a table stays"
            return
        if self._table is None:
            await ClockCycles(self._dut.clk, self._sweep_clocks)
        self._table = table
        os.chdir(table)
        await self._pulse(self._dut.load)

    async def _play(self, folder: Path, load: dict[str, Any]) -> dict[str, Any]:
        """Run the frames: clocks, seconds of processor time, and what became of the commands."""
        dut = self._dut
        os.chdir(folder)
        for pin in ("gap", "stall", "tx_frames", "rx_frames"):
            getattr(dut, pin).value = load[pin]
        self._judged += int(dut.judged.value)
        began, clock = time.process_time(), int(dut.clock.value)
        await self._pulse(dut.start)
        meanwhile: list[tuple[int, int, int]] = []
        if load["reset_after"] is None:
            given = start_soon(self._give(load["meanwhile"]))
            await RisingEdge(dut.done)
            ran = {"clocks": int(dut.clock.value) - clock, "stuck": bool(int(dut.stuck.value))}
            meanwhile = await given
        else:
            await Timer(load["reset_after"] * CLOCK_NS, "ns")
            await RisingEdge(dut.clk)
            ran = {"clocks": int(dut.clock.value) - clock, "stuck": False}
            dut.rst.value = 1
            await ClockCycles(dut.clk, RESET_CLOCKS)
            dut.rst.value = 0
        return ran | {
            "seconds": time.process_time() - began, "meanwhile": meanwhile,
            "gaps": {side: int(getattr(dut, f"{side}_gaps").value) for side in SIDES}}

    async def _give(self, commands: list[tuple[int, dict[str, int]]]) -> list[tuple[int, int, int]]:
        """Give commands while frames move: the clocks of each, and its result."""
        given = []
        for clocks, values in commands:
            if clocks:
                await Timer(clocks * CLOCK_NS, "ns")
            began = int(self._dut.clock.value)
            result = await self._driver.command(values)
            given.append((began, int(self._dut.clock.value), int(result)))
        return given

    async def _events(self) -> list[Event]:
        """Take all events off the queue."""
        events = []
        while (event := await self._driver.next_event()) is not None:
            events.append(event)
        return events

    async def _pulse(self, pin: Any) -> None:
        pin.value = 1
        await RisingEdge(self._dut.clk)
        pin.value = 0
        await RisingEdge(self._dut.clk)
