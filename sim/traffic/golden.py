"""The golden model run on steps."""

from collections.abc import Iterable

from espnic.model.device.device import Device, RxResult, TxResult
from espnic.model.device.opening import Trace
from espnic.model.interface.codes import SaResult
from espnic.model.interface.features import Features
from espnic.model.trace import TraceRecord
from espnic.sim.traffic.steps import Command, Outcome, Ports, Received, RxFrame, Step, TxFrame


class Golden:
    """Golden model of a build with ``features`` that takes one step after another.

    ``device`` is the one to go on with; None: a new one.

    Members
    -------
    outcome
        Outcome of the steps so far.
    """

    def __init__(self, features: Features, device: Device | None = None) -> None:
        self._device = Device(features) if device is None else device
        self._packets = {"rx": 0, "tx": 0}
        self.outcome = Outcome(counters=self._device.counters)

    def take(self, steps: Iterable[Step], in_flight: Iterable[int] = ()) -> None:
        """Take steps; ``in_flight`` is that of ``Device.receive``, for each frame from the wire."""
        counts = iter(in_flight)
        for step in steps:
            match step:
                case Command():
                    self.command(step)
                case Ports():
                    self.set_ports(step)
                case RxFrame():
                    self.receive(step, next(counts, 0))
                case TxFrame():
                    self.transmit(step)

    def command(self, step: Command) -> SaResult:
        """Execute an SA command."""
        result = self._device.command(step.values)
        self.outcome.results.append(result)
        return result

    def set_ports(self, step: Ports) -> None:
        """Set the UDP ports of ESP."""
        self._device.esp_ports = step.numbers

    def receive(self, step: RxFrame, in_flight: int = 0) -> RxResult:
        """Take a frame from the wire; ``in_flight`` is that of ``Device.receive``."""
        result = self._device.receive(step.data, in_flight, step.bad)
        self._record("rx", result.trace)
        if result.frame is not None:
            self.outcome.received.append(Received(result.completion, result.frame))
            self.outcome.sidebands["rx"].append(step.sideband)
        return result

    def transmit(self, step: TxFrame) -> TxResult:
        """Take a frame from the host."""
        result = self._device.transmit(step.descriptor, step.data)
        self._record("tx", result.trace)
        self.outcome.sent += result.frames
        self.outcome.sidebands["tx"] += [step.sideband] * len(result.frames)
        return result

    def _record(self, side: str, trace: Trace) -> None:
        self._packets[side] += 1
        number = self._packets[side]
        self.outcome.trace += [TraceRecord(number, point, fields) for point, fields in trace]


def run_model(
    steps: Iterable[Step], features: Features, in_flight: Iterable[int] = (),
) -> Outcome:
    """Outcome that the golden model of a build gives for the steps.

    ``in_flight`` comes from the outcome of the RTL. It counts only where a receive SA with ESN
    has a replay window in the device.
    """
    golden = Golden(features)
    golden.take(steps, in_flight)
    return golden.outcome
