"""The golden model taking steps."""

from collections.abc import Iterable

from espnic.model.device.device import Device, RxResult, Trace, TxResult
from espnic.model.interface.codes import SaResult
from espnic.model.interface.features import Features
from espnic.model.trace import TraceRecord
from espnic.sim.traffic.steps import Command, Outcome, Received, RxFrame, Step, TxFrame


class Golden:
    """A model of the device, of a build with ``features``, that takes one step after the other.

    Members
    -------
    outcome
        What came of the steps so far.
    """

    def __init__(self, features: Features) -> None:
        self._device = Device(features)
        self._packets = {"rx": 0, "tx": 0}
        self.outcome = Outcome(counters=self._device.counters)

    def command(self, step: Command) -> SaResult:
        """Do an SA command."""
        result = self._device.command(step.values)
        self.outcome.results.append(result)
        return result

    def receive(self, step: RxFrame, in_flight: int = 0) -> RxResult:
        """Take a frame from the wire; ``in_flight`` as ``Device.receive`` has it."""
        result = self._device.receive(step.data, in_flight)
        self._record("rx", result.trace)
        if result.frame is not None:
            self.outcome.received.append(Received(result.completion, result.frame))
        return result

    def transmit(self, step: TxFrame) -> TxResult:
        """Take a frame from the host."""
        result = self._device.transmit(step.descriptor, step.data)
        self._record("tx", result.trace)
        self.outcome.sent += result.frames
        return result

    def _record(self, side: str, trace: Trace) -> None:
        self._packets[side] += 1
        number = self._packets[side]
        self.outcome.trace += [TraceRecord(number, point, fields) for point, fields in trace]


def run_model(
    steps: Iterable[Step], features: Features, in_flight: Iterable[int] = (),
) -> Outcome:
    """What the golden model of a build makes of the steps.

    ``in_flight`` is that of the RTL's outcome, where a receive SA with ESN has a replay window.
    """
    golden = Golden(features)
    behind = iter(in_flight)
    for step in steps:
        match step:
            case Command():
                golden.command(step)
            case RxFrame():
                golden.receive(step, next(behind, 0))
            case TxFrame():
                golden.transmit(step)
    return golden.outcome
