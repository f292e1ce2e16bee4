"""The whole engine on a bench: its four streams, its registers and its taps."""

from typing import Any

from cocotb import start_soon
from cocotb.triggers import Event, RisingEdge, SimTimeoutError, with_timeout
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from model.codes import RxStatus, TxStatus
from model.layouts import RX_COMPLETION, TX_DESCRIPTOR, TX_VERDICT
from sim.agents import AxisSink, AxisSource
from sim.driver import Driver
from sim.steps import Command, RxFrame, Step, TxFrame
from sim.streams import CLOCK_NS, LIMIT_CLOCKS, progress, start_clock_and_reset
from sim.taps import TAP_NAMES, Observed


class EngineBench:
    """Gives steps to an engine built with taps, and gathers what comes of them.

    Parameters
    ----------
    dut
        Top of the simulation.
    seed
        Seed of all gaps and stalls.
    stall
        Probability of a clock without tready at the outputs, and without tvalid
        at the inputs.

    Members
    -------
    driver
        Registers of the engine.
    """

    def __init__(self, dut: Any, *, seed: int, stall: float) -> None:
        self._dut = dut
        self._seed = seed
        self._stall = stall
        self._results: list[int] = []
        self._expected = {"rx": 0, "tx": 0}

    async def start(self) -> None:
        """Reset the engine."""
        dut, seed, stall = self._dut, self._seed, self._stall
        await start_clock_and_reset(dut)
        self._sources = {
            side: AxisSource(dut, f"s_axis_{side}", seed=seed, idle=stall) for side in ("rx", "tx")
        }
        self._sinks = {
            side: AxisSink(dut, f"m_axis_{side}", seed=seed, stall=stall) for side in ("rx", "tx")
        }
        self.driver = Driver(AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst))
        self._watcher = TapWatcher(dut)
        start_soon(self._watcher.watch())

    async def take(self, step: Step) -> None:
        """Queue a frame; for a command wait until all frames have left, then give it."""
        match step:
            case RxFrame(data):
                self._expected["rx"] += 1
                self._sources["rx"].send(data)
            case TxFrame(descriptor, data):
                self._expected["tx"] += 1
                self._sources["tx"].send(data, TX_DESCRIPTOR.pack(descriptor))
            case Command(values):
                await self.settle()
                self._results.append(await self.driver.sa_command(**values))

    async def settle(self) -> None:
        """Wait until every frame has been judged and all that leave have left.

        Raises ``AssertionError`` when nothing moves for ``LIMIT_CLOCKS``.
        """
        for side in ("rx", "tx"):
            await self._sources[side].drained()
            await self._watcher.judged(side, self._expected[side])
            await self._sinks[side].reach(self._watcher.leaving(side))

    @property
    def done(self) -> int:
        """Frames judged so far."""
        return sum(len(self._watcher.seen[f"{side}_verdict"]) for side in ("rx", "tx"))

    async def observed(self, stuck: str | None = None) -> Observed:
        """All that was seen; the counters are read now."""
        outputs = {side: sink.frames for side, sink in self._sinks.items()}
        inputs = [frame for source in self._sources.values() for frame in source.sent]
        leaving = [frame for frames in outputs.values() for frame in frames]
        clocks = 0
        if inputs and leaving:
            first = min(frame.first_clock for frame in inputs)
            clocks = max(frame.last_clock for frame in leaving) - first + 1
        return Observed(
            results=[int(result) for result in self._results],
            to_host=[(frame.user, frame.data.hex()) for frame in outputs["rx"]],
            to_wire=[frame.data.hex() for frame in outputs["tx"]],
            taps=self._watcher.seen,
            counters=await self._counters(),
            clocks=clocks,
            stuck=stuck,
        )

    async def _counters(self) -> dict[str, int]:
        """None when the registers do not answer: then the comparison shows it."""
        try:
            return await with_timeout(self.driver.counters(), LIMIT_CLOCKS * CLOCK_NS, "ns")
        except SimTimeoutError:
            return {}


class TapWatcher:
    """Notes what passes the trace points.

    Members
    -------
    seen
        Payloads by tap, in order.
    """

    def __init__(self, dut: Any) -> None:
        self.seen: dict[str, list[int]] = {name: [] for name in TAP_NAMES}
        self._clk = dut.clk
        self._valids = dut.tap_valids
        self._taps = [(getattr(dut, f"tap_{name}_payload"), self.seen[name]) for name in TAP_NAMES]
        self._moved = Event()

    async def watch(self) -> None:
        """Watch for ever."""
        edge = RisingEdge(self._clk)
        while True:
            await edge
            # One read a clock: a read costs as much as the simulation of the clock.
            valids = int(self._valids.value)
            while valids:
                lowest = (valids & -valids).bit_length() - 1
                payload, seen = self._taps[lowest]
                seen.append(int(payload.value))
                valids &= valids - 1
                self._moved.set()

    async def judged(self, side: str, count: int) -> None:
        """Wait for ``count`` verdicts in all."""
        verdicts = self.seen[f"{side}_verdict"]
        while len(verdicts) < count:
            self._moved.clear()
            await progress(
                self._moved, LIMIT_CLOCKS, f"{side}: {len(verdicts)} of {count} frames judged"
            )

    def leaving(self, side: str) -> int:
        """How many of the frames judged so far leave the engine."""
        if side == "rx":
            statuses = [RX_COMPLETION.unpack(word)["status"] for word in self.seen["rx_verdict"]]
            return sum(status != RxStatus.OVERSIZE for status in statuses)
        statuses = [TX_VERDICT.unpack(word)["status"] for word in self.seen["tx_verdict"]]
        return sum(status <= TxStatus.BYPASSED for status in statuses)
